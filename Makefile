# Set-up in one step: the lock is installed once, and again whenever it changes.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
export OPENBLAS_NUM_THREADS := 1
export OMP_NUM_THREADS := 1
export DO_NOT_TRACK := 1

.PHONY: rebalance test mutants reliability lake spark cluster incremental dashboard audit docs lint format bench lock

rebalance: .venv/installed
	$(BIN)/portfolio rebalance

test: .venv/installed
	$(BIN)/pytest --numprocesses 2 --dist loadgroup --no-loadscope-reorder

# Every guard against every mistake of the catalogue: writes tests/leakage/SCORE.md.
mutants: .venv/installed
	$(BIN)/python -m tests.leakage.score

# Every fault, many times: kills at boundaries and at moments of a seed, full disks, damage, readers. Takes hours
# (FAULTS="--kills 50 --rebalance-kills 10 --hours 1" makes it less). Writes tests/reliability/RESULTS.md.
reliability: .venv/installed
	$(BIN)/python -m tests.reliability.report $(FAULTS)

# The small world made on DuckLake, with PostgreSQL, beside the plain build: writes tests/lake/RESULTS.md.
lake: .venv/installed
	$(BIN)/python -m tests.lake.report

# The small world and the sample made by DuckDB, and their models once more by Spark, table by table: writes
# tests/spark/RESULTS.md. Needs Java 17; Spark has an environment of its own. WORLDS="small" makes it less.
spark: .venv/installed .venv-spark/installed
	$(BIN)/python -m tests.spark.worlds .warehouse/spark $(WORLDS)
	.venv-spark/bin/python -m tests.spark.report .warehouse/spark $(WORLDS)

# A backtest of 500 assets on a Dask cluster of three workers on this machine, one of them killed at work: writes
# tests/executors/RESULTS.md. Takes half an hour (CLUSTER="--assets 100 --years 2" makes it less).
cluster: .venv/installed
	$(BIN)/python -m tests.executors.cluster $(CLUSTER)

# The small world grown through every event (GROWN="--days 250": day by day), compared with one made anew, and what a
# new day costs in a larger one: writes tests/incremental/RESULTS.md.
incremental: .venv/installed
	$(BIN)/python -m tests.incremental.report $(GROWN)

# The Grafana dashboard, from the list of metrics.
dashboard: .venv/installed
	$(BIN)/python -m flows.monitoring.dashboard

# Needs the extra `audit` and a reachable advisory service; says so, and passes, where there is none.
audit: .venv/installed
	$(BIN)/python -m tests.security.audit

# Signals and learners from the files and what is published; tables from dbt; code from its docstrings.
docs: .venv/installed
	$(BIN)/portfolio docs --models
	$(BIN)/pdoc --no-show-source --output-directory .out/docs/api flows python_steps

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/sqlfmt --check models macros tests
	$(BIN)/mypy

format: .venv/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/sqlfmt models macros tests

# Beside polars where the extra `peers` is installed; the results say what was there.
bench: .venv/installed
	$(BIN)/pytest tests/benchmarks -m benchmark

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

.venv-spark/installed: tests/spark/requirements.lock
	$(PYTHON) -m venv .venv-spark
	.venv-spark/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	touch $@

# Needs uv; --universal so that one lock serves every supported Python and platform.
lock:
	uv pip compile --quiet --universal --generate-hashes --extra dev --no-emit-index-url --no-header pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header tests/spark/requirements.in -o tests/spark/requirements.lock
