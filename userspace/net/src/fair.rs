//! In what order the connections of a worker have their turn.

use crate::{MEDIUM_BYTES, Parts};
use std::cell::Cell;
use std::future::poll_fn;
use std::task::Poll;

/// Receives in a row that found bytes without waiting, after which a connection lets the others have their turn. Sixteen
/// large reads are 2 MB, half a millisecond of a worker.
const RECEIVES_A_TURN: u8 = 16;

/// The same of receives into a pipe, which move up to 1 MB for less.
const PIPED_A_TURN: u8 = 4;

/// Counts how long a connection has been at work without waiting.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    receives: Cell<u8>,
}

impl Turn {
    /// Counts a receive. `false` where it is the others' turn: the connection has to wait once, even if bytes are there.
    pub(crate) fn goes_on(&self) -> bool {
        let receives = self.receives.get();
        let goes_on = receives < RECEIVES_A_TURN;
        self.receives.set(if goes_on { receives + 1 } else { 0 });
        goes_on
    }

    /// The same for a receive of up to [`crate::PIPE_BYTES`].
    pub(crate) fn goes_on_with_many(&self) -> bool {
        let receives = self.receives.get();
        let goes_on = receives < RECEIVES_A_TURN;
        let weight = RECEIVES_A_TURN / PIPED_A_TURN;
        self.receives
            .set(if goes_on { receives + weight } else { 0 });
        goes_on
    }

    /// The connection waits: its turn is over.
    pub(crate) fn waited(&self) {
        self.receives.set(0);
    }
}

/// Lets the connections that are ready have their turn before `parts` are sent, so that what a round of them sends leaves
/// together. Bytes that arrive at a host or a process that sleeps wake it, which costs us several microseconds each time
/// where an inspection lies between two sends and the other side is quick; while it is awake, further bytes wake nobody.
///
/// Large sends do not wait: their bytes are in the processor's cache now, and memory is held until they have left.
pub(crate) async fn behind_others(parts: &Parts) {
    if parts.bytes() > MEDIUM_BYTES {
        return;
    }
    let mut waited = false;
    poll_fn(|cx| {
        if waited {
            return Poll::Ready(());
        }
        waited = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    /// What two connections do in one round, each sending so many bytes between two notes.
    async fn round(bytes: usize) -> Vec<&'static str> {
        let notes = RefCell::new(Vec::new());
        let connection = |before, after| {
            let notes = &notes;
            async move {
                let parts = Parts::new().with(vec![0; bytes]);
                notes.borrow_mut().push(before);
                behind_others(&parts).await;
                notes.borrow_mut().push(after);
            }
        };
        tokio::join!(
            connection("a works", "a sends"),
            connection("b works", "b sends")
        );
        notes.into_inner()
    }

    #[tokio::test]
    async fn small_sends_of_a_round_leave_together() {
        let notes = round(100).await;
        assert_eq!(notes.len(), 4);
        assert_eq!(notes.get(..2), Some(&["a works", "b works"][..]));
    }

    #[tokio::test]
    async fn large_sends_leave_at_once() {
        let notes = round(MEDIUM_BYTES + 1).await;
        assert_eq!(notes, ["a works", "a sends", "b works", "b sends"]);
    }

    #[test]
    fn a_turn_ends_once_and_begins_again() {
        let turn = Turn::default();
        for _ in 0..3 {
            let receives = (0..).take_while(|_| turn.goes_on()).count();
            assert_eq!(receives, usize::from(RECEIVES_A_TURN));
        }
    }

    #[test]
    fn who_waits_begins_a_new_turn() {
        let turn = Turn::default();
        for _ in 0..100 {
            assert!(turn.goes_on());
            turn.waited();
        }
    }
}
