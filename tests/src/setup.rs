//! A configuration as an operator writes it, with the addresses of a test put in.

use crate::bascule::Bascule;
use crate::io::Io;
use crate::port::Port;
use crate::program::{self, Finished};
use crate::wait::within;
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// What stands before every configuration, where it does not say it itself.
const DEFAULTS: &[(&str, &str)] = &[
    ("admin", "admin: { socket: admin.sock, address: $admin }\n"),
    ("log", "log: { level: debug, access: access.json }\n"),
    // One for all tests: rules that many of them load are compiled in full once.
    ("cache", "cache: /tmp/bascule-test-cache\n"),
    ("listeners", "listeners: [{ name: web, address: $web }]\n"),
];

/// Begins a program as a service manager does, with its standard input as the socket.
const LISTEN: &str = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\"";

/// What is to be started.
pub struct Setup {
    pub(crate) folder: TempDir,
    pub(crate) places: Places,
    pub(crate) io: Io,
    workers: usize,
    environment: Vec<(String, String)>,
    listen_fd: Option<OwnedFd>,
    user: Option<(u32, String)>,
}

/// The addresses that `$name` in a configuration stands for.
#[derive(Default)]
pub(crate) struct Places {
    addresses: BTreeMap<String, SocketAddr>,
    ports: Vec<Port>,
}

/// A program that did not start.
pub type Refused = Finished;

impl Places {
    pub(crate) fn address(&self, name: &str) -> Option<SocketAddr> {
        self.addresses.get(name).copied()
    }

    fn find_or_reserve(&mut self, name: &str) -> SocketAddr {
        if let Some(address) = self.address(name) {
            return address;
        }
        let port = Port::reserve();
        let address = port.address();
        self.ports.push(port);
        self.addresses.insert(name.to_owned(), address);
        address
    }

    /// Puts addresses in the place of `$name`; a name that stands for nothing gets a free port.
    pub(crate) fn fill(&mut self, text: &str) -> String {
        let mut pieces = text.split('$');
        let mut filled = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let end = piece.find(|c| !is_name(c)).unwrap_or(piece.len());
            let (name, rest) = piece.split_at(end);
            filled.push_str(&self.find_or_reserve(name).to_string());
            filled.push_str(rest);
        }
        filled
    }
}

impl Setup {
    /// An empty folder for a configuration and its files.
    #[must_use]
    pub fn new() -> Self {
        Self {
            folder: tempfile::Builder::new()
                .prefix("bascule-test-")
                .tempdir()
                .unwrap(),
            places: Places::default(),
            io: Io::Epoll,
            workers: 2,
            environment: Vec::new(),
            listen_fd: None,
            user: None,
        }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The I/O driver; epoll where it is not said.
    #[must_use]
    pub fn io(self, io: Io) -> Self {
        Self { io, ..self }
    }

    /// The number of workers; two where it is not said, and with 0 what the configuration says.
    #[must_use]
    pub fn workers(self, workers: usize) -> Self {
        Self { workers, ..self }
    }

    /// An address that `$name` stands for.
    #[must_use]
    pub fn with(mut self, name: &str, address: SocketAddr) -> Self {
        self.places.addresses.insert(name.to_owned(), address);
        self
    }

    /// A file beside the configuration.
    #[must_use]
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.folder().join(name), content).unwrap();
        self
    }

    /// A variable of the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A socket that the program gets as a service manager hands it over: as descriptor 3, with LISTEN_FDS.
    #[must_use]
    pub fn listen_fd(self, fd: OwnedFd) -> Self {
        Self {
            listen_fd: Some(fd),
            ..self
        }
    }

    /// Runs the program as another user, with these capabilities (`bpf,net_admin`) and no others.
    #[must_use]
    pub fn as_user(self, user: u32, capabilities: &str) -> Self {
        Self {
            user: Some((user, capabilities.to_owned())),
            ..self
        }
    }

    /// Writes the configuration; blocks that it does not have are filled in.
    pub(crate) fn write(&mut self, yaml: &str) {
        let text = complete(yaml);
        let text = self.places.fill(&text);
        fs::write(self.folder().join("bascule.yaml"), text).unwrap();
    }

    /// Starts the program and waits until it serves.
    #[track_caller]
    #[must_use]
    pub fn start(mut self, yaml: &str) -> Bascule {
        self.write(yaml);
        let child = self.command().spawn().expect("the program can be started");
        Bascule::wait_until_ready(child, self)
    }

    /// Starts the program, which must refuse the configuration.
    #[track_caller]
    #[must_use]
    pub fn refused(mut self, yaml: &str) -> Refused {
        self.write(yaml);
        let mut child = self.command().spawn().expect("the program can be started");
        let status = within(Duration::from_secs(30), || child.try_wait().unwrap());
        if status.is_none() {
            child.kill().unwrap();
        }
        let stderr = fs::read_to_string(self.folder().join("stderr.log")).unwrap_or_default();
        let stdout = fs::read_to_string(self.folder().join("stdout.log")).unwrap_or_default();
        let status = status.unwrap_or_else(|| panic!("it was not refused:\n{yaml}\n{stderr}"));
        Refused {
            code: status.code(),
            stdout,
            stderr,
        }
    }

    fn command(&self) -> Command {
        let file = |name: &str| fs::File::create(self.folder().join(name)).unwrap();
        let mut command = match (&self.listen_fd, &self.user) {
            (None, None) => Command::new(program::path()),
            (None, Some((user, capabilities))) => {
                own(self.folder(), *user);
                program::as_user(*user, capabilities)
            }
            (Some(_), _) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", LISTEN, "sh"]).arg(program::path());
                shell
            }
        };
        command.args(["run", "--config", "bascule.yaml", "--io", self.io.name()]);
        if self.workers > 0 {
            command.args(["--workers", &self.workers.to_string()]);
        }
        command
            .current_dir(self.folder())
            .envs(self.environment.iter().cloned())
            .env("NO_COLOR", "1")
            .stdin(match &self.listen_fd {
                None => Stdio::null(),
                Some(fd) => fd.try_clone().unwrap().into(),
            })
            .stdout(file("stdout.log"))
            .stderr(file("stderr.log"));
        command
    }
}

/// Makes a folder and the files in it a user's.
fn own(folder: &Path, user: u32) {
    let entries = fs::read_dir(folder).unwrap().flatten();
    let files = entries.map(|entry| entry.path());
    for path in files.chain([folder.to_owned()]) {
        std::os::unix::fs::chown(path, Some(user), Some(user)).unwrap();
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self::new()
    }
}

/// Adds the blocks that a configuration leaves out, and takes away the indentation that it has in a test.
pub(crate) fn complete(yaml: &str) -> String {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let lines = yaml.lines().filter(|line| !line.trim().is_empty());
    let common = lines.clone().map(indent).min().unwrap_or(0);
    let mut text = String::new();
    for line in lines {
        text.push_str(&line[common..]);
        text.push('\n');
    }
    for (key, block) in DEFAULTS {
        let has = text
            .lines()
            .any(|line| line.starts_with(&format!("{key}:")));
        if !has {
            text.push_str(block);
        }
    }
    text
}
