//! `bascule crs`

use crate::arguments::rules::Crs;
use crate::failure::Failure;
use crate::output::Output;
use ::rules::crs::{ARCHIVE_LIMIT_BYTES, Release, install};

/// The exit code of rules that are invalid.
const INVALID: u8 = 3;

pub(super) fn crs(command: Crs, output: &Output) -> Result<(), Failure> {
    let Crs::Install { from, checksum, to } = command;
    let release = if from.contains("://") {
        let limit = usize::try_from(ARCHIVE_LIMIT_BYTES).unwrap_or(usize::MAX);
        Release::Fetched(control::download(&from, limit)?)
    } else {
        Release::Path(from.into())
    };
    let installed = install(&release, checksum.as_deref(), &to)?;
    if !installed.check.is_valid() {
        output.note(&installed.check.findings_text());
    }
    output.result(&installed, || installed.text())?;
    if installed.check.is_valid() {
        Ok(())
    } else {
        Err(Failure::Told(INVALID))
    }
}
