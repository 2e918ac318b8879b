//! TLS records over any stream of `net`.

use crate::HandshakeError;
use net::{Buffer, Chunk, Parts, Piece, RecvHint, Socket, Stream};
use rustls::{Connection, ProtocolVersion};
use std::cell::{Cell, RefCell};
use std::io::{self, BufRead, Write};
use std::iter::Peekable;
use std::net::Shutdown;
use std::rc::Rc;
use tokio::sync::Mutex;

/// Plaintext that is encrypted before it is sent: what lies in memory twice at a time for one connection.
const SEND_STEP_BYTES: usize = 128 * 1024;

/// Record overhead that a sending buffer leaves room for: header, content type and tag, a record of 16 KiB.
const RECORD_OVERHEAD_BYTES: usize = 64;

/// What the handshake agreed on, for logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
}

/// A TLS session over a stream.
pub struct TlsStream<S> {
    inner: S,
    connection: RefCell<Connection>,
    /// Records must leave in the order in which they were encrypted: whoever takes them out of the connection holds
    /// this until they are sent.
    sending: Mutex<()>,
    /// Set while records are on their way: a send that was given up half-way leaves a torn record behind, and nothing
    /// may follow it.
    torn: Cell<bool>,
    /// Bytes from the wire that rustls has not taken yet. Kept here, so that a dropped `recv` loses nothing.
    unread: RefCell<Chunk>,
    /// Plaintext that somebody received for the next one.
    returned: Cell<Chunk>,
}

impl<S: Stream> TlsStream<S> {
    pub(crate) async fn handshake(
        inner: S,
        mut connection: Connection,
    ) -> Result<Self, HandshakeError> {
        // Our own steps bound what is encrypted ahead; rustls' limit would make writes short.
        connection.set_buffer_limit(None);
        let stream = Self {
            inner,
            connection: RefCell::new(connection),
            sending: Mutex::new(()),
            torn: Cell::new(false),
            unread: RefCell::new(Chunk::default()),
            returned: Cell::default(),
        };
        while stream.connection.borrow().is_handshaking() {
            stream.flush().await?;
            if !stream.connection.borrow().is_handshaking() {
                break;
            }
            if let Err(error) = stream.feed(RecvHint::Idle).await {
                // The peer is told why, as far as it still listens.
                let _ = stream.flush().await;
                return Err(error);
            }
        }
        stream.flush().await?;
        Ok(stream)
    }

