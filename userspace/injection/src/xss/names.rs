//! Names of tags and attributes, and the schemes of addresses, that can run script.

/// What the value of an attribute can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Power {
    Nothing,
    /// Whatever the value is, it runs or styles.
    Any,
    /// It is an address, and some run.
    Address,
    /// It is the name of another attribute.
    Name,
}

/// Schemes that run, and the first half of one: `JAVA` of `JAVASCRIPT`.
const SCHEMES: [&[u8]; 4] = [b"DATA", b"VIEW-SOURCE", b"JAVA", b"VBSCRIPT"];

/// The longest name that counts is `ATTRIBUTENAME`.
const NAME_LIMIT: usize = 13;

/// A name in upper case without its NULs, as browsers read it. One that is too long to count is empty.
struct Name {
    letters: [u8; NAME_LIMIT],
    length: usize,
}

impl Name {
    fn new(name: &[u8]) -> Name {
        let mut read = Name {
            letters: [0; NAME_LIMIT],
            length: 0,
        };
        for byte in name.iter().filter(|&&byte| byte != 0) {
            let Some(slot) = read.letters.get_mut(read.length) else {
                read.length = 0;
                break;
            };
            *slot = byte.to_ascii_uppercase();
            read.length += 1;
        }
        read
    }

    fn letters(&self) -> &[u8] {
        self.letters.get(..self.length).unwrap_or_default()
    }
}

fn begins_with(text: &[u8], upper: &[u8]) -> bool {
    text.get(..upper.len())
        .is_some_and(|beginning| beginning.eq_ignore_ascii_case(upper))
}

/// Whether a tag can run, load or style something.
pub(super) fn is_live_tag(name: &[u8]) -> bool {
    if name.len() < 3 {
        return false;
    }
    if begins_with(name, b"SVG") || begins_with(name, b"XSL") {
        return true;
    }
    matches!(
        Name::new(name).letters(),
        b"APPLET"
            | b"BASE"
            | b"COMMENT"
            | b"EMBED"
            | b"FRAME"
            | b"FRAMESET"
            | b"HANDLER"
            | b"IFRAME"
            | b"IMPORT"
            | b"ISINDEX"
            | b"LINK"
            | b"LISTENER"
            | b"META"
            | b"NOSCRIPT"
            | b"OBJECT"
            | b"SCRIPT"
            | b"STYLE"
            | b"VMLFRAME"
            | b"XML"
            | b"XSS"
    )
}

/// What the value of an attribute of this name can do.
pub(super) fn power(name: &[u8]) -> Power {
    if name.len() < 2 {
        return Power::Nothing;
    }
    let is_event_or_namespace = name.len() >= 5
        && (begins_with(name, b"ON") || begins_with(name, b"XMLNS") || begins_with(name, b"XLINK"));
    if is_event_or_namespace {
        return Power::Any;
    }
    match Name::new(name).letters() {
        b"ATTRIBUTENAME" => Power::Name,
        b"DATAFORMATAS" | b"DATASRC" | b"FILTER" | b"STYLE" => Power::Any,
        b"ACTION" | b"BACKGROUND" | b"BY" | b"DYNSRC" | b"FOLDER" | b"FORMACTION" | b"FROM"
        | b"HANDLER" | b"HREF" | b"LOWSRC" | b"POSTER" | b"SRC" | b"TO" | b"VALUES"
        | b"XLINK:HREF" => Power::Address,
        _ => Power::Nothing,
    }
}

/// Whether an address runs. Browsers pass over blanks, control characters and bytes outside of ASCII before the scheme, and read
/// character references in it.
pub(super) fn is_live_address(address: &[u8]) -> bool {
    let start = address.iter().position(|byte| matches!(byte, 0x21..=0x7E));
    let address = start
        .and_then(|start| address.get(start..))
        .unwrap_or_default();
    SCHEMES.iter().any(|scheme| has_scheme(address, scheme))
}

fn has_scheme(address: &[u8], scheme: &[u8]) -> bool {
    let mut address = address;
    let mut scheme = scheme;
    let mut is_before_scheme = true;
    while let [expected, tail @ ..] = scheme {
        let Some((character, rest)) = character(address) else {
            return false;
        };
        address = rest;
        if is_before_scheme && character <= 32 {
            continue;
        }
        is_before_scheme = false;
        if matches!(character, 0 | 10) {
            continue;
        }
        let upper = match character {
            0x61..=0x7A => character - 0x20,
            other => other,
        };
        // Of a large number the last byte counts.
        if upper & 0xFF != u32::from(*expected) {
            return false;
        }
        scheme = tail;
    }
    true
}

/// The largest number that a reference can have.
const REFERENCE_LIMIT: u32 = 0x10_00FF;

/// The first character, of a reference by number what it refers to, and what follows.
fn character(text: &[u8]) -> Option<(u32, &[u8])> {
    let (&first, rest) = text.split_first()?;
    if first == b'&'
        && let Some((number, length)) = reference(text)
    {
        return Some((number, text.get(length..).unwrap_or_default()));
    }
    Some((u32::from(first), rest))
}

/// The number of `&#65;` or `&#x41;`, the semicolon optional, and its length.
fn reference(text: &[u8]) -> Option<(u32, usize)> {
    let (base, digits) = match text {
        [_, b'#', b'x' | b'X', digits @ ..] => (16, digits),
        [_, b'#', digits @ ..] => (10, digits),
        _ => return None,
    };
    let start = text.len() - digits.len();
    let mut number = 0;
    let mut length = 0;
    for &byte in digits {
        match char::from(byte).to_digit(base) {
            Some(digit) => number = number * base + digit,
            None if length == 0 => return None,
            None => return Some((number, start + length + usize::from(byte == b';'))),
        }
        if number > REFERENCE_LIMIT {
            return None;
        }
        length += 1;
    }
    (length > 0).then_some((number, start + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ignore_case_and_nulls() {
        assert!(is_live_tag(b"ScRi\0pT"));
        assert!(is_live_tag(b"svgalore"));
        assert!(!is_live_tag(b"scripts"));
        assert!(!is_live_tag(b"s\0v\0g"));
        assert_eq!(power(b"onerror"), Power::Any);
        assert_eq!(power(b"onit"), Power::Nothing);
        assert_eq!(power(b"xmlns:x"), Power::Any);
        assert_eq!(power(b"h\0ref"), Power::Address);
        assert_eq!(power(b"xl\0ink:href"), Power::Address);
        assert_eq!(power(b"hrefs"), Power::Nothing);
        assert_eq!(power(b"attributename"), Power::Name);
    }

    #[test]
    fn addresses_are_read_as_browsers_do() {
        for live in [
            b"javascript:alert(1)".as_slice(),
            b" \x01\xa0JaVa\nScript:",
            b"j&#97;v&#x41va",
            b"&#1;&#x0000064;ata:",
            b"java",
            b"vbscript:",
            b"View-Source:",
            b"&#x144;ata",
        ] {
            assert!(is_live_address(live), "{}", live.escape_ascii());
        }
        for dead in [
            b"https://example.com/".as_slice(),
            b"",
            b"jav",
            b"j&a",
            b"&#",
            b"&#x",
            b"&#xg",
            b"j\tava",
            b"&#99999999;java",
        ] {
            assert!(!is_live_address(dead), "{}", dead.escape_ascii());
        }
    }
}
