//! Cuts a value into pieces of HTML, as lenient browsers of several generations would.

/// Where in a page the value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Between tags.
    Text,
    /// In a tag, or in the value of an attribute without quotes.
    Tag,
    /// In the value of an attribute in these quotes.
    Quotes(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// The name of a tag that opens, and of one that closes and is not closed itself.
    Tag(&'a [u8]),
    Attribute(&'a [u8]),
    Value(&'a [u8]),
    Comment(&'a [u8]),
    Doctype,
    /// Text, ends of tags: nothing that runs.
    Other,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Text,
    TagOpen,
    TagEnd,
    BeforeAttribute,
    AfterAttribute,
    BeforeValue,
    Quoted(u8),
    AfterQuoted,
    Slash,
    End,
}

/// A value on its way to pieces.
#[derive(Debug)]
pub(super) struct Html<'a> {
    value: &'a [u8],
    at: usize,
    state: State,
    /// Whether the tag is one that closes another.
    is_closing: bool,
}

/// Bits of a byte: blanks, and what ends a name of a tag, a name of an attribute and a value without quotes.
const WHITE: u8 = 1;
const ENDS_TAG: u8 = 2;
const ENDS_ATTRIBUTE: u8 = 4;
const ENDS_VALUE: u8 = 8;

const TRAITS: [u8; 256] = {
    let mut traits = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        traits[byte] = match byte as u8 {
            // Browsers pass over NULs in the names of tags.
            0 => WHITE | ENDS_ATTRIBUTE | ENDS_VALUE,
            b' ' | b'\t' | b'\n' | 0x0B | 0x0C | b'\r' => {
                WHITE | ENDS_TAG | ENDS_ATTRIBUTE | ENDS_VALUE
            }
            b'>' => ENDS_TAG | ENDS_ATTRIBUTE | ENDS_VALUE,
            b'/' => ENDS_TAG | ENDS_ATTRIBUTE,
            b'=' => ENDS_ATTRIBUTE,
            _ => 0,
        };
        byte += 1;
    }
    traits
};

fn has(byte: u8, traits: u8) -> bool {
    TRAITS[usize::from(byte)] & traits != 0
}

impl<'a> Html<'a> {
    pub(super) fn new(value: &'a [u8], place: Place) -> Self {
        Self {
            value,
            at: 0,
            state: match place {
                Place::Text => State::Text,
                Place::Tag => State::BeforeAttribute,
                Place::Quotes(quote) => State::Quoted(quote),
            },
            is_closing: false,
        }
    }

    pub(super) fn next(&mut self) -> Option<Piece<'a>> {
        match self.state {
            State::Text => self.text(),
            State::TagOpen => self.tag_open(),
            State::TagEnd => Some(self.tag_end()),
            State::BeforeAttribute => self.before_attribute(),
            State::AfterAttribute => self.after_attribute(),
            State::BeforeValue => self.before_value(),
            State::Quoted(quote) => Some(self.quoted(quote)),
            State::AfterQuoted => self.after_quoted(),
            State::Slash => self.slash(),
            State::End => None,
        }
    }

    fn rest(&self) -> &'a [u8] {
        self.value.get(self.at..).unwrap_or_default()
    }

    /// The next byte.
    fn byte(&self) -> Option<u8> {
        self.value.get(self.at).copied()
    }

    /// Takes `length` bytes and passes over `skip` more.
    fn take(&mut self, length: usize, skip: usize, state: State) -> &'a [u8] {
        let taken = self.rest().get(..length).unwrap_or_default();
        self.at += length + skip;
        self.state = state;
        taken
    }

    fn take_rest(&mut self) -> &'a [u8] {
        self.take(self.rest().len(), 0, State::End)
    }

    fn text(&mut self) -> Option<Piece<'a>> {
        match memchr::memchr(b'<', self.rest()) {
            None => {
                self.state = State::End;
                (!self.rest().is_empty()).then_some(Piece::Other)
            }
            Some(0) => {
                self.at += 1;
                self.tag_open()
            }
            Some(length) => {
                self.take(length, 1, State::TagOpen);
                Some(Piece::Other)
            }
        }
    }

    fn tag_open(&mut self) -> Option<Piece<'a>> {
        match self.byte()? {
            b'!' => {
                self.at += 1;
                Some(self.declaration())
            }
            b'/' => {
                self.at += 1;
                self.is_closing = true;
                self.closing_tag()
            }
            b'?' => {
                self.at += 1;
                Some(self.comment_to_bracket())
            }
            // Internet Explorer and Safari once took `<% ... %>` for a comment.
            b'%' => {
                self.at += 1;
                Some(self.comment_to_percent())
            }
            // Internet Explorer passes over NULs.
            0 | b'a'..=b'z' | b'A'..=b'Z' => Some(self.tag_name()),
            _ => {
                self.state = State::Text;
                Some(Piece::Other)
            }
        }
    }

    fn closing_tag(&mut self) -> Option<Piece<'a>> {
        match self.byte()? {
            b'>' => self.text(),
            b'a'..=b'z' | b'A'..=b'Z' => Some(self.tag_name()),
            _ => {
                self.is_closing = false;
                Some(self.comment_to_bracket())
            }
        }
    }

    /// The `>` of a tag.
    fn tag_end(&mut self) -> Piece<'a> {
        self.is_closing = false;
        self.at += 1;
        self.state = if self.at < self.value.len() {
            State::Text
        } else {
            State::End
        };
        Piece::Other
    }

    fn tag_name(&mut self) -> Piece<'a> {
        let rest = self.rest();
        let end = rest.iter().position(|&byte| has(byte, ENDS_TAG));
        let Some(end) = end else {
            return Piece::Tag(self.take_rest());
        };
        match rest.get(end) {
            Some(b'/') => Piece::Tag(self.take(end, 1, State::Slash)),
            Some(b'>') if self.is_closing => {
                self.is_closing = false;
                self.take(end, 1, State::Text);
                Piece::Other
            }
            Some(b'>') => Piece::Tag(self.take(end, 0, State::TagEnd)),
            _ => Piece::Tag(self.take(end, 1, State::BeforeAttribute)),
        }
    }

    /// Passes over blanks. A byte 0xFF ends the value here.
    fn after_white(&mut self) -> Option<u8> {
        let rest = self.rest();
        let white = rest.iter().position(|&byte| !has(byte, WHITE));
        self.at += white.unwrap_or(rest.len());
        self.byte().filter(|&byte| byte != 0xFF)
    }

    fn before_attribute(&mut self) -> Option<Piece<'a>> {
        loop {
            match self.after_white()? {
                b'/' => {
                    self.at += 1;
                    if self.byte()? == b'>' {
                        return self.slash();
                    }
                }
                b'>' => {
                    self.at += 1;
                    self.state = State::Text;
                    return Some(Piece::Other);
                }
                _ => return Some(self.attribute()),
            }
        }
    }

    fn attribute(&mut self) -> Piece<'a> {
        let rest = self.rest();
        // The first byte belongs to the name whatever it is.
        let end = rest
            .iter()
            .skip(1)
            .position(|&byte| has(byte, ENDS_ATTRIBUTE));
        let Some(end) = end.map(|end| end + 1) else {
            return Piece::Attribute(self.take_rest());
        };
        Piece::Attribute(match rest.get(end) {
            Some(b'/') => self.take(end, 1, State::Slash),
            Some(b'=') => self.take(end, 1, State::BeforeValue),
            Some(b'>') => self.take(end, 0, State::TagEnd),
            _ => self.take(end, 1, State::AfterAttribute),
        })
    }

    fn after_attribute(&mut self) -> Option<Piece<'a>> {
        match self.after_white()? {
            b'/' => {
                self.at += 1;
                self.slash()
            }
            b'=' => {
                self.at += 1;
                self.before_value()
            }
            b'>' => Some(self.tag_end()),
            _ => Some(self.attribute()),
        }
    }

    fn before_value(&mut self) -> Option<Piece<'a>> {
        match self.after_white()? {
            // Internet Explorer takes backticks for quotes.
            quote @ (b'"' | b'\'' | b'`') => Some(self.quoted(quote)),
            _ => Some(self.unquoted()),
        }
    }

    fn quoted(&mut self, quote: u8) -> Piece<'a> {
        // At the front of the value the quote stands before it.
        if self.at > 0 {
            self.at += 1;
        }
        Piece::Value(match memchr::memchr(quote, self.rest()) {
            Some(end) => self.take(end, 1, State::AfterQuoted),
            None => self.take_rest(),
        })
    }

    fn unquoted(&mut self) -> Piece<'a> {
        let rest = self.rest();
        let end = rest.iter().position(|&byte| has(byte, ENDS_VALUE));
        Piece::Value(match end {
            None => self.take_rest(),
            Some(end) if rest.get(end) == Some(&b'>') => self.take(end, 0, State::TagEnd),
            Some(end) => self.take(end, 1, State::BeforeAttribute),
        })
    }

    fn after_quoted(&mut self) -> Option<Piece<'a>> {
        match self.byte()? {
            b'/' => {
                self.at += 1;
                self.slash()
            }
            b'>' => {
                self.at += 1;
                self.state = State::Text;
                Some(Piece::Other)
            }
            byte => {
                self.at += usize::from(has(byte, WHITE));
                self.before_attribute()
            }
        }
    }

    /// Behind a `/` in a tag.
    fn slash(&mut self) -> Option<Piece<'a>> {
        if self.byte()? == b'>' {
            self.at += 1;
            self.state = State::Text;
            return Some(Piece::Other);
        }
        self.before_attribute()
    }

    fn comment_to_bracket(&mut self) -> Piece<'a> {
        Piece::Comment(match memchr::memchr(b'>', self.rest()) {
            Some(end) => self.take(end, 1, State::Text),
            None => self.take_rest(),
        })
    }

    fn comment_to_percent(&mut self) -> Piece<'a> {
        Piece::Comment(match memchr::memmem::find(self.rest(), b"%>") {
            Some(end) => self.take(end, 2, State::Text),
            None => self.take_rest(),
        })
    }

    /// What begins with `<!`.
    fn declaration(&mut self) -> Piece<'a> {
        let rest = self.rest();
        if rest
            .get(..7)
            .is_some_and(|word| word.eq_ignore_ascii_case(b"DOCTYPE"))
        {
            match memchr::memchr(b'>', rest) {
                Some(end) => self.take(end, 1, State::Text),
                None => self.take_rest(),
            };
            return Piece::Doctype;
        }
        if rest.starts_with(b"[CDATA[") {
            self.at += 7;
            match memchr::memmem::find(self.rest(), b"]]>") {
                Some(end) => self.take(end, 3, State::Text),
                None => self.take_rest(),
            };
            return Piece::Other;
        }
        if rest.starts_with(b"--") {
            self.at += 2;
            return self.comment();
        }
        self.comment_to_bracket()
    }

    /// A comment to `-->` or `-!>`, where NULs may stand behind the first dash.
    fn comment(&mut self) -> Piece<'a> {
        let rest = self.rest();
        for dash in memchr::memchr_iter(b'-', rest) {
            let behind = rest.get(dash + 1..).unwrap_or_default();
            if behind.len() < 2 {
                break;
            }
            let nulls = behind
                .iter()
                .position(|&byte| byte != 0)
                .unwrap_or(behind.len());
            match behind.get(nulls..).unwrap_or_default() {
                [] | [b'-' | b'!'] => break,
                [b'-' | b'!', b'>', ..] => {
                    return Piece::Comment(self.take(dash, nulls + 3, State::Text));
                }
                _ => {}
            }
        }
        Piece::Comment(self.take_rest())
    }
}
