//! `bascule ban`

use crate::arguments::Ban;
use crate::duration;
use crate::failure::Failure;
use crate::instance;
use crate::output::{Output, table};
use control::admin::{BanEntry, BanList, BanRequest, BanResult, BanShown};

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
            output.result(&added, || {
                let target = &added.target;
                let until = request.ttl_seconds.map_or_else(
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
                    BanResult::Updated => {
                        format!("{target} was banned already, now {until}; {place}\n")
                    }
                    BanResult::InFile => {
                        format!("{target} is banned by a ban file, without end; {place}\n")
                    }
                }
            })
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
        Ban::Flush { place } => {
            let flushed = instance::client(&place).flush()?;
            output.result(&flushed, || match (flushed.lifted, flushed.kept) {
                (lifted, 0) => format!("{lifted} bans lifted\n"),
                (lifted, kept) => {
                    format!("{lifted} bans lifted; {kept} stay, because ban files name them\n")
                }
            })
        }
    }
}

fn shown_as_text(shown: &BanShown) -> String {
    let address = &shown.address;
    let place = if shown.in_kernel {
        "packets are dropped in XDP"
    } else {
        "connections are closed at accept"
    };
    let verdict = match (shown.bans.is_empty(), shown.allowed) {
        (true, false) => return format!("{address} is not banned\n"),
        (true, true) => {
            return format!("{address} is not banned, and on the allow list (kernel.allow)\n");
        }
        (false, true) => {
            format!("{address} is on the allow list (kernel.allow), so these have no effect:\n")
        }
        (false, false) => format!("{address} is banned; {place}\n"),
    };
    format!("{verdict}{}", bans_as_text(&shown.bans))
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
        let origin = if ban.from_file { "file" } else { "added" };
        [
            ban.target.clone(),
            left,
            format!("{} ago", duration::show(ban.age_seconds)),
            origin.to_owned(),
            ban.packets.to_string(),
            ban.reason.clone(),
        ]
    };
    let rows: Vec<_> = bans.iter().map(row).collect();
    table(
        ["TARGET", "ENDS IN", "SINCE", "FROM", "DROPPED", "REASON"],
        &rows,
    )
}
