//! Both ends of a flow: servers that say which they are, clients that hold them to it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything on this wire takes; neighbours are found within a second.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// A server of TCP and UDP. It ends with this, and its connections with it.
pub(crate) struct Server {
    listener: Arc<TcpListener>,
}

impl Server {
    /// Serves the port on these addresses; `number` is what answers begin with. To be called on the host.
    pub(crate) fn start(addresses: &[&str], port: u16, number: u8) -> Self {
        let at = |address: &str| SocketAddr::new(address.parse().unwrap(), port);
        let listener = Arc::new(TcpListener::bind(at("::")).unwrap());
        let accepting = Arc::clone(&listener);
        thread::spawn(move || {
            for stream in accepting.incoming() {
                let Ok(stream) = stream else { return };
                thread::spawn(move || echo(stream, number));
            }
        });
        // An answer comes from the address that was asked, where there is a socket for each that the host has.
        let sockets = addresses
            .iter()
            .filter_map(|one| UdpSocket::bind(at(one)).ok());
        for socket in sockets {
            thread::spawn(move || answer(&socket, number));
        }
        Self { listener }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It listens no more; accept(2) comes back with an error.
        let _ = socket2::SockRef::from(&*self.listener).shutdown(std::net::Shutdown::Both);
    }
}

fn answer(socket: &UdpSocket, number: u8) {
    let mut buffer = [0; 2048];
    while let Ok((bytes, from)) = socket.recv_from(&mut buffer) {
        let answer = [&[number], &buffer[..bytes]].concat();
        let _ = socket.send_to(&answer, from);
    }
}

fn echo(mut stream: TcpStream, number: u8) -> io::Result<()> {
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut bytes)?;
        stream.write_all(&[number])?;
        stream.write_all(&bytes)?;
    }
}

/// A client's connection, and the endpoint that it is with.
pub(crate) struct Connection {
    stream: TcpStream,
    pub(crate) endpoint: u8,
}

impl Connection {
    /// Connects; to be called on the client's host.
    pub(crate) fn open(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut connection = Self {
            stream,
            endpoint: 0,
        };
        connection.endpoint = connection.ask(b"hello")?;
        Ok(connection)
    }

    /// This end of it.
    pub(crate) fn client(&self) -> SocketAddr {
        self.stream.local_addr().unwrap()
    }

    /// Sends something and reads it back, behind the number of the endpoint.
    pub(crate) fn ask(&mut self, bytes: &[u8]) -> io::Result<u8> {
        let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        self.stream.write_all(&length)?;
        let mut sender = self.stream.try_clone()?;
        let mut answer = vec![0; bytes.len() + 1];
        thread::scope(|scope| {
            let sent = scope.spawn(move || sender.write_all(bytes));
            self.stream.read_exact(&mut answer)?;
            sent.join().unwrap()
        })?;
        assert_eq!(&answer[1..], bytes, "every byte comes back");
        Ok(answer[0])
    }

    /// The connection is with the endpoint that it was with at first.
    #[track_caller]
    pub(crate) fn holds(&mut self) {
        let endpoint = self.ask(b"still there").expect("the connection holds");
        assert_eq!(endpoint, self.endpoint);
    }
}

/// A socket of UDP that asks until somebody answers.
pub(crate) struct Asker {
    socket: UdpSocket,
    to: SocketAddr,
}

impl Asker {
    /// From one address to the other; to be called on the client's host.
    pub(crate) fn new(own: &str, to: SocketAddr) -> Self {
        let own = SocketAddr::new(own.parse().unwrap(), 0);
        let socket = UdpSocket::bind(own).unwrap();
        let patience = Duration::from_millis(300);
        socket.set_read_timeout(Some(patience)).unwrap();
        Self { socket, to }
    }

    /// This end.
    pub(crate) fn client(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    /// The endpoint that answers.
    #[track_caller]
    pub(crate) fn ask(&self) -> u8 {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            self.socket.send_to(b"question", self.to).unwrap();
            let mut answer = [0; 64];
            if let Ok((bytes, from)) = self.socket.recv_from(&mut answer) {
                assert_eq!(from, self.to, "the answer comes from the service");
                assert_eq!(&answer[1..bytes], b"question");
                return answer[0];
            }
        }
        panic!("no answer by UDP from {}", self.to);
    }
}

/// Large enough for many segments, and for what a wrong checksum would break.
pub(crate) fn much() -> Vec<u8> {
    (0..2_000_000_u32)
        .map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}
