//! A gate without interfaces, to try packets on.

use super::{PinDir, bans};
use kernel::{Action, Bans, Gate, GatePolicy, PacketReason};
use std::time::Duration;

/// A loaded gate and its bans.
pub(crate) struct Bench {
    pub(crate) gate: Gate,
    pub(crate) bans: Bans,
    _pins: PinDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let pins = PinDir::new();
        let bans = bans();
        Self {
            gate: pins.gate(&bans),
            bans,
            _pins: pins,
        }
    }

    /// With this policy.
    pub(crate) fn with(policy: &GatePolicy) -> Self {
        let mut bench = Self::new();
        bench.gate.set_policy(policy).expect("a policy");
        bench
    }

    /// What becomes of a packet, by the counter that counted it.
    pub(crate) fn verdict(&self, packet: &[u8]) -> PacketReason {
        let before = self.gate.counters().read().expect("counters");
        self.gate.run(packet, 1).expect("it runs");
        let after = self.gate.counters().read().expect("counters");
        let counted = before.iter().zip(&after);
        let mut counted = counted.filter(|(before, after)| before.packets != after.packets);
        let (_, after) = counted.next().expect("a counter counted it");
        assert!(counted.next().is_none(), "one counter alone");
        after.reason
    }

    pub(crate) fn ban(&self, target: &str, ttl: Option<Duration>) {
        let target = kernel::parse_target(target).expect("a target");
        self.bans.add(target, ttl, "test").expect("banned");
    }

    /// The packet is counted under this reason alone, with its bytes, and dropped where the reason says so.
    pub(crate) fn expect(&self, name: &str, packet: &[u8], reason: PacketReason) {
        let before = self.gate.counters().read().expect("counters");
        let result = self.gate.run(packet, 1).expect(name);
        let after = self.gate.counters().read().expect("counters");

        let action = if reason.drops() {
            Action::Drop
        } else {
            Action::Pass
        };
        assert_eq!(result.action, action, "{name}");
        for (before, after) in before.iter().zip(&after) {
            let expected = u64::from(after.reason == reason);
            let counted = (after.packets - before.packets, after.bytes - before.bytes);
            let bytes = expected * packet.len() as u64;
            assert_eq!(
                counted,
                (expected, bytes),
                "{name}: counter {}",
                after.reason.name()
            );
        }
    }
}
