# What `make bench` runs beside the program: the floors, the servers, the probe.
BENCH_DEPS := python3 openssl
BENCH_PROGRAMS := $(patsubst %,$(BUILD)/bench/%,server raw bare bare_http2 probe.so)

$(BUILD)/bench/%: tests/bench/%.c tests/bench/client.h
	@mkdir -p $(@D)
	@echo 'CC   $<'
	@$(CC) $(ALL_CFLAGS) $< $(LINK_FLAGS) $(ALL_LIBS) -o $@

$(BUILD)/bench/%.so: tests/bench/%.c
	@mkdir -p $(@D)
	@echo 'CC   $<'
	@$(CC) $(ALL_CFLAGS) -fPIC -shared $< -ldl -o $@

.PHONY: bench-deps
bench-deps: deps
	@tests/install-packages $(BENCH_DEPS)

bench bench-scale: export BENCH_PROGRAM := $(abspath $(PROGRAM))
bench bench-scale: export BENCH_FOLDER := $(abspath $(BUILD)/bench)
bench bench-scale: bench-deps $(BENCH_PROGRAMS)
