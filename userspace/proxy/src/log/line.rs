//! One access line: who, what, where to, how long in each stage, the verdict and its reason.

use super::json::Object;
use super::writer::LineSink;
use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use types::{Civil, Reason};

/// A sample of all requests.
const EVERY: u16 = 10_000;

/// Lines a worker gathers before it hands them over; a quiet worker hands them over at its next tick.
const BLOCK_BYTES: usize = 32 * 1024;

/// Where access lines go, and which.
#[derive(Clone)]
pub struct AccessTarget {
    /// The file.
    pub sink: LineSink,
    /// How many of 10,000 requests that were served get a line. What was refused or failed always gets one.
    pub sample: u16,
}

/// A worker's end of the access log.
pub(crate) struct AccessLog {
    target: Option<AccessTarget>,
    block: RefCell<Vec<u8>>,
}

/// Microseconds that a request spent in each stage, as far as it came.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stages {
    pub(crate) waf: Duration,
    pub(crate) auth: Duration,
    pub(crate) connect: Duration,
    /// From the moment that the request was sent to the first byte of the answer.
    pub(crate) first_byte: Duration,
    pub(crate) total: Duration,
}

/// What there is to say about a request, or about a connection that is not HTTP. Empty fields are left out of the line.
pub(crate) struct Line<'a> {
    pub(crate) time: SystemTime,
    pub(crate) request_id: &'a [u8],
    pub(crate) listener: &'a str,
    pub(crate) peer: SocketAddr,
    /// The proxy that told the peer's address in a header of the PROXY protocol.
    pub(crate) via: Option<IpAddr>,
    /// The client behind trusted proxies; the peer's address where there are none.
    pub(crate) client: IpAddr,
    pub(crate) tls: &'a str,
    pub(crate) sni: &'a str,
    pub(crate) method: &'a [u8],
    pub(crate) host: &'a [u8],
    pub(crate) path: &'a [u8],
    pub(crate) query: &'a [u8],
    pub(crate) protocol: &'static str,
    pub(crate) user_agent: &'a [u8],
    /// 0 when the connection was closed without an answer; `None` where there is none to give: a connection that is not HTTP.
    pub(crate) status: Option<u16>,
    pub(crate) route: &'a str,
    pub(crate) upstream: &'a str,
    pub(crate) endpoint: Option<SocketAddr>,
    pub(crate) tries: u32,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) stages: Stages,
    pub(crate) reason: Reason,
    pub(crate) detail: &'a str,
    pub(crate) rules: &'a [u64],
    pub(crate) consumer: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) generation: u64,
}

impl AccessLog {
    pub(crate) fn new(target: Option<AccessTarget>) -> Self {
        Self {
            target,
            block: RefCell::new(Vec::new()),
        }
    }

    /// Whether a request that ended so gets a line: if not, a caller skips the work of making one.
    pub(crate) fn wants(&self, reason: Reason, random: impl FnOnce() -> u64) -> bool {
        match &self.target {
            None => false,
            Some(AccessTarget {
                sample: EVERY.., ..
            }) => true,
            Some(_) if reason != Reason::Served => true,
            Some(target) => random() % u64::from(EVERY) < u64::from(target.sample),
        }
    }

    pub(crate) fn write(&self, line: &Line<'_>) {
        let mut block = self.block.borrow_mut();
        line.write(&mut block);
        if block.len() >= BLOCK_BYTES {
            drop(block);
            self.flush();
        }
    }

    pub(crate) fn flush(&self) {
        let mut block = self.block.borrow_mut();
        if let (Some(target), false) = (&self.target, block.is_empty()) {
            target.sink.submit(std::mem::replace(
                &mut block,
                Vec::with_capacity(BLOCK_BYTES + 2048),
            ));
        }
    }
}

