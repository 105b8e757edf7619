# Chores. Each target makes .venv itself and installs again only when pyproject.toml or requirements.lock changed.
# `make PYTHON=/path/to/python3.11 ...` chooses the Python that .venv is made of.

DEMO ?= demo
PORT ?= 4200
BIN := .venv/bin
RUN := .venv/.installed
DEV := .venv/.installed-dev
SERVICES := .venv-services/.installed
PEERS := .venv-peers/.installed
CHECKS := .venv-checks/.installed
LAMBDA := .venv-lambda/.installed
SAGEMAKER := .venv-sagemaker/.installed
SPARK := .venv-spark/.installed
CDK := .venv-cdk/.installed
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock
# A .venv that does not run, or was copied from elsewhere, is made anew: then what it holds is stale.
STALE := $(shell $(BIN)/python -c '' 2>/dev/null && [ "$$(cat .venv/.made-in 2>/dev/null || pwd)" = "$$(pwd)" ] || echo stale)

# Prefect: no telemetry, and time for its server to start on a small machine.
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export DO_NOT_TRACK := 1
export PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS := 120
export PYTHON

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-aws test-cdk test-ddl test-dashboard dashboard java e2e e2e-sources monitoring-system fuzz ui stack stack-system system lint lint-ci lint-deploy format notebooks peers schema clean stale

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

demo: system $(RUN) ## generate a fleet, run the whole pipeline on it, say where the report is
	$(BIN)/capforecast generate-data --output $(DEMO)/data
	$(BIN)/capforecast run --source $(DEMO)/data/observations.parquet --inventory $(DEMO)/data/inventory.csv --store $(DEMO)/lake

test: system $(DEV) $(SERVICES) ## run the tests
	@sh scripts/run_tests.sh

test-aws: system $(DEV) $(SERVICES) $(LAMBDA) $(SAGEMAKER) ## run Lambda's own runtime client and SageMaker's own `train` on this code
	CAPFORECAST_TEST_AWS=1 $(BIN)/python -m pytest -m aws tests/aws

test-dashboard: system $(DEV) ## drive the dashboard in Debian's Chromium: every page, sliders, decisions, names as bad as data can be
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || apt-get install --yes --quiet --no-install-recommends chromium
	$(BIN)/python -m pytest -m browser tests/dashboard

dashboard: $(DEV) ## show the demo's lake in a browser (make demo before; STORE=... for another lake, DASHBOARD_PORT=8501)
	$(BIN)/capforecast dashboard --store $(or $(STORE),$(DEMO)/lake) --port $(or $(DASHBOARD_PORT),8501)

test-ddl: system java $(DEV) $(SPARK) ## execute the DDL of Athena's tables in Hive (PySpark), over a lake that a run wrote
	CAPFORECAST_TEST_DDL=1 $(BIN)/python -m pytest -m ddl tests/ddl

java:
	@command -v java >/dev/null || apt-get install --yes --quiet --no-install-recommends openjdk-17-jre-headless

test-cdk: $(DEV) $(CDK) ## synthesise the AWS resources and check them: templates, cfn-lint, cdk-nag (needs node; no AWS account)
	CAPFORECAST_TEST_CDK=1 $(BIN)/python -m pytest -m cdk tests/cdk

e2e: system stack-system $(DEV) $(SERVICES) ## bring the whole stack up and break it in every way that must heal (20 minutes)
	$(BIN)/python -m pytest -m stack --timeout=1800 tests/stack

e2e-sources: system monitoring-system $(DEV) $(SERVICES) ## read Debian's Prometheus and moto's CloudWatch, with faults on the way, up to a report
	$(BIN)/python -m pytest -m monitoring --timeout=1800 tests/monitoring tests/sources tests/test_cloudwatch_docs.py

monitoring-system: # what apt starts as services is stopped: tests start their own, on loopback
	@command -v promtool >/dev/null && command -v prometheus-node-exporter >/dev/null || { \
		apt-get install --yes --quiet --no-install-recommends prometheus prometheus-node-exporter && \
		{ systemctl disable --now prometheus prometheus-node-exporter 2>/dev/null || true; }; }

fuzz: $(DEV) ## read 100,000 generated files (FILES=n for another number)
	$(BIN)/python scripts/fuzz.py --files $(or $(FILES),100000)

ui: $(RUN) ## start a local Prefect server; runs made before and meanwhile stay visible (Ctrl-C ends it; PORT=4200)
	@echo "Prefect UI: http://127.0.0.1:$(PORT)"
	PREFECT_SERVER_API_PORT=$(PORT) PREFECT_SERVER_UI_API_URL=http://127.0.0.1:$(PORT)/api \
		$(BIN)/prefect server start --host 127.0.0.1 --port $(PORT)

stack: system stack-system $(DEV) $(SERVICES) ## Postgres, Redis, S3, Prefect server, worker as local processes (Ctrl-C ends all)
	@$(BIN)/python scripts/stack up --foreground

