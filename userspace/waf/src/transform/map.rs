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

/// What looks like ASCII above U+00FF, as code page 20127 (US-ASCII) takes it: runs of characters that follow each other, and the bytes
/// that stand for them. This is what counts without a file. Full-width forms are not in it: they are computed.
const LOOKALIKES: &[(u16, &[u8])] = &[
    (
        0x0100,
        b"AaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIi",
    ),
    (0x0134, b"JjKk"),
    (0x0139, b"LlLlLl"),
    (0x0141, b"LlNnNnNn"),
    (0x014C, b"OoOoOoOoRrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZ"),
    (0x017B, b"ZzZz"),
    (0x0180, b"b"),
    (0x0189, b"D"),
    (0x0191, b"Ff"),
    (0x0197, b"I"),
    (0x019A, b"l"),
    (0x019F, b"OOo"),
    (0x01AB, b"t"),
    (0x01AE, b"TUu"),
    (0x01B6, b"z"),
    (0x01CD, b"AaIiOoUuUuUuUuUu"),
    (0x01DE, b"Aa"),
    (0x01E4, b"GgGgKkOoOo"),
    (0x01F0, b"j"),
    (0x0261, b"g"),
    (0x02B9, b"'\""),
    (0x02BC, b"'"),
    (0x02C4, b"^"),
    (0x02C6, b"^"),
    (0x02C8, b"'"),
    (0x02CB, b"`"),
    (0x02CD, b"_"),
    (0x02DC, b"~"),
    (0x0300, b"`"),
    (0x0302, b"^~"),
    (0x030E, b"\""),
    (0x0331, b"__"),
    (0x2000, b"       "),
    (0x2010, b"--"),
    (0x2013, b"--"),
    (0x2018, b"'',"),
    (0x201C, b"\"\"\""),
    (0x2022, b"."),
    (0x2026, b"."),
    (0x2032, b"'"),
    (0x2035, b"`"),
    (0x2039, b"<>"),
    (0x2122, b"T"),
];

/// The ASCII byte that a character looks like.
pub(super) fn lookalike(character: u16) -> Option<u8> {
    let behind = LOOKALIKES.partition_point(|(first, _)| *first <= character);
    let (first, bytes) = LOOKALIKES.get(behind.checked_sub(1)?)?;
    bytes.get(usize::from(character - first)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookalikes_are_in_order_and_found() {
        assert!(LOOKALIKES.is_sorted_by_key(|(first, _)| *first));
        for (character, byte) in [
            (0x0100, Some(b'A')),
            (0x0131, Some(b'i')),
            (0x0132, None),
            (0x2019, Some(b'\'')),
            (0x201D, Some(b'"')),
            (0x2014, Some(b'-')),
            (0x00FF, None),
            (0x1100, None),
            (0xFFFF, None),
        ] {
            assert_eq!(lookalike(character), byte, "{character:04x}");
        }
    }

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
