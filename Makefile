# Needs Python 3.11 to 3.13, make and git. Everything else is installed into .venv.
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true
export DVC_NO_ANALYTICS := true
export TF_CPP_MIN_LOG_LEVEL := 3
unexport PYTHONDONTWRITEBYTECODE PIX2Z_HOME

.PHONY: help repro quick study nersc gpu postgres survey rail peers test test-all test-long test-services check format bench real student ui lock reference clean purge
help:
	@echo "make repro     the whole pipeline: data, training, comparison, report, MLflow"
	@echo "make test      lint, types, import contract, tests, a miniature end to end"
	@echo "make test-all  the long suite, too: fuzzing, servers, a browser, PostgreSQL"
	@echo "make quick     the same pipeline, small, in build/quick (some minutes)"
	@echo "make study     hours: more seeds, a longer search, what only these can answer"
	@echo "make nersc     fetch the real SDSS set (23.6 GB), run on it, in build/nersc"
	@echo "make gpu       add TensorFlow's CUDA libraries"
	@echo "make postgres  add PostgreSQL's driver"
	@echo "make survey    add Dask and HATS"
	@echo "make rail      add RAIL; make peers: estimators of RAIL's, too"
	@echo "make check     lint, types and import contract only"
	@echo "make bench     speed, side by side, into benchmarks/results.json"
	@echo "make real      rendered galaxies in real frames, into docs/reference/real.json"
	@echo "make student   one network taught by the five of full, into finetuned/student"
	@echo "make ui        mlflow ui on this machine; IN=build/quick after make quick"
	@echo "make lock      resolve requirements anew"
	@echo "make reference take the reports of this run as those that README cites"
	@echo "make clean     remove the environment, what tools left; models, registry stay"
	@echo "make purge     remove all that was made: models, registry, data, workspaces"

# pip and uv find their certificates and index in different places. pip's are handed to uv, which
# also trusts the system's certificates; pip gets the system's, where its own are not enough; and
# where uv fails all the same, pip installs.
PIP := $(BIN)/python -m pip
pip_setting = $$($(PIP) config list 2>/dev/null | sed -n "s/^[^=]*\.$(1)='\(.*\)'$$/\1/p" | head -n 1)
system_certificates = $$($(BIN)/python -c "import ssl; p = ssl.get_default_verify_paths(); print(p.cafile or p.capath or '')")
pip_install = $(PIP) install -q $(1) 2>/dev/null || PIP_CERT="$${PIP_CERT:-$(system_certificates)}" $(PIP) install -q $(1)
define install
	index="$(call pip_setting,index-url)"; certificates="$${SSL_CERT_FILE:-$(call pip_setting,cert)}"; \
	env $${certificates:+SSL_CERT_FILE="$$certificates"} $(BIN)/uv pip install -q --system-certs \
		$${index:+--default-index "$$index"} --compile-bytecode --python $(BIN)/python $(1) \
	|| { echo "uv failed; pip installs instead"; $(call pip_install,$(1)); }
endef

# A target's stamp holds the lock's name, so that a changed lock installs again.
.venv/.core: requirements.txt requirements-uv.txt pyproject.toml
	$(PYTHON) -c "import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f'pix2z needs Python 3.11 to 3.13; {sys.executable} is {v[0]}.{v[1]}')"
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(call pip_install,--require-hashes -r requirements-uv.txt)
	@$(call install,--require-hashes -r requirements.txt)
	@$(call install,--no-deps --no-build-isolation -e .)
	touch $@

# What the tests and other extras need is locked beside requirements.txt, each package once.
ADDED := test postgres survey rail peers
$(ADDED:%=.venv/.%): .venv/.%: .venv/.core requirements-%.txt
	@$(call install,--no-deps --require-hashes -r requirements-$*.txt)
	touch $@

postgres survey rail peers: %: .venv/.%
.venv/.peers: .venv/.rail

gpu: .venv/.core
	@$(call install,--no-deps --require-hashes -r requirements-gpu.txt)

repro: .venv/.core
	dvc repro
	@echo "report:    reports/report.html (open it in a browser)"
	@echo "tracking:  make ui"

quick: .venv/.core
	pix2z workspace build/quick --preset quick
	cd build/quick && dvc repro
	@echo "report:    build/quick/reports/report.html (open it in a browser)"
	@echo "tracking:  make ui IN=build/quick"
	@echo "models:    .venv/bin/pix2z models --repo build/quick"
	@echo "redshifts: .venv/bin/pix2z predict FILE --out z.parquet --repo build/quick"

study: .venv/.core
	pix2z workspace build/study --preset study
	cd build/study && dvc repro && PYTHONPATH=src TF_CPP_MIN_LOG_LEVEL=3 python -m pix2z.stages.study
	@echo "report:    build/study/reports/report.html"
	@echo "study:     build/study/reports/study.md"
	@echo "tracking:  make ui IN=build/study"

# register needs all but the rendering, which the real images replace.
nersc: .venv/.core
	pix2z workspace build/nersc --preset nersc
	pix2z fetch nersc --out build/nersc/data/raw/sdss_w_specz_valid.h5
	cd build/nersc && dvc repro register

check: .venv/.test
	ruff check src tests benchmarks
	ruff format --check src tests benchmarks
	mypy
	lint-imports

