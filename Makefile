# The two commands are `make book` and `make test`; both make the environment first. Needs Python 3.11 to 3.14.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed

export PYTHONUTF8 = 1

.PHONY: env book test records notebooks pdf pages bench peers lint clean

env: $(STAMP)

# Made anew only when what is installed would differ.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 14) or sys.exit("error: PYTHON=$(PYTHON) is Python %d.%d, 3.11 to 3.14 allowed" % v)'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing the locked packages into .venv (minutes, once)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

book: $(STAMP)
	$(BIN)/jupyter-book build . -n -W --keep-going

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist worksteal --durations 10

# The cheapest cell of every recorded run, computed again and held against the record: a quarter of an hour.
records: $(STAMP)
	SIMPLICITY_RECORDS=all $(BIN)/python -m pytest -n 2 --dist worksteal tests/hall/test_experiments.py -k comes_out_again --timeout 900

notebooks: $(STAMP)
	$(BIN)/python -m simplicity.site notebooks _build/notebooks

# The built site as one file, _build/simple-first.pdf; needs Chromium, takes a few minutes.
pdf: $(STAMP)
	$(BIN)/python -m simplicity.site pdf

# What each page of the built site costs and shows, as a table; needs Chromium.
pages: $(STAMP)
	@$(BIN)/python tests/page_table.py

bench: $(STAMP)
	@for script in $(wildcard benchmarks/*.py); do $(BIN)/python $$script || exit 1; done

# JAX lives in an environment of its own; nothing else here needs it.
PEERS := _build/peers

$(PEERS)/installed: benchmarks/peers/requirements.txt
	@test -x $(PEERS)/bin/python || $(BIN)/python -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install -qq --disable-pip-version-check -r benchmarks/peers/requirements.txt
	@touch $(PEERS)/installed

peers: $(STAMP) $(PEERS)/installed
	@$(BIN)/python benchmarks/peers/compare.py --jax $(PEERS)/bin/python

# The chapters' code cells are linted as scripts made from them.
lint: $(STAMP)
	rm -rf _build/scripts
	$(BIN)/python -m simplicity.site scripts _build/scripts >/dev/null
	$(BIN)/ruff check --output-format concise lib tests $(wildcard benchmarks)
	$(BIN)/ruff format --check lib tests $(wildcard benchmarks)
	$(BIN)/ruff check --output-format concise --no-respect-gitignore --config 'extend-exclude = []' --ignore E402 _build/scripts
	$(BIN)/mypy

clean:
	rm -rf _build .venv
