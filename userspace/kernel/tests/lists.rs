//! Ban lists in the kernel: they take each other's place as a whole.

mod support;

use kernel::{Action, BanLimits, BanList, Bans, FileBan, Gate, GatePolicy};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::packet::Packet;
use support::{PinDir, kernel_path_is_there};

/// Targets of a list that takes a few batches: those named, and the rest of a network of its own.
fn list(named: &[&str], network: u8) -> Arc<BanList> {
    let rest = (0..6000).map(|n| format!("10.{network}.{}.{}", n / 250, n % 250));
    let prefixes = (0..3000).map(|n| format!("100.{network}.{}.{}/30", n / 60, n % 60 * 4));
    let v6 = (0..3000).map(|n| format!("fd00:{network:x}::{n:x}"));
    let named = named.iter().map(|&target| target.to_owned());
    let ban = |target: String| FileBan {
        target: kernel::parse_target(&target).expect("a target"),
        reason: "listed".into(),
    };
    let bans: Vec<FileBan> = named
        .chain(rest)
        .chain(prefixes)
        .chain(v6)
        .map(ban)
        .collect();
    Arc::new(BanList::new("list", &bans).expect("a list"))
}

fn roomy() -> Bans {
    Bans::new(BanLimits {
        addresses: 10_000,
        prefixes: 10_000,
    })
}

fn drops(gate: &Gate, source: &str) -> bool {
    let packet = if source.contains(':') {
        Packet::new().eth().ipv6(source)
    } else {
        Packet::new().eth().ipv4(source)
    };
    let result = gate.run(&packet.udp().build(), 1).expect("it runs");
    result.action == Action::Drop
}

#[test]
fn no_packet_sees_half_of_one_list_and_half_of_another() {
    if !kernel_path_is_there() {
        return;
    }
    let (pins, bans) = (PinDir::new(), roomy());
    let gate = pins.gate(&bans);
    // The first and the last of each map, and what both lists have.
    let both = ["1.0.0.9", "100.0.0.0/29", "fd00::9"];
    let a = list(
        &[&both[..], &["1.0.0.1", "223.0.0.0/24", "fdff::1"]].concat(),
        1,
    );
    let b = list(
        &[&both[..], &["1.0.0.2", "224.0.0.0/24", "fdff::2"]].concat(),
        2,
    );
    let first = [["1.0.0.1", "1.0.0.2"], ["10.1.0.0", "10.2.0.0"]];
    let last = [["223.0.0.1", "224.0.0.1"], ["fdff::1", "fdff::2"]];
    bans.replace_lists(&[Arc::clone(&a)]).expect("loaded");

    for round in 0..12 {
        let (new, to) = if round % 2 == 0 { (&b, 1) } else { (&a, 0) };
        let from = 1 - to;
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                bans.replace_lists(&[Arc::clone(new)]).expect("replaced");
                done.store(true, Ordering::Release);
            });
            let mut looks = 0;
            while !done.load(Ordering::Acquire) || looks == 0 {
                looks += 1;
                for (one, other) in first.iter().zip(&last) {
                    // Whoever sees the new list has seen the last of the old one, and the other way round.
                    assert!(!drops(&gate, one[to]) || !drops(&gate, other[from]));
                    assert!(!drops(&gate, other[to]) || !drops(&gate, one[from]));
                    assert!(drops(&gate, one[from]) || drops(&gate, other[to]));
                    assert!(drops(&gate, other[from]) || drops(&gate, one[to]));
                }
                for always in ["1.0.0.9", "100.0.0.1", "fd00::9"] {
                    assert!(drops(&gate, always), "{always} in round {round}");
                }
            }
        });
        for pair in first.iter().chain(&last) {
            assert!(
                drops(&gate, pair[to]) && !drops(&gate, pair[from]),
                "{pair:?}"
            );
        }
    }
}

#[test]
fn what_was_added_is_as_good_before_a_list_in_it_and_behind_it() {
    if !kernel_path_is_there() {
        return;
    }
    let (pins, bans) = (PinDir::new(), roomy());
    let gate = pins.gate(&bans);
    let target = kernel::parse_target("1.0.0.1").expect("a target");
    let ttl = Some(Duration::from_secs(600));
    bans.add(target, ttl, "mine").expect("banned");
    assert!(drops(&gate, "1.0.0.1"));
    bans.replace_lists(&[list(&["1.0.0.1"], 1)])
        .expect("loaded");
    let shown = bans.covering(target.addr());
    assert_eq!((shown.len(), &*shown[0].reason), (1, "listed"));
    assert_eq!(shown[0].source.as_deref(), Some("list"));

    bans.replace_lists(&[]).expect("emptied");
    assert!(drops(&gate, "1.0.0.1") && !drops(&gate, "10.1.0.0"));
    let shown = bans.covering(target.addr());
    assert_eq!((shown.len(), &*shown[0].reason), (1, "mine"));
    assert!(
        shown[0].remaining.is_some() && shown[0].packets == 2,
        "{shown:?}"
    );
}

