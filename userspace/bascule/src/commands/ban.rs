//! `bascule ban`

use crate::arguments::Ban;
use crate::duration;
use crate::failure::Failure;
use crate::instance;
use crate::output::{Output, table};
use control::admin::{
    BanAdded, BanEntry, BanList, BanListLoaded, BanListStatus, BanLists, BanRequest, BanResult,
    BanShown, OffenceEntry, SampleEntry, Score, ScoreList,
};
use std::io::{self, Read};
use std::path::Path;

pub(super) fn ban(ban: Ban, output: &Output) -> Result<(), Failure> {
    match ban {
        Ban::Add {
            target,
            ttl,
            reason,
            place,
        } => {
            let request = BanRequest {
                target,
                ttl_seconds: ttl.map(|ttl| ttl.as_secs()),
                reason,
            };
            let added = instance::client(&place).ban(&request)?;
            output.result(&added, || added_as_text(&added, request.ttl_seconds))
        }
        Ban::Del { target, place } => {
            let lifted = instance::client(&place).lift(&target)?;
            output.result(&lifted, || {
                format!("{} is not banned any more\n", lifted.target)
            })
        }
        Ban::List { place } => {
            let list = instance::client(&place).bans()?;
            output.result(&list, || as_text(&list))
        }
        Ban::Show { address, place } => {
            let shown = instance::client(&place).ban_of(&address)?;
            output.result(&shown, || shown_as_text(&shown))
        }
        Ban::Load { file, name, place } => {
            let (text, usual) = read(&file)?;
            let name = name.unwrap_or(usual);
            let loaded = instance::client(&place).load_ban_list(&name, text)?;
            output.result(&loaded, || {
                let (name, bans) = (&loaded.name, loaded.bans);
                format!("{name}: {bans} bans; {}\n", changed(&loaded))
            })
        }
        Ban::Unload { name, place } => {
            let unloaded = instance::client(&place).unload_ban_list(&name)?;
            output.result(&unloaded, || {
                format!("{} is unloaded; {}\n", unloaded.name, changed(&unloaded))
            })
        }
        Ban::Lists { place } => {
            let lists = instance::client(&place).ban_lists()?;
            output.result(&lists, || lists_as_text(&lists))
        }
        Ban::Scores { limit, place } => {
            let list = instance::client(&place).scores(limit)?;
            output.result(&list, || scores_as_text(&list))
        }
        Ban::Flush { place } => {
            let flushed = instance::client(&place).flush()?;
            output.result(&flushed, || match (flushed.lifted, flushed.kept) {
                (lifted, 0) => format!("{lifted} bans lifted\n"),
                (lifted, kept) => {
                    format!("{lifted} bans lifted; {kept} stay, because ban lists have them\n")
                }
            })
        }
    }
}

/// The text of a list, and the name that it has where none is given.
fn read(file: &Path) -> Result<(Vec<u8>, String), Failure> {
    let cannot = |error: io::Error| Failure::BanList {
        file: file.display().to_string(),
        error,
    };
    if file == Path::new("-") {
        let mut text = Vec::new();
        io::stdin().read_to_end(&mut text).map_err(cannot)?;
        return Ok((text, "stdin".to_owned()));
    }
    let text = std::fs::read(file).map_err(cannot)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    Ok((text, name.into_owned()))
}

fn changed(loaded: &BanListLoaded) -> String {
    format!("{} new, {} gone", loaded.added, loaded.removed)
}

