//! A stream that may or may not be encrypted.

use crate::TlsStream;
use net::{Chunk, Parts, RecvHint, Socket, Stream};
use std::io;
use std::net::Shutdown;
use std::rc::Rc;

/// A plain stream or a TLS stream over one, used alike.
pub enum Io<S> {
    /// As it comes from the wire.
    Plain(S),
    /// Encrypted on the wire.
    Tls(Box<TlsStream<S>>),
}

impl<S: Stream> Io<S> {
    /// The TLS session, where there is one.
    #[must_use]
    pub fn tls(&self) -> Option<&TlsStream<S>> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(stream) => Some(stream),
        }
    }

    /// The stream, where its bytes are those on the wire.
    #[must_use]
    pub fn plain(&self) -> Option<&S> {
        match self {
            Self::Plain(stream) => Some(stream),
            Self::Tls(_) => None,
        }
    }

    /// The same as [`Io::plain`], for good; otherwise this again.
    ///
    /// # Errors
    /// There is TLS.
    pub fn into_plain(self) -> Result<S, Self> {
        match self {
            Self::Plain(stream) => Ok(stream),
            Self::Tls(_) => Err(self),
        }
    }

    /// Ends the sending direction in order: TLS says `close_notify` first (RFC 8446, 6.1), so that the peer can tell a
    /// complete answer from a cut one.
    pub async fn finish(&self) {
        match self {
            Self::Plain(stream) => stream.shutdown(Shutdown::Write),
            Self::Tls(stream) => stream.close().await,
        }
    }
}

impl<S: Stream> Stream for Io<S> {
    async fn recv(&self, hint: RecvHint) -> io::Result<Chunk> {
        match self {
            Self::Plain(stream) => stream.recv(hint).await,
            Self::Tls(stream) => stream.recv(hint).await,
        }
    }

    async fn send(&self, parts: Parts) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.send(parts).await,
            Self::Tls(stream) => stream.send(parts).await,
        }
    }

    fn put_back(&self, chunk: Chunk) {
        match self {
            Self::Plain(stream) => stream.put_back(chunk),
            Self::Tls(stream) => stream.put_back(chunk),
        }
    }

    fn is_quiet(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_quiet(),
            Self::Tls(stream) => stream.is_quiet(),
        }
    }

    fn socket(&self) -> &Rc<Socket> {
        match self {
            Self::Plain(stream) => stream.socket(),
            Self::Tls(stream) => stream.socket(),
        }
    }
}
