//! The loop.

use crate::answers::Answers;
use crate::connection::{Connection, Wants};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};

const EVENTS: usize = 256;
const BUFFER_BYTES: usize = 128 * 1024;
const LISTENER: u64 = 0;

struct Server {
    poll: OwnedFd,
    listener: TcpListener,
    connections: HashMap<u64, Connection>,
    next: u64,
    answers: Answers,
    buffer: Vec<u8>,
}

/// Serves until it is ended by a signal.
pub(crate) fn run(address: SocketAddr, name: &str) -> io::Result<Infallible> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(
        &poll,
        &listener,
        EventData::new_u64(LISTENER),
        EventFlags::IN,
    )?;
    println!("{name} listens on {}", listener.local_addr()?);
    let mut server = Server {
        poll,
        listener,
        connections: HashMap::new(),
        next: LISTENER + 1,
        answers: Answers::new(name),
        buffer: vec![0; BUFFER_BYTES],
    };
    let mut events = Vec::with_capacity(EVENTS);
    loop {
        match epoll::wait(&server.poll, spare_capacity(&mut events), None) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        for event in events.drain(..) {
            match event.data.u64() {
                LISTENER => server.accept()?,
                token => server.advance(token)?,
            }
        }
    }
}

impl Server {
    fn accept(&mut self) -> io::Result<()> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                // The peer hung up while it waited.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let token = EventData::new_u64(self.next);
            epoll::add(&self.poll, &stream, token, EventFlags::IN)?;
            self.connections.insert(self.next, Connection::new(stream));
            self.answers.connections += 1;
            self.next += 1;
        }
    }

    fn advance(&mut self, token: u64) -> io::Result<()> {
        let Some(connection) = self.connections.get_mut(&token) else {
            return Ok(());
        };
        let wants = connection.advance(&mut self.answers, &mut self.buffer);
        if wants == connection.waits_for {
            return Ok(());
        }
        let flags = match wants {
            Wants::Read => EventFlags::IN,
            Wants::Write => EventFlags::OUT,
            Wants::Nothing => {
                // Closing the socket takes it out of the poll.
                self.connections.remove(&token);
                return Ok(());
            }
        };
        connection.waits_for = wants;
        let data = EventData::new_u64(token);
        epoll::modify(&self.poll, connection.stream.as_fd(), data, flags)?;
        Ok(())
    }
}
