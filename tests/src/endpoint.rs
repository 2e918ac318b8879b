//! An endpoint in a process of its own, so that it can be killed.

use crate::port::Port;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A process that answers every request with its name.
pub struct Endpoint {
    child: Option<Child>,
    port: Port,
    program: std::path::PathBuf,
    name: String,
    delay: Duration,
}

impl Endpoint {
    /// Starts it. `program` is `env!("CARGO_BIN_EXE_endpoint")`, which only a test can name.
    #[must_use]
    pub fn start(program: impl AsRef<Path>, name: &str, delay: Duration) -> Self {
        let mut endpoint = Self {
            child: None,
            port: Port::reserve(),
            program: program.as_ref().to_owned(),
            name: name.to_owned(),
            delay,
        };
        endpoint.come_back();
        endpoint
    }

    /// Starts it again on its port.
    pub fn come_back(&mut self) {
        let mut child = Command::new(&self.program)
            .args([
                &self.address().to_string(),
                &self.name,
                &self.delay.as_millis().to_string(),
            ])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the endpoint starts");
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut ready)
            .unwrap();
        assert_eq!(ready, "ready\n");
        self.child = Some(child);
    }

    /// Kills it as `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.kill();
    }
}
