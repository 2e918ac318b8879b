//! A request as every stage sees it: parsed once, normalised once.

use super::stop::Stop;
use crate::connection::Peer;
use crate::generation::contains;
use http::forward::trusted_request_id;
use http::forwarded::{HopSource, client_address};
use http::h1::request::RequestView;
use http::normalise::{self, PathPolicy};
use http::{Header, Scheme, Version};
use std::net::IpAddr;
use types::Reason;

/// Buffers for what is not in normal form yet; most requests need none.
#[derive(Default)]
pub(super) struct Normal {
    path: Vec<u8>,
    host: Vec<u8>,
}

/// The request that is being served.
#[derive(Clone, Copy)]
pub(super) struct Request<'x> {
    /// The head as it came.
    pub(super) view: RequestView<'x>,
    /// The path in normal form: what the router matches and the endpoint is asked for.
    pub(super) path: &'x [u8],
    /// The host in normal form, without port.
    pub(super) host: &'x [u8],
    /// The client behind trusted proxies.
    pub(super) client: IpAddr,
    pub(super) scheme: Scheme,
    /// The id that a trusted proxy gave it.
    pub(super) given_id: Option<&'x [u8]>,
}

impl<'x> Request<'x> {
    pub(super) fn new(
        view: RequestView<'x>,
        peer: &Peer,
        normal: &'x mut Normal,
    ) -> Result<Self, Stop> {
        let Normal {
            path: path_buffer,
            host: host_buffer,
        } = normal;
        let path = normalise::path(view.path(), &PathPolicy::default(), path_buffer)
            .map_err(|error| Stop::new(Reason::BadPath).detail(error.to_string()))?;
        let path = path.bytes(path_buffer);
        let host = match view.host() {
            // Only HTTP/1.0 may come without; such a request is for whoever serves any host.
            b"" => b"",
            host => normalise::host(host, host_buffer)
                .map_err(|error| Stop::new(Reason::BadHost).detail(error.to_string()))?
                .bytes(host_buffer),
        };
        let client = if peer.trusted {
            client_address(
                view.fields(),
                HopSource::default(),
                peer.address.ip(),
                |hop| contains(&peer.plan.trusted_proxies, hop),
            )
        } else {
            peer.address.ip()
        };
        Ok(Self {
            view,
            path,
            host,
            client,
            scheme: if peer.secure {
                Scheme::Https
            } else {
                Scheme::Http
            },
            given_id: trusted_request_id(view, peer.trusted),
        })
    }

    /// The version as the request line has it.
    pub(super) fn protocol(&self) -> &'static str {
        match self.view.head().version() {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        }
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &'x [u8]> {
        self.view
            .fields()
            .iter()
            .filter(move |field: &Header<'_>| field.is(name))
            .map(|field| field.value)
    }
}

impl route::HeaderLookup for Request<'_> {
    fn field(&self, name: &str) -> route::Field<'_> {
        let mut values = self.values(name);
        match (values.next(), values.next()) {
            (None, _) => route::Field::Absent,
            (Some(value), None) => route::Field::One(value),
            (Some(_), Some(_)) => route::Field::Many,
        }
    }
}

impl auth::HeaderLookup for Request<'_> {
    fn header(&self, name: &str, nth: usize) -> Option<&[u8]> {
        self.values(name).nth(nth)
    }
}
