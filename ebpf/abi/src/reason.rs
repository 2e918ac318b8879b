//! Why a packet passed or not. Every packet is counted under exactly one reason.

/// Packets and bytes of one reason on one CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Counter {
    /// Packets.
    pub packets: u64,
    /// Bytes from the Ethernet header on.
    pub bytes: u64,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $index:literal, $name:literal, $drops:literal;)*) => {
        /// What became of a packet, and why. The number is the index of its counter.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum Reason { $($(#[$doc])* $variant = $index,)* }

        impl Reason {
            /// Every reason, in the order of the counters.
            pub const ALL: &'static [Reason] = &[$(Reason::$variant,)*];
            /// How many there are.
            pub const COUNT: u32 = Self::ALL.len() as u32;

            /// The stable name, as metrics show it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Whether the packet was dropped.
            #[must_use]
            pub const fn drops(self) -> bool {
                match self { $(Self::$variant => $drops,)* }
            }
        }

        const _: () = {
            let mut index = 0;
            $(assert!($index == index, "counters have no gaps"); index += 1;)*
            assert!(index == Reason::COUNT);
        };
    };
}

reasons! {
    /// IPv4 or IPv6 from an address that is not banned.
    Pass = 0, "pass", false;
    /// Dropped: the IPv4 address is banned.
    DropExactV4 = 1, "drop_ban_exact_v4", true;
    /// Dropped: the IPv6 address is banned.
    DropExactV6 = 2, "drop_ban_exact_v6", true;
    /// Dropped: an IPv4 prefix of the address is banned.
    DropPrefixV4 = 3, "drop_ban_prefix_v4", true;
    /// Dropped: an IPv6 prefix of the address is banned.
    DropPrefixV6 = 4, "drop_ban_prefix_v6", true;
    /// Passed: a ban was found, but it has ended.
    PassExpired = 5, "pass_ban_expired", false;
    /// Passed: neither IPv4 nor IPv6 (ARP, LLDP and the like).
    PassNotIp = 6, "pass_not_ip", false;
    /// Passed to the stack, which refuses it: shorter than its headers say, or with a wrong version or length field.
    PassMalformed = 7, "pass_malformed", false;
    /// Passed: more VLAN tags than are looked through.
    PassVlanDepth = 8, "pass_vlan_depth", false;
    /// Passed: more IPv6 extension headers than are walked.
    PassHeaderDepth = 9, "pass_header_depth", false;
    /// Dropped: lengths that contradict each other or the frame, a wrong version, a fragment that cannot be.
    DropMalformed = 10, "drop_malformed", true;
    /// Dropped: TCP flags that no TCP sends together (SYN with FIN, none at all, FIN without ACK).
    DropTcpFlags = 11, "drop_tcp_flags", true;
    /// Dropped: more IPv6 extension headers than are walked.
    DropHeaderDepth = 12, "drop_header_depth", true;
    /// Sent on: to an endpoint of a service, with other addresses.
    ForwardNat = 13, "forward_nat", false;
    /// Sent on: from an endpoint to a client, with the service's address.
    ForwardReply = 14, "forward_reply", false;
    /// Sent on: to an endpoint of a service, as it is.
    ForwardL2Dsr = 15, "forward_l2_dsr", false;
    /// Sent on: to an endpoint of a service, inside another IP packet.
    ForwardTunnel = 16, "forward_tunnel", false;
    /// Passed to the stack, to be forwarded there: addresses are rewritten already, and the way out is one that the
    /// program cannot use, or a neighbour has to be found first.
    PassServiceStack = 17, "pass_service_stack", false;
    /// Dropped: a service without an endpoint that takes new flows.
    DropServiceNoEndpoint = 18, "drop_service_no_endpoint", true;
    /// Dropped: no way to the endpoint, or a way that the service's mode cannot use.
    DropServiceNoRoute = 19, "drop_service_no_route", true;
    /// Dropped: every port that was tried for the client is taken.
    DropServicePorts = 20, "drop_service_ports", true;
    /// Dropped: the flow cannot be remembered.
    DropServiceNoFlow = 21, "drop_service_no_flow", true;
    /// Dropped: larger than the way to the endpoint takes.
    DropServiceTooBig = 22, "drop_service_too_big", true;
    /// Dropped: a fragment for a service.
    DropServiceFragment = 23, "drop_service_fragment", true;
    /// Dropped: a packet for a service, or from one, that has no hop left to live.
    DropServiceHops = 24, "drop_service_hops", true;
    /// Answered: larger than the way to the endpoint takes, which the client is told.
    AnswerTooBig = 25, "answer_too_big", false;
    /// Sent on: an ICMP error about a packet of a flow, to the one who sent that packet.
    ForwardIcmp = 26, "forward_icmp", false;
    /// Dropped: TCP or UDP from an address and port to the same address and port (a land attack).
    DropLand = 27, "drop_land", true;
    /// Dropped: a fragment, where the policy says so.
    DropFragment = 28, "drop_fragment", true;
    /// Passed: from an address of the allow list.
    PassAllowed = 29, "pass_allowed", false;
    /// Passed whatever its address: ICMP that path MTU discovery or finding neighbours needs.
    PassIcmpNeeded = 30, "pass_icmp_needed", false;
    /// Dropped: more packets than its address may send.
    DropAddressPackets = 31, "drop_address_packets", true;
    /// Dropped: more SYNs than its address may send.
    DropAddressSyns = 32, "drop_address_syns", true;
    /// Dropped: more bytes than its address may send.
    DropAddressBytes = 33, "drop_address_bytes", true;
    /// Dropped: more packets than its /24 or /64 may send.
    DropPrefixPackets = 34, "drop_prefix_packets", true;
    /// Dropped: more SYNs than its /24 or /64 may send.
    DropPrefixSyns = 35, "drop_prefix_syns", true;
    /// Dropped: more bytes than its /24 or /64 may send.
    DropPrefixBytes = 36, "drop_prefix_bytes", true;
    /// Dropped: a SYN beyond the limit of a flood.
    DropFlood = 37, "drop_flood_syn", true;
    /// Dropped: in a flood an ACK of no connection, without a valid SYN cookie.
    DropFloodAck = 38, "drop_flood_ack", true;
    /// Answered in a flood: a SYN, with a SYN cookie.
    AnswerSynCookie = 39, "answer_syn_cookie", false;
}
