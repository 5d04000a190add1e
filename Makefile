# One command each: `make demo` shows the main job, `make check` the quick checks, `make test` all tests. `make help` lists the rest.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1
unexport PYTHONDONTWRITEBYTECODE

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(VENV)/.ready: requirements/development.txt
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/development.txt
	@touch $@

# The packages of this repository, as they are: changes need no new install.
$(VENV)/.installed: $(VENV)/.ready pyproject.toml
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --no-index --editable .
	@touch $@

demo: ## install through the build hook and run the nightly job against the simulator
	@$(PYTHON) demo/run.py

lint: $(VENV)/.installed
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/codespell
	@$(BIN)/mypy
	@$(BIN)/python -m tools.field_docs
	@$(BIN)/lint-imports > .lint-imports.log 2>&1 || { cat .lint-imports.log; exit 1; }
	@$(BIN)/python -m tools.docstrings
	@$(BIN)/python -m tools.plain_words
	@$(BIN)/deptry . > .deptry.log 2>&1 || { cat .deptry.log; exit 1; }
	@$(BIN)/bandit --quiet --configfile pyproject.toml --recursive agent bench demo tools 2> .bandit.log || { cat .bandit.log; exit 1; }

check: lint ## pass the linters and the unit tests, in a minute and a half
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder tests/unit

test: lint ## pass the linters and all tests but the long ones
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder tests/unit tests/integration tests/end_to_end

long: $(VENV)/.installed ## pass a sample of the long tests: fuzzers, crashes, seasons, every state of the engine
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder tests/long

soak: $(VENV)/.installed ## the long tests: the whole crash matrix, all zones, long seasons (more than an hour)
	@UPSUN_SOAK=1 $(BIN)/python -m pytest -n 2 --dist loadfile tests/long \
		tests/end_to_end/ssh/test_paths.py tests/integration/faults/test_misleading_lists.py \
		$$($(BIN)/python -m tests.thinning)
	@$(BIN)/python -m tools.crash_matrix --pairs 500 --write
	@$(BIN)/python -m tools.crash_matrix --play flagship --pairs 500 --write

bugs: $(VENV)/.installed ## plant bugs, one at a time, and see the tests catch each (about half an hour)
	@$(BIN)/python -m tools.planted_bugs

coverage: $(VENV)/.installed ## branch coverage: all of engine, schedule and redaction, 95 % of the rest (half an hour)
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile --cov=upsun_agent --cov=upsun_simulator --cov=upsun_setup --cov-branch --cov-report=term-missing
	@$(BIN)/coverage report --fail-under=100 --include='agent/upsun_agent/engine/*,agent/upsun_agent/schedule.py,agent/upsun_agent/cron_expression.py,agent/upsun_agent/log/lines.py,agent/upsun_agent/log/redaction.py'
	@$(BIN)/coverage report --fail-under=95

bench: $(VENV)/.installed ## measure the speed: a table of ratios, in under a minute
	@$(BIN)/python -m bench

docs: $(VENV)/.installed ## regenerate the reference pages and the lines for the build hook
	@$(BIN)/python -m tools.reference

site: $(VENV)/.installed ## build the documentation's site into build/site/; a warning is an error
	@PYTHONPATH=. $(BIN)/sphinx-build -q -W --keep-going docs build/site
	@echo build/site/index.html

dist: $(VENV)/.installed ## make the files of a release in dist/: byte for byte the same wherever it is built
	@$(BIN)/python -m tools.dist

wheelhouse: $(VENV)/.installed ## fill dist/wheelhouse: with it an install needs no network, no Python and no pip
	@$(BIN)/python -m tools.dist --wheelhouse

LOCK ?= $(BIN)/uv
COMPILE = $(LOCK) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate
lock: $(if $(filter $(BIN)/uv,$(LOCK)),$(VENV)/.ready) ## regenerate requirements/*.txt from pyproject.toml
	$(COMPILE) pyproject.toml -o requirements/runtime.txt
	for extra in simulator shared otel socks; do \
		$(COMPILE) --extra $$extra -c requirements/runtime.txt pyproject.toml -o requirements/$$extra.txt; done
	$(COMPILE) --all-extras --group dev -c requirements/runtime.txt pyproject.toml -o requirements/development.txt
	echo 'pip>=26.3' | $(COMPILE) - -o requirements/installer.txt

interpreter: $(VENV)/.ready ## pin the newest build of the Python that the agent brings along
	@$(BIN)/python -m tools.interpreter

.PHONY: bench bugs check coverage demo dist docs help interpreter lint lock long site soak test wheelhouse
