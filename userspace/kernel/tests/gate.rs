//! The gate on a real interface, in namespaces of each test's own.

mod support;

use kernel::{
    AttachError, Attachment, BanLimits, Bans, Gate, GatePolicy, GateSpec, Mode, PacketReason,
    UsedMode,
};
use std::net::IpAddr;
use std::time::Duration;
use support::maps::{ARRAY, HASH, LPM_TRIE, NO_PREALLOC, make_map};
use support::namespace::{CLIENTS, Cable, INTERFACE};
use support::{PinDir, bans, kernel_path_is_there};

const CLIENT: &str = CLIENTS[0];
const OTHER: &str = CLIENTS[1];
const CLIENT_V6: &str = CLIENTS[2];

fn ban(bans: &Bans, target: &str, ttl: Option<Duration>) {
    let target = kernel::parse_target(target).expect("a target");
    bans.add(target, ttl, "test").expect("banned");
}

/// A cable, a pin folder and an empty list; none where the host cannot run the test, which says why.
fn set_up() -> Option<(Cable, PinDir, Bans)> {
    if !kernel_path_is_there() {
        return None;
    }
    Some((Cable::new()?, PinDir::new(), bans()))
}

fn dropped(gate: &Gate, reason: PacketReason) -> u64 {
    gate.counters().sum(reason).expect("counters").packets
}

fn attach(cable: &Cable, pins: &PinDir, bans: &Bans) -> Result<Gate, AttachError> {
    cable.at_gate(|| pins.attach(&[INTERFACE], bans))
}

fn attachment(mode: UsedMode, adopted: bool) -> Attachment {
    Attachment {
        interface: INTERFACE.to_owned(),
        mode,
        adopted,
    }
}

#[test]
fn bans_drop_on_the_wire_and_end_with_their_time() {
    let Some((cable, pins, bans)) = set_up() else {
        return;
    };
    let gate = attach(&cable, &pins, &bans).expect("attached");
    assert_eq!(gate.attachments(), [attachment(UsedMode::Driver, false)]);
    for client in CLIENTS {
        assert!(cable.arrives_from(client), "{client} before any ban");
    }

    ban(&bans, CLIENT, Some(Duration::from_secs(2)));
    ban(&bans, CLIENT_V6, None);
    assert!(cable.is_cut_off(CLIENT));
    assert!(cable.is_cut_off(CLIENT_V6));
    assert!(cable.arrives_from(OTHER));
    assert!(dropped(&gate, PacketReason::DropExactV4) >= 1);
    assert!(dropped(&gate, PacketReason::DropExactV6) >= 1);

    std::thread::sleep(Duration::from_secs(2));
    assert!(cable.arrives_from(CLIENT), "the ban has ended");
    assert!(dropped(&gate, PacketReason::PassExpired) >= 1);
}

#[test]
fn drops_go_on_without_the_process_and_are_adopted() {
    let Some((cable, pins, first)) = set_up() else {
        return;
    };
    let gate = attach(&cable, &pins, &first).expect("attached");
    ban(&first, CLIENT, Some(Duration::from_secs(600)));
    ban(&first, "fd99::/126", None);
    // As where the process dies: nothing is detached.
    drop((gate, first));
    assert!(cable.is_cut_off(CLIENT), "drops go on");
    assert!(cable.is_cut_off(CLIENT_V6), "drops go on");

    let second = bans();
    let gate = attach(&cable, &pins, &second).expect("attached again");
    assert_eq!(gate.attachments(), [attachment(UsedMode::Driver, true)]);
    let list = second.list();
    assert_eq!(list.len(), 2);
    assert_eq!(list[0].reason, "test");
    assert!(
        list[0]
            .remaining
            .is_some_and(|left| left > Duration::from_secs(500))
    );
    assert!(second.contains(CLIENT.parse::<IpAddr>().expect("an address")));
    assert!(
        dropped(&gate, PacketReason::DropExactV4) >= 1,
        "counters go on"
    );
    assert!(cable.is_cut_off(CLIENT));

    assert_eq!(second.flush().expect("flushed"), 2);
    assert!(cable.arrives_from(CLIENT) && cable.arrives_from(CLIENT_V6));
}

#[test]
fn detaching_takes_everything_down() {
    let Some((cable, pins, bans)) = set_up() else {
        return;
    };
    let gate = attach(&cable, &pins, &bans).expect("attached");
    ban(&bans, CLIENT, None);
    assert!(cable.is_cut_off(CLIENT) && bans.in_kernel());
    gate.detach().expect("detached");
    assert!(cable.arrives_from(CLIENT));
    assert!(!pins.0.exists());
    // The list stands alone now.
    assert!(!bans.in_kernel() && bans.contains(CLIENT.parse::<IpAddr>().expect("an address")));
}

