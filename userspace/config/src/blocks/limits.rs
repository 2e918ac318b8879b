//! Limits and timeouts: defaults for all, overridden by listeners and routes.

use crate::block::{optional_block, overridable};
use crate::diagnostic::{Diagnostic, Kind};
use crate::document::Node;
use crate::reader::Reader;
use crate::values::{Rate, Size};
use std::time::Duration;

overridable! {
    /// What a client may send and hold. A listener can override all but `body_bytes` and `response_header_bytes`.
    #[check(check_limits)]
    pub struct Limits,
    /// The limits of one listener; what is left out is taken from the global ones.
    overrides LimitOverrides {
        /// Largest head of a request: request line and all fields. Larger: 431.
        header_bytes: Size = Size::kib(32), within Size::kib(1)..=Size::mib(1);
        /// Most header fields in a request. More: 431.
        header_count: u16 = 100, within 1..=256;
        /// Longest request target. Longer: 414.
        uri_bytes: Size = Size::kib(8), within Size(64)..=Size::kib(64);
        /// Most connections of a listener at the same moment, over all workers. One more is closed at once.
        connections: u32 = 20_000, within 1..=10_000_000;
        /// Most connections of one client address at the same moment. One more is closed at once. An IPv6 client is
        /// counted by its /64.
        connections_per_client: u32 = 4_096, within 1..=10_000_000;
        /// Most sessions of a listener for UDP at the same moment, for each worker. Datagrams of one more client are dropped.
        udp_sessions: u32 = 65_536, within 1..=10_000_000;
        /// Most requests in a row that a client may send on a connection without waiting for the answer before. One more
        /// is answered, and the connection ends.
        pipelined_requests: u16 = 16, within 1..=1024;
        /// Most requests on a connection; the answer to the last one says `Connection: close`.
        requests_per_connection: u32 = 100_000, within 1..=100_000_000;
    } and {
        /// Largest body of a request; a route can set its own. Larger: 413, before the endpoint sees it where the
        /// length is announced, else when the limit is passed.
        body_bytes: Size = Size::mib(10), within Size(0)..=Size(1 << 40);
        /// Largest head of an endpoint's answer. Larger: 502.
        response_header_bytes: Size = Size::kib(64), within Size::kib(1)..=Size::mib(1);
    }
}

fn check_limits(limits: &Limits, node: &Node, reader: &mut Reader<'_>) {
    if limits.uri_bytes > limits.header_bytes {
        reader.report(
            Diagnostic::error(
                Kind::Conflict,
                node.span_of("uri_bytes"),
                "`uri_bytes` is larger than `header_bytes`",
            )
            .expected("the request target is a part of the head")
            .remedy("raise `header_bytes` or lower `uri_bytes`"),
        );
    }
    if limits.connections_per_client > limits.connections
        && node.get("connections_per_client").is_some()
    {
        reader.report(
            Diagnostic::error(
                Kind::Conflict,
                node.span_of("connections_per_client"),
                "one client is allowed more connections than all together",
            )
            .remedy("raise `connections` or lower `connections_per_client`"),
        );
    }
}

optional_block! {
    /// How long each step may take. When a time is over, the access log and the metrics name which one it was.
    #[check(check_timeouts)]
    pub struct Timeouts {
        /// From the first byte of a head to its end: 408 when it is over. The TLS handshake may take as long.
        header: Duration = Duration::from_secs(15), within Duration::from_millis(100)..=Duration::from_secs(300);
        /// Between two pieces of a request's body. Over: 408.
        body_idle: Duration = Duration::from_secs(30), within Duration::from_millis(100)..=Duration::from_secs(3600);
        /// Slowest rate at which a body may arrive, measured over at least `body_idle`. Slower: 408.
        body_min_rate: Rate = Rate::new(256), within Rate::new(0)..=Rate::new(1 << 30);
        /// A kept-alive connection without a request, then it is closed.
        idle: Duration = Duration::from_secs(75), within Duration::from_millis(100)..=Duration::from_secs(86_400);
        /// How long nothing may move on a connection of a listener with `protocol: tcp` or `tls_passthrough`, in either direction.
        /// Over: closed. A listener can set its own.
        tcp_idle: Duration = Duration::from_secs(600), within Duration::from_millis(100)..=Duration::from_secs(604_800);
        /// How long a session of a listener with `protocol: udp` lasts without a datagram. A listener can set its own.
        udp_idle: Duration = Duration::from_secs(60), within Duration::from_millis(100)..=Duration::from_secs(604_800);
        /// Until a connection to an endpoint is made, TLS included. Over: the next endpoint, or 504.
        connect: Duration = Duration::from_secs(3), within Duration::from_millis(10)..=Duration::from_secs(120);
        /// From the end of the request to the head of the answer, and between two pieces of its body; a route can set its
        /// own. Over: 504.
        response: Duration = Duration::from_secs(60), within Duration::from_millis(10)..=Duration::from_secs(86_400);
        /// The request as a whole, from its first byte to the last byte of the answer; a route can set its own. Over: 504,
        /// or a closed connection where the answer has begun.
        total: Duration = Duration::from_secs(3600), within Duration::from_millis(10)..=Duration::from_secs(604_800);
        /// Until a client takes the next piece of its answer. Over: the connection is closed.
        send: Duration = Duration::from_secs(30), within Duration::from_millis(100)..=Duration::from_secs(3600);
        /// How long requests may finish when the process stops or a listener goes away. Over: they are cut.
        drain: Duration = Duration::from_secs(30), within Duration::from_secs(0)..=Duration::from_secs(3600);
    }
}

optional_block! {
    /// The times of one route; what is left out is taken from the global ones.
    #[check(check_route_timeouts)]
    pub struct RouteTimeouts {
        /// From the end of the request to the head of the answer, and between two pieces of its body. Over: 504.
        response: Option<Duration> = None, within Duration::from_millis(10)..=Duration::from_secs(86_400);
        /// The request as a whole. Over: 504, or a closed connection where the answer has begun.
        total: Option<Duration> = None, within Duration::from_millis(10)..=Duration::from_secs(604_800);
    }
}

fn check_timeouts(timeouts: &Timeouts, node: &Node, reader: &mut Reader<'_>) {
    check_total(
        Some(timeouts.total),
        "connect",
        timeouts.connect,
        node,
        reader,
    );
    check_total(
        Some(timeouts.total),
        "response",
        timeouts.response,
        node,
        reader,
    );
}

fn check_route_timeouts(timeouts: &RouteTimeouts, node: &Node, reader: &mut Reader<'_>) {
    if let Some(response) = timeouts.response {
        check_total(timeouts.total, "response", response, node, reader);
    }
}

fn check_total(
    total: Option<Duration>,
    key: &str,
    part: Duration,
    node: &Node,
    reader: &mut Reader<'_>,
) {
    if total.is_none_or(|total| part <= total) {
        return;
    }
    reader.report(
        Diagnostic::error(
            Kind::Conflict,
            node.span_of("total"),
            format!("`total` is shorter than `{key}`"),
        )
        .expected(format!("`total` covers `{key}` and everything else"))
        .remedy(format!("raise `total` or lower `{key}`")),
    );
}
