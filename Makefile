# The two commands that do everything on a fresh machine: make demo, make test.
# Only Python (3.11 or newer) and make are needed; all else goes into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup test test-all lint types unit attack windows demo docs pictures generalist bench clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt tools/setup_browser.sh
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else f"Ghostlap needs Python 3.11 or newer, and $(PYTHON) is {sys.version.split()[0]}. Try: make setup PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all,dev,docs]'
	@tools/setup_browser.sh $(BIN)/python
	@touch $(READY)

test: lint types unit

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

# Two at once, each file by one: some tests share what a file's first one made.
unit: $(READY)
	$(BIN)/pytest -n 2 --dist loadfile --hypothesis-profile repeatable

# The slow tests too: pilots trained on recordings and driven, which takes minutes each.
test-all: lint types
	@tools/setup_other_browsers.sh
	$(BIN)/pytest -m 'slow or not slow'
	$(MAKE) windows
	$(BIN)/python -m benchmarks.attack --minutes 10

# Kills, full disks, hostile clients, pages and files, fuzzing: what is lost, hangs, falls, gets in.
# MINUTES=… says for how long; the table is in build/attack/attack.md.
MINUTES ?= 30
attack: $(READY)
	$(BIN)/python -m benchmarks.attack --minutes $(MINUTES)

# Commands and tests on Windows' own Python under Wine, in a kit made from packages: build/windows.
# Where they cannot be fetched, it says so and is skipped.
windows: $(READY)
	$(BIN)/python tools/windows.py

# From nothing to a pilot that drives, with proof: some minutes; goes on where it was interrupted.
demo: $(READY)
	$(BIN)/ghostlap demo --out build/demo

# The documentation's site, build/site/index.html; nothing in it is fetched from anywhere.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

# The documentation's pictures: some minutes, for the pilot that they show is trained first.
pictures: $(READY)
	$(BIN)/python tools/pictures.py docs/pictures

# The pilot that comes along, recorded and trained anew: about half an hour on two cores.
generalist: $(READY)
	$(BIN)/python tools/generalist.py

# RECORDING=… names the recording to measure with.
bench: $(READY)
	$(BIN)/python -m benchmarks train $(RECORDING)
	$(BIN)/python -m benchmarks sim

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