#[test]
fn other_limits_move_the_bans_to_new_maps() {
    let Some((cable, pins, first)) = set_up() else {
        return;
    };
    let gate = attach(&cable, &pins, &first).expect("attached");
    ban(&first, CLIENT, None);
    ban(&first, "fd99::/126", None);
    drop((gate, first));

    let larger = Bans::new(BanLimits {
        addresses: 1000,
        prefixes: 500,
    });
    let gate = attach(&cable, &pins, &larger).expect("attached");
    assert_eq!(gate.attachments(), [attachment(UsedMode::Driver, true)]);
    assert_eq!(larger.list().len(), 2);
    assert!(cable.is_cut_off(CLIENT) && cable.is_cut_off(CLIENT_V6));
    assert!(
        larger
            .del(kernel::parse_target(CLIENT).expect("a target"))
            .expect("lifted")
    );
    assert!(
        cable.arrives_from(CLIENT),
        "the new maps are the ones that the program reads"
    );
    drop((gate, larger));

    // Fewer places than bans: refused, and the old maps go on.
    let none = Bans::new(BanLimits {
        addresses: 1000,
        prefixes: 1,
    });
    ban(&none, "192.0.2.0/24", None);
    ban(&none, "2001:db8::/32", None);
    assert!(attach(&cable, &pins, &none).is_err());
    assert!(cable.is_cut_off(CLIENT_V6), "drops go on");
}

#[test]
fn one_instance_a_pin_folder_and_one_program_an_interface() {
    let Some((cable, pins, first)) = set_up() else {
        return;
    };
    let others = PinDir::new();
    let _gate = attach(&cable, &pins, &first).expect("attached");
    let same = attach(&cable, &pins, &bans()).err();
    assert!(matches!(same, Some(AttachError::InUse { .. })), "{same:?}");
    let other = attach(&cable, &others, &bans()).err();
    assert!(
        matches!(other, Some(AttachError::Occupied { .. })),
        "{other:?}"
    );
}

#[test]
fn an_interface_that_was_made_anew_gets_a_link_of_its_own() {
    let Some((cable, pins, first)) = set_up() else {
        return;
    };
    drop(attach(&cable, &pins, &first).expect("attached"));
    cable.unplug();
    cable.plug();
    let second = bans();
    let gate = attach(&cable, &pins, &second).expect("attached");
    assert_eq!(gate.attachments(), [attachment(UsedMode::Driver, false)]);
    ban(&second, CLIENT, None);
    assert!(cable.is_cut_off(CLIENT));
}

#[test]
fn a_driver_without_xdp_gets_generic_mode() {
    let Some((cable, pins, bans)) = set_up() else {
        return;
    };
    let mut gate = cable
        .at_gate(|| pins.attach(&["lo"], &bans))
        .expect("attached");
    assert_eq!(gate.attachments()[0].mode, UsedMode::Generic);

    let lo = ["lo".to_owned()];
    let refused = cable
        .at_gate(|| gate.set_interfaces(&lo, Mode::Driver))
        .err();
    assert!(
        matches!(refused, Some(AttachError::Refused { .. })),
        "{refused:?}"
    );

    assert_eq!(gate.attachments()[0].mode, UsedMode::Generic, "as it was");

    let veth = [INTERFACE.to_owned()];
    cable
        .at_gate(|| gate.set_interfaces(&veth, Mode::Generic))
        .expect("attached");
    assert_eq!(gate.attachments(), [attachment(UsedMode::Generic, false)]);
    ban(&bans, CLIENT, None);
    assert!(cable.is_cut_off(CLIENT), "generic mode drops too");
}

#[test]
fn a_lost_pin_and_a_name_given_twice_do_no_harm() {
    let Some((cable, pins, bans)) = set_up() else {
        return;
    };
    let mut gate = attach(&cable, &pins, &bans).expect("attached");
    std::fs::remove_file(pins.0.join("xdp-driver-veth0")).expect("the pin");
    let twice = [INTERFACE.to_owned(), INTERFACE.to_owned()];
    let again = cable.at_gate(|| gate.set_interfaces(&twice, Mode::Auto));
    again.expect("attached again");
    assert_eq!(gate.attachments(), [attachment(UsedMode::Driver, false)]);
    assert!(pins.0.join("xdp-driver-veth0").exists());

    cable
        .at_gate(|| gate.set_interfaces(&[], Mode::Auto))
        .expect("detached");
    ban(&bans, CLIENT, None);
    assert!(gate.attachments().is_empty() && cable.arrives_from(CLIENT));
}

