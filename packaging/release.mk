# What belongs to a release (docs/releasing.md): the commit in the program, the same bytes from the same
# source wherever it is built, and the list of what the program is made of.

# Asked each time, written only when it is another one: then one object is compiled again. That object is
# outside the library, so that no test is linked anew for it.
VERSION_OBJECT := $(BUILD)/obj/cli/version.o
.PHONY: ask-commit
$(BUILD)/commit: ask-commit
	@mkdir -p $(@D)
	@packaging/print-commit > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(VERSION_OBJECT): $(BUILD)/commit
$(VERSION_OBJECT): DIALECT += -DDOORBELL_COMMIT='"$(shell cat $(BUILD)/commit)"'

.PHONY: reproducible sbom
reproducible:
	@packaging/reproducible

sbom: $(PROGRAM)
	@tests/install-packages python3
	@mkdir -p $(BUILD)/shipped
	@packaging/strip $(PROGRAM) $(BUILD)/shipped/doorbell
	@packaging/sbom $(BUILD)/shipped/doorbell $(BUILD)
