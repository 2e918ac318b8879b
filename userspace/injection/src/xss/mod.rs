//! Cross-site scripting: a value is read as HTML wherever in a page it may stand, and what runs script is looked for.

mod html;
mod names;

#[cfg(test)]
mod tests;

use html::{Html, Piece, Place};
use names::Power;

/// Whatever runs is in a tag, in what looks like one, or in the value of an attribute.
const MARKS: [u8; 2] = [b'<', b'='];

/// Whether `value` would run script in a page that shows it: between tags, in a tag, or in an attribute in quotes of any kind.
#[must_use]
pub fn xss(value: &[u8]) -> bool {
    let [tag, attribute] = MARKS;
    if memchr::memchr2(tag, attribute, value).is_none() {
        return false;
    }
    is_live(value, Place::Text)
        || is_live(value, Place::Tag)
        || [b'\'', b'"', b'`']
            .into_iter()
            .filter(|&quote| memchr::memchr(quote, value).is_some())
            .any(|quote| is_live(value, Place::Quotes(quote)))
}

/// Whether [`xss`] can find something in a value with this byte: one without any such byte is harmless.
#[must_use]
pub fn can_make_xss(byte: u8) -> bool {
    MARKS.contains(&byte)
}

fn is_live(value: &[u8], place: Place) -> bool {
    let mut html = Html::new(value, place);
    let mut attribute: &[u8] = b"";
    while let Some(piece) = html.next() {
        let name = std::mem::take(&mut attribute);
        let is_live = match piece {
            Piece::Doctype => true,
            Piece::Tag(name) => names::is_live_tag(name),
            Piece::Attribute(name) => {
                attribute = name;
                false
            }
            Piece::Value(value) => match names::power(name) {
                Power::Nothing => false,
                Power::Any => true,
                Power::Address => names::is_live_address(value),
                Power::Name => names::power(value) != Power::Nothing,
            },
            Piece::Comment(comment) => is_live_comment(comment),
            Piece::Other => false,
        };
        if is_live {
            return true;
        }
    }
    false
}

/// Whether Internet Explorer finds something to run in a comment: it ends one at a backtick and has conditional ones, and a
/// declaration of XML may define anything.
fn is_live_comment(comment: &[u8]) -> bool {
    let begins_with = |word: &[u8], longer_than: usize| {
        comment.len() > longer_than
            && comment
                .get(..word.len())
                .is_some_and(|beginning| beginning.eq_ignore_ascii_case(word))
    };
    memchr::memchr(b'`', comment).is_some()
        || begins_with(b"[if", 3)
        || begins_with(b"xml", 3)
        || begins_with(b"import", 5)
        || begins_with(b"entity", 5)
}
