//! What a service manager is told (sd_notify(3)): over a datagram to the socket that NOTIFY_SOCKET names. Without one, and
//! where it cannot be reached, nothing is said: the service goes on.

use rustix::time::{ClockId, clock_gettime};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

/// This process serves, and it is the main one.
pub(crate) fn ready() {
    let pid = std::process::id();
    notify(&format!("READY=1\nMAINPID={pid}\nSTATUS=Serving"));
}

/// The configuration is read again; [`ready`] says when that is over, one way or the other.
pub(crate) fn reloading() {
    let now = clock_gettime(ClockId::Monotonic);
    let microseconds = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
    notify(&format!(
        "RELOADING=1\nMONOTONIC_USEC={microseconds}\nSTATUS=Reloading"
    ));
}

/// What is under way is finished.
pub(crate) fn stopping() {
    notify("STOPPING=1\nSTATUS=Draining");
}

/// Another process is the main one from now on. Only the main process may say so (`NotifyAccess=main`).
pub(crate) fn main_process(pid: u32) {
    notify(&format!("MAINPID={pid}"));
}

fn notify(words: &str) {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let address = match name.as_encoded_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(Path::new(&name)),
    };
    let sent = address.and_then(|address| {
        let socket = UnixDatagram::unbound()?;
        // A manager that does not read must not hold us up.
        socket.set_nonblocking(true)?;
        socket.send_to_addr(words.as_bytes(), &address)
    });
    if let Err(error) = sent {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}
