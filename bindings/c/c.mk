# The C library. Included by the Makefile of the repository.

export CARGO_TARGET_DIR ?= $(HOME)/.cache/sealock/target
PREFIX ?= /usr/local
# Where the demo and the tests find the library installed.
C_STAGE := $(CARGO_TARGET_DIR)/c-stage
C_OUT := $(CARGO_TARGET_DIR)/c-tests

.PHONY: c-build c-stage install c-test demo-c

c-build: ## Build the C library
	cargo build --workspace

install: c-build ## Install the C library under PREFIX
	bindings/c/scripts/install "$(CARGO_TARGET_DIR)/debug" "$(DESTDIR)$(PREFIX)"

c-stage: c-build
	scripts/tools cmake pkg-config valgrind
	rm -rf "$(C_STAGE)"
	bindings/c/scripts/install "$(CARGO_TARGET_DIR)/debug" "$(C_STAGE)"

demo-c: c-stage ## Run the whole story on real data, from C
	mkdir -p "$(C_OUT)"
	PKG_CONFIG_PATH="$(C_STAGE)/lib/pkgconfig" bindings/c/scripts/cc examples/story.c "$(C_OUT)/story"
	"$(C_OUT)/story" examples/data

c-test: c-stage $(PEERS)/node_modules/.ready $(OCEAN_PEERS)/node_modules/.ready $(ZK_PEERS)/node_modules/.ready ## Run the tests of the C library
	bindings/c/tests/run "$(C_STAGE)" "$(C_OUT)" "$(CARGO_TARGET_DIR)/debug/sealock-node"
