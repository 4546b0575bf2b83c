# For GNU make and FreeBSD's make. What a target needs and the machine lacks is
# fetched by that target, once, to target/tools.

CARGO = cargo
XTASK = $(CARGO) run --quiet --locked --package xtask --
KMODDIR = /boot/modules
PREFIX = /usr/local
SCHEDULES = 40000
FUZZ_SECONDS = 60
BENCH_SECONDS = 240

all: kmod echoctl

help:
	@echo 'Build'
	@echo '  make                 echodev.ko and echoctl: on FreeBSD for itself, elsewhere for 14 and 15'
	@echo '  make kmod            target/kmod/14/echodev.ko and target/kmod/15/echodev.ko'
	@echo '    FREEBSD=15         only for that release line, 14 or 15'
	@echo '    SYSDIR=/sys        target/kmod/sysdir/echodev.ko, for a source tree of FreeBSD 12 to 16'
	@echo '    KERNBUILDDIR=/d    with SYSDIR: for the options of the kernel that was built in /d'
	@echo '  make echoctl         target/echoctl/14/echoctl and target/echoctl/15/echoctl'
	@echo '    FREEBSD=15         only for that release line, 14 or 15'
	@echo '  make bindings        generate freebsd-kernel-sys/src/v*.rs anew'
	@echo '  make clean           remove target/, with all that was built and fetched'
	@echo
	@echo 'Try'
	@echo '  make demo            replay the sessions of the article (also: make run)'
	@echo '                       on FreeBSD on the module in the kernel, elsewhere on the hosted one'
	@echo '  make mount           on Linux: mount the hosted device until Ctrl-C (also: make host)'
	@echo
	@echo 'Test'
	@echo '  make test            build all, check the modules, and run every test'
	@echo '    MODULE=/x.ko       on Linux: run suite, model and faults on that module, and nothing else'
	@echo '  make test-long       on Linux: a million schedules of the module, and 10000 sequences of'
	@echo '                       calls on it and its model (also: make prove)'
	@echo '    SCHEDULES=40000    schedules of each scenario'
	@echo '    SCENARIO=name      only that scenario'
	@echo '    SEED=pct:17        only the schedules of that seed, as a failure has printed it'
	@echo '  make mutants         on Linux: check that the tests find each of a list of deliberate bugs'
	@echo '  make fuzz            on Linux: fuzz the hosted module, and the readers of module files'
	@echo '    FUZZ_SECONDS=60    seconds for each target'
	@echo '  make bench           measure the module and a plain C driver, and write docs/benchmarks.md'
	@echo '                       on FreeBSD: measure both and pipe(2) in the kernel, and print a table'
	@echo '    BENCH_SECONDS=240  seconds for all of it, about'
	@echo '  make lint            rustfmt and clippy, with warnings as errors'
	@echo
	@echo 'FreeBSD'
	@echo '  make load            build the module and load it'
	@echo '  make unload          unload it'
	@echo '  make install         the module to $(DESTDIR)$(KMODDIR), echoctl to $(DESTDIR)$(PREFIX)/bin'
	@echo '  make vm-test         the suite on a FreeBSD kernel, under QEMU or bhyve'
	@echo '    KERNEL=/kernel     that kernel, of FreeBSD 12 to 15'
	@echo '    MODULE=/x.ko       with that module, or one for SYSDIR= and KERNBUILDDIR= as above'
	@echo '  make vm-bench        instructions per operation on that kernel, also of a plain C driver'
	@echo '                       and of pipe(2), to docs/benchmarks-kernel.md; variables as above'

kmod:
	@$(XTASK) kmod --freebsd='$(FREEBSD)' --sysdir='$(SYSDIR)' --kernbuilddir='$(KERNBUILDDIR)'

echoctl:
	@$(XTASK) echoctl --freebsd='$(FREEBSD)'

demo mount mutants load unload:
	@$(XTASK) $@

run: demo

host: mount

install:
	@$(XTASK) install --destdir='$(DESTDIR)' --kmoddir='$(KMODDIR)' --prefix='$(PREFIX)'

test:
	@$(XTASK) test --module='$(MODULE)'

test-long:
	@$(XTASK) test-long --schedules='$(SCHEDULES)' --scenario='$(SCENARIO)' --seed='$(SEED)'

prove: test-long

vm-test:
	@$(XTASK) vm-test --kernel='$(KERNEL)' --module='$(MODULE)' --sysdir='$(SYSDIR)' --kernbuilddir='$(KERNBUILDDIR)'

bench:
	@$(XTASK) bench --seconds='$(BENCH_SECONDS)'

fuzz:
	@$(XTASK) fuzz --seconds='$(FUZZ_SECONDS)'

vm-bench:
	@$(XTASK) vm-bench --kernel='$(KERNEL)' --module='$(MODULE)' --sysdir='$(SYSDIR)' --kernbuilddir='$(KERNBUILDDIR)'

lint:
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path tests/fuzz/targets/Cargo.toml --check
	$(CARGO) clippy --locked --workspace --all-targets -- --deny warnings

bindings:
	@$(XTASK) bindings

clean:
	rm -rf target

.NOTPARALLEL:

.PHONY: all help kmod echoctl demo run mount host test test-long prove bench mutants fuzz \
	load unload install vm-test vm-bench lint bindings clean
