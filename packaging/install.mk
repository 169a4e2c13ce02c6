# make install and what is made of it. DESTDIR is put before all paths, PREFIX is where most of it goes.

PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
UNITDIR ?= $(PREFIX)/lib/systemd/system
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
FISHDIR ?= $(PREFIX)/share/fish/vendor_completions.d
DOCDIR ?= $(PREFIX)/share/doc/doorbell
MANDIR ?= $(PREFIX)/share/man
# The program looks for it there, whatever PREFIX is.
DEFAULTS := /usr/share/doorbell/defaults.yaml

# As they lie here, so that links from one to the other lead somewhere.
DOCUMENTS = $(wildcard README.md CHANGELOG.md SECURITY.md docker/compose*.yaml) $(shell find docs config -type f | sort)

INSTALLED_UNIT := $(UNITDIR)/doorbell.service
INSTALLED := $(PREFIX)/bin/doorbell $(INSTALLED_UNIT) $(DEFAULTS) \
             $(BASHDIR)/doorbell $(ZSHDIR)/_doorbell $(FISHDIR)/doorbell.fish \
             $(MANDIR)/man1/doorbell.1 $(MANDIR)/man5/doorbell.yaml.5
SETTINGS := $(SYSCONFDIR)/doorbell/doorbell.yaml

.PHONY: install uninstall dist deb deb-check

install: $(PROGRAM) $(MANUAL) $(COMPLETION)
	@install -D -m 755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/doorbell
	@install -D -m 644 $(BUILD)/man/doorbell.1 $(DESTDIR)$(MANDIR)/man1/doorbell.1
	@install -D -m 644 $(BUILD)/man/doorbell.yaml.5 $(DESTDIR)$(MANDIR)/man5/doorbell.yaml.5
	@install -D -m 644 $(BUILD)/completion/doorbell $(DESTDIR)$(BASHDIR)/doorbell
	@install -D -m 644 $(BUILD)/completion/_doorbell $(DESTDIR)$(ZSHDIR)/_doorbell
	@install -D -m 644 $(BUILD)/completion/doorbell.fish $(DESTDIR)$(FISHDIR)/doorbell.fish
	@install -D -m 644 packaging/defaults.yaml $(DESTDIR)$(DEFAULTS)
	@for file in $(DOCUMENTS); do install -D -m 644 $$file $(DESTDIR)$(DOCDIR)/$$file || exit; done
	@install -d $(DESTDIR)$(UNITDIR)
	@sed 's|/usr/bin/doorbell|$(PREFIX)/bin/doorbell|' config/systemd/doorbell.service \
	    > $(DESTDIR)$(INSTALLED_UNIT)
	@chmod 644 $(DESTDIR)$(INSTALLED_UNIT)
	@test -e $(DESTDIR)$(SETTINGS) || install -D -m 644 packaging/doorbell.yaml $(DESTDIR)$(SETTINGS)

uninstall:
	@rm -f $(addprefix $(DESTDIR),$(INSTALLED))
	@rm -rf $(DESTDIR)$(DOCDIR)
	@rmdir $(DESTDIR)$(dir $(DEFAULTS)) 2>/dev/null || true
	@echo 'What is yours is left: $(dir $(SETTINGS)) and /var/lib/doorbell'

dist:
	@packaging/dist $(BUILD)

DEB_REVISION ?= 1
deb: $(PROGRAM) $(MANUAL) $(COMPLETION)
	@MAKE='$(MAKE)' packaging/debian/build $(BUILD) $(DEB_REVISION)

deb-check:
	@tests/packaging/check
