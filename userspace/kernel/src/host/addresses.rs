//! The addresses that this host has.

#![allow(unsafe_code)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::{io, ptr};

/// The addresses of all interfaces, loopback among them.
///
/// # Errors
/// The kernel does not tell.
pub fn own_addresses() -> io::Result<Vec<IpAddr>> {
    let mut list = ptr::null_mut();
    // SAFETY: the call writes one pointer to where ours is.
    if unsafe { libc::getifaddrs(&raw mut list) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut addresses = Vec::new();
    let mut entry = list;
    while !entry.is_null() {
        // SAFETY: not null, so an entry of the list, which lives until it is freed.
        let one = unsafe { &*entry };
        // SAFETY: null or an address of its family, that lives as long as the entry.
        addresses.extend(unsafe { address(one.ifa_addr) });
        entry = one.ifa_next;
    }
    // SAFETY: it comes from getifaddrs and is not used any more.
    unsafe { libc::freeifaddrs(list) };
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

/// # Safety
/// The pointer is null, or one to a socket address as long as its family says.
unsafe fn address(pointer: *const libc::sockaddr) -> Option<IpAddr> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: every socket address begins with its family.
    match i32::from(unsafe { (*pointer).sa_family }) {
        libc::AF_INET => {
            // SAFETY: of this family it is a sockaddr_in.
            let inet = unsafe { ptr::read_unaligned(pointer.cast::<libc::sockaddr_in>()) };
            Some(Ipv4Addr::from(inet.sin_addr.s_addr.to_ne_bytes()).into())
        }
        libc::AF_INET6 => {
            // SAFETY: of this family it is a sockaddr_in6.
            let inet = unsafe { ptr::read_unaligned(pointer.cast::<libc::sockaddr_in6>()) };
            Some(Ipv6Addr::from(inet.sin6_addr.s6_addr).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_its_loopback() {
        let own = own_addresses().expect("addresses");
        assert!(own.contains(&Ipv4Addr::LOCALHOST.into()), "{own:?}");
    }
}
