//! Scores of clients by what they did, and the bans that follow from them.
//!
//! An [`Offence`] adds its weight to the score of the client's address and of the prefix around it. Scores halve in each
//! half-life. A score at its threshold is a ban, for longer with each repetition. Who is never banned, how many bans a minute
//! may have and whether they are carried out at all, is the [`Policy`]'s.
//!
//! No I/O, no clock: the caller passes the time, which may be any that does not run backwards. One that does all the same is
//! taken as standing still.
#![forbid(unsafe_code)]

mod cause;
mod guard;
mod ledger;
mod policy;
mod table;

pub use cause::Cause;
pub use guard::{Guard, Guarded};
pub use ledger::{Ledger, Mark, Offence, Outcome, Remembered, Sentence, Standing, Stats};
pub use policy::Policy;
