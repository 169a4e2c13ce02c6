# Doorbell. `make run` installs what is missing, builds and starts the server on its embedded default;
# `make check` installs what the tests need and runs them all. `make help` lists the rest.

BUILD := build
SANITIZE :=
FUZZ_SECONDS := 5

# Debian's names; they are the same in bookworm and trixie.
DEPS := build-essential pkg-config libwebsockets-dev libwebsockets-evlib-uv libcurl4-openssl-dev \
        libssl-dev libsodium-dev libyaml-dev libuv1-dev libc-ares-dev libmicrohttpd-dev \
        libsqlite3-dev libqrencode-dev libjansson-dev ca-certificates
UNIT_DEPS := check
CHECK_DEPS := $(UNIT_DEPS) clang llvm valgrind clang-format cppcheck $(shell cat tests/peers/debian-packages)

PACKAGES := libwebsockets libcurl libssl libcrypto libsodium yaml-0.1 libuv libcares libmicrohttpd \
            sqlite3 libqrencode jansson

CFLAGS := -O2 -g
HARDENING := -fPIE -fstack-protector-strong -fstack-clash-protection -D_FORTIFY_SOURCE=2
LINK_FLAGS := -pie -Wl,-z,relro,-z,now
ifneq ($(SANITIZE),)
BUILD := build-sanitize
CFLAGS := -O1 -g
HARDENING := -fPIE -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
LINK_FLAGS := -pie -fsanitize=address,undefined
endif
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes \
            -Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wformat=2 -Wundef -Wvla -Werror
ifneq ($(SANITIZE),)
WARNINGS += -Wno-format-truncation # gcc guesses wrong about lengths in code that it has instrumented
endif

# Asked once, and only when something is compiled: pkg-config itself may have to be installed first.
once = $(eval $1 := $(shell $2))$($1)
PKG_CFLAGS = $(call once,PKG_CFLAGS,pkg-config --cflags $(PACKAGES) | sed 's/-I/-isystem /g')
PKG_LIBS = $(call once,PKG_LIBS,pkg-config --libs $(PACKAGES))
CHECK_LIBS = $(call once,CHECK_LIBS,pkg-config --cflags --libs check)
DIALECT = -std=gnu11 -D_GNU_SOURCE -include src/version.h -Isrc $(PKG_CFLAGS) -pthread
ALL_CFLAGS = $(DIALECT) $(WARNINGS) $(HARDENING) $(CFLAGS) -MMD -MP
ALL_LIBS = $(PKG_LIBS) -pthread

SOURCES := $(sort $(wildcard src/*.c src/*/*.c))
LIBRARY_OBJECTS := $(patsubst src/%.c,$(BUILD)/obj/%.o,$(filter-out src/main.c,$(SOURCES)))
LIBRARY := $(BUILD)/libdoorbell.a
PROGRAM := $(BUILD)/doorbell
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(sort $(wildcard tests/unit/test_*.c)))
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))

.DELETE_ON_ERROR:
.PHONY: all build deps run check check-everything check-deps check-trixie unit valgrind sanitize-unit \
        fuzz fuzz-seconds e2e lint warnings readme bench help clean

all: build

help:
	@echo 'make run           installs what is missing, builds, runs the server on its embedded default'
	@echo 'make check         installs what the tests need and runs them all; SANITIZE=1: under ASan and UBSan'
	@echo 'make build         builds $(PROGRAM)'
	@echo 'make deps          installs what the build needs'
	@echo 'make unit e2e      the unit tests; the end-to-end tests against real peers'
	@echo 'make valgrind      the unit tests under valgrind'
	@echo 'make lint          layers, format, static analysis; make warnings: everything through clang as well'
	@echo 'make fuzz          every fuzz target, one after the other, FUZZ_SECONDS=$(FUZZ_SECONDS) each'
	@echo 'make bench         memory and latency beside a floor measured in the same run'
	@echo 'make check-trixie  build and unit tests in a Debian trixie made with debootstrap (as root)'

# Program

build: $(PROGRAM)

$(BUILD)/obj/%.o: src/%.c Makefile
	@mkdir -p $(@D)
	@echo 'CC   $<'
	@$(CC) $(ALL_CFLAGS) -c $< -o $@

