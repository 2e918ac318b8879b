//! The barest HTTP/1.1 reverse proxy on a driver: what moving a request costs before any feature, to measure drivers and
//! buffer strategies with. Not a product: GET only, no limits, no timeouts.
//!
//! `bare_proxy <io_uring|epoll> <listen address> <backend address> [core]`
#![allow(clippy::unwrap_used)] // a measurement stops where something is wrong

use net::{
    Buffer, Chunk, ConnectOptions, Driver, Epoll, ListenOptions, Listener, Parts, RecvHint,
    RuntimeOptions, Stream, Uring,
};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

/// Header fields that are enough for the clients and backends of a measurement.
const MAX_FIELDS: usize = 32;

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [driver, listen, backend, core @ ..] = &arguments[..] else {
        panic!("usage: bare_proxy <io_uring|epoll> <listen address> <backend address> [core]");
    };
    if let [core] = core {
        net::pin_to_core(core.parse().unwrap())?;
    }
    let (listen, backend) = (listen.parse().unwrap(), backend.parse().unwrap());
    match driver.as_str() {
        Epoll::NAME => serve::<Epoll>(listen, backend),
        Uring::NAME => serve::<Uring>(listen, backend),
        other => panic!("{other}: expected io_uring or epoll"),
    }
}

/// Idle connections to the backend.
type Idle<D> = Rc<RefCell<Vec<<D as Driver>::Stream>>>;

fn serve<D: Driver>(listen: SocketAddr, backend: SocketAddr) -> std::io::Result<()> {
    D::block_on(&RuntimeOptions::default(), async {
        let listener = D::listen(listen, &ListenOptions::default())?;
        let idle: Idle<D> = Rc::default();
        loop {
            let (client, _) = listener.accept().await?;
            let idle = idle.clone();
            tokio::task::spawn_local(async move {
                // Whatever ends a connection, the next goes on.
                let _ = connection::<D>(&client, backend, &idle).await;
            });
        }
    })?
}

async fn connection<D: Driver>(
    client: &D::Stream,
    backend: SocketAddr,
    idle: &Idle<D>,
) -> std::io::Result<()> {
    let mut hint = RecvHint::Idle;
    loop {
        let request = client.recv(hint).await?;
        if request.is_empty() {
            return Ok(());
        }
        let reused = idle.borrow_mut().pop();
        let upstream = match reused {
            Some(upstream) => upstream,
            None => D::connect(backend, &ConnectOptions::default()).await?,
        };
        upstream.send(forwarded(&request).into()).await?;
        drop(request);
        let mut chunk = upstream.recv(RecvHint::Head).await?;
        let mut left = response_bytes(&chunk).ok_or(std::io::ErrorKind::InvalidData)?;
        loop {
            left = left.saturating_sub(chunk.len());
            client.send(Parts::from(chunk)).await?;
            if left == 0 {
                break;
            }
            chunk = upstream.recv(RecvHint::Body).await?;
            if chunk.is_empty() {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        idle.borrow_mut().push(upstream);
        hint = RecvHint::Idle;
    }
}

/// The request as the backend gets it.
fn forwarded(request: &Chunk) -> Chunk {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut head = httparse::Request::new(&mut fields);
    head.parse(request).unwrap();
    let mut out = Buffer::default();
    for part in [
        head.method.unwrap(),
        " ",
        head.path.unwrap(),
        " HTTP/1.1\r\n",
    ] {
        out.extend_from_slice(part.as_bytes());
    }
    for field in head.headers.iter() {
        out.extend_from_slice(field.name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(field.value);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out.freeze()
}

/// How long the response is, head and body.
fn response_bytes(bytes: &[u8]) -> Option<usize> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(head_bytes) = head.parse(bytes).ok()? else {
        return None;
    };
    let length = head
        .headers
        .iter()
        .find(|field| field.name.eq_ignore_ascii_case("content-length"))?;
    let length: usize = std::str::from_utf8(length.value).ok()?.parse().ok()?;
    Some(head_bytes + length)
}
