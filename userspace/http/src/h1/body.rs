//! Message bodies, decoded without copying (RFC 9112, 6 and 7).

use super::trailers::Trailers;
use super::{BodyLimits, Framing, Side};
use crate::chars::{TOKEN, hex};
use std::fmt;
use std::ops::Range;
use types::Reason;

/// The most hexadecimal digits of a chunk size, leading zeros included: as many as a 64-bit number has.
const CHUNK_SIZE_DIGITS_MAX: u8 = 16;

/// What is wrong with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BodyFault {
    /// The content is larger than the limit.
    TooLarge,
    /// The connection ended before the body did.
    Truncated,
    /// A chunk does not begin with a hexadecimal size.
    ChunkSize,
    /// The size has more digits than a 64-bit number.
    ChunkSizeDigits,
    /// Malformed chunk extensions.
    Extension,
    /// Chunk extensions beyond the limit.
    ExtensionTooLong,
    /// A chunk's size, extensions or data are not followed by CRLF.
    ChunkEnd,
    /// A malformed trailer field.
    Trailer,
    /// A trailer section beyond the limit.
    TrailersTooLarge,
}

/// A body that cannot be read further. The connection it came from has to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BodyError {
    /// Whose body it was.
    pub side: Side,
    /// What is wrong.
    pub fault: BodyFault,
    /// How many bytes of content had been decoded before.
    pub received: u64,
}

impl BodyError {
    /// The cause under which it is logged, counted and answered.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match (self.side, self.fault) {
            (Side::Request, BodyFault::TooLarge) => Reason::BodyTooLarge,
            (Side::Request, BodyFault::Truncated) => Reason::ClientClosed,
            (Side::Request, _) => Reason::MalformedBody,
            (Side::Response, BodyFault::Truncated) => Reason::UpstreamClosed,
            (Side::Response, _) => Reason::UpstreamMalformed,
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Request => "request",
            Side::Response => "response",
        };
        let text = match self.fault {
            BodyFault::TooLarge => "larger than the limit",
            BodyFault::Truncated => "the connection ended before it was complete",
            BodyFault::ChunkSize => {
                "a chunk that does not begin with a hexadecimal size (RFC 9112, 7.1)"
            }
            BodyFault::ChunkSizeDigits => "a chunk size of more than 16 digits (RFC 9112, 7.1)",
            BodyFault::Extension => "a malformed chunk extension (RFC 9112, 7.1.1)",
            BodyFault::ExtensionTooLong => {
                "chunk extensions longer than the limit (RFC 9112, 7.1.1)"
            }
            BodyFault::ChunkEnd => "a chunk that does not end in CRLF (RFC 9112, 7.1)",
            BodyFault::Trailer => "a malformed trailer field (RFC 9112, 7.1.2)",
            BodyFault::TrailersTooLarge => "a trailer section larger than the limit",
        };
        write!(
            f,
            "{side} body: {text}, after {} bytes of content",
            self.received
        )
    }
}

impl std::error::Error for BodyError {}

/// What one call of [`BodyDecoder::decode`] gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Bytes of the input that are dealt with. Give the rest to the next call.
    pub consumed: usize,
    /// Content: a range of the input, within `consumed`; often empty.
    pub data: Range<usize>,
    /// The body is complete. What is left of the input belongs to the next message.
    pub done: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Done,
    Length(u64),
    UntilClose,
    Chunk(Chunk),
    /// The trailer section, gathered line by line.
    Trailers,
}

/// Where a chunked body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunk {
    /// In the size, with the digits so far.
    Size { value: u64, digits: u8 },
    /// In the extensions.
    Extension { size: u64, at: Extension },
    /// Behind the CR that ends size and extensions.
    SizeLf(u64),
    /// In the data, so many bytes left.
    Data(u64),
    /// At the CR behind the data.
    DataCr,
    /// At the LF behind the data.
    DataLf,
}

/// Where the extensions of a chunk are: `;name`, `;name=token` or `;name="text"`, without white space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extension {
    NameStart,
    Name,
    ValueStart,
    Token,
    Quoted,
    QuotedPair,
    Closed,
}

