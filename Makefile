# The same under GNU make and FreeBSD's make. What a target needs and the
# machine lacks is fetched by that target, once, to target/tools.

CARGO = cargo
XTASK = $(CARGO) run --quiet --locked --package xtask --
SCHEDULES = 42000

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
	@echo 'make prove     a million schedules of the hosted module'
	@echo '               SCHEDULES=42000: so many for each scenario; SCENARIO=name: only that one'
	@echo '               SEED=as a failure has told it: only the schedules of that seed'
	@echo 'make vm-test   KERNEL=/path/to/kernel: the suite on that FreeBSD kernel, under QEMU or bhyve'
	@echo '               MODULE=/path/to/echodev.ko: that module, or SYSDIR= and KERNBUILDDIR= as above'
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

prove:
	@$(XTASK) kmod --freebsd=15
	SCHEDULES='$(SCHEDULES)' FIRST=`date +%s` SEED='$(SEED)' $(CARGO) test --locked --package schedules --test schedules -- $(SCENARIO)

vm-test:
	@$(XTASK) vm-test --kernel='$(KERNEL)' --module='$(MODULE)' --sysdir='$(SYSDIR)' --kernbuilddir='$(KERNBUILDDIR)'

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- --deny warnings

bindings:
	@$(XTASK) bindings

clean:
	rm -rf target

.PHONY: all help kmod hosted run host echoctl test prove vm-test lint bindings clean
