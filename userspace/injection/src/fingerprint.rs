//! The short text that says what an injection is made of.

use std::fmt;

/// The kinds of the first tokens of an injection, a letter each: `s&sos`, `1UE`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    letters: [u8; Fingerprint::LIMIT],
    length: u8,
}

impl Fingerprint {
    /// Letters of the longest fingerprint.
    pub const LIMIT: usize = 5;

    /// Adds a letter; one past the limit is left out.
    pub(crate) fn push(&mut self, letter: u8) {
        if let Some(slot) = self.letters.get_mut(usize::from(self.length)) {
            *slot = letter;
            self.length += 1;
        }
    }

    /// The letters: printable ASCII.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.letters
            .get(..usize::from(self.length))
            .unwrap_or_default()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes()
            .iter()
            .try_for_each(|&letter| fmt::Write::write_char(formatter, char::from(letter)))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Fingerprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_past_the_limit_are_left_out() {
        let mut fingerprint = Fingerprint::default();
        b"s&sosk"
            .iter()
            .for_each(|&letter| fingerprint.push(letter));
        assert_eq!(fingerprint.to_string(), "s&sos");
        assert_eq!(fingerprint.as_bytes(), b"s&sos");
        assert_eq!(format!("{fingerprint:?}"), "Fingerprint(s&sos)");
    }
}