/// Decodes one body after another. Incremental: the input may be cut anywhere.
#[derive(Clone, Debug)]
pub struct BodyDecoder {
    side: Side,
    limits: BodyLimits,
    state: State,
    received: u64,
    extension_bytes: usize,
    trailers: Trailers,
}

impl BodyDecoder {
    /// A decoder that has nothing to do until [`start`](Self::start) is called.
    #[must_use]
    pub fn new(side: Side) -> Self {
        Self {
            side,
            limits: BodyLimits::default(),
            state: State::Done,
            received: 0,
            extension_bytes: 0,
            trailers: Trailers::default(),
        }
    }

    /// Begins the body that a head announced.
    ///
    /// # Errors
    /// [`BodyFault::TooLarge`] if the length that it declares is beyond the limit.
    pub fn start(&mut self, framing: Framing, limits: BodyLimits) -> Result<(), BodyError> {
        self.limits = limits;
        self.received = 0;
        self.extension_bytes = 0;
        self.trailers.clear();
        self.state = match framing {
            Framing::None | Framing::Length(0) => State::Done,
            Framing::Length(length) if length > limits.body_bytes => {
                self.state = State::Done;
                return Err(self.error(BodyFault::TooLarge));
            }
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Chunk(Chunk::Size {
                value: 0,
                digits: 0,
            }),
            Framing::UntilClose => State::UntilClose,
        };
        Ok(())
    }

    /// Whether the body is complete.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Bytes of content decoded so far.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// How many bytes of content are known to come: the rest of a declared length or of a chunk. A hint for the size
    /// of the next read; 0 where nothing is known.
    #[must_use]
    pub const fn expected(&self) -> u64 {
        match self.state {
            State::Length(left) | State::Chunk(Chunk::Data(left)) => left,
            _ => 0,
        }
    }

    /// The trailer fields, once the body is complete.
    #[must_use]
    pub const fn trailers(&self) -> &Trailers {
        &self.trailers
    }

    /// Decodes from the start of `input`: as much as gives one range of content.
    ///
    /// # Errors
    /// Anything but well-formed framing within the limits. The body is lost then, and with it the connection.
    pub fn decode(&mut self, input: &[u8]) -> Result<Step, BodyError> {
        let mut step = Step {
            consumed: 0,
            data: 0..0,
            done: false,
        };
        loop {
            let rest = input.get(step.consumed..).unwrap_or_default();
            match self.state {
                State::Done => break,
                _ if rest.is_empty() => break,
                State::Length(left) => {
                    let taken = self.take(rest, left, &mut step);
                    let left = left - taken;
                    self.state = if left == 0 {
                        State::Done
                    } else {
                        State::Length(left)
                    };
                }
                State::UntilClose => {
                    self.count(rest.len() as u64)?;
                    self.take(rest, u64::MAX, &mut step);
                }
                State::Chunk(Chunk::Data(_)) if !step.data.is_empty() => break,
                State::Chunk(Chunk::Data(left)) => {
                    let taken = self.take(rest, left, &mut step);
                    let left = left - taken;
                    let next = if left == 0 {
                        Chunk::DataCr
                    } else {
                        Chunk::Data(left)
                    };
                    self.state = State::Chunk(next);
                }
                State::Chunk(chunk) => {
                    let byte = rest.first().copied().unwrap_or_default();
                    self.state = self.framing_byte(chunk, byte)?;
                    step.consumed += 1;
                }
                State::Trailers => {
                    let limits = &self.limits;
                    match self.trailers.feed(rest, limits) {
                        Ok((consumed, complete)) => {
                            step.consumed += consumed;
                            if complete {
                                self.state = State::Done;
                            }
                        }
                        Err(fault) => return Err(self.error(fault)),
                    }
                }
            }
        }
        step.done = self.is_done();
        Ok(step)
    }

    /// The connection ended.
    ///
    /// # Errors
    /// [`BodyFault::Truncated`] unless the body was complete, or was to last until now.
    pub fn end_of_input(&mut self) -> Result<(), BodyError> {
        match self.state {
            State::Done | State::UntilClose => {
                self.state = State::Done;
                Ok(())
            }
            _ => Err(self.error(BodyFault::Truncated)),
        }
    }

