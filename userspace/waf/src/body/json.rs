//! JSON: every scalar becomes an argument whose name is the path to it, `json.items.0.id`.

use crate::bytes::hex_value;
use crate::store::Store;
use crate::transaction::{Argument, Parsed, Source};

/// Reads one JSON text (RFC 8259). Numbers stay as written, `true` and `false` are words, `null` is empty, an empty object is
/// nothing. Behind its elements an array is an argument of its own whose value is their number, as in Coraza: rules on names see the
/// name of an array as it is. Deeper than `depth_limit`, or with more arguments than `arguments_limit` in all, the body is in error.
/// What was read before an error stays. The parser keeps its own stack: depth costs memory, not the program's stack.
pub(crate) fn json(
    text: &[u8],
    depth_limit: usize,
    arguments_limit: usize,
    parsed: &mut Parsed,
    store: &mut Store,
) {
    let mut reader = Reader {
        text,
        at: 0,
        path: b"json".to_vec(),
        frames: Vec::new(),
        depth_limit,
        arguments_limit,
        parsed,
        store,
    };
    if let Err(problem) = reader.document() {
        let at = reader.at;
        parsed.error = Some(format!("JSON parsing error: {problem} at byte {at}"));
    }
}

/// An open array or object.
struct Frame {
    /// How long the path is without what this frame appends.
    path: usize,
    /// The index of the next element; `None` for an object.
    index: Option<usize>,
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    path: Vec<u8>,
    frames: Vec<Frame>,
    depth_limit: usize,
    arguments_limit: usize,
    parsed: &'a mut Parsed,
    store: &'a mut Store,
}

type Outcome<T> = Result<T, &'static str>;

