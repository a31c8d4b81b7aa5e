# Fuzzing of what parses foreign bytes. Included by the Makefile of the repository.

.PHONY: fuzz fuzz-short fuzz-build
# Per target, in seconds.
FUZZ_SECONDS ?= 600
FUZZ_TARGETS := manifest envelope dag car sql wire

test: fuzz-short

fuzz: fuzz-build ## Fuzz for 10 minutes per target, or FUZZ_SECONDS
	core/fuzz/run $(FUZZ_SECONDS)

# Every target for some seconds, beginning with the seeds.
fuzz-short: fuzz-build
	core/fuzz/run 12

# Of the whole workspace, so that features agree and no dependency is compiled anew; of its programs these alone, since the
# others have no use for the counters.
fuzz-build:
	RUSTC_WORKSPACE_WRAPPER="$(CURDIR)/core/fuzz/instrument" cargo build --workspace $(FUZZ_TARGETS:%=--bin %)
