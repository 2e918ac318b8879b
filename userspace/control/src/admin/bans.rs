//! Bans over the API. The list takes locks and asks the kernel, so all of this is for a thread that may block.

use super::answer::{self, Answer};
use super::api::{
    self, BanAdded, BanEntry, BanFlushed, BanLifted, BanList, BanListLoaded, BanRequest, BanResult,
    BanShown, MAX_TTL_SECONDS, OffenceEntry, SampleEntry, Score, ScoreList,
};
use crate::ban_lists::{BanLists, ListError};
use hyper::StatusCode;
use kernel::{Added, Ban, BanError, Bans, ListChange, PacketSample, Samples, parse_target};
use penalty::{Mark, Standing};
use proxy::Offences;
use std::net::IpAddr;
use std::time::Duration;

/// Scores that are shown where nobody says how many.
const SCORES: usize = 20;
/// And at most.
const MAX_SCORES: usize = 10_000;

pub(super) fn list(bans: &Bans, offences: &Offences) -> Answer {
    let forwarded = offences.forwarded_bans().list();
    let mut all: Vec<(Ban, bool)> = forwarded.into_iter().map(|ban| (ban, true)).collect();
    all.extend(bans.list().into_iter().map(|ban| (ban, false)));
    all.sort_by_key(|(ban, _)| ban.target);
    let list = BanList {
        bans: all
            .iter()
            .map(|(ban, forwarded)| entry(ban, *forwarded))
            .collect(),
        in_kernel: bans.in_kernel(),
    };
    answer::json(StatusCode::OK, &list)
}

/// What concerns the address of `GET /v1/bans?address=…`.
pub(super) fn show(
    bans: &Bans,
    offences: &Offences,
    samples: Option<&Samples>,
    raw: &[u8],
) -> Answer {
    let mut text = Vec::new();
    http::query::decode(raw, &mut text);
    let text = String::from_utf8_lossy(&text);
    let Ok(address) = text.trim().parse::<IpAddr>() else {
        let shown: String = text.chars().take(60).collect();
        let detail = format!("`{shown}` is no address; write 203.0.113.7 or 2001:db8::7");
        return answer::problem(StatusCode::BAD_REQUEST, detail);
    };
    let address = address.to_canonical();
    let forwarded = offences.forwarded_bans().covering(address);
    let narrowest = bans.covering(address);
    let mut covering: Vec<BanEntry> = narrowest.iter().map(|ban| entry(ban, false)).collect();
    covering.extend(forwarded.iter().map(|ban| entry(ban, true)));
    let allowed = bans.is_allowed(address);
    let shown = BanShown {
        address: address.to_string(),
        banned: !covering.is_empty() && !allowed,
        allowed,
        bans: covering,
        in_kernel: bans.in_kernel(),
        scores: offences.standing(address).iter().map(score).collect(),
        samples: samples.map_or_else(Vec::new, |samples| sampled(samples, address, &narrowest)),
    };
    answer::json(StatusCode::OK, &shown)
}

/// The last packets that bans of an address dropped, and limits of its own.
fn sampled(samples: &Samples, address: IpAddr, bans: &[Ban]) -> Vec<SampleEntry> {
    let of_bans = bans.iter().flat_map(|ban| samples.of_ban(&ban.target));
    let mut all: Vec<PacketSample> = of_bans.chain(samples.of_source(address)).collect();
    all.sort_by_key(|sample| sample.age);
    let entry = |sample: &PacketSample| SampleEntry {
        age_ms: u64::try_from(sample.age.as_millis()).unwrap_or(u64::MAX),
        reason: sample.reason.name().to_owned(),
        ban: sample.ban.map(shown),
        source: sample.source.to_string(),
        interface: sample.interface,
        bytes: sample.bytes,
        headers: sample.headers().to_string(),
        head: sample
            .head
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
    };
    all.iter().map(entry).collect()
}

/// The highest scores: `GET /v1/scores?limit=20`.
pub(super) fn scores(offences: &Offences, query: &str) -> Answer {
    let limit = match http::query::get(query.as_bytes(), "limit") {
        None => SCORES,
        Some(limit) => {
            let limit = std::str::from_utf8(limit)
                .ok()
                .and_then(|limit| limit.parse().ok());
            match limit.filter(|limit| (1..=MAX_SCORES).contains(limit)) {
                Some(limit) => limit,
                None => {
                    let detail = format!("expected `limit` to be a number from 1 to {MAX_SCORES}");
                    return answer::problem(StatusCode::BAD_REQUEST, detail);
                }
            }
        }
    };
    let stats = offences.stats();
    let list = ScoreList {
        mode: mode(offences).to_owned(),
        addresses: stats.addresses,
        prefixes: stats.prefixes,
        scores: offences.highest(limit).iter().map(score).collect(),
    };
    answer::json(StatusCode::OK, &list)
}

/// Whether scores are kept, and what follows from them.
pub(super) fn mode(offences: &Offences) -> &'static str {
    match offences.policy() {
        None => "off",
        Some(policy) if policy.dry_run => "dry_run",
        Some(_) => "on",
    }
}

fn score(standing: &Standing) -> Score {
    let offence = |mark: &Mark| OffenceEntry {
        cause: mark.cause.name().to_owned(),
        rule: (mark.rule != 0).then_some(mark.rule),
        age_seconds: mark.age.as_secs(),
    };
    Score {
        target: shown(standing.target),
        // What people read has two decimals.
        score: (standing.score * 100.0).round() / 100.0,
        threshold: standing.threshold,
        bans: standing.bans,
        banned_for_seconds: standing
            .banned_for
            .map(|left| u64::try_from(left.as_millis().div_ceil(1000)).unwrap_or(u64::MAX)),
        offences: standing.marks.iter().map(offence).collect(),
    }
}

fn entry(ban: &Ban, forwarded: bool) -> BanEntry {
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
        by_score: ban.by_score,
        repetition: ban.repetition,
        forwarded,
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

pub(super) fn lift(bans: &Bans, offences: &Offences, query: &str) -> Answer {
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
    // Whoever has been pardoned is not banned again for what is past.
    offences.forget(&target);
    let lifted = bans.del(target);
    let was_forwarded = offences.forwarded_bans().del(target);
    match lifted.and_then(|lifted| Ok(was_forwarded? || lifted)) {
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

pub(super) fn flush(bans: &Bans, offences: &Offences) -> Answer {
    offences.forget_all();
    let flushed = bans
        .flush()
        .and_then(|lifted| Ok(lifted + offences.forwarded_bans().flush()?));
    match flushed {
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
