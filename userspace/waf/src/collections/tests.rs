//! What is kept, for how long, and within which bounds.

use super::*;

const WRITER: Writer = Writer {
    now: 1000,
    timeout: 60,
    is_first: true,
};

fn add_one(current: Option<&[u8]>) -> Option<Vec<u8>> {
    let current = current.map_or(0, crate::bytes::atoi);
    Some((current + 1).to_string().into_bytes())
}

fn shown(collections: &Collections, key: &[u8], now: u64) -> Vec<String> {
    let mut shown = Vec::new();
    collections.visit(key, now, &mut |name, value| {
        shown.push(format!("{}={}", name.escape_ascii(), value.escape_ascii()));
    });
    shown.sort();
    shown
}

#[test]
fn variables_expire_and_so_do_records() {
    let collections = Collections::default();
    collections.update(b"ip", b"a", WRITER, add_one);
    collections.update(b"ip", b"b", WRITER, add_one);
    collections.expire(b"ip", b"a", WRITER, 1010);
    // A moment that is set before the variable counts too.
    collections.expire(b"ip", b"c", WRITER, 1020);
    collections.update(b"ip", b"c", WRITER, add_one);
    assert_eq!(shown(&collections, b"ip", 1009), ["a=1", "b=1", "c=1"]);
    assert_eq!(shown(&collections, b"ip", 1010), ["b=1", "c=1"]);
    assert_eq!(shown(&collections, b"ip", 1059), ["b=1"]);
    assert_eq!(shown(&collections, b"ip", 1060), [] as [&str; 0]);
    assert_eq!(collections.header(b"ip", 1060), None);
    assert_eq!(collections.stats().records, 0);
    assert_eq!(collections.stats().bytes, 0);
    collections.update(b"ip", b"a", WRITER, add_one);
    assert_eq!(shown(&collections, b"ip", 1000), ["a=1"]);
}

#[test]
fn what_was_used_least_recently_is_forgotten_over_a_limit() {
    let limits = CollectionLimits {
        records: 160,
        ..CollectionLimits::default()
    };
    let collections = Collections::new(limits);
    let key = |number: u32| format!("ip{number}").into_bytes();
    for number in 0..1000 {
        collections.update(&key(number), b"n", WRITER, add_one);
        collections.header(&key(0), 1000);
    }
    let stats = collections.stats();
    assert!(stats.records <= 160 && stats.records > 100, "{stats:?}");
    assert_eq!(stats.evicted, 1000 - stats.records as u64);
    assert_eq!(shown(&collections, &key(0), 1000), ["n=1"]);
    assert_eq!(shown(&collections, &key(999), 1000), ["n=1"]);
    assert_eq!(shown(&collections, &key(1), 1000), [] as [&str; 0]);
    collections.bound(16, usize::MAX);
    for number in 0..1000 {
        collections.update(&key(number), b"n", WRITER, add_one);
    }
    assert_eq!(collections.stats().records, 16);
}

#[test]
fn bytes_and_variables_are_bounded() {
    let limits = CollectionLimits {
        bytes: 64 << 10,
        variables: 3,
        value_bytes: 100,
        ..CollectionLimits::default()
    };
    let collections = Collections::new(limits);
    for number in 0..5000_u32 {
        let key = number.to_be_bytes();
        collections.update(&key, b"v", WRITER, |_| Some(vec![b'x'; 100]));
    }
    let stats = collections.stats();
    assert!(stats.bytes <= 64 << 10 && stats.evicted > 4000, "{stats:?}");
    for name in [b"1", b"2", b"3", b"4"] {
        collections.update(b"ip", name, WRITER, add_one);
    }
    collections.update(b"ip", b"1", WRITER, |_| Some(vec![b'x'; 101]));
    assert_eq!(shown(&collections, b"ip", 1000), ["1=1", "2=1", "3=1"]);
    assert_eq!(collections.stats().refused, 2);
}

#[test]
fn expired_records_make_room_without_being_asked_for() {
    let collections = Collections::default();
    for number in 0..2000_u32 {
        let now = 1000 + u64::from(number);
        collections.update(
            &number.to_be_bytes(),
            b"n",
            Writer { now, ..WRITER },
            add_one,
        );
    }
    assert!(
        collections.stats().records < 200,
        "{:?}",
        collections.stats()
    );
    assert_eq!(collections.stats().evicted, 0);
}

#[test]
fn no_count_is_lost_between_threads() {
    let collections = Collections::default();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5000 {
                    collections.update(b"global", b"n", WRITER, add_one);
                }
            });
        }
    });
    assert_eq!(shown(&collections, b"global", 1000), ["n=20000"]);
    let header = collections.header(b"global", 1000);
    assert_eq!(header.map(|header| header.updates), Some(20_000));
}
