# Two commands: `make demo` shows the main job on a real cluster, `make test` proves everything; `make verify` runs the long matrices.
# Each builds what it needs on its first run (`make demo` says how long that takes) and keeps it in the cache.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
CACHE := $(or $(TWP_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/twp)
export CARGO_TARGET_DIR ?= $(CACHE)/target
BED := tests/testbed/bed
MUSL := x86_64-unknown-linux-musl
OPERATOR := $(CARGO_TARGET_DIR)/$(MUSL)/release/twp-operator
# Two checkouts may share the cache, and cargo tells their files apart by age alone: what another one built of ours goes first.
ifneq ($(filter-out help down demo-kind,$(or $(MAKECMDGOALS),help)),)
OURS := $(shell [ "$$(cat "$(CARGO_TARGET_DIR)/checkout" 2>/dev/null)" = "$(CURDIR)" ] || { mkdir -p "$(CARGO_TARGET_DIR)"; \
	find "$(CARGO_TARGET_DIR)" -type d -path '*/.fingerprint/taskworkerpool-*' -prune -exec rm -rf {} +; \
	echo "$(CURDIR)" > "$(CARGO_TARGET_DIR)/checkout"; })
endif
# One set of features for all tests, and none for the image: with a third one the library is compiled once more.
TEST := cargo test --locked --all-features
# One program; its modules are what there is to run.
E2E := $(TEST) --test e2e --
# Built by the first `make lint`, in six minutes on one core.
DENY := $(CACHE)/cargo-deny-0.20.2
say = @printf '\033[1m== %s\033[0m\n'

.PHONY: help demo demo-kind test checks lint contract unit page top bed operator image image-arm64 plugins brokers cluster alone interrupt zoo versions verify reality bench-waves install crd bench-decisions bench-decide bench-heartbeats down

help:
	@echo "make demo      a Django + Celery shop is scaled 0 → N → 0, on Redis, then on RabbitMQ (KEEP=1 leaves it running)"
	@echo "make demo-kind    the same on a cluster that kind makes in Docker, on Linux or macOS (needs docker, kind, kubectl, helm, python3)."
	@echo "               It has never been run: the machine that tests this has no Docker"
	@echo "make test      everything: lint, contract, unit, top, page, brokers, install, cluster, interrupt, alone, zoo (a third of the applications)"
	@echo "make lint | contract | unit | top | page | brokers | cluster | interrupt | alone | zoo | install    one part of it"
	@echo "make verify    what takes too long for that: the zoo whole (seven questions each; ONLY=NAME,NAME), an operator killed at every"
	@echo "               point of a drain, moves from an HPA and KEDA, more spikes, a thousand pools, a pipeline that fights, versions (50 minutes)"
	@echo "make versions  other versions of Redis, Valkey, RabbitMQ and Celery, a part of verify (8 minutes; VERSIONS=NAME,NAME)"
	@echo "make bench-decisions    the scaling rule against the others' in the simulator; writes target/report and target/figures"
	@echo "make bench-decide     how long one decision takes"
	@echo "make bench-heartbeats   what a thousand workers' heartbeats cost the operator, on the test bed; writes target/figures (6 minutes)"
	@echo "make reality   the simulator beside real workers on the test bed; writes target/report and target/figures (8 minutes)"
	@echo "make bench-waves   no task interrupted: long runs beside KEDA's; writes target/figures (2 hours; ONLY=three_waves | thousands | contrast | limit | drain)"
	@echo "make image | image-arm64    the operator's image, packed without Docker; it prints where (docker load -i takes it)."
	@echo "               With Docker, for both: the lines at the top of Containerfile"
	@echo "make plugins   kubectl twp for other platforms, packed as krew and people download it"
	@echo "make crd       writes crds/, the chart's copy and deploy/install*.yaml anew from the Rust types"
	@echo "make down      stops the test bed"
	@echo "TESTBED=existing uses the cluster of your KUBECONFIG: tests/testbed/README.md"

demo:
	OPERATOR=$(OPERATOR) tests/demo.sh bed

demo-kind:
	tests/demo.sh kind

# The image and the chart go beside the tests that wait for brokers, and so do suites that mostly wait beside
# each other. A flood of the operator has the machine for itself, and so has the zoo, which judges what is told second by
# second. The chart comes before the tests that install the CRD by themselves: on a new cluster it has to bring its own. The bed
# goes down again, whatever happens, unless it was up before.
test:
	@if $(BED) status >/dev/null 2>&1; then was=up; else was=down; fi; \
	code=0; $(BED) up || code=$$?; for suites in checks "install brokers" "cluster interrupt" alone zoo; do \
	[ $$code != 0 ] || $(MAKE) --no-print-directory -j3 $$suites || code=$$?; done; \
	[ $$was = up ] || $(BED) down; exit $$code

# One after the other: both want all processors.
checks:
	$(MAKE) --no-print-directory lint
	$(MAKE) --no-print-directory contract
	$(MAKE) --no-print-directory unit
	$(MAKE) --no-print-directory top
	$(MAKE) --no-print-directory page

# `--all-targets` leaves out the tests with `test = false`, and takes no others by name; `--profile test` adds the unit tests.
lint:
	$(say) "format and lints"
	python3 tests/docs/check.py && tests/docs/workflows.sh
	bash -n tests/demo.sh
	! command -v shellcheck >/dev/null || shellcheck tests/demo.sh deploy/krew/*.sh
	@command -v cargo >/dev/null || { echo "missing: cargo (rustup.rs)" >&2; exit 1; }
	cargo fmt --check
	cargo clippy --locked --all-features --profile test --lib --bins --benches --test '*' -- -D warnings
	[ -x $(DENY)/bin/cargo-deny ] || env -u CARGO_TARGET_DIR cargo install --locked cargo-deny@0.20.2 --root $(DENY)
	$(DENY)/bin/cargo-deny --locked check bans licenses sources
	cargo check --locked --features cli --bin kubectl-twp  # as docs/simulate.md has it, without the solver
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --quiet --no-deps --document-private-items --all-features

# What Argo CD and Flux make of each status; some seconds.
contract:
	$(say) "the status contract"
	tests/contract/run.sh

unit:
	$(say) "unit tests"
	cd deploy/examples/mail-sink && python3 -B -m unittest --quiet
	$(TEST)

# After `unit`, which compiles both programs; some seconds.
top:
	$(say) "the plugin on a terminal"
	tests/top/run.sh

# After `unit`, which compiles what writes the answers.
page:
	$(say) "the page of the view, in a browser"
	tests/view/run.sh

bed:
	$(say) "the test bed"
	$(BED) up

# The static binary.
operator:
	rustup target add $(MUSL)
	cargo build --locked --release --target $(MUSL) --bin twp-operator

image: bed
	$(say) "the operator's image"
	$(MAKE) --no-print-directory operator
	$(BED) image-operator $(OPERATOR)

# Nothing here can run it. The C compiler is for the cryptography library.
image-arm64:
	$(say) "the operator's image for arm64"
	@command -v aarch64-linux-gnu-gcc >/dev/null || { echo "missing: aarch64-linux-gnu-gcc (Debian: gcc-aarch64-linux-gnu libc6-dev-arm64-cross)" >&2; exit 1; }
	rustup target add aarch64-unknown-linux-musl
	CC_aarch64_unknown_linux_musl=aarch64-linux-gnu-gcc AR_aarch64_unknown_linux_musl=aarch64-linux-gnu-ar \
	CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=aarch64-linux-gnu-gcc \
	cargo build --locked --release --target aarch64-unknown-linux-musl --bin twp-operator
	$(BED) image-operator $(CARGO_TARGET_DIR)/aarch64-unknown-linux-musl/release/twp-operator arm64

# `kubectl twp` for other platforms, packed, and krew's manifest. macOS needs a Mac: Apple's libraries are not to be had elsewhere.
PLUGINS := $(CURDIR)/target/plugins
PLUGIN := cargo build --locked --release --features cli --bin kubectl-twp --target
plugins:
	$(say) "kubectl twp for linux on amd64 and arm64, and for windows"
	@for tool in aarch64-linux-gnu-gcc x86_64-w64-mingw32-gcc; do command -v $$tool >/dev/null || \
	{ echo "missing: $$tool (Debian: gcc-aarch64-linux-gnu libc6-dev-arm64-cross gcc-mingw-w64-x86-64)" >&2; exit 1; }; done
	rustup target add $(MUSL) aarch64-unknown-linux-musl x86_64-pc-windows-gnu
	$(PLUGIN) $(MUSL)
	CC_aarch64_unknown_linux_musl=aarch64-linux-gnu-gcc AR_aarch64_unknown_linux_musl=aarch64-linux-gnu-ar \
	CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=aarch64-linux-gnu-gcc $(PLUGIN) aarch64-unknown-linux-musl
	$(PLUGIN) x86_64-pc-windows-gnu
	deploy/krew/pack.sh linux amd64 $(CARGO_TARGET_DIR)/$(MUSL)/release/kubectl-twp $(PLUGINS)
	deploy/krew/pack.sh linux arm64 $(CARGO_TARGET_DIR)/aarch64-unknown-linux-musl/release/kubectl-twp $(PLUGINS)
	deploy/krew/pack.sh windows amd64 $(CARGO_TARGET_DIR)/x86_64-pc-windows-gnu/release/kubectl-twp.exe $(PLUGINS)
	@echo "deploy/krew/manifest.sh v0.1.0 URL $(PLUGINS) prints krew's manifest"

brokers: bed
	$(say) "counts, against real brokers and real Celery workers"
	eval "$$($(BED) env)"; $(E2E) brokers:: support:: --test-threads=5

# The rest of the module is `alone`.
cluster: bed
	$(say) "the operator on a real cluster"
	eval "$$($(BED) env)"; $(E2E) cluster:: doctor:: $(addprefix --skip ,$(ALONE)) --test-threads=8

# It asks whether a flooded operator answers within 2 s: nothing else may want the machine.
ALONE := cluster::hostile
alone: bed
	$(say) "the operator beside a hostile broker"
	eval "$$($(BED) env)"; $(E2E) $(ALONE) --test-threads=1

# The rest of the module is in `verify`.
MOVES := interrupt::adoption::moves
interrupt: bed
	$(say) "no task is interrupted"
	eval "$$($(BED) env)"; $(E2E) interrupt:: --skip $(MOVES) --test-threads=3

# A third of the applications, chosen for breadth; `verify` takes all of them.
zoo: bed
	$(say) "applications as people run them"
	eval "$$($(BED) env)"; TWP_ZOO=quick $(E2E) zoo:: --nocapture

verify: image versions
	$(say) "all applications of the zoo"
	eval "$$($(BED) env)"; TWP_ZOO=$(or $(ONLY),all) $(E2E) zoo:: --nocapture
	$(say) "an operator killed at every point of a drain, on both brokers"
	eval "$$($(BED) env)"; TWP_POINTS=all $(E2E) interrupt::operator_killed --test-threads=3
	$(say) "pools that take over from an HPA and from KEDA"
	eval "$$($(BED) env)"; $(E2E) $(MOVES) --nocapture
	$(say) "more spikes"
	eval "$$($(BED) env)"; TWP_SPIKES=4 $(E2E) every_spike_is_one_write
	$(say) "a thousand pools, take-overs, what the view costs, and a pipeline that fights"
	eval "$$($(BED) env)"; TWP_OPERATOR=$(OPERATOR) TWP_POOLS=1000 $(E2E) three_hundred_pools --nocapture
	eval "$$($(BED) env)"; TWP_OPERATOR=$(OPERATOR) TWP_POOLS=1000 $(E2E) view_cost:: --nocapture
	eval "$$($(BED) env)"; TWP_OPERATOR=$(OPERATOR) $(E2E) self_heal:: rights_withdrawn:: --nocapture

# Needs no cluster: servers and workers are processes here. VERSIONS=redis-6.0,celery-5.6 tries a part.
versions:
	$(say) "other versions of servers and of Celery"
	TWP_VERSIONS=$(VERSIONS) $(E2E) versions:: --nocapture

reality: bed
	$(say) "the simulator beside real workers"
	eval "$$($(BED) env)"; $(E2E) reality:: --nocapture --test-threads=1

# One measurement after another; each runs several at once. tests/e2e/waves/mod.rs names the variables.
bench-waves: bed
	$(say) "long runs that shrink again and again, beside KEDA's figures"
	eval "$$($(BED) env)"; $(E2E) $(or $(addprefix waves::,$(ONLY)),waves::) --nocapture --test-threads=1

install: image
	$(say) "the chart, installed"
	eval "$$($(BED) env)"; TWP_HELM=$$TWP_HELM charts/check.sh
	eval "$$($(BED) env)"; tests/contract/run.sh manifests
	eval "$$($(BED) env)"; tests/contract/run.sh served
	eval "$$($(BED) env)"; $(E2E) install:: shapes:: --test-threads=1
	eval "$$($(BED) env)"; tests/contract/run.sh golden  # the CRD is there by now

crd:
	UPDATE=1 $(TEST) --test crd the_file_is_what_the_operator_prints
	$(BED) build
	eval "$$($(BED) env)"; charts/render.sh

# The figures and the report go to target/ of the checkout, wherever the build goes.
bench-decisions:
	$(say) "decisions, ours and others', on seven workloads"
	cargo run --locked --quiet --release --features bound --bin bench-decisions

bench-decide:
	$(say) "one decision of a busy pool: at most 20 µs"
	cargo bench --locked --bench decide

bench-heartbeats: image
	$(say) "a thousand workers' heartbeats: at most 3 % of a core and 5 MiB"
	eval "$$($(BED) env)"; TWP_OPERATOR=$(OPERATOR) $(E2E) heartbeats:: --nocapture --test-threads=1

down:
	$(BED) down
