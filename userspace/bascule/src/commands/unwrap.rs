//! `bascule unwrap`

use crate::arguments::Unwrap;
use crate::failure::Failure;
use crate::output::Output;
use serde_json::json;

pub(super) fn unwrap(unwrap: &Unwrap, output: &Output) -> Result<(), Failure> {
    let ready = || {
        eprintln!(
            "packets of tunnels are taken out on {}",
            unwrap.interfaces.join(", ")
        );
    };
    let counts =
        control::unwrap(&unwrap.interfaces, &unwrap.from, ready).map_err(Failure::Start)?;
    let told = json!({
        "unwrapped": counts.unwrapped,
        "others": counts.others,
        "dropped": counts.dropped,
    });
    output.result(&told, || {
        format!(
            "{} packets taken out, {} of other tunnels left alone, {} dropped\n",
            counts.unwrapped, counts.others, counts.dropped
        )
    })
}
