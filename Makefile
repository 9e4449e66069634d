# The two commands of a fresh clone are `make check` and `make test`; both set up what they need.
.DEFAULT_GOAL := check
.PHONY: check test lint bench locks schemas clean setup

VENV := .venv
BIN := $(VENV)/bin
TARGET ?= pypi:newest
WORKERS ?= 2

setup: $(VENV)/.installed

$(VENV)/.installed: requirements.lock pyproject.toml
	@sh docker/python.sh $(VENV)
	@$(BIN)/uv pip sync -q --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps -e .
	@touch $@

check: setup
	@$(BIN)/tailproof check $(TARGET) -n $(WORKERS)

test: setup
	@$(BIN)/pytest tests -n $(WORKERS)

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: setup
	@$(BIN)/python -m bench

locks: setup
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --extra dev pyproject.toml -o requirements.lock

schemas: setup
	@$(BIN)/python -m tailproof.schemas

clean: setup
	@$(BIN)/tailproof clean
