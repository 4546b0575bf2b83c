# The same under GNU make and FreeBSD's make. What a target needs and the
# machine lacks is fetched by that target, once, to target/tools.

CARGO = cargo
XTASK = $(CARGO) run --quiet --locked --package xtask --

all: kmod

help:
	@echo 'make kmod      build target/kmod/14/echodev.ko and target/kmod/15/echodev.ko'
	@echo '               FREEBSD=14 or FREEBSD=15: only that one'
	@echo '               SYSDIR=/path/to/sys [KERNBUILDDIR=/path/to/obj]: target/kmod/sysdir/echodev.ko,'
	@echo '               for the kernel of that FreeBSD 12 to 15 source tree'
	@echo 'make echoctl   build target/echoctl/14/echoctl and target/echoctl/15/echoctl; FREEBSD= as above'
	@echo 'make test      build all, check the modules, and run every test'
	@echo 'make lint      rustfmt and clippy, warnings denied'
	@echo 'make bindings  generate freebsd-kernel-sys/src/v*.rs anew'
	@echo 'make clean     remove target/, with all that was built and fetched'

kmod:
	@$(XTASK) kmod --freebsd='$(FREEBSD)' --sysdir='$(SYSDIR)' --kernbuilddir='$(KERNBUILDDIR)'

echoctl:
	@$(XTASK) echoctl --freebsd='$(FREEBSD)'

test:
	@$(XTASK) kmod
	@$(XTASK) testmods
	@$(XTASK) check --freebsd=14 target/kmod/14/echodev.ko
	@$(XTASK) check --freebsd=15 target/kmod/15/echodev.ko
	@$(XTASK) bindings --check
	@$(XTASK) echoctl
	$(CARGO) test --locked --workspace

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- --deny warnings

bindings:
	@$(XTASK) bindings

clean:
	rm -rf target

.PHONY: all help kmod echoctl test lint bindings clean
