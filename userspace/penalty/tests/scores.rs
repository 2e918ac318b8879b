//! What follows from what clients do, in examples and in properties.

use penalty::{Cause, Guard, Ledger, Offence, Outcome, Policy, Remembered, Sentence};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use types::IpNet;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn policy() -> Policy {
    let mut weights = [10; Cause::COUNT];
    weights[Cause::Waf as usize] = 25;
    weights[Cause::AuthMissing as usize] = 0;
    Policy {
        weights,
        half_life: 5 * MINUTE,
        threshold: 100,
        threshold_v4_prefix: Some(500),
        threshold_v6_prefix: Some(200),
        ttl: 10 * MINUTE,
        escalation_percent: 400,
        max_ttl: 24 * 60 * MINUTE,
        remember: 24 * 60 * MINUTE,
        max_per_minute: 60,
        dry_run: false,
        clients: 1000,
    }
}

fn ledger() -> Ledger {
    Ledger::new(policy(), Guard::default())
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn net(text: &str) -> IpNet {
    text.parse().expect("a prefix")
}

fn waf(client: IpAddr) -> Offence {
    Offence {
        client,
        cause: Cause::Waf,
        rule: 942_100,
        forwarded: false,
    }
}

/// Attacks until a ban follows; gives it and how many it took.
fn until_banned(ledger: &mut Ledger, client: IpAddr, now: Duration) -> (Sentence, u32) {
    for count in 1..100 {
        if let Outcome::Ban(sentence) = ledger.record(&waf(client), now) {
            return (sentence, count);
        }
    }
    panic!("no ban follows");
}

#[test]
fn the_fourth_attack_is_one_too_many() {
    let mut ledger = ledger();
    let (sentence, count) = until_banned(&mut ledger, ip("203.0.113.7"), SECOND);
    assert_eq!(count, 4);
    let want = Sentence {
        target: net("203.0.113.7/32"),
        ttl: 10 * MINUTE,
        score: 100,
        repetition: 1,
        cause: Cause::Waf,
        rule: 942_100,
        forwarded: false,
        dry_run: false,
    };
    assert_eq!(sentence, want);
    // What was under way already changes nothing.
    let late = ledger.record(&waf(ip("203.0.113.7")), 2 * SECOND);
    assert_eq!(late, Outcome::Passed);
}

#[test]
fn who_takes_long_between_attacks_is_not_banned() {
    let mut ledger = ledger();
    for number in 0..50 {
        let outcome = ledger.record(&waf(ip("203.0.113.7")), number * 5 * MINUTE);
        assert_eq!(outcome, Outcome::Noted, "the score stays below 50");
    }
}

#[test]
fn a_mapped_address_is_the_address() {
    let mut ledger = ledger();
    ledger.record(&waf(ip("::ffff:203.0.113.7")), SECOND);
    let standing = ledger.standing(ip("203.0.113.7"), SECOND);
    assert_eq!(standing.len(), 2);
    assert!((standing[0].score - 25.0).abs() < 1e-9);
}

#[test]
fn bans_grow_longer_and_are_forgotten() {
    let mut ledger = ledger();
    let client = ip("203.0.113.7");
    let mut now = SECOND;
    for (repetition, minutes) in [(1, 10), (2, 40), (3, 160), (4, 640), (5, 1440), (6, 1440)] {
        let (sentence, count) = until_banned(&mut ledger, client, now);
        assert_eq!(count, 4, "each ban begins with a score of nothing");
        assert_eq!(sentence.repetition, repetition);
        assert_eq!(sentence.ttl, minutes * MINUTE);
        now += sentence.ttl + SECOND;
    }
    now += 24 * 60 * MINUTE;
    let (sentence, _) = until_banned(&mut ledger, client, now);
    assert_eq!((sentence.repetition, sentence.ttl), (1, 10 * MINUTE));
}

#[test]
fn many_of_one_prefix_are_banned_together() {
    let mut ledger = ledger();
    let mut bans = Vec::new();
    for host in 0..40_u8 {
        let client = IpAddr::V4(Ipv4Addr::new(198, 51, 100, host));
        if let Outcome::Ban(sentence) = ledger.record(&waf(client), SECOND) {
            bans.push((host, sentence.target));
        }
    }
    assert_eq!(bans, [(19, net("198.51.100.0/24"))]);

    // On IPv6 one client has a /64.
    let mut bans = Vec::new();
    for host in 0..20_u128 {
        let client = Ipv6Addr::from((0x2001_0db8_0000_0001 << 64) + host);
        if let Outcome::Ban(sentence) = ledger.record(&waf(client.into()), SECOND) {
            bans.push((host, sentence.target));
        }
    }
    assert_eq!(bans, [(7, net("2001:db8:0:1::/64"))]);
}

#[test]
fn one_client_alone_does_not_ban_its_neighbours() {
    let mut ledger = ledger();
    for number in 0..2000 {
        if let Outcome::Ban(sentence) = ledger.record(&waf(ip("203.0.113.7")), number * SECOND) {
            assert_eq!(sentence.target, net("203.0.113.7/32"));
        }
    }
}

#[test]
fn the_guarded_are_never_banned() {
    let mut guard = Guard::default();
    guard.add(net("203.0.113.7/32"), "kernel.allow");
    let mut ledger = Ledger::new(policy(), guard);
    let mut spared = Vec::new();
    for host in (0..=255_u8).chain([7; 100]) {
        let client = IpAddr::V4(Ipv4Addr::new(203, 0, 113, host));
        match ledger.record(&waf(client), SECOND) {
            Outcome::Noted => {}
            Outcome::Guarded { target, by } => {
                assert_eq!((by.net, by.why), (net("203.0.113.7/32"), "kernel.allow"));
                spared.push(target);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(spared.contains(&net("203.0.113.0/24")));
    let own = spared.iter().filter(|net| net.prefix_len() == 32).count();
    assert_eq!(own, 25, "once for each time that the score was reached");
}

#[test]
fn a_pardon_is_a_new_beginning() {
    let mut ledger = ledger();
    let client = ip("203.0.113.7");
    until_banned(&mut ledger, client, SECOND);
    ledger.forget(&client.into(), SECOND);
    let (sentence, count) = until_banned(&mut ledger, client, 2 * SECOND);
    assert_eq!((count, sentence.repetition), (4, 1));

    // That of a prefix is one for all in it.
    ledger.forget(&net("203.0.0.0/16"), 3 * SECOND);
    assert!(ledger.standing(client, 3 * SECOND).is_empty());
}

#[test]
fn a_ban_that_failed_did_not_happen() {
    let mut ledger = ledger();
    let client = ip("203.0.113.7");
    until_banned(&mut ledger, client, SECOND);
    ledger.revoke(&client.into());
    let (sentence, _) = until_banned(&mut ledger, client, SECOND);
    assert_eq!(sentence.repetition, 1);
}

#[test]
fn a_dry_run_decides_the_same_and_leaves_no_trace() {
    let dry = Policy {
        dry_run: true,
        ..policy()
    };
    let mut ledger = Ledger::new(dry, Guard::default());
    let client = ip("203.0.113.7");
    let (sentence, count) = until_banned(&mut ledger, client, SECOND);
    assert_eq!((sentence.dry_run, count), (true, 4));
    let again = ledger.record(&waf(client), 2 * SECOND);
    assert_eq!(again, Outcome::Passed, "one line a ban, not one a request");

    ledger.follow(policy(), Guard::default(), 3 * SECOND);
    let (sentence, _) = until_banned(&mut ledger, client, 3 * SECOND);
    assert_eq!((sentence.dry_run, sentence.repetition), (false, 1));
}

#[test]
fn what_weighs_nothing_is_not_remembered() {
    let mut ledger = ledger();
    let offence = Offence {
        cause: Cause::AuthMissing,
        ..waf(ip("203.0.113.7"))
    };
    assert_eq!(ledger.record(&offence, SECOND), Outcome::Passed);
    assert_eq!(ledger.stats().addresses, 0);
}

#[test]
fn another_process_goes_on_where_this_one_ended() {
    let mut first = ledger();
    let client = ip("203.0.113.7");
    until_banned(&mut first, client, SECOND);
    first.record(&waf(ip("192.0.2.1")), SECOND);

    let mut second = ledger();
    for remembered in first.remembered(SECOND) {
        second.recall(&remembered, SECOND);
    }
    assert_eq!(second.record(&waf(client), 2 * SECOND), Outcome::Passed);
    let over = SECOND + 10 * MINUTE;
    let (sentence, _) = until_banned(&mut second, client, over);
    assert_eq!(sentence.repetition, 2);
    assert!((second.standing(ip("192.0.2.1"), SECOND)[0].score - 25.0).abs() < 1e-9);
}

#[test]
fn the_one_with_a_score_stays_when_others_come_and_go() {
    let few = Policy {
        clients: 64,
        ..policy()
    };
    let mut ledger = Ledger::new(few, Guard::default());
    let bad = ip("203.0.113.7");
    until_banned(&mut ledger, bad, SECOND);
    for number in 0..100_000_u32 {
        let light = Offence {
            cause: Cause::Tls,
            ..waf(IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + number * 256)))
        };
        ledger.record(&light, 2 * SECOND);
    }
    let stats = ledger.stats();
    assert_eq!((stats.addresses, stats.prefixes), (64, 64));
    assert_eq!(ledger.standing(bad, 2 * SECOND)[0].bans, 1);
}

/// An offence of one of a few clients, and how much later than the one before.
fn steps() -> impl Strategy<Value = Vec<(u8, u8, u64)>> {
    let cause = 0..Cause::COUNT as u8;
    prop::collection::vec((0..12_u8, cause, 0..90_000_u64), 1..300)
}

fn offence(client: u8, cause: u8) -> Offence {
    Offence {
        client: match client {
            v4 @ 0..6 => Ipv4Addr::new(198, 51, 100, v4).into(),
            v6 => Ipv6Addr::from((0x2001_0db8 << 96) + u128::from(v6)).into(),
        },
        cause: Cause::ALL[usize::from(cause)],
        rule: 0,
        forwarded: false,
    }
}

proptest! {
    #[test]
    fn a_score_is_the_sum_of_what_is_left_of_each_offence(steps in steps()) {
        let endless = Policy { threshold: u32::MAX, threshold_v4_prefix: None, threshold_v6_prefix: None, ..policy() };
        let mut ledger = Ledger::new(endless.clone(), Guard::default());
        let mut done = Vec::new();
        let mut now = Duration::ZERO;
        for (client, cause, pause) in steps {
            now += Duration::from_millis(pause);
            let offence = offence(client, cause);
            ledger.record(&offence, now);
            done.push((offence, now));
        }
        for client in 0..12 {
            let client = offence(client, 0).client;
            let left = |(offence, at): &(Offence, Duration)| {
                let lives = (now - *at).as_secs_f64() / endless.half_life.as_secs_f64();
                f64::from(endless.weight(offence.cause)) * 0.5_f64.powf(lives)
            };
            let own = done.iter().filter(|(offence, _)| offence.client == client);
            let want: f64 = own.map(left).sum();
            let standing = ledger.standing_of(&client.into(), now);
            let found = standing.map_or(0.0, |standing| standing.score);
            prop_assert!((want - found).abs() <= 1e-6 * want.max(1.0), "{want} {found}");
        }
    }

    #[test]
    fn no_minute_has_more_bans_than_the_cap(steps in steps(), cap in 1..5_u32) {
        let capped = Policy { max_per_minute: cap, threshold: 20, ttl: SECOND, max_ttl: SECOND, ..policy() };
        let mut ledger = Ledger::new(capped, Guard::default());
        let mut bans: Vec<Duration> = Vec::new();
        let mut now = Duration::ZERO;
        for (client, cause, pause) in steps {
            now += Duration::from_millis(pause / 20);
            if let Outcome::Ban(_) = ledger.record(&offence(client, cause), now) {
                bans.push(now);
            }
            let minute = bans.iter().filter(|ban| now - **ban < MINUTE).count();
            prop_assert!(minute <= cap as usize);
        }
    }

    #[test]
    fn tables_have_their_bound(steps in prop::collection::vec(any::<u32>(), 1..500), clients in 1..40_usize) {
        let small = Policy { clients, ..policy() };
        let mut ledger = Ledger::new(small, Guard::default());
        for (number, address) in steps.into_iter().enumerate() {
            let now = SECOND * u32::try_from(number).expect("few");
            ledger.record(&waf(IpAddr::V4(address.into())), now);
            let stats = ledger.stats();
            prop_assert!(stats.addresses <= clients && stats.prefixes <= clients);
            let found = ledger.standing_of(&IpAddr::V4(address.into()).into(), now);
            prop_assert!(found.is_some(), "who did it is known");
        }
        let fewer = Policy { clients: 1, ..policy() };
        ledger.follow(fewer, Guard::default(), SECOND);
        prop_assert_eq!(ledger.stats().addresses, 1);
    }

    #[test]
    fn a_clock_that_jumps_does_no_harm(jumps in prop::collection::vec(any::<u64>(), 1..200)) {
        let mut ledger = ledger();
        let (mut total, mut last) = (0.0, 0.0);
        for jump in jumps {
            let now = Duration::from_nanos(jump);
            if let Outcome::Ban(sentence) = ledger.record(&waf(ip("203.0.113.7")), now) {
                prop_assert!(sentence.ttl <= 24 * 60 * MINUTE);
                if sentence.target.prefix_len() == 32 {
                    total = -25.0;
                }
            }
            total += 25.0;
            let standing = ledger.standing_of(&net("203.0.113.7/32"), now).expect("known");
            last = standing.score;
            prop_assert!(last >= 0.0 && last <= total + 1e-9, "{last} {total}");
        }
        prop_assert!(last.is_finite());
    }

    #[test]
    fn a_longer_record_is_never_a_shorter_ban(bans in 0..u16::MAX, percent in 100..100_000_u32) {
        let policy = Policy { escalation_percent: percent, ..policy() };
        let (this, next) = (policy.ttl_after(bans), policy.ttl_after(bans.saturating_add(1)));
        prop_assert!(policy.ttl <= this && this <= next && next <= policy.max_ttl);
    }

    #[test]
    fn what_is_recalled_is_sane(score in any::<f64>(), bans in any::<u16>(), length in 0..=32_u8) {
        let mut ledger = ledger();
        let target = IpNet::new(ip("203.0.113.7"), length).expect("a length");
        let banned_for = Duration::MAX;
        ledger.recall(&Remembered { target, score, bans, banned_for }, SECOND);
        for standing in ledger.standing(ip("203.0.113.7"), SECOND) {
            prop_assert!(standing.score.is_finite() && standing.score >= 0.0);
        }
    }
}
