//! Bodies: how they are decoded, what is refused, what is written.

use http::h1::body::{BodyDecoder, BodyError, BodyFault};
use http::h1::{BodyLimits, Framing, Side, chunk};
use types::Reason;

/// Decodes in pieces of `size` bytes; gives the content, what is left of the input, and the decoder.
fn decode_by(
    framing: Framing,
    limits: BodyLimits,
    input: &[u8],
    size: usize,
) -> Result<(Vec<u8>, usize, BodyDecoder), BodyError> {
    let mut decoder = BodyDecoder::new(Side::Request);
    decoder.start(framing, limits)?;
    let (mut content, mut at) = (Vec::new(), 0);
    while !decoder.is_done() && at < input.len() {
        let piece = &input[at..input.len().min(at + size)];
        let step = decoder.decode(piece)?;
        assert!(step.consumed > 0, "no progress at {at}");
        assert!(step.data.end <= step.consumed);
        content.extend_from_slice(&piece[step.data]);
        at += step.consumed;
        assert_eq!(step.done, decoder.is_done());
    }
    Ok((content, input.len() - at, decoder))
}

fn decode(framing: Framing, input: &[u8]) -> Result<(Vec<u8>, usize, BodyDecoder), BodyError> {
    let whole = decode_by(framing, BodyLimits::default(), input, input.len().max(1));
    let bytewise = decode_by(framing, BodyLimits::default(), input, 1);
    match (&whole, &bytewise) {
        (Ok(a), Ok(b)) => assert_eq!((&a.0, a.1), (&b.0, b.1)),
        (Err(a), Err(b)) => assert_eq!(a.fault, b.fault),
        _ => panic!("{whole:?} but bytewise {bytewise:?}"),
    }
    whole
}

fn fault(input: &[u8]) -> BodyFault {
    let result = decode(Framing::Chunked, input);
    result.expect_err(&String::from_utf8_lossy(input)).fault
}

#[test]
fn content_ends_where_the_framing_says() {
    let cases: &[(Framing, &str, &str, usize)] = &[
        (Framing::None, "GET", "", 3),
        (Framing::Length(0), "GET", "", 3),
        (Framing::Length(3), "abcGET", "abc", 3),
        (Framing::UntilClose, "abcdef", "abcdef", 0),
        (Framing::Chunked, "3\r\nabc\r\n0\r\n\r\nGET", "abc", 3),
        (Framing::Chunked, "0\r\n\r\nGET", "", 3),
        (Framing::Chunked, "000\r\n\r\n", "", 0),
        (
            Framing::Chunked,
            "A\r\n0123456789\r\n01\r\nx\r\n0\r\n\r\n",
            "0123456789x",
            0,
        ),
        (
            Framing::Chunked,
            "0000000000000001\r\nx\r\n0\r\n\r\n",
            "x",
            0,
        ),
        (
            Framing::Chunked,
            "3;a;b=c;d=\"e;\\\" \\\\\t\";f\r\nabc\r\n0;x\r\n\r\n",
            "abc",
            0,
        ),
    ];
    for (framing, input, content, left) in cases {
        let decoded = decode(*framing, input.as_bytes()).expect(input);
        assert_eq!(
            (&decoded.0[..], decoded.1),
            (content.as_bytes(), *left),
            "{input:?}"
        );
    }
}

#[test]
fn a_whole_chunked_body_is_one_step() {
    let mut decoder = BodyDecoder::new(Side::Request);
    let limits = BodyLimits::default();
    decoder
        .start(Framing::Chunked, limits)
        .expect("within the limit");
    let step = decoder
        .decode(b"5\r\nhello\r\n0\r\n\r\nGET")
        .expect("well formed");
    assert_eq!((step.data, step.consumed, step.done), (3..8, 15, true));
    assert_eq!(decoder.received(), 5);
}

