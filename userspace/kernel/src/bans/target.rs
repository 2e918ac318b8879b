//! What is banned: an address or a prefix.

use std::net::{IpAddr, Ipv6Addr};
use types::{IpNet, Ipv4Net};

/// Why a text is no address or prefix that can be banned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It is neither an address nor a prefix.
    #[error(
        "`{found}` is no address or prefix; write 203.0.113.7, 203.0.113.0/24 or 2001:db8::/32"
    )]
    Malformed {
        /// The text.
        found: String,
    },
    /// A prefix with bits behind its length: a shorter prefix than was meant, or an address with a stray length.
    #[error(
        "`{found}` has bits set behind its length; write `{prefix}` for the prefix or `{address}` for the address"
    )]
    HostBits {
        /// The prefix as it was written.
        found: IpNet,
        /// What it covers.
        prefix: IpNet,
        /// The address in it.
        address: IpAddr,
    },
    /// A prefix of length 0 would ban everybody, the operator's own connection included.
    #[error("`{found}` is every address; take the interface down or close the listener instead")]
    Everybody {
        /// The prefix.
        found: IpNet,
    },
}

/// Reads an address or a prefix. An address becomes a prefix of full length, an IPv4-mapped IPv6 address its IPv4 one.
///
/// # Errors
/// [`TargetError`] says what was found and what to write.
pub fn parse_target(text: &str) -> Result<IpNet, TargetError> {
    let text = text.trim();
    let net = if let Ok(address) = text.parse::<IpAddr>() {
        IpNet::from(address)
    } else {
        text.parse::<IpNet>().map_err(|_| TargetError::Malformed {
            // Enough to find the line; a file of another kind does not fill the screen.
            found: text.chars().take(60).collect(),
        })?
    };
    check(net)
}

/// Brings a prefix to its one form: IPv4 where it is mapped, no bits behind the length, not everybody.
pub(super) fn check(net: IpNet) -> Result<IpNet, TargetError> {
    let net = canonical(net);
    if net.prefix_len() == 0 {
        return Err(TargetError::Everybody { found: net });
    }
    if net.trunc() != net {
        return Err(TargetError::HostBits {
            found: net,
            prefix: net.trunc(),
            address: net.addr(),
        });
    }
    Ok(net)
}

/// An IPv4 peer of a dual-stack socket has a mapped address; on the wire it is IPv4.
fn canonical(net: IpNet) -> IpNet {
    const MAPPED_BITS: u8 = 96;
    let IpNet::V6(v6) = net else {
        return net;
    };
    let (Some(address), Some(length)) =
        (mapped(v6.addr()), v6.prefix_len().checked_sub(MAPPED_BITS))
    else {
        return net;
    };
    Ipv4Net::new(address, length).map_or(net, IpNet::V4)
}

fn mapped(address: Ipv6Addr) -> Option<std::net::Ipv4Addr> {
    address.to_ipv4_mapped()
}

/// Whether it is one address, not a range of them.
pub(super) fn is_address(net: &IpNet) -> bool {
    net.prefix_len() == net.max_prefix_len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses_and_prefixes() {
        for (text, want) in [
            ("203.0.113.7", "203.0.113.7/32"),
            (" 203.0.113.0/24 ", "203.0.113.0/24"),
            ("2001:db8::1", "2001:db8::1/128"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::ffff:203.0.113.7", "203.0.113.7/32"),
            ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
        ] {
            assert_eq!(
                parse_target(text).map(|net| net.to_string()),
                Ok(want.into())
            );
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, words) in [
            ("", "no address or prefix"),
            ("example.com", "no address or prefix"),
            ("1.2.3.4/33", "no address or prefix"),
            ("10.1.2.3/8", "write `10.0.0.0/8`"),
            ("0.0.0.0/0", "every address"),
            ("::/0", "every address"),
            ("::ffff:0.0.0.0/96", "every address"),
        ] {
            let error = parse_target(text).expect_err(text).to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
