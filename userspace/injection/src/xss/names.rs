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

/// Tags that run, load or style something.
const TAGS: [&[u8]; 20] = [
    b"APPLET",
    b"BASE",
    b"COMMENT",
    b"EMBED",
    b"FRAME",
    b"FRAMESET",
    b"HANDLER",
    b"IFRAME",
    b"IMPORT",
    b"ISINDEX",
    b"LINK",
    b"LISTENER",
    b"META",
    b"NOSCRIPT",
    b"OBJECT",
    b"SCRIPT",
    b"STYLE",
    b"VMLFRAME",
    b"XML",
    b"XSS",
];

/// Attributes beside `on...`, `xmlns...` and `xlink...`.
const ATTRIBUTES: [(&[u8], Power); 19] = [
    (b"ACTION", Power::Address),
    (b"ATTRIBUTENAME", Power::Name),
    (b"BY", Power::Address),
    (b"BACKGROUND", Power::Address),
    (b"DATAFORMATAS", Power::Any),
    (b"DATASRC", Power::Any),
    (b"DYNSRC", Power::Address),
    (b"FILTER", Power::Any),
    (b"FORMACTION", Power::Address),
    (b"FOLDER", Power::Address),
    (b"FROM", Power::Address),
    (b"HANDLER", Power::Address),
    (b"HREF", Power::Address),
    (b"LOWSRC", Power::Address),
    (b"POSTER", Power::Address),
    (b"SRC", Power::Address),
    (b"STYLE", Power::Any),
    (b"TO", Power::Address),
    (b"VALUES", Power::Address),
];

/// Schemes that run, and the first half of one: `JAVA` of `JAVASCRIPT`.
const SCHEMES: [&[u8]; 4] = [b"DATA", b"VIEW-SOURCE", b"JAVA", b"VBSCRIPT"];

/// Whether a name is this one in upper case, NULs in it passed over.
fn is_named(name: &[u8], upper: &[u8]) -> bool {
    let mut rest = upper;
    for &byte in name.iter().filter(|&&byte| byte != 0) {
        match rest {
            [first, tail @ ..] if *first == byte.to_ascii_uppercase() => rest = tail,
            _ => return false,
        }
    }
    rest.is_empty()
}

fn begins_with(text: &[u8], upper: &[u8]) -> bool {
    text.get(..upper.len())
        .is_some_and(|beginning| beginning.eq_ignore_ascii_case(upper))
}

/// Whether a tag can run script.
pub(super) fn is_live_tag(name: &[u8]) -> bool {
    name.len() >= 3
        && (TAGS.iter().any(|tag| is_named(name, tag))
            || begins_with(name, b"SVG")
            || begins_with(name, b"XSL"))
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
    ATTRIBUTES
        .iter()
        .find(|(attribute, _)| is_named(name, attribute))
        .map_or(Power::Nothing, |&(_, power)| power)
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
        if upper as u8 != *expected {
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
