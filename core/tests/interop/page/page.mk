# A browser that the owner's page of a node is tested in, and its driver. Included by the Makefile of the repository.
PAGE_PEERS := core/tests/interop/page

.PHONY: page-browser

test-rust: page-browser $(PAGE_PEERS)/node_modules/.ready

page-browser:
	scripts/tools chromium

$(PAGE_PEERS)/node_modules/.ready: $(PAGE_PEERS)/package.json $(PAGE_PEERS)/package-lock.json $(PAGE_PEERS)/.npmrc
	scripts/tools npm
	cd $(PAGE_PEERS) && npm ci --no-audit --no-fund --loglevel=error
	touch $@
