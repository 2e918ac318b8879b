//! Records to a syslog server, in the form of RFC 5424.

use super::line::Rfc3339;
use super::writer::Destination;
use std::io::{self, Write};
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

/// Facility 13 (log audit), severity 5 (notice).
const PRIORITY: u8 = 13 * 8 + 5;

/// How long connecting, and taking a record, may take. Over: the records at hand are lost.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long a server that failed is left alone; what comes meanwhile is lost.
const REST: Duration = Duration::from_secs(1);

/// Where a syslog server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyslogServer {
    /// A socket of this host.
    Unix(PathBuf),
    /// Datagrams to `host:port`.
    Udp(String),
    /// A connection to `host:port`; each record is preceded by its length (RFC 6587).
    Tcp(String),
}

/// The client of a syslog server.
pub struct Syslog {
    server: SyslogServer,
    host: String,
    connection: Option<Connection>,
    failed: Option<Instant>,
}

enum Connection {
    UnixDatagram(UnixDatagram),
    UnixStream(UnixStream),
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Syslog {
    /// Connects when there is something to say.
    #[must_use]
    pub fn new(server: SyslogServer) -> Self {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = match name.trim() {
            "" => "-",
            name => name,
        };
        Self {
            server,
            host: host.to_owned(),
            connection: None,
            failed: None,
        }
    }

    fn send(&mut self, records: &[u8]) -> io::Result<()> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::to(&self.server)?,
        };
        let head = format!(
            "<{PRIORITY}>1 {} {} bascule {} waf-audit - ",
            Rfc3339(SystemTime::now()),
            self.host,
            std::process::id()
        );
        let records = records.split(|&byte| byte == b'\n');
        for record in records.filter(|record| !record.is_empty()) {
            let message = [head.as_bytes(), record].concat();
            connection.send(&message)?;
        }
        self.connection = Some(connection);
        Ok(())
    }
}

impl Destination for Syslog {
    fn write(&mut self, records: &[u8]) -> io::Result<()> {
        if self.failed.is_some_and(|failed| failed.elapsed() < REST) {
            return Err(io::Error::other("the syslog server failed a moment ago"));
        }
        let sent = self.send(records);
        self.failed = sent.is_err().then(Instant::now);
        sent
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.connection = None;
        self.failed = None;
        Ok(())
    }
}

impl Connection {
    fn to(server: &SyslogServer) -> io::Result<Self> {
        Ok(match server {
            SyslogServer::Unix(path) => {
                let socket = UnixDatagram::unbound()?;
                if socket.connect(path).is_ok() {
                    socket.set_write_timeout(Some(PATIENCE))?;
                    Self::UnixDatagram(socket)
                } else {
                    let stream = UnixStream::connect(path)?;
                    stream.set_write_timeout(Some(PATIENCE))?;
                    Self::UnixStream(stream)
                }
            }
            SyslogServer::Udp(place) => {
                let address = resolve(place)?;
                let any = match address {
                    std::net::SocketAddr::V4(_) => "0.0.0.0:0",
                    std::net::SocketAddr::V6(_) => "[::]:0",
                };
                let socket = UdpSocket::bind(any)?;
                socket.connect(address)?;
                Self::Udp(socket)
            }
            SyslogServer::Tcp(place) => {
                let stream = TcpStream::connect_timeout(&resolve(place)?, PATIENCE)?;
                stream.set_write_timeout(Some(PATIENCE))?;
                Self::Tcp(stream)
            }
        })
    }

    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let counted = || [format!("{} ", message.len()).as_bytes(), message].concat();
        match self {
            Self::UnixDatagram(socket) => socket.send(message).map(drop),
            Self::Udp(socket) => socket.send(message).map(drop),
            Self::UnixStream(stream) => stream.write_all(&counted()),
            Self::Tcp(stream) => stream.write_all(&counted()),
        }
    }
}

fn resolve(place: &str) -> io::Result<std::net::SocketAddr> {
    let mut addresses = place.to_socket_addrs()?;
    let unknown = || io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    addresses.next().ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::TcpListener;

    fn is_message(text: &str, record: &str) -> bool {
        text.starts_with("<109>1 20") && text.ends_with(&format!(" waf-audit - {record}"))
    }

    #[test]
    fn records_arrive_one_by_one() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let place = server.local_addr().unwrap().to_string();
        let mut log = Syslog::new(SyslogServer::Udp(place));
        log.write(b"{\"a\":1}\n{\"b\":2}\n").unwrap();
        for record in ["{\"a\":1}", "{\"b\":2}"] {
            let mut buffer = [0; 1024];
            let length = server.recv(&mut buffer).unwrap();
            let text = String::from_utf8_lossy(&buffer[..length]);
            assert!(is_message(&text, record), "{text}");
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let server = UnixDatagram::bind(&path).unwrap();
        let mut log = Syslog::new(SyslogServer::Unix(path));
        log.write(b"{}\n").unwrap();
        let mut buffer = [0; 1024];
        let length = server.recv(&mut buffer).unwrap();
        assert!(is_message(
            &String::from_utf8_lossy(&buffer[..length]),
            "{}"
        ));
    }

    #[test]
    fn a_connection_counts_bytes_and_is_made_again() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = server.local_addr().unwrap().to_string();
        let mut log = Syslog::new(SyslogServer::Tcp(place));
        for _ in 0..2 {
            log.write(b"{}\n").unwrap();
            let (mut stream, _) = server.accept().unwrap();
            log.reopen().unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            let (length, message) = text.split_once(' ').unwrap();
            assert_eq!(length.parse(), Ok(message.len()));
            assert!(is_message(message, "{}"), "{message}");
        }
    }

    #[test]
    fn a_server_that_is_not_there_is_left_alone_for_a_moment() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = free.local_addr().unwrap().to_string();
        drop(free);
        let mut log = Syslog::new(SyslogServer::Tcp(place));
        assert!(log.write(b"{}\n").is_err());
        let again = log.write(b"{}\n").unwrap_err();
        assert!(again.to_string().contains("a moment ago"));
    }
}
