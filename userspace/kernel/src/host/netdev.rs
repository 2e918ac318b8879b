//! Asks the kernel what a driver can do, in its generic netlink family `netdev` (since Linux 6.3,
//! Documentation/netlink/specs/netdev.yaml).

use super::NativeXdp;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};

/// Bytes of an answer; the largest that we ask for is a family's description of about 1 KiB.
const ANSWER_MAX_BYTES: usize = 8192;

const GENL_ID_CTRL: u16 = 0x10;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;

const NETDEV_CMD_DEV_GET: u8 = 1;
const NETDEV_A_DEV_IFINDEX: u16 = 1;
const NETDEV_A_DEV_XDP_FEATURES: u16 = 3;
/// XDP_PASS, XDP_DROP, XDP_TX and XDP_ABORTED.
const NETDEV_XDP_ACT_BASIC: u64 = 1;

const NETLINK_HEADER_BYTES: usize = 16;
const GENERIC_HEADER_BYTES: usize = 4;
const ATTRIBUTE_HEADER_BYTES: usize = 4;

/// Whether the driver of an interface runs XDP programs itself.
pub(super) fn native_xdp(index: u32) -> NativeXdp {
    match features(index) {
        Ok(Some(features)) if features & NETDEV_XDP_ACT_BASIC != 0 => NativeXdp::Yes,
        Ok(Some(_)) => NativeXdp::No,
        Ok(None) | Err(_) => NativeXdp::Unknown,
    }
}

fn features(index: u32) -> io::Result<Option<u64>> {
    let mut socket = open()?;
    let name = b"netdev\0";
    let request = request(
        GENL_ID_CTRL,
        CTRL_CMD_GETFAMILY,
        CTRL_ATTR_FAMILY_NAME,
        name,
    );
    let answer = ask(&mut socket, &request)?;
    let Some(family) = attribute(&answer, CTRL_ATTR_FAMILY_ID).and_then(number) else {
        return Ok(None);
    };
    let family = u16::try_from(family).map_err(io::Error::other)?;
    let request = self::request(
        family,
        NETDEV_CMD_DEV_GET,
        NETDEV_A_DEV_IFINDEX,
        &index.to_ne_bytes(),
    );
    let answer = ask(&mut socket, &request)?;
    Ok(attribute(&answer, NETDEV_A_DEV_XDP_FEATURES).and_then(number))
}

#[allow(unsafe_code)]
fn open() -> io::Result<File> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers are passed.
    let fd = unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_GENERIC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just opened and belongs to nobody else.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(fd) }))
}

/// A request with one attribute (linux/netlink.h, linux/genetlink.h; all in the host's byte order).
fn request(family: u16, command: u8, attribute: u16, value: &[u8]) -> Vec<u8> {
    let padded = value.len().next_multiple_of(4);
    let total = NETLINK_HEADER_BYTES + GENERIC_HEADER_BYTES + ATTRIBUTE_HEADER_BYTES + padded;
    let mut bytes = Vec::with_capacity(total);
    bytes.extend_from_slice(&(total as u32).to_ne_bytes());
    bytes.extend_from_slice(&family.to_ne_bytes());
    bytes.extend_from_slice(&(libc::NLM_F_REQUEST as u16).to_ne_bytes());
    bytes.extend_from_slice(&[0; 8]); // sequence and port: one question at a time
    bytes.extend_from_slice(&[command, 1, 0, 0]);
    bytes.extend_from_slice(&((ATTRIBUTE_HEADER_BYTES + value.len()) as u16).to_ne_bytes());
    bytes.extend_from_slice(&attribute.to_ne_bytes());
    bytes.extend_from_slice(value);
    bytes.resize(total, 0);
    bytes
}

/// Sends a request and gives back the attributes of the answer.
fn ask(socket: &mut File, request: &[u8]) -> io::Result<Vec<u8>> {
    socket.write_all(request)?;
    let mut buffer = vec![0; ANSWER_MAX_BYTES];
    let length = socket.read(&mut buffer)?;
    buffer.truncate(length);
    let kind = buffer.get(4..6).and_then(number).unwrap_or_default();
    if kind == libc::NLMSG_ERROR as u64 || length < NETLINK_HEADER_BYTES + GENERIC_HEADER_BYTES {
        return Err(io::Error::from(io::ErrorKind::Unsupported));
    }
    Ok(buffer.split_off(NETLINK_HEADER_BYTES + GENERIC_HEADER_BYTES))
}

/// The value of the first attribute of a kind.
fn attribute(mut attributes: &[u8], kind: u16) -> Option<&[u8]> {
    loop {
        let length = usize::try_from(number(attributes.get(..2)?)?).ok()?;
        let found = number(attributes.get(2..4)?)?;
        let value = attributes.get(ATTRIBUTE_HEADER_BYTES..length)?;
        if found & libc::NLA_TYPE_MASK as u64 == u64::from(kind) {
            return Some(value);
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

/// A number of 1, 2, 4 or 8 bytes.
fn number(bytes: &[u8]) -> Option<u64> {
    Some(match bytes.len() {
        1 => u64::from(*bytes.first()?),
        2 => u64::from(u16::from_ne_bytes(bytes.try_into().ok()?)),
        4 => u64::from(u32::from_ne_bytes(bytes.try_into().ok()?)),
        8 => u64::from_ne_bytes(bytes.try_into().ok()?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_found_and_never_overrun() {
        let bytes = request(7, 1, 3, &5u64.to_ne_bytes());
        let attributes = &bytes[NETLINK_HEADER_BYTES + GENERIC_HEADER_BYTES..];
        assert_eq!(attribute(attributes, 3).and_then(number), Some(5));
        assert_eq!(attribute(attributes, 4), None);
        for cut in 0..attributes.len() {
            assert_eq!(attribute(&attributes[..cut], 3), None);
        }
        // A length of 0 must not loop for ever.
        assert_eq!(attribute(&[0; 64], 3), None);
    }

    #[test]
    fn the_loopback_has_no_driver_for_xdp() {
        // Unknown before Linux 6.3.
        assert_ne!(native_xdp(1), NativeXdp::Yes);
    }
}
