//! What is wrong with a header.

use thiserror::Error;

/// Why a header is refused. The text names what was expected and found; it repeats no bytes of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// No CR LF within the longest line that version 1 has.
    #[error("PROXY v1: no CR LF within {} bytes", super::MAX_V1_BYTES)]
    LineTooLong,
    /// A line feed or carriage return that does not end the line.
    #[error("PROXY v1: the line does not end in CR LF")]
    LineEnd,
    /// Neither TCP4, TCP6 nor UNKNOWN.
    #[error("PROXY v1: the protocol is none of TCP4, TCP6 and UNKNOWN")]
    Protocol,
    /// Too few or too many words, or not one space between them.
    #[error("PROXY v1: expected two addresses and two ports, with one space between each")]
    Words,
    /// An address that is none, or of the other family.
    #[error("PROXY v1: an address is not one of the family that is named")]
    Address,
    /// A port that is no number from 0 to 65535 in its shortest form.
    #[error("PROXY v1: a port is not a number from 0 to 65535 without leading zeros")]
    Port,
    /// The version in the 13th byte is not 2.
    #[error("PROXY v2: the version is {0}, expected 2")]
    Version(u8),
    /// Neither LOCAL nor PROXY.
    #[error("PROXY v2: the command is {0}, expected 0 (LOCAL) or 1 (PROXY)")]
    Command(u8),
    /// A family that the protocol does not have.
    #[error("PROXY v2: the address family is {0}, expected 0 to 3")]
    Family(u8),
    /// A transport that the protocol does not have.
    #[error("PROXY v2: the transport is {0}, expected 0 to 2")]
    Transport(u8),
    /// More bytes are announced than we take.
    #[error("PROXY v2: {0} bytes follow, expected at most {max}", max = super::MAX_V2_BLOCK_BYTES)]
    BlockTooLong(usize),
    /// Fewer bytes than the addresses of the family take.
    #[error("PROXY v2: {found} bytes follow, the addresses of this family take {needed}")]
    BlockTooShort {
        /// Bytes that are announced.
        found: usize,
        /// Bytes that the family takes.
        needed: usize,
    },
    /// A TLV reaches beyond the header.
    #[error("PROXY v2: a TLV reaches beyond the end of the header")]
    TlvOverruns,
    /// The checksum is not one of four bytes, or there are several.
    #[error("PROXY v2: the checksum is not one TLV of four bytes")]
    ChecksumForm,
    /// The checksum is wrong.
    #[error("PROXY v2: the checksum does not fit the header")]
    Checksum,
}
