//! The L4 services: what the gate lets in is sent on to an endpoint here.

use crate::packet::Headers;
use aya_ebpf::programs::XdpContext;

/// Forwards a packet that the gate passed. The XDP action and the reason to count it under; none: it is for the stack.
#[inline(always)]
pub(crate) fn forward(_context: &XdpContext, _headers: &Headers) -> Option<(u32, abi::Reason)> {
    None
}
