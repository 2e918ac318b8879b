//! `bascule schema`

use crate::failure::Failure;
use crate::output::Output;

/// It is JSON either way.
pub(super) fn schema(output: &Output) -> Result<(), Failure> {
    output.text(&format!("{:#}\n", config::schema()))
}
