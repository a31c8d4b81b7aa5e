# Ocean Protocol's contracts on a chain of their own, and its client, that the tests run against. Included by the Makefile
# of the repository.
OCEAN_PEERS := core/tests/interop/ocean

test-rust: $(OCEAN_PEERS)/node_modules/.ready

$(OCEAN_PEERS)/node_modules/.ready: $(OCEAN_PEERS)/package.json $(OCEAN_PEERS)/package-lock.json $(OCEAN_PEERS)/.npmrc
	scripts/tools npm
	cd $(OCEAN_PEERS) && npm ci --no-audit --no-fund --loglevel=error
	touch $@
