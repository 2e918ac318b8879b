//! Sets of byte values, and the small byte predicates that several subjects share.

/// A set of byte values: 256 bits.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ByteSet([u64; 4]);

impl ByteSet {
    /// The set of nothing.
    pub const EMPTY: ByteSet = ByteSet([0; 4]);
    /// The set of every byte.
    pub const ALL: ByteSet = ByteSet([u64::MAX; 4]);

    /// The bytes of `members`.
    #[must_use]
    pub const fn of(members: &[u8]) -> ByteSet {
        let mut set = ByteSet::EMPTY;
        let mut i = 0;
        while i < members.len() {
            set = set.with(members[i]);
            i += 1;
        }
        set
    }

    /// The bytes for which a question is answered with yes.
    #[must_use]
    pub fn where_true(question: impl Fn(u8) -> bool) -> ByteSet {
        (0..=u8::MAX)
            .filter(|&byte| question(byte))
            .fold(ByteSet::EMPTY, ByteSet::with)
    }

    /// The bytes from `first` to `last`, both included.
    #[must_use]
    pub const fn range(first: u8, last: u8) -> ByteSet {
        let mut set = ByteSet::EMPTY;
        let mut byte = first as u16;
        while byte <= last as u16 {
            set = set.with(byte as u8);
            byte += 1;
        }
        set
    }

    /// The bytes that occur in `value`: what the byte gate asks of every value once.
    #[must_use]
    pub fn present_in(value: &[u8]) -> ByteSet {
        // In registers and without a branch: most values are short, and ASCII.
        let (mut low, mut high, mut all) = (0, 0, 0);
        for &byte in value {
            let bit = 1u64.rotate_left(u32::from(byte));
            let is_high = 0u64.wrapping_sub(u64::from(byte >> 6 & 1));
            low |= bit & !is_high;
            high |= bit & is_high;
            all |= byte;
        }
        if all < 0x80 {
            return ByteSet([low, high, 0, 0]);
        }
        let mut set = ByteSet::EMPTY;
        value.iter().for_each(|&byte| set.insert(byte));
        set
    }

    /// This set and `byte`.
    #[must_use]
    pub const fn with(mut self, byte: u8) -> ByteSet {
        self.0[(byte >> 6) as usize] |= 1 << (byte & 63);
        self
    }

    /// Adds `byte`.
    pub fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    /// Whether `byte` is a member.
    #[must_use]
    pub const fn contains(&self, byte: u8) -> bool {
        self.0[(byte >> 6) as usize] & (1 << (byte & 63)) != 0
    }

    /// Members of either.
    #[must_use]
    pub const fn union(self, other: ByteSet) -> ByteSet {
        ByteSet([
            self.0[0] | other.0[0],
            self.0[1] | other.0[1],
            self.0[2] | other.0[2],
            self.0[3] | other.0[3],
        ])
    }

    /// The bytes that are in both sets.
    #[must_use]
    pub const fn intersection(self, other: ByteSet) -> ByteSet {
        self.complement().union(other.complement()).complement()
    }

    /// The bytes that are no members.
    #[must_use]
    pub const fn complement(self) -> ByteSet {
        ByteSet([!self.0[0], !self.0[1], !self.0[2], !self.0[3]])
    }

    /// Whether the two have a member in common.
    #[must_use]
    pub const fn intersects(&self, other: &ByteSet) -> bool {
        (self.0[0] & other.0[0])
            | (self.0[1] & other.0[1])
            | (self.0[2] & other.0[2])
            | (self.0[3] & other.0[3])
            != 0
    }

    /// Whether every member is also one of `other`.
    #[must_use]
    pub const fn is_subset_of(&self, other: &ByteSet) -> bool {
        (self.0[0] & !other.0[0])
            | (self.0[1] & !other.0[1])
            | (self.0[2] & !other.0[2])
            | (self.0[3] & !other.0[3])
            == 0
    }

