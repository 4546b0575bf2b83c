# The same under GNU make and FreeBSD's make. What a target needs and the
# machine lacks is fetched by that target, once, to target/tools.

CARGO = cargo
XTASK = $(CARGO) run --quiet --locked --package xtask --
FUZZ_SECONDS = 60

all: kmod

help:
	@echo 'make run       build all, and replay the sessions of the article on the hosted module'
	@echo 'make host      build all, and leave the hosted device up to play with, until Ctrl-C'
	@echo 'make kmod      build target/kmod/14/echodev.ko and target/kmod/15/echodev.ko'
	@echo '               FREEBSD=14 or FREEBSD=15: only that one'
	@echo '               SYSDIR=/path/to/sys [KERNBUILDDIR=/path/to/obj]: target/kmod/sysdir/echodev.ko,'
	@echo '               for the kernel of that FreeBSD 12 to 15 source tree'
	@echo 'make echoctl   build target/echoctl/14/echoctl and target/echoctl/15/echoctl; FREEBSD= as above'
	@echo 'make test      build all, check the modules, and run every test'
	@echo 'make vm-test   KERNEL=/path/to/kernel: the suite on that FreeBSD kernel, under QEMU or bhyve'
	@echo '               MODULE=/path/to/echodev.ko: that module, or SYSDIR= and KERNBUILDDIR= as above'
	@echo 'make fuzz      fuzz the hosted module and the readers of module files, FUZZ_SECONDS=60 each'
	@echo 'make lint      rustfmt and clippy, warnings denied'
	@echo 'make bindings  generate freebsd-kernel-sys/src/v*.rs anew'
	@echo 'make clean     remove target/, with all that was built and fetched'

kmod:
	@$(XTASK) kmod --freebsd='$(FREEBSD)' --sysdir='$(SYSDIR)' --kernbuilddir='$(KERNBUILDDIR)'

hosted:
	@$(XTASK) kmod --freebsd=15
	@$(CARGO) build --quiet --locked --package kldhost --package echoctl --package demo

run: hosted
	@$(CARGO) run --quiet --locked --package demo -- run target/kmod/15/echodev.ko target/run

host: hosted
	@$(CARGO) run --quiet --locked --package demo -- host target/kmod/15/echodev.ko target/run

echoctl:
	@$(XTASK) echoctl --freebsd='$(FREEBSD)'

test:
	@$(XTASK) kmod
	@$(XTASK) testmods
	@$(XTASK) check --freebsd=14 target/kmod/14/echodev.ko
	@$(XTASK) check --freebsd=15 target/kmod/15/echodev.ko
	@$(XTASK) bindings --check
	@$(XTASK) echoctl
	$(CARGO) test --locked --workspace --doc
	$(CARGO) test --locked --workspace --all-targets
	@KERNEL="$${ECHODEV_VM_KERNEL:-}"; if [ -n "$$KERNEL" ]; then $(XTASK) vm-test --kernel="$$KERNEL"; fi

vm-test:
	@$(XTASK) vm-test --kernel='$(KERNEL)' --module='$(MODULE)' --sysdir='$(SYSDIR)' --kernbuilddir='$(KERNBUILDDIR)'

fuzz:
	@$(XTASK) kmod --freebsd=15
	@$(XTASK) fuzz --seconds='$(FUZZ_SECONDS)'

lint:
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check
	$(CARGO) clippy --locked --workspace --all-targets -- --deny warnings

bindings:
	@$(XTASK) bindings

clean:
	rm -rf target

.PHONY: all help kmod hosted run host echoctl test vm-test fuzz lint bindings clean
