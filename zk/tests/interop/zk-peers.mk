# Other implementations of Groth16, Semaphore and the EVM that the tests of access proofs run against. Included by the
# Makefile of the repository.
ZK_PEERS := zk/tests/interop

test-rust: $(ZK_PEERS)/node_modules/.ready

$(ZK_PEERS)/node_modules/.ready: $(ZK_PEERS)/package.json $(ZK_PEERS)/package-lock.json $(ZK_PEERS)/.npmrc
	scripts/tools npm
	cd $(ZK_PEERS) && npm ci --no-audit --no-fund --loglevel=error
	touch $@
