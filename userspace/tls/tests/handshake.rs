//! Handshakes and streams over loopback, both sides ours.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use net::{Chunk, Driver, Epoll, Listener, Parts, RecvHint, RuntimeOptions, Stream};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
    PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, SignatureAlgorithm,
};
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;
use tls::{
    Certificate, ClientSide, ClientSpec, HandshakeError, Policy, ServerSide, ServerSpec, Tickets,
    TlsStream, Trust, parse_roots,
};
use types::Secret;

/// No handshake on loopback takes as long as this.
const PATIENCE: Duration = Duration::from_secs(10);

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        Self::named("authority")
    }

    fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn trust(&self) -> Trust {
        Trust::Roots(parse_roots(self.0.pem().as_bytes()).unwrap())
    }

    fn issue(&self, name: &str) -> Certificate {
        self.issue_with(name, &PKCS_ECDSA_P256_SHA256)
    }

    fn issue_with(&self, name: &str, algorithm: &'static SignatureAlgorithm) -> Certificate {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let leaf = params.signed_by(&key, &self.0).unwrap();
        let chain = format!("{}{}", leaf.pem(), self.0.pem());
        Certificate::from_pem(chain.as_bytes(), &Secret::new(key.serialize_pem())).unwrap()
    }

    fn client(&self, name: &str) -> ClientSide {
        ClientSide::new(&ClientSpec {
            trust: self.trust(),
            server_name: name.to_owned(),
        })
        .unwrap()
    }
}

fn server(certificates: Vec<Certificate>) -> ServerSide {
    let tickets = Some(Tickets::new().unwrap());
    ServerSide::new(&ServerSpec {
        protocols: vec![b"http/1.1".to_vec()],
        certificates,
        policy: Policy::Intermediate,
        tickets,
    })
    .unwrap()
}

type Plain = <Epoll as Driver>::Stream;
type Outcome = Result<TlsStream<Plain>, HandshakeError>;

/// Runs a test inside a worker's runtime, bounded in time.
fn run<F: Future<Output = ()>>(test: F) {
    let bounded = async { tokio::time::timeout(PATIENCE, test).await };
    Epoll::block_on(&RuntimeOptions::default(), bounded)
        .unwrap()
        .expect("in time");
}

async fn shake(server: &ServerSide, client: &ClientSide) -> (Outcome, Outcome) {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let listener = Epoll::listen(any, &net::ListenOptions::default()).unwrap();
    let address = listener.local_addr().unwrap();
    let accept = async {
        let (stream, _) = listener.accept().await.unwrap();
        server.accept(stream).await
    };
    let connect = async {
        let stream = Epoll::connect(address, &net::ConnectOptions::default())
            .await
            .unwrap();
        client.connect(stream).await
    };
    tokio::join!(accept, connect)
}

async fn read_all(stream: &impl Stream) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let chunk = stream.recv(RecvHint::Body).await.unwrap();
        if chunk.is_empty() {
            return all;
        }
        all.extend_from_slice(&chunk);
    }
}

#[test]
fn bytes_arrive_whole_and_in_order_in_both_directions() {
    let authority = Authority::new();
    let sides = (
        server(vec![authority.issue("a.example")]),
        authority.client("a.example"),
    );
    run(async move {
        let (ours, theirs) = shake(&sides.0, &sides.1).await;
        let (ours, theirs) = (ours.unwrap(), theirs.unwrap());
        assert_eq!(ours.session().version, "TLSv1.3");
        assert_eq!(ours.server_name().as_deref(), Some("a.example"));
        let big: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
        let mut parts = Parts::from(b"head");
        big.chunks(100_000)
            .for_each(|piece| parts.push(Chunk::copy_of(piece)));
        let send = async {
            theirs.send(parts).await.unwrap();
            theirs.close().await;
        };
        let (received, ()) = tokio::join!(read_all(&ours), send);
        assert_eq!(&received[..4], b"head");
        assert!(received[4..] == big, "{} bytes differ", received.len());
        ours.send(Parts::from(b"answer")).await.unwrap();
        assert_eq!(&theirs.recv(RecvHint::Head).await.unwrap()[..], b"answer");
    });
}

