# Doorbell. `make run` installs what is missing, builds and starts the server; `make check` installs
# what the tests need and runs them. `make help` lists the rest.

CC ?= cc
VERSION := 0.1.0
BUILD ?= build
SANITIZE ?=

PACKAGES := libwebsockets libcurl libssl libcrypto libsodium yaml-0.1 libuv libcares libmicrohttpd \
            sqlite3 libqrencode jansson

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes \
            -Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wformat=2 -Wundef -Wvla -Werror
HARDENING := -fstack-protector-strong -fPIE -D_FORTIFY_SOURCE=2 -fstack-clash-protection
CFLAGS ?= -O2 -g
ifneq ($(SANITIZE),)
BUILD := build-sanitize
HARDENING := -fPIE -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
LINK_FLAGS := -fsanitize=address,undefined
CFLAGS := -O1 -g
endif

PKG_CFLAGS = $(shell pkg-config --cflags $(PACKAGES) | sed 's/-I/-isystem /g')
PKG_LIBS = $(shell pkg-config --libs $(PACKAGES))
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -DDOORBELL_VERSION='"$(VERSION)"' -Isrc $(WARNINGS) \
             $(HARDENING) $(PKG_CFLAGS) -pthread $(CFLAGS) -MMD -MP
ALL_LIBS = $(PKG_LIBS) -pthread -lm

SOURCES := $(filter-out src/main.c,$(sort $(wildcard src/*.c src/*/*.c)))
OBJECTS := $(SOURCES:src/%.c=$(BUILD)/obj/%.o)
LIBRARY := $(BUILD)/libdoorbell.a
PROGRAM := $(BUILD)/doorbell

UNIT_SOURCES := $(sort $(wildcard tests/unit/test_*.c))
UNIT_TESTS := $(UNIT_SOURCES:tests/unit/%.c=$(BUILD)/unit/%)

.PHONY: all build deps run check check-deps unit valgrind fuzz-seconds fuzz e2e lint bench clean help
all: build

build: $(PROGRAM)

$(BUILD)/obj/%.o: src/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c $< -o $@

$(LIBRARY): $(OBJECTS)
	@rm -f $@
	@ar rcs $@ $(OBJECTS)

$(PROGRAM): $(BUILD)/obj/main.o $(LIBRARY)
	$(CC) $(LINK_FLAGS) -pie -Wl,-z,relro,-z,now $(BUILD)/obj/main.o $(LIBRARY) $(ALL_LIBS) -o $@

# One small program per module, each with its own main (tests/unit/unit.h).
$(BUILD)/unit/%: tests/unit/%.c tests/unit/unit.h $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -Itests/unit $(shell pkg-config --cflags check) $< $(LINK_FLAGS) $(LIBRARY) \
	    $(shell pkg-config --libs check) $(ALL_LIBS) -o $@

DEPS := build-essential pkg-config libwebsockets-dev libwebsockets-evlib-uv libcurl4-openssl-dev \
        libssl-dev libsodium-dev libyaml-dev libuv1-dev libc-ares-dev libmicrohttpd-dev \
        libsqlite3-dev libqrencode-dev libjansson-dev ca-certificates
CHECK_DEPS := check

deps:
	@tests/install-packages $(DEPS)

check-deps: deps
	@tests/install-packages $(CHECK_DEPS)

# In two steps, so that pkg-config is there before this file is read again.
check: check-deps
	@$(MAKE) --no-print-directory unit

unit: $(UNIT_TESTS) $(PROGRAM)
	@for test in $(UNIT_TESTS); do $$test || exit 1; done

clean:
	rm -rf build build-*

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
