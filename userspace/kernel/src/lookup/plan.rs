//! What the rules of all listeners amount to: for each prefix its ranges of ports, those of wider prefixes included.

use super::{LookupError, LookupRule, Transport};
use abi::lookup::{NOBODY, Range};
use std::collections::BTreeMap;
use types::IpNet;

/// For each prefix of a transport its ranges, in order and without overlap.
pub(super) type Plan = BTreeMap<(Transport, IpNet), Vec<Range>>;

/// One look-up finds the longest prefix alone, so that has to know what holds for it of wider ones as well.
pub(super) fn plan(
    rules: &[LookupRule],
    place: impl Fn(usize) -> Option<u32>,
) -> Result<Plan, LookupError> {
    let mut own: Plan = BTreeMap::new();
    for rule in rules {
        let socket = match rule.listener {
            Some(listener) => place(listener).ok_or(LookupError::Listener { listener })?,
            None => NOBODY,
        };
        let range = Range {
            from: *rule.ports.start(),
            to: *rule.ports.end(),
            socket,
        };
        let ranges = own.entry((rule.transport, rule.net.trunc())).or_default();
        *ranges = over(ranges, &[range]);
    }
    // By address and then length: whatever is around a prefix stands before it.
    let mut around: Vec<(Transport, IpNet)> = Vec::new();
    let mut whole: Plan = BTreeMap::new();
    for (key, ranges) in own {
        while around
            .last()
            .is_some_and(|(transport, net)| *transport != key.0 || !net.contains(&key.1))
        {
            around.pop();
        }
        let wider = around.last().and_then(|wider| whole.get(wider));
        let ranges = over(wider.map_or(&[][..], Vec::as_slice), &ranges);
        around.push(key);
        whole.insert(key, ranges);
    }
    Ok(whole)
}

/// Ranges over others: where both have a port, the upper one counts.
fn over(below: &[Range], above: &[Range]) -> Vec<Range> {
    let mut rest = below.to_vec();
    for upper in above {
        rest = rest
            .into_iter()
            .flat_map(|lower| around(lower, upper))
            .collect();
    }
    rest.extend_from_slice(above);
    rest.sort_unstable_by_key(|range| range.from);
    rest
}

/// What is left of a range beside another.
fn around(lower: Range, upper: &Range) -> impl Iterator<Item = Range> {
    let before = upper.from.checked_sub(1).map(|to| Range {
        to: to.min(lower.to),
        ..lower
    });
    let behind = upper.to.checked_add(1).map(|from| Range {
        from: from.max(lower.from),
        ..lower
    });
    [before, behind]
        .into_iter()
        .flatten()
        .filter(|range| range.from <= range.to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(net: &str, from: u16, to: u16, listener: usize) -> LookupRule {
        LookupRule {
            transport: Transport::Tcp,
            net: net.parse().expect("a prefix"),
            ports: from..=to,
            listener: (listener != 9).then_some(listener),
        }
    }

    /// The ranges of a prefix as text.
    fn ranges(rules: &[LookupRule], net: &str) -> String {
        let plan = plan(rules, |listener| u32::try_from(listener).ok()).expect("a plan");
        let key = (Transport::Tcp, net.parse().expect("a prefix"));
        let texts: Vec<String> = plan[&key]
            .iter()
            .map(|range| match range.socket {
                NOBODY => format!("{}-{}:-", range.from, range.to),
                socket => format!("{}-{}:{socket}", range.from, range.to),
            })
            .collect();
        texts.join(" ")
    }

    #[test]
    fn a_longer_prefix_has_what_wider_ones_have_beside_its_own() {
        let rules = [
            rule("10.0.0.0/8", 1, 100, 0),
            rule("10.1.0.0/16", 50, 60, 1),
            rule("10.1.2.3/32", 55, 55, 9),
            rule("10.2.0.0/16", 90, 200, 2),
            rule("192.0.2.0/24", 443, 443, 3),
        ];
        assert_eq!(ranges(&rules, "10.0.0.0/8"), "1-100:0");
        assert_eq!(ranges(&rules, "10.1.0.0/16"), "1-49:0 50-60:1 61-100:0");
        assert_eq!(
            ranges(&rules, "10.1.2.3/32"),
            "1-49:0 50-54:1 55-55:- 56-60:1 61-100:0"
        );
        assert_eq!(ranges(&rules, "10.2.0.0/16"), "1-89:0 90-200:2");
        assert_eq!(ranges(&rules, "192.0.2.0/24"), "443-443:3");
    }

    #[test]
    fn the_order_of_rules_means_nothing() {
        let mut rules = vec![
            rule("::/0", 1, 65535, 0),
            rule("2001:db8::/32", 1, 1, 1),
            rule("2001:db8::/32", 65535, 65535, 2),
            rule("2001:db8:1::/48", 7, 7, 3),
        ];
        let expected = "1-1:1 2-6:0 7-7:3 8-65534:0 65535-65535:2";
        assert_eq!(ranges(&rules, "2001:db8:1::/48"), expected);
        rules.reverse();
        assert_eq!(ranges(&rules, "2001:db8:1::/48"), expected);
    }

    #[test]
    fn transports_know_nothing_of_each_other() {
        let mut udp = rule("10.0.0.0/8", 1, 9, 1);
        udp.transport = Transport::Udp;
        let rules = [udp, rule("10.1.0.0/16", 5, 5, 0)];
        assert_eq!(ranges(&rules, "10.1.0.0/16"), "5-5:0");
    }
}
