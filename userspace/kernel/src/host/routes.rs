//! Whose packets for an address are: the kernel is asked for its route (rtnetlink(7)).

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::os::fd::{FromRawFd, OwnedFd};

const NETLINK_HEADER_BYTES: usize = 16;
const ROUTE_HEADER_BYTES: usize = 12;
const ATTRIBUTE_HEADER_BYTES: usize = 4;
/// Where the type of a route stands in an answer.
const TYPE_AT: usize = NETLINK_HEADER_BYTES + 7;
/// One route with its attributes takes some hundred bytes.
const ANSWER_MAX_BYTES: usize = 8192;

/// Whether packets for an address are for this host, be it by an address of an interface or by a route of type `local`.
///
/// # Errors
/// The kernel cannot be asked.
pub fn is_local(address: IpAddr) -> io::Result<bool> {
    let mut socket = open()?;
    socket.write_all(&request(address))?;
    let mut answer = [0; ANSWER_MAX_BYTES];
    let length = socket.read(&mut answer)?;
    let kind = answer
        .get(4..6)
        .and_then(|bytes| Some(u16::from_ne_bytes(bytes.try_into().ok()?)));
    // An error: there is no route at all.
    Ok(kind == Some(libc::RTM_NEWROUTE)
        && length > TYPE_AT
        && answer.get(TYPE_AT) == Some(&libc::RTN_LOCAL))
}

fn request(address: IpAddr) -> Vec<u8> {
    let (family, octets) = match address {
        IpAddr::V4(address) => (libc::AF_INET, address.octets().to_vec()),
        IpAddr::V6(address) => (libc::AF_INET6, address.octets().to_vec()),
    };
    let attribute = ATTRIBUTE_HEADER_BYTES + octets.len();
    let total = NETLINK_HEADER_BYTES + ROUTE_HEADER_BYTES + attribute;
    let mut bytes = Vec::with_capacity(total);
    bytes.extend_from_slice(&(total as u32).to_ne_bytes());
    bytes.extend_from_slice(&libc::RTM_GETROUTE.to_ne_bytes());
    bytes.extend_from_slice(&(libc::NLM_F_REQUEST as u16).to_ne_bytes());
    bytes.extend_from_slice(&[0; 8]); // sequence and port: one question at a time
    bytes.extend_from_slice(&[family as u8, (octets.len() * 8) as u8]);
    bytes.extend_from_slice(&[0; ROUTE_HEADER_BYTES - 2]);
    bytes.extend_from_slice(&(attribute as u16).to_ne_bytes());
    bytes.extend_from_slice(&libc::RTA_DST.to_ne_bytes());
    bytes.extend_from_slice(&octets);
    bytes
}

#[allow(unsafe_code)]
fn open() -> io::Result<File> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers are passed.
    let fd = unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just opened and belongs to nobody else.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(fd) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_local_and_documentation_is_not() {
        for (address, local) in [
            ("127.0.0.1", true),
            ("127.200.3.4", true),
            ("::1", true),
            ("203.0.113.7", false),
            ("2001:db8::7", false),
        ] {
            let address = address.parse().expect("an address");
            assert_eq!(is_local(address).expect("an answer"), local, "{address}");
        }
    }
}