stack-system:
	@python=$$(sh scripts/find_python.sh) && "$$python" scripts/stack install

system: ## check the native PDF libraries; install what is missing (root, apt) or print the command
	@python=$$(sh scripts/find_python.sh) && "$$python" scripts/system_libraries.py

lint: $(DEV) ## ruff, mypy, and no secrets, account ids or bucket names
	$(BIN)/python scripts/scan_secrets.py
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lint-deploy: $(CHECKS) ## docker-compose.yml and Dockerfile, by the checkers of .venv-checks; no Docker engine needed
	@sh scripts/lint_deploy.sh

lint-ci: $(CHECKS) ## workflows of GitHub and shell scripts, by actionlint, zizmor and shellcheck
	@sh scripts/lint_ci.sh

format: $(DEV) ## let ruff mend and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schema: $(DEV) ## write docs/summary.schema.json anew, the JSON Schema of summary.json
	$(BIN)/python -m capforecast.report.schema > docs/summary.schema.json

notebooks: $(DEV) ## run the notebooks of examples/ and write them as HTML below build/notebooks
	$(BIN)/python scripts/export_notebooks.py

peers: $(PEERS) ## make .venv-peers: Prophet, AutoETS and others that benchmarks compare with

clean: ## remove all that make made: .venv, demo, caches (never a lake of yours)
	rm -rf .venv .venv-services .venv-peers .venv-checks .venv-lambda .venv-sagemaker .venv-spark .venv-cdk $(DEMO) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A failed install leaves no stamp behind, so that the next call tries again.
$(RUN): pyproject.toml requirements.lock $(STALE)
	@rm -f $@
	@sh scripts/make_venv.sh
	@echo "Installing capforecast into .venv (a minute or two the first time) ..."
	@$(INSTALL) -e .
	@touch $@

$(DEV): pyproject.toml requirements.lock $(STALE)
	@rm -f $@
	@sh scripts/make_venv.sh
	@echo "Installing capforecast with its development tools into .venv (a minute or two the first time) ..."
	@$(INSTALL) -e '.[dev]'
	@touch $(RUN) $@

# Servers that tests talk to over HTTP (an S3 server), apart from the product: none of it may get into its lock.
$(SERVICES): requirements-services.lock
	@rm -rf .venv-services
	@echo "Installing the S3 server of the tests into .venv-services ..."
	@sh scripts/make_venv.sh .venv-services
	@.venv-services/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-services.lock
	@touch $@

# Forecasters that benchmarks compare with, apart from the product: statsforecast wants pandas < 3.
$(PEERS): requirements-peers.lock
	@rm -rf .venv-peers
	@echo "Installing the peers of the benchmarks into .venv-peers (a minute or two) ..."
	@sh scripts/make_venv.sh .venv-peers
	@.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-peers.lock
	@touch $@

# Checkers of docker-compose.yml (Docker's own Compose, without an engine), of the Dockerfile and of workflows.
$(CHECKS): requirements-checks.lock
	@rm -rf .venv-checks
	@echo "Installing the checkers of docker-compose.yml, Dockerfile and workflows into .venv-checks ..."
	@sh scripts/make_venv.sh .venv-checks
	@.venv-checks/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-checks.lock
	@touch $@

# What the images of Lambda and SageMaker hold, and nothing else: tests see there what would be missing in the image.
# capforecast itself without its dependencies: of these, each has only some.
$(LAMBDA): requirements-lambda.lock pyproject.toml
	@rm -rf .venv-lambda
	@echo "Installing what the Lambda image holds into .venv-lambda ..."
	@sh scripts/make_venv.sh .venv-lambda
	@.venv-lambda/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-lambda.lock -e .
	@touch $@

$(SAGEMAKER): requirements-sagemaker.lock pyproject.toml
	@rm -rf .venv-sagemaker
	@echo "Installing what the SageMaker image holds into .venv-sagemaker (a minute; needs a C compiler) ..."
	@sh scripts/make_venv.sh .venv-sagemaker
	@.venv-sagemaker/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-sagemaker.lock -e .
	@touch $@

# Hive, by PySpark: it executes the DDL that Athena is given. 780 MB.
$(SPARK): requirements-spark.lock
	@rm -rf .venv-spark
	@echo "Installing PySpark into .venv-spark (a minute or two) ..."
	@sh scripts/make_venv.sh .venv-spark
	@.venv-spark/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-spark.lock
	@touch $@

# CDK and the checkers of what it makes, apart from the product. No capforecast in it: app.py finds the checkout.
$(CDK): requirements-cdk.lock
	@rm -rf .venv-cdk
	@echo "Installing CDK and its checkers into .venv-cdk ..."
	@sh scripts/make_venv.sh .venv-cdk
	@.venv-cdk/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-cdk.lock
	@touch $@