#[test]
fn what_is_not_there_is_named() {
    if !kernel_path_is_there() {
        return;
    }
    let (pins, bans) = (PinDir::new(), bans());
    let error = pins.attach(&["nope0"], &bans).err().expect("refused");
    assert!(
        error.to_string().contains("no interface `nope0`"),
        "{error}"
    );

    let spec = GateSpec {
        interfaces: Vec::new(),
        mode: Mode::Auto,
        pin_dir: std::env::temp_dir(),
        policy: GatePolicy::default(),
    };
    let error = Gate::attach(&spec, &bans).err().expect("refused");
    assert!(matches!(error, AttachError::NoBpffs { .. }), "{error}");
}

/// A ban as versions 1 and 2 wrote it: without end, made a second after boot.
fn old_ban(length: u8, reason: &str) -> Vec<u8> {
    let mut ban = vec![0; 64];
    ban[8..16].copy_from_slice(&1_000_000_000_u64.to_ne_bytes());
    ban[16] = length;
    ban[18] = reason.len() as u8;
    ban[24..24 + reason.len()].copy_from_slice(reason.as_bytes());
    ban
}

const LONG_REASON: &str = "a reason of forty bytes, as it was kept.";

/// One ban in each map.
fn make_old_bans(folder: &std::path::Path) {
    let v4: std::net::Ipv4Addr = CLIENT.parse().expect("an address");
    make_map(
        &folder.join("BANS_V4"),
        HASH,
        NO_PREALLOC,
        &v4.octets(),
        &old_ban(32, "scanner"),
    );
    make_map(
        &folder.join("BANS_V6"),
        HASH,
        NO_PREALLOC,
        &[0xfe; 16],
        &old_ban(128, LONG_REASON),
    );
    make_map(
        &folder.join("PREFIX_BANS_V4"),
        LPM_TRIE,
        NO_PREALLOC,
        &[24, 0, 0, 0, 203, 0, 113, 0],
        &old_ban(24, ""),
    );
    let mut prefix = vec![126, 0, 0, 0];
    let v6: std::net::Ipv6Addr = "fd99::".parse().expect("an address");
    prefix.extend(v6.octets());
    make_map(
        &folder.join("PREFIX_BANS_V6"),
        LPM_TRIE,
        NO_PREALLOC,
        &prefix,
        &old_ban(126, "crawler"),
    );
}

#[test]
fn bans_of_the_first_layout_are_read_over() {
    expect_bans_of(1);
}

#[test]
fn bans_of_the_second_layout_are_read_over() {
    expect_bans_of(2);
}

/// Bans of an older layout are read over, and a strange one is refused.
fn expect_bans_of(layout: u32) {
    let Some((cable, pins, bans)) = set_up() else {
        return;
    };
    // The folder of an older version: it must have been made by the file system's owner.
    drop(attach(&cable, &pins, &bans).expect("attached"));
    kernel::remove_pins(&pins.0).expect("removed");
    std::fs::create_dir(&pins.0).expect("a folder");
    let make = |version: u32| {
        let version = version.to_ne_bytes();
        make_map(&pins.0.join("ABI_VERSION"), ARRAY, 0, &[0; 4], &version);
    };
    make(layout);
    make_old_bans(&pins.0);

    let gate = attach(&cable, &pins, &bans).expect("attached");
    let list = bans.list();
    let shown: Vec<(String, &str)> = list
        .iter()
        .map(|ban| (ban.target.to_string(), ban.reason.as_str()))
        .collect();
    assert_eq!(shown.len(), 4, "{shown:?}");
    assert!(
        shown.contains(&(format!("{CLIENT}/32"), "scanner")),
        "{shown:?}"
    );
    assert!(
        shown.contains(&("203.0.113.0/24".to_owned(), "")),
        "{shown:?}"
    );
    assert!(
        shown.contains(&("fd99::/126".to_owned(), "crawler")),
        "{shown:?}"
    );
    assert!(
        shown
            .iter()
            .any(|(_, reason)| *reason == &LONG_REASON[..36]),
        "{shown:?}"
    );
    assert!(cable.is_cut_off(CLIENT) && cable.is_cut_off(CLIENT_V6));
    assert!(cable.arrives_from(OTHER));
    drop(gate);

    std::fs::remove_file(pins.0.join("ABI_VERSION")).expect("removed");
    make(99);
    let error = attach(&cable, &pins, &support::bans())
        .err()
        .expect("refused");
    assert!(
        matches!(error, AttachError::AbiMismatch { found: 99, .. }),
        "{error}"
    );
    assert!(cable.is_cut_off(CLIENT), "drops go on");
}
