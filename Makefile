# `make` trains the network and builds the book; `make test` verifies everything.
# Both install what they need into .venv first. Without make: see README.md.

PYTHON ?= python3
BIN := .venv/bin
UV := 0.13.9
PLAYWRIGHT := 1.65.2
PIP_AUDIT := 2.10.1
PRE_COMMIT := 4.7.0
NBDIME := 4.0.4
INSTALLED := .venv/installed
WEIGHTS := _build/mnist.safetensors
LIVE := _static/live/draw.bin
BOOK := _build/whole
CHAPTERS := $(wildcard chapters/*.ipynb chapters/*/*.ipynb)
CORE := $(wildcard mnist_tutorial/*.py)
TAUGHT := $(addprefix mnist_tutorial/further/,augment.py recipes.py handwriting.py pictures.py)
SOURCES := $(CHAPTERS) $(wildcard *.md _config.yml _toc.yml references.bib _ext/*.py _static/book.* _static/fonts/* _static/site/* _static/live/*.mjs _static/live/*.css _static/live/*.webp mnist_tutorial/book/exercises.py)
EXTRAS := .venv-extras
FRESH := _build/fresh
SET ?= colab
SET_HOME := _build/versions/$(SET)-$(notdir $(PYTHON))
# pyenv's python3.12 is no program until that version is chosen; its own folder always has one.
PYENV = $(lastword $(wildcard $(HOME)/.pyenv/versions/$(PYTHON:python%=%)*/bin/python))
FOUND = $(or $(shell $(PYTHON) -c 'import sys; print(sys.executable)' 2>/dev/null),$(PYENV))
SET_BIN := $(SET_HOME)/bin
SET_FROM_colab := --extra notebooks --extra test --constraint .ci/colab.txt pip setuptools
SET_FROM_lowest := --extra book --extra notebooks --extra test --resolution lowest-direct
SET_FROM_newest := --extra book --extra notebooks --extra test --upgrade
SET_TESTS := --ignore tests/test_distribution.py  # built with the pinned setuptools
SET_TESTS_colab := --ignore tests/test_book.py  # Colab builds no books
COMPILE := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --quiet \
  --generate-hashes --fork-strategy fewest --no-annotate --custom-compile-command "make lock"
PYTEST := $(BIN)/python -m pytest -q -rs -n 2 --dist loadfile

.PHONY: all train book test coverage mutants interrupted everywhere test-pages lighthouse links pdf \
  test-extras test-versions lint format notebooks further lab serve address dist audit hooks lock \
  clean help

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
	npm ci --silent --omit=dev --prefix tests/pages
	$(PYTEST) -n 3 --dist load tests/pages

lighthouse: $(BOOK) ## rate every built page with Lighthouse, on a desktop and a phone
	npm ci --silent --prefix tests/pages
	node tests/pages/lighthouse.mjs

links: $(INSTALLED) $(LIVE) ## follow all links of the book to other hosts
	$(BIN)/jupyter-book build . --builder linkcheck -n --keep-going --quiet

pdf: $(BOOK) ## print the whole book into _build/mnist-for-beginners.pdf, with Chromium
	$(BIN)/python -m tools.print_book

test-extras: $(EXTRAS)/installed ## test ONNX, Spark, HDFS, Kafka, Java, the service and the original, in a place of their own
	$(EXTRAS)/bin/python -m pytest -q -rs tests/extras

coverage: $(EXTRAS)/installed ## run all tests and say which branches of the package none of them takes
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -q -rs tests
	$(EXTRAS)/bin/coverage run -m pytest -q -rs tests/extras
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under=98

mutants: $(INSTALLED) ## make thirty mistakes, one by one, and see the tests notice each
	$(BIN)/python -m tools.mutants

interrupted: $(INSTALLED) ## kill training, cache and export at 100 moments each, installation at each step
	KILLS=100 $(BIN)/python -m pytest -q -rs tests/test_interrupted.py