fn lists_as_text(lists: &BanLists) -> String {
    if lists.lists.is_empty() {
        return "no ban lists; name some in kernel.bans, or load one with `bascule ban load`\n"
            .to_owned();
    }
    let row = |list: &BanListStatus| {
        let age = list.age_seconds.map_or_else(
            || "never".to_owned(),
            |age| format!("{} ago", duration::show(age)),
        );
        [
            list.name.clone(),
            list.kind.clone(),
            list.bans.to_string(),
            age,
            list.error.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = lists.lists.iter().map(row).collect();
    table(["LIST", "KIND", "BANS", "READ", "ERROR"], &rows)
}

fn added_as_text(added: &BanAdded, ttl_seconds: Option<u64>) -> String {
    let target = &added.target;
    let until = ttl_seconds.map_or_else(
        || "without end".to_owned(),
        |seconds| format!("for {}", duration::show(seconds)),
    );
    let place = if added.in_kernel {
        "packets are dropped in XDP"
    } else {
        "connections are closed at accept"
    };
    match added.result {
        BanResult::New => format!("{target} is banned {until}; {place}\n"),
        BanResult::Updated => format!("{target} was banned already, now {until}; {place}\n"),
        BanResult::InFile => {
            format!("{target} is banned by a ban list, without end; {place}\n")
        }
    }
}

fn shown_as_text(shown: &BanShown) -> String {
    let mut text = verdict_as_text(shown);
    for score in &shown.scores {
        text.push_str(&score_as_text(score));
    }
    text
}

fn score_as_text(score: &Score) -> String {
    let of = match score.threshold {
        Some(threshold) => format!(" of {threshold}"),
        None => String::new(),
    };
    let bans = match score.bans {
        0 => String::new(),
        1 => ", 1 ban remembered".to_owned(),
        bans => format!(", {bans} bans remembered"),
    };
    let mut text = format!("score of {}: {}{of}{bans}\n", score.target, score.score);
    for offence in &score.offences {
        let ago = duration::show(offence.age_seconds);
        text.push_str(&format!("  {} {ago} ago\n", offence_as_text(offence)));
    }
    text
}

fn offence_as_text(offence: &OffenceEntry) -> String {
    match offence.rule {
        Some(rule) => format!("{} (rule {rule})", offence.cause),
        None => offence.cause.clone(),
    }
}

fn scores_as_text(list: &ScoreList) -> String {
    let mode = match list.mode.as_str() {
        "off" => return "no scores are kept: `auto_ban` is not configured\n".to_owned(),
        "dry_run" => "dry run, nobody is banned by score",
        _ => "bans follow from scores",
    };
    let (addresses, prefixes) = (list.addresses, list.prefixes);
    let head = format!("{mode}; {addresses} addresses and {prefixes} prefixes have a score\n");
    if list.scores.is_empty() {
        return head;
    }
    let row = |score: &Score| {
        let last = score.offences.first();
        [
            score.target.clone(),
            score.score.to_string(),
            score
                .threshold
                .map_or_else(|| "never".to_owned(), |threshold| threshold.to_string()),
            score.bans.to_string(),
            score
                .banned_for_seconds
                .map_or_else(String::new, duration::show),
            last.map_or_else(String::new, offence_as_text),
        ]
    };
    let rows: Vec<_> = list.scores.iter().map(row).collect();
    let columns = ["TARGET", "SCORE", "BANNED AT", "BANS", "BANNED FOR", "LAST"];
    format!("{head}{}", table(columns, &rows))
}

fn verdict_as_text(shown: &BanShown) -> String {
    let address = &shown.address;
    let place = if shown.in_kernel {
        "packets are dropped in XDP"
    } else {
        "connections are closed at accept"
    };
    let samples = samples_as_text(&shown.samples);
    let verdict = match (shown.bans.is_empty(), shown.allowed) {
        (true, false) => return format!("{address} is not banned\n{samples}"),
        (true, true) => {
            return format!(
                "{address} is not banned, and on the allow list (kernel.allow)\n{samples}"
            );
        }
        (false, true) => {
            format!("{address} is on the allow list (kernel.allow), so these have no effect:\n")
        }
        (false, false) => format!("{address} is banned; {place}\n"),
    };
    format!("{verdict}{}{samples}", bans_as_text(&shown.bans))
}

fn samples_as_text(samples: &[SampleEntry]) -> String {
    if samples.is_empty() {
        return String::new();
    }
    let row = |sample: &SampleEntry| {
        [
            format!("{} ago", duration::show(sample.age_ms / 1000)),
            sample.ban.clone().unwrap_or_default(),
            sample.reason.clone(),
            sample.bytes.to_string(),
            sample.headers.clone(),
        ]
    };
    let rows: Vec<_> = samples.iter().map(row).collect();
    let table = table(["WHEN", "BAN", "DROPPED BY", "BYTES", "PACKET"], &rows);
    format!("\nthe last packets that were sampled:\n{table}")
}

fn as_text(list: &BanList) -> String {
    if list.bans.is_empty() {
        return "nobody is banned\n".to_owned();
    }
    bans_as_text(&list.bans)
}

fn bans_as_text(bans: &[BanEntry]) -> String {
    let row = |ban: &BanEntry| {
        let left = ban
            .remaining_seconds
            .map_or_else(|| "no end".to_owned(), duration::show);
        let origin = match &ban.source {
            Some(source) => source.clone(),
            None if ban.from_file => "list".to_owned(),
            None if ban.by_score && ban.repetition > 1 => format!("score, no. {}", ban.repetition),
            None if ban.by_score => "score".to_owned(),
            None => "added".to_owned(),
        };
        let dropped = match ban.forwarded {
            true => "by proxy".to_owned(),
            false => ban.packets.to_string(),
        };
        [
            ban.target.clone(),
            left,
            format!("{} ago", duration::show(ban.age_seconds)),
            origin,
            dropped,
            ban.reason.clone(),
        ]
    };
    let rows: Vec<_> = bans.iter().map(row).collect();
    table(
        ["TARGET", "ENDS IN", "SINCE", "FROM", "DROPPED", "REASON"],
        &rows,
    )
}
