//! Error numbers: those of the module are FreeBSD's, and programs on the mount expect Linux's.

use crate::abi::errno::Errno;

/// FreeBSD's numbers from 35 on, in order, as Linux's. Those below are the same, but for EDEADLK
/// (11).
const FROM_35: [i32; 63] = [
    libc::EAGAIN,
    libc::EINPROGRESS,
    libc::EALREADY,
    libc::ENOTSOCK,
    libc::EDESTADDRREQ,
    libc::EMSGSIZE,
    libc::EPROTOTYPE,
    libc::ENOPROTOOPT,
    libc::EPROTONOSUPPORT,
    libc::ESOCKTNOSUPPORT,
    libc::EOPNOTSUPP,
    libc::EPFNOSUPPORT,
    libc::EAFNOSUPPORT,
    libc::EADDRINUSE,
    libc::EADDRNOTAVAIL,
    libc::ENETDOWN,
    libc::ENETUNREACH,
    libc::ENETRESET,
    libc::ECONNABORTED,
    libc::ECONNRESET,
    libc::ENOBUFS,
    libc::EISCONN,
    libc::ENOTCONN,
    libc::ESHUTDOWN,
    libc::ETOOMANYREFS,
    libc::ETIMEDOUT,
    libc::ECONNREFUSED,
    libc::ELOOP,
    libc::ENAMETOOLONG,
    libc::EHOSTDOWN,
    libc::EHOSTUNREACH,
    libc::ENOTEMPTY,
    libc::EAGAIN, // EPROCLIM
    libc::EUSERS,
    libc::EDQUOT,
    libc::ESTALE,
    libc::EREMOTE,
    libc::EIO, // EBADRPC
    libc::EIO, // ERPCMISMATCH
    libc::EIO, // EPROGUNAVAIL
    libc::EIO, // EPROGMISMATCH
    libc::EIO, // EPROCUNAVAIL
    libc::ENOLCK,
    // ENOSYS: to the FUSE driver it would mean that no file of the mount has the call.
    libc::EOPNOTSUPP,
    libc::EINVAL, // EFTYPE
    libc::EACCES, // EAUTH
    libc::EACCES, // ENEEDAUTH
    libc::EIDRM,
    libc::ENOMSG,
    libc::EOVERFLOW,
    libc::ECANCELED,
    libc::EILSEQ,
    libc::ENODATA, // ENOATTR
    libc::EINVAL,  // EDOOFUS
    libc::EBADMSG,
    libc::EMULTIHOP,
    libc::ENOLINK,
    libc::EPROTO,
    libc::EPERM, // ENOTCAPABLE
    libc::EPERM, // ECAPMODE
    libc::ENOTRECOVERABLE,
    libc::EOWNERDEAD,
    libc::EUCLEAN, // EINTEGRITY
];

/// Linux's number for an error. Whatever no program could make sense of is EIO, a panic of the
/// kernel among it.
pub fn to_linux(error: Errno) -> i32 {
    match error.0 {
        11 => libc::EDEADLK,
        number @ 1..35 => number,
        number => usize::try_from(number - 35)
            .ok()
            .and_then(|at| FROM_35.get(at).copied())
            .unwrap_or(libc::EIO),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let pairs = [
            (Errno::EPERM, libc::EPERM),
            (Errno(11), libc::EDEADLK),
            (Errno::ENXIO, libc::ENXIO),
            (Errno(34), libc::ERANGE),
            (Errno::EWOULDBLOCK, libc::EWOULDBLOCK),
            (Errno::EOPNOTSUPP, libc::EOPNOTSUPP),
            (Errno::ENAMETOOLONG, libc::ENAMETOOLONG),
            (Errno(66), libc::ENOTEMPTY),
            (Errno(78), libc::EOPNOTSUPP),
            (Errno(84), libc::EOVERFLOW),
            (Errno(97), libc::EUCLEAN),
            (Errno(98), libc::EIO),
            (Errno::ERESTART, libc::EIO),
            (Errno::PANICKED, libc::EIO),
        ];
        for (freebsd, linux) in pairs {
            assert_eq!(to_linux(freebsd), linux, "{freebsd:?}");
        }
    }
}
