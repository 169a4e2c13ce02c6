# The deterministic simulation (tests/sim/sim.h). `make sim` is short; `make sim SIM="--seconds 60"`
# plays for a minute. `make sim-mutants` shows that it finds deliberate mistakes; MUTANT="a word"
# picks some of them.
SIM := --sequences 700000
SIM_OBJECTS := $(patsubst tests/sim/%.c,$(BUILD)/sim/%.o,$(sort $(wildcard tests/sim/*.c)))

$(BUILD)/sim/%.o: tests/sim/%.c tests/sim/sim.h
	@mkdir -p $(@D)
	@echo 'CC   $<'
	@$(CC) $(ALL_CFLAGS) -c $< -o $@

$(BUILD)/sim/sim: $(SIM_OBJECTS) $(LIBRARY)
	@echo 'LINK $@'
	@$(CC) $(LINK_FLAGS) $^ $(ALL_LIBS) -o $@

.PHONY: sim sim-mutants
sim: $(BUILD)/sim/sim
	@$< $(SIM)

sim-mutants: export SIM_COMPILE = $(CC) $(filter-out -MMD -MP,$(ALL_CFLAGS)) -Wno-error -w
sim-mutants: export SIM_LINK = $(CC) $(LINK_FLAGS)
sim-mutants: export SIM_OPERANDS = $(SIM_OBJECTS) $(LIBRARY) $(ALL_LIBS)
sim-mutants: $(BUILD)/sim/sim
	@tests/sim/mutants $(BUILD)/sim $(MUTANT)

-include $(SIM_OBJECTS:.o=.d)
