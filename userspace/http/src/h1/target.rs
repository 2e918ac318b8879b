//! The request target (RFC 9112, 3.2).

use super::Fault;
use crate::method::{Method, Scheme};
use crate::normalise::host::Authority;
use crate::span::Span;

/// The form of a request target. The authority form belongs to CONNECT and is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TargetForm {
    /// `/path?query`
    #[default]
    Origin,
    /// `http://host/path?query`
    Absolute,
    /// `*`, with OPTIONS only.
    Asterisk,
}

/// A request target cut into its parts. Nothing is decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Its form.
    pub form: TargetForm,
    /// The whole of it.
    pub whole: Span,
    /// The scheme, in absolute form.
    pub scheme: Option<Scheme>,
    /// Host and port, in absolute form; otherwise empty.
    pub authority: Span,
    /// The path with its leading `/`; empty for `http://host` (read it as `/`) and for `*`.
    pub path: Span,
    /// What follows the first `?`, which may be empty; `None` without `?`.
    pub query: Option<Span>,
}

/// A fault and its offset within the target.
pub(super) type TargetFault = (Fault, usize);

impl Target {
    /// Cuts `text`, which begins at `base` of the buffer.
    pub(super) fn parse(method: Method, text: &[u8], base: usize) -> Result<Self, TargetFault> {
        if method == Method::Connect {
            let fault = if is_tunnel_target(text) {
                Fault::Connect
            } else {
                Fault::TunnelTarget
            };
            return Err((fault, 0));
        }
        let mut question = None;
        for (at, &byte) in text.iter().enumerate() {
            match byte {
                b'?' if question.is_none() => question = Some(at),
                b'#' => return Err((Fault::Fragment, at)),
                0..=0x20 | 0x7f.. => return Err((Fault::TargetByte, at)),
                _ => {}
            }
        }
        let mut target = Self {
            whole: Span::new(base, base + text.len()),
            query: question.map(|at| Span::new(base + at + 1, base + text.len())),
            ..Self::default()
        };
        let hierarchy = text
            .get(..question.unwrap_or(text.len()))
            .unwrap_or_default();
        match hierarchy {
            [b'/', ..] => target.path = Span::new(base, base + hierarchy.len()),
            b"*" if question.is_none() => {
                if method != Method::Options {
                    return Err((Fault::Asterisk, 0));
                }
                target.form = TargetForm::Asterisk;
            }
            _ => target.parse_absolute(hierarchy, base)?,
        }
        Ok(target)
    }

    fn parse_absolute(&mut self, hierarchy: &[u8], base: usize) -> Result<(), TargetFault> {
        let form = (Fault::TargetForm, 0);
        let colon = memchr::memchr(b':', hierarchy).ok_or(form)?;
        let (scheme, rest) = hierarchy.split_at(colon);
        self.scheme = Some(Scheme::of(scheme).ok_or(form)?);
        let after = rest.strip_prefix(b"://").ok_or(form)?;
        let authority_at = colon + "://".len();
        let authority_len = memchr::memchr(b'/', after).unwrap_or(after.len());
        let authority = after.get(..authority_len).unwrap_or_default();
        if let Some(at) = memchr::memchr(b'@', authority) {
            return Err((Fault::UserInfo, authority_at + at));
        }
        let path_at = authority_at + authority_len;
        self.form = TargetForm::Absolute;
        self.authority = Span::new(base + authority_at, base + path_at);
        self.path = Span::new(base + path_at, base + hierarchy.len());
        Ok(())
    }
}

/// `host:port`, and the port is one (RFC 9110, 9.3.6).
fn is_tunnel_target(text: &[u8]) -> bool {
    Authority::parse(text).is_ok_and(|authority| authority.port.is_some_and(|port| port > 0))
}
