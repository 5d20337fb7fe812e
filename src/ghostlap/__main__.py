"""``python -m ghostlap`` is ``ghostlap``."""

from ghostlap.cli import main

if __name__ == "__main__":
    main()
