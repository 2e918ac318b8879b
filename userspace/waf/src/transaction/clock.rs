//! The parts of a moment, in UTC, for the `TIME` variables and the audit log.

use std::time::Duration;

/// A moment since 1970 in the proleptic Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) year: i64,
    /// 1 to 12.
    pub(crate) month: i64,
    /// 1 to 31.
    pub(crate) day: i64,
    /// 0 is Sunday.
    pub(crate) weekday: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    pub(crate) microsecond: u32,
}

impl Moment {
    pub(crate) fn since_epoch(elapsed: Duration) -> Moment {
        let seconds = i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX);
        let (days, time) = (seconds / 86_400, seconds % 86_400);
        // Years are counted from 1 March, so that the leap day is the last; eras of 400 years have 146097 days.
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        Moment {
            year: era * 400 + year_of_era + i64::from(month <= 2),
            month,
            day,
            weekday: (days + 4) % 7,
            hour: time / 3600,
            minute: time / 60 % 60,
            second: time % 60,
            microsecond: elapsed.subsec_micros(),
        }
    }

    /// As C writes it: `Sun Mar  1 00:00:00 2026`, without a line end.
    pub(crate) fn to_ctime(self) -> String {
        let weekday = name(
            &["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"],
            self.weekday,
        );
        let month = name(&MONTHS, self.month - 1);
        format!(
            "{weekday} {month} {:2} {:02}:{:02}:{:02} {}",
            self.day, self.hour, self.minute, self.second, self.year
        )
    }

    /// As web servers log it: `01/Mar/2026:00:00:00.000000 +0000`.
    pub(crate) fn to_common_log(self) -> String {
        let month = name(&MONTHS, self.month - 1);
        format!(
            "{:02}/{month}/{}:{:02}:{:02}:{:02}.{:06} +0000",
            self.day, self.year, self.hour, self.minute, self.second, self.microsecond
        )
    }

    /// RFC 3339.
    pub(crate) fn to_rfc3339(self) -> String {
        let Moment {
            year,
            month,
            day,
            hour,
            minute,
            second,
            microsecond,
            ..
        } = self;
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{microsecond:06}Z")
    }
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

fn name(names: &[&'static str], index: i64) -> &'static str {
    let name = usize::try_from(index)
        .ok()
        .and_then(|index| names.get(index));
    name.copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_fall_on_their_days() {
        for (seconds, text, weekday) in [
            (0, "1970-01-01T00:00:00.000000Z", 4),
            (951_827_696, "2000-02-29T12:34:56.000000Z", 2),
            (1_772_323_199, "2026-02-28T23:59:59.000000Z", 6),
            (1_772_323_200, "2026-03-01T00:00:00.000000Z", 0),
        ] {
            let moment = Moment::since_epoch(Duration::from_secs(seconds));
            assert_eq!(
                (moment.to_rfc3339().as_str(), moment.weekday),
                (text, weekday)
            );
        }
        let moment = Moment::since_epoch(Duration::from_secs(1_772_323_200));
        assert_eq!(moment.to_ctime(), "Sun Mar  1 00:00:00 2026");
        assert_eq!(moment.to_common_log(), "01/Mar/2026:00:00:00.000000 +0000");
    }
}
