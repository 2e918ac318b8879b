//! What the tests of this room share.

use std::path::PathBuf;

/// Where the reference data lies: `BASCULE_SHARED`, else the folder `shared` beside the workspace.
pub(crate) fn shared() -> PathBuf {
    std::env::var_os("BASCULE_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    )
}

/// The text of a reference file; says so and gives nothing when it is absent.
pub(crate) fn reference(path: &str) -> Option<String> {
    match std::fs::read_to_string(shared().join(path)) {
        Ok(text) => Some(text),
        Err(_) => {
            println!("skipped: reference data not found ({path})");
            None
        }
    }
}
