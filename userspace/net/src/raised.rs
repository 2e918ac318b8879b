//! Calls that need a capability which a thread is permitted and does not have in effect: it has it for the one call.

use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use std::io;

/// Keeps the client's address, or has an address of nobody: either of these.
pub(crate) const FOREIGN_ADDRESS: CapabilitySet =
    CapabilitySet::NET_RAW.union(CapabilitySet::NET_ADMIN);
/// Binds a port below 1024.
pub(crate) const LOW_PORT: CapabilitySet = CapabilitySet::NET_BIND_SERVICE;

/// Tries as it is; where the system does not permit it, with as much of these capabilities as the thread may put in effect.
pub(crate) fn with<T>(
    needed: CapabilitySet,
    mut work: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    let refused = match work() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => error,
        done => return done,
    };
    let Ok(before) = capabilities(None) else {
        return Err(refused);
    };
    let mut raised = before;
    raised.effective |= before.permitted & needed;
    if raised.effective == before.effective || set_capabilities(None, raised).is_err() {
        return Err(refused);
    }
    let done = work();
    // Less than there was is always granted.
    let _ = set_capabilities(None, before);
    done
}
