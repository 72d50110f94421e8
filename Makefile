# make demo   set up and run the demo (offline; without a terminal: 10 s headless and a summary)
# make test   set up and run the tests
# make check  format, lint, types, import contracts
# make test-real  against real software, installed on demand outside the repository (gigabytes, minutes); PEERS=vllm for one of them
# make bench  each performance goal beside its measured value
# make verdicts  the verdict against every emulated fault, five seeds each (three quarters of an hour)
# make rehearse  every show with three seeds that are drawn now: what its chapters claim, against the figures (some twenty minutes)
# make pictures  the pictures in docs/, made anew

PYTHON ?= python3
BIN := .venv/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test test-real check bench verdicts rehearse pictures format clean

demo: .venv/base
	@$(BIN)/tokenyard demo

test: .venv/dev
	$(BIN)/python -m pytest

PEERS ?= llamacpp prometheus dynamo vllm

test-real: .venv/dev
	$(BIN)/python -m pytest -c tests/real/pytest.ini $(PEERS:%=tests/real/real_%.py)

check: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/dev
	$(BIN)/python -m bench

verdicts: .venv/dev
	$(BIN)/python -m bench.verdicts

rehearse: .venv/dev
	$(BIN)/python -m tui.rehearsing

pictures: .venv/dev
	$(BIN)/python -m docs.pictures

format: .venv/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv build dist *.egg-info

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/base: .venv/bin/python pyproject.toml constraints.txt
	$(PIP_INSTALL) -e .
	@touch $@

.venv/dev: .venv/bin/python pyproject.toml constraints.txt
	$(PIP_INSTALL) -e '.[dev]'
	@touch $@ .venv/base
