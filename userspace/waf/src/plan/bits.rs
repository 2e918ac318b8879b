//! Sets of small numbers.

/// A set of small numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    pub(crate) fn insert(&mut self, number: u32) {
        let word = number as usize / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (number % 64);
    }

    /// Inserts the numbers from `start` to the one before `end`.
    pub(crate) fn insert_range(&mut self, start: u32, end: u32) {
        (start..end).for_each(|number| self.insert(number));
    }

    pub(crate) fn contains(&self, number: u32) -> bool {
        self.0
            .get(number as usize / 64)
            .is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    /// The smallest number that is not below `start`.
    pub(crate) fn next(&self, start: u32) -> Option<u32> {
        let first = start as usize / 64;
        let mut words = self.0.iter().enumerate().skip(first);
        words.find_map(|(place, &word)| {
            let below = if place == first { start % 64 } else { 0 };
            let rest = word >> below << below;
            // As many words as numbers fit u32.
            (rest != 0).then(|| place as u32 * 64 + rest.trailing_zeros())
        })
    }

    /// Inserts the numbers of `others` that are not below `start`.
    pub(crate) fn insert_all_from(&mut self, others: &Bits, start: u32) {
        let first = start as usize / 64;
        if self.0.len() < others.0.len() {
            self.0.resize(others.0.len(), 0);
        }
        let words = self.0.iter_mut().zip(&others.0).enumerate().skip(first);
        for (place, (word, other)) in words {
            let below = if place == first { start % 64 } else { 0 };
            *word |= other >> below << below;
        }
    }

    /// Takes every number of `others` away.
    pub(crate) fn remove_all(&mut self, others: &Bits) {
        for (word, other) in self.0.iter_mut().zip(&others.0) {
            *word &= !other;
        }
    }

    /// Becomes equal to `other` and keeps its memory.
    pub(crate) fn copy_from(&mut self, other: &Bits) {
        self.0.clear();
        self.0.extend_from_slice(&other.0);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let mut start = Some(0);
        std::iter::from_fn(move || {
            let number = self.next(start?)?;
            start = number.checked_add(1);
            Some(number)
        })
    }

    /// Appends the set to a list of numbers; [`Bits::read`] takes it from there.
    pub(crate) fn write(&self, out: &mut Vec<u32>) {
        // As many words as numbers fit u32.
        out.push(self.0.len() as u32);
        out.extend(
            self.0
                .iter()
                .flat_map(|word| [*word as u32, (word >> 32) as u32]),
        );
    }

    /// Becomes the set that stands at the start of a list. The rest of the list, or nothing where the list is too short.
    pub(crate) fn read<'a>(&mut self, list: &'a [u32]) -> Option<&'a [u32]> {
        self.0.clear();
        let (&words, list) = list.split_first()?;
        let (own, rest) = list.split_at_checked(words as usize * 2)?;
        let pairs = own.chunks_exact(2);
        self.0
            .extend(pairs.map(|pair| u64::from(pair[0]) | u64::from(pair[1]) << 32));
        Some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(numbers: &[u32]) -> Bits {
        let mut bits = Bits::default();
        numbers.iter().for_each(|&number| bits.insert(number));
        bits
    }

    #[test]
    fn numbers_come_in_order() {
        let bits = set(&[130, 0, 63, 64, 5]);
        assert_eq!(bits.iter().collect::<Vec<_>>(), [0, 5, 63, 64, 130]);
        assert_eq!(bits.next(6), Some(63));
        assert_eq!(bits.next(64), Some(64));
        assert_eq!(bits.next(65), Some(130));
        assert_eq!(bits.next(131), None);
        assert_eq!(bits.next(1000), None);
        assert!(bits.contains(63) && !bits.contains(62) && !bits.contains(1000));
    }

    #[test]
    fn ranges_and_differences() {
        let mut bits = Bits::default();
        bits.insert_range(62, 66);
        bits.remove_all(&set(&[63, 64, 900]));
        assert_eq!(bits.iter().collect::<Vec<_>>(), [62, 65]);
        let mut copy = set(&[1, 2, 3]);
        copy.copy_from(&bits);
        assert_eq!(copy, bits);
    }

    #[test]
    fn what_is_written_is_read() {
        let mut list = Vec::new();
        set(&[1, 40, 100]).write(&mut list);
        list.push(7);
        let mut bits = set(&[3]);
        assert_eq!(bits.read(&list), Some(&[7][..]));
        assert_eq!(bits, set(&[1, 40, 100]));
        assert_eq!(bits.read(&list[..3]), None);
        assert_eq!(bits.read(&[]), None);
    }
}
