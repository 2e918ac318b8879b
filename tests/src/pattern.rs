//! Long bodies that are made on the way and known by their digest.

use aws_lc_rs::digest::{Context, SHA256};

/// Not a power of two, so that a piece that is lost, doubled or moved shows in the digest.
const BLOCK_BYTES: usize = 1_000_003;

/// The SHA-256 of what went by.
pub struct Digest(Context);

impl Default for Digest {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl Digest {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest in hexadecimal.
    #[must_use]
    pub fn finish(self) -> String {
        self.0
            .finish()
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// A body of a given length, always the same for the same length.
pub struct Pattern {
    block: Vec<u8>,
    length: u64,
}

impl Pattern {
    /// So many bytes.
    #[must_use]
    pub fn new(length: u64) -> Self {
        let mut state = 0x9e37_79b9_u32;
        let block = (0..BLOCK_BYTES)
            .map(|_| {
                // Xorshift (Marsaglia 2003).
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                state.to_le_bytes()[0]
            })
            .collect();
        Self { block, length }
    }

    /// Its length.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Its pieces.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let mut left = self.length;
        std::iter::from_fn(move || {
            let count = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(self.block.len());
            left -= count as u64;
            (count > 0).then(|| &self.block[..count])
        })
    }

    /// Its digest.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut digest = Digest::default();
        self.pieces().for_each(|piece| digest.update(piece));
        digest.finish()
    }
}
