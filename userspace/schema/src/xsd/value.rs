//! Values of simple types, and how they compare.

use std::cmp::Ordering;

/// A value in the space of its type.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    Flag(bool),
    Number(Decimal),
    Float(f64),
    Moment(Moment),
    Span(Span),
    Bytes(Vec<u8>),
    /// A qualified name: namespace and local part.
    Name(String, String),
    List(Vec<Value>),
}

impl Value {
    /// How two values of one type compare; `None` where neither is the larger one.
    pub(super) fn compare(&self, other: &Value) -> Option<Ordering> {
        match (self, other) {
            (Value::Number(one), Value::Number(other)) => Some(one.compare(other)),
            // NaN is itself and has no order.
            (Value::Float(one), Value::Float(other)) if one.is_nan() && other.is_nan() => {
                Some(Ordering::Equal)
            }
            (Value::Float(one), Value::Float(other)) => one.partial_cmp(other),
            (Value::Moment(one), Value::Moment(other)) => one.compare(other),
            (Value::Span(one), Value::Span(other)) => one.compare(other),
            _ => None,
        }
    }

    pub(super) fn equals(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::List(one), Value::List(other)) => {
                one.len() == other.len()
                    && one.iter().zip(other).all(|(one, other)| one.equals(other))
            }
            (
                Value::Number(_) | Value::Float(_) | Value::Moment(_) | Value::Span(_),
                Value::Number(_) | Value::Float(_) | Value::Moment(_) | Value::Span(_),
            ) => self.compare(other) == Some(Ordering::Equal),
            _ => self == other,
        }
    }
}

/// A decimal number of any length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    is_negative: bool,
    /// Digits before the point, without leading zeros.
    whole: String,
    /// Digits behind it, without trailing zeros.
    fraction: String,
}

impl Decimal {
    pub(super) fn read(text: &str) -> Option<Decimal> {
        let (is_negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let numeric = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !numeric(whole) || !numeric(fraction) || (whole.is_empty() && fraction.is_empty()) {
            return None;
        }
        let whole = whole.trim_start_matches('0').to_owned();
        let fraction = fraction.trim_end_matches('0').to_owned();
        let is_zero = whole.is_empty() && fraction.is_empty();
        Some(Decimal {
            is_negative: is_negative && !is_zero,
            whole,
            fraction,
        })
    }

    pub(super) fn digits(&self) -> usize {
        (self.whole.len() + self.fraction.len()).max(1)
    }

    pub(super) fn fraction_digits(&self) -> usize {
        self.fraction.len()
    }

    pub(super) fn compare(&self, other: &Decimal) -> Ordering {
        let size = || {
            let length = self.whole.len().cmp(&other.whole.len());
            length
                .then_with(|| self.whole.cmp(&other.whole))
                .then_with(|| self.fraction.cmp(&other.fraction))
        };
        match (self.is_negative, other.is_negative) {
            (false, false) => size(),
            (true, true) => size().reverse(),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

/// A point of time, or of a day, year or month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// Seconds since the year 0; in universal time where there is a zone.
    pub(super) seconds: i64,
    /// Digits behind the seconds, without trailing zeros.
    pub(super) fraction: String,
    pub(super) has_zone: bool,
}

/// The farthest that zones are away from universal time.
const FARTHEST_ZONE: i64 = 14 * 3600;

impl Moment {
    fn compare(&self, other: &Moment) -> Option<Ordering> {
        let apart = self.seconds.cmp(&other.seconds);
        if self.has_zone != other.has_zone {
            let far = self.seconds.abs_diff(other.seconds) > FARTHEST_ZONE.unsigned_abs();
            return far.then_some(apart);
        }
        Some(apart.then_with(|| self.fraction.cmp(&other.fraction)))
    }
}

/// A duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) is_negative: bool,
    pub(super) months: i64,
    pub(super) seconds: i64,
    pub(super) fraction: String,
}

impl Span {
    /// Durations have no full order: two compare as they do when they are added to each of four dates, if these agree.
    fn compare(&self, other: &Span) -> Option<Ordering> {
        let dates = [(1696, 9), (1697, 2), (1903, 3), (1903, 7)];
        let mut found = None;
        for (year, month) in dates {
            let one = self.added(year, month);
            let other_sum = other.added(year, month);
            let order = one.cmp(&other_sum).then_with(|| {
                let fractions = self.fraction.cmp(&other.fraction);
                if self.is_negative {
                    fractions.reverse()
                } else {
                    fractions
                }
            });
            match found {
                None => found = Some(order),
                Some(known) if known == order => {}
                Some(_) => return None,
            }
        }
        found
    }

    fn added(&self, year: i64, month: i64) -> i64 {
        let sign = if self.is_negative { -1 } else { 1 };
        let months = (year * 12 + month - 1).saturating_add(sign * self.months);
        let days = days_before(months.div_euclid(12), months.rem_euclid(12) + 1);
        days.saturating_mul(86_400)
            .saturating_add(sign * self.seconds)
    }
}

/// Days of the Gregorian calendar before the first of a month (1 to 12), from the year 0.
pub(super) fn days_before(year: i64, month: i64) -> i64 {
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let earlier = year - 1;
    let leaps = earlier.div_euclid(4) - earlier.div_euclid(100) + earlier.div_euclid(400);
    let month = usize::try_from(month - 1).unwrap_or(0);
    let mut days = year.saturating_mul(365).saturating_add(leaps);
    days += BEFORE.get(month).copied().unwrap_or(0);
    days + i64::from(month > 1 && is_leap(year))
}

pub(super) fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

fn is_leap(year: i64) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}
