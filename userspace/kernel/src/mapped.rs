//! An array map of a program in our memory: both have its cells at one time.
#![allow(unsafe_code)]

use aya::maps::MapData;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr::{self, NonNull};

/// What a cell of such a map is.
///
/// # Safety
/// It is made of atomics alone, so that any bytes are one, and a page is aligned for it.
pub(crate) unsafe trait Shared: Sync {}

/// The cells of a map.
#[derive(Debug)]
pub(crate) struct Mapped<T> {
    cells: NonNull<T>,
    count: usize,
    bytes: usize,
    /// The map lives as long as the mapping.
    _map: MapData,
}

// SAFETY: the cells are atomics, which any thread may use; the mapping stays where it is until it is dropped.
unsafe impl<T: Shared> Send for Mapped<T> {}
// SAFETY: as above.
unsafe impl<T: Shared> Sync for Mapped<T> {}

impl<T> Drop for Mapped<T> {
    fn drop(&mut self) {
        // SAFETY: the address and length are those of mmap, and nobody has a reference into it any more.
        unsafe { libc::munmap(self.cells.as_ptr().cast(), self.bytes) };
    }
}

impl<T: Shared> Mapped<T> {
    /// The first `count` cells of a map that can be mapped (`BPF_F_MMAPABLE`).
    ///
    /// # Errors
    /// What mmap says: the map is smaller, or cannot be mapped.
    pub(crate) fn new(map: MapData, count: usize) -> io::Result<Self> {
        let bytes = count.max(1) * size_of::<T>();
        // SAFETY: a new mapping, wherever the kernel likes; the descriptor is open for the call. The kernel checks that the map
        // is as large.
        let address = unsafe {
            libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                map.fd().as_fd().as_raw_fd(),
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let cells = NonNull::new(address.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self {
            cells,
            count,
            bytes,
            _map: map,
        })
    }

    /// The cell at a place; none behind the last.
    pub(crate) fn get(&self, place: usize) -> Option<&T> {
        // SAFETY: within the mapping, which lives as long as `self`; any bytes are a cell, and aligned for one.
        (place < self.count).then(|| unsafe { self.cells.add(place).as_ref() })
    }
}
