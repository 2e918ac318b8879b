//! The BPF file system, where pins live.

#![allow(unsafe_code)]

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where it is mounted by convention.
const MOUNT_POINT: &str = "/sys/fs/bpf";

/// Whether the folder, or the nearest one above it that exists, is on a BPF file system.
pub(crate) fn is_on(path: &Path) -> bool {
    path.ancestors()
        .find(|ancestor| ancestor.exists())
        .is_some_and(|ancestor| file_system(ancestor).is_ok_and(|kind| kind == libc::BPF_FS_MAGIC))
}

/// Whether this thread may make the folder, or work in it where it is there. Else the folder that is in the way.
pub(crate) fn can_write(path: &Path) -> Result<(), PathBuf> {
    for ancestor in path.ancestors() {
        match access(ancestor) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => return Err(ancestor.to_owned()),
        }
    }
    Err(path.to_owned())
}

/// Whether files can be made in a folder, and it be passed, with the credentials that are in effect.
fn access(folder: &Path) -> io::Result<()> {
    let path = CString::new(folder.as_os_str().as_bytes())?;
    // SAFETY: the string ends with NUL and outlives the call.
    let result = unsafe {
        libc::faccessat(
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::W_OK | libc::X_OK,
            libc::AT_EACCESS,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Whether mounting one in its place would make the folder possible.
pub(crate) fn can_mount_for(path: &Path) -> bool {
    path.starts_with(MOUNT_POINT) && Path::new(MOUNT_POINT).is_dir()
}

/// Mounts a BPF file system where the folder's place is the usual one and it is missing.
pub(crate) fn ensure(path: &Path) -> io::Result<()> {
    if is_on(path) {
        return Ok(());
    }
    if !can_mount_for(path) {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!("the place for one is {MOUNT_POINT}"),
        ));
    }
    mount()
}

fn file_system(path: &Path) -> io::Result<libc::c_long> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: all-zero bytes are a valid statfs, a struct of integers.
    let mut stat: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the path ends with NUL and the struct is ours; both outlive the call.
    let result = unsafe { libc::statfs(path.as_ptr(), &raw mut stat) };
    if result == 0 {
        Ok(stat.f_type)
    } else {
        Err(io::Error::last_os_error())
    }
}

fn mount() -> io::Result<()> {
    let target = CString::new(MOUNT_POINT)?;
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    // SAFETY: the strings end with NUL and outlive the call; the file system takes options, and none is a null pointer.
    let result = unsafe {
        libc::mount(
            c"bpf".as_ptr(),
            target.as_ptr(),
            c"bpf".as_ptr(),
            flags,
            std::ptr::null(),
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
