# The Python package. The top Makefile includes this, and sets VENV and CARGO_TARGET_DIR.
PYTHON_SOURCES := Cargo.toml Cargo.lock README.md $(addprefix bindings/python/,Cargo.toml pyproject.toml README.md) \
	$(shell find core/src fhe/src zk/src bindings/python/src bindings/python/python -name '*.rs' -o -name '*.py' -o -name '*.pyi')

.PHONY: python-install python-test demo-python

python-install: $(VENV)/.sealock ## Build the Python package and install it into .venv

python-test: python-install $(PEERS)/node_modules/.ready $(OCEAN_PEERS)/node_modules/.ready $(ZK_PEERS)/node_modules/.ready ## Run the tests of the Python package: pytest, mypy, stubtest, notebook, snippets
	cd bindings/python && $(VENV)/bin/python -m pytest

demo-python: python-install ## Run the whole story from Python
	$(VENV)/bin/python examples/story.py

# As `pip install ./bindings/python`, and only where something has changed.
$(VENV)/.sealock: $(VENV)/.ready $(PYTHON_SOURCES)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall ./bindings/python
	touch $@
