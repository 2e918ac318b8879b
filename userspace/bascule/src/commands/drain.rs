//! `bascule drain`

use crate::arguments::Drain;
use crate::failure::Failure;
use crate::instance;
use crate::output::Output;
use control::client::{Client, ClientError};
use serde_json::json;
use std::time::Duration;

/// How often a drain is looked at.
const LOOK: Duration = Duration::from_millis(200);

pub(super) fn drain(drain: &Drain, output: &Output) -> Result<(), Failure> {
    let client = instance::client(&drain.place);
    client.drain()?;
    if !drain.wait {
        let state = json!({ "state": "draining" });
        return output.result(&state, || {
            "draining; it ends when what is under way has ended\n".to_owned()
        });
    }
    wait(&client, output)?;
    output.result(&json!({ "state": "ended" }), || "ended\n".to_owned())
}

/// Waits until nobody answers any more.
fn wait(client: &Client, output: &Output) -> Result<(), Failure> {
    let mut shown = None;
    loop {
        match client.status() {
            Ok(status) => {
                let endpoints = status.upstreams.iter().flat_map(|one| &one.endpoints);
                let under_way: u64 = endpoints.map(|one| u64::from(one.in_flight)).sum();
                if shown != Some(under_way) {
                    output.note(&format!("draining, {under_way} requests under way"));
                    shown = Some(under_way);
                }
            }
            // The second: it has ended while it was being asked.
            Err(ClientError::NotRunning { .. } | ClientError::Answer { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        std::thread::sleep(LOOK);
    }
}
