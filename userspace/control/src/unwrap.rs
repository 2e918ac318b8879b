//! On an endpoint: packets from the tunnels of an L4 service are taken out.

use crate::error::StartError;
use kernel::{Mode, Unwrap, UnwrapCounts};
use std::net::IpAddr;
use tokio::signal::unix::{SignalKind, signal};

/// Takes packets out of tunnels from these addresses until SIGINT or SIGTERM; then the interfaces are as they were.
/// `ready` is called once packets are taken out.
///
/// # Errors
/// [`StartError::Kernel`] says what this host lacks and what to do.
pub fn unwrap(
    interfaces: &[String],
    from: &[IpAddr],
    ready: impl FnOnce(),
) -> Result<UnwrapCounts, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(StartError::Runtime)?;
    let kernel = |error: kernel::AttachError| StartError::Kernel(error.to_string());
    runtime.block_on(async {
        // From here on neither ends the process before the program is off the interfaces.
        let interrupted = signal(SignalKind::interrupt());
        let terminated = signal(SignalKind::terminate());
        let (mut interrupted, mut terminated) = interrupted
            .and_then(|interrupted| Ok((interrupted, terminated?)))
            .map_err(StartError::Runtime)?;
        let unwrap = Unwrap::attach(interfaces, Mode::Auto, from).map_err(kernel)?;
        ready();
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
        unwrap.counts().map_err(kernel)
    })
}
