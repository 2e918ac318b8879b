//! What ban lists of a million entries cost: `cargo run --release -p bascule-kernel --example ban_lists`, as root. For each
//! kind of targets it reads a list as from a file, loads it into the kernel, replaces it, and prints times and memory.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "it is a tool for people"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use kernel::{BanLimits, BanList, Bans};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Instant;
use support::PinDir;

const BANS: u32 = 1_000_000;

/// The target of a number.
type Target = fn(u32) -> String;

/// The kinds of targets: one of each number, spread as real lists are.
const KINDS: [(&str, Target); 4] = [
    ("IPv4 addresses", |number| {
        Ipv4Addr::from_bits(spread(number)).to_string()
    }),
    ("IPv6 addresses", |number| {
        let network = 0x2001_0db8 << 96 | u128::from(spread(number)) << 64;
        Ipv6Addr::from_bits(network | u128::from(number)).to_string()
    }),
    ("IPv4 prefixes", |number| {
        // A million /24 and smaller ones, some within others.
        let length = 20 + number % 12;
        let mask = u32::MAX << (32 - length);
        format!("{}/{length}", Ipv4Addr::from_bits(spread(number) & mask))
    }),
    ("IPv6 prefixes", |number| {
        let network = 0x2001_0db8 << 96 | u128::from(spread(number)) << 64;
        format!("{}/64", Ipv6Addr::from_bits(network))
    }),
];

/// A number for each number, all over the address space and in no order.
fn spread(number: u32) -> u32 {
    number.wrapping_mul(0x9e37_79b1)
}

fn main() {
    if !support::kernel_path_is_there() {
        return;
    }
    println!(
        "seconds (of them on a CPU)\nkind               list   read  load          again         half of it replaced       kernel"
    );
    for (name, target) in KINDS {
        let pins = PinDir::new();
        let bans = Bans::new(BanLimits::default());
        let gate = pins.gate(&bans);
        let empty = memory_mb();
        let text = text(target, 0);
        let begun = Instant::now();
        let parsed = kernel::parse_ban_file(&text, "list.txt").expect("a list");
        let list = Arc::new(BanList::new("list.txt", &parsed).expect("a list"));
        let read = begun.elapsed();
        drop(parsed);

        let timed = |list: &Arc<BanList>| {
            let (begun, cpu_begun) = (Instant::now(), cpu_s());
            let change = bans.replace_lists(&[Arc::clone(list)]).expect("loaded");
            let shown = format!(
                "{:.2}s ({:.2})",
                begun.elapsed().as_secs_f32(),
                cpu_s() - cpu_begun
            );
            (shown, change)
        };
        let (load, _) = timed(&list);
        let full = memory_mb();
        let (again, _) = timed(&list);
        let next = kernel::parse_ban_file(&self::text(target, BANS / 2), "list.txt");
        let next = BanList::new("list.txt", &next.expect("a list")).expect("a list");
        let (replace, change) = timed(&Arc::new(next));
        println!(
            "{name:<15} {:>7} {:>5.2}s  {load}  {again}  {replace} +{} -{}   {empty} MB empty, {full} MB full",
            list.len(),
            read.as_secs_f32(),
            change.added,
            change.removed,
        );
        drop(gate);
    }
}

fn text(target: Target, from: u32) -> String {
    let mut text = String::new();
    for number in from..from + BANS {
        writeln!(text, "{}", target(number)).expect("a string");
    }
    text
}

/// Seconds of a CPU that this thread has used, here and in the kernel: they last where others want the CPU too.
fn cpu_s() -> f32 {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").expect("schedstat");
    let used_ns = stat
        .split_whitespace()
        .next()
        .and_then(|ns| ns.parse::<u64>().ok());
    used_ns.unwrap_or(0) as f32 / 1e9
}

/// What the kernel's maps take, as it says itself.
fn memory_mb() -> u64 {
    let mut maps = BTreeMap::new();
    for entry in fs::read_dir("/proc/self/fdinfo").expect("fdinfo").flatten() {
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|number| number.trim().parse::<u64>().ok())
        };
        if let (Some(id), Some(bytes)) = (field("map_id:"), field("memlock:")) {
            maps.insert(id, bytes);
        }
    }
    maps.values().sum::<u64>() >> 20
}