    /// Hands out up to `left` bytes as content.
    fn take(&mut self, rest: &[u8], left: u64, step: &mut Step) -> u64 {
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
        step.data = step.consumed..step.consumed + len;
        step.consumed += len;
        if !matches!(self.state, State::UntilClose) {
            self.received += len as u64;
        }
        len as u64
    }

    /// Counts content whose length was not announced.
    fn count(&mut self, bytes: u64) -> Result<(), BodyError> {
        match self.received.checked_add(bytes) {
            Some(sum) if sum <= self.limits.body_bytes => {
                self.received = sum;
                Ok(())
            }
            _ => Err(self.error(BodyFault::TooLarge)),
        }
    }

    /// One byte of chunk framing.
    fn framing_byte(&mut self, chunk: Chunk, byte: u8) -> Result<State, BodyError> {
        let next = match (chunk, byte) {
            (Chunk::Size { value, digits }, _) => return self.size_byte(value, digits, byte),
            (Chunk::Extension { size, at }, _) => {
                self.extension_bytes += 1;
                if self.extension_bytes > self.limits.chunk_extension_bytes {
                    return Err(self.error(BodyFault::ExtensionTooLong));
                }
                return match (at.next(byte), byte) {
                    (Some(at), _) => Ok(State::Chunk(Chunk::Extension { size, at })),
                    (None, b'\r') if at.may_end() => Ok(State::Chunk(Chunk::SizeLf(size))),
                    _ => Err(self.error(BodyFault::Extension)),
                };
            }
            (Chunk::SizeLf(0), b'\n') => return Ok(State::Trailers),
            (Chunk::SizeLf(size), b'\n') => Chunk::Data(size),
            (Chunk::DataCr, b'\r') => Chunk::DataLf,
            (Chunk::DataLf, b'\n') => Chunk::Size {
                value: 0,
                digits: 0,
            },
            _ => return Err(self.error(BodyFault::ChunkEnd)),
        };
        Ok(State::Chunk(next))
    }

    fn size_byte(&mut self, value: u64, digits: u8, byte: u8) -> Result<State, BodyError> {
        if let Some(digit) = hex(byte) {
            if digits == CHUNK_SIZE_DIGITS_MAX {
                return Err(self.error(BodyFault::ChunkSizeDigits));
            }
            let value = value << 4 | u64::from(digit);
            return Ok(State::Chunk(Chunk::Size {
                value,
                digits: digits + 1,
            }));
        }
        if digits == 0 || !matches!(byte, b'\r' | b';') {
            return Err(self.error(BodyFault::ChunkSize));
        }
        let sum = self.received.checked_add(value);
        if sum.is_none_or(|sum| sum > self.limits.body_bytes) {
            return Err(self.error(BodyFault::TooLarge));
        }
        self.extension_bytes = 0;
        Ok(State::Chunk(if byte == b';' {
            Chunk::Extension {
                size: value,
                at: Extension::NameStart,
            }
        } else {
            Chunk::SizeLf(value)
        }))
    }

    const fn error(&self, fault: BodyFault) -> BodyError {
        BodyError {
            side: self.side,
            fault,
            received: self.received,
        }
    }
}

impl Extension {
    /// The state behind `byte`; `None` where it cannot stand or ends the extensions.
    fn next(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::NameStart | Self::Name, byte) if TOKEN.has(byte) => Some(Self::Name),
            (Self::Name, b'=') => Some(Self::ValueStart),
            (Self::ValueStart, b'"') => Some(Self::Quoted),
            (Self::ValueStart | Self::Token, byte) if TOKEN.has(byte) => Some(Self::Token),
            (Self::Name | Self::Token | Self::Closed, b';') => Some(Self::NameStart),
            (Self::Quoted, b'"') => Some(Self::Closed),
            (Self::Quoted, b'\\') => Some(Self::QuotedPair),
            (Self::Quoted | Self::QuotedPair, b'\t' | b' '..=0x7e | 0x80..) => Some(Self::Quoted),
            _ => None,
        }
    }

    /// Whether the line may end here.
    const fn may_end(self) -> bool {
        matches!(self, Self::Name | Self::Token | Self::Closed)
    }
}