    /// How many bytes are members.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.0[0].count_ones()
            + self.0[1].count_ones()
            + self.0[2].count_ones()
            + self.0[3].count_ones()
    }

    /// Whether there is no member.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0[0] | self.0[1] | self.0[2] | self.0[3] == 0
    }

    /// The members in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u8> + '_ {
        self.0
            .iter()
            .zip([0, 64, 128, 192])
            .flat_map(|(&word, base)| {
                let mut left = word;
                std::iter::from_fn(move || {
                    let bit = (left != 0).then(|| left.trailing_zeros() as u8)?;
                    left &= left - 1;
                    Some(base + bit)
                })
            })
    }
}

impl std::fmt::Debug for ByteSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set()
            .entries(self.iter().map(|byte| byte.escape_ascii().to_string()))
            .finish()
    }
}

/// C's `isspace` in the C locale, which unlike Rust's predicate counts the vertical tab.
#[must_use]
pub const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0B | 0x0C | b'\r')
}

/// The bytes that [`is_space`] accepts.
pub const SPACES: ByteSet = ByteSet::of(b" \t\n\x0B\x0C\r");

/// The value of a hexadecimal digit.
#[must_use]
pub const fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// The byte that the two hexadecimal digits at `at` write, if they are there.
#[must_use]
pub fn hex_pair(input: &[u8], at: usize) -> Option<u8> {
    let high = hex_value(*input.get(at)?)?;
    let low = hex_value(*input.get(at + 1)?)?;
    Some(high << 4 | low)
}

/// C's `atoi`: leading blanks, a sign, digits; the rest is ignored and no digits are 0. Saturates instead of overflowing.
#[must_use]
pub fn atoi(text: &[u8]) -> i64 {
    let start = text
        .iter()
        .position(|&byte| !is_space(byte))
        .unwrap_or(text.len());
    let (negative, digits) = match text.get(start) {
        Some(b'-') => (true, start + 1),
        Some(b'+') => (false, start + 1),
        _ => (false, start),
    };
    let mut number: i64 = 0;
    for &byte in text.get(digits..).unwrap_or_default() {
        if !byte.is_ascii_digit() {
            break;
        }
        number = number
            .saturating_mul(10)
            .saturating_add(i64::from(byte - b'0'));
    }
    if negative { -number } else { number }
}

/// Whether `haystack` contains `needle` without regard to ASCII case. For short, cold comparisons.
#[must_use]
pub fn contains_ignore_case(haystack: &[u8], needle: &[u8]) -> bool {
    needle.is_empty()
        || haystack
            .windows(needle.len())
            .any(|window| window.eq_ignore_ascii_case(needle))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn atoi_reads_like_c() {
        for (text, number) in [
            ("12abc", 12),
            ("zz", 0),
            ("", 0),
            ("  -7x", -7),
            ("+3", 3),
            ("99999999999999999999", i64::MAX),
        ] {
            assert_eq!(atoi(text.as_bytes()), number, "{text}");
        }
    }

    #[test]
    fn what_occurs_is_present_and_nothing_else() {
        for first in 0..=255u8 {
            for value in [
                &[first][..],
                &[first, 0x3f, 0x40],
                &[first, 0x7f, 0x80, 0xc0],
            ] {
                let set = ByteSet::present_in(value);
                assert!(
                    (0..=255).all(|byte| set.contains(byte) == value.contains(&byte)),
                    "{value:?}"
                );
            }
        }
        assert_eq!(ByteSet::present_in(b""), ByteSet::EMPTY);
    }

    #[test]
    fn sets_compare() {
        let digits = ByteSet::range(b'0', b'9');
        assert_eq!(digits.len(), 10);
        assert!(ByteSet::present_in(b"2024").is_subset_of(&digits));
        assert!(!ByteSet::present_in(b"20 24").is_subset_of(&digits));
        assert!(digits.intersects(&ByteSet::of(b"a7")));
        assert!(!digits.intersects(&ByteSet::of(b"ab")));
        assert!(
            ByteSet::of(b"\x00a\x7f\xff")
                .iter()
                .eq([0, b'a', 0x7f, 0xff])
        );
    }
}
