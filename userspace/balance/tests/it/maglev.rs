//! The table on its own.

use balance::maglev::{Backend, MaglevError, SIZES, table};

fn backends(weights: &[u32]) -> Vec<Backend> {
    let key = |n: usize| balance::hash_address(crate::world::address(n));
    weights
        .iter()
        .enumerate()
        .map(|(n, weight)| Backend {
            key: key(n),
            weight: *weight,
        })
        .collect()
}

fn shares(table: &[u16], count: usize) -> Vec<f64> {
    let slots = |index| {
        table
            .iter()
            .filter(|slot| usize::from(**slot) == index)
            .count()
    };
    (0..count)
        .map(|index| slots(index) as f64 / table.len() as f64)
        .collect()
}

#[test]
fn sizes_are_prime() {
    let is_prime = |n: u32| {
        (2..n)
            .take_while(|d| d * d <= n)
            .all(|d| !n.is_multiple_of(d))
    };
    assert!(SIZES.iter().copied().all(is_prime));
}

#[test]
fn shares_follow_the_weights() {
    let even = shares(&table(65_537, &backends(&[1; 7])).unwrap(), 7);
    assert!(
        even.iter().all(|share| (share * 7.0 - 1.0).abs() < 0.001),
        "{even:?}"
    );
    let weighted = shares(&table(65_537, &backends(&[5, 3, 2, 0])).unwrap(), 4);
    for (share, wanted) in weighted.iter().zip([0.5, 0.3, 0.2, 0.0]) {
        assert!((share - wanted).abs() < 0.001, "{weighted:?}");
    }
}

#[test]
fn the_order_of_backends_does_not_matter() {
    let forward = backends(&[1, 2, 3, 4]);
    let backward: Vec<_> = forward.iter().rev().copied().collect();
    let a = table(1021, &forward).unwrap();
    let b = table(1021, &backward).unwrap();
    assert!(a.iter().zip(&b).all(|(a, b)| *a == 3 - *b));
}

#[test]
fn little_moves_when_a_backend_leaves_or_joins() {
    for (size, count) in [(65_537, 10), (65_537, 100), (4093, 20), (1021, 5)] {
        let all = backends(&vec![1; count]);
        let full = table(size, &all).unwrap();
        let fewer = table(size, &all[..count - 1]).unwrap();
        let moved =
            full.iter().zip(&fewer).filter(|(a, b)| a != b).count() as f64 / f64::from(size);
        assert!(
            moved <= 1.0 / count as f64 + 0.05,
            "{size} slots, {count} backends: {moved}"
        );
    }
}

/// This must never change: sessions would move between hosts of different versions.
#[test]
fn tables_are_stable() {
    let table = table(251, &backends(&[1, 2, 1])).unwrap();
    let bytes: Vec<u8> = table.iter().flat_map(|slot| slot.to_be_bytes()).collect();
    assert_eq!(balance::hash_key(&bytes), 6_508_390_651_616_773_113);
}

#[test]
fn refuses_what_does_not_fit() {
    assert_eq!(table(1000, &backends(&[1])), Err(MaglevError::Size(1000)));
    let crowd = backends(&[1; 251]);
    assert_eq!(
        table(251, &crowd),
        Err(MaglevError::TooManyBackends {
            backends: 251,
            size: 251
        })
    );
    assert_eq!(table(251, &backends(&[0, 0])), Ok(Vec::new()));
    assert_eq!(table(251, &[]), Ok(Vec::new()));
    let same = [Backend { key: 7, weight: 1 }; 2];
    assert_eq!(
        table(251, &same).unwrap().len(),
        251,
        "equal keys share the slots"
    );
}
