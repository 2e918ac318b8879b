//! The file of `SecUnicodeMapFile`: for each code page, the byte that a character is taken for.

/// Characters of one code page and the bytes that stand for them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct UnicodeMap {
    /// Ascending by character.
    pairs: Vec<(u16, u8)>,
}

impl UnicodeMap {
    /// Reads the map of `code_page`, or of the first one where none is named. `None` where the file does not have it.
    ///
    /// A line that begins with a decimal number opens a code page; behind it stand pairs such as `00a1:21`. `#` begins a comment.
    pub(crate) fn read(file: &[u8], code_page: Option<u32>) -> Option<UnicodeMap> {
        let text = String::from_utf8_lossy(file);
        let mut wanted = code_page;
        let mut open = false;
        let mut pairs = Vec::new();
        for line in text.lines().map(str::trim) {
            let first = line.split_ascii_whitespace().next().unwrap_or("");
            if let Ok(page) = first.parse::<u32>() {
                open = *wanted.get_or_insert(page) == page;
                continue;
            }
            let words = line.split_ascii_whitespace().filter(|_| open);
            for word in words.take_while(|word| !word.starts_with('#')) {
                let (character, byte) = word.split_once(':')?;
                let character = u16::from_str_radix(character, 16).ok()?;
                pairs.push((character, u8::from_str_radix(byte, 16).ok()?));
            }
        }
        pairs.sort_unstable();
        pairs.dedup_by_key(|(character, _)| *character);
        (!pairs.is_empty()).then_some(UnicodeMap { pairs })
    }

    /// The byte that stands for a character.
    pub(crate) fn find(&self, character: u16) -> Option<u8> {
        let at = self
            .pairs
            .binary_search_by_key(&character, |(known, _)| *known);
        at.ok()
            .and_then(|at| self.pairs.get(at))
            .map(|(_, byte)| *byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_code_pages() {
        let file = b"# comment\n1250  (Central Europe)\n00a1:21 00a2:63 # more\n\n20127 (US-ASCII)\n0100:41\n00aa:61 ff1c:3c\n";
        let map = |page| UnicodeMap::read(file, page).unwrap();
        assert_eq!(map(Some(20127)).find(0x0100), Some(b'A'));
        assert_eq!(map(Some(20127)).find(0x00AA), Some(b'a'));
        assert_eq!(map(Some(20127)).find(0x00A1), None);
        assert_eq!(map(None).find(0x00A1), Some(b'!'));
        assert_eq!(UnicodeMap::read(file, Some(1)), None);
        assert_eq!(UnicodeMap::read(b"1 x\n00a1-21\n", None), None);
    }
}
