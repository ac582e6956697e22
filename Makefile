# make test            everything: C++ tests, lint, types, Python tests against the installed wheel
# make demo            enhances a clip made here and shows what came of it; VIDEO=clip.mp4 for one of your own
# make demo-separate   takes a duet made here apart by sight and shows what came of it
# make bench           figures of the C++ core, against numpy, and of its kernels on the nets
# make bench-vision    time of `see` over picture sizes
# make robustness      signals, threads, exit and delay of a stream, counted
# make firmware        builds, runs and measures the firmware example on emulated processors; skips what is not installed
# make sanitize        C++ under sanitizers, fuzz harnesses on their corpora and FUZZ_SECONDS=300 of fresh input
# make callgrind       instructions per hop of the core against the committed reference
# make wheels          sdist, and wheels of Python 3.11 for x86-64, aarch64 and armv7l, in dist/
# make test-arm        those wheels in clean roots on emulated ARM processors, compared with x86-64
# make clean           forgets builds and the virtual environment
# PYTHON=python3.12 picks the interpreter. Everything is installed into .venv; second runs start at once.

PYTHON ?= python3
VENV ?= .venv
BIN := $(CURDIR)/$(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
JOBS ?= 2

PACKAGED := $(shell find csrc sdk convert boards -type f ! -path '*/__pycache__/*' ! -path '*/.*' ! -path '*.egg-info/*' ! -name '*_test.cc' ! -path 'csrc/fuzz/*')
WHEEL := build/wheel/.built
HOST := build/host

.PHONY: test ctest lint pytest demo demo-separate bench bench-vision robustness firmware sanitize callgrind wheels test-arm clean
.DELETE_ON_ERROR:

test: ctest lint pytest

ctest: $(HOST)/CMakeCache.txt
	$(BIN)/cmake --build $(HOST) --parallel $(JOBS)
	cd $(HOST) && $(BIN)/ctest --output-on-failure

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror $$(find csrc -name '*.h' -o -name '*.cc')

# From a folder of its own, so that nothing but the installed wheel can be imported; a file of tests is one process's.
pytest: $(VENV)/.test
	mkdir -p build/pytest
	cd build/pytest && $(BIN)/pytest -c $(CURDIR)/pyproject.toml --rootdir $(CURDIR) $(CURDIR)/tests -n $(JOBS) --dist loadfile $(PYTEST_ARGS)

demo: $(VENV)/.demo
	$(BIN)/seehear demo $(if $(VIDEO),"$(VIDEO)") -o demo-out

demo-separate: $(VENV)/.demo
	$(BIN)/python -m seehear.demo.duet demo-separate-out

bench: $(HOST)/CMakeCache.txt
	$(BIN)/cmake --build $(HOST) --parallel $(JOBS) --target seehear_bench seehear_kernels
	$(BIN)/python benchmarks/core.py --bench $(HOST)/seehear_bench --json build/bench/core.json
	$(BIN)/python benchmarks/kernels.py --bench $(HOST)/seehear_kernels --json build/bench/kernels.json

bench-vision: $(VENV)/.test
	$(BIN)/python benchmarks/vision.py --json build/bench/vision.json

robustness: $(VENV)/.test
	$(BIN)/python benchmarks/robustness.py --json build/bench/robustness.json

# Needs seehear and a runtime, no training tools.
firmware: $(VENV)/.runtime
	cd build && $(BIN)/python $(CURDIR)/examples/firmware/run.py --build $(CURDIR)/build/firmware

sanitize: $(VENV)/.test
	$(PIP) install "$$(ls build/wheel/*.whl)[fuzz]" || echo "no atheris for this Python: the readers are left out"
	CMAKE=$(BIN)/cmake PYTHON=$(BIN)/python JOBS=$(JOBS) scripts/sanitize.sh

callgrind: $(VENV)/.test
	$(BIN)/python benchmarks/callgrind.py || [ $$? = 3 ]

wheels: $(VENV)/.wheels
	$(BIN)/python scripts/wheels.py

test-arm: wheels
	$(BIN)/python scripts/test_arm.py --json build/arm/report.json

clean:
	rm -rf build dist $(VENV) sdk/*.egg-info *.egg-info

# --- what these need

$(HOST)/CMakeCache.txt: CMakeLists.txt | $(VENV)/.test
	$(BIN)/cmake -S . -B $(HOST) -DSEEHEAR_C_LIBRARY=OFF

# Files that have left the tree must leave the wheel too, hence no build/lib from before.
$(WHEEL): $(PACKAGED) setup.py pyproject.toml CMakeLists.txt README.md | $(VENV)/.made
	rm -rf build/wheel build/lib* build/bdist*
	$(PIP) wheel --no-deps --wheel-dir build/wheel .
	@touch $@

# The first line brings what the extras need, the second this wheel even though its version has not changed.
$(VENV)/.demo: $(WHEEL)
	$(PIP) install "$$(ls build/wheel/*.whl)[demo]"
	$(PIP) install --force-reinstall --no-deps build/wheel/*.whl
	@touch $@ $(VENV)/.runtime

$(VENV)/.runtime: $(WHEEL)
	$(PIP) install "$$(ls build/wheel/*.whl)[runtime]"
	$(PIP) install --force-reinstall --no-deps build/wheel/*.whl
	@touch $@

$(VENV)/.test: $(WHEEL)
	$(PIP) install "$$(ls build/wheel/*.whl)[demo,convert,dev]"
	$(PIP) install --force-reinstall --no-deps build/wheel/*.whl
	@$(PIP) install "$$(ls build/wheel/*.whl)[audio]" 2>/dev/null \
	  || echo "no PyAudio (apt-get install portaudio19-dev): the tests of sound cards are skipped"
	@touch $@ $(VENV)/.demo $(VENV)/.runtime

$(VENV)/.wheels: pyproject.toml | $(VENV)/.made
	$(PIP) install build "setuptools>=64" wheel "pybind11>=2.12" "cmake>=3.18" "numpy>=1.23"
	@touch $@

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))' \
	  || { echo "seehear needs Python 3.10 to 3.13, $(PYTHON) is $$($(PYTHON) --version 2>&1); try make PYTHON=python3.11"; exit 1; }
	@command -v c++ >/dev/null || $(call system_package,g++,a C++ compiler)
	@$(PYTHON) -c 'import os, sysconfig; raise SystemExit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' \
	  || $(call system_package,python3-dev,Python.h)
	@# Debian's python3 comes without ensurepip; its pip can furnish a virtual environment from outside.
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || $(PYTHON) -m pip --version >/dev/null 2>&1 \
	  || $(call system_package,python3-venv,python3-venv or pip)
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then $(PYTHON) -m venv $(VENV); \
	  else $(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; fi
	@touch $@

# system_package(package, what it is): apt-get for root, a sentence for everybody else.
define system_package
{ if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -qq && apt-get install -y -qq $(1); \
  else echo "$(2) is missing; on Debian, Ubuntu and Raspberry Pi OS: sudo apt-get install $(1)"; exit 1; fi; }
endef
