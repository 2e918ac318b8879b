//! The fingerprints of attacks.

use super::token::Kind;

/// Fingerprints in upper case: on each line all letters but the last, a space, and every last letter that makes one. See the NOTICE
/// beside the manifest for where they come from.
const TEXT: &[u8] = include_bytes!("fingerprints.txt");

/// Places of the table: a power of two, more than half as many again as there are lines.
const SLOTS: usize = 4096;

/// Fingerprints that begin alike. One without last letters is an empty place.
#[derive(Clone, Copy)]
struct Slot {
    /// All letters but the last, five bits each.
    beginning: u32,
    /// A bit for each last letter.
    last: u32,
}

static TABLE: [Slot; SLOTS] = table();

/// Whether tokens of these kinds, one after the other, are an attack.
pub(super) fn is_attack(kinds: impl Iterator<Item = Kind>) -> bool {
    let mut beginning = 0;
    let mut last = None;
    for kind in kinds {
        let Some(number) = number(kind.letter()) else {
            return false;
        };
        if let Some(last) = last.replace(number) {
            beginning = beginning << 5 | last;
        }
    }
    let Some(last) = last else { return false };
    let mut place = hash(beginning);
    while let Some(slot) = TABLE.get(place % SLOTS) {
        if slot.last == 0 {
            return false;
        }
        if slot.beginning == beginning {
            return slot.last & (1 << last) != 0;
        }
        place += 1;
    }
    false
}

/// The number of a letter, from 1; `None` for those that no attack has. Case makes no difference.
const fn number(letter: u8) -> Option<u32> {
    const LETTERS: &[u8; 20] = b"&(),1:;ABCEFKNOSTUVX";
    const NUMBERS: [u8; 128] = {
        let mut numbers = [0; 128];
        let mut index = 0;
        while index < LETTERS.len() {
            numbers[LETTERS[index] as usize] = index as u8 + 1;
            numbers[LETTERS[index].to_ascii_lowercase() as usize] = index as u8 + 1;
            index += 1;
        }
        numbers
    };
    match NUMBERS[(letter & 0x7F) as usize] {
        0 => None,
        number => Some(number as u32),
    }
}

const fn hash(beginning: u32) -> usize {
    (beginning.wrapping_mul(0x9E37_79B1) >> 18) as usize
}

/// Runs when this is compiled.
const fn table() -> [Slot; SLOTS] {
    let mut table = [Slot {
        beginning: 0,
        last: 0,
    }; SLOTS];
    let mut at = 0;
    while at < TEXT.len() {
        let mut slot = Slot {
            beginning: 0,
            last: 0,
        };
        while TEXT[at] != b' ' {
            let Some(number) = number(TEXT[at]) else {
                panic!("a letter of fingerprints.txt is no kind");
            };
            slot.beginning = slot.beginning << 5 | number;
            at += 1;
        }
        at += 1;
        while TEXT[at] != b'\n' {
            let Some(number) = number(TEXT[at]) else {
                panic!("a letter of fingerprints.txt is no kind");
            };
            slot.last |= 1 << number;
            at += 1;
        }
        at += 1;
        let mut place = hash(slot.beginning) % SLOTS;
        while table[place].last != 0 {
            place = (place + 1) % SLOTS;
        }
        table[place] = slot;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fingerprint_is_found() {
        let slots = TABLE.iter().filter(|slot| slot.last != 0);
        assert!(
            slots.clone().count() * 3 <= SLOTS * 2,
            "the table is too full"
        );
        assert_eq!(slots.map(|slot| slot.last.count_ones()).sum::<u32>(), 8367);
    }

    #[test]
    fn kinds_are_looked_up_in_their_order() {
        use Kind as K;
        assert!(is_attack([K::Evil].into_iter()));
        assert!(is_attack([K::Number, K::Comment].into_iter()));
        assert!(!is_attack([K::Comment, K::Number].into_iter()));
        assert!(is_attack(
            [K::String, K::Logic, K::String, K::Operator, K::String].into_iter()
        ));
        assert!(!is_attack([K::Bareword].into_iter()));
        assert!(!is_attack([K::Number, K::Backslash].into_iter()));
        assert!(!is_attack(std::iter::empty()));
    }
}
