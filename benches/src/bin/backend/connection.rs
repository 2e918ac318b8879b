//! One connection: bytes in, answers out, in order.

use crate::answers::{Answer, Answers, refusal};
use crate::request::{Head, NoHead};
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    Read,
    /// The peer is slow: nothing is read until it has taken what it asked for.
    Write,
    /// It is over.
    Nothing,
}

pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    /// What it is registered for.
    pub(crate) waits_for: Wants,
    /// Bytes that are no whole request yet.
    input: Vec<u8>,
    /// Bytes of a request's body still to come, after which it is answered.
    body_left: usize,
    answer: Option<Unsent>,
    close: bool,
}

struct Unsent {
    answer: Answer,
    sent: usize,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            waits_for: Wants::Read,
            input: Vec::new(),
            body_left: 0,
            answer: None,
            close: false,
        }
    }

    /// Goes as far as the socket allows without waiting. `buffer` is scratch space, shared by all connections.
    pub(crate) fn advance(&mut self, answers: &mut Answers, buffer: &mut [u8]) -> Wants {
        match self.advance_or_fail(answers, buffer) {
            Ok(wants) => wants,
            // The peer is gone, or does not follow the protocol and has been told.
            Err(_) => Wants::Nothing,
        }
    }

    fn advance_or_fail(&mut self, answers: &mut Answers, buffer: &mut [u8]) -> io::Result<Wants> {
        if !self.send()? {
            return Ok(Wants::Write);
        }
        if !self.input.is_empty() {
            let input = std::mem::take(&mut self.input);
            if let Some(wants) = self.take(&input, answers)? {
                return Ok(wants);
            }
        }
        // One read an event: with a level-triggered poll, whatever is left comes with the next one.
        let count = match self.stream.read(buffer) {
            Ok(0) => return Ok(Wants::Nothing),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Wants::Read),
            Err(error) => return Err(error),
        };
        let read = buffer.get(..count).unwrap_or_default();
        let wants = if self.input.is_empty() {
            self.take(read, answers)?
        } else {
            let mut input = std::mem::take(&mut self.input);
            input.extend_from_slice(read);
            self.take(&input, answers)?
        };
        Ok(wants.unwrap_or(Wants::Read))
    }

    /// Answers all requests in the bytes and keeps what is left. Nothing to wait for: wants more bytes.
    fn take(&mut self, mut bytes: &[u8], answers: &mut Answers) -> io::Result<Option<Wants>> {
        loop {
            let skipped = self.body_left.min(bytes.len());
            bytes = bytes.get(skipped..).unwrap_or_default();
            self.body_left -= skipped;
            if self.body_left > 0 {
                return Ok(None);
            }
            if !self.send()? {
                self.input = bytes.to_vec();
                return Ok(Some(Wants::Write));
            }
            if self.close {
                return Ok(Some(Wants::Nothing));
            }
            let answer = match Head::parse(bytes) {
                Ok(head) => {
                    self.body_left = head.body_bytes;
                    self.close = head.close;
                    bytes = bytes.get(head.head_bytes..).unwrap_or_default();
                    answers.to(&head)
                }
                Err(NoHead::Partial) => {
                    self.input = bytes.to_vec();
                    return Ok(None);
                }
                Err(why) => {
                    self.close = true;
                    refusal(why)
                }
            };
            self.answer = Some(Unsent { answer, sent: 0 });
        }
    }

    /// Whether everything is sent that may be sent now.
    fn send(&mut self) -> io::Result<bool> {
        if self.body_left > 0 {
            return Ok(true);
        }
        let Some(unsent) = &mut self.answer else {
            return Ok(true);
        };
        while let Some(rest) = unsent
            .answer
            .get(unsent.sent..)
            .filter(|rest| !rest.is_empty())
        {
            match self.stream.write(rest) {
                Ok(count) => unsent.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        self.answer = None;
        Ok(true)
    }
}
