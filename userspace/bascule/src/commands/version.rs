//! `bascule version`

use crate::failure::Failure;
use crate::output::Output;
use serde_json::json;

const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(super) fn version(output: &Output) -> Result<(), Failure> {
    output.result(&json!({ "name": "bascule", "version": VERSION }), || {
        format!("bascule {VERSION}\n")
    })
}