$(LIBRARY): $(LIBRARY_OBJECTS)
	@rm -f $@
	@ar rcs $@ $^

$(PROGRAM): $(BUILD)/obj/main.o $(LIBRARY)
	@echo 'LINK $@'
	@$(CC) $(LINK_FLAGS) $^ $(ALL_LIBS) -o $@

deps:
	@tests/install-packages $(DEPS)

run: deps
	@$(MAKE) --no-print-directory build
	$(PROGRAM) server

# Tests

check-deps: deps
	@tests/install-packages $(CHECK_DEPS)
	@tests/install-packages libclang-rt-$$(clang -dumpversion | cut -d. -f1)-dev # libFuzzer and sanitizers
	@tests/peers/prepare

check: check-deps
	@$(MAKE) --no-print-directory check-everything

ifneq ($(SANITIZE),)
check-everything: unit e2e
else
check-everything: lint warnings unit valgrind fuzz-seconds e2e
	@$(MAKE) --no-print-directory SANITIZE=1 unit blackbox
endif

$(BUILD)/unit/%: tests/unit/%.c tests/unit/unit.h $(LIBRARY)
	@mkdir -p $(@D)
	@echo 'CC   $<'
	@$(CC) $(ALL_CFLAGS) -Itests/unit $< $(LINK_FLAGS) $(LIBRARY) $(CHECK_LIBS) $(ALL_LIBS) -o $@

unit: $(UNIT_TESTS)
	@for test in $^; do $$test || exit 1; done

valgrind: $(UNIT_TESTS)
	@tests/under-valgrind $^

E2E := CI=$(CI) DOORBELL_BINARY=$(abspath $(PROGRAM)) /usr/bin/python3 -m pytest -q

e2e: $(PROGRAM)
	$(E2E) tests/e2e

blackbox: $(PROGRAM)
	$(E2E) tests/e2e/test_blackbox.py
.PHONY: blackbox

# Fuzzing: clang's libFuzzer; a crash leaves its input in build-fuzz/.
FUZZ_SOURCES := $(filter-out src/main.c,$(SOURCES))
build-fuzz/libdoorbell.a: $(FUZZ_SOURCES) Makefile $(wildcard src/*/*.h)
	@mkdir -p $(@D)/obj
	@echo 'FUZZ build'
	@rm -f $@
	@for source in $(FUZZ_SOURCES); do echo "$$source"; done | xargs -P2 -I{} sh -c \
	    'clang $(DIALECT) -g -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined \
	    -c {} -o build-fuzz/obj/$$(echo {} | tr / _).o'
	@ar rcs $@ build-fuzz/obj/*.o

build-fuzz/fuzz_%: tests/fuzz/fuzz_%.c build-fuzz/libdoorbell.a
	@clang $(DIALECT) -Itests/fuzz -g -O1 -fsanitize=fuzzer,address,undefined \
	    -fno-sanitize-recover=undefined $< build-fuzz/libdoorbell.a $(ALL_LIBS) -o $@

fuzz: $(FUZZERS:%=build-fuzz/%)
	@tests/fuzz/run $(FUZZ_SECONDS) $(FUZZERS)

fuzz-seconds: fuzz

# Reading

lint: $(PROGRAM)
	@tests/lint/layers
	@tests/lint/readme $(PROGRAM)
	@clang-format --dry-run --Werror $(wildcard src/*.[ch] src/*/*.[ch] tests/*/*.[ch])
	@cppcheck --quiet --error-exitcode=1 --enable=warning,portability --inline-suppr \
	    --suppress=missingIncludeSystem --std=c11 -Isrc --include=src/version.h -j2 src

warnings:
	@echo 'clang: warnings'
	@for source in $(SOURCES); do echo "$$source"; done | xargs -P2 -I{} \
	    clang $(DIALECT) $(WARNINGS) -fsyntax-only {}

readme: $(PROGRAM)
	@tests/lint/readme $(PROGRAM) --write

include tests/bench/bench.mk

bench: $(PROGRAM)
	@tests/bench/run

check-trixie:
	@tests/trixie

clean:
	rm -rf build build-*

-include $(shell find $(BUILD)/obj $(BUILD)/unit -name '*.d' 2>/dev/null)
