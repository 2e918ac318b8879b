//! What a client can do wrong.

use types::Reason;

macro_rules! causes {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal: $($reason:ident)|+;)*) => {
        /// What a client did. The names are those of the configuration, the metrics and the log.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Cause { $($(#[doc = $doc])* $variant,)* }

        impl Cause {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The offence that a reason is, if it is one. Reasons that say something about us or an endpoint are none, and
            /// neither is what a client cannot help.
            #[must_use]
            pub const fn of(reason: Reason) -> Option<Self> {
                match reason {
                    $($(Reason::$reason)|+ => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

causes! {
    /// A WAF rule blocked the request or its answer.
    Waf = "waf": WafBlocked | WafResponseBlocked;
    /// A credential that is malformed, unknown, expired or forged.
    Auth = "auth": AuthInvalid;
    /// No credential where one is needed: so begins many a good conversation.
    AuthMissing = "auth_missing": AuthMissing;
    /// A good credential for something that it does not allow.
    AuthForbidden = "auth_forbidden": AuthForbidden;
    /// More than the limits allow: connections, lengths of head, target and body.
    Limit = "limit": ConnectionLimit | HeadTooLarge | UriTooLong | BodyTooLarge;
    /// A request that is no HTTP, or that can be read in two ways.
    Malformed = "malformed": MalformedRequest | AmbiguousFraming | MalformedBody | BadHost | BadPath | CodingUnsupported;
    /// A head, a body or a handshake that does not arrive in time, an answer that is not read.
    Slow = "slow": HeaderTimeout | BodyTimeout | ClientStalled;
    /// A TLS handshake that fails.
    Tls = "tls": TlsHandshake;
    /// A header of the PROXY protocol that is malformed, missing or not this client's to send.
    ProxyHeader = "proxy_header": ProxyHeader;
}

impl Cause {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::Blame;

    #[test]
    fn only_what_clients_and_policies_answer_for_is_an_offence() {
        for reason in Reason::ALL {
            if Cause::of(*reason).is_some() {
                assert!(
                    matches!(reason.blame(), Blame::Client | Blame::Policy),
                    "{reason}"
                );
            }
        }
    }

    #[test]
    fn an_own_refusal_of_the_banned_adds_nothing() {
        for reason in [Reason::Banned, Reason::AddressDenied, Reason::Served] {
            assert_eq!(Cause::of(reason), None);
        }
    }

    #[test]
    fn numbers_follow_the_order() {
        for (number, cause) in Cause::ALL.iter().enumerate() {
            assert_eq!(*cause as usize, number);
        }
    }
}