impl Reader<'_> {
    fn document(&mut self) -> Outcome<()> {
        self.value()?;
        while let Some(frame) = self.frames.last_mut() {
            // A value has just ended within this frame.
            let (path, index) = (frame.path, frame.index);
            let close = if index.is_some() { b']' } else { b'}' };
            match self.token()? {
                b',' => {
                    self.path.truncate(path);
                    self.member(index)?;
                    self.value()?;
                }
                byte if byte == close => {
                    self.path.truncate(path);
                    self.frames.pop();
                    if let Some(elements) = index {
                        self.argument(elements.to_string().as_bytes())?;
                    }
                }
                _ => {
                    return Err(if index.is_some() {
                        "expected `,` or `]`"
                    } else {
                        "expected `,` or `}`"
                    });
                }
            }
        }
        self.blanks();
        if self.at == self.text.len() {
            Ok(())
        } else {
            Err("something follows the value")
        }
    }

    /// Reads a scalar, or descends to the first scalar of an array or object.
    fn value(&mut self) -> Outcome<()> {
        loop {
            match self.token()? {
                open @ (b'{' | b'[') => {
                    if self.frames.len() >= self.depth_limit {
                        return Err("deeper than SecRequestBodyJsonDepthLimit");
                    }
                    let index = (open == b'[').then_some(0);
                    self.blanks();
                    let close = if open == b'[' { b']' } else { b'}' };
                    if self.text.get(self.at) == Some(&close) {
                        self.at += 1;
                        return if open == b'[' {
                            self.argument(b"0")
                        } else {
                            Ok(())
                        };
                    }
                    self.frames.push(Frame {
                        path: self.path.len(),
                        index,
                    });
                    self.member(index)?;
                }
                b'"' => {
                    let value = self.string()?;
                    return self.argument(&value);
                }
                b't' => return self.word(b"true", b"true"),
                b'f' => return self.word(b"false", b"false"),
                b'n' => return self.word(b"null", b""),
                b'-' | b'0'..=b'9' => return self.number(),
                _ => return Err("expected a value"),
            }
        }
    }

    /// Appends the name of the next member to the path: the index of an array, the key of an object.
    fn member(&mut self, index: Option<usize>) -> Outcome<()> {
        self.path.push(b'.');
        match index {
            Some(index) => {
                self.path.extend_from_slice(index.to_string().as_bytes());
                if let Some(frame) = self.frames.last_mut() {
                    frame.index = Some(index + 1);
                }
            }
            None => {
                if self.token()? != b'"' {
                    return Err("expected a key");
                }
                let key = self.string()?;
                self.path.extend_from_slice(&key);
                if self.token()? != b':' {
                    return Err("expected `:`");
                }
            }
        }
        Ok(())
    }

    fn argument(&mut self, value: &[u8]) -> Outcome<()> {
        if self.parsed.args.len() >= self.arguments_limit {
            return Err("more arguments than SecArgumentsLimit");
        }
        let key = self.store.push(&self.path);
        let value = self.store.push(value);
        self.parsed.args.push(Argument {
            key,
            value,
            source: Source::Json,
        });
        if self.store.is_full() {
            Err("more than one transaction may keep")
        } else {
            Ok(())
        }
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.text.get(self.at) {
            self.at += 1;
        }
    }

    /// The next byte that is not blank.
    fn token(&mut self) -> Outcome<u8> {
        self.blanks();
        let byte = *self.text.get(self.at).ok_or("the text ends too early")?;
        self.at += 1;
        Ok(byte)
    }

    /// The rest of a word whose first letter was read.
    fn word(&mut self, word: &[u8], value: &[u8]) -> Outcome<()> {
        let rest = &word[1..];
        if !self.text[self.at..].starts_with(rest) {
            return Err("expected a value");
        }
        self.at += rest.len();
        self.argument(value)
    }

    fn number(&mut self) -> Outcome<()> {
        let start = self.at - 1;
        let mut at = start + usize::from(self.text.get(start) == Some(&b'-'));
        let digits = |at: usize| {
            self.text
                .iter()
                .skip(at)
                .take_while(|byte| byte.is_ascii_digit())
                .count()
        };
        let whole = digits(at);
        if whole == 0 || (whole > 1 && self.text.get(at) == Some(&b'0')) {
            return Err("not a number");
        }
        at += whole;
        if self.text.get(at) == Some(&b'.') {
            let fraction = digits(at + 1);
            if fraction == 0 {
                return Err("not a number");
            }
            at += 1 + fraction;
        }
        if let Some(b'e' | b'E') = self.text.get(at) {
            let sign = usize::from(matches!(self.text.get(at + 1), Some(b'+' | b'-')));
            let exponent = digits(at + 1 + sign);
            if exponent == 0 {
                return Err("not a number");
            }
            at += 1 + sign + exponent;
        }
        self.at = at;
        let text = self.text;
        self.argument(&text[start..at])
    }

    /// The rest of a string whose quote was read, without its escapes. A surrogate without its other half is written as it is.
    fn string(&mut self) -> Outcome<Vec<u8>> {
        let mut out = Vec::new();
        loop {
            let byte = *self.text.get(self.at).ok_or("a string does not end")?;
            self.at += 1;
            match byte {
                b'"' => return Ok(out),
                b'\\' => {
                    let escape = *self.text.get(self.at).ok_or("a string does not end")?;
                    self.at += 1;
                    match escape {
                        b'"' | b'\\' | b'/' => out.push(escape),
                        b'b' => out.push(0x08),
                        b'f' => out.push(0x0C),
                        b'n' => out.push(b'\n'),
                        b'r' => out.push(b'\r'),
                        b't' => out.push(b'\t'),
                        b'u' => {
                            let number = self.character()?;
                            push_character(number, &mut out);
                        }
                        _ => return Err("an unknown escape"),
                    }
                }
                0x00..=0x1F => return Err("a control character in a string"),
                _ => out.push(byte),
            }
        }
    }

    /// The number of `\uHHHH`, or of a pair of surrogates.
    fn character(&mut self) -> Outcome<u32> {
        let first = self.four_digits(self.at)?;
        self.at += 4;
        if (0xD800..0xDC00).contains(&first)
            && self.text[self.at..].starts_with(b"\\u")
            && let Ok(second @ 0xDC00..=0xDFFF) = self.four_digits(self.at + 2)
        {
            self.at += 6;
            return Ok(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00));
        }
        Ok(first)
    }

    fn four_digits(&self, at: usize) -> Outcome<u32> {
        let digits = self
            .text
            .get(at..at + 4)
            .ok_or("an escape ends too early")?;
        digits.iter().try_fold(0, |number, &digit| {
            hex_value(digit)
                .map(|value| number << 4 | u32::from(value))
                .ok_or("an escape without four digits")
        })
    }
}

/// UTF-8, of a lone surrogate too.
fn push_character(number: u32, out: &mut Vec<u8>) {
    match char::from_u32(number) {
        Some(letter) => out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        None => out.extend([
            0xE0 | (number >> 12) as u8,
            0x80 | (number >> 6 & 0x3F) as u8,
            0x80 | (number & 0x3F) as u8,
        ]),
    }
}
