//! The list without the kernel. What it does with it is tested in `tests/`.

use super::*;

fn net(text: &str) -> IpNet {
    parse_target(text).expect("a target")
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn file_bans(targets: &[&str]) -> Vec<FileBan> {
    let ban = |target: &&str| FileBan {
        target: net(target),
        reason: "file".into(),
    };
    targets.iter().map(ban).collect()
}

#[test]
fn bans_addresses_and_prefixes_of_both_versions() {
    let bans = Bans::new(BanLimits::default());
    for target in [
        "203.0.113.7",
        "198.51.100.0/24",
        "2001:db8::7",
        "2001:db8:1::/48",
    ] {
        assert_eq!(bans.add(net(target), None, "").expect(target), Added::New);
    }
    for (address, banned) in [
        ("203.0.113.7", true),
        ("203.0.113.8", false),
        ("::ffff:203.0.113.7", true),
        ("198.51.100.255", true),
        ("198.51.101.0", false),
        ("2001:db8::7", true),
        ("2001:db8::8", false),
        ("2001:db8:1:ffff::1", true),
        ("2001:db8:2::1", false),
    ] {
        assert_eq!(bans.contains(ip(address)), banned, "{address}");
    }
    assert!(!bans.in_kernel());
}

#[test]
fn a_ban_ends_with_its_time() {
    let bans = Bans::new(BanLimits::default());
    let soon = Some(Duration::from_millis(30));
    bans.add(net("203.0.113.7"), soon, "short").expect("added");
    bans.add(net("198.51.100.0/24"), soon, "short")
        .expect("added");
    assert!(bans.contains(ip("203.0.113.7")) && bans.contains(ip("198.51.100.1")));
    assert!(
        bans.list()[0]
            .remaining
            .is_some_and(|left| left <= Duration::from_millis(30))
    );

    std::thread::sleep(Duration::from_millis(40));
    assert!(!bans.contains(ip("203.0.113.7")) && !bans.contains(ip("198.51.100.1")));
    assert!(bans.list().is_empty());
    assert_eq!(bans.len(), 2, "they wait for the sweep");
    assert_eq!(bans.sweep().expect("swept"), 2);
    assert!(bans.is_empty());
}

#[test]
fn a_shorter_prefix_still_holds_behind_an_expired_one() {
    let bans = Bans::new(BanLimits::default());
    let soon = Some(Duration::from_nanos(1));
    bans.add(net("198.51.100.0/24"), soon, "").expect("added");
    bans.add(net("198.51.0.0/16"), None, "").expect("added");
    assert!(bans.contains(ip("198.51.100.1")));
}

#[test]
fn adding_again_updates() {
    let bans = Bans::new(BanLimits::default());
    let target = net("203.0.113.7");
    bans.add(target, Some(Duration::from_secs(9)), "first")
        .expect("added");
    assert_eq!(
        bans.add(target, None, "second").expect("added"),
        Added::Updated
    );
    let list = bans.list();
    assert_eq!((list.len(), list[0].remaining), (1, None));
    assert_eq!(list[0].reason, "second");
}

#[test]
fn refuses_what_makes_no_sense() {
    let bans = Bans::new(BanLimits::default());
    let everybody = "0.0.0.0/0".parse().expect("a prefix");
    assert!(matches!(
        bans.add(everybody, None, ""),
        Err(BanError::Target(_))
    ));
    let zero = bans.add(net("203.0.113.7"), Some(Duration::ZERO), "");
    assert!(matches!(zero, Err(BanError::ZeroTtl { .. })));
    assert!(!bans.del(net("203.0.113.7")).expect("no error"));
}

#[test]
fn a_full_list_makes_room_by_expiry_only() {
    let bans = Bans::new(BanLimits {
        addresses: 2,
        prefixes: 1,
    });
    bans.add(net("203.0.113.1"), None, "").expect("added");
    bans.add(net("203.0.113.2"), Some(Duration::from_millis(20)), "")
        .expect("added");
    let refused = bans.add(net("203.0.113.3"), None, "");
    assert!(matches!(refused, Err(BanError::Full { limit: 2, .. })));
    assert_eq!(bans.refused(), 1);
    // Kinds do not take each other's places.
    bans.add(net("2001:db8::1"), None, "").expect("added");
    bans.add(net("198.51.100.0/24"), None, "").expect("added");

    std::thread::sleep(Duration::from_nanos(SEARCH_GAP_NS));
    assert_eq!(
        bans.add(net("203.0.113.3"), None, "").expect("room"),
        Added::New
    );
}

#[test]
fn flush_lifts_what_was_added_and_leaves_what_files_say() {
    let bans = Bans::new(BanLimits::default());
    bans.replace_file_bans(&file_bans(&["198.51.100.0/24"]))
        .expect("file");
    bans.add(net("203.0.113.7"), None, "").expect("added");
    assert_eq!(bans.flush().expect("flushed"), 1);
    let left: Vec<IpNet> = bans.list().into_iter().map(|ban| ban.target).collect();
    assert_eq!(left, [net("198.51.100.0/24")]);
}

#[test]
fn file_bans_follow_the_file() {
    let bans = Bans::new(BanLimits::default());
    bans.add(net("203.0.113.9"), None, "mine").expect("added");
    let change = bans
        .replace_file_bans(&file_bans(&["203.0.113.1", "203.0.113.2"]))
        .expect("file");
    assert_eq!((change.added, change.removed), (2, 0));
    let change = bans
        .replace_file_bans(&file_bans(&["203.0.113.2", "203.0.113.3"]))
        .expect("file");
    assert_eq!((change.added, change.removed), (1, 1));
    assert!(!bans.contains(ip("203.0.113.1")) && bans.contains(ip("203.0.113.9")));

    // A ban that a file makes cannot be weakened or lifted by hand.
    let short = Some(Duration::from_secs(1));
    assert_eq!(
        bans.add(net("203.0.113.2"), short, "").expect("kept"),
        Added::InFile
    );
    assert!(matches!(
        bans.del(net("203.0.113.2")),
        Err(BanError::FromFile { .. })
    ));
}

#[test]
fn file_bans_beyond_the_limit_change_nothing() {
    let bans = Bans::new(BanLimits {
        addresses: 2,
        prefixes: 1,
    });
    bans.replace_file_bans(&file_bans(&["203.0.113.1", "203.0.113.2"]))
        .expect("file");
    let error = bans.replace_file_bans(&file_bans(&["203.0.113.2", "203.0.113.3", "203.0.113.4"]));
    let error = error.expect_err("too many").to_string();
    assert!(
        error.contains(
            "3 IPv4 addresses, and the table holds 2; raise `kernel.bans.limit_addresses`"
        ),
        "{error}"
    );
    assert!(bans.contains(ip("203.0.113.1")) && !bans.contains(ip("203.0.113.3")));
    // As many as leave may come.
    bans.replace_file_bans(&file_bans(&["203.0.113.3", "203.0.113.4"]))
        .expect("file");
}

#[test]
fn covering_names_the_narrowest_first() {
    let bans = Bans::new(BanLimits::default());
    for target in [
        "198.0.0.0/8",
        "198.51.100.7",
        "198.51.100.0/24",
        "203.0.113.0/24",
    ] {
        bans.add(net(target), None, "").expect("added");
    }
    let lengths: Vec<u8> = bans
        .covering(ip("198.51.100.7"))
        .iter()
        .map(|ban| ban.target.prefix_len())
        .collect();
    assert_eq!(lengths, [32, 24, 8]);
}
