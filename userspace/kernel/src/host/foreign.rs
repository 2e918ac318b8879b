//! XDP programs of others, taken off an interface (rtnetlink(7), IFLA_XDP).

use super::interfaces;
use crate::gate::AttachError;
use crate::privilege;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};

const NETLINK_HEADER_BYTES: usize = 16;
const LINK_HEADER_BYTES: usize = 16;
const IFLA_XDP: u16 = 43;
const IFLA_XDP_FD: u16 = 1;
const IFLA_XDP_FLAGS: u16 = 3;
/// In the descriptor's place: none.
const NO_PROGRAM: i32 = -1;
/// In generic mode, and in the driver (linux/if_link.h).
const MODES: [u32; 2] = [2, 4];
/// An answer is an error with the request that it is about.
const ANSWER_MAX_BYTES: usize = 4096;

/// Takes the XDP program of somebody else off an interface. What holds it by a BPF link is not to be had: that is the other
/// process's to let go.
///
/// # Errors
/// [`AttachError::NoInterface`]; [`AttachError::Held`] where a link holds it, or the kernel says no for another reason.
pub fn take_off(interface: &str) -> Result<(), AttachError> {
    let index = interfaces::index(interface).ok_or_else(|| interfaces::absent(interface))?;
    privilege::with(|| MODES.iter().try_for_each(|mode| detach(index, *mode))).map_err(|error| {
        AttachError::Held {
            interface: interface.to_owned(),
            error,
        }
    })
}

fn detach(index: u32, mode: u32) -> io::Result<()> {
    let mut socket = open()?;
    socket.write_all(&request(index, mode))?;
    let mut answer = [0; ANSWER_MAX_BYTES];
    let length = socket.read(&mut answer)?;
    let number = |from: usize| {
        let bytes = answer.get(from..from + 4)?;
        Some(i32::from_ne_bytes(bytes.try_into().ok()?))
    };
    // An acknowledgement is an error of number 0.
    match number(NETLINK_HEADER_BYTES).filter(|_| length >= NETLINK_HEADER_BYTES + 4) {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(-code)),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn request(index: u32, mode: u32) -> Vec<u8> {
    let mut xdp = Vec::new();
    for (kind, value) in [
        (IFLA_XDP_FD, NO_PROGRAM.to_ne_bytes()),
        (IFLA_XDP_FLAGS, mode.to_ne_bytes()),
    ] {
        xdp.extend_from_slice(&8_u16.to_ne_bytes());
        xdp.extend_from_slice(&kind.to_ne_bytes());
        xdp.extend_from_slice(&value);
    }
    let total = NETLINK_HEADER_BYTES + LINK_HEADER_BYTES + 4 + xdp.len();
    let flags = (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
    let nested = IFLA_XDP | libc::NLA_F_NESTED as u16;
    let mut bytes = Vec::with_capacity(total);
    bytes.extend_from_slice(&(total as u32).to_ne_bytes());
    bytes.extend_from_slice(&libc::RTM_SETLINK.to_ne_bytes());
    bytes.extend_from_slice(&flags.to_ne_bytes());
    bytes.extend_from_slice(&[0; 8]); // sequence and port: one question at a time
    bytes.extend_from_slice(&[0; 4]); // family and type: any
    bytes.extend_from_slice(&index.to_ne_bytes());
    bytes.extend_from_slice(&[0; 8]); // flags of the interface, of which none changes
    bytes.extend_from_slice(&((4 + xdp.len()) as u16).to_ne_bytes());
    bytes.extend_from_slice(&nested.to_ne_bytes());
    bytes.extend_from_slice(&xdp);
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
