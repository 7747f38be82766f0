# Everything a checkout needs: `make run`, `make test`, `make dev`.
PYTHON ?= $(shell for v in python3.11 python3.12 python3.13 python3; do command -v $$v >/dev/null 2>&1 && $$v -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && { echo $$v; break; }; done)
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help run test dev postgres lint format lock clean

help: ## List the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.installed: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed: install one and run make again." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

run: $(VENV)/.installed ## The main job: game logs to report (settings from the environment)
	$(BIN)/statmuse run

test: $(VENV)/.installed ## The whole test suite; three processes of one thread each, since many tests wait
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

dev: $(VENV)/.installed ## Dagster UI and daemon on http://localhost:3000
	$(BIN)/statmuse dev

postgres: $(VENV)/.installed ## A local Postgres for trying, until Ctrl-C (data under data/postgres)
	@$(BIN)/python -m statmuse_pipeline.warehouse.local_postgres $(or $(STATMUSE_DATA),data)/postgres $(addprefix --port=,$(POSTGRES_PORT))

lint: $(VENV)/.installed ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed ## Let ruff format and fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: ## Renew requirements.lock from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-strip-extras --quiet --no-header -o requirements.lock

clean: ## Remove the virtual environment and everything the pipeline wrote
	rm -rf $(VENV) data/[!.]* models_store
