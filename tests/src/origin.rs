//! Endpoints of our own, in threads. Each keeps a log of the requests that it got and of what was wrong with them.

use crate::message::Seen;
use crate::wire::Wire;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What is done on a connection, from its beginning to its end.
type Script = dyn Fn(&mut Conversation<'_>) -> io::Result<()> + Send + Sync;

/// An endpoint. It ends when it is dropped, and fails the test then if it got anything that is not HTTP.
pub struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Vec<Seen>>,
    faults: Mutex<Vec<String>>,
    sockets: Mutex<Vec<TcpStream>>,
    accepted: AtomicUsize,
    open: AtomicUsize,
    is_over: AtomicBool,
}

/// A connection of the program to an endpoint, as a script sees it.
pub struct Conversation<'c> {
    /// The connection itself.
    pub wire: &'c mut Wire,
    shared: &'c Shared,
    number: usize,
    served: usize,
}

impl Conversation<'_> {
    /// The number of the connection, from 0.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// The head of the next request; none at the end of the connection.
    ///
    /// # Errors
    /// What the connection says, and what is no HTTP.
    pub fn head(&mut self) -> io::Result<Option<Seen>> {
        if !self.wire.has_more()? {
            return Ok(None);
        }
        let mut seen = Seen::read_head(self.wire)?;
        (seen.connection, seen.nth) = (self.number, self.served);
        self.served += 1;
        Ok(Some(seen))
    }

    /// The next request with its body; none at the end of the connection.
    ///
    /// # Errors
    /// As [`Conversation::head`].
    pub fn request(&mut self) -> io::Result<Option<Seen>> {
        let Some(mut seen) = self.head()? else {
            return Ok(None);
        };
        seen.read_body(self.wire)?;
        self.log(&seen);
        Ok(Some(seen))
    }

    /// Puts a request into the log.
    pub fn log(&self, seen: &Seen) {
        self.shared.seen.lock().unwrap().push(seen.clone());
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// When the program takes no more.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.wire.send(bytes.as_ref())
    }
}

/// An answer of an endpoint.
#[derive(Clone, Debug)]
pub struct Reply {
    bytes: Vec<u8>,
    close: bool,
}

impl Reply {
    /// 200 with a body and its length.
    #[must_use]
    pub fn ok(body: impl AsRef<[u8]>) -> Self {
        Self::status(200, &[], body)
    }

    /// A status with fields, a body and its length.
    #[must_use]
    pub fn status(status: u16, fields: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let mut head = format!("HTTP/1.1 {status} Whatever\r\n");
        for (name, value) in fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        Self::raw([head.as_bytes(), body].concat())
    }

    /// Exactly these bytes.
    #[must_use]
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            bytes: bytes.into(),
            close: false,
        }
    }

    /// And then the connection ends.
    #[must_use]
    pub fn and_close(self) -> Self {
        Self {
            close: true,
            ..self
        }
    }
}

impl Origin {
    /// Answers every request with what it saw, as JSON.
    #[must_use]
    pub fn echo() -> Self {
        Self::serve(|seen| {
            Reply::status(
                200,
                &[("Content-Type", "application/json")],
                seen.json().to_string(),
            )
        })
    }

    /// Answers every request with its name.
    #[must_use]
    pub fn named(name: &'static str) -> Self {
        Self::serve(move |_| Reply::ok(name))
    }

    /// Answers every request with what a function makes of it.
    #[must_use]
    pub fn serve(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::talk(serving(answer))
    }

    /// As [`Origin::serve`], on a port that stays reserved while the endpoint is down.
    #[must_use]
    pub fn serve_on(
        port: SocketAddr,
        answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::listen(port, None, Box::new(serving(answer)))
    }

