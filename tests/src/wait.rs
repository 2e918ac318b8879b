//! Waiting for something to become true, never for a fixed time.

use std::time::{Duration, Instant};

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(5);

/// Looks until `look` finds something, for at most `patience`.
pub fn within<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let until = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= until {
            return None;
        }
        std::thread::sleep(LOOK);
    }
}

/// Waits up to ten seconds until something is true, and fails with its name otherwise.
#[track_caller]
pub fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let seen = within(Duration::from_secs(10), || is_true().then_some(()));
    assert!(
        seen.is_some(),
        "within ten seconds it was not so that {what}"
    );
}
