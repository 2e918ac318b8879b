//! Bytes of a grammar's files become text, and what names and characters are in XML.

use std::borrow::Cow;

use crate::problem::ProblemKind;

/// The text of a file: UTF-8, UTF-16 with a mark, or ISO-8859-1 where its declaration says so.
pub(crate) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, ProblemKind> {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units = bytes.chunks_exact(2).map(|pair| match pair {
            [one, two] => unit([*one, *two]),
            _ => 0,
        });
        char::decode_utf16(units)
            .collect::<Result<String, _>>()
            .map_err(|_| ProblemKind::Malformed("it begins like UTF-16 and is not".to_owned()))
    };
    match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => return utf8(rest).map(Cow::Borrowed),
        [0xFF, 0xFE, rest @ ..] => return wide(rest, u16::from_le_bytes).map(Cow::Owned),
        [0xFE, 0xFF, rest @ ..] => return wide(rest, u16::from_be_bytes).map(Cow::Owned),
        _ => {}
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(Cow::Borrowed(text));
    }
    let head = bytes.get(..bytes.len().min(200)).unwrap_or_default();
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let declared = head
        .split_once("encoding")
        .map_or("", |(_, behind)| behind)
        .trim_start_matches(|letter: char| letter.is_whitespace() || "='\"".contains(letter));
    if ["iso-8859-1", "latin1", "us-ascii"]
        .iter()
        .any(|name| declared.starts_with(name))
    {
        return Ok(bytes.iter().map(|&byte| char::from(byte)).collect());
    }
    utf8(bytes).map(Cow::Borrowed)
}

fn utf8(bytes: &[u8]) -> Result<&str, ProblemKind> {
    std::str::from_utf8(bytes).map_err(|error| {
        ProblemKind::Malformed(format!(
            "byte {} is not UTF-8; other encodings than UTF-8, UTF-16 and ISO-8859-1 are not read",
            error.valid_up_to()
        ))
    })
}

/// A blank of XML.
pub(crate) const fn is_blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\n' | '\r')
}

/// Whether a name may begin with a letter.
pub(crate) const fn begins_name(letter: char) -> bool {
    matches!(letter,
        ':' | '_' | 'A'..='Z' | 'a'..='z' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}'
        | '\u{F8}'..='\u{2FF}' | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}'
        | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}' | '\u{2C00}'..='\u{2FEF}'
        | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}'
        | '\u{10000}'..='\u{EFFFF}')
}

/// Whether a name may go on with a letter.
pub(crate) const fn in_name(letter: char) -> bool {
    begins_name(letter)
        || matches!(letter,
            '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

pub(crate) fn is_name(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(begins_name) && letters.all(in_name)
}

/// A name without a colon.
pub(crate) fn is_plain_name(text: &str) -> bool {
    is_name(text) && !text.contains(':')
}

pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(in_name)
}

/// The words of a text, blanks of XML between them.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_blank).filter(|word| !word.is_empty())
}

/// Blanks round a text are gone, and those inside are one space each.
pub(crate) fn collapse(text: &str) -> Cow<'_, str> {
    let plain = !text.starts_with(is_blank)
        && !text.ends_with(is_blank)
        && !text.contains(['\t', '\n', '\r'])
        && !text.contains("  ");
    if plain {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for word in words(text) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    Cow::Owned(out)
}
