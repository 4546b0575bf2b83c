# The same under GNU make and FreeBSD's make. What a target needs and the
# machine lacks is fetched by that target, once, to target/tools.

CARGO = cargo
XTASK = $(CARGO) run --quiet --locked --package xtask --
KMODDIR = /boot/modules
PREFIX = /usr/local
SCHEDULES = 40000
FUZZ_SECONDS = 60
BENCH_SECONDS = 240

all: kmod echoctl

help:
	@echo 'make           build echodev.ko and echoctl: on FreeBSD for itself, elsewhere for FreeBSD 14 and 15'
	@echo 'make run       build all, and replay the sessions of the article: on FreeBSD on the module in the kernel,'
	@echo '               elsewhere on the hosted one'
	@echo 'make test      build all, check the modules, and run every test; on FreeBSD also on the module in the kernel'
	@echo 'make kmod      build target/kmod/14/echodev.ko and target/kmod/15/echodev.ko'
	@echo '               FREEBSD=14 or FREEBSD=15: only that one'
	@echo '               SYSDIR=/path/to/sys [KERNBUILDDIR=/path/to/obj]: target/kmod/sysdir/echodev.ko,'
	@echo '               for the kernel of that FreeBSD 12 to 16 source tree'
	@echo 'make echoctl   build target/echoctl/14/echoctl and target/echoctl/15/echoctl; FREEBSD= as above'
	@echo 'make prove     on Linux: a million schedules of the hosted module, and 10000 sequences of calls on it and its model'
	@echo '               SCHEDULES=40000: so many for each scenario; SCENARIO=name: only that one'
	@echo '               SEED=as a failure has told it: only the schedules of that seed'
	@echo 'make mutants   on Linux: build the module with deliberate bugs, one at a time, and see that the tests find each'
	@echo 'make load      on FreeBSD: build the module and load it; make unload: unload it'
	@echo 'make install   on FreeBSD: the module to $(DESTDIR)$(KMODDIR), echoctl to $(DESTDIR)$(PREFIX)/bin'
	@echo 'make host      on Linux: build all, and leave the hosted device up to play with, until Ctrl-C'
	@echo 'make vm-test   KERNEL=/path/to/kernel: the suite on that FreeBSD kernel, under QEMU or bhyve'
	@echo '               MODULE=/path/to/echodev.ko: that module, or SYSDIR= and KERNBUILDDIR= as above'
	@echo 'make vm-bench  the same arguments: instructions per operation on that kernel, beside a C driver and pipe(2),'
	@echo '               written to docs/benchmarks-kernel.md'
	@echo 'make bench     on Linux: measure the hosted module against a plain C driver and memcpy, for about'
	@echo '               BENCH_SECONDS=240, and write docs/benchmarks.md; on FreeBSD: measure the module in the kernel,'
	@echo '               a plain C driver and pipe(2)'
	@echo 'make fuzz      fuzz the hosted module and the readers of module files, FUZZ_SECONDS=60 each'
	@echo 'make lint      rustfmt and clippy, warnings denied'
	@echo 'make bindings  generate freebsd-kernel-sys/src/v*.rs anew'
	@echo 'make clean     remove target/, with all that was built and fetched'

kmod:
	@$(XTASK) kmod --freebsd='$(FREEBSD)' --sysdir='$(SYSDIR)' --kernbuilddir='$(KERNBUILDDIR)'

echoctl:
	@$(XTASK) echoctl --freebsd='$(FREEBSD)'

run host test mutants load unload:
	@$(XTASK) $@

install:
	@$(XTASK) install --destdir='$(DESTDIR)' --kmoddir='$(KMODDIR)' --prefix='$(PREFIX)'

prove:
	@$(XTASK) kmod --freebsd=15
	@$(XTASK) testmods
	SCHEDULES='$(SCHEDULES)' FIRST=`date +%s` SEED='$(SEED)' $(CARGO) test --locked --package schedules --test schedules -- $(SCENARIO)
	PROPTEST_CASES=10000 $(CARGO) test --locked --package conformance --test model random::

vm-test:
	@$(XTASK) vm-test --kernel='$(KERNEL)' --module='$(MODULE)' --sysdir='$(SYSDIR)' --kernbuilddir='$(KERNBUILDDIR)'

bench:
	@$(XTASK) bench --seconds='$(BENCH_SECONDS)'

fuzz:
	@$(XTASK) kmod --freebsd=15
	@$(XTASK) fuzz --seconds='$(FUZZ_SECONDS)'

vm-bench:
	@$(XTASK) vm-bench --kernel='$(KERNEL)' --module='$(MODULE)' --sysdir='$(SYSDIR)' --kernbuilddir='$(KERNBUILDDIR)'

lint:
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check
	$(CARGO) clippy --locked --workspace --all-targets -- --deny warnings

bindings:
	@$(XTASK) bindings

clean:
	rm -rf target

.PHONY: all help kmod echoctl run host test bench prove mutants fuzz load unload install vm-test vm-bench lint bindings clean
