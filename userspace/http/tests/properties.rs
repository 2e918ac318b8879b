//! What holds for every input.

use http::forwarded::{HopSource, client_address};
use http::h1::body::{BodyDecoder, BodyError, BodyFault};
use http::h1::chunk::{self, ChunkHead};
use http::h1::request::{self, RequestHead};
use http::h1::response::{self, ResponseHead};
use http::h1::{BodyLimits, Framing, HeadError, HeadLimits, Parse, Side};
use http::normalise::{Backslash, PathPolicy, host, path};
use http::{Method, cookie, media, query};
use proptest::prelude::*;

/// Bytes that look like HTTP often enough to get deep into a parser.
fn http_like() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            "GET", "POST", "OPTIONS", " ", "/", "/a?b", "*", "http://a", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "\r\n",
            "\r\n\r\n", "\n", "\r", "Host: a", "Host: [::1]:80", "Content-Length: 3", "Content-Length: 3, 3",
            "Transfer-Encoding: chunked", "Transfer-Encoding: gzip", "Connection: close", "X: y", "X : y", ":", "\t",
            "200 OK", "204", "100", "Expect: 100-continue", "Upgrade: x", "X-Forwarded-For: 10.0.0.1, 1.1.1.1",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// A request that is well formed but for what the strategy above may put into its fields.
fn near_request() -> impl Strategy<Value = Vec<u8>> {
    http_like()
        .prop_map(|tail| [b"POST /a HTTP/1.1\r\nHost: a\r\n", &tail[..], b"\r\n\r\n"].concat())
}

const LIMITS: HeadLimits = HeadLimits {
    head_bytes: 150,
    header_count: 6,
    uri_bytes: 20,
    leading_empty_lines: 1,
    length_beside_coding: http::h1::LengthBesideCoding::Refuse,
};

type Decided = Result<(Parse, Framing, bool, usize), HeadError>;

fn request_in_pieces(text: &[u8], cuts: &[usize]) -> Decided {
    let mut head = RequestHead::new();
    let mut parsed = Parse::Partial;
    for &end in cuts.iter().chain([&text.len()]) {
        parsed = request::parse(&text[..end.min(text.len())], &LIMITS, &mut head)?;
        if parsed != Parse::Partial {
            break;
        }
    }
    let view = head.view(text);
    for field in view.fields().iter() {
        assert!(!field.name.is_empty());
        assert!(
            !field
                .value
                .iter()
                .any(|&byte| matches!(byte, b'\r' | b'\n' | 0))
        );
    }
    Ok((
        parsed,
        head.framing(),
        head.keep_alive(),
        view.fields().len(),
    ))
}

fn response_in_pieces(text: &[u8], cuts: &[usize]) -> Decided {
    let mut head = ResponseHead::new();
    let mut parsed = Parse::Partial;
    for &end in cuts.iter().chain([&text.len()]) {
        parsed = response::parse(
            &text[..end.min(text.len())],
            &LIMITS,
            Method::Get,
            &mut head,
        )?;
        if parsed != Parse::Partial {
            break;
        }
    }
    Ok((
        parsed,
        head.framing(),
        head.keep_alive(),
        head.view(text).fields().len(),
    ))
}

fn sorted(mut cuts: Vec<usize>) -> Vec<usize> {
    cuts.sort_unstable();
    cuts
}

