//! Fairness between the connections of a worker.

use std::cell::Cell;

/// Receives in a row that found bytes without waiting, after which a connection lets the others have their turn. Sixteen
/// large reads are 2 MB, half a millisecond of a worker.
const RECEIVES_A_TURN: u8 = 16;

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

    /// The connection waits: its turn is over.
    pub(crate) fn waited(&self) {
        self.receives.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