#[test]
fn malformed_chunks_are_refused() {
    let cases: &[(&[u8], BodyFault)] = &[
        (b"\r\n", BodyFault::ChunkSize),
        (b"x\r\n", BodyFault::ChunkSize),
        (b" 3\r\nabc", BodyFault::ChunkSize),
        (b"3 \r\nabc", BodyFault::ChunkSize),
        (b"3\t;a\r\nabc", BodyFault::ChunkSize),
        (b"+3\r\nabc", BodyFault::ChunkSize),
        (b"0x3\r\nabc", BodyFault::ChunkSize),
        (b"3_\r\nabc", BodyFault::ChunkSize),
        (b"3\nabc", BodyFault::ChunkSize),
        (b"00000000000000003\r\nabc", BodyFault::ChunkSizeDigits),
        (b"fffffffffffffffff\r\nabc", BodyFault::ChunkSizeDigits),
        (b"3\rabc", BodyFault::ChunkEnd),
        (b"3\r\rabc", BodyFault::ChunkEnd),
        (b"3\r\nabcd\r\n", BodyFault::ChunkEnd),
        (b"3\r\nabc\n0\r\n", BodyFault::ChunkEnd),
        (b"3\r\nabc\r0\r\n", BodyFault::ChunkEnd),
        (b"3;\r\nabc", BodyFault::Extension),
        (b"3;a;\r\nabc", BodyFault::Extension),
        (b"3;a=\r\nabc", BodyFault::Extension),
        (b"3; a\r\nabc", BodyFault::Extension),
        (b"3;a =b\r\nabc", BodyFault::Extension),
        (b"3;a\nabc", BodyFault::Extension),
        (b"3;a=\"b\r\nabc", BodyFault::Extension),
        (b"3;a=\"b\"c\r\nabc", BodyFault::Extension),
        (b"3;a\x00\r\nabc", BodyFault::Extension),
        (b"3;a=\"b\\\r\";c\r\nabc", BodyFault::Extension),
        (b"0\r\nX\r\n\r\n", BodyFault::Trailer),
        (b"0\r\nX : y\r\n\r\n", BodyFault::Trailer),
        (b"0\r\n: y\r\n\r\n", BodyFault::Trailer),
        (b"0\r\nX: y\n\r\n", BodyFault::Trailer),
        (b"0\r\n\n", BodyFault::Trailer),
        (b"0\r\nX: y\r\n z\r\n\r\n", BodyFault::Trailer),
        (b"0\r\nX: a\rb\r\n\r\n", BodyFault::Trailer),
        (b"0\r\nX: a\x00\r\n\r\n", BodyFault::Trailer),
    ];
    for (input, expected) in cases {
        assert_eq!(
            fault(input),
            *expected,
            "{:?}",
            String::from_utf8_lossy(input)
        );
    }
}

#[test]
fn limits_are_kept() {
    let limits = BodyLimits {
        body_bytes: 5,
        chunk_extension_bytes: 4,
        trailer_bytes: 10,
        trailer_count: 2,
    };
    let result = |framing, input: &[u8]| {
        decode_by(framing, limits, input, 64)
            .map(|decoded| decoded.0)
            .map_err(|error| error.fault)
    };
    let too_large = Err(BodyFault::TooLarge);
    assert_eq!(result(Framing::Length(5), b"abcde"), Ok(b"abcde".to_vec()));
    assert_eq!(result(Framing::Length(6), b""), too_large);
    assert_eq!(result(Framing::UntilClose, b"abcde"), Ok(b"abcde".to_vec()));
    assert_eq!(result(Framing::UntilClose, b"abcdef"), too_large);
    assert_eq!(
        result(Framing::Chunked, b"5\r\nabcde\r\n0\r\n\r\n"),
        Ok(b"abcde".to_vec())
    );
    assert_eq!(result(Framing::Chunked, b"6\r\n"), too_large);
    assert_eq!(result(Framing::Chunked, b"3\r\nabc\r\n3\r\n"), too_large);
    assert_eq!(result(Framing::Chunked, b"ffffffffffffffff\r\n"), too_large);
    assert_eq!(
        result(Framing::Chunked, b"3\r\nabc\r\nffffffffffffffff\r\n"),
        too_large
    );
    assert!(result(Framing::Chunked, b"1;ab\r\na\r\n1;ab\r\nb\r\n0\r\n\r\n").is_ok());
    assert_eq!(
        result(Framing::Chunked, b"1;abcd\r\n"),
        Err(BodyFault::ExtensionTooLong)
    );
    assert!(result(Framing::Chunked, b"0\r\nA: 45678\r\n\r\n").is_ok());
    let trailers = Err(BodyFault::TrailersTooLarge);
    assert_eq!(
        result(Framing::Chunked, b"0\r\nA: 45678901\r\n\r\n"),
        trailers
    );
    assert_eq!(result(Framing::Chunked, b"0\r\nA: 456789012345"), trailers);
    assert_eq!(
        result(Framing::Chunked, b"0\r\na:\r\na:\r\na:\r\n\r\n"),
        trailers
    );
    let exact = BodyLimits {
        body_bytes: u64::MAX,
        ..limits
    };
    let overflow = decode_by(
        Framing::Chunked,
        exact,
        b"1\r\na\r\nffffffffffffffff\r\n",
        64,
    );
    assert_eq!(overflow.expect_err("overflows").fault, BodyFault::TooLarge);
}

