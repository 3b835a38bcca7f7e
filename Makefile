# metersdk: `make demo` shows it, `make test` proves it. Everything is built inside this folder, in .venv and build/; nothing needs root.

VENV    := .venv
BIN     := $(VENV)/bin
# The newest Python of 3.11 or later that is on the path; say PYTHON=... to choose another.
PYTHON  ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
             $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
PIP     := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input
# With a C compiler the kernel must build; without one the Python twin does the work.
CC_WORKS := $(shell printf 'int main(void){return 0;}' | $${CC:-cc} -x c - -o /dev/null 2>/dev/null && echo yes)
BUILD   := $(if $(CC_WORKS),require,skip)
SOURCES := pyproject.toml setup.py README.md LICENSE $(shell find metersdk csrc -name '*.py' -o -name '*.c' -o -name '*.h' -o -name '*.toml')
WHEEL    = $(firstword $(wildcard build/wheel/*.whl))
JOBS    ?= 2

.PHONY: demo test test-c test-python lint bench docs pictures fuzz clean

demo: $(VENV)/.wheel $(VENV)/.cli
	@$(BIN)/metersdk demo --out build/demo

ifeq ($(CC_WORKS),yes)
test: test-c test-python
else
test: test-python
	@echo "== no C compiler here: the Python twin of the kernel was tested alone"
endif

# The suite once with each implementation; the C one must be the one that the wheel brought.
test-c: $(VENV)/.wheel $(VENV)/.test lint
	@echo "== the C kernel: it is the one installed, its self-test, and all tests with it"
	@cd build && METERSDK_IMPL=c ../$(BIN)/python -I -c 'import metersdk, metersdk.fast as f; \
	  assert f.IMPL == "c"; print("   metersdk", metersdk.__version__, "from the wheel, kernel in C")'
	@$(MAKE) --no-print-directory -s -C csrc selftest
	METERSDK_IMPL=c $(BIN)/pytest -n $(JOBS) $(PYTEST_ARGS)

test-python: $(VENV)/.wheel $(VENV)/.test lint
	@echo "== the Python twin: all tests with it"
	METERSDK_IMPL=python $(BIN)/pytest -n $(JOBS) $(PYTEST_ARGS)

lint: $(VENV)/.test
	@echo "== ruff, mypy --strict"
	@$(BIN)/ruff check -q metersdk tests csrc setup.py
	@$(BIN)/ruff format -q --check metersdk tests csrc setup.py
	@$(BIN)/mypy

bench: $(VENV)/.wheel $(VENV)/.bench
	@$(BIN)/python tests/bench/run.py $(BENCH_ARGS)

# Takes the pictures of the field guide anew: real output, so a minute or two of it.
pictures: $(VENV)/.wheel $(VENV)/.cli
	@$(BIN)/python docs/pictures.py $(PICTURES)

docs: $(VENV)/.wheel $(VENV)/.docs
	@$(BIN)/python docs/diagrams.py --check
	@$(BIN)/sphinx-build -q -W --keep-going -b html docs build/docs
	@echo "== docs: build/docs/index.html"

fuzz: $(VENV)/.wheel $(VENV)/.test
	@$(BIN)/python tests/fuzz/run.py $(FUZZ_ARGS)

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "metersdk needs Python 3.11 or later on the path (or say: make PYTHON=/path/to/python3.12)"; exit 1; }
	@echo "== making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv is missing: on Debian and Ubuntu it is the package python3-venv"; exit 1; }
	@$(PIP) install --upgrade pip "setuptools>=77" wheel "cffi>=1.17"

# The wheel that users get is what is installed and tested, never the checkout.
$(VENV)/.wheel: $(VENV)/bin/python $(SOURCES)
	@echo "== building the wheel (C kernel: $(BUILD))"
	@rm -rf build/wheel build/lib* build/temp* build/bdist*
	@METERSDK_BUILD=$(BUILD) $(PIP) wheel --no-build-isolation --no-deps --wheel-dir build/wheel . > build-wheel.log 2>&1 || { cat build-wheel.log; exit 1; }
	@mkdir -p build && mv build-wheel.log build/
	@echo "== installing $$(ls build/wheel)"
	@$(PIP) install "$$(ls build/wheel/*.whl)"
	@$(PIP) install --force-reinstall --no-deps "$$(ls build/wheel/*.whl)"
	@touch $@

$(VENV)/.cli $(VENV)/.test $(VENV)/.bench $(VENV)/.docs: $(VENV)/.%: pyproject.toml | $(VENV)/.wheel
	@echo "== installing what \`$*\` needs"
	@$(PIP) install "$(WHEEL)[$*]"
	@touch $@

clean:
	rm -rf $(VENV) .peers build
