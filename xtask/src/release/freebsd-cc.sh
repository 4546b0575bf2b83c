#!/bin/sh
# Links Rust programs for FreeBSD with `zig cc`. $ECHODEV_ZIG is the compiler; the release is among the arguments.
#
# The libc crate asks for four libraries that zig does not have, since it declares their functions; nothing here calls one.
for arg; do
    shift
    case $arg in
        -lkvm | -lmemstat | -lprocstat | -ldevstat) ;;
        *) set -- "$@" "$arg" ;;
    esac
done
exec "$ECHODEV_ZIG" cc "$@"