everywhere: $(INSTALLED) ## run CHAPTERS (or chapter 2) on one core, under load, without network...
	tools/everywhere.sh

# Colab's set gets the tutorial as a reader there does, by the first cell of a chapter.
test-versions: $(INSTALLED) ## test other versions: SET=colab, lowest or newest; PYTHON=python3.13
	@test -n "$(SET_FROM_$(SET))" || { echo "SET must be colab, lowest or newest, got $(SET)"; exit 1; }
	@test -n "$(FOUND)" || { echo "there is no $(PYTHON) here; say which with PYTHON="; exit 1; }
	$(BIN)/uv venv --quiet --clear --python $(FOUND) $(SET_HOME)
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(SET_BIN)/python \
	  -r pyproject.toml $(SET_FROM_$(SET))
ifeq ($(SET),colab)
	$(BIN)/uv pip uninstall --quiet --python $(SET_BIN)/python importlib-resources
	$(SET_BIN)/python -m pytest -q -s tests/versions
else
	$(BIN)/uv pip install --quiet --python $(SET_BIN)/python --no-deps .
endif
	$(BIN)/uv pip list --python $(SET_BIN)/python
	NBVAL_PICTURES=off $(SET_BIN)/python -m pytest -q -rs tests $(SET_TESTS) $(SET_TESTS_$(SET))
	NBVAL_PICTURES=off $(SET_BIN)/python -m pytest -q --nbval $(wildcard chapters/*.ipynb)

lint: $(INSTALLED) ## check style and types of the code, and the English of everything
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q --noconftest -p no:cacheprovider tests/test_prose.py

format: $(INSTALLED) ## put package, tests and notebooks into that style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

notebooks: $(INSTALLED) ## run all chapters again and store their outputs
	$(BIN)/python -m tools.run_notebooks

further: $(INSTALLED) ## measure what takes hours again, then run the optional chapters
	$(BIN)/python -m benchmarks.recipes --save
	$(BIN)/python -m benchmarks.fashion --save  # needs a prepared copy of Fashion-MNIST
	$(BIN)/python -m benchmarks.road --save
	$(BIN)/python -m benchmarks.lab --save
	$(BIN)/python -m tools.run_notebooks chapters/going-further/*.ipynb

lab: $(INSTALLED) ## open chapter 1 in JupyterLab
	$(BIN)/jupyter lab chapters/01-introduction.ipynb

serve: $(BOOK) ## show the book at http://localhost:8000
	$(BIN)/python -m http.server --directory _build/html 8000

# Perl does here what sed would, alike on Linux and macOS. GitHub makes a site of each repository.
HERE = $(shell sed -n 's|^Repository = "https://github.com/\(.*\)"|\1|p' pyproject.toml)
THERE = $(patsubst https://github.com/%,%,$(filter https://github.com/%,$(URL)))
site = $(subst /,.github.io/,$(1))
swap = s{(?<![\w.-])\Q$(1)\E(?![\w-])}{$(2)}g;
address: ## change the repository's public address everywhere: URL=https://github.com/OWNER/NAME
	@test $(words $(subst /, ,$(THERE))) = 2 || \
	  { echo "URL must read https://github.com/OWNER/NAME, got '$(URL)'"; exit 1; }
	git grep -lI -e '$(notdir $(HERE))' | xargs perl -pi -e '$(call swap,$(HERE),$(THERE))' \
	  -e '$(call swap,$(call site,$(HERE)),$(call site,$(THERE)))' \
	  -e '$(call swap,cd $(notdir $(HERE)),cd $(notdir $(THERE)))'

dist: $(INSTALLED) ## build wheel and sdist in dist/, install the wheel afresh, and try it
	rm -rf dist build $(FRESH)
	$(BIN)/uv build --quiet --out-dir dist
	$(BIN)/uv venv --quiet --python $(PYTHON) $(FRESH)
	$(BIN)/uv pip install --quiet --python $(FRESH)/bin/python --constraint requirements.txt dist/*.whl
	cd $(FRESH) && bin/mnist-tutorial --num-epochs 1 --save mnist.safetensors

audit: $(INSTALLED) ## check the pinned versions for known vulnerabilities
	$(BIN)/uv tool run --quiet pip-audit@$(PIP_AUDIT) --strict --require-hashes --disable-pip \
	  --requirement requirements.txt --requirement requirements-extras.txt

# git then runs the checks of .pre-commit-config.yaml, and shows of notebooks what people write: the
# outputs are nbval's business.
hooks: $(INSTALLED) ## check what is committed; make git show and merge notebooks as notebooks
	$(BIN)/uv pip install --quiet --python $(BIN)/python \
	  pre-commit==$(PRE_COMMIT) nbdime==$(NBDIME)
	$(BIN)/pre-commit install
	git config diff.jupyternotebook.command '"$(abspath $(BIN))/git-nbdiffdriver" diff --ignore-outputs'
	git config merge.jupyternotebook.driver \
	  '"$(abspath $(BIN))/git-nbmergedriver" merge %O %A %B %L %P'
	git config merge.jupyternotebook.name "merges notebooks cell by cell"

lock: $(INSTALLED) ## regenerate requirements.txt and requirements-extras.txt
	$(COMPILE) --extra book --extra notebooks --extra test --upgrade --output-file requirements.txt
	$(COMPILE) --extra export --extra spark --extra serve --upgrade \
	  --constraint requirements.txt --output-file requirements-extras.txt

clean: ## remove all that was built; .venv stays
	rm -rf _build build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache
	rm -f _static/result.png _static/live/*.bin
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

help: ## show this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 12

$(WEIGHTS): $(INSTALLED) $(CORE)
	@mkdir -p $(@D)
	$(BIN)/python -m mnist_tutorial --save $@

# Written last of its kind, draw.bin stands for all that the living parts load.
$(LIVE): $(INSTALLED) $(CORE) mnist_tutorial/book/live.py $(TAUGHT)
	$(BIN)/python -m mnist_tutorial.book.live $(@D)

# The guard notices what the builder doesn't: version 2 would build nothing and be content.
$(BOOK): $(INSTALLED) $(LIVE) $(SOURCES) tools/check_book.py
	rm -rf _build/html _build/.doctrees $@
	$(BIN)/jupyter-book build . -W -n --keep-going --quiet
	$(BIN)/python tools/check_book.py
	@touch $@

# An installation that was killed can look whole; the next starts over. One that failed is resumed.
UNFINISHED := .venv/unfinished
FAILED := { rm -f $(UNFINISHED); exit 1; }

# uv installs in seconds what takes pip two minutes; pip stands in where uv finds no index.
$(INSTALLED): requirements.txt pyproject.toml
	@$(or $(FOUND),$(PYTHON)) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; say which with: make PYTHON=python3.11"; exit 1; }
	@test ! -e $(UNFINISHED) || rm -rf .venv
	@mkdir -p .venv && touch $(UNFINISHED)
	test -x $(BIN)/python || $(or $(FOUND),$(PYTHON)) -m venv .venv || $(FAILED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV) || $(FAILED)
	$(BIN)/uv pip install --quiet --require-hashes --python $(BIN)/python -r requirements.txt || \
	  $(BIN)/python -m pip install --quiet --require-hashes -r requirements.txt || $(FAILED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable . || \
	  $(FAILED)
	@mv $(UNFINISHED) $@

# A second environment, so that what `make` installed stays what it is.
$(EXTRAS)/installed: $(INSTALLED) requirements-extras.txt
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(EXTRAS)
	$(BIN)/uv pip install --quiet --require-hashes --python $(EXTRAS)/bin/python \
	  -r requirements.txt -r requirements-extras.txt
	$(BIN)/uv pip install --quiet --python $(EXTRAS)/bin/python --no-deps --editable .
	@touch $@
