//! The order of turns in weighted round robin.

use crate::EndpointSpec;

/// The most turns of a schedule. When the weights need more, they are scaled down to about as many, so shares are
/// exact to a part in sixteen thousand; every endpoint keeps at least one turn.
pub const MAX_SCHEDULE: u64 = 16_384;

/// Which endpoint's turn it is, smoothly interleaved: each step adds to every endpoint its weight, takes the one that
/// has most and subtracts the sum of all weights from it (nginx's way). One round is worked out in advance, so that
/// workers share no more than a counter.
pub(crate) fn smooth(endpoints: &[EndpointSpec]) -> Box<[u16]> {
    let mut weights: Vec<u64> = endpoints
        .iter()
        .map(|endpoint| u64::from(endpoint.weight))
        .collect();
    let divisor = weights.iter().copied().fold(0, gcd).max(1);
    weights.iter_mut().for_each(|weight| *weight /= divisor);
    let sum: u64 = weights.iter().sum();
    if sum > MAX_SCHEDULE {
        for weight in weights.iter_mut().filter(|weight| **weight > 0) {
            *weight = (*weight * MAX_SCHEDULE / sum).max(1);
        }
    }
    let sum: u64 = weights.iter().sum();
    let mut credits = vec![0i64; weights.len()];
    let mut turns = Vec::with_capacity(sum as usize);
    for _ in 0..sum {
        let mut best = (0, i64::MIN);
        for (index, (credit, weight)) in (0u16..).zip(credits.iter_mut().zip(&weights)) {
            *credit += weight.cast_signed();
            if *credit > best.1 && *weight > 0 {
                best = (index, *credit);
            }
        }
        credits[usize::from(best.0)] -= sum.cast_signed();
        turns.push(best.0);
    }
    turns.into()
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(weights: &[u32]) -> String {
        let address = "192.0.2.1:80".parse().unwrap();
        let specs: Vec<_> = weights
            .iter()
            .map(|weight| EndpointSpec {
                address,
                weight: *weight,
            })
            .collect();
        smooth(&specs)
            .iter()
            .map(|turn| char::from(b'a' + *turn as u8))
            .collect()
    }

    #[test]
    fn interleaves_smoothly() {
        assert_eq!(turns(&[1, 1, 1]), "abc");
        assert_eq!(turns(&[5, 1, 1]), "aabacaa");
        assert_eq!(turns(&[5, 3, 2]), "abcaabacba");
        assert_eq!(
            turns(&[500, 300, 200]),
            turns(&[5, 3, 2]),
            "weights are reduced"
        );
        assert_eq!(turns(&[1, 0, 1]), "ac", "weight 0 has no turn");
        assert_eq!(turns(&[0]), "");
        assert_eq!(turns(&[]), "");
    }

    #[test]
    fn is_bounded() {
        let weights: Vec<u32> = (0..100).map(|i| 901 + i).collect();
        let round = turns(&weights);
        assert!(round.chars().count() as u64 <= MAX_SCHEDULE);
        assert!((0..100u8).all(|i| round.contains(char::from(b'a' + i))));
    }
}
