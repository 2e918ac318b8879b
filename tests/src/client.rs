//! A client that says every byte itself.

use crate::message::Answer;
use crate::wire::Wire;
use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

/// The Host of requests that name none.
const HOST: &str = "app.test";

/// One connection to the program.
pub struct Client {
    wire: Wire,
}

/// A connection from an address of our own, such as 127.0.0.7.
#[track_caller]
#[must_use]
pub fn socket_from(source: IpAddr, address: SocketAddr) -> TcpStream {
    let kind = socket2::Type::STREAM;
    let socket = socket2::Socket::new(socket2::Domain::IPV4, kind, None).unwrap();
    socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
    socket.connect(&address.into()).unwrap();
    socket.into()
}

/// The bytes of a request: with Host, and with Content-Length where there is a body.
#[must_use]
pub fn request(method: &str, target: &str, fields: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.1\r\n");
    if !fields
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"))
    {
        let _ = write!(head, "Host: {HOST}\r\n");
    }
    for (name, value) in fields {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    if !body.is_empty() {
        let _ = write!(head, "Content-Length: {}\r\n", body.len());
    }
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

impl Client {
    /// Connects.
    #[track_caller]
    #[must_use]
    pub fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address)
            .unwrap_or_else(|error| panic!("no connection to {address}: {error}"))
    }

    /// Connects, if somebody listens.
    ///
    /// # Errors
    /// What the system says.
    pub fn try_connect(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        Ok(Self {
            wire: Wire::plain(socket)?,
        })
    }

    /// Speaks over what is connected already.
    #[must_use]
    pub fn over(wire: Wire) -> Self {
        Self { wire }
    }

    /// Connects from an address of our own, such as 127.0.0.7.
    #[track_caller]
    #[must_use]
    pub fn connect_from(source: IpAddr, address: SocketAddr) -> Self {
        Self::over(Wire::plain(socket_from(source, address)).unwrap())
    }

    /// Connects with a small receive buffer, as a client that reads slowly has it.
    #[track_caller]
    #[must_use]
    pub fn connect_narrow(address: SocketAddr, buffer_bytes: usize) -> Self {
        let kind = socket2::Type::STREAM;
        let socket = socket2::Socket::new(socket2::Domain::IPV4, kind, None).unwrap();
        socket.set_recv_buffer_size(buffer_bytes).unwrap();
        socket.connect(&address.into()).unwrap();
        Self {
            wire: Wire::plain(socket.into()).unwrap(),
        }
    }

    /// The connection itself.
    pub fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }

    /// Cuts the connection with a TCP reset.
    pub fn reset(self) {
        self.wire.reset();
    }

    /// Sends bytes.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.wire
            .send(bytes.as_ref())
            .expect("the program takes what is sent");
        self
    }

    /// Sends bytes in pieces of `size`, with a pause between them.
    #[track_caller]
    pub fn send_in_pieces(
        &mut self,
        bytes: impl AsRef<[u8]>,
        size: usize,
        pause: Duration,
    ) -> &mut Self {
        for piece in bytes.as_ref().chunks(size) {
            self.send(piece);
            std::thread::sleep(pause);
        }
        self
    }

    /// The next answer, to a request with this method.
    ///
    /// # Errors
    /// As [`Answer::read`].
    pub fn try_answer(&mut self, method: &str) -> io::Result<Answer> {
        Answer::read(&mut self.wire, method)
    }

    /// The next answer.
    #[track_caller]
    pub fn answer(&mut self) -> Answer {
        self.try_answer("GET")
            .unwrap_or_else(|error| panic!("no answer: {error}"))
    }

    /// Sends a request and gives its answer.
    #[track_caller]
    pub fn ask(
        &mut self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        self.send(request(method, target, fields, body));
        self.try_answer(method)
            .unwrap_or_else(|error| panic!("no answer to {method} {target}: {error}"))
    }

    /// GET.
    #[track_caller]
    pub fn get(&mut self, target: &str) -> Answer {
        self.ask("GET", target, &[], b"")
    }

    /// GET with header fields.
    #[track_caller]
    pub fn get_with(&mut self, target: &str, fields: &[(&str, &str)]) -> Answer {
        self.ask("GET", target, fields, b"")
    }

    /// POST.
    #[track_caller]
    pub fn post(&mut self, target: &str, body: &[u8]) -> Answer {
        self.ask("POST", target, &[], body)
    }

    /// Whether the program closes the connection without another byte, within five seconds.
    pub fn is_closed(&mut self) -> bool {
        self.wire.is_closed(Duration::from_secs(5))
    }

    /// Whether the connection stays open and silent for so long.
    pub fn stays_silent(&mut self, time: Duration) -> bool {
        self.wire.patience(time);
        let silent =
            matches!(self.wire.has_more(), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        self.wire.patience(Duration::from_secs(20));
        silent
    }
}
