//! Dates, times and durations as they are written.

use super::value::{Moment, Span, days_before, days_in};

/// Which parts of a point of time are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    DateTime,
    Date,
    Time,
    YearMonth,
    Year,
    MonthDay,
    Day,
    Month,
}

/// Digits of a year; longer ones are not taken.
const YEAR_DIGITS: usize = 9;
/// Digits of a number of a duration; longer ones are not taken.
const SPAN_DIGITS: usize = 9;
/// Digits of a fraction of a second; longer ones are not taken.
const FRACTION_DIGITS: usize = 64;

struct Cursor<'a>(&'a str);

impl Cursor<'_> {
    fn takes(&mut self, mark: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(mark)?;
        Some(())
    }

    fn digits(&mut self) -> &str {
        let count = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.0.split_at(count);
        self.0 = rest;
        digits
    }

    /// A number of two digits.
    fn two(&mut self, from: i64, to: i64) -> Option<i64> {
        let digits = self.0.get(..2)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let number = digits.parse().ok()?;
        self.0 = self.0.get(2..)?;
        (from..=to).contains(&number).then_some(number)
    }

    fn year(&mut self) -> Option<i64> {
        let sign = if self.takes("-").is_some() { -1 } else { 1 };
        let digits = self.digits();
        let padded = digits.len() > 4 && digits.starts_with('0');
        if !(4..=YEAR_DIGITS).contains(&digits.len()) || padded {
            return None;
        }
        let year: i64 = digits.parse().ok()?;
        // XSD 1.0 has no year 0.
        (year != 0).then_some(sign * year)
    }

    fn fraction(&mut self) -> Option<String> {
        if self.takes(".").is_none() {
            return Some(String::new());
        }
        let digits = self.digits();
        let fits = !digits.is_empty() && digits.len() <= FRACTION_DIGITS;
        fits.then(|| digits.trim_end_matches('0').to_owned())
    }

    /// Seconds since midnight and the digits behind them.
    fn clock(&mut self) -> Option<(i64, String)> {
        let hour = self.two(0, 24)?;
        self.takes(":")?;
        let minute = self.two(0, 59)?;
        self.takes(":")?;
        let second = self.two(0, 59)?;
        let fraction = self.fraction()?;
        let is_midnight = minute == 0 && second == 0 && fraction.is_empty();
        if hour == 24 && !is_midnight {
            return None;
        }
        Some((hour * 3600 + minute * 60 + second, fraction))
    }

    /// Seconds that a zone is ahead of universal time; `None` inside where there is none.
    fn zone(&mut self) -> Option<Option<i64>> {
        if self.0.is_empty() {
            return Some(None);
        }
        if self.takes("Z").is_some() {
            return self.0.is_empty().then_some(Some(0));
        }
        let sign = if self.takes("+").is_some() {
            1
        } else {
            self.takes("-")?;
            -1
        };
        let hour = self.two(0, 14)?;
        self.takes(":")?;
        let minute = self.two(0, 59)?;
        let fits = self.0.is_empty() && (hour < 14 || minute == 0);
        fits.then_some(Some(sign * (hour * 3600 + minute * 60)))
    }
}

/// A point of time as a type writes it.
pub(super) fn moment(form: Form, text: &str) -> Option<Moment> {
    let mut cursor = Cursor(text);
    // What is not written is a day of a leap year.
    let (mut year, mut month, mut day) = (1972, 12, 31);
    if matches!(
        form,
        Form::DateTime | Form::Date | Form::YearMonth | Form::Year
    ) {
        year = cursor.year()?;
    }
    match form {
        Form::DateTime | Form::Date | Form::YearMonth => {
            cursor.takes("-")?;
            month = cursor.two(1, 12)?;
        }
        Form::MonthDay | Form::Month => {
            cursor.takes("--")?;
            month = cursor.two(1, 12)?;
        }
        Form::Day => cursor.takes("---")?,
        Form::Time | Form::Year => {}
    }
    match form {
        Form::DateTime | Form::Date | Form::MonthDay => {
            cursor.takes("-")?;
            day = cursor.two(1, 31)?;
        }
        Form::Day => day = cursor.two(1, 31)?,
        Form::YearMonth | Form::Year | Form::Month => day = 1,
        Form::Time => {}
    }
    if form == Form::Year {
        month = 1;
    }
    let (mut seconds, mut fraction) = (0, String::new());
    if form == Form::DateTime {
        cursor.takes("T")?;
    }
    if matches!(form, Form::DateTime | Form::Time) {
        (seconds, fraction) = cursor.clock()?;
        if form == Form::Time {
            seconds %= 86_400;
        }
    }
    let zone = cursor.zone()?;
    if day > days_in(year, month) {
        return None;
    }
    let days = days_before(year, month) + day - 1;
    let seconds = days * 86_400 + seconds - zone.unwrap_or(0);
    Some(Moment {
        seconds,
        fraction,
        has_zone: zone.is_some(),
    })
}

