//! The wall clock jumps, forwards and back: bans last as long as they were meant to.
//!
//! It is everybody's clock, so this runs where somebody says that it may: in a virtual machine (`cargo xtask vm`).
#![allow(clippy::print_stdout, reason = "a test that is skipped says so")]
#![allow(unsafe_code, reason = "the clock is set by a system call")]

mod support;

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use support::namespace::{CLIENTS, Cable, INTERFACE};
use support::{PinDir, bans, kernel_path_is_there};

/// Says that this machine's clock may be set.
const VARIABLE: &str = "BASCULE_MAY_SET_CLOCK";
const DAY: i64 = 86_400;

/// Moves the wall clock by so many seconds.
fn jump(seconds: i64) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("a clock behind 1970").as_secs();
    let to = libc::timespec {
        tv_sec: i64::try_from(now).expect("a time") + seconds,
        tv_nsec: 0,
    };
    // SAFETY: the struct is ours and outlives the call.
    let result = unsafe { libc::clock_settime(libc::CLOCK_REALTIME, &raw const to) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn bans_last_as_long_as_they_were_meant_to() {
    if std::env::var_os(VARIABLE).is_none() {
        println!("skipped: this machine's clock is not for tests to set ({VARIABLE})");
        return;
    }
    if !kernel_path_is_there() {
        return;
    }
    let Some(cable) = Cable::new() else { return };
    let (pins, bans) = (PinDir::new(), bans());
    let _gate = cable
        .at_gate(|| pins.attach(&[INTERFACE], &bans))
        .expect("attached");
    let ban = |client: &str, seconds: u64| {
        let target = kernel::parse_target(client).expect("a target");
        let ttl = Some(Duration::from_secs(seconds));
        bans.add(target, ttl, "test").expect("banned");
    };
    ban(CLIENTS[0], 600);
    for seconds in [DAY, -2 * DAY, 400 * DAY, -399 * DAY] {
        jump(seconds);
        bans.sweep().expect("swept");
        assert!(cable.is_cut_off(CLIENTS[0]), "after {seconds} s");
        assert!(cable.arrives_from(CLIENTS[1]), "after {seconds} s");
        let left = bans.list()[0].remaining.expect("an end");
        let meant = Duration::from_secs(300)..=Duration::from_secs(600);
        assert!(meant.contains(&left), "{left:?} after {seconds} s");
    }
    // Neither does a jump back make one longer.
    ban(CLIENTS[1], 2);
    jump(-DAY);
    std::thread::sleep(Duration::from_secs(2));
    assert!(cable.arrives_from(CLIENTS[1]), "the ban has ended");
}
