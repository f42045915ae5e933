# `make` lists the targets. Only Python >= 3.10, make and access to PyPI are needed.

PYTHON      ?= python3
TORCH_INDEX ?=
ARGS        ?=
JOBS        ?= 2

VENV      := .venv
BIN       := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SYNTHETIC := data/synthetic
SCENES    := $(SYNTHETIC)/annotations/person_keypoints_val.json
DEMO      := outputs/demo
RELEASE   := outputs/release
# The newest checkpoint of an unfinished training in a folder, as an argument of gog-train.
resume     = $(addprefix resume=,$(firstword $(shell ls -t $(1)/checkpoints/last.ckpt $(1)/checkpoints/interrupted.ckpt 2>/dev/null)))

.DEFAULT_GOAL := help
.PHONY: help install test test-slow lint format docs release demo clean

help:  ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  make %-24s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo '  PYTHON=python3.12   Python of the environment'
	@echo '  TORCH_INDEX=URL     additional package index, such as https://download.pytorch.org/whl/cpu'
	@echo '                      (its torch has 200 MB, the CUDA build on PyPI several GB)'
	@echo '  ARGS="-k decoder"   additional arguments for pytest'
	@echo '  JOBS=4              number of test processes; default 2'
	@echo '  SCALE=full          tables at the size of the paper, on GPUs; default: small; see experiments/README.md'

install: $(INSTALLED)  ## Create the environment .venv with the locked versions

$(INSTALLED): pyproject.toml requirements/lock.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 10) or sys.exit("Python >= 3.10 is needed, this is " + sys.version.split()[0] + "; name another one: make install PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) \
		--constraint requirements/lock.txt --editable '.[dev]'
	@touch $@

test: $(INSTALLED)  ## Run the default tests: not slow, no GPU
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

test-slow: $(INSTALLED)  ## Run the tests that take minutes each
	$(BIN)/python -m pytest -m slow $(ARGS)

lint: $(INSTALLED)  ## Check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(INSTALLED)  ## Fix style automatically: imports, layout
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(INSTALLED)  ## Build the documentation site in site/; warnings are errors
	$(BIN)/python -m pip install --quiet --constraint requirements/lock.txt --editable '.[docs]'
	$(BIN)/python docs/scripts/generate.py
	$(BIN)/zensical build --clean --strict

# The wheel's commands run outside the repository, so that they cannot find its files. Nothing is uploaded.
release: $(INSTALLED)  ## Build the release in dist/, check it, test the wheel in a fresh environment
	rm -rf dist $(RELEASE)
	$(BIN)/python -m pip install --quiet --constraint requirements/lock.txt --editable '.[release]'
	$(BIN)/python -m build --outdir dist
	$(BIN)/twine check --strict dist/*
	$(BIN)/python -m venv $(RELEASE)/environment
	$(RELEASE)/environment/bin/python -m pip install --quiet $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) \
		--constraint requirements/lock.txt dist/*.whl
	cd $(RELEASE) && environment/bin/python -c 'import gog_pose; print("gog_pose", gog_pose.__version__)'
	cd $(RELEASE) && environment/bin/gog-predict --help >help.txt
	cd $(RELEASE) && environment/bin/gog-predict source=$(CURDIR)/docs/photo.jpg output=poses
	$(BIN)/python -c 'import json, sys; sys.exit(not json.load(open("$(RELEASE)/poses/predictions.json")))'
	@ls -l dist

# A second call resumes from the newest checkpoint of the first; `rm -r outputs/demo` starts over.
demo: $(SCENES)  ## Train the bundled model on synthetic people, find people in a photograph (6 minutes)
	$(BIN)/gog-train experiment=demo data.root=$(SYNTHETIC) hydra.run.dir=$(DEMO) \
		$(call resume,$(DEMO))
	$(BIN)/gog-predict 'source=$(SYNTHETIC)/val/*0.jpg' checkpoint=$(DEMO)/checkpoints/best.ckpt \
		output=$(DEMO)/predictions hydra.run.dir=$(DEMO)/predictions
	$(BIN)/gog-predict source=docs/photo.jpg output=$(DEMO)/photo hydra.run.dir=$(DEMO)/photo
	@$(BIN)/python -c 'import json; print("demo: AP %.3f on held-out scenes; checkpoint $(DEMO)/checkpoints/best.ckpt;" \
		% json.load(open("$(DEMO)/results.json"))["AP"], "poses $(DEMO)/predictions/contact_sheet.png;", \
		"the bundled model on a photograph $(DEMO)/photo/photo.png")'

$(SCENES): | $(INSTALLED)
	$(BIN)/gog-synthesize output=$(SYNTHETIC) hydra.run.dir=$(DEMO)/synthesize

clean:  ## Remove caches and build products; keep data, outputs and .venv
	rm -rf build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests -name __pycache__ -prune -exec rm -rf {} +

include experiments/tables.mk
