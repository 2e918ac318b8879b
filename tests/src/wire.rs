//! A connection, plain or TLS, as both our clients and our endpoints use it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// How long one read or write may take before a test fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes asked for in one read.
const READ_BYTES: usize = 64 * 1024;
/// The longest line of a head or of a chunk size.
const LINE_BYTES: usize = 1024 * 1024;

trait ReadWrite: Read + Write + Send {}
impl<T: Read + Write + Send> ReadWrite for T {}

/// A connection with what was received and not yet looked at.
pub struct Wire {
    stream: Box<dyn ReadWrite>,
    socket: TcpStream,
    received: Vec<u8>,
}

impl Wire {
    /// Plain TCP.
    ///
    /// # Errors
    /// When the socket cannot be set up.
    pub fn plain(socket: TcpStream) -> io::Result<Self> {
        let stream = socket.try_clone()?;
        Self::new(stream, socket)
    }

    /// TLS as a client.
    ///
    /// # Errors
    /// When the socket cannot be set up.
    pub fn tls_client(socket: TcpStream, tls: rustls::ClientConnection) -> io::Result<Self> {
        let stream = rustls::StreamOwned::new(tls, socket.try_clone()?);
        Self::new(stream, socket)
    }

    /// TLS as a server.
    ///
    /// # Errors
    /// When the socket cannot be set up.
    pub fn tls_server(socket: TcpStream, tls: rustls::ServerConnection) -> io::Result<Self> {
        let stream = rustls::StreamOwned::new(tls, socket.try_clone()?);
        Self::new(stream, socket)
    }

    fn new(stream: impl Read + Write + Send + 'static, socket: TcpStream) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream: Box::new(stream),
            socket,
            received: Vec::new(),
        })
    }

    /// How long one read may take from now on.
    pub fn patience(&self, patience: Duration) {
        self.socket.set_read_timeout(Some(patience)).unwrap();
    }

    /// Our address.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// When the peer takes no more.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Sends nothing more; still receives.
    pub fn end_sending(&self) {
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    /// Closes both directions, as a process does that ends.
    pub fn close(&self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Cuts the connection with a TCP reset.
    pub fn reset(self) {
        let socket = socket2::SockRef::from(&self.socket);
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Receives some bytes; none at the end.
    ///
    /// # Errors
    /// What the system says; `WouldBlock` when the patience is over.
    pub fn some(&mut self) -> io::Result<Vec<u8>> {
        if !self.received.is_empty() {
            return Ok(std::mem::take(&mut self.received));
        }
        let mut piece = vec![0; READ_BYTES];
        let count = loop {
            match self.stream.read(&mut piece) {
                // A ring that was only probed ends in the background, and interrupts whoever waits.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // A peer that closes without TLS's own goodbye has closed all the same.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => break 0,
                read => break read?,
            }
        };
        piece.truncate(count);
        Ok(piece)
    }

    fn more(&mut self) -> io::Result<()> {
        let kept = std::mem::take(&mut self.received);
        let piece = self.some();
        self.received = kept;
        let piece = piece?;
        if piece.is_empty() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.received.extend_from_slice(&piece);
        Ok(())
    }

    /// Whether anything more comes; waits for it.
    ///
    /// # Errors
    /// What the system says.
    pub fn has_more(&mut self) -> io::Result<bool> {
        if self.received.is_empty() {
            self.received = self.some()?;
        }
        Ok(!self.received.is_empty())
    }

    /// A line without its CRLF. A bare LF ends none.
    ///
    /// # Errors
    /// `UnexpectedEof` when the peer closes before its end.
    pub fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut looked = 0;
        loop {
            if let Some(at) = find(&self.received[looked..], b"\r\n") {
                let mut line: Vec<u8> = self.received.drain(..looked + at + 2).collect();
                line.truncate(line.len() - 2);
                return Ok(line);
            }
            if self.received.len() > LINE_BYTES {
                return Err(io::Error::new(ErrorKind::InvalidData, "a line without end"));
            }
            looked = self.received.len().saturating_sub(1);
            self.more()?;
        }
    }

    /// Exactly so many bytes, in pieces as they come.
    ///
    /// # Errors
    /// `UnexpectedEof` when the peer closes before.
    pub fn exactly(&mut self, mut count: u64, sink: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        while count > 0 {
            let mut piece = self.some()?;
            if piece.is_empty() {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let taken = usize::try_from(count)
                .unwrap_or(usize::MAX)
                .min(piece.len());
            self.received = piece.split_off(taken);
            sink(&piece);
            count -= taken as u64;
        }
        Ok(())
    }

    /// Everything until the peer closes.
    ///
    /// # Errors
    /// What the system says, such as a reset.
    pub fn to_end(&mut self, sink: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        loop {
            let piece = self.some()?;
            if piece.is_empty() {
                return Ok(());
            }
            sink(&piece);
        }
    }

    /// Whether the peer closes, in order or with a reset, without sending anything more.
    pub fn is_closed(&mut self, patience: Duration) -> bool {
        self.patience(patience);
        let outcome = self.some();
        self.patience(PATIENCE);
        match outcome {
            Ok(bytes) if bytes.is_empty() => true,
            Ok(bytes) => {
                self.received = bytes;
                false
            }
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }
}

/// Where one stands in the other.
fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}
