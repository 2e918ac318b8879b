//! `bascule replay`

use crate::arguments::rules::Replay;
use crate::failure::Failure;
use crate::output::Output;
use ::rules::Rules;

/// The exit code of verdicts that change.
const CHANGED: u8 = 5;

pub(super) fn replay(replay: &Replay, output: &Output) -> Result<(), Failure> {
    let new = Rules::of(&replay.rules);
    let old = (!replay.old.is_empty()).then(|| Rules::of(&replay.old));
    let report = ::rules::replay(&replay.log, &new, old.as_ref())?;
    output.result(&report, || report.text())?;
    if report.changes() {
        Err(Failure::Told(CHANGED))
    } else {
        Ok(())
    }
}
