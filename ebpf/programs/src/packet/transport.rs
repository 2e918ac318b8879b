//! TCP, UDP and ICMP: ports, flags, types, and what cannot be meant.

use super::{Family, Fragment, Headers, Packet, protocol, tcp};
use abi::Reason;

const TCP_BYTES: usize = 20;
const UDP_BYTES: usize = 8;
const ICMP_BYTES: usize = 8;
/// The least of an ICMPv6 message.
const ICMPV6_BYTES: usize = 4;

impl Packet {
    /// Reads the transport header. `offset_bytes` is where in the whole packet a fragment lies.
    #[inline(always)]
    pub(super) fn transport(&self, headers: &mut Headers, offset_bytes: usize) {
        if headers.fragment == Fragment::Later {
            // One that begins within the TCP header would write over it (RFC 3128).
            if headers.protocol == protocol::TCP && offset_bytes < TCP_BYTES {
                headers.fault = Some(Reason::DropMalformed);
            }
            return;
        }
        let fault = match (headers.protocol, headers.family) {
            (protocol::TCP, _) => self.tcp(headers),
            (protocol::UDP, _) => self.udp(headers),
            (protocol::ICMP, Family::V4) => self.icmp(headers, ICMP_BYTES),
            (protocol::ICMPV6, Family::V6) => self.icmp(headers, ICMPV6_BYTES),
            _ => return,
        };
        if let Err(fault) = fault {
            headers.fault = Some(fault);
        }
    }

    #[inline(always)]
    fn tcp(&self, headers: &mut Headers) -> Result<(), Reason> {
        let malformed = Reason::DropMalformed;
        let l4 = headers.l4;
        self.ports(headers)?;
        let [words, flags, _, _] = self.read_bytes(l4 + 12).ok_or(malformed)?;
        let header_bytes = usize::from(words >> 4) * 4;
        if header_bytes < TCP_BYTES || l4 + header_bytes > headers.end {
            return Err(malformed);
        }
        headers.tcp_flags = flags;
        if are_flags_meant(flags) {
            Ok(())
        } else {
            Err(Reason::DropTcpFlags)
        }
    }

    #[inline(always)]
    fn udp(&self, headers: &mut Headers) -> Result<(), Reason> {
        let malformed = Reason::DropMalformed;
        self.ports(headers)?;
        let bytes = usize::from(self.read_u16(headers.l4 + 4).ok_or(malformed)?);
        let there = headers.end.wrapping_sub(headers.l4);
        // A first fragment tells the length of the whole. A length of 0 is that of a jumbogram (RFC 2675).
        let fits = headers.fragment == Fragment::First || bytes <= there;
        let jumbo = bytes == 0 && there > 0xffff;
        if there < UDP_BYTES || !(jumbo || bytes >= UDP_BYTES && fits) {
            return Err(malformed);
        }
        Ok(())
    }

    #[inline(always)]
    fn ports(&self, headers: &mut Headers) -> Result<(), Reason> {
        let [source, destination]: [u16; 2] = self.read(headers.l4).ok_or(Reason::DropMalformed)?;
        headers.source_port = u16::from_be(source);
        headers.destination_port = u16::from_be(destination);
        Ok(())
    }

    #[inline(always)]
    fn icmp(&self, headers: &mut Headers, least: usize) -> Result<(), Reason> {
        let [kind, code, _, _] = self.read_bytes(headers.l4).ok_or(Reason::DropMalformed)?;
        if headers.l4 + least > headers.end {
            return Err(Reason::DropMalformed);
        }
        headers.icmp = (kind, code);
        Ok(())
    }
}

/// The combinations that a TCP has a use for; PSH and the bits for congestion go with all of them.
#[inline(always)]
fn are_flags_meant(flags: u8) -> bool {
    const USEFUL: u8 = tcp::FIN | tcp::SYN | tcp::RST | tcp::ACK | tcp::URG;
    const SYN_URG: u8 = tcp::SYN | tcp::URG;
    const SYN_ACK: u8 = tcp::SYN | tcp::ACK;
    const RST_ACK: u8 = tcp::RST | tcp::ACK;
    const FIN_ACK: u8 = tcp::FIN | tcp::ACK;
    const FIN_ACK_URG: u8 = FIN_ACK | tcp::URG;
    const ACK_URG: u8 = tcp::ACK | tcp::URG;
    matches!(
        flags & USEFUL,
        tcp::SYN
            | SYN_URG
            | SYN_ACK
            | tcp::RST
            | RST_ACK
            | FIN_ACK
            | FIN_ACK_URG
            | tcp::ACK
            | ACK_URG
    )
}
