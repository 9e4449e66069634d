# The two commands of a fresh clone are `make check` and `make test`; both set up what they need, see docker/needs.sh.
.DEFAULT_GOAL := check
.PHONY: check test lint bench locks schemas page clean setup

VENV := .venv
BIN := $(VENV)/bin
TARGET ?= pypi:newest
WORKERS ?= 2
# What `make check` plays: the gate; SCENARIOS='calm clock-*' only those.
SCENARIOS ?=
# Most tests wait for a server more than they compute: four at once keep two cores busy.
TESTS_AT_ONCE := 4
# What `make test` runs: SLICE=tests/wire, SLICE='tests/model -k script'; MARKS=long what .ci/run plays besides.
SLICE ?= tests
# Whoever names a slice gets all of it.
MARKS ?= $(if $(filter file,$(origin SLICE)),not long)

# A check starts dozens of Python processes. Images for CI often forbid Python to keep what it compiled: each of them would
# compile everything again, which doubles what a check costs.
unexport PYTHONDONTWRITEBYTECODE

setup: $(VENV)/.installed

$(VENV)/.installed: requirements.lock pyproject.toml
	@sh docker/python.sh $(VENV)
	@$(BIN)/uv pip sync -q --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps -e .
	@touch $@

check: setup
	@sh docker/needs.sh check $(BIN)
	@$(BIN)/tailproof check $(TARGET) -n $(WORKERS) $(SCENARIOS:%=--scenario '%')

test: setup
	@sh docker/needs.sh test $(BIN)
	@$(BIN)/pytest $(SLICE) $(if $(MARKS),-m "$(MARKS)") -n $(TESTS_AT_ONCE) --dist loadgroup

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/mypy -p fixtures.broken --explicit-package-bases
	@$(BIN)/lint-imports

bench: setup
	@$(BIN)/python -m bench

locks: setup
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --extra dev pyproject.toml -o requirements.lock

schemas: setup
	@$(BIN)/python -m tailproof.schemas

page: setup
	@cd reports/html && npm ci --ignore-scripts --no-audit --no-fund && npm run --silent check && npm run --silent build

clean: setup
	@$(BIN)/tailproof clean
