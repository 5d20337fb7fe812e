# The two commands that do everything on a fresh machine: make demo, make test.
# Only Python (3.11 or newer) and make are needed; all else goes into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup test test-all lint types unit demo bench clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt tools/setup_browser.sh
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else f"Ghostlap needs Python 3.11 or newer, and $(PYTHON) is {sys.version.split()[0]}. Try: make setup PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all]'
	@tools/setup_browser.sh $(BIN)/python
	@touch $(READY)

test: lint types unit

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

unit: $(READY)
	$(BIN)/pytest

# The slow tests too: pilots trained on recordings and driven, which takes minutes each.
test-all: lint types
	$(BIN)/pytest -m 'slow or not slow'

# A lap each way round the lake, driven by the built-in expert, all the way to a pilot that drives.
DEMO := build/demo
demo: $(READY)
	rm -rf $(DEMO)
	$(BIN)/ghostlap record --track lake --laps 1 --both-ways --recovery 0.2 --out $(DEMO)/recording
	$(BIN)/ghostlap doctor $(DEMO)/recording
	$(BIN)/ghostlap explore $(DEMO)/recording --out $(DEMO)/explore
	$(BIN)/ghostlap train $(DEMO)/recording --out $(DEMO)/run --epochs 10 --cache $(DEMO)/cache
	$(BIN)/ghostlap evaluate $(DEMO)/run --track lake --seeds 2
	@echo
	@echo 'Open $(DEMO)/explore/index.html, $(DEMO)/run/loss.png and the map in $(DEMO)/run/evaluate/.'
	@echo 'Then try:'
	@echo '  $(BIN)/ghostlap train YOUR_RECORDING --out runs/a'
	@echo '  $(BIN)/ghostlap evaluate runs/a --track lake --stress'
	@echo '  $(BIN)/ghostlap --help'

# RECORDING=… names the recording to measure with.
bench: $(READY)
	$(BIN)/ghostlap bench train $(RECORDING)
	$(BIN)/ghostlap bench sim

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
