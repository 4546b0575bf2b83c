#!/bin/sh
# Links Rust programs for FreeBSD with `zig cc`. $ECHODEV_ZIG is the compiler. The release is among
# the arguments.
#
# The libc crate asks for four libraries that zig does not have, because it declares their
# functions. Nothing here calls them.
for arg; do
    shift
    case $arg in
        -lkvm | -lmemstat | -lprocstat | -ldevstat) ;;
        *) set -- "$@" "$arg" ;;
    esac
done
exec "$ECHODEV_ZIG" cc "$@"
