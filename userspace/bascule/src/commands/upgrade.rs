//! `bascule upgrade`

use crate::arguments::Upgrade;
use crate::duration;
use crate::failure::Failure;
use crate::instance;
use crate::output::Output;
use control::admin::UpgradeRequest;

pub(super) fn upgrade(upgrade: &Upgrade, output: &Output) -> Result<(), Failure> {
    let program = match &upgrade.program {
        // The instance may have another working directory.
        Some(program) => std::path::absolute(program)?,
        None => std::env::current_exe()?,
    };
    let upgraded = instance::client(&upgrade.place).upgrade(&UpgradeRequest {
        program: Some(program),
        timeout_seconds: Some(upgrade.timeout.as_secs().max(1)),
    })?;
    output.result(&upgraded, || {
        format!(
            "bascule {} serves as process {}; process {} finishes what is under way, for {} at most\n",
            upgraded.version,
            upgraded.pid,
            upgraded.previous_pid,
            duration::show(upgraded.drain_seconds)
        )
    })
}
