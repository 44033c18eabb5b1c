# `make help` lists the targets. Each works on a clean clone and a second time; make PYTHON=... picks the interpreter.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: setup dev build demo test test-slow test-all test-pure fuzz lint types docs dist-test check bench clean help

PYTHON :=
CANDIDATES := python3.11 python3.10 python3.9 python3.8 python3.12 python3.13 python3
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
# A process a core, up to four; a file's tests stay together, and each process keeps to its core.
PARALLEL := -n auto --maxprocesses 4 --dist loadfile
test test-slow test-all fuzz dist-test: export OMP_NUM_THREADS = 1

# Succeeds for an interpreter that can carry the environment, then for one whose C compiler is there.
USABLE := import ensurepip, os, sys, sysconfig, venv; \
  header = os.path.join(sysconfig.get_path("include"), "Python.h"); \
  sys.exit(not ((3, 8) <= sys.version_info[:2] <= (3, 13) and os.path.exists(header)))
COMPILES := import os, shutil, sys, sysconfig; \
  compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"; \
  sys.exit(not shutil.which(compiler.split()[0]))

NO_PYTHON := No Python 3.8 to 3.13 that runs and has venv, ensurepip and Python.h\
  $(if $(PYTHON),as PYTHON=$(PYTHON),on the PATH); on Debian: apt-get install python3-dev python3-venv
NO_COMPILER := No C compiler; on Debian: apt-get install build-essential
NO_PACKAGES := pip could not install the packages named in setup.py; see its message above,\
  check with `pip config list` that a package index is configured and in reach, then run make again
SLOW_NUMPY := Python 3.13: NumPy 1.26 has no wheel for it, pip builds it from source, which takes minutes

# The environment is made anew when the interpreter, the directory, setup.py or pyproject.toml has changed.
# On Python 3.8, a pip before 23.1 searches for hours for versions that go together.
setup:  ## make .venv with the package, compiled, and all that demo and tests need
	@state() { "$$1" -c 'import sys; print(sys.base_prefix, sys.version)'; pwd; cat setup.py pyproject.toml; }
	state "$(or $(PYTHON),$(BIN)/python)" 2>/dev/null | cmp -s - .venv/.installed && exit 0
	python=
	for candidate in $(or $(PYTHON),$$(type -ap $(CANDIDATES))); do
	  if "$$candidate" -c '$(USABLE)' >/dev/null 2>&1; then python=$$candidate; break; fi
	done
	[ -n "$$python" ] || { echo '$(NO_PYTHON)' >&2; exit 1; }
	"$$python" -c '$(COMPILES)' || { echo '$(NO_COMPILER)' >&2; exit 1; }
	echo "Making .venv with $$("$$python" -V); this takes a minute or two"
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 13))' && echo '$(SLOW_NUMPY)'
	rm -rf .venv
	"$$python" -m venv .venv
	export GLUON_SUBGRAPH_REQUIRE_CYTHON=1
	{ $(BIN)/python -m pip install -qq 'pip>=23.1' && $(BIN)/python -m pip install -qq -e '.[test,demo]'; } || \
	  { echo '$(NO_PACKAGES)' >&2; exit 1; }
	state $(BIN)/python >.venv/.installed

dev: setup
	@[ -e .venv/.dev ] && exit 0
	$(BIN)/python -m pip install -qq -e '.[dev]' || { echo '$(NO_PACKAGES)' >&2; exit 1; }
	touch .venv/.dev

build: setup  ## compile the Cython kernels in place
	@GLUON_SUBGRAPH_REQUIRE_CYTHON=1 $(BIN)/python setup.py -q build_ext --inplace

demo: build  ## run tutorials/demo.py
	@$(BIN)/python tutorials/demo.py

test: build  ## run the tests but the slow ones
	@$(PYTEST) $(PARALLEL)

test-slow: build  ## run the slow tests
	@$(PYTEST) $(PARALLEL) -m slow

test-all: build
	@$(PYTEST) $(PARALLEL) -m ''

test-pure: build  ## run the tests of the matcher on its Python twin
	@GLUON_SUBGRAPH_MATCHER=python $(PYTEST) tests/test_trees.py tests/test_trees_unordered.py tests/test_matcher.py \
	  gluon_subgraph/trees.py

# A line for each law or part of the files when it is done; at the end, how much was tried.
fuzz: build  ## try the laws on 10,000 random networks, and 3,000 damaged files
	@$(PYTEST) $(PARALLEL) --dist load -v --hypothesis-profile=fuzz tests/test_fuzz_*.py

lint: dev  ## check format and style
	@export PATH="$(CURDIR)/$(BIN):$$PATH"
	ruff format --check .
	ruff check .
	if [ -x $(BIN)/cython-lint ]; then cython-lint gluon_subgraph; else echo 'cython-lint needs Python 3.9'; fi

types: dev  ## check the types
	@$(BIN)/mypy gluon_subgraph

# Each may take two minutes; one that fails is named, with the cell.
docs: dev build  ## run the tutorials, and write them with their outputs to docs/
	@$(BIN)/python tutorials/render.py docs

# The package directory is removed from what is unpacked, so that the tests meet the installed package.
dist-test: dev  ## build the sdist, install it in a fresh environment, run the tests there
	@work=$$(mktemp -d)
	trap 'rm -rf "$$work"' EXIT
	$(BIN)/python -m build --sdist --outdir "$$work" . >"$$work/log" 2>&1 || { cat "$$work/log"; exit 1; }
	$(BIN)/python -m venv "$$work/venv"
	export GLUON_SUBGRAPH_REQUIRE_CYTHON=1
	"$$work/venv/bin/python" -m pip install -qq "$$(echo "$$work"/*.tar.gz)[test,demo]"
	mkdir "$$work/sdist"
	tar -xf "$$work"/*.tar.gz -C "$$work/sdist" --strip-components=1
	cd "$$work/sdist"
	rm -r gluon_subgraph gluon_subgraph.egg-info
	../venv/bin/python -W error -c \
	  'import warnings; warnings.filterwarnings("ignore", module="mxnet"); import gluon_subgraph'
	../venv/bin/python -m pytest $(PARALLEL) tests

check: lint types test-all test-pure docs dist-test  ## lint, types, all tests, tutorials, sdist: what .ci/run runs

bench: build  ## run the benchmarks, about 25 minutes, and write the numbers of both READMEs
	@$(BIN)/python -m pip install -qq -e '.[bench]'
	mkdir -p .benchmarks
	$(PYTEST) benchmarks --benchmark-only --benchmark-json=.benchmarks/run.json
	$(BIN)/python benchmarks/report.py .benchmarks/run.json --write

clean:  ## remove .venv and everything built
	@rm -rf .venv build dist docs *.egg-info gluon_subgraph/_*.c gluon_subgraph/*.so
	rm -rf .benchmarks .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12
