# Other implementations of IPFS that the tests run against. Included by the Makefile of the repository.
PEERS := core/tests/interop

test-rust: $(PEERS)/node_modules/.ready

$(PEERS)/node_modules/.ready: $(PEERS)/package.json $(PEERS)/package-lock.json $(PEERS)/.npmrc
	scripts/tools npm
	cd $(PEERS) && npm ci --no-audit --no-fund --loglevel=error
	touch $@
