# Doorbell. `make run` installs what is missing, builds and starts the server on its embedded default;
# `make check` installs what the tests need and runs them all. `make help` lists the rest.

BUILD := build
SANITIZE :=
FUZZ_SECONDS := 5

# Debian's names; they are the same in bookworm and trixie.
DEPS := build-essential pkg-config libcurl4-openssl-dev libssl-dev libsodium-dev libyaml-dev libuv1-dev \
        libc-ares-dev libmicrohttpd-dev libnghttp2-dev libsqlite3-dev libqrencode-dev libjansson-dev \
        libseccomp-dev ca-certificates
UNIT_DEPS := check
CHECK_DEPS := $(UNIT_DEPS) clang llvm valgrind clang-format cppcheck mandoc $(shell cat tests/peers/debian-packages)

PACKAGES := libcurl libssl libcrypto libsodium yaml-0.1 libuv libcares libmicrohttpd libnghttp2 \
            sqlite3 libqrencode jansson libseccomp

CFLAGS := -O2 -g -ffunction-sections
HARDENING := -fPIE -fstack-protector-strong -fstack-clash-protection -D_FORTIFY_SOURCE=2
LINK_FLAGS := -pie -Wl,-z,relro,-z,now,--build-id=sha1,-T,src/ring_path.ld
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
ANYWHERE := -ffile-prefix-map=$(CURDIR)=. # where it is built leaves no trace in it
ALL_CFLAGS = $(DIALECT) $(WARNINGS) $(HARDENING) $(CFLAGS) $(ANYWHERE) -MMD -MP
ALL_LIBS = $(PKG_LIBS) -pthread

SOURCES := $(sort $(wildcard src/*.c src/*/*.c))
PROGRAM_ONLY := src/main.c src/cli/version.c # what no test is linked with
PROGRAM_OBJECTS := $(patsubst src/%.c,$(BUILD)/obj/%.o,$(PROGRAM_ONLY))
LIBRARY_OBJECTS := $(patsubst src/%.c,$(BUILD)/obj/%.o,$(filter-out $(PROGRAM_ONLY),$(SOURCES)))
LIBRARY := $(BUILD)/libdoorbell.a
PROGRAM := $(BUILD)/doorbell
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(sort $(wildcard tests/unit/test_*.c)))
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))

.DELETE_ON_ERROR:
.PHONY: all build deps run check check-everything programs fuzzers check-deps check-trixie unit valgrind sanitized \
        fuzz fuzz-seconds e2e lint warnings readme bench bench-scale help clean

all: build

help:
	@echo 'make run           installs what is missing, builds, runs the server on its embedded default'
	@echo 'make check         installs what the tests need and runs them all; SANITIZE=1: under ASan and UBSan'
	@echo 'make build         builds $(PROGRAM)'
	@echo 'make man           manual pages and shell completion, in $(BUILD)/man and $(BUILD)/completion'
	@echo 'make install       into PREFIX=$(PREFIX), below DESTDIR where it is set; make uninstall'
	@echo 'make dist          the source as a tarball, $(BUILD)/doorbell-VERSION.tar.gz'
	@echo 'make deb           a package for this release of Debian, in $(BUILD)'
	@echo 'make deps          installs what the build needs'
	@echo 'make unit e2e      the unit tests; the end-to-end tests against real peers'
	@echo 'make valgrind      the unit tests under valgrind'
	@echo 'make lint          layers, format, static analysis; make warnings: everything through clang as well'
	@echo 'make fuzz          every fuzz target, FUZZ_SECONDS=$(FUZZ_SECONDS) each'
	@echo 'make sim           random sequences of events against the delivery guarantee, in simulated time;'
	@echo '                   make sim-mutants: shows that it finds deliberate mistakes (docs/delivery.md)'
	@echo 'make chaos         every fault that we can make against the program, and a table of what was lost (0);'
	@echo '                   make chaos-short: the part that make check runs;'
	@echo '                   make chaos-mutants: shows that it finds deliberate mistakes'
	@echo 'make bench         memory, CPU and latency on both roads to Signal, beside floors of the same run;'
	@echo '                   make bench-scale: 100,000 accounts in one process (docs/scale.md)'
	@echo 'make check-trixie  build and unit tests in a Debian trixie made with debootstrap (as root)'
	@echo 'make image         the container image, by docker, podman or buildah; ARCH=arm64 cross-compiles it'
	@echo 'make image-check   builds and runs it without a registry, by buildah and podman (as root); with ARCH'
	@echo '                   under QEMU'
	@echo 'make deb-check     builds, installs, upgrades, purges the package in clean Debian roots (as root)'
	@echo 'make reproducible  builds twice, in two folders, and compares byte by byte'
	@echo 'make sbom          what the program is made of, as SPDX, in $(BUILD)/doorbell-VERSION.spdx.json'

# Program

build: $(PROGRAM)

$(BUILD)/obj/%.o: src/%.c Makefile
	@mkdir -p $(@D)
	@echo 'CC   $<'
	@$(CC) $(ALL_CFLAGS) -c $< -o $@

$(LIBRARY): $(LIBRARY_OBJECTS)
	@rm -f $@
	@$(AR) rcsD $@ $^

