//! `@verifySSN`, `@verifyCPF`, `@verifySVNR`, `@validateNid`: numbers that a pattern finds and whose digits add up.

use super::{Captures, MatchError, Regex};

/// Candidates of one value that are looked at; further ones are not.
const CANDIDATES: usize = 10_000;

/// Whose number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nation {
    /// CPF, a Brazilian taxpayer: eleven digits, the last two of them check digits.
    Brazil,
    /// RUT, Chile: a number and a check digit, which may be K.
    Chile,
    /// SSN, the United States: nine digits in three groups with forbidden values.
    UnitedStates,
    /// SVNR, Austria: ten digits, the fourth of them the check digit.
    Austria,
}

/// A pattern for numbers of a nation.
#[derive(Debug)]
pub(crate) struct IdentityNumber {
    pub(crate) regex: Regex,
    pub(crate) nation: Nation,
}

impl IdentityNumber {
    pub(crate) fn matches(
        &self,
        value: &[u8],
        captures: Option<&mut Captures>,
    ) -> Result<bool, MatchError> {
        let mut from = 0;
        for _ in 0..CANDIDATES {
            let Some((start, end)) = self.regex.find_at(value, from)? else {
                break;
            };
            if self.nation.accepts(&value[start..end]) {
                if let Some(captures) = captures {
                    captures.clear();
                    captures.push(Some((start, end)));
                }
                return Ok(true);
            }
            // A longer run of digits may hold a number that begins further on.
            from = start + 1;
            if from > value.len() {
                break;
            }
        }
        Ok(false)
    }
}

impl Nation {
    fn accepts(self, text: &[u8]) -> bool {
        let digits: Vec<u32> = text
            .iter()
            .filter(|byte| byte.is_ascii_digit())
            .map(|byte| u32::from(byte - b'0'))
            .collect();
        match self {
            Self::Brazil => is_cpf(&digits),
            Self::Chile => is_rut(text),
            Self::UnitedStates => is_ssn(&digits),
            Self::Austria => is_svnr(&digits),
        }
    }
}

/// Whether each digit is the one before it, or each is one more: nobody has such a number.
fn is_made_up(digits: &[u32]) -> bool {
    let steps = |step: u32| digits.windows(2).all(|pair| pair[0] + step == pair[1]);
    steps(0) || steps(1)
}

fn is_cpf(digits: &[u32]) -> bool {
    // The weights fall to 2 at the digit before the check digit.
    let check = |digits: &[u32]| {
        let sum: u32 = digits.iter().rev().zip(2..).map(|(d, w)| d * w).sum();
        match sum % 11 {
            0 | 1 => 0,
            rest => 11 - rest,
        }
    };
    digits.len() == 11
        && !is_made_up(digits)
        && digits[..] != [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
        && check(&digits[..9]) == digits[9]
        && check(&digits[..10]) == digits[10]
}

fn is_rut(text: &[u8]) -> bool {
    let signs: Vec<u8> = text
        .iter()
        .map(u8::to_ascii_lowercase)
        .filter(|sign| sign.is_ascii_digit() || *sign == b'k')
        .collect();
    let Some((check, number)) = signs.split_last() else {
        return false;
    };
    if text.len() < 8 || number.iter().any(|sign| !sign.is_ascii_digit()) {
        return false;
    }
    let weights = (2..=7).cycle();
    let sum: u32 = number
        .iter()
        .rev()
        .zip(weights)
        .map(|(digit, weight)| u32::from(digit - b'0') * weight)
        .sum();
    let expected = match 11 - sum % 11 {
        11 => b'0',
        10 => b'k',
        digit => b'0' + digit as u8,
    };
    *check == expected
}

fn is_ssn(digits: &[u32]) -> bool {
    let [a, b, c, d, e, rest @ ..] = digits else {
        return false;
    };
    let area = a * 100 + b * 10 + c;
    digits.len() == 9
        && !is_made_up(digits)
        && (1..740).contains(&area)
        && area != 666
        && d + e > 0
        && rest.iter().any(|digit| *digit > 0)
}

fn is_svnr(digits: &[u32]) -> bool {
    const WEIGHTS: [u32; 10] = [3, 7, 9, 0, 5, 8, 4, 2, 1, 6];
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(d, w)| d * w).sum();
    digits.len() == 10
        && !is_made_up(digits)
        && digits[..] != [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
        && sum % 11 % 10 == digits[3]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(nation: Nation, value: &str) -> Option<String> {
        let number = IdentityNumber {
            regex: Regex::new(r"[0-9][0-9kK. -]+", 100_000).unwrap(),
            nation,
        };
        let mut captures = Captures::default();
        number
            .matches(value.as_bytes(), Some(&mut captures))
            .unwrap()
            .then(|| {
                let (start, end) = captures.groups()[0];
                value[start..end].to_owned()
            })
    }

    #[test]
    fn numbers_whose_digits_add_up() {
        for (nation, value) in [
            (Nation::Brazil, "529.982.247-25"),
            (Nation::Brazil, "11144477735"),
            (Nation::Chile, "12.345.678-5"),
            (Nation::Chile, "10.000.013-K"),
            (Nation::UnitedStates, "219-09-9999"),
            (Nation::Austria, "1237 010180"),
        ] {
            let inside = format!("x{value}y");
            assert_eq!(found(nation, &inside).as_deref(), Some(value), "{nation:?}");
        }
        // Behind other digits that the pattern takes along.
        assert_eq!(
            found(Nation::Brazil, "7529.982.247-25").as_deref(),
            Some("529.982.247-25")
        );
    }

    #[test]
    fn numbers_that_nobody_has() {
        for (nation, value) in [
            (Nation::Brazil, "529.982.247-26"),
            (Nation::Brazil, "11111111111"),
            (Nation::Chile, "12.345.678-6"),
            (Nation::Chile, "1-9"),
            (Nation::UnitedStates, "000-09-9999"),
            (Nation::UnitedStates, "666-09-9999"),
            (Nation::UnitedStates, "219-00-9999"),
            (Nation::UnitedStates, "219-09-0000"),
            (Nation::UnitedStates, "740-09-9999"),
            (Nation::UnitedStates, "123-45-6789"),
            (Nation::Austria, "1238 010180"),
            (Nation::Austria, "0000000000"),
            (Nation::Austria, ""),
        ] {
            assert_eq!(found(nation, value), None, "{nation:?}");
        }
    }
}