#[test]
fn the_end_of_the_connection_ends_only_what_lasts_until_then() {
    let mut decoder = BodyDecoder::new(Side::Response);
    let limits = BodyLimits::default();
    decoder
        .start(Framing::UntilClose, limits)
        .expect("no limit");
    assert!(decoder.decode(b"abc").is_ok());
    assert_eq!(decoder.end_of_input(), Ok(()));
    assert!(decoder.is_done());
    for framing in [Framing::Length(4), Framing::Chunked] {
        decoder.start(framing, limits).expect("no limit");
        let error = decoder.end_of_input().expect_err("truncated");
        assert_eq!(
            (error.fault, error.reason()),
            (BodyFault::Truncated, Reason::UpstreamClosed)
        );
    }
    decoder.start(Framing::None, limits).expect("no limit");
    assert_eq!(decoder.end_of_input(), Ok(()));
}

#[test]
fn trailers_are_kept_apart_and_filtered() {
    let input = b"0\r\nChecksum: abc \r\nHost: evil\r\nContent-Length: 5\r\ntransfer-encoding: chunked\r\n\
        Authorization: x\r\nX-Forwarded-For: 1.2.3.4\r\nx_forwarded_for: 1.2.3.4\r\nX-Forwarded-Whatever: x\r\n\
        Content-Type: text/html\r\nConnection: close\r\nSet-Cookie: a=b\r\nX-Consumer: root\r\nServer-Timing: a\r\n\r\n";
    let (_, left, decoder) = decode(Framing::Chunked, input).expect("well formed");
    assert_eq!(left, 0);
    assert_eq!(decoder.trailers().fields().len(), 13);
    assert_eq!(
        decoder.trailers().fields().find("checksum"),
        Some(&b"abc"[..])
    );
    let mut out = Vec::new();
    chunk::write_last(&mut out, true, decoder.trailers(), |field| {
        !field.is("x-consumer")
    });
    assert_eq!(out, b"\r\n0\r\nChecksum: abc\r\nServer-Timing: a\r\n\r\n");
}

#[test]
fn a_decoder_forgets_the_body_before() {
    let (_, _, mut decoder) = decode(Framing::Chunked, b"0\r\nX: y\r\n\r\n").expect("well formed");
    decoder
        .start(Framing::Chunked, BodyLimits::default())
        .expect("no limit");
    assert!(decoder.decode(b"0\r\n\r\n").is_ok_and(|step| step.done));
    assert!(decoder.trailers().fields().is_empty());
}

#[test]
fn chunk_heads() {
    assert_eq!(chunk::ChunkHead::first(1).as_bytes(), b"1\r\n");
    assert_eq!(chunk::ChunkHead::next(0x1f4a).as_bytes(), b"\r\n1f4a\r\n");
    assert_eq!(
        chunk::ChunkHead::next(u64::MAX).as_bytes(),
        b"\r\nffffffffffffffff\r\n"
    );
}
