//! Maps that no program of ours made, as an older version would have left them pinned.
#![allow(unsafe_code, reason = "maps are made with a system call")]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Kinds of maps (enum bpf_map_type of linux/bpf.h).
pub(crate) const HASH: u32 = 1;
pub(crate) const ARRAY: u32 = 2;
pub(crate) const LPM_TRIE: u32 = 11;
/// BPF_F_NO_PREALLOC
pub(crate) const NO_PREALLOC: u32 = 1;

const MAP_CREATE: libc::c_long = 0;
const MAP_UPDATE: libc::c_long = 2;
const OBJ_PIN: libc::c_long = 6;
const ENTRIES: u32 = 1024;

/// Pins a map of one entry.
pub(crate) fn make_map(pin: &Path, kind: u32, flags: u32, key: &[u8], value: &[u8]) {
    let create = [kind, key.len() as u32, value.len() as u32, ENTRIES, flags];
    let number = bpf(MAP_CREATE, &create).expect("a map");
    // SAFETY: the descriptor was just made and belongs to nobody else.
    let map = unsafe { OwnedFd::from_raw_fd(number as i32) };
    let descriptor = map.as_raw_fd() as u64;
    let update = [descriptor, key.as_ptr() as u64, value.as_ptr() as u64, 0];
    bpf(MAP_UPDATE, &update).expect("an entry");
    let path = CString::new(pin.as_os_str().as_bytes()).expect("a path");
    bpf(OBJ_PIN, &[path.as_ptr() as u64, descriptor]).expect("a pin");
}

fn bpf<T>(command: libc::c_long, attributes: &[T]) -> io::Result<libc::c_long> {
    // SAFETY: the attributes are integers, as many bytes as it is told; addresses among them are of buffers that outlive
    // the call, and of the lengths that the map has.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            attributes.as_ptr(),
            size_of_val(attributes),
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}
