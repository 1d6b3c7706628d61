# Everything runs in .venv, which is made on demand: a bare machine needs python3 with venv and make.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
READY_DEV := .venv/ready-dev
READY_BENCH := .venv/ready-bench
READY_RELEASE := .venv/ready-release
# A few tests at once; those that send signals or measure time (marked `alone`) run by themselves.
# Threads of products that have ended wait asleep: other tests have the cores meanwhile.
SIDE_BY_SIDE := OPENBLAS_THREAD_TIMEOUT=4 $(BIN)/pytest --numprocesses auto --dist worksteal

# Hundreds of tests run the command in a process of its own, which would compile all sources anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-long long check bench panel reproduce docs pictures gpu-kit gpu-check mutate-kernels release install clean

demo: $(READY)
	$(BIN)/gpuae demo --folder demo --force

test: check

test-long: check long

check: $(READY_DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(SIDE_BY_SIDE) -m "not long and not alone"
	$(BIN)/pytest -m "not long and alone"

long: $(READY_DEV)
	$(SIDE_BY_SIDE) -m "long and not alone"
	$(BIN)/pytest -m "long and alone"

bench: $(READY_BENCH)
	$(BIN)/python -m bench.run --save

panel: $(READY_BENCH)
	$(BIN)/python -m bench.panel --save

# What it is given: --quick, --only NAME, --data FOLDER, --keep FOLDER, --save.
REPRODUCE ?=
reproduce: $(READY_BENCH)
	$(BIN)/python -m bench.reproduce.run $(REPRODUCE)

# A site of README.md and docs/, in build/site; broken links and warnings end it.
docs: $(READY_DEV)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Those of README.md and docs/; with Chromium, and MNIST in GPUAE_DATA.
pictures: $(READY_DEV)
	$(BIN)/python docs/pictures.py

# What a machine with a GPU and no network needs beside the checkout, into .gpu/.
KIT ?=
gpu-kit: | .venv
	$(BIN)/python bench/gpu_kit.py $(KIT)

# On a machine with a GPU; the results are in $(OUT).
OUT ?= gpu-check
gpu-check:
	"$(PYTHON)" bench/gpu_check.py --out "$(OUT)"

mutate-kernels: $(READY_DEV)
	$(BIN)/python tests/kernels/mutate.py

# Builds the last commit into dist/, looks into it, and tests the wheel as it is installed; further
# Pythons than those on the path can be named. It publishes nothing.
PYTHONS ?=
release: $(READY_RELEASE)
	$(BIN)/python -m release.run $(PYTHONS)

install: $(READY)

$(READY): pyproject.toml | .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(READY_DEV): pyproject.toml | .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $@ $(READY)

$(READY_BENCH): pyproject.toml | .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[bench]"
	touch $@ $(READY)

$(READY_RELEASE): pyproject.toml | .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[release]"
	touch $@ $(READY)

.venv:
	$(PYTHON) -m venv .venv

clean:
	rm -rf .venv demo build dist *.egg-info
