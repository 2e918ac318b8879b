//! Steady load in the background: closed-loop clients that ask again and again until they are stopped.

use crate::client::{Client, request};
use crate::tls::TlsClient;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

/// The running clients.
pub struct Load {
    is_over: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<Report>>,
}

/// What became of the requests.
#[derive(Debug, Default)]
pub struct Report {
    /// How many got 200, by the body of the answer.
    pub bodies: BTreeMap<String, usize>,
    /// What went wrong with the others.
    pub failures: Vec<String>,
}

impl Report {
    /// How many got 200.
    #[must_use]
    pub fn served(&self) -> usize {
        self.bodies.values().sum()
    }
}

impl Load {
    /// Starts so many clients, each with a connection that it keeps as long as it is kept open.
    #[must_use]
    pub fn start(address: SocketAddr, clients: usize, target: &'static str) -> Self {
        Self::start_with(address, clients, target, true)
    }

    /// Starts so many clients that connect anew for each request.
    #[must_use]
    pub fn start_connecting(address: SocketAddr, clients: usize, target: &'static str) -> Self {
        Self::start_with(address, clients, target, false)
    }

    /// Starts so many clients that speak TLS, with kept connections or with one for each request.
    #[must_use]
    pub fn start_tls(
        address: SocketAddr,
        clients: usize,
        (tls, name): (TlsClient, &'static str),
        keep: bool,
    ) -> Self {
        let dial = move || tls.connect(address, name).map(|(client, _)| client);
        Self::start_over(clients, "/", keep, dial)
    }

    fn start_with(address: SocketAddr, clients: usize, target: &'static str, keep: bool) -> Self {
        Self::start_over(clients, target, keep, move || Client::try_connect(address))
    }

    fn start_over(
        clients: usize,
        target: &'static str,
        keep: bool,
        dial: impl Fn() -> io::Result<Client> + Send + Sync + 'static,
    ) -> Self {
        let dial = Arc::new(dial);
        let is_over = Arc::<AtomicBool>::default();
        let answered = Arc::<AtomicUsize>::default();
        let threads = (0..clients)
            .map(|_| {
                let (is_over, answered) = (Arc::clone(&is_over), Arc::clone(&answered));
                let dial = Arc::clone(&dial);
                std::thread::spawn(move || ask(&*dial, target, keep, &is_over, &answered))
            })
            .collect();
        Self {
            is_over,
            answered,
            threads,
        }
    }

    /// Requests that were answered or have failed so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    /// Stops the clients when each has its answer.
    #[must_use]
    pub fn stop(self) -> Report {
        self.is_over.store(true, Ordering::SeqCst);
        let mut whole = Report::default();
        for thread in self.threads {
            let report = thread.join().expect("a client does not panic");
            whole.failures.extend(report.failures);
            for (body, count) in report.bodies {
                *whole.bodies.entry(body).or_default() += count;
            }
        }
        whole
    }
}

fn ask(
    dial: &dyn Fn() -> io::Result<Client>,
    target: &str,
    keep: bool,
    is_over: &AtomicBool,
    answered: &AtomicUsize,
) -> Report {
    let mut report = Report::default();
    let mut connection: Option<Client> = None;
    let bytes = request("GET", target, &[], b"");
    while !is_over.load(Ordering::SeqCst) {
        let mut client = match connection.take().map_or_else(dial, Ok) {
            Ok(client) => client,
            Err(error) => {
                report.failures.push(format!("connect: {error}"));
                continue;
            }
        };
        let outcome = client
            .wire()
            .send(&bytes)
            .and_then(|()| client.try_answer("GET"));
        match outcome {
            Ok(answer) if answer.status == 200 => {
                *report.bodies.entry(answer.text()).or_default() += 1;
                if keep && !answer.says_close() {
                    connection = Some(client);
                }
            }
            Ok(answer) => report
                .failures
                .push(format!("{} {}", answer.status, answer.text())),
            Err(error) => report.failures.push(error.to_string()),
        }
        answered.fetch_add(1, Ordering::SeqCst);
    }
    report
}
