use super::*;
use proptest::prelude::*;

fn v1(text: &str) -> Result<Reading<'_>, ProxyError> {
    read(text.as_bytes())
}

fn client(source: &str, destination: &str) -> Origin {
    Origin::Client(Addresses {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
    })
}

#[test]
fn lines_of_version_1() {
    let origin = |text: &str| match v1(text) {
        Ok(Reading::Header(header, bytes)) => {
            assert_eq!((header.version, bytes), (1, text.find('\n').unwrap() + 1));
            header.origin
        }
        other => panic!("{text:?}: {other:?}"),
    };
    assert_eq!(
        origin("PROXY TCP4 203.0.113.7 127.0.0.1 56324 443\r\nGET /"),
        client("203.0.113.7:56324", "127.0.0.1:443")
    );
    assert_eq!(
        origin("PROXY TCP6 2001:DB8::7 ::1 0 65535\r\n"),
        client("[2001:db8::7]:0", "[::1]:65535")
    );
    assert_eq!(origin("PROXY UNKNOWN\r\n"), Origin::Unknown);
    assert_eq!(
        origin("PROXY UNKNOWN ffff:f...  65535\r\n"),
        Origin::Unknown
    );
}

#[test]
fn malformed_lines_have_their_errors() {
    let long = format!("PROXY UNKNOWN {}\r\n", "a".repeat(92));
    for (text, error) in [
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", ProxyError::LineEnd),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rX", ProxyError::LineEnd),
        ("PROXY \r\n", ProxyError::Protocol),
        ("PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n", ProxyError::Protocol),
        ("PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", ProxyError::Protocol),
        ("PROXY UNKNOWNS\r\n", ProxyError::Protocol),
        ("PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n", ProxyError::Protocol),
        ("PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n", ProxyError::Words),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", ProxyError::Words),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", ProxyError::Words),
        ("PROXY TCP4 1.2.3.4 1.2.3.04 1 2\r\n", ProxyError::Address),
        ("PROXY TCP4 ::1 ::1 1 2\r\n", ProxyError::Address),
        ("PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", ProxyError::Address),
        ("PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", ProxyError::Address),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", ProxyError::Port),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n", ProxyError::Port),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", ProxyError::Port),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n", ProxyError::Port),
        (long.as_str(), ProxyError::LineTooLong),
    ] {
        assert_eq!(v1(text), Err(error), "{text:?}");
    }
    let longest = format!("PROXY UNKNOWN {}\r\n", "a".repeat(91));
    assert_eq!(longest.len(), MAX_V1_BYTES);
    assert!(matches!(v1(&longest), Ok(Reading::Header(_, MAX_V1_BYTES))));
}

#[test]
fn what_is_no_header_is_told_with_its_first_byte() {
    for text in [
        "GET / HTTP/1.1\r\n",
        "PROXX",
        "proxy ",
        "\r\n\r\n\0\r\nQUTI\n",
        "\u{16}",
    ] {
        assert_eq!(v1(text), Ok(Reading::Absent), "{text:?}");
    }
    assert_eq!(v1(""), Ok(Reading::Partial));
}