/// A duration: `P1Y2M3DT4H5M6.7S`.
pub(super) fn span(text: &str) -> Option<Span> {
    let mut cursor = Cursor(text);
    let is_negative = cursor.takes("-").is_some();
    cursor.takes("P")?;
    let mut span = Span {
        is_negative,
        months: 0,
        seconds: 0,
        fraction: String::new(),
    };
    let mut any = counts(
        &mut cursor,
        &mut span,
        &[("Y", 12, 0), ("M", 1, 0), ("D", 0, 86_400)],
    )?;
    if cursor.takes("T").is_some() {
        any = counts(
            &mut cursor,
            &mut span,
            &[("H", 0, 3600), ("M", 0, 60), ("S", 0, 1)],
        )?;
    }
    (any && cursor.0.is_empty()).then_some(span)
}

/// The numbers of a duration with their marks, in this order; whether there were any. Each counts months and seconds.
fn counts(cursor: &mut Cursor<'_>, span: &mut Span, parts: &[(&str, i64, i64)]) -> Option<bool> {
    let mut any = false;
    for &(mark, months, seconds) in parts {
        let mut ahead = Cursor(cursor.0);
        let digits = ahead.digits();
        if digits.is_empty() {
            break;
        }
        if digits.len() > SPAN_DIGITS {
            return None;
        }
        let number: i64 = digits.parse().ok()?;
        let fraction = if mark == "S" {
            ahead.fraction()?
        } else {
            String::new()
        };
        if ahead.takes(mark).is_none() {
            continue;
        }
        cursor.0 = ahead.0;
        span.months += number * months;
        span.seconds += number * seconds;
        span.fraction = fraction;
        any = true;
    }
    Some(any)
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering::{Equal, Greater, Less};

    use super::super::value::Value;
    use super::*;

    #[test]
    fn points_of_time() {
        for (form, right, wrong) in [
            (
                Form::DateTime,
                &[
                    "2024-02-29T24:00:00",
                    "-0044-03-15T12:00:00.5Z",
                    "12024-01-01T00:00:00+14:00",
                ][..],
                &[
                    "2023-02-29T00:00:00",
                    "2024-01-01T24:00:01",
                    "2024-01-01",
                    "0000-01-01T00:00:00",
                    "2024-01-01T00:00:00+14:01",
                    "02024-01-01T00:00:00",
                    "2024-01-01T00:00:60",
                ][..],
            ),
            (
                Form::Date,
                &["2024-01-31", "2024-01-31-05:00"],
                &["2024-1-31", "2024-01-32", "2024-01-31T"],
            ),
            (
                Form::Time,
                &["23:59:59.999", "00:00:00Z"],
                &["24:00:01", "1:00:00", "00:00:00."],
            ),
            (Form::YearMonth, &["2024-12"], &["2024-13", "24-12"]),
            (Form::Year, &["2024", "-0001"], &["99", "2024-"]),
            (
                Form::MonthDay,
                &["--02-29", "--12-31Z"],
                &["--02-30", "-12-31"],
            ),
            (Form::Day, &["---31"], &["---32", "--31"]),
            (Form::Month, &["--12"], &["--13", "--1"]),
        ] {
            for text in right {
                assert!(moment(form, text).is_some(), "{form:?} {text}");
            }
            for text in wrong {
                assert!(moment(form, text).is_none(), "{form:?} {text}");
            }
        }
    }

    #[test]
    fn points_of_time_compare_over_zones() {
        let of = |text| Value::Moment(moment(Form::DateTime, text).unwrap());
        let compare = |one, other| of(one).compare(&of(other));
        assert_eq!(
            compare("2024-01-01T12:00:00Z", "2024-01-01T13:00:00+01:00"),
            Some(Equal)
        );
        assert_eq!(
            compare("2024-01-01T00:00:00.10", "2024-01-01T00:00:00.2"),
            Some(Less)
        );
        assert_eq!(compare("2024-01-02T00:00:00Z", "2024-01-02T01:00:00"), None);
        assert_eq!(
            compare("2024-01-03T00:00:00Z", "2024-01-01T01:00:00"),
            Some(Greater)
        );
    }

    #[test]
    fn durations() {
        for text in ["P1Y", "P1M", "PT1M", "-P1Y2M3DT4H5M6.7S", "P0D", "PT0.5S"] {
            assert!(span(text).is_some(), "{text}");
        }
        for text in [
            "P", "PT", "P1YT", "1Y", "P1S", "PT1D", "P-1Y", "P1M1Y", "P1.5D", "PT.5S",
        ] {
            assert!(span(text).is_none(), "{text}");
        }
        let compare = |one, other| {
            let of = |text| Value::Span(span(text).unwrap());
            of(one).compare(&of(other))
        };
        assert_eq!(compare("P1Y", "P12M"), Some(Equal));
        assert_eq!(compare("PT24H", "P1D"), Some(Equal));
        assert_eq!(compare("P1M", "P30D"), None);
        assert_eq!(compare("P1M", "P27D"), Some(Greater));
        assert_eq!(compare("-P1D", "PT0S"), Some(Less));
    }
}
