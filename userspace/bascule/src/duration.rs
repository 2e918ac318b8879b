//! Times as they are typed and shown: `90s`, `10m`, `7d`.

use control::admin::MAX_TTL_SECONDS;
use std::time::Duration;

const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Why a text is no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DurationError {
    /// Another form.
    #[error("expected a whole number with the unit s, m, h or d, such as 90s, 10m or 7d")]
    Form,
    /// Nothing would come of it.
    #[error("a time of 0 ends at once; give a longer one")]
    Zero,
    /// Too long.
    #[error("the longest time is {}d; leave it out for no end", MAX_TTL_SECONDS / 86_400)]
    TooLong,
}

/// Reads a time.
pub(crate) fn parse(text: &str) -> Result<Duration, DurationError> {
    let mut characters = text.chars();
    let unit = characters.next_back().ok_or(DurationError::Form)?;
    let digits = characters.as_str();
    let (_, factor) = UNITS
        .into_iter()
        .find(|(name, _)| *name == unit)
        .ok_or(DurationError::Form)?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DurationError::Form);
    }
    let seconds = digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .filter(|seconds| *seconds <= MAX_TTL_SECONDS)
        .ok_or(DurationError::TooLong)?;
    if seconds == 0 {
        return Err(DurationError::Zero);
    }
    Ok(Duration::from_secs(seconds))
}

/// Writes a time with its two largest units: `3d 4h`, `10m`, `0s`.
pub(crate) fn show(seconds: u64) -> String {
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (unit, factor) in UNITS {
        if rest >= factor && parts.len() < 2 {
            parts.push(format!("{}{unit}", rest / factor));
        } else if !parts.is_empty() {
            break;
        }
        rest %= factor;
    }
    if parts.is_empty() {
        "0s".to_owned()
    } else {
        parts.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_number_with_a_unit() {
        for (text, seconds) in [
            ("90s", 90),
            ("10m", 600),
            ("2h", 7_200),
            ("7d", 604_800),
            ("36500d", MAX_TTL_SECONDS),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "", "s", "10", "1.5h", "-1s", "+1s", "1h30m", "10 m", "m10", "1ü", "5w",
        ] {
            assert_eq!(parse(text), Err(DurationError::Form), "{text}");
        }
        assert_eq!(parse("0s"), Err(DurationError::Zero));
        for text in ["36501d", "99999999999999999999s", "18446744073709551615d"] {
            assert_eq!(parse(text), Err(DurationError::TooLong), "{text}");
        }
    }

    #[test]
    fn shows_two_units_next_to_each_other() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (600, "10m"),
            (3_661, "1h 1m"),
            (86_400, "1d"),
            (86_405, "1d"),
            (100_000, "1d 3h"),
        ] {
            assert_eq!(show(seconds), text);
        }
    }
}