/// What came out of a chunked body, cut at `cuts`: the content, what was consumed and whether it was complete.
fn decode_in_pieces(
    text: &[u8],
    cuts: &[usize],
) -> Result<(Vec<u8>, usize, bool, usize), BodyFault> {
    let limits = BodyLimits {
        body_bytes: 1000,
        chunk_extension_bytes: 20,
        trailer_bytes: 40,
        trailer_count: 3,
    };
    let mut decoder = BodyDecoder::new(Side::Request);
    let fault = |error: BodyError| error.fault;
    decoder.start(Framing::Chunked, limits).map_err(fault)?;
    let (mut content, mut at) = (Vec::new(), 0);
    for &end in cuts.iter().chain([&text.len()]) {
        let end = end.min(text.len());
        while at < end && !decoder.is_done() {
            let piece = &text[at..end];
            let step = decoder.decode(piece).map_err(fault)?;
            content.extend_from_slice(&piece[step.data]);
            at += step.consumed;
        }
    }
    Ok((
        content,
        at,
        decoder.is_done(),
        decoder.trailers().fields().len(),
    ))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_request_is_read_alike_however_it_is_cut(
        text in prop_oneof![http_like(), near_request()],
        cuts in prop::collection::vec(0..200usize, 0..8).prop_map(sorted),
    ) {
        let whole = request_in_pieces(&text, &[]);
        prop_assert_eq!(&request_in_pieces(&text, &cuts), &whole);
        let each_byte: Vec<_> = (0..text.len()).collect();
        prop_assert_eq!(&request_in_pieces(&text, &each_byte), &whole);
        if let Ok((Parse::Complete { consumed }, ..)) = whole {
            prop_assert!(consumed <= text.len());
            prop_assert!(text[..consumed].ends_with(b"\r\n\r\n"));
        }
    }

    #[test]
    fn a_response_is_read_alike_however_it_is_cut(
        tail in http_like(),
        is_near in any::<bool>(),
        cuts in prop::collection::vec(0..200usize, 0..8).prop_map(sorted),
    ) {
        let start: &[u8] = if is_near { b"HTTP/1.1 200 OK\r\n" } else { b"" };
        let text = [start, &tail, b"\r\n\r\n"].concat();
        prop_assert_eq!(response_in_pieces(&text, &cuts), response_in_pieces(&text, &[]));
    }

    #[test]
    fn a_chunked_body_is_read_alike_however_it_is_cut(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "3\r\nabc\r\n", "1;a=b\r\nx\r\n", "0", "\r\n", "0\r\n", "\r\n\r\n", "A: b\r\n", ";x", "=\"y\"", "ff", "\n", "\r", " ",
            ]),
            0..12,
        ),
        cuts in prop::collection::vec(0..80usize, 0..8).prop_map(sorted),
    ) {
        let text = pieces.concat().into_bytes();
        prop_assert_eq!(decode_in_pieces(&text, &cuts), decode_in_pieces(&text, &[]));
    }

    #[test]
    fn chunks_are_decoded_to_what_was_encoded(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..100), 0..8),
        cuts in prop::collection::vec(0..900usize, 0..8).prop_map(sorted),
        next in any::<[u8; 3]>(),
    ) {
        let mut text = Vec::new();
        for (number, data) in chunks.iter().enumerate() {
            let len = data.len() as u64;
            let head = if number == 0 { ChunkHead::first(len) } else { ChunkHead::next(len) };
            text.extend_from_slice(head.as_bytes());
            text.extend_from_slice(data);
        }
        text.extend_from_slice(if chunks.is_empty() { chunk::LAST } else { chunk::END_AND_LAST });
        let end = text.len();
        text.extend_from_slice(&next);
        prop_assert_eq!(decode_in_pieces(&text, &cuts), Ok((chunks.concat(), end, true, 0)));
    }

    #[test]
    fn a_normal_path_is_its_own_normal_form(
        raw in prop_oneof![
            "/[a-z./%;\\\\2eEfF5cC|+~ -]{0,24}",
            prop::collection::vec(any::<u8>(), 0..12).prop_map(|bytes| {
                format!("/{}", bytes.iter().map(|byte| format!("%{byte:02x}")).collect::<String>())
            }),
        ],
        backslash in prop::sample::select(vec![Backslash::Refuse, Backslash::Keep, Backslash::Slash]),
        merge_slashes in any::<bool>(),
    ) {
        let policy = PathPolicy { backslash, merge_slashes, ..PathPolicy::default() };
        let (mut once, mut twice) = (Vec::new(), Vec::new());
        if let Ok(normal) = path(raw.as_bytes(), &policy, &mut once) {
            let normal = normal.bytes(&once);
            prop_assert!(normal.starts_with(b"/"));
            prop_assert!(!normal.split(|&byte| byte == b'/').any(|segment| matches!(segment, b"." | b"..")));
            let again = path(normal, &policy, &mut twice).map(|again| again.bytes(&twice));
            prop_assert_eq!(again, Ok(normal));
        }
    }

    #[test]
    fn a_normal_host_is_its_own_normal_form(raw in "[a-zA-Z0-9.:\\[\\]_=-]{0,20}") {
        let (mut once, mut twice) = (Vec::new(), Vec::new());
        if let Ok(normal) = host(raw.as_bytes(), &mut once) {
            let normal = normal.bytes(&once);
            let again = host(normal, &mut twice).map(|again| again.bytes(&twice));
            prop_assert_eq!(again, Ok(normal));
        }
    }

    #[test]
    fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..64), text in "\\PC{0,16}") {
        let mut out = Vec::new();
        let _ = request_in_pieces(&bytes, &[]);
        let _ = response_in_pieces(&bytes, &[]);
        let _ = decode_in_pieces(&bytes, &[]);
        let _ = path(&bytes, &PathPolicy::default(), &mut out);
        let _ = host(&bytes, &mut out);
        let _ = media::parameter(&bytes, &text);
        let _ = query::get(&bytes, &text);
        query::without(&bytes, &text, &mut out);
        let near = [b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: ", &bytes[..], b"\r\n\r\n"].concat();
        let mut head = RequestHead::new();
        if request::parse(&near, &HeadLimits::default(), &mut head).is_ok() {
            let fields = head.view(&near).fields();
            let _ = client_address(fields, HopSource::XForwardedFor, [10, 0, 0, 1].into(), |_| true);
            let _ = cookie::get(fields, &text);
        }
    }
}
