"""``python -m ghostlap`` is ``ghostlap``."""

from ghostlap.commands.cli import main

if __name__ == "__main__":
    main()
