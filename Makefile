# SPDX-License-Identifier: Apache-2.0

JOBS ?= $(shell nproc)
PRESET ?= dev
TARGETS ?= all
ARGS ?=
SECONDS_EACH ?= 60

.DEFAULT_GOAL := help
.PHONY: help setup build demo test test-asan endurance bench check tidy format fuzz uninstall clean

help:  ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "PRESET=dev|asan|tsan|release chooses the build, ARGS=... goes to the tool behind the target, JOBS=N compiles N at a time."

setup:  ## install the Debian packages needed to build and to run
	tools/setup build run

build: setup  ## compile into build/PRESET
	cmake --preset $(PRESET) >/dev/null
	cmake --build --preset $(PRESET) -j $(JOBS) --target $(TARGETS)

demo: PRESET = release
demo: TARGETS = dormoused dormouse
demo: build  ## the main job, shown step by step with its times
	tools/setup test
	examples/demo.py --build-dir build/$(PRESET) $(ARGS)

test: build  ## every test; what cannot run here is skipped, with the reason
	tools/setup test
	tests/run --build-dir build/$(PRESET) $(ARGS)

test-asan: PRESET = asan
test-asan: build  ## every test under the address and undefined-behaviour sanitizers
	tools/setup test
	tests/run --build-dir build/$(PRESET) --suite-timeout 3600 $(ARGS)

endurance: build  ## a thousand sleeps and wakes of four VMs under load, with kept processes and without
	tools/setup test
	DORMOUSE_TEST_ENDURANCE=1000 tests/run --build-dir build/$(PRESET) --only vm/endurance --only vm/kept --suite-timeout 7200 $(ARGS)

bench: PRESET = release
bench: TARGETS = dormoused dormouse dm_api_load
bench: build  ## the benchmarks: JSON under build/bench
	tools/setup test bench
	bench/api --build-dir build/$(PRESET)
	bench/run --build-dir build/$(PRESET) $(ARGS)

check:  ## formatting, layers, house rules, shell scripts; with a build: the reference, lint of what changed
	tools/setup check
	tools/check $(ARGS)

tidy: PRESET = dev
tidy: build  ## clang-tidy over the sources; ARGS=FILE... for some
	tools/setup check
	tools/check --build-dir build/$(PRESET) --only lint $(ARGS)

format:  ## rewrite the sources in the project's format
	tools/setup check
	git ls-files 'src/*.cc' 'src/*.h' 'tests/*.cc' 'tests/*.h' | xargs clang-format-19 -i

fuzz: PRESET = fuzz
fuzz:  ## every fuzzer for SECONDS_EACH seconds (60)
	tools/setup build fuzz
	cmake --preset fuzz >/dev/null
	cmake --build --preset fuzz -j $(JOBS) --target fuzzers
	tools/fuzz --build-dir build/fuzz --seconds $(SECONDS_EACH) $(ARGS)

uninstall:  ## undo what these commands changed on this machine
	tools/uninstall $(ARGS)

clean:  ## remove build/
	rm -rf build
