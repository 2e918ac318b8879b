//! Why a request, a connection or a packet ended as it did.
//!
//! One name for each cause, the same in the access log, the metrics, the trace and the error body. A cause carries
//! its blame, the status that answers it and whether another endpoint may be tried.

use std::fmt;

/// Who has to act when something went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// Nobody: the request was served.
    Nobody,
    /// The client sent something wrong, too slow or too large.
    Client,
    /// A rule that the operator wrote said no.
    Policy,
    /// The endpoint behind us failed.
    Upstream,
    /// We failed, or reached a limit of our own.
    Us,
}

impl Blame {
    /// The word for it in logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Client => "client",
            Self::Policy => "policy",
            Self::Upstream => "upstream",
            Self::Us => "us",
        }
    }
}

/// Whether the same request may be sent to another endpoint after this failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// Nothing reached an endpoint: always safe.
    Safe,
    /// Something may have reached it: only where the method is idempotent (RFC 9110, 9.2.2).
    IfIdempotent,
    /// A retry cannot help or could do harm.
    Never,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:literal, $blame:ident, $retry:ident;)*) => {
        /// The cause of an outcome. [`Reason::name`] is stable: operators build alerts on it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason { $($(#[$doc])* $variant,)* }

        impl Reason {
            /// Every reason there is, for metrics and documentation.
            pub const ALL: &'static [Reason] = &[$(Reason::$variant,)*];

            /// The stable name, as logs and metrics show it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Reason::$variant => $name,)* }
            }

            /// The HTTP status that answers it; 0 where the connection is closed without an answer.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Reason::$variant => $status,)* }
            }

            /// Who has to act.
            #[must_use]
            pub const fn blame(self) -> Blame {
                match self { $(Reason::$variant => Blame::$blame,)* }
            }

            /// Whether another endpoint may be tried.
            #[must_use]
            pub const fn retry(self) -> Retry {
                match self { $(Reason::$variant => Retry::$retry,)* }
            }
        }
    };
}

