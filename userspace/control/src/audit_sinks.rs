//! Audit logs that are open: files, syslog servers, collectors. One for each place, whoever writes to it.

mod post;

use config::{AuditLog, SyslogTarget};
use post::Post;
use proxy::{Destination, LineWriter, Syslog, SyslogServer};
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::runtime::Handle;

/// How often a batch is posted before it counts as lost.
const ATTEMPTS: u32 = 3;

/// How long to wait before the second attempt; then twice as long each time.
const PAUSE: Duration = Duration::from_millis(200);

/// Where an audit log goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum AuditPlace {
    /// A file.
    File(PathBuf),
    /// `unix:`, `udp:` or `tcp:` and where.
    Syslog(String),
    /// A URL.
    Http(String),
}

impl AuditPlace {
    /// The place that a configuration names; it names exactly one.
    pub(crate) fn of(log: &AuditLog) -> Option<Self> {
        if let Some(file) = &log.file {
            return Some(Self::File(file.path.clone()));
        }
        if let Some(target) = &log.syslog {
            return Some(Self::Syslog(target.to_string()));
        }
        log.http
            .as_ref()
            .map(|url| Self::Http(url.as_str().to_owned()))
    }

    /// Opens it. Only a file can fail: servers are asked when there is something to say.
    pub(crate) fn open(&self, log: Option<&AuditLog>) -> io::Result<LineWriter> {
        match self {
            Self::File(path) => LineWriter::open(path),
            Self::Syslog(name) => {
                let server = match log.and_then(|log| log.syslog.as_ref()) {
                    Some(SyslogTarget::Unix(path)) => SyslogServer::Unix(path.clone()),
                    Some(SyslogTarget::Udp(place)) => SyslogServer::Udp(place.clone()),
                    Some(SyslogTarget::Tcp(place)) => SyslogServer::Tcp(place.clone()),
                    None => return Err(io::ErrorKind::InvalidInput.into()),
                };
                LineWriter::start(name, Syslog::new(server))
            }
            Self::Http(url) => LineWriter::start(
                url,
                Collector {
                    url: url.clone(),
                    client: Post::new(),
                    runtime: Handle::current(),
                },
            ),
        }
    }
}

/// A collector over HTTP.
struct Collector {
    url: String,
    client: Post,
    runtime: Handle,
}

impl Destination for Collector {
    fn write(&mut self, records: &[u8]) -> io::Result<()> {
        let mut pause = PAUSE;
        let mut last = io::Error::from(io::ErrorKind::Other);
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                std::thread::sleep(pause);
                pause *= 2;
            }
            match self.runtime.block_on(self.client.post(&self.url, records)) {
                Ok(()) => return Ok(()),
                Err(error) if error.is_final() => return Err(io::Error::other(error)),
                Err(error) => last = io::Error::other(error),
            }
        }
        Err(last)
    }
}
