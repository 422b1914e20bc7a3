# The two commands are `make book` and `make test`; both make the environment first. Needs Python 3.11 to 3.14.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed

# What a shell has set for programs of its own is not for those below: modules under the names of Python's, other
# places to install to, another repository, options and colours.
unexport $(filter-out PYTHON PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX,$(filter PYTHON% PYTEST% GIT_% RUFF_% MYPY%,$(.VARIABLES)))
unexport PIP_TARGET PIP_PREFIX PIP_ROOT PIP_PYTHON PIP_DRY_RUN PIP_NO_DEPS PIP_EDITABLE PIP_REQUIREMENT PIP_CONSTRAINT
unexport SOURCE_DATE_EPOCH MPLBACKEND CDPATH GREP_OPTIONS COLUMNS NO_COLOR FORCE_COLOR CLICOLOR CLICOLOR_FORCE PY_COLORS
export PYTHONUTF8 = 1
export PIP_USER = 0

# Of the tests: twice as many as two cores, as many of the tests wait for others.
WORKERS ?= 4

.PHONY: env sound book test records notebooks pdf pages bench peers lint clean

env: $(STAMP)

# Made anew only when what is installed would differ.
$(STAMP): requirements.lock pyproject.toml | sound
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 14) or sys.exit("error: PYTHON=$(PYTHON) is Python %d.%d, 3.11 to 3.14 allowed" % v)'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv
	@echo "installing the locked packages into .venv (minutes, once)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@pwd -P > $(STAMP)

# An environment that was moved or copied still imports the checkout that it was made for.
sound:
	@test ! -L $(BIN)/python -o -x $(BIN)/python || { echo "error: .venv: got one whose Python is gone, allowed one that starts: remove the folder .venv" >&2; exit 2; }
	@test ! -x $(BIN)/python || $(BIN)/python -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 14) or sys.exit("error: .venv: got Python %d.%d, allowed 3.11 to 3.14: remove the folder .venv" % v)'
	@test ! -s $(STAMP) || test "$$(cat $(STAMP))" = "$$(pwd -P)" || { echo "error: .venv: got one made for $$(cat $(STAMP)), allowed one of this folder: remove the folder .venv" >&2; exit 2; }

# `jupyter-book build . -n -W --keep-going`, a second sooner.
book: $(STAMP)
	$(BIN)/python -m simplicity.site book

# One thread a process: threads of several processes on two cores would wait for each other.
test: export OMP_NUM_THREADS = 1
test: $(STAMP)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --durations 10

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

# JAX lives in an environment of its own; nothing else here needs it. An installation that was broken off has no
# `installed` and is made anew.
PEERS := _build/peers

$(PEERS)/installed: benchmarks/peers/requirements.txt
	@rm -rf $(PEERS)
	@echo "installing JAX into $(PEERS) (a minute, once)"
	@mkdir -p $(PEERS)
	@$(BIN)/python -m venv $(PEERS) && $(PEERS)/bin/python -m pip install -qq --disable-pip-version-check \
		--retries 1 -r benchmarks/peers/requirements.txt 2>$(PEERS)/pip.log \
		|| { echo "error: JAX could not be installed, which needs a network once; pip's words are in $(PEERS)/pip.log" >&2; exit 1; }
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
	$(BIN)/python -m mypy

clean:
	rm -rf _build .venv