#[test]
fn a_dropped_recv_loses_nothing() {
    let authority = Authority::new();
    let sides = (
        server(vec![authority.issue("a.example")]),
        authority.client("a.example"),
    );
    run(async move {
        let (ours, theirs) = shake(&sides.0, &sides.1).await;
        let (ours, theirs) = (ours.unwrap(), theirs.unwrap());
        let early = tokio::time::timeout(Duration::from_millis(20), ours.recv(RecvHint::Idle));
        assert!(early.await.is_err(), "nothing was sent");
        theirs.send(Parts::from(b"late")).await.unwrap();
        assert_eq!(&ours.recv(RecvHint::Idle).await.unwrap()[..], b"late");
    });
}

#[test]
fn an_unknown_authority_and_a_wrong_name_are_refused_with_their_reason() {
    let (authority, other) = (Authority::new(), Authority::named("other"));
    let listener = server(vec![authority.issue("a.example")]);
    let stranger = other.client("a.example");
    let misled = authority.client("b.example");
    run(async move {
        let (ours, theirs) = shake(&listener, &stranger).await;
        let text = theirs.err().expect("not trusted").to_string();
        assert!(text.contains("UnknownIssuer"), "{text}");
        assert!(ours.is_err(), "the server is told");
        let (_, theirs) = shake(&listener, &misled).await;
        let text = theirs.err().expect("not its name").to_string();
        assert!(
            text.contains("NotValidForName") || text.contains("not valid for name"),
            "{text}"
        );
    });
}

#[test]
fn the_certificate_follows_the_name() {
    let authority = Authority::new();
    let listener = server(vec![
        authority.issue("default.example"),
        authority.issue("*.wild.example"),
        authority.issue("exact.wild.example"),
    ]);
    let clients: Vec<(ClientSide, bool)> = [
        ("default.example", true),
        ("a.wild.example", true),
        ("exact.wild.example", true),
        // One label deep; and a name that nobody has gets the default certificate, which is not good for it.
        ("a.b.wild.example", false),
        ("unknown.example", false),
    ]
    .into_iter()
    .map(|(name, good)| (authority.client(name), good))
    .collect();
    run(async move {
        for (client, good) in &clients {
            let (_, theirs) = shake(&listener, client).await;
            assert_eq!(theirs.is_ok(), *good);
        }
    });
}

#[test]
fn rsa_serves_beside_ecdsa() {
    let authority = Authority::new();
    let listener = server(vec![authority.issue_with("a.example", &PKCS_RSA_SHA256)]);
    let client = authority.client("a.example");
    run(async move {
        let (ours, theirs) = shake(&listener, &client).await;
        assert!(ours.is_ok() && theirs.is_ok());
    });
}

#[test]
fn sessions_are_resumed_across_a_reload() {
    let authority = Authority::new();
    let certificate = authority.issue("a.example");
    let tickets = Tickets::new().unwrap();
    let generation = || {
        let spec = ServerSpec {
            protocols: vec![b"http/1.1".to_vec()],
            certificates: vec![certificate.clone()],
            policy: Policy::Modern,
            tickets: Some(tickets.clone()),
        };
        ServerSide::new(&spec).unwrap()
    };
    let (before, after) = (generation(), generation());
    let client = authority.client("a.example");
    run(async move {
        let (ours, theirs) = shake(&before, &client).await;
        let (ours, theirs) = (ours.unwrap(), theirs.unwrap());
        assert!(!ours.session().resumed);
        // The ticket comes behind the handshake: reading takes it in.
        ours.send(Parts::from(b"x")).await.unwrap();
        assert_eq!(&theirs.recv(RecvHint::Head).await.unwrap()[..], b"x");
        let (ours, _) = shake(&after, &client).await;
        assert!(ours.unwrap().session().resumed);
    });
}

#[test]
fn what_is_no_tls_ends_the_handshake() {
    let authority = Authority::new();
    let listener_side = server(vec![authority.issue("a.example")]);
    run(async move {
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        let listener = Epoll::listen(any, &net::ListenOptions::default()).unwrap();
        let address = listener.local_addr().unwrap();
        let plain = async {
            let stream = Epoll::connect(address, &net::ConnectOptions::default())
                .await
                .unwrap();
            stream
                .send(Parts::from(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
                .await
                .unwrap();
            read_all(&stream).await
        };
        let accept = async {
            let (stream, _) = listener.accept().await.unwrap();
            assert!(listener_side.accept(stream).await.is_err());
        };
        let (answer, ()) = tokio::join!(plain, accept);
        assert_eq!(answer.first(), Some(&21), "a TLS alert says so");
    });
}
