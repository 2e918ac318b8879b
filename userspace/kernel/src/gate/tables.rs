//! The array that has the Maglev table of each service, made by hand.
//!
//! Made from the object, its tables would have to be described by BTF: Linux 6.1 takes no table without a description where the
//! first one had it, and those that are made while services change have none.

#![allow(unsafe_code)]

use super::error::AttachError;
use super::pins::pin;
use abi::limits;
use abi::service::MaglevTable;
use aya::maps::{MapData, MapError};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

const BPF_MAP_CREATE: libc::c_int = 0;
const ARRAY: u32 = 2;
const ARRAY_OF_MAPS: u32 = 12;
const NAME_BYTES: usize = 16;

/// The part of `union bpf_attr` that makes a map; what is behind it is 0.
#[repr(C)]
#[derive(Default)]
struct Create {
    kind: u32,
    key_bytes: u32,
    value_bytes: u32,
    entries: u32,
    flags: u32,
    inner: u32,
    numa_node: u32,
    name: [u8; NAME_BYTES],
}

/// Makes and pins the array where it is not there yet: the object's loader finds it then.
pub(super) fn make(path: &Path) -> Result<(), AttachError> {
    if path.exists() {
        return Ok(());
    }
    let of_maps = create_both().map_err(|error| pin(path)(error))?;
    let of_maps = MapData::from_fd(of_maps).map_err(AttachError::Map)?;
    of_maps.pin(path).map_err(|error| {
        AttachError::Map(MapError::PinError {
            name: Some(abi::maps::MAGLEV.to_owned()),
            error,
        })
    })
}

fn create_both() -> io::Result<OwnedFd> {
    let table = create(&Create {
        kind: ARRAY,
        key_bytes: size_of::<u32>() as u32,
        value_bytes: size_of::<MaglevTable>() as u32,
        entries: 1,
        ..Create::default()
    })?;
    let mut name = [0; NAME_BYTES];
    for (to, from) in name.iter_mut().zip(abi::maps::MAGLEV.bytes()) {
        *to = from;
    }
    create(&Create {
        kind: ARRAY_OF_MAPS,
        key_bytes: size_of::<u32>() as u32,
        value_bytes: size_of::<u32>() as u32,
        entries: limits::SERVICES,
        inner: table.as_raw_fd() as u32,
        name,
        ..Create::default()
    })
}

fn create(wanted: &Create) -> io::Result<OwnedFd> {
    // SAFETY: the attributes outlive the call, which reads as many bytes as it is told.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_MAP_CREATE,
            std::ptr::from_ref(wanted),
            size_of::<Create>(),
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just opened and belongs to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(result as i32) })
}