$(PROGRAM): $(PROGRAM_OBJECTS) $(LIBRARY) src/ring_path.ld
	@echo 'LINK $@'
	@$(CC) $(LINK_FLAGS) $(filter-out %.ld,$^) $(ALL_LIBS) -o $@

# Named as the folders want them that they are installed into.
MANUAL := $(addprefix $(BUILD)/man/,doorbell.1 doorbell.yaml.5)
COMPLETION := $(addprefix $(BUILD)/completion/,doorbell _doorbell doorbell.fish)
.PHONY: man
man: $(MANUAL) $(COMPLETION)
$(BUILD)/man/doorbell.1: PRINT = man 1
$(BUILD)/man/doorbell.yaml.5: PRINT = man 5
$(BUILD)/completion/doorbell: PRINT = completion bash
$(BUILD)/completion/_doorbell: PRINT = completion zsh
$(BUILD)/completion/doorbell.fish: PRINT = completion fish
$(MANUAL) $(COMPLETION): $(PROGRAM)
	@mkdir -p $(@D)
	@$(PROGRAM) $(PRINT) > $@

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

# What is built is built by all processors, what is tested one after the other.
AT_ONCE = $(MAKE) --no-print-directory -j$$(nproc)

check: check-deps
	@$(AT_ONCE) programs $(if $(SANITIZE),,fuzzers)
	@$(MAKE) --no-print-directory check-everything

programs: $(PROGRAM) $(UNIT_TESTS)

fuzzers: $(FUZZERS:%=build-fuzz/%)

ifneq ($(SANITIZE),)
STEPS := unit e2e
else
STEPS := lint warnings unit sim sim-mutants valgrind fuzz-seconds e2e chaos-short sanitized
endif
check-everything:
	@+MAKE='$(MAKE)' tests/in-turn $(STEPS)

sanitized:
	@$(AT_ONCE) SANITIZE=1 programs
	@$(MAKE) --no-print-directory SANITIZE=1 unit blackbox

$(BUILD)/unit/%: tests/unit/%.c tests/unit/unit.h $(LIBRARY)
	@mkdir -p $(@D)
	@echo 'CC   $<'
	@$(CC) $(ALL_CFLAGS) -Itests/unit $< $(LINK_FLAGS) $(LIBRARY) $(CHECK_LIBS) $(ALL_LIBS) -o $@

unit: $(UNIT_TESTS)
	@tests/play-units $^

valgrind: $(UNIT_TESTS)
	@tests/under-valgrind $^

CHAOS_SKIPS := $(if $(filter-out 0,$(shell id -u)),--allow-skips)
CHAOS_RUN = DOORBELL_BINARY=$(abspath $(PROGRAM)) /usr/bin/python3 tests/chaos/run
CHAOS :=
.PHONY: chaos chaos-short chaos-mutants
chaos: $(PROGRAM)
	$(CHAOS_RUN) $(CHAOS)

chaos-short: $(PROGRAM)
	$(CHAOS_RUN) --short --once-more $(CHAOS_SKIPS) $(CHAOS)

chaos-mutants:
	@tests/chaos/mutants $(MUTANT)

# Most tests wait most of the time.
WORKERS := 3
E2E := CI=$(CI) DOORBELL_BINARY=$(abspath $(PROGRAM)) tests/e2e/run

e2e: $(PROGRAM)
	$(E2E) $(WORKERS) tests/e2e tests/chaos

blackbox: $(PROGRAM)
	$(E2E) 0 tests/e2e/test_blackbox.py
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

fuzz: fuzzers
	@tests/fuzz/run $(FUZZ_SECONDS) $(FUZZERS)

fuzz-seconds: fuzz

# Reading

lint: $(PROGRAM)
	@tests/lint/layers
	@tests/lint/ring_path
	@tests/lint/named_tests
	@tests/lint/readme $(PROGRAM)
	@clang-format --dry-run --Werror $(wildcard src/*.[ch] src/*/*.[ch] tests/*/*.[ch])
	@cppcheck --quiet --error-exitcode=1 --enable=warning,portability --inline-suppr \
	    --suppress=missingIncludeSystem --std=c11 -Isrc --include=src/version.h -j2 src

CHECKED = $(SOURCES) $(wildcard tests/*/*.c)
warnings:
	@echo 'clang: warnings'
	@for source in $(CHECKED); do echo "$$source"; done | xargs -P2 -I{} \
	    clang $(DIALECT) -Itests/unit -Itests/fuzz -Itests/sim $(WARNINGS) -fsyntax-only {}

readme: $(PROGRAM)
	@tests/lint/readme $(PROGRAM) --write

include tests/bench/bench.mk
include tests/sim/sim.mk
include docker/image.mk
include packaging/release.mk
include packaging/install.mk

bench: $(PROGRAM)
	@tests/bench/run

bench-scale: $(PROGRAM)
	@tests/bench/scale

check-trixie:
	@tests/trixie

clean:
	rm -rf build build-*

-include $(shell find $(BUILD)/obj $(BUILD)/unit -name '*.d' 2>/dev/null)
