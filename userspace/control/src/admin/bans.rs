//! Bans over the API. The list takes locks and asks the kernel, so all of this is for a thread that may block.

use super::answer::{self, Answer};
use super::api::{
    self, BanAdded, BanEntry, BanFlushed, BanLifted, BanList, BanListLoaded, BanRequest, BanResult,
    BanShown, MAX_TTL_SECONDS,
};
use crate::ban_lists::{BanLists, ListError};
use hyper::StatusCode;
use kernel::{Added, Ban, BanError, Bans, ListChange, parse_target};
use std::net::IpAddr;
use std::time::Duration;

pub(super) fn list(bans: &Bans) -> Answer {
    let list = BanList {
        bans: bans.list().iter().map(entry).collect(),
        in_kernel: bans.in_kernel(),
    };
    answer::json(StatusCode::OK, &list)
}

/// What concerns the address of `GET /v1/bans?address=…`.
pub(super) fn show(bans: &Bans, raw: &[u8]) -> Answer {
    let mut text = Vec::new();
    http::query::decode(raw, &mut text);
    let text = String::from_utf8_lossy(&text);
    let Ok(address) = text.trim().parse::<IpAddr>() else {
        let shown: String = text.chars().take(60).collect();
        let detail = format!("`{shown}` is no address; write 203.0.113.7 or 2001:db8::7");
        return answer::problem(StatusCode::BAD_REQUEST, detail);
    };
    let address = address.to_canonical();
    let covering = bans.covering(address);
    let allowed = bans.is_allowed(address);
    let shown = BanShown {
        address: address.to_string(),
        banned: !covering.is_empty() && !allowed,
        allowed,
        bans: covering.iter().map(entry).collect(),
        in_kernel: bans.in_kernel(),
    };
    answer::json(StatusCode::OK, &shown)
}

fn entry(ban: &Ban) -> BanEntry {
    BanEntry {
        target: shown(ban.target),
        reason: ban.reason.clone(),
        remaining_seconds: ban
            .remaining
            .map(|remaining| remaining.as_millis().div_ceil(1000))
            .map(|seconds| u64::try_from(seconds).unwrap_or(u64::MAX)),
        age_seconds: ban.age.as_secs(),
        from_file: ban.from_file,
        source: ban.source.as_deref().map(str::to_owned),
        packets: ban.packets,
    }
}

pub(super) fn add(bans: &Bans, body: &[u8]) -> Answer {
    let request: BanRequest = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(error) => {
            let detail = format!(
                r#"expected {{"target": "203.0.113.7", "ttl_seconds": 600, "reason": "scanner"}}: {error}"#
            );
            return answer::problem(StatusCode::BAD_REQUEST, detail);
        }
    };
    if request.ttl_seconds.is_some_and(|ttl| ttl > MAX_TTL_SECONDS) {
        let detail = format!(
            "expected a time of at most {MAX_TTL_SECONDS} s; leave it out for a ban without end"
        );
        return answer::problem(StatusCode::BAD_REQUEST, detail);
    }
    let ttl = request.ttl_seconds.map(Duration::from_secs);
    let target = match parse_target(&request.target) {
        Ok(target) => target,
        Err(error) => return refused(&error.into()),
    };
    match bans.add(target, ttl, &request.reason) {
        Ok(added) => {
            let target = shown(target);
            let reason = request.reason.as_str();
            tracing::info!(
                target_address = target,
                ttl_seconds = request.ttl_seconds,
                reason,
                "ban added"
            );
            let body = BanAdded {
                target,
                result: match added {
                    Added::New => BanResult::New,
                    Added::Updated => BanResult::Updated,
                    Added::InFile => BanResult::InFile,
                },
                in_kernel: bans.in_kernel(),
            };
            answer::json(StatusCode::OK, &body)
        }
        Err(error) => refused(&error),
    }
}

