//! `bascule key`

use crate::arguments::{Key, Store};
use crate::duration;
use crate::failure::Failure;
use crate::output::{Output, table};
use control::key_store::{self, IssuedKey, KeyEntry, KeyList, KeyRequest, Revoked};
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) fn key(key: Key, output: &Output) -> Result<(), Failure> {
    let now = SystemTime::now();
    match key {
        Key::Create {
            store,
            consumer,
            id,
            scopes,
            ttl,
            prefix,
        } => {
            let request = KeyRequest {
                consumer,
                id,
                prefix,
                scopes,
                ttl,
            };
            let issued = key_store::create(&store.store, &request, now)?;
            show_issued(&store, &request, &issued, output)
        }
        Key::List { store } => {
            let list = key_store::list(&store.store, now)?;
            output.result(&list, || as_text(&list, unix_seconds(now)))
        }
        Key::Revoke { store, id } => {
            let revoked = key_store::revoke(&store.store, &id, now)?;
            let result = json!({ "id": id, "was_revoked_before": revoked == Revoked::Before });
            output.result(&result, || match revoked {
                Revoked::Now => format!("{id} is revoked\n"),
                Revoked::Before => format!("{id} was revoked before\n"),
            })
        }
    }
}

/// The key alone goes to the standard output, so that a script can take it from there.
fn show_issued(
    store: &Store,
    request: &KeyRequest,
    issued: &IssuedKey,
    output: &Output,
) -> Result<(), Failure> {
    // The one place where a key is shown.
    let key = String::from_utf8_lossy(issued.secret.expose());
    if issued.new_store {
        output.note(&format!("{} is new", store.store.display()));
    }
    let until = request.ttl.map_or_else(String::new, |ttl| {
        format!(", good for {}", duration::show(ttl.as_secs()))
    });
    output.note(&format!(
        "key {} for {}{until}; it is shown this once",
        issued.id, request.consumer
    ));
    let result = json!({
        "id": issued.id,
        "key": key,
        "consumer": request.consumer,
        "expires": issued.expires,
        "store": store.store.to_string_lossy(),
    });
    output.result(&result, || format!("{key}\n"))
}

fn as_text(list: &KeyList, now: u64) -> String {
    if list.keys.is_empty() {
        return "there are no keys\n".to_owned();
    }
    let row = |key: &KeyEntry| {
        let ends = match key.expires {
            None => "no end".to_owned(),
            Some(end) if end > now => format!("in {}", duration::show(end - now)),
            Some(end) => format!("{} ago", duration::show(now - end)),
        };
        [
            key.id.clone(),
            key.consumer.clone(),
            key.state.name().to_owned(),
            format!("{} ago", duration::show(now.saturating_sub(key.created))),
            ends,
            key.scopes.join(" "),
        ]
    };
    let rows: Vec<_> = list.keys.iter().map(row).collect();
    table(["ID", "CONSUMER", "STATE", "MADE", "ENDS", "SCOPES"], &rows)
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