    /// Does on every connection what a script says.
    #[must_use]
    pub fn talk(
        script: impl Fn(&mut Conversation<'_>) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::listen((Ipv4Addr::LOCALHOST, 0).into(), None, Box::new(script))
    }

    /// As [`Origin::serve`], over TLS.
    #[must_use]
    pub fn secure(
        tls: Arc<rustls::ServerConfig>,
        answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::listen(
            (Ipv4Addr::LOCALHOST, 0).into(),
            Some(tls),
            Box::new(serving(answer)),
        )
    }

    fn listen(
        address: SocketAddr,
        tls: Option<Arc<rustls::ServerConfig>>,
        script: Box<Script>,
    ) -> Self {
        let listener = TcpListener::bind(address).expect("an endpoint binds its port");
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let ours = Arc::clone(&shared);
        let script: Arc<Script> = script.into();
        std::thread::spawn(move || accept(&listener, &ours, tls.as_ref(), &script));
        Self { address, shared }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests that it got so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// How many requests it got so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shared.seen.lock().unwrap().len()
    }

    /// The only request that it got.
    #[track_caller]
    #[must_use]
    pub fn only(&self) -> Seen {
        let mut seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.remove(0)
    }

    /// How many connections it got so far.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How many connections are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// What it got that is no HTTP.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        self.shared.faults.lock().unwrap().clone()
    }

    /// Closes every connection, and goes on listening.
    pub fn hang_up(&self) {
        for socket in self.shared.sockets.lock().unwrap().drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    fn end(&self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts, which then closes the listener.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
        self.hang_up();
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.end();
        let faults = self.faults();
        assert!(
            faults.is_empty() || std::thread::panicking(),
            "the endpoint {} got what is no HTTP: {faults:?}",
            self.address
        );
    }
}

fn serving(
    answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
) -> impl Fn(&mut Conversation<'_>) -> io::Result<()> + Send + Sync + 'static {
    move |conversation| {
        while let Some(seen) = conversation.request()? {
            let reply = answer(&seen);
            let end = reply
                .bytes
                .windows(4)
                .position(|window| window == b"\r\n\r\n");
            let bytes = match end {
                Some(end) if seen.method == "HEAD" => &reply.bytes[..end + 4],
                _ => &reply.bytes[..],
            };
            conversation.send(bytes)?;
            if reply.close {
                break;
            }
        }
        Ok(())
    }
}

fn accept(
    listener: &TcpListener,
    shared: &Arc<Shared>,
    tls: Option<&Arc<rustls::ServerConfig>>,
    script: &Arc<Script>,
) {
    for socket in listener.incoming() {
        let Ok(socket) = socket else { continue };
        if shared.is_over.load(Ordering::SeqCst) {
            return;
        }
        let number = shared.accepted.fetch_add(1, Ordering::SeqCst);
        shared.open.fetch_add(1, Ordering::SeqCst);
        shared
            .sockets
            .lock()
            .unwrap()
            .push(socket.try_clone().unwrap());
        let (shared, tls, script) = (Arc::clone(shared), tls.cloned(), Arc::clone(script));
        std::thread::spawn(move || {
            if let Err(error) = converse(&shared, socket, tls, number, &script)
                && error.kind() == ErrorKind::InvalidData
                // A TLS client that does not trust us is none of our faults.
                && error.get_ref().is_none_or(|inner| !inner.is::<rustls::Error>())
            {
                shared.faults.lock().unwrap().push(error.to_string());
            }
            shared.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

fn converse(
    shared: &Shared,
    socket: TcpStream,
    tls: Option<Arc<rustls::ServerConfig>>,
    number: usize,
    script: &Arc<Script>,
) -> io::Result<()> {
    let closer = socket.try_clone()?;
    let mut wire = match tls {
        None => Wire::plain(socket)?,
        Some(tls) => {
            let connection = rustls::ServerConnection::new(tls).map_err(io::Error::other)?;
            Wire::tls_server(socket, connection)?
        }
    };
    // Connections that the program keeps may be idle for as long as a test takes.
    wire.patience(Duration::from_secs(120));
    let outcome = script(&mut Conversation {
        wire: &mut wire,
        shared,
        number,
        served: 0,
    });
    // The copy in `sockets` would keep the connection open.
    let _ = closer.shutdown(Shutdown::Both);
    outcome
}
