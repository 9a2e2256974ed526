//! Errors by the names that scripts have for them, and their numbers on Linux and FreeBSD.

/// An error of a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub &'static str);

/// Name, number on Linux, number on FreeBSD.
const KNOWN: &[(&str, i64, i64)] = &[
    ("EPERM", 1, 1),
    ("ENOENT", 2, 2),
    ("EINTR", 4, 4),
    ("EBADF", 9, 9),
    ("EAGAIN", 11, 35),
    ("EWOULDBLOCK", 11, 35),
    ("ENOMEM", 12, 12),
    ("EACCES", 13, 13),
    ("EFAULT", 14, 14),
    ("EINVAL", 22, 22),
    ("EPIPE", 32, 32),
    ("ENOTSOCK", 88, 38),
    ("EDESTADDRREQ", 89, 39),
    ("EMSGSIZE", 90, 40),
    ("EPROTOTYPE", 91, 41),
    ("ENOPROTOOPT", 92, 42),
    ("EPROTONOSUPPORT", 93, 43),
    ("EOPNOTSUPP", 95, 45),
    ("EAFNOSUPPORT", 97, 47),
    ("EADDRINUSE", 98, 48),
    ("EADDRNOTAVAIL", 99, 49),
    ("ENETDOWN", 100, 50),
    ("ENETUNREACH", 101, 51),
    ("ECONNABORTED", 103, 53),
    ("ECONNRESET", 104, 54),
    ("ENOBUFS", 105, 55),
    ("EISCONN", 106, 56),
    ("ENOTCONN", 107, 57),
    ("ETIMEDOUT", 110, 60),
    ("ECONNREFUSED", 111, 61),
    ("EHOSTDOWN", 112, 64),
    ("EHOSTUNREACH", 113, 65),
    ("EALREADY", 114, 37),
    ("EINPROGRESS", 115, 36),
];

/// An error's numbers on both systems.
pub(super) fn numbers(name: &str) -> Option<[i64; 2]> {
    KNOWN.iter().find(|(known, ..)| *known == name).map(|(_, linux, freebsd)| [*linux, *freebsd])
}

impl Errno {
    /// Whether a script's name means this error.
    pub(super) fn is_called(self, name: &str) -> bool {
        self.0 == name || numbers(name).is_some_and(|wanted| numbers(self.0) == Some(wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_names_of_one_number_are_one_error() {
        assert!(Errno("EAGAIN").is_called("EWOULDBLOCK"));
        assert!(!Errno("EAGAIN").is_called("EINVAL"));
        assert_eq!(numbers("ECONNREFUSED"), Some([111, 61]));
    }
}
