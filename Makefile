# Each target makes its own environment in .venv first.
# ARGS goes to pytest and wins over what a target says: make test ARGS="-n 0 -k drain -x"
# Another Python has one beside it: make test PYTHON=python3.13 VENV=.venv-3.13
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=
SECONDS ?= 60
# What the specs are compared with; npm installs it into a folder of this clone.
BUN_VERSION := 1.4.5
LANGUAGE_SERVER_VERSION := 1.25.0
BUN := .bun/node_modules/.bin/bun

.PHONY: specs test test-xdist test-all gallery language check format lint types layers fix map
.PHONY: bun language-server conformance fuzz bench figures clean

specs: $(VENV)/ready
	$(BIN)/pytest --sockspec specs/ $(ARGS)

test: $(VENV)/ready
	$(BIN)/pytest tests -n auto -m "not starts_xdist" $(ARGS)

# The tests that "test" leaves out: they start workers of their own.
test-xdist: $(VENV)/ready
	$(BIN)/pytest tests -m starts_xdist $(ARGS)

# Everything: also what the other targets do in samples (wrong copies of specs, cut handshakes).
test-all: $(VENV)/ready
	SOCKHARNESS_EXHAUSTIVE=1 $(BIN)/pytest tests -n auto $(ARGS)

# Writes the exact texts that tests compare with anew; then read: git diff tests/gallery
gallery: $(VENV)/ready
	$(BIN)/pytest tests -q -p no:randomly --accept-gallery $(ARGS)

# Writes the schema of the spec language and the tables of its reference anew, from its table.
language: $(VENV)/ready
	$(BIN)/python -m tests.sockspec.table.reference

check: format lint types layers test test-xdist specs

format: $(VENV)/ready
	$(BIN)/ruff format --check .

lint: $(VENV)/ready
	$(BIN)/ruff check .

types: $(VENV)/ready
	$(BIN)/mypy

layers: $(VENV)/ready
	$(BIN)/lint-imports

fix: $(VENV)/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# How the code hangs together: arrows between its files, and how far a byte travels.
map: $(VENV)/ready
	$(BIN)/python -m benchmarks.imports
	$(BIN)/python -m benchmarks.journeys

# Measures and prints, e.g. make bench ARGS="engine --rounds 3"; the results stay as JSON.
bench: $(VENV)/ready
	$(BIN)/python -m benchmarks run --json build/benchmarks.json $(ARGS)

# Measures, and puts what came out into the documentation.
figures: $(VENV)/ready
	$(BIN)/python -m benchmarks run --json docs/benchmarks.json $(ARGS)
	$(BIN)/python -m benchmarks plot docs/benchmarks.json docs/benchmarks.svg
	$(BIN)/python -m benchmarks table docs/benchmarks.json docs/benchmarks.md

bun: .bun/$(BUN_VERSION)
	@echo "Bun $(BUN_VERSION): pytest --sockspec specs/ --sock-engine=bun --sock-bun=$(BUN)"

# The tests open specs in it, as an editor does.
language-server: .npm/$(LANGUAGE_SERVER_VERSION)

.npm/$(LANGUAGE_SERVER_VERSION):
	npm install --prefix .npm --no-save --no-package-lock --no-audit --no-fund \
		--fetch-retries 1 yaml-language-server@$(LANGUAGE_SERVER_VERSION)
	touch $@

# Without Bun, this says so and compares our engine with the recorded run.
conformance: $(VENV)/ready
	-@$(MAKE) --no-print-directory bun
	$(BIN)/python -m tests.conformance --bun $(BUN)

# Random programs on our engine and on Bun; SEED=n begins with that seed.
fuzz: $(VENV)/ready bun
	SOCKHARNESS_BUN=$(BUN) $(BIN)/python -m tests.differential \
		--seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

.bun/$(BUN_VERSION):
	npm install --prefix .bun --no-save --no-package-lock --no-audit --no-fund \
		--fetch-retries 1 bun@$(BUN_VERSION)
	$(BUN) --version
	touch $@

$(VENV)/ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	touch $@

clean:
	rm -rf .bun .npm .venv .venv-* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .sockharness
