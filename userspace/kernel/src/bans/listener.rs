//! Who wants to know that there are more bans.

use super::Bans;
use std::sync::OnceLock;

/// Nobody at first.
#[derive(Default)]
pub(super) struct Told(OnceLock<Box<dyn Fn() + Send + Sync>>);

impl Told {
    pub(super) fn tell(&self) {
        if let Some(listener) = self.0.get() {
            listener();
        }
    }
}

impl Bans {
    /// Has `listener` called behind every change that may have brought a ban, on the thread that made it. It learns that, not
    /// which one. Only the first listener is kept.
    pub fn tell(&self, listener: impl Fn() + Send + Sync + 'static) {
        let _ = self.shared.listener.0.set(Box::new(listener));
    }
}
