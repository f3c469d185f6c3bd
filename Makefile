# `make` trains the network and builds the book; `make test` verifies everything.
# Both install what they need into .venv first. Without make: see README.md.

PYTHON ?= python3
BIN := .venv/bin
UV := 0.13.9
PLAYWRIGHT := 1.65.2
INSTALLED := .venv/installed
WEIGHTS := _build/mnist.safetensors
LIVE := _static/live/draw.bin
BOOK := _build/whole
CHAPTERS := $(wildcard chapters/*.ipynb chapters/*/*.ipynb)
PACKAGE := $(wildcard mnist_tutorial/*.py)
SOURCES := $(CHAPTERS) $(wildcard *.md _config.yml _toc.yml references.bib _ext/*.py _static/book.* _static/live/*.mjs _static/live/*.css)
PYTEST := $(BIN)/python -m pytest -q -rs -n 2 --dist loadfile

.PHONY: all train book test test-pages lint format notebooks lab serve lock clean help

all: train book ## train and evaluate the network, build the book (the default)
	@echo
	@echo "The book is ready. Type make serve and open http://localhost:8000 in a browser."
	@echo "(Opened as files, from _build/html, the pages can be read; what answers needs a server.)"

train: $(WEIGHTS) ## train and evaluate, as python -m mnist_tutorial does

book: $(BOOK) ## build the book from the stored, verified notebooks

test: $(INSTALLED) ## run all tests, then every cell of every chapter
	$(PYTEST) tests
	$(PYTEST) --nbval chapters

test-pages: $(BOOK) $(WEIGHTS) ## open every built page in Chromium, draw, train and look for faults
	$(BIN)/uv pip install --quiet --python $(BIN)/python playwright==$(PLAYWRIGHT)
	$(BIN)/python -m pytest -q tests/pages

lint: $(INSTALLED) ## check the style of package, tests and notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(INSTALLED) ## put package, tests and notebooks into that style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

notebooks: $(INSTALLED) ## run all chapters again and store their outputs
	$(BIN)/python -m tools.run_notebooks

lab: $(INSTALLED) ## open chapter 1 in JupyterLab
	$(BIN)/jupyter lab chapters/01-introduction.ipynb

serve: $(BOOK) ## show the book at http://localhost:8000
	$(BIN)/python -m http.server --directory _build/html 8000

lock: $(INSTALLED) ## make requirements.txt from pyproject.toml anew
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
	  --fork-strategy fewest --upgrade --no-annotate --custom-compile-command "make lock" \
	  --quiet --output-file requirements.txt

clean: ## remove all that was built; .venv stays
	rm -rf _build build dist *.egg-info .pytest_cache .ruff_cache
	rm -f _static/result.png _static/live/*.bin
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

help: ## show this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 12

$(WEIGHTS): $(INSTALLED) $(PACKAGE)
	@mkdir -p $(@D)
	$(BIN)/python -m mnist_tutorial --save $@

# Written last of its kind, draw.bin stands for all that the living parts load.
$(LIVE): $(INSTALLED) $(PACKAGE)
	$(BIN)/python -m mnist_tutorial.live $(@D)

# The guard notices what the builder doesn't: version 2 would build nothing and be content.
$(BOOK): $(INSTALLED) $(LIVE) $(SOURCES) tools/check_book.py
	rm -rf _build/html _build/.doctrees $@
	$(BIN)/jupyter-book build . -W -n --keep-going --quiet
	$(BIN)/python tools/check_book.py
	@touch $@

# uv installs in seconds what takes pip two minutes; pip stands in where uv finds no index.
$(INSTALLED): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; say which with: make PYTHON=python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV)
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.txt || \
	  $(BIN)/python -m pip install --quiet -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@
