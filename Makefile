# Each target makes its own environment in .venv first; ARGS goes to pytest, e.g. make test ARGS="-n 2".
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
SECONDS ?= 60

.PHONY: specs test check format lint types layers fix fuzz bench figures clean

specs: .venv/ready
	$(BIN)/pytest --sockspec specs/ $(ARGS)

test: .venv/ready
	$(BIN)/pytest tests $(ARGS)

check: format lint types layers test specs

format: .venv/ready
	$(BIN)/ruff format --check .

lint: .venv/ready
	$(BIN)/ruff check .

types: .venv/ready
	$(BIN)/mypy

layers: .venv/ready
	$(BIN)/lint-imports

fix: .venv/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Measures and prints, e.g. make bench ARGS="engine --rounds 3"; the results stay as JSON.
# Random programs on our engine and on Bun; SEED=n begins with that seed.
fuzz: .venv/ready
	$(BIN)/python -m tests.differential --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

bench: .venv/ready
	$(BIN)/python -m benchmarks run --json build/benchmarks.json $(ARGS)

# Measures, and puts what came out into the documentation.
figures: .venv/ready
	$(BIN)/python -m benchmarks run --json docs/benchmarks.json $(ARGS)
	$(BIN)/python -m benchmarks plot docs/benchmarks.json docs/benchmarks.svg
	$(BIN)/python -m benchmarks table docs/benchmarks.json docs/benchmarks.md

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .sockharness
