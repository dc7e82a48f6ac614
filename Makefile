# make serve   the registry on 127.0.0.1:5000, its data in ./data
# make test    the whole suite; PYTEST="..." adds arguments
# make lint    style, types, the imports between the rooms, spelling
#
# python3, make and root or sudo are enough: all else is installed here, into .venv or by apt.

PYTHON ?= python3
PYTEST ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet

.PHONY: serve test lint

serve: .venv/.installed
	@echo "Once the registry serves, try in another terminal, with an image that docker has:"
	@echo "  docker tag IMAGE 127.0.0.1:5000/hello && docker push 127.0.0.1:5000/hello"
	@echo "  docker pull 127.0.0.1:5000/hello"
	@echo "  sudo $(BIN)/preg run --rm 127.0.0.1:5000/hello"
	@exec $(BIN)/preg serve --listen 127.0.0.1:5000 --storage ./data

# By file, so that the tests of one file share its server. What has ended a worker would end the next as well.
test: .venv/.developed
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --max-worker-restart 0 $(PYTEST)

lint: .venv/.developed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

.venv/.installed: pyproject.toml
	@$(PYTHON) -c "import ensurepip" 2>/dev/null || { \
	  echo "python3-venv is missing: installing it with apt"; \
	  if [ "$$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi; \
	  $$sudo apt-get update -qq && $$sudo apt-get install -y -qq python3-venv; }
	@echo "Installing preg into .venv"
	@$(PYTHON) -m venv .venv
	@$(PIP) install --upgrade pip
	@# A plain path: the default, a finder of modules, makes every start of preg slower.
	@$(PIP) install --config-settings editable_mode=compat --editable .
	@# Python 3.11 puts it into each venv, where it hooks into every start of Python, and nothing here needs it.
	@$(PIP) uninstall --yes setuptools
	@touch $@

.venv/.developed: .venv/.installed
	@echo "Installing what the tests and the checks need into .venv"
	@$(PIP) install --group test --group lint
	@touch $@
