//! The name that was probably meant.

/// Longest name for which a suggestion is looked for, in characters; the search is quadratic in it.
const MAX_LENGTH: usize = 40;

/// The candidate closest to `name`, if one is close enough to be what was meant.
pub(crate) fn closest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let length = name.chars().count();
    if length > MAX_LENGTH {
        return None;
    }
    let allowed = 1 + length / 4;
    let plain = |text: &str| text.to_ascii_lowercase().replace(['-', ' '], "_");
    let name = plain(name);
    candidates
        .filter(|candidate| candidate.chars().count() <= MAX_LENGTH)
        .map(|candidate| (distance(&name, &plain(candidate)), candidate))
        .filter(|(distance, candidate)| {
            *distance <= allowed && *distance < candidate.chars().count()
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many characters must be added, removed, replaced or swapped with their neighbour to get from one to the other.
pub(crate) fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    let mut last_char = None;
    for (i, a) in from.chars().enumerate() {
        let mut row = Vec::with_capacity(to.len() + 1);
        row.push(i + 1);
        let mut left_char = None;
        for (j, &b) in to.iter().enumerate() {
            let at =
                |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&last, j) + usize::from(a != b);
            let mut best = replaced.min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            if last_char == Some(b) && left_char == Some(a) && j > 0 {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
            left_char = Some(b);
        }
        before = std::mem::replace(&mut last, row);
        last_char = Some(a);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::{closest, distance};

    #[test]
    fn counts_edits() {
        for (from, to, edits) in [
            ("", "", 0),
            ("upstream", "upstream", 0),
            ("upstrem", "upstream", 1),
            ("uptsream", "upstream", 1),
            ("adress", "address", 1),
            ("kitten", "sitting", 3),
            ("", "abc", 3),
        ] {
            assert_eq!(distance(from, to), edits, "{from} {to}");
        }
    }

    #[test]
    fn suggests_only_what_is_close() {
        let keys = ["upstream", "host", "path", "waf"];
        assert_eq!(closest("upstrem", keys.into_iter()), Some("upstream"));
        assert_eq!(closest("Hosts", keys.into_iter()), Some("host"));
        assert_eq!(closest("wfa", keys.into_iter()), Some("waf"));
        assert_eq!(closest("gzip", keys.into_iter()), None);
        assert_eq!(closest("x", keys.into_iter()), None);
        assert_eq!(closest(&"p".repeat(10_000), keys.into_iter()), None);
    }
}
