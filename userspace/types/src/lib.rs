//! Identities, addresses, names and errors that every room shares. No I/O.
#![forbid(unsafe_code)]

mod civil;
mod reason;
mod secret;
mod verdict;

pub use civil::Civil;
pub use ipnet::{IpNet, Ipv4Net, Ipv6Net};
pub use reason::{Blame, Reason, Retry};
pub use secret::Secret;
pub use verdict::Verdict;