pub(super) fn lift(bans: &Bans, query: &str) -> Answer {
    let Some(raw) = http::query::get(query.as_bytes(), "target") else {
        let detail = "name the ban: DELETE /v1/bans?target=203.0.113.7";
        return answer::problem(StatusCode::BAD_REQUEST, detail);
    };
    let mut target = Vec::new();
    http::query::decode(raw, &mut target);
    let target = match parse_target(&String::from_utf8_lossy(&target)) {
        Ok(target) => target,
        Err(error) => return refused(&error.into()),
    };
    match bans.del(target) {
        Ok(true) => {
            let target = shown(target);
            tracing::info!(target_address = target, "ban lifted");
            answer::json(StatusCode::OK, &BanLifted { target })
        }
        Ok(false) => {
            let target_shown = shown(target);
            let around: Vec<String> = bans
                .covering(target.addr())
                .into_iter()
                .filter(|ban| ban.target.contains(&target))
                .map(|ban| shown(ban.target))
                .collect();
            let detail = if around.is_empty() {
                format!("`{target_shown}` is not banned")
            } else {
                let around = around.join("`, `");
                format!("`{target_shown}` has no ban of its own; it is in `{around}`")
            };
            answer::problem(StatusCode::NOT_FOUND, detail)
        }
        Err(error) => refused(&error),
    }
}

pub(super) fn flush(bans: &Bans) -> Answer {
    match bans.flush() {
        Ok(lifted) => {
            tracing::info!(lifted, "bans flushed");
            let kept = bans.listed();
            answer::json(StatusCode::OK, &BanFlushed { lifted, kept })
        }
        Err(error) => refused(&error),
    }
}

/// The ban lists and where they come from.
pub(super) fn lists(lists: &BanLists, bans: &Bans) -> Answer {
    let body = api::BanLists {
        lists: lists.status(),
        bans: bans.listed(),
    };
    answer::json(StatusCode::OK, &body)
}

/// Loads the list of `PUT /v1/bans/lists?name=…`.
pub(super) fn load(lists: &BanLists, query: &str, body: Vec<u8>) -> Answer {
    let name = list_name(query);
    let text = match String::from_utf8(body) {
        Ok(text) => text,
        Err(error) => {
            let offset = error.utf8_error().valid_up_to();
            let detail =
                format!("expected a text, found a byte that is not UTF-8 at offset {offset}");
            return answer::problem(StatusCode::BAD_REQUEST, detail);
        }
    };
    match lists.load(&name, &text) {
        Ok((bans, change)) => loaded(name, bans, change),
        Err(error) => list_refused(&error),
    }
}

/// Unloads the list of `DELETE /v1/bans/lists?name=…`.
pub(super) fn unload(lists: &BanLists, query: &str) -> Answer {
    let name = list_name(query);
    match lists.unload(&name) {
        Ok(change) => loaded(name, 0, change),
        Err(error) => list_refused(&error),
    }
}

/// The name that a query gives; a missing one is empty, which no list's is.
fn list_name(query: &str) -> String {
    let raw = http::query::get(query.as_bytes(), "name");
    let mut name = Vec::new();
    http::query::decode(raw.unwrap_or_default(), &mut name);
    String::from_utf8_lossy(&name).into_owned()
}

fn loaded(name: String, bans: usize, change: ListChange) -> Answer {
    let body = BanListLoaded {
        name,
        bans,
        added: change.added,
        removed: change.removed,
    };
    answer::json(StatusCode::OK, &body)
}

fn list_refused(error: &ListError) -> Answer {
    let status = match error {
        ListError::Bans(error) => return refused(error),
        ListError::Text(_) | ListError::Name(_) => StatusCode::BAD_REQUEST,
        ListError::TooMany => StatusCode::INSUFFICIENT_STORAGE,
        ListError::Unknown(_) => StatusCode::NOT_FOUND,
        ListError::NotKept(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    answer::problem(status, error.to_string())
}

/// An address without its length, a prefix with it.
fn shown(target: types::IpNet) -> String {
    if target.prefix_len() == target.max_prefix_len() {
        target.addr().to_string()
    } else {
        target.to_string()
    }
}

fn refused(error: &BanError) -> Answer {
    let status = match error {
        BanError::Target(_) | BanError::ZeroTtl { .. } => StatusCode::BAD_REQUEST,
        BanError::FromFile { .. } | BanError::Allowed { .. } => StatusCode::CONFLICT,
        BanError::Full { .. } | BanError::ListsTooLong { .. } => StatusCode::INSUFFICIENT_STORAGE,
        BanError::Kernel { .. } | BanError::Read(_) | BanError::Switch(_) => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    answer::problem(status, error.to_string())
}
