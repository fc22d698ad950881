# Needs Python 3.11 to 3.13, make and git. Everything else is installed into .venv.
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true
export DVC_NO_ANALYTICS := true
export TF_CPP_MIN_LOG_LEVEL := 3
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help postgres repro quick study nersc gpu test test-pipeline test-parts test-services check format bench ui lock clean
help:
	@echo "make repro  the whole pipeline: data, training, comparison, report, MLflow"
	@echo "make test   lint, types, import contract, tests, a miniature end to end"
	@echo "make test-services  registry and tuning on a PostgreSQL of its own; make postgres: the driver alone"
	@echo "make quick  the same pipeline, small, in build/quick (some minutes)"
	@echo "make nersc  fetch the real SDSS set (23.6 GB) and run the pipeline on it, in build/nersc"
	@echo "make gpu    add TensorFlow's CUDA libraries"
	@echo "make check  lint, types and import contract only"
	@echo "make bench  speed, side by side, into benchmarks/results.json"
	@echo "make ui     mlflow ui on this machine"
	@echo "make lock   resolve requirements anew; make clean: remove what was made"

# A target's stamp holds the lock's name, so that a changed lock installs again.
.venv/.core: requirements.txt requirements-uv.txt pyproject.toml
	$(PYTHON) -c "import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f'pix2z needs Python 3.11 to 3.13; {sys.executable} is {v[0]}.{v[1]}')"
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --require-hashes -r requirements-uv.txt
	$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements.txt
	$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	# compileall fails on the templates that some packages ship as .py; it only saves time.
	$(BIN)/python -m compileall -q -j 0 .venv/lib src >/dev/null || true
	touch $@

.venv/.test: .venv/.core requirements-test.txt
	$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements-test.txt
	$(BIN)/python -m compileall -q -j 0 .venv/lib >/dev/null || true
	touch $@

.venv/.postgres: .venv/.core requirements-services.txt
	$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements-services.txt
	touch $@

postgres: .venv/.postgres

repro: .venv/.core
	dvc repro
	@echo "report:    reports/report.html (open it in a browser)"
	@echo "tracking:  make ui"

quick: .venv/.core
	pix2z workspace build/quick --preset quick
	cd build/quick && dvc repro
	@echo "report:    build/quick/reports/report.html"

study: .venv/.core
	pix2z workspace build/study --preset study
	cd build/study && dvc repro

# register needs all but the rendering, which the real images replace.
nersc: .venv/.core
	pix2z workspace build/nersc --preset nersc
	pix2z fetch nersc --out build/nersc/data/raw/sdss_w_specz_valid.h5
	cd build/nersc && dvc repro register

gpu: .venv/.core
	$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements-gpu.txt

check: .venv/.test
	ruff check src tests benchmarks
	ruff format --check src tests benchmarks
	mypy
	lint-imports

# Two runs side by side: most tests keep one core busy.
test: check
	$(MAKE) --no-print-directory -j2 test-pipeline test-parts

test-pipeline: .venv/.test
	$(BIN)/python -m pytest tests/pipeline

test-parts: .venv/.test
	$(BIN)/python -m pytest --ignore=tests/pipeline

# The registry and the shared study on a real PostgreSQL, which Debian's packages bring.
test-services: .venv/.test .venv/.postgres
	@$(BIN)/python -m tests.services.postgres
	$(BIN)/python -m pytest tests/services

format: .venv/.test
	ruff check --fix src tests benchmarks
	ruff format src tests benchmarks

bench: .venv/.core
	$(BIN)/python -m benchmarks

ui: .venv/.core
	@echo "open http://127.0.0.1:5000/#/experiments?workflowType=machine_learning"
	mlflow ui --host 127.0.0.1 --port 5000 --backend-store-uri $${MLFLOW_TRACKING_URI:-sqlite:///$(CURDIR)/mlflow.db}

lock: .venv/.core
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate --no-header pyproject.toml -o requirements.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate --no-header -c requirements.txt pyproject.toml --group test -o requirements-test.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate --no-header -c requirements.txt pyproject.toml --extra gpu -o requirements-gpu.txt
	echo 'psycopg[binary]>=3.2' | uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate --no-header -c requirements.txt - -o requirements-services.txt
	echo uv | uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate --no-header - -o requirements-uv.txt

clean:
	rm -rf .venv build data models predictions .checkpoints .studies .dvc/cache .dvc/tmp mlruns mlflow.db mlflow.db.lock .pytest_cache .mypy_cache .ruff_cache .hypothesis
