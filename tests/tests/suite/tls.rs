//! TLS at the listener: which certificate, which version, which protocol, and what follows for the request.

use bascule_tests::{
    Authority, Bascule, Client, Identity, Io, KeyKind, Origin, Pattern, Setup, TlsClient,
    on_both_drivers, request,
};
use std::time::Duration;

struct Names {
    authority: Authority,
    shop: Identity,
    api: Identity,
    below: Identity,
}

impl Names {
    fn new() -> Self {
        let authority = Authority::new("Test CA");
        Self {
            shop: authority.issue(&["shop.test"], KeyKind::Ecdsa),
            api: authority.issue(&["api.test"], KeyKind::Rsa),
            below: authority.issue(&["*.wild.test"], KeyKind::Ecdsa),
            authority,
        }
    }

    fn start(&self, io: Io, origin: &Origin, more: &str) -> Bascule {
        let mut setup = Setup::new().io(io).with("app", origin.address());
        for (name, identity) in [
            ("shop", &self.shop),
            ("api", &self.api),
            ("below", &self.below),
        ] {
            setup = setup
                .file(&format!("{name}.pem"), &identity.certificate)
                .file(&format!("{name}.key"), &identity.key);
        }
        setup.start(&format!(
            "
            listeners:
              - name: web
                address: $web
                tls:
                  certificates:
                    - {{ cert: shop.pem, key: shop.key }}
                    - {{ cert: api.pem, key: api.key }}
                    - {{ cert: below.pem, key: below.key }}{more}
            routes: [{{ name: app, path: /, upstream: app }}]
            upstreams: {{ app: {{ endpoints: [$app] }} }}
            "
        ))
    }
}

on_both_drivers! {
    /// The certificate is chosen by SNI: exactly, below a wildcard, and the first one where none fits.
    fn certificates_are_chosen_by_name(io) {
        let names = Names::new();
        let origin = Origin::echo();
        let bascule = names.start(io, &origin, "");
        let tls = TlsClient::new(&names.authority);
        for (name, expected) in [("shop.test", &names.shop), ("api.test", &names.api), ("a.wild.test", &names.below)] {
            let (mut client, session) = tls.connect(bascule.address("web"), name).unwrap();
            assert!(session.is_with(expected), "{name}");
            let answer = client.get_with("/", &[("Host", name)]);
            assert_eq!((answer.status, session.alpn.as_deref()), (200, Some("http/1.1")));
        }
        // The first certificate is not for this name, and the client says so.
        let error = tls.connect(bascule.address("web"), "other.test").err().unwrap();
        assert!(error.to_string().contains("not valid for name"), "{error}");
        let line = bascule.access_log().find(|line| line["sni"] == "api.test");
        assert_eq!((&line["tls"], &line["status"]), (&"TLSv1.3".into(), &200.into()), "{line}");
        assert_eq!(origin.seen()[0].header("x-forwarded-proto"), Some("https"));
    }

    /// Both versions serve both kinds of keys, and large bodies both ways.
    fn versions_and_keys_go_together(io) {
        let names = Names::new();
        let origin = Origin::echo();
        let bascule = names.start(io, &origin, "");
        let body = vec![b'x'; 300_000];
        for (tls, version) in [(TlsClient::tls12(&names.authority), "TLSv1_2"), (TlsClient::tls13(&names.authority), "TLSv1_3")] {
            for name in ["shop.test", "api.test"] {
                let (mut client, session) = tls.connect(bascule.address("web"), name).unwrap();
                assert_eq!(format!("{:?}", session.version), version, "{name}");
                let answer = client.ask("POST", "/", &[("Host", name)], &body);
                assert_eq!(answer.json()["length"], body.len());
            }
        }
    }

    /// A large body arrives whole through TLS, at a reader that is slow at first.
    fn large_bodies_pass_through_tls(io) {
        let names = Names::new();
        let pattern = std::sync::Arc::new(Pattern::new(64 << 20));
        let (digest, served) = (pattern.digest(), std::sync::Arc::clone(&pattern));
        let origin = Origin::talk(move |conversation| {
            while conversation.request()?.is_some() {
                conversation.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", served.length()))?;
                served.pieces().try_for_each(|piece| conversation.send(piece))?;
            }
            Ok(())
        });
        let bascule = names.start(io, &origin, "");
        let tls = TlsClient::new(&names.authority);
        let (mut client, _) = tls.connect(bascule.address("web"), "shop.test").unwrap();
        client.send(request("GET", "/", &[("Host", "shop.test")], b""));
        std::thread::sleep(Duration::from_millis(300));
        let answer = client.answer();
        assert_eq!((answer.content.length, answer.content.digest), (pattern.length(), digest));
        assert!(bascule.peak_memory() < 160 << 20, "{}", bascule.peak_memory());
    }

    /// A client that comes back resumes, with either version, on whichever worker it lands.
    fn sessions_are_resumed(io) {
        let names = Names::new();
        let origin = Origin::echo();
        let bascule = names.start(io, &origin, "");
        for tls in [TlsClient::tls12(&names.authority), TlsClient::tls13(&names.authority)] {
            let resumed: Vec<bool> = (0..5)
                .map(|_| {
                    let (mut client, session) = tls.connect(bascule.address("web"), "shop.test").unwrap();
                    assert_eq!(client.get_with("/", &[("Host", "shop.test")]).status, 200);
                    session.resumed
                })
                .collect();
            assert_eq!(resumed, [false, true, true, true, true]);
        }
    }

    /// Who does not speak TLS is closed, does not hold up others, and is counted.
    fn garbage_in_the_handshake_is_closed(io) {
        let names = Names::new();
        let origin = Origin::echo();
        let bascule = names.start(io, &origin, "");
        for garbage in [&request("GET", "/", &[], b"")[..], &[0; 100], &[0x16, 3, 1, 0xff, 0xff, 1]] {
            let mut client = bascule.client();
            client.send(garbage);
            client.wire().end_sending();
            let _ = client.wire().to_end(&mut |_| {});
        }
        let mut silent = bascule.client();
        let tls = TlsClient::new(&names.authority);
        let (mut client, _) = tls.connect(bascule.address("web"), "shop.test").unwrap();
        assert_eq!(client.get_with("/", &[("Host", "shop.test")]).status, 200);
        assert!(silent.stays_silent(Duration::from_millis(50)));
        bascule.wait_for_metric("bascule_refused_total", &[("reason", "tls_handshake")], 3.0);
    }
}

