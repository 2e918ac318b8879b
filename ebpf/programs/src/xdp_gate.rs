//! The gate: the first thing that a packet meets. Each step drops it or leaves it to the next one; [`judge`] has the
//! order.

use crate::bans::{self, Found};
use crate::flood::{self, Flood};
use crate::packet::{self, Family, Fragment, Headers, protocol};
use crate::sources::{self, Charged};
use crate::{maps, samples, services};
use abi::{Reason, Settings, flags};
use aya_ebpf::bindings::xdp_action;
use aya_ebpf::helpers::bpf_ktime_get_boot_ns;
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;

/// What becomes of a packet.
#[derive(Clone, Copy)]
pub(crate) struct Verdict {
    pub(crate) reason: Reason,
    /// Length of the ban that dropped it; 0 where none did.
    pub(crate) prefix_len: u8,
    /// It is the first packet that this ban drops.
    pub(crate) first: bool,
}

impl From<Reason> for Verdict {
    #[inline(always)]
    fn from(reason: Reason) -> Self {
        Self {
            reason,
            prefix_len: 0,
            first: false,
        }
    }
}

/// `frags`: drivers with large frames or receive offload hand over packets in several pieces.
#[xdp(frags)]
pub fn xdp_gate(context: XdpContext) -> u32 {
    let Some(settings) = maps::settings() else {
        return xdp_action::XDP_PASS;
    };
    let Some(headers) = maps::headers() else {
        return xdp_action::XDP_PASS;
    };
    let (verdict, known) = match packet::parse(&context, headers) {
        None => (judge(&context, settings, headers), true),
        Some(reason) => (by_policy(settings, reason).into(), false),
    };
    let (action, reason) = match verdict.reason {
        Reason::Pass | Reason::PassAllowed | Reason::PassExpired | Reason::PassIcmpNeeded => {
            services::forward(&context, headers).unwrap_or((xdp_action::XDP_PASS, verdict.reason))
        }
        Reason::AnswerSynCookie => (xdp_action::XDP_TX, verdict.reason),
        reason if reason.drops() => {
            samples::take(&context, settings, verdict, known.then_some(&*headers));
            (xdp_action::XDP_DROP, reason)
        }
        reason => (xdp_action::XDP_PASS, reason),
    };
    maps::count(reason, headers.bytes);
    action
}

/// What the policy for malformed packets makes of a fault.
#[inline(always)]
fn by_policy(settings: &Settings, fault: Reason) -> Reason {
    if settings.flags & flags::PASS_MALFORMED == 0 {
        return fault;
    }
    match fault {
        Reason::DropMalformed | Reason::DropTcpFlags | Reason::DropLand => Reason::PassMalformed,
        Reason::DropHeaderDepth => Reason::PassHeaderDepth,
        fault => fault,
    }
}

/// Malformed, ICMP that is needed, allowed, banned, beyond a limit, part of a flood: in this order.
#[inline(always)]
fn judge(context: &XdpContext, settings: &Settings, headers: &Headers) -> Verdict {
    let fault = match headers.fault {
        Some(fault) => Some(by_policy(settings, fault)),
        None if is_land(headers) => Some(by_policy(settings, Reason::DropLand)),
        None => None,
    };
    if let Some(fault) = fault
        && fault.drops()
    {
        return fault.into();
    }
    if settings.flags & flags::DROP_FRAGMENTS != 0 && headers.fragment != Fragment::Whole {
        return Reason::DropFragment.into();
    }
    if is_icmp_needed(headers) {
        return Reason::PassIcmpNeeded.into();
    }
    if settings.flags & flags::ALLOW != 0 && bans::is_allowed(headers) {
        return fault.unwrap_or(Reason::PassAllowed).into();
    }
    let passed = match bans::find(settings, headers) {
        Found::Banned(verdict) => return verdict,
        Found::Ended => Reason::PassExpired,
        Found::Nothing => Reason::Pass,
    };
    let limits = flags::ADDRESS_LIMITS | flags::PREFIX_LIMITS | flags::FLOOD;
    if settings.flags & limits != 0
        && let Some(reason) = beyond_limits(context, settings, headers)
    {
        return reason.into();
    }
    fault.unwrap_or(passed).into()
}

/// The limits of sources, then those of all together.
#[inline(always)]
fn beyond_limits(context: &XdpContext, settings: &Settings, headers: &Headers) -> Option<Reason> {
    // SAFETY: the helper has no preconditions.
    let now_ns = unsafe { bpf_ktime_get_boot_ns() };
    let flood = Flood::now(settings, now_ns).is_on();
    let charged = sources::charge(settings, headers, now_ns, flood);
    if let Some(reason) = charged.over() {
        return Some(reason);
    }
    if settings.flags & flags::FLOOD == 0 {
        return None;
    }
    let is_new = headers.opens_connection()
        || (charged == Charged::Unknown && headers.protocol != protocol::TCP);
    flood::judge(context, settings, headers, is_new, now_ns)
}

/// From an address and port to the same: made to set a host talking to itself. A host's own loopback may do so.
#[inline(always)]
fn is_land(headers: &Headers) -> bool {
    matches!(headers.protocol, protocol::TCP | protocol::UDP)
        && headers.fragment != Fragment::Later
        && headers.source_port == headers.destination_port
        && headers.source == headers.destination
        && !headers.source.is_loopback()
}

/// ICMP without which connections stall or neighbours are lost: a router's word that a packet was too big, and the
/// discovery of neighbours. Neighbours' packets have passed no router (RFC 4861, 6.1 and 7.1), so their hop limit is
/// whole; others of these types are judged like anything else.
#[inline(always)]
fn is_icmp_needed(headers: &Headers) -> bool {
    const UNREACHABLE_TOO_BIG: (u8, u8) = (3, 4);
    const V6_TOO_BIG: u8 = 2;
    const V6_ROUTER_SOLICITATION: u8 = 133;
    const V6_REDIRECT: u8 = 137;
    const WHOLE_HOPS: u8 = 255;
    if headers.fault.is_some() || headers.fragment != Fragment::Whole {
        return false;
    }
    match (headers.family, headers.protocol) {
        (Family::V4, protocol::ICMP) => headers.icmp == UNREACHABLE_TOO_BIG,
        (Family::V6, protocol::ICMPV6) => match headers.icmp.0 {
            V6_TOO_BIG => true,
            V6_ROUTER_SOLICITATION..=V6_REDIRECT => headers.hops == WHOLE_HOPS,
            _ => false,
        },
        _ => false,
    }
}
