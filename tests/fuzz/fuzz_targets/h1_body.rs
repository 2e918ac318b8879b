//! A chunked body gives the same content however it is cut, and never more than the limits allow. The first byte
//! chooses how it is cut.
#![no_main]

use http::h1::body::{BodyDecoder, BodyFault};
use http::h1::{BodyLimits, Framing, Side, chunk};
use libfuzzer_sys::fuzz_target;

/// Small, so that they are reached.
const LIMITS: BodyLimits = BodyLimits {
    body_bytes: 300,
    chunk_extension_bytes: 20,
    trailer_bytes: 60,
    trailer_count: 4,
};

/// The content, how much of the input it took, and what is written for its trailers.
type Decoded = Result<(Vec<u8>, usize, bool, Vec<u8>), BodyFault>;

fn decode(text: &[u8], size: usize) -> Decoded {
    let mut decoder = BodyDecoder::new(Side::Request);
    decoder
        .start(Framing::Chunked, LIMITS)
        .map_err(|error| error.fault)?;
    let (mut content, mut at) = (Vec::new(), 0);
    while at < text.len() && !decoder.is_done() {
        let piece = &text[at..text.len().min(at + size)];
        let step = decoder.decode(piece).map_err(|error| error.fault)?;
        assert!(step.consumed > 0 && step.data.end <= step.consumed);
        content.extend_from_slice(&piece[step.data]);
        at += step.consumed;
    }
    assert_eq!(decoder.received(), content.len() as u64);
    assert!(content.len() as u64 <= LIMITS.body_bytes);
    let mut end = Vec::new();
    if decoder.is_done() {
        chunk::write_last(&mut end, false, decoder.trailers(), |_| true);
        let mut again = BodyDecoder::new(Side::Request);
        let limits = BodyLimits {
            trailer_bytes: 200,
            ..LIMITS
        };
        again
            .start(Framing::Chunked, limits)
            .expect("no length is declared");
        assert!(again.decode(&end).is_ok_and(|step| step.done));
    }
    Ok((content, at, decoder.is_done(), end))
}

fuzz_target!(|input: &[u8]| {
    let Some((&choice, text)) = input.split_first() else {
        return;
    };
    let whole = decode(text, text.len().max(1));
    assert_eq!(decode(text, 1 + usize::from(choice) % 40), whole);
});
