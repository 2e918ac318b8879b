//! The smallest XDP program: it passes everything. XDP sends frames through a veth only where its peer has a program.
#![allow(unsafe_code, reason = "the program is loaded by system calls")]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

const BPF_PROG_LOAD: libc::c_int = 5;
const BPF_OBJ_PIN: libc::c_int = 6;
const BPF_LINK_CREATE: libc::c_int = 28;
const BPF_PROG_TYPE_XDP: u32 = 6;
const BPF_XDP: u32 = 37;
const XDP_FLAGS_DRV_MODE: u32 = 4;

/// The part of `union bpf_attr` that loads a program.
#[repr(C)]
#[derive(Default)]
struct Load {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    rest: [u64; 12],
}

/// The part of `union bpf_attr` that attaches one.
#[repr(C)]
#[derive(Default)]
struct Link {
    program: u32,
    interface: u32,
    kind: u32,
    flags: u32,
    rest: [u64; 4],
}

/// The part of `union bpf_attr` that pins one.
#[repr(C)]
struct Pin {
    path: u64,
    program: u32,
    flags: u32,
}

/// Attaches it to an interface of this thread's namespace, for as long as the result lives.
pub(crate) fn attach(interface: &str) -> OwnedFd {
    attach_program(load().as_fd(), interface)
}

/// Attaches any XDP program in the same way.
pub(crate) fn attach_program(program: BorrowedFd<'_>, interface: &str) -> OwnedFd {
    let name = CString::new(interface).expect("a name");
    // SAFETY: the string ends with NUL and outlives the call.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    let link = Link {
        program: program.as_raw_fd() as u32,
        interface: index,
        kind: BPF_XDP,
        flags: XDP_FLAGS_DRV_MODE,
        ..Link::default()
    };
    opened(bpf(BPF_LINK_CREATE, &link))
}

/// Pins it, so that `ip` can attach it without a link.
pub(crate) fn pin(path: &str) {
    let program = load();
    let path = CString::new(path).expect("a path");
    let pin = Pin {
        path: path.as_ptr() as u64,
        program: program.as_raw_fd() as u32,
        flags: 0,
    };
    bpf(BPF_OBJ_PIN, &pin);
}

fn load() -> OwnedFd {
    // r0 = XDP_PASS; exit
    let instructions: [u64; 2] = [2 << 32 | 0xb7, 0x95];
    let load = Load {
        kind: BPF_PROG_TYPE_XDP,
        count: 2,
        instructions: instructions.as_ptr() as u64,
        license: c"GPL".as_ptr() as u64,
        ..Load::default()
    };
    opened(bpf(BPF_PROG_LOAD, &load))
}

fn opened(descriptor: libc::c_long) -> OwnedFd {
    // SAFETY: the descriptor was just opened and belongs to nobody else.
    unsafe { OwnedFd::from_raw_fd(descriptor as i32) }
}

fn bpf<T>(command: libc::c_int, attributes: &T) -> libc::c_long {
    // SAFETY: the attributes, and what they point to, outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_ref(attributes),
            size_of::<T>(),
        )
    };
    assert!(result >= 0, "bpf: {}", io::Error::last_os_error());
    result
}