#[test]
fn lists_that_find_no_room_change_nothing() {
    if !kernel_path_is_there() {
        return;
    }
    let pins = PinDir::new();
    let bans = Bans::new(BanLimits {
        addresses: 6002,
        prefixes: 10_000,
    });
    let gate = pins.gate(&bans);
    bans.replace_lists(&[list(&["1.0.0.1"], 1)])
        .expect("loaded");
    let more = bans.replace_lists(&[list(&["1.0.0.2", "1.0.0.3", "1.0.0.4"], 2)]);
    let words = more.expect_err("too many").to_string();
    assert!(
        words.contains("6003 IPv4 addresses") && words.contains("`kernel.bans.limit_addresses`"),
        "{words}"
    );
    assert!(drops(&gate, "1.0.0.1") && drops(&gate, "10.1.0.0") && !drops(&gate, "10.2.0.0"));
    // Old and new need places at one time, and have them.
    bans.replace_lists(&[list(&["1.0.0.2", "1.0.0.3"], 2)])
        .expect("as many as there are places");
    assert!(drops(&gate, "1.0.0.3") && !drops(&gate, "1.0.0.1"));
}

#[test]
fn lists_and_counters_outlive_the_process_and_other_limits() {
    if !kernel_path_is_there() {
        return;
    }
    let (pins, bans) = (PinDir::new(), roomy());
    let gate = pins.gate(&bans);
    bans.replace_lists(&[list(&["1.0.0.1"], 1)])
        .expect("loaded");
    bans.replace_lists(&[list(&["1.0.0.1"], 2)])
        .expect("loaded");
    assert!(drops(&gate, "1.0.0.1") && drops(&gate, "10.2.0.0"));
    drop((gate, bans));

    let bans = roomy();
    let gate = pins.gate(&bans);
    assert_eq!(bans.listed(), 12_001);
    assert!(drops(&gate, "1.0.0.1") && drops(&gate, "10.2.0.0") && !drops(&gate, "10.1.0.0"));
    let shown = bans.covering("1.0.0.1".parse().expect("an address"));
    assert_eq!((shown[0].packets, shown[0].from_file), (2, true));
    // The same list again writes nothing, so counters stay.
    bans.replace_lists(&[list(&["1.0.0.1"], 2)])
        .expect("loaded");
    let shown = bans.covering("1.0.0.1".parse().expect("an address"));
    assert_eq!(
        (shown[0].packets, shown[0].source.as_deref()),
        (2, Some("list"))
    );
    drop((gate, bans));

    let bans = Bans::new(BanLimits {
        addresses: 20_000,
        prefixes: 5_000,
    });
    let gate = pins.gate(&bans);
    assert!(drops(&gate, "1.0.0.1") && drops(&gate, "100.2.0.1") && !drops(&gate, "10.1.0.0"));
    assert_eq!(bans.listed(), 12_001);
}

/// As a process leaves them that dies while it replaces lists: what is new does not count yet, what leaves still does.
#[test]
fn a_replacement_that_was_cut_off_never_began() {
    use aya::maps::{HashMap, Map, MapData};
    if !kernel_path_is_there() {
        return;
    }
    let (pins, bans) = (PinDir::new(), roomy());
    let gate = pins.gate(&bans);
    bans.replace_lists(&[list(&["1.0.0.1", "1.0.0.2"], 1)])
        .expect("loaded");
    let data = MapData::from_pin(pins.0.join(abi::maps::BANS_V4)).expect("the map");
    let map = Map::from_map_data(data).expect("the map");
    let mut map: HashMap<_, [u8; 4], abi::Ban> = map.try_into().expect("a hash");
    let mut ban = map.get(&[1, 0, 0, 1], 0).expect("an entry");
    // The first list is generation 1.
    ban.lists = abi::Lists::until(1);
    map.insert([1, 0, 0, 1], ban, 0).expect("marked");
    ban.lists = abi::Lists::since(2);
    map.insert([1, 0, 0, 3], ban, 0).expect("staged");
    drop((gate, bans));

    let bans = roomy();
    let gate = pins.gate(&bans);
    for _ in 0..2 {
        assert!(drops(&gate, "1.0.0.1") && drops(&gate, "1.0.0.2") && !drops(&gate, "1.0.0.3"));
        // The next replacement neither ends the one nor begins the other.
        bans.replace_lists(&[list(&["1.0.0.1", "1.0.0.2"], 3)])
            .expect("loaded");
    }
    assert!(map.get(&[1, 0, 0, 3], 0).is_err());
}

#[test]
fn policies_leave_the_lists_alone() {
    if !kernel_path_is_there() {
        return;
    }
    let (pins, bans) = (PinDir::new(), roomy());
    let mut gate = pins.gate(&bans);
    bans.replace_lists(&[list(&["1.0.0.1"], 1)])
        .expect("loaded");
    bans.replace_lists(&[list(&["1.0.0.2"], 1)])
        .expect("loaded");
    let policy = GatePolicy {
        drop_fragments: true,
        ..GatePolicy::default()
    };
    gate.set_policy(&policy).expect("a policy");
    assert!(drops(&gate, "1.0.0.2") && !drops(&gate, "1.0.0.1"));
}