#[test]
fn a_modern_policy_refuses_older_versions() {
    let names = Names::new();
    let origin = Origin::echo();
    let bascule = names.start(Io::Epoll, &origin, "\n                  policy: modern");
    let connect = |tls: TlsClient| tls.connect(bascule.address("web"), "shop.test");
    assert!(connect(TlsClient::tls12(&names.authority)).is_err());
    assert!(connect(TlsClient::tls13(&names.authority)).is_ok());
}

#[test]
fn without_tickets_nothing_is_resumed() {
    let names = Names::new();
    let origin = Origin::echo();
    let bascule = names.start(Io::Epoll, &origin, "\n                  tickets: false");
    let tls = TlsClient::tls13(&names.authority);
    for _ in 0..3 {
        let (mut client, session) = tls.connect(bascule.address("web"), "shop.test").unwrap();
        assert_eq!(client.get_with("/", &[("Host", "shop.test")]).status, 200);
        assert!(!session.resumed);
    }
}

#[test]
fn other_protocols_are_not_agreed_on() {
    let names = Names::new();
    let origin = Origin::echo();
    let bascule = names.start(Io::Epoll, &origin, "");
    let connect = |protocols: &[&str]| {
        TlsClient::speaking(&names.authority, protocols)
            .connect(bascule.address("web"), "shop.test")
    };
    let (_, session) = connect(&["h2", "http/1.1"]).unwrap();
    assert_eq!(session.alpn.as_deref(), Some("http/1.1"));
    let (mut client, session) = connect(&[]).unwrap();
    assert_eq!(
        (
            session.alpn,
            client.get_with("/", &[("Host", "shop.test")]).status
        ),
        (None, 200)
    );
    assert!(
        connect(&["spdy/1"]).is_err(),
        "nothing in common (RFC 7301, 3.2)"
    );
}

#[test]
fn a_key_that_is_not_the_certificates_is_refused() {
    let names = Names::new();
    let refused = Setup::new()
        .file("cert.pem", &names.shop.certificate)
        .file("key.pem", &names.api.key)
        .refused(
            "
            listeners: [{ address: $web, tls: { certificates: [{ cert: cert.pem, key: key.pem }] } }]
            routes: [{ path: /, upstream: app }]
            upstreams: { app: { endpoints: [127.0.0.1:1] } }
            ",
        );
    assert_eq!(refused.code, Some(3));
    assert!(refused.stderr.contains("key.pem"), "{}", refused.stderr);
}

#[test]
fn a_handshake_has_its_time() {
    let names = Names::new();
    let origin = Origin::echo();
    let bascule = names.start(
        Io::Epoll,
        &origin,
        "\n            timeouts: { header: 300ms }",
    );
    let mut client: Client = bascule.client();
    client.send([0x16, 3, 1]);
    assert!(client.is_closed());
    bascule.wait_for_metric(
        "bascule_refused_total",
        &[("reason", "header_timeout")],
        1.0,
    );
}
