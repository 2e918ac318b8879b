//! `@verifyCC`: numbers that a pattern finds and whose check digit is right.

use super::{Captures, MatchError, Regex};

/// A pattern for card numbers.
#[derive(Debug)]
pub(crate) struct CardNumber(pub(crate) Regex);

impl CardNumber {
    pub(crate) fn matches(
        &self,
        value: &[u8],
        captures: Option<&mut Captures>,
    ) -> Result<bool, MatchError> {
        for range in self.0.occurrences(value) {
            let (start, end) = range?;
            if check_digit_is_right(&value[start..end]) {
                if let Some(captures) = captures {
                    captures.clear();
                    captures.push(Some((start, end)));
                }
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Luhn's check over the digits; other bytes are passed over. No digits at all are not right.
fn check_digit_is_right(number: &[u8]) -> bool {
    let mut digits = 0;
    let sum: u32 = number
        .iter()
        .rev()
        .filter(|byte| byte.is_ascii_digit())
        .map(|byte| u32::from(byte - b'0'))
        .map(|digit| {
            digits += 1;
            if digits % 2 == 1 {
                digit
            } else if digit < 5 {
                2 * digit
            } else {
                2 * digit - 9
            }
        })
        .sum();
    digits > 0 && sum.is_multiple_of(10)
}