reasons! {
    /// Answered by an endpoint.
    Served = "served", 200, Nobody, Never;

    /// The request line or a header field is not HTTP/1.1 (RFC 9112).
    MalformedRequest = "malformed_request", 400, Client, Never;
    /// The length of the message can be read in more than one way (RFC 9112, 6.3).
    AmbiguousFraming = "ambiguous_framing", 400, Client, Never;
    /// A chunk size, a chunk end or a trailer is malformed (RFC 9112, 7.1).
    MalformedBody = "malformed_body", 400, Client, Never;
    /// No Host, several, or one that is no host (RFC 9112, 3.2).
    BadHost = "bad_host", 400, Client, Never;
    /// The path cannot be normalised without a doubt.
    BadPath = "bad_path", 400, Client, Never;
    /// The major version is not one we speak.
    VersionUnsupported = "version_unsupported", 505, Client, Never;
    /// A transfer coding that we do not know (RFC 9112, 6.1).
    CodingUnsupported = "coding_unsupported", 501, Client, Never;
    /// CONNECT, or an upgrade that is not offered here.
    MethodUnsupported = "method_unsupported", 501, Client, Never;
    /// An expectation other than 100-continue (RFC 9110, 10.1.1).
    ExpectationFailed = "expectation_failed", 417, Client, Never;
    /// The request target is longer than the limit.
    UriTooLong = "uri_too_long", 414, Client, Never;
    /// The head is larger, or has more fields, than the limit.
    HeadTooLarge = "head_too_large", 431, Client, Never;
    /// The body is larger than the limit.
    BodyTooLarge = "body_too_large", 413, Client, Never;
    /// The head did not arrive in time.
    HeaderTimeout = "header_timeout", 408, Client, Never;
    /// The body arrived slower than the smallest rate that is allowed.
    BodyTimeout = "body_timeout", 408, Client, Never;
    /// An idle connection was closed.
    IdleTimeout = "idle_timeout", 0, Nobody, Never;
    /// A connection of a listener for TCP was open as long as it may be.
    LifetimeOver = "lifetime_over", 0, Nobody, Never;
    /// The client went away before the answer was complete.
    ClientClosed = "client_closed", 0, Client, Never;
    /// The client does not read its answer.
    ClientStalled = "client_stalled", 0, Client, Never;
    /// The TLS handshake failed.
    TlsHandshake = "tls_handshake", 0, Client, Never;
    /// The header of the PROXY protocol is malformed or missing, or it comes from somebody who is not trusted with one.
    ProxyHeader = "proxy_header", 0, Client, Never;
    /// The name in SNI and the one in Host belong to different certificates (RFC 9110, 7.4).
    Misdirected = "misdirected", 421, Client, Never;

    /// The source address is banned.
    Banned = "banned", 403, Policy, Never;
    /// The route does not admit the source address.
    AddressDenied = "address_denied", 403, Policy, Never;
    /// Too many connections on the listener or from one client.
    ConnectionLimit = "connection_limit", 0, Policy, Never;
    /// A listener for UDP has as many sessions as it may.
    SessionLimit = "session_limit", 0, Policy, Never;
    /// No route matches the host and the path, or the name that a TLS client asks for.
    NoRoute = "no_route", 404, Policy, Never;
    /// A route matches the path, but not the method (RFC 9110, 15.5.6).
    MethodNotAllowed = "method_not_allowed", 405, Policy, Never;
    /// A WAF rule blocked the request.
    WafBlocked = "waf_blocked", 403, Policy, Never;
    /// The body is in a content coding that the WAF cannot look into, or is not what its coding says.
    BodyCoding = "body_coding", 415, Policy, Never;
    /// A WAF rule blocked the response.
    WafResponseBlocked = "waf_response_blocked", 403, Policy, Never;
    /// The WAF could not finish: it fails closed.
    WafFailed = "waf_failed", 503, Us, Never;
    /// No credential was given.
    AuthMissing = "auth_missing", 401, Client, Never;
    /// The credential is malformed, unknown, expired or forged.
    AuthInvalid = "auth_invalid", 401, Client, Never;
    /// The credential is good but not good for this.
    AuthForbidden = "auth_forbidden", 403, Policy, Never;
    /// The keys that a credential is checked with are not available.
    AuthUnavailable = "auth_unavailable", 503, Us, Never;

    /// Every endpoint is down, draining or ejected.
    NoEndpoint = "no_endpoint", 503, Upstream, Never;
    /// The endpoint has as many connections from us as it may.
    EndpointFull = "endpoint_full", 503, Upstream, Safe;
    /// The endpoint refused the connection or cannot be reached.
    ConnectFailed = "connect_failed", 502, Upstream, Safe;
    /// The connection to the endpoint was not made in time.
    ConnectTimeout = "connect_timeout", 504, Upstream, Safe;
    /// The endpoint's certificate is not trusted, or TLS with it failed.
    UpstreamTls = "upstream_tls", 502, Upstream, Safe;
    /// The endpoint closed a kept-alive connection before it saw the request.
    UpstreamReused = "upstream_reused", 502, Upstream, IfIdempotent;
    /// The endpoint closed or reset the connection before its answer was complete.
    UpstreamClosed = "upstream_closed", 502, Upstream, IfIdempotent;
    /// The endpoint did not answer in time.
    UpstreamTimeout = "upstream_timeout", 504, Upstream, IfIdempotent;
    /// The endpoint's answer is not HTTP/1.1, or its length is ambiguous.
    UpstreamMalformed = "upstream_malformed", 502, Upstream, Never;
    /// The head of the endpoint's answer is larger than the limit.
    UpstreamHeadTooLarge = "upstream_head_too_large", 502, Upstream, Never;
    /// The request as a whole took longer than allowed.
    TotalTimeout = "total_timeout", 504, Upstream, Never;

    /// The worker is draining and takes no new requests.
    Draining = "draining", 503, Us, Never;
    /// A limit of ours (buffers, streams) was reached.
    Overloaded = "overloaded", 503, Us, Never;
    /// A defect of ours; the log has the details.
    Internal = "internal", 500, Us, Never;
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_fit_metric_labels() {
        let names: HashSet<_> = Reason::ALL.iter().map(|r| r.name()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
        assert!(
            names
                .iter()
                .all(|n| n.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
        );
    }

    #[test]
    fn only_upstream_failures_are_retried() {
        for reason in Reason::ALL.iter().filter(|r| r.retry() != Retry::Never) {
            assert_eq!(reason.blame(), Blame::Upstream, "{reason}");
        }
    }
}