impl Line<'_> {
    /// A line that says no more than who was turned away, and why.
    pub(crate) fn new(peer: SocketAddr, reason: Reason) -> Self {
        Self {
            time: UNIX_EPOCH,
            request_id: b"",
            listener: "",
            peer,
            via: None,
            client: peer.ip(),
            tls: "",
            sni: "",
            method: b"",
            host: b"",
            path: b"",
            query: b"",
            protocol: "",
            user_agent: b"",
            status: Some(0),
            route: "",
            upstream: "",
            endpoint: None,
            tries: 0,
            bytes_in: 0,
            bytes_out: 0,
            stages: Stages::default(),
            reason,
            detail: "",
            rules: &[],
            consumer: "",
            subject: "",
            generation: 0,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut o = Object::begin(out);
        o.plain("time", Rfc3339(self.time));
        o.text_if("id", self.request_id);
        o.plain("client", self.client);
        if self.client != self.peer.ip() {
            o.plain("peer", self.peer.ip());
        }
        if let Some(via) = self.via {
            o.plain("via", via);
        }
        o.number("port", u64::from(self.peer.port()));
        o.text("listener", self.listener.as_bytes());
        o.text_if("tls", self.tls.as_bytes());
        o.text_if("sni", self.sni.as_bytes());
        o.text_if("method", self.method);
        o.text_if("host", self.host);
        o.text_if("path", self.path);
        o.text_if("query", self.query);
        o.text_if("protocol", self.protocol.as_bytes());
        o.text_if("user_agent", self.user_agent);
        if let Some(status) = self.status {
            o.number("status", u64::from(status));
        }
        o.text_if("route", self.route.as_bytes());
        o.text_if("upstream", self.upstream.as_bytes());
        if let Some(endpoint) = self.endpoint {
            o.plain("endpoint", endpoint);
            o.number("tries", u64::from(self.tries));
        }
        o.number("bytes_in", self.bytes_in);
        o.number("bytes_out", self.bytes_out);
        self.write_stages(&mut o);
        o.text("verdict", verdict(self.reason).as_bytes());
        o.text("reason", self.reason.name().as_bytes());
        o.text_if("detail", self.detail.as_bytes());
        if !self.rules.is_empty() {
            o.numbers("rules", self.rules);
        }
        o.text_if("consumer", self.consumer.as_bytes());
        o.text_if("subject", self.subject.as_bytes());
        o.number("generation", self.generation);
        o.end();
        out.push(b'\n');
    }

    fn write_stages(&self, o: &mut Object<'_>) {
        let micros = |d: Duration| u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
        for (name, stage) in [
            ("waf_us", self.stages.waf),
            ("auth_us", self.stages.auth),
            ("connect_us", self.stages.connect),
            ("first_byte_us", self.stages.first_byte),
        ] {
            if !stage.is_zero() {
                o.number(name, micros(stage));
            }
        }
        o.number("total_us", micros(self.stages.total));
    }
}

/// The verdict in one word: what an operator filters by first.
fn verdict(reason: Reason) -> &'static str {
    match reason.blame() {
        types::Blame::Nobody => "pass",
        types::Blame::Policy => "block",
        types::Blame::Client => "refuse",
        types::Blame::Upstream | types::Blame::Us => "fail",
    }
}

/// A time as `2026-11-23T05:57:48.123Z`.
pub(super) struct Rfc3339(pub(super) SystemTime);

impl std::fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let since = self.0.duration_since(UNIX_EPOCH).unwrap_or_default();
        let Civil {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = Civil::since_1970(since.as_secs());
        let millis = since.subsec_millis();
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_at_the_edges() {
        let at = |s: u64| Rfc3339(UNIX_EPOCH + Duration::from_millis(s)).to_string();
        assert_eq!(at(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(at(1_709_251_199_999), "2024-02-29T23:59:59.999Z");
        assert_eq!(at(1_795_413_468_123), "2026-11-23T05:57:48.123Z");
        assert_eq!(at(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
    }

    #[test]
    fn the_verdict_follows_the_blame() {
        assert_eq!(verdict(Reason::Served), "pass");
        assert_eq!(verdict(Reason::WafBlocked), "block");
        assert_eq!(verdict(Reason::MalformedRequest), "refuse");
        assert_eq!(verdict(Reason::UpstreamTimeout), "fail");
    }
}
