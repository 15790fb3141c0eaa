# Everything one does with Segue from a checkout; `make` alone says what there is.
# Targets install what they need on Debian and Ubuntu (scripts/setup.sh) and nothing else.

SHELL := /bin/bash
.DEFAULT_GOAL := help
# rustup's own place, for shells that were opened before it was installed.
export PATH := $(PATH):$(HOME)/.cargo/bin

.PHONY: help demo test test-dropin simulate chaos clients players bench lint

help:
	@echo 'make demo     three workers make a film into HLS, one is killed half way; prove the result'
	@echo '              (the first time 5 to 10 minutes, for building; then 2)'
	@echo '                FILE=film.mkv   with a film of yours'
	@echo '                PROFILE=dev     a quick build and a sample of 20 seconds'
	@echo 'make test     run the tests (10 minutes with building, on 2 cores)'
	@echo 'make test-dropin  a program that behaves as Jellyfin does, against plain ffmpeg and the'
	@echo '              drop-in, also under faults, and real lines both ways (20 minutes)'
	@echo 'make simulate live a cluster in simulated time, with faults (SEEDS=20000: 10 minutes)'
	@echo 'make chaos    kill, stop and restart real processes at random (SEEDS=30: 10 minutes)'
	@echo 'make clients  run what docs/api.md shows, against a pool (2 minutes)'
	@echo 'make players  play results in hls.js (Chromium), GStreamer and mpv (10 minutes)'
	@echo 'make bench    measure against the ffmpeg command (see benches/README.md; 4 hours)'
	@echo 'make lint     format, warnings, documentation, who may depend on whom (3 minutes)'
	@echo 'scripts/setup.sh installs what all of these need; .ci/run does what CI does (35 minutes)'

# By way of the environment, so that a path may hold blanks, quotes and dollars.
demo: export SEGUE_DEMO_FILE := $(value FILE)
demo: export SEGUE_DEMO_PROFILE := $(value PROFILE)
demo:
	@scripts/demo.sh

test:
	@scripts/setup.sh build test
	cargo test --workspace --locked

test-dropin:
	@scripts/setup.sh build test
	cargo test --locked -p segue --test drop_in_contract -- --ignored --nocapture --test-threads=1

# Says every ten seconds how far it is; SEED=17 shows one life with all that happens in it.
simulate: export SEGUE_SEEDS := $(or $(SEEDS),20000)
simulate: export SEGUE_SEED := $(SEED)
simulate:
	@scripts/setup.sh build
	cargo test --locked -p segue-dispatch --test simulator -- --nocapture no_weather

# Says each seed as it begins; SEED=17 begins with that one, and is the only one without SEEDS.
chaos: export SEGUE_SEEDS := $(or $(SEEDS),$(if $(SEED),1,30))
chaos: export SEGUE_SEED := $(SEED)
chaos:
	@scripts/setup.sh build test
	cargo test --locked -p segue --test pool_chaos -- --ignored --nocapture

clients:
	@scripts/setup.sh build test clients
	@scripts/clients.sh

players:
	@scripts/setup.sh build test players
	@scripts/players.sh long

bench:
	@scripts/setup.sh build test
	@benches/run.sh

lint:
	@scripts/setup.sh build lint
	cargo fmt --all --check
	scripts/arrows.sh
	scripts/documents.sh
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked
