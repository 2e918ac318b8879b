//! Finds the end of a head, line by line, and remembers where it stopped.
//!
//! httparse takes a bare LF for a line end and starts over at every call. So the lines are found here: each byte is
//! looked at once however the head is cut into packets, and every line end is a CRLF or the head is refused. Only a
//! head that arrives whole and is flawless gets past without it ([`is_strict`]).

use super::{Fault, HEADER_COUNT_MAX, HeadError, HeadLimits, METHOD_BYTES_MAX, Side};
use crate::chars::TOKEN;
use crate::span::Span;
use memchr::memchr2;

/// What stands in a request line beside method and target: two spaces and the version.
const REQUEST_LINE_REST: usize = " ".len() + " HTTP/1.1".len();

/// How far a head has been scanned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// Where the start line begins, behind the empty lines before it.
    start: usize,
    /// Where the current line begins.
    line: usize,
    /// Everything before this was looked at.
    at: usize,
    /// Complete lines seen so far, the start line included.
    lines: usize,
    /// Empty lines skipped before the start line.
    skipped: usize,
}

/// Where a complete head lies in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Whether a head that httparse read from the start of `buf` up to `end` could come out of the scan as it is: within
/// the limits, and with nothing but CRLF at the ends of its lines.
pub(super) fn is_strict(
    buf: &[u8],
    end: usize,
    headers: &[httparse::Header<'_>],
    limits: &HeadLimits,
) -> bool {
    let starts_behind_crlf = |header: &httparse::Header<'_>| {
        let name = Span::of(buf, header.name.as_bytes());
        name.start()
            .checked_sub(2)
            .and_then(|at| buf.get(at..name.start()))
            == Some(b"\r\n")
    };
    end <= limits.head_bytes
        && headers.len() <= limits.header_count
        && buf
            .get(..end)
            .is_some_and(|head| head.ends_with(b"\r\n\r\n"))
        && headers.iter().all(starts_behind_crlf)
}

impl Scan {
    /// Whether a head is about to begin: nothing of it was seen.
    pub(super) const fn is_fresh(&self) -> bool {
        self.at == 0
    }

    /// Goes on where the last call stopped. `None`: the head is not complete.
    pub(super) fn advance(
        &mut self,
        side: Side,
        buf: &[u8],
        limits: &HeadLimits,
    ) -> Result<Option<Extent>, HeadError> {
        if buf.len() < self.at {
            *self = Self::default(); // Another buffer than before: begin again.
        }
        let fail = |fault, offset: usize| HeadError {
            side,
            fault,
            offset,
            found: buf.get(offset).copied(),
        };
        loop {
            let window_end = buf.len().min(self.start.saturating_add(limits.head_bytes));
            let window = buf.get(..window_end).unwrap_or_default();
            if let Some(&first) = window.get(self.line) {
                self.check_line_start(side, first)
                    .map_err(|fault| fail(fault, self.line))?;
            }
            let next = memchr2(b'\r', b'\n', window.get(self.at..).unwrap_or_default());
            let stop = next.map_or(window_end, |found| self.at + found);
            if side == Side::Request && self.lines == 0 {
                let longest = METHOD_BYTES_MAX + limits.uri_bytes + REQUEST_LINE_REST;
                if stop - self.line > longest {
                    return Err(HeadError {
                        found: None,
                        ..fail(Fault::UriTooLong, self.line + longest)
                    });
                }
            }
            self.at = stop;
            match (window.get(stop), window.get(stop + 1)) {
                (Some(b'\n'), _) => return Err(fail(Fault::BareLf, stop)),
                (Some(_), Some(b'\n')) => {}
                (Some(_), Some(_)) => return Err(fail(Fault::BareCr, stop)),
                _ if window_end == self.start.saturating_add(limits.head_bytes) => {
                    return Err(HeadError {
                        found: None,
                        ..fail(Fault::HeadTooLarge, window_end)
                    });
                }
                _ => return Ok(None),
            }
            let is_empty = stop == self.line;
            self.at = stop + 2;
            self.line = self.at;
            if !is_empty {
                self.lines += 1;
                if self.lines > limits.header_count.min(HEADER_COUNT_MAX) + 1 {
                    return Err(HeadError {
                        found: None,
                        ..fail(Fault::TooManyFields, stop)
                    });
                }
            } else if self.lines > 0 {
                let extent = Extent {
                    start: self.start,
                    end: self.at,
                };
                return Ok(Some(extent));
            } else {
                self.skipped += 1;
                self.start = self.at;
                if self.skipped > limits.leading_empty_lines {
                    return Err(HeadError {
                        found: None,
                        ..fail(Fault::EmptyLines, stop)
                    });
                }
            }
        }
    }

    /// What can be told from the first byte of a line: folding, and bytes that begin no request, such as those of a
    /// TLS handshake on a port without TLS, which would otherwise wait for an end of line that never comes.
    fn check_line_start(&self, side: Side, first: u8) -> Result<(), Fault> {
        match first {
            b' ' | b'\t' if self.lines > 0 => Err(Fault::FoldedLine),
            b'\r' | b'\n' => Ok(()),
            _ if self.lines > 0 || TOKEN.has(first) => Ok(()),
            _ if side == Side::Request => Err(Fault::MethodByte),
            _ => Err(Fault::StatusLine),
        }
    }
}
