//! The known word that resembles a misspelt one.

/// The word of `known` with the smallest edit distance to `word`, if that is at most a third of its length (but at
/// least 1 and at most 4); case does not count.
pub(crate) fn closest(
    word: &str,
    known: impl IntoIterator<Item = &'static str>,
) -> Option<&'static str> {
    // No name of the language is longer; what is cannot resemble one.
    const LONGEST: usize = 64;
    let word: Vec<u8> = word.bytes().map(|byte| byte.to_ascii_lowercase()).collect();
    if word.len() > LONGEST {
        return None;
    }
    let allowed = (word.len() / 3).clamp(1, 4);
    known
        .into_iter()
        .map(|name| (distance(&word, name.as_bytes()), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Levenshtein's distance; `word` is in lower case.
fn distance(word: &[u8], name: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=word.len()).collect();
    for (line, expected) in name.iter().enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (found, above) in word.iter().zip(row.iter_mut().skip(1)) {
            let substituted = diagonal + usize::from(!found.eq_ignore_ascii_case(expected));
            diagonal = *above;
            left = substituted.min(left + 1).min(*above + 1);
            *above = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn finds_what_was_meant_and_nothing_far_fetched() {
        let known = ["ARGS", "ARGS_NAMES", "REQUEST_URI", "REQUEST_BODY"];
        assert_eq!(closest("ARG", known), Some("ARGS"));
        assert_eq!(closest("arg_names", known), Some("ARGS_NAMES"));
        assert_eq!(closest("REQUEST_URL", known), Some("REQUEST_URI"));
        assert_eq!(closest("FROBNICATE", known), None);
        assert_eq!(closest("", known), None);
        assert_eq!(closest(&"A".repeat(1000), known), None);
    }
}