    /// What was agreed on.
    #[must_use]
    pub fn session(&self) -> Session {
        let connection = self.connection.borrow();
        let version = match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
            Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
            _ => "unknown",
        };
        let resumed = connection.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
        Session { version, resumed }
    }

    /// The name that the client asked for (SNI), where this is a server's side.
    #[must_use]
    pub fn server_name(&self) -> Option<String> {
        match &*self.connection.borrow() {
            Connection::Server(server) => server.server_name().map(str::to_owned),
            Connection::Client(_) => None,
        }
    }

    /// The protocol that ALPN agreed on, where it did.
    #[must_use]
    pub fn protocol(&self) -> Option<Vec<u8>> {
        self.connection.borrow().alpn_protocol().map(<[u8]>::to_vec)
    }

    /// Says `close_notify` and ends the sending direction.
    pub async fn close(&self) {
        self.connection.borrow_mut().send_close_notify();
        // The peer may be gone already; nothing depends on its hearing this.
        let _ = self.flush().await;
        self.inner.shutdown(Shutdown::Write);
    }

    /// Takes plaintext that rustls has ready. `None`: more records are needed.
    fn take_plaintext(&self) -> io::Result<Option<Chunk>> {
        let mut connection = self.connection.borrow_mut();
        let mut reader = connection.reader();
        let plaintext = match reader.fill_buf() {
            Ok(plaintext) => plaintext,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            // The peer closed without close_notify. Whoever frames the bytes above decides whether the message was
            // complete: a length or a last chunk says so better than TLS does (RFC 9112, 9.8).
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Ok(Some(Chunk::default()));
            }
            Err(error) => return Err(error),
        };
        if plaintext.is_empty() {
            return Ok(Some(Chunk::default()));
        }
        let mut buffer = Buffer::with_capacity(plaintext.len());
        buffer.extend_from_slice(plaintext);
        let taken = plaintext.len();
        reader.consume(taken);
        // All that is ready goes into one buffer, so that one send carries it on.
        while let Ok(more) = reader.fill_buf() {
            let taken = more.len();
            if taken == 0 || buffer.len() + taken > SEND_STEP_BYTES {
                break;
            }
            buffer.extend_from_slice(more);
            reader.consume(taken);
        }
        Ok(Some(buffer.freeze()))
    }

    /// Reads from the wire once and gives the bytes to rustls.
    async fn feed(&self, hint: RecvHint) -> Result<(), HandshakeError> {
        let unread = self.unread.take();
        let mut chunk = if unread.is_empty() {
            self.inner.recv(hint).await?
        } else {
            unread
        };
        let mut connection = self.connection.borrow_mut();
        if chunk.is_empty() {
            connection.read_tls(&mut io::empty())?;
            if connection.is_handshaking() {
                return Err(HandshakeError::Io(io::ErrorKind::UnexpectedEof.into()));
            }
        }
        while !chunk.is_empty() {
            let mut wire: &[u8] = &chunk;
            let taken = match connection.read_tls(&mut wire) {
                Ok(taken) => taken,
                // rustls' own buffer is full of plaintext: the rest waits for the reader.
                Err(error) if error.kind() == io::ErrorKind::Other => break,
                Err(error) => return Err(error.into()),
            };
            chunk.advance(taken);
            connection.process_new_packets()?;
            if taken == 0 {
                break;
            }
        }
        self.unread.replace(chunk);
        connection.process_new_packets()?;
        Ok(())
    }

    /// Sends all records that are ready.
    async fn flush(&self) -> io::Result<()> {
        if !self.connection.borrow().wants_write() {
            return Ok(());
        }
        let _turn = self.sending.lock().await;
        self.send_records(0).await
    }

    /// Sends what is encrypted; the caller holds `sending`.
    async fn send_records(&self, plaintext_bytes: usize) -> io::Result<()> {
        let records = plaintext_bytes / (16 * 1024) + 1;
        let mut buffer =
            Buffer::with_capacity(plaintext_bytes + records * RECORD_OVERHEAD_BYTES + 512);
        {
            let mut connection = self.connection.borrow_mut();
            while connection.wants_write() {
                connection.write_tls(buffer.as_mut_vec())?;
            }
        }
        if buffer.is_empty() {
            return Ok(());
        }
        if self.torn.replace(true) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.inner.send(Parts::from(buffer.freeze())).await?;
        self.torn.set(false);
        Ok(())
    }

    /// Encrypts as many parts as a step may hold. All of a step is handed to rustls at once, so that a head and a short
    /// body share one record.
    fn encrypt(&self, parts: &mut Peekable<impl Iterator<Item = Piece>>) -> io::Result<usize> {
        let mut connection = self.connection.borrow_mut();
        let mut step: Vec<Piece> = Vec::with_capacity(4);
        let mut bytes = 0;
        while let Some(piece) =
            parts.next_if(|piece| bytes == 0 || bytes + piece.len() <= SEND_STEP_BYTES)
        {
            bytes += piece.len();
            step.push(piece);
        }
        let slices: Vec<io::IoSlice<'_>> =
            step.iter().map(|piece| io::IoSlice::new(piece)).collect();
        let written = connection.writer().write_vectored(&slices)?;
        if written == bytes {
            Ok(bytes)
        } else {
            Err(io::ErrorKind::WriteZero.into())
        }
    }
}

fn into_io(error: HandshakeError) -> io::Error {
    match error {
        HandshakeError::Io(error) => error,
        HandshakeError::Tls(error) => io::Error::new(io::ErrorKind::InvalidData, error),
    }
}

impl<S: Stream> Stream for TlsStream<S> {
    async fn recv(&self, hint: RecvHint) -> io::Result<Chunk> {
        let returned = self.returned.take();
        if !returned.is_empty() {
            return Ok(returned);
        }
        loop {
            if let Some(chunk) = self.take_plaintext()? {
                return Ok(chunk);
            }
            let fed = self.feed(hint).await;
            // Key updates and alerts are answered here; nothing else would.
            self.flush().await?;
            fed.map_err(into_io)?;
        }
    }

    async fn send(&self, parts: Parts) -> io::Result<()> {
        let _turn = self.sending.lock().await;
        let mut pieces = parts.into_iter().peekable();
        while pieces.peek().is_some() {
            let bytes = self.encrypt(&mut pieces)?;
            self.send_records(bytes).await?;
        }
        Ok(())
    }

    fn put_back(&self, chunk: Chunk) {
        self.returned.set(chunk);
    }

    fn is_quiet(&self) -> bool {
        let mut connection = self.connection.borrow_mut();
        let nothing_ready = connection
            .reader()
            .fill_buf()
            .is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        nothing_ready && self.unread.borrow().is_empty() && self.inner.is_quiet()
    }

    fn socket(&self) -> &Rc<Socket> {
        self.inner.socket()
    }
}
