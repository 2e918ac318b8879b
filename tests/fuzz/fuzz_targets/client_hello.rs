//! ClientHellos, in pieces of a size that the first byte says: the pieces make no difference.
#![no_main]

use libfuzzer_sys::fuzz_target;
use preamble::hello::{Hello, HelloError, HelloReader};

fuzz_target!(|input: &[u8]| {
    let Some((&size, wire)) = input.split_first() else {
        return;
    };
    let whole = in_pieces(wire, wire.len().max(1));
    let pieces = in_pieces(wire, usize::from(size) + 1);
    // A hello that is too long may be found to be wrong in another place before that is noticed.
    if let (Ok(one), Ok(other)) = (&whole, &pieces) {
        assert_eq!(one, other);
    }
    if let Ok(Some(Hello {
        server_name: Some(name),
        ..
    })) = whole
    {
        assert!(!name.is_empty() && name.len() <= 253 && !name.contains('/'));
        assert_eq!(name, name.to_ascii_lowercase());
    }
});

fn in_pieces(wire: &[u8], size: usize) -> Result<Option<Hello>, HelloError> {
    let mut reader = HelloReader::new();
    for piece in wire.chunks(size) {
        if let Some(hello) = reader.push(piece)? {
            return Ok(Some(hello));
        }
    }
    Ok(None)
}
