//! The parts of a moment in UTC, in the proleptic Gregorian calendar and without leap seconds.

/// A moment to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// 1970 or later.
    pub year: u64,
    /// 1 to 12.
    pub month: u64,
    /// 1 to 31.
    pub day: u64,
    /// 0 to 23.
    pub hour: u64,
    /// 0 to 59.
    pub minute: u64,
    /// 0 to 59.
    pub second: u64,
}

impl Civil {
    /// The moment so many seconds after the beginning of 1970.
    #[must_use]
    pub const fn since_1970(seconds: u64) -> Self {
        /// Days from 0000-03-01 to 1970-01-01.
        const EPOCH: u64 = 719_468;
        /// Days in 400 years.
        const ERA: u64 = 146_097;
        let (days, rest) = (seconds / 86_400 + EPOCH, seconds % 86_400);
        // Years are taken to begin in March, so that the leap day is the last of its year.
        let (era, of_era) = (days / ERA, days % ERA);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * of_year + 2) / 153;
        let month = if march_month < 10 {
            march_month + 3
        } else {
            march_month - 9
        };
        Self {
            year: era * 400 + year_of_era + if month <= 2 { 1 } else { 0 },
            month,
            day: of_year - (153 * march_month + 2) / 5 + 1,
            hour: rest / 3600,
            minute: rest / 60 % 60,
            second: rest % 60,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_right_at_the_edges() {
        for (seconds, expected) in [
            (0, [1970, 1, 1, 0, 0, 0]),
            (951_782_400, [2000, 2, 29, 0, 0, 0]),
            (1_709_251_199, [2024, 2, 29, 23, 59, 59]),
            (1_795_413_468, [2026, 11, 23, 5, 57, 48]),
            (4_107_542_400, [2100, 3, 1, 0, 0, 0]),
            (253_402_300_799, [9999, 12, 31, 23, 59, 59]),
        ] {
            let found = Civil::since_1970(seconds);
            let Civil {
                year,
                month,
                day,
                hour,
                minute,
                second,
            } = found;
            assert_eq!([year, month, day, hour, minute, second], expected);
        }
    }
}
