//! Where the demo takes place: two network namespaces joined by a cable, or loopback where namespaces cannot be made.

use crate::failure::Outcome;
use crate::run;
use crate::undo::{Deed, Undo};
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

/// The gateway's end of the cable; XDP is attached here.
pub(super) const GATEWAY_LINK: &str = "gate0";
const CLIENT_LINK: &str = "client0";

/// On which side a command is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Gateway,
}

impl Side {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Gateway => "gateway",
        }
    }
}

/// Two sides, and who has which address.
pub(super) enum Place {
    /// Namespaces by these names.
    Namespaces { client: String, gateway: String },
    /// This host alone.
    Loopback,
}

impl Place {
    /// Makes the namespaces and the cable; says in one line why not, where that is not possible.
    pub(super) fn make(undo: &mut Undo) -> Outcome<Self> {
        if !run::is_root() {
            println!(
                "on loopback and without XDP: network namespaces and BPF programs need root (sudo)"
            );
            return Ok(Self::Loopback);
        }
        let name = |side: Side| format!("bascule-demo-{}-{}", std::process::id(), side.name());
        let (client, gateway) = (name(Side::Client), name(Side::Gateway));
        for namespace in [&client, &gateway] {
            if let Err(failure) = ip(&["netns", "add", namespace]) {
                println!("on loopback and without XDP: no network namespaces here: {failure}");
                return Ok(Self::Loopback);
            }
            undo.at_end(&Deed::Namespace(namespace.clone()))?;
        }
        // Both ends are made where they belong, so that their names cannot clash with the host's.
        ip(&[
            "link",
            "add",
            GATEWAY_LINK,
            "netns",
            &gateway,
            "type",
            "veth",
            "peer",
            "name",
            CLIENT_LINK,
            "netns",
            &client,
        ])?;
        let place = Self::Namespaces {
            client: client.clone(),
            gateway: gateway.clone(),
        };
        for (namespace, link, addresses) in [
            (&gateway, GATEWAY_LINK, vec![place.gateway()]),
            (&client, CLIENT_LINK, vec![place.client(), place.rogue()]),
        ] {
            for address in addresses {
                let address = format!("{address}/24");
                ip(&["-n", namespace, "address", "add", &address, "dev", link])?;
            }
            ip(&["-n", namespace, "link", "set", link, "up"])?;
            ip(&["-n", namespace, "link", "set", "lo", "up"])?;
        }
        Ok(place)
    }

    /// Where bascule listens. The addresses are those that RFC 5737 sets aside for documentation.
    pub(super) fn gateway(&self) -> IpAddr {
        self.address(1)
    }

    /// The client that behaves.
    pub(super) fn client(&self) -> IpAddr {
        match self {
            Self::Namespaces { .. } => self.address(10),
            Self::Loopback => self.address(1),
        }
    }

    /// The client that gets banned.
    pub(super) fn rogue(&self) -> IpAddr {
        self.address(66)
    }

    fn address(&self, host: u8) -> IpAddr {
        match self {
            Self::Namespaces { .. } => Ipv4Addr::new(192, 0, 2, host).into(),
            Self::Loopback => Ipv4Addr::new(127, 0, 0, host).into(),
        }
    }

    /// What stands in front of a command so that it runs on a side; nothing on loopback.
    pub(super) fn prefix(&self, side: Side) -> Vec<String> {
        let Self::Namespaces { client, gateway } = self else {
            return Vec::new();
        };
        let namespace = match side {
            Side::Client => client,
            Side::Gateway => gateway,
        };
        // `ip netns exec` mounts a fresh /sys, which hides the BPF file system.
        vec![
            "nsenter".to_owned(),
            format!("--net=/run/netns/{namespace}"),
        ]
    }

    /// A command on a side.
    pub(super) fn command(&self, side: Side, words: &[String]) -> Command {
        let mut words = self.prefix(side).into_iter().chain(words.iter().cloned());
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words);
        command
    }
}

fn ip(arguments: &[&str]) -> Outcome {
    run::run(Command::new("ip").args(arguments))
}