# Each room is a process of its own, since TensorFlow gives no memory back; two at a time, since most
# tests keep one core busy. Those that take longest begin, and those that train do not meet.
# One arena of malloc takes 5 % less memory and no more time.
# What several rooms need, such as a small trained pool, the first of them makes for all.
FIRST := $(addprefix tests/,pipeline tracking/promotion tracking cli real finetune catalogue \
	evaluation network tuning stages spectrum_network)
ROOMS := $(FIRST) $(filter-out $(FIRST) tests/__pycache__,$(patsubst %/,%,$(wildcard tests/*/)))
test: .venv/.test
	@shared=$$(mktemp -d) && trap 'rm -rf "$$shared"' EXIT && PIX2Z_TEST_SHARED=$$shared \
		MALLOC_ARENA_MAX=1 $(MAKE) -k -j 2 -O --no-print-directory $(ROOMS) check test-files

.PHONY: $(ROOMS) test-files
tests/tracking: OTHER := --ignore tests/tracking/promotion
tests/pipeline: OTHER := --ignore tests/pipeline/teams
$(ROOMS):
	$(BIN)/python -m pytest $@ $(OTHER)
test-files:
	$(BIN)/python -m pytest tests/test_*.py

test-long: .venv/.test .venv/.survey .venv/.rail
	$(BIN)/python -m pytest -m "long and not service"

# The registry and the shared study on a real PostgreSQL, servers, and a browser, which Debian's
# packages bring.
test-services: .venv/.test .venv/.postgres
	$(BIN)/python -m pytest -m service

test-all: test test-long test-services

format: .venv/.test
	ruff check --fix src tests benchmarks
	ruff format src tests benchmarks

bench: .venv/.test
	$(BIN)/python -m benchmarks

# After `make repro`; frames of SDSS are sought in PIX2Z_REAL_DATA, else in ../shared/real.
real: .venv/.core
	python -m pix2z.stages.real

# After `make repro`: finetuned/student. `python -m pix2z.stages.student --ship` puts it into the package.
student: .venv/.core
	PYTHONPATH=src python -m pix2z.stages.student

# Of a workspace with IN=build/quick. MLflow itself would make an empty store where none is.
IN := .
ui: .venv/.core
	@test -n "$$MLFLOW_TRACKING_URI" || test -f "$(IN)/mlflow.db" || { echo "error: $(IN)/mlflow.db: no such \
	store of MLflow; make repro makes it, and make ui IN=build/quick shows that of make quick" >&2; exit 2; }
	@echo "open http://127.0.0.1:5000/#/experiments?workflowType=machine_learning"
	mlflow ui --host 127.0.0.1 --port 5000 --backend-store-uri $${MLFLOW_TRACKING_URI:-sqlite:///$(abspath $(IN))/mlflow.db}

COMPILE := uv pip compile -q --system-certs --universal --python-version 3.11 --generate-hashes --no-annotate --no-header
# Those of requirements.txt that an extra must not lock a second time.
locked = $$(sed -n 's/^\([A-Za-z0-9._-]*\)==.*/--no-emit-package \1/p' requirements.txt $(1))
lock: .venv/.core
	$(COMPILE) pyproject.toml --extra train -o requirements.txt
	$(COMPILE) -c requirements.txt $(locked) pyproject.toml --group test -o requirements-test.txt
	for extra in gpu postgres survey rail; do \
		$(COMPILE) -c requirements.txt -c requirements-test.txt $(locked) pyproject.toml --extra $$extra \
			-o requirements-$$extra.txt || exit; done
	$(COMPILE) -c requirements.txt -c requirements-test.txt -c requirements-rail.txt \
		$(call locked,requirements-test.txt requirements-rail.txt) pyproject.toml --group peers -o requirements-peers.txt
	echo uv | $(COMPILE) - -o requirements-uv.txt

# As files of their own: those in reports/ are links into DVC's cache, or write-protected as it is.
# A study is taken, too, where this run has one, or else that of `make study`.
reference:
	rm -rf docs/reference/figures docs/reference/spectrum
	cd reports && cp -rfL report.md figures spectrum compare.json spectrum.json ../docs/reference
	@for folder in reports build/study/reports; do \
		if [ -f $$folder/study.md ]; then \
			rm -rf docs/reference/study; \
			cp -rfL $$folder/study.md $$folder/study.json $$folder/study docs/reference; break; \
		fi; \
	done
	chmod -R u+w docs/reference

# Only what comes again by itself: models, the registry, studies, data and workspaces stay, and what
# an interrupted training, download or queue goes on from.
clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache src/*.egg-info
	find . \( -path ./.git -o -path ./build \) -prune -o -name __pycache__ -prune -exec rm -rf {} +

# reports/metrics.json, and promotions.json where git has it, stay.
purge: clean
	rm -rf build data models finetuned predictions controls spectrum .checkpoints .studies mlruns mlflow.db*
	rm -rf .dvc/cache .dvc/tmp
	find . -path ./.git -prune -o -name '.partial-*' -prune -exec rm -rf {} +
	find . -maxdepth 2 -path './reports/*' ! -path ./reports/metrics.json -exec rm -rf {} +
	git ls-files --error-unmatch promotions.json >/dev/null 2>&1 || rm -f promotions.json
