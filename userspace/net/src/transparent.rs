//! Connections that come from the client's address.

use crate::sys;
use socket2::{Domain, Socket, Type};
use std::io;

/// Whether this process may connect from addresses that are not of this host ([`crate::ConnectOptions::transparent`]).
///
/// # Errors
/// What the kernel says: a permission is missing (CAP_NET_ADMIN or CAP_NET_RAW).
pub fn may_keep_source() -> io::Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    sys::set_transparent(&socket, false)
}