fn v2(command: u8, protocol: u8, block: &[u8]) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    bytes.extend_from_slice(&[command, protocol]);
    bytes.extend_from_slice(&u16::try_from(block.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(block);
    bytes
}

const FOUR: [u8; 12] = [203, 0, 113, 7, 127, 0, 0, 1, 0xdc, 4, 1, 0xbb];

#[test]
fn blocks_of_version_2() {
    let origin = |bytes: &[u8]| match read(bytes) {
        Ok(Reading::Header(header, consumed)) => {
            assert_eq!((header.version, consumed), (2, bytes.len()));
            header.origin
        }
        other => panic!("{bytes:?}: {other:?}"),
    };
    let expected = client("203.0.113.7:56324", "127.0.0.1:443");
    assert_eq!(origin(&v2(0x21, 0x11, &FOUR)), expected);
    assert_eq!(
        origin(&v2(0x21, 0x12, &FOUR)),
        expected,
        "datagrams as well"
    );
    assert_eq!(origin(&v2(0x21, 0x10, &FOUR)), Origin::Unknown);
    assert_eq!(origin(&v2(0x21, 0x00, &[])), Origin::Unknown);
    assert_eq!(origin(&v2(0x21, 0x00, &[1, 2])), Origin::Unknown);
    assert_eq!(origin(&v2(0x21, 0x31, &[0; 216])), Origin::Unknown);
    assert_eq!(origin(&v2(0x20, 0x11, &FOUR)), Origin::Local);
    assert_eq!(origin(&v2(0x20, 0xff, &[1])), Origin::Local);
}

#[test]
fn malformed_blocks_have_their_errors() {
    let with = |more: &[u8]| v2(0x21, 0x11, &[&FOUR, more].concat());
    for (bytes, error) in [
        (v2(0x11, 0x11, &FOUR), ProxyError::Version(1)),
        (v2(0x31, 0x11, &FOUR), ProxyError::Version(3)),
        (v2(0x22, 0x11, &FOUR), ProxyError::Command(2)),
        (v2(0x21, 0x41, &FOUR), ProxyError::Family(4)),
        (v2(0x21, 0x13, &FOUR), ProxyError::Transport(3)),
        (
            v2(0x21, 0x11, &FOUR[..11]),
            ProxyError::BlockTooShort {
                found: 11,
                needed: 12,
            },
        ),
        (
            v2(0x21, 0x21, &FOUR),
            ProxyError::BlockTooShort {
                found: 12,
                needed: 36,
            },
        ),
        (v2(0x21, 0x11, &[0; 16385]), ProxyError::BlockTooLong(16385)),
        (with(&[1, 0xff, 0xff]), ProxyError::TlvOverruns),
        (with(&[1, 0]), ProxyError::TlvOverruns),
        (with(&[3, 0, 4, 1, 2, 3, 4]), ProxyError::Checksum),
        (with(&[3, 0, 3, 1, 2, 3]), ProxyError::ChecksumForm),
    ] {
        assert_eq!(read(&bytes), Err(error));
    }
}

#[test]
fn what_else_is_told_is_found() {
    let ssl = Ssl {
        tls: true,
        certificate: true,
        verified: true,
        version: Some("TLSv1.3"),
        common_name: Some("client"),
    };
    let mut bytes = Vec::new();
    write_v2(
        &mut bytes,
        &Outgoing {
            origin: client("[2001:db8::7]:1", "192.0.2.1:2"),
            datagram: false,
            tlvs: &[
                Tlv {
                    kind: kind::AUTHORITY,
                    value: b"db.example.com",
                },
                Tlv {
                    kind: kind::SSL,
                    value: &ssl.value(),
                },
                Tlv {
                    kind: 0xe0,
                    value: b"own",
                },
            ],
            checksum: true,
        },
    );
    let Ok(Reading::Header(header, _)) = read(&bytes) else {
        panic!("{:?}", read(&bytes));
    };
    assert_eq!(
        header.origin,
        client("[2001:db8::7]:1", "[::ffff:192.0.2.1]:2")
    );
    assert_eq!(header.tlvs.authority(), Some("db.example.com"));
    assert_eq!(header.tlvs.ssl(), Some(ssl));
    assert_eq!(header.tlvs.get(0xe0), Some(&b"own"[..]));
    assert_eq!(header.tlvs.count(), 4);
    // All but what says that there is a checksum.
    for at in 16..bytes.len() - 7 {
        let mut other = bytes.clone();
        other[at] ^= 1;
        assert!(read(&other).is_err(), "byte {at} is not covered");
    }
}

fn addresses() -> impl Strategy<Value = Addresses> {
    (any::<SocketAddr>(), any::<SocketAddr>()).prop_map(|(mut source, mut destination)| {
        for end in [&mut source, &mut destination] {
            *end = SocketAddr::new(end.ip().to_canonical(), end.port());
        }
        Addresses {
            source,
            destination,
        }
    })
}

proptest! {
    /// What is written is read, and every beginning of it is partial.
    #[test]
    fn both_versions_come_back(addresses in addresses(), datagram: bool, checksum: bool, value: Vec<u8>) {
        let expected = Origin::Client(addresses.in_one_family());
        let mut line = Vec::new();
        write_v1(&mut line, Some(addresses));
        let mut block = Vec::new();
        let tlvs = [Tlv { kind: 0xee, value: &value }];
        let origin = Origin::Client(addresses);
        write_v2(&mut block, &Outgoing { origin, datagram, tlvs: &tlvs, checksum });
        for bytes in [&line, &block] {
            let Ok(Reading::Header(header, consumed)) = read(bytes) else {
                panic!("{:?}", read(bytes));
            };
            prop_assert_eq!((header.origin, consumed), (expected, bytes.len()));
            for end in 0..bytes.len() {
                prop_assert_eq!(read(&bytes[..end]), Ok(Reading::Partial));
            }
        }
    }

    /// Nothing that follows a header changes it, and nothing panics.
    #[test]
    fn whatever_comes_is_judged(mut bytes: Vec<u8>, signature in 0..3_usize, more: Vec<u8>) {
        let start: &[u8] = [&b""[..], b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n"][signature];
        bytes.splice(0..0, start.iter().copied());
        let first = read(&bytes);
        if let Ok(Reading::Header(header, consumed)) = first {
            prop_assert!(consumed <= bytes.len());
            let longer = [&bytes[..], &more].concat();
            prop_assert_eq!(read(&longer), Ok(Reading::Header(header, consumed)));
        }
    }
}
