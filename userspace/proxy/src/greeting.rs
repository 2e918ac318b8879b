//! Who a connection comes from: its peer, or whom a trusted proxy names in a header of the PROXY protocol.

use crate::inbox::Inbox;
use crate::present::Present;
use crate::wait::{Timer, Wait};
use net::{Deadlines, RecvHint, Stream};
use preamble::proxy::{self, Header, Origin, Reading};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use types::Reason;

/// Who is at the other end, behind a proxy that told us.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The client.
    pub(crate) address: SocketAddr,
    /// The proxy that named it.
    pub(crate) via: Option<IpAddr>,
    /// What the client connected to, as the proxy saw it.
    pub(crate) destination: Option<SocketAddr>,
    /// Whether the client speaks TLS with the proxy.
    pub(crate) secure: bool,
    /// Its place on the worker's list of connections, where it has one.
    pub(crate) present: Option<Rc<Present>>,
}

impl Caller {
    /// The peer itself.
    pub(crate) fn direct(peer: SocketAddr) -> Self {
        Self {
            address: canonical(peer),
            via: None,
            destination: None,
            secure: false,
            present: None,
        }
    }

    /// The reason why a connection ended, which is another one where a ban has ended it.
    pub(crate) fn why(&self, reason: Reason) -> Reason {
        match &self.present {
            Some(present) if present.was_cut() => Reason::Banned,
            _ => reason,
        }
    }

    fn named(peer: SocketAddr, header: &Header<'_>) -> Self {
        let Origin::Client(addresses) = header.origin else {
            return Self::direct(peer);
        };
        Self {
            address: canonical(addresses.source),
            via: Some(peer.ip().to_canonical()),
            destination: Some(canonical(addresses.destination)),
            secure: header.tlvs.ssl().is_some_and(|ssl| ssl.tls),
            present: None,
        }
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Reads the header of a peer that may send one. What follows it is put back.
pub(crate) async fn greet<S: Stream>(
    deadlines: &Deadlines<Wait>,
    stream: &S,
    peer: SocketAddr,
    required: bool,
    patience: Duration,
) -> Result<Caller, Reason> {
    let timer = Timer::new(deadlines, stream, Shutdown::Both);
    timer.arm(Wait::Header, patience, None);
    let mut inbox = Inbox::default();
    loop {
        match stream.recv(RecvHint::Head).await {
            Ok(chunk) if !chunk.is_empty() => inbox.push(chunk),
            _ => return Err(timer.fired().map_or(Reason::ClientClosed, Wait::reason)),
        }
        let (caller, taken) = match proxy::read(inbox.bytes()) {
            Ok(Reading::Partial) => continue,
            Ok(Reading::Header(header, taken)) => (Caller::named(peer, &header), taken),
            Ok(Reading::Absent) if !required => (Caller::direct(peer), 0),
            Ok(Reading::Absent) => {
                tracing::debug!(%peer, "no PROXY protocol header");
                return Err(Reason::ProxyHeader);
            }
            Err(error) => {
                tracing::debug!(%peer, %error, "PROXY protocol header refused");
                return Err(Reason::ProxyHeader);
            }
        };
        inbox.take(taken);
        stream.put_back(inbox.take_all());
        return Ok(caller);
    }
}
