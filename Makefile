# make serve   the registry on 127.0.0.1:5000, its data in ./data; PORT=... and DATA=... choose others
# make test    the whole suite; PYTEST="..." adds arguments
# make lint    style, types, the imports between the rooms, spelling
#
# python3, make and root or sudo are enough: all else is installed here, into .venv or by apt.

PYTHON ?= python3
PYTEST ?=
PORT ?= 5000
DATA ?= ./data
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet
NO_PACKAGES := the Python packages could not be downloaded: check the network, or set HTTPS_PROXY or PIP_INDEX_URL
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
# What .venv is for: its programs name this folder, and its packages are made for this Python.
OWNER = $(CURDIR) $(shell $(PYTHON) -c "import sys; print(sys.base_prefix, sys.implementation.cache_tag)")

.PHONY: serve test lint FORCE

serve: .venv/.installed
	@$(BIN)/python -c "import socket; socket.create_server(('127.0.0.1', $(PORT)))" 2>/dev/null || { \
	  echo "Port $(PORT) is taken or is not a port: choose another, e.g. make serve PORT=5001"; exit 1; }
	@echo "Once the registry serves, try in another terminal, with an image that docker has:"
	@echo "  docker tag IMAGE 127.0.0.1:$(PORT)/hello && docker push 127.0.0.1:$(PORT)/hello"
	@echo "  docker pull 127.0.0.1:$(PORT)/hello"
	@echo "  sudo $(BIN)/preg run --rm 127.0.0.1:$(PORT)/hello"
	@command -v crun >/dev/null || command -v runc >/dev/null || \
	  echo "preg run needs crun, which is missing: $(SUDO) apt-get install crun"
	@exec $(BIN)/preg serve --listen "127.0.0.1:$(PORT)" --storage "$(DATA)"

# By file, so that the tests of one file share its server. What has ended a worker would end the next as well.
test: .venv/.developed
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --max-worker-restart 0 $(PYTEST)

lint: .venv/.developed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

.venv/.owner: FORCE
	@[ "$$(cat $@ 2>/dev/null)" = "$(OWNER)" ] || { rm -rf .venv && mkdir .venv && echo "$(OWNER)" > $@; }

.venv/.installed: pyproject.toml .venv/.owner
	@$(PYTHON) -c "import ensurepip" 2>/dev/null || { \
	  venv=$(notdir $(PYTHON))-venv; echo "$$venv is missing: installing it with apt"; \
	  log=$$($(SUDO) sh -c "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$venv" 2>&1) || { \
	    echo "$$log"; echo "$$venv could not be installed: run 'apt-get install $$venv' as root, then make again"; exit 1; }; }
	@echo "Installing preg into .venv"
	@$(PYTHON) -m venv .venv
	@$(PIP) install --upgrade pip || { echo "$(NO_PACKAGES)"; exit 1; }
	@# A plain path: the default, a finder of modules, makes every start of preg slower.
	@$(PIP) install --config-settings editable_mode=compat --editable . || { echo "$(NO_PACKAGES)"; exit 1; }
	@# Python 3.11 puts it into each venv, where it hooks into every start of Python, and nothing here needs it.
	@$(PIP) uninstall --yes setuptools
	@touch $@

.venv/.developed: .venv/.installed
	@echo "Installing what the tests and the checks need into .venv"
	@$(PIP) install --group test --group lint || { echo "$(NO_PACKAGES)"; exit 1; }
	@touch $@
