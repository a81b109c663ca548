# The front door. `make help` lists what it opens.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/tidegate/target

.DEFAULT_GOAL := help
.PHONY: help build demo dev check test bench clean

help: ## List these targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 8

build: ## Build the binaries and what the browser loads, into $CARGO_TARGET_DIR/debug and …/site
	@scripts/build.sh

demo: ## Build and start the portal on SQLite, with stand-ins for AWS and GitHub and two weeks of history
	@scripts/demo.sh

dev: ## The same, built quickly, and built again and restarted whenever a source changes
	@scripts/demo.sh --watch

check: ## Format, lints and unit tests: what is quick (a minute or two once built)
	@scripts/test.sh format lint lint-wasm unit

test: ## Everything: lints, unit, store on both databases, flows, API and browser tests; prints what each took
	@scripts/test.sh

bench: ## Measure what a page weighs, what the server takes and how soon it is up
	@scripts/bench.sh

clean: ## Remove everything that was built, fetched packages included
# The environment of the checks is found by way of the target folder: before that goes.
	rm -rf "$(CARGO_TARGET_DIR)/../venv" "$(CARGO_TARGET_DIR)/../emulator" "$(CARGO_TARGET_DIR)/../prometheus"
	rm -rf "$(CARGO_TARGET_DIR)" end2end/node_modules end2end/sandbox/check/node_modules end2end/sandbox/check/__pycache__ \
		end2end/test-results end2end/playwright-report end2end/screenshots-out .schemathesis end2end/.schemathesis
