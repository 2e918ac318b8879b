//! The two ways in which the program does I/O.

use net::Driver;

/// An I/O driver of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Io {
    /// io_uring.
    Uring,
    /// epoll.
    Epoll,
}

impl Io {
    /// What `--io` calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Uring => "uring",
            Self::Epoll => "epoll",
        }
    }

    /// io_uring, where this host admits it; otherwise says so in a line.
    #[must_use]
    pub fn uring_or_skip() -> Option<Self> {
        match net::Uring::probe() {
            Ok(()) => Some(Self::Uring),
            Err(error) => {
                println!("skipped: io_uring is refused here: {error}");
                None
            }
        }
    }
}

/// Makes two tests of each function: one with io_uring, one with epoll.
#[macro_export]
macro_rules! on_both_drivers {
    ($($(#[doc = $doc:literal])* fn $name:ident($io:ident) $body:block)*) => {$(
        $(#[doc = $doc])*
        mod $name {
            #[allow(unused_imports, reason = "not every test needs what its neighbours need")]
            use super::*;

            fn holds_on($io: $crate::Io) $body

            #[test]
            fn uring() {
                if let Some(io) = $crate::Io::uring_or_skip() {
                    holds_on(io);
                }
            }

            #[test]
            fn epoll() {
                holds_on($crate::Io::Epoll);
            }
        }
    )*};
}
