//! The words and operators of SQL that mean something, and what they mean.

use super::token::{Kind, Token};

/// A word on each line, behind the letter of its kind. See the NOTICE beside the manifest for where they come from.
const TEXT: &[u8] = include_bytes!("words.txt");

/// Places of the table: a power of two, at least twice the words.
const SLOTS: usize = 2048;

/// A word: where it lies in the text. One without length is an empty place.
#[derive(Clone, Copy)]
struct Slot {
    start: u16,
    length: u8,
    kind: Kind,
}

static TABLE: [Slot; SLOTS] = table();

/// The kind of a word, with or without regard to ASCII case the same, and the word as the list has it.
#[inline]
pub(super) fn find(word: &[u8]) -> Option<(Kind, &'static [u8])> {
    if word.is_empty() || word.len() > Token::TEXT_LIMIT {
        return None;
    }
    let mut place = hash(word);
    loop {
        let slot = TABLE.get(place % SLOTS)?;
        if slot.length == 0 {
            return None;
        }
        if usize::from(slot.length) == word.len() {
            let start = usize::from(slot.start);
            let known = TEXT.get(start..start + word.len())?;
            if known.eq_ignore_ascii_case(word) {
                return Some((slot.kind, known));
            }
        }
        place += 1;
    }
}

pub(super) fn kind(word: &[u8]) -> Option<Kind> {
    find(word).map(|(kind, _)| kind)
}

/// Lengths of what stands before a blank in some word, a bit each; by the lowest five bits of the first letter.
static BEGINNINGS: [u32; 32] = beginnings();

/// Whether some word could be this one, a blank and more. No for most that are none.
pub(super) fn can_begin_phrase(word: &[u8]) -> bool {
    word.first()
        .and_then(|&first| BEGINNINGS.get(usize::from(first & 0x1F)))
        .is_some_and(|lengths| word.len() <= Token::TEXT_LIMIT && lengths & (1 << word.len()) != 0)
}

/// Runs when this is compiled.
const fn beginnings() -> [u32; 32] {
    let mut beginnings = [0; 32];
    let mut start = 0;
    while start < TEXT.len() {
        // A line: the letter of the kind, a blank, the word.
        start += 2;
        let mut end = start;
        while TEXT[end] != b'\n' {
            if TEXT[end] == b' ' {
                beginnings[(TEXT[start] & 0x1F) as usize] |= 1 << (end - start);
            }
            end += 1;
        }
        start = end + 1;
    }
    beginnings
}

/// A hash that is the same for both cases of a letter.
const fn hash(word: &[u8]) -> usize {
    let mut hash: u32 = 0x811C_9DC5;
    let mut rest = word;
    while let [byte, tail @ ..] = rest {
        hash = (hash ^ (*byte & 0xDF) as u32).wrapping_mul(0x0100_0193);
        rest = tail;
    }
    (hash ^ (hash >> 15)) as usize
}

/// Runs when this is compiled.
const fn table() -> [Slot; SLOTS] {
    let mut table = [Slot {
        start: 0,
        length: 0,
        kind: Kind::Unknown,
    }; SLOTS];
    let mut start = 0;
    while start < TEXT.len() {
        let mut end = start;
        while TEXT[end] != b'\n' {
            end += 1;
        }
        let (_, line) = TEXT.split_at(start);
        let (line, _) = line.split_at(end - start);
        let (letter, word) = line.split_at(2);
        let Some(kind) = Kind::of_word(letter[0]) else {
            panic!("a line of words.txt has no kind");
        };
        assert!(word.len() <= Token::TEXT_LIMIT && start + 2 <= u16::MAX as usize);
        let mut place = hash(word) % SLOTS;
        while table[place].length > 0 {
            place = (place + 1) % SLOTS;
        }
        table[place] = Slot {
            start: (start + 2) as u16,
            length: word.len() as u8,
            kind,
        };
        start = end + 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_found_in_either_case() {
        let mut words = 0;
        for line in TEXT.split(|&byte| byte == b'\n') {
            let Some((letter, word)) = line.split_at_checked(2) else {
                continue;
            };
            words += 1;
            assert_eq!(kind(word).map(Kind::letter), letter.first().copied());
            assert_eq!(find(&word.to_ascii_lowercase()).unwrap().1, word);
            for blank in memchr::memchr_iter(b' ', word) {
                assert!(can_begin_phrase(&word[..blank].to_ascii_lowercase()));
            }
        }
        assert!(words * 2 <= SLOTS, "the table is too full");
        assert!(words > 900);
    }

    #[test]
    fn other_words_mean_nothing() {
        for word in [
            "",
            "S",
            "SELECTED",
            "UNIO",
            "union  all",
            "S\u{0}ELECT",
            "[ELECT",
            "a word that is longer than any that is known",
        ] {
            assert_eq!(kind(word.as_bytes()), None, "{word}");
        }
        assert!(!can_begin_phrase(b"hello"));
        assert!(!can_begin_phrase(b""));
    }
}
