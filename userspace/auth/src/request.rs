//! Where a credential stands in a request, and what of it is not forwarded.

use std::str::FromStr;

/// What authentication sees of a request.
#[derive(Clone, Copy)]
pub struct AuthRequest<'a> {
    /// The header fields.
    pub headers: &'a dyn HeaderLookup,
    /// The query as it was received, without the `?`.
    pub query: Option<&'a [u8]>,
}

/// Looks header fields up. The HTTP room's header table implements it, and so does a slice of pairs.
pub trait HeaderLookup {
    /// The `nth` (from 0) value of the field `name`, without surrounding white space. `name` is in lower case; the
    /// field's own spelling may differ. Values of several lines are not joined.
    fn header(&self, name: &str, nth: usize) -> Option<&[u8]>;
}

impl HeaderLookup for [(&str, &str)] {
    fn header(&self, name: &str, nth: usize) -> Option<&[u8]> {
        self.iter()
            .filter(|(field, _)| field.eq_ignore_ascii_case(name))
            .nth(nth)
            .map(|(_, value)| value.as_bytes())
    }
}

impl<T: HeaderLookup + ?Sized> HeaderLookup for &T {
    fn header(&self, name: &str, nth: usize) -> Option<&[u8]> {
        (**self).header(name, nth)
    }
}

/// One place where a credential may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialSource {
    /// A header field. With a scheme, its value is `<scheme> <credential>` (RFC 9110, 11.4) and a value with another
    /// scheme is no credential for us; without one, the whole value is the credential.
    Header {
        /// The field's name.
        name: String,
        /// The scheme, such as `Bearer` or `ApiKey`; compared without regard to case.
        scheme: Option<String>,
    },
    /// A query parameter. Neither keys nor tokens need percent-encoding, so none is undone: a credential has one spelling.
    Query {
        /// The parameter's name, byte for byte.
        name: String,
    },
}

impl CredentialSource {
    /// `Authorization: Bearer <credential>`.
    #[must_use]
    pub fn bearer() -> Self {
        Self::Header {
            name: "authorization".to_owned(),
            scheme: Some("Bearer".to_owned()),
        }
    }

    /// A header field that holds the credential and nothing else.
    #[must_use]
    pub fn header(name: &str) -> Self {
        Self::Header {
            name: name.to_ascii_lowercase(),
            scheme: None,
        }
    }

    /// Checks the names and brings header names to lower case. Returns what is wrong otherwise.
    pub(crate) fn checked(&self) -> Result<Self, &'static str> {
        match self {
            Self::Header { name, scheme } => {
                if !is_token(name) {
                    return Err("a header name must be a token of RFC 9110, 5.6.2");
                }
                if scheme.as_deref().is_some_and(|scheme| !is_token(scheme)) {
                    return Err("an authentication scheme must be a token of RFC 9110, 5.6.2");
                }
                Ok(Self::Header {
                    name: name.to_ascii_lowercase(),
                    scheme: scheme.clone(),
                })
            }
            Self::Query { name } => {
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
                if name.is_empty() || !name.bytes().all(plain) {
                    return Err("a query parameter for credentials must need no percent-encoding");
                }
                Ok(self.clone())
            }
        }
    }

    /// Whether this source reads the credential from that header line.
    pub(crate) fn takes_header(&self, field: &str, value: &[u8]) -> bool {
        match self {
            Self::Header { name, scheme } => {
                name.eq_ignore_ascii_case(field)
                    && scheme
                        .as_deref()
                        .is_none_or(|scheme| after_scheme(value, scheme).is_some())
            }
            Self::Query { .. } => false,
        }
    }

    /// Whether this source reads the credential from that query parameter.
    pub(crate) fn takes_parameter(&self, parameter: &[u8]) -> bool {
        matches!(self, Self::Query { name } if name.as_bytes() == parameter)
    }

    fn find<'a>(&self, request: &AuthRequest<'a>) -> Result<Option<&'a [u8]>, Duplicate> {
        match self {
            Self::Header { name, scheme } => {
                let Some(value) = request.headers.header(name, 0) else {
                    return Ok(None);
                };
                // Whatever their schemes: whoever reads the other line sees another caller than we do.
                if request.headers.header(name, 1).is_some() {
                    return Err(Duplicate);
                }
                Ok(match scheme {
                    Some(scheme) => after_scheme(value, scheme),
                    None => Some(value),
                })
            }
            Self::Query { name } => {
                let mut found = parameters(request.query.unwrap_or_default())
                    .filter(|(parameter, _)| *parameter == name.as_bytes());
                let value = found.next().map(|(_, value)| value);
                if found.next().is_some() {
                    Err(Duplicate)
                } else {
                    Ok(value)
                }
            }
        }
    }
}

/// The request carries the credential twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Duplicate;

/// Finds the one credential that any of the sources yields.
pub(crate) fn find_credential<'a>(
    sources: &[CredentialSource],
    request: &AuthRequest<'a>,
) -> Result<Option<&'a [u8]>, Duplicate> {
    let mut credential = None;
    for source in sources {
        if let Some(found) = source.find(request)?
            && credential.replace(found).is_some()
        {
            return Err(Duplicate);
        }
    }
    Ok(credential)
}

/// The query without the parameters that `strip` names; `None` where nothing was to be removed.
pub(crate) fn strip_query(query: &[u8], strip: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    if !parameters(query).any(|(name, _)| strip(name)) {
        return None;
    }
    let kept: Vec<&[u8]> = query
        .split(|&byte| byte == b'&')
        .filter(|pair| !strip(name_and_value(pair).0))
        .collect();
    Some(kept.join(&b'&'))
}

fn parameters(query: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    query.split(|&byte| byte == b'&').map(name_and_value)
}

fn name_and_value(pair: &[u8]) -> (&[u8], &[u8]) {
    match pair.iter().position(|&byte| byte == b'=') {
        Some(at) => {
            let (name, rest) = pair.split_at(at);
            (name, rest.get(1..).unwrap_or_default())
        }
        None => (pair, &[]),
    }
}

/// What stands after `<scheme> `, or `None` where the value has another scheme.
fn after_scheme<'a>(value: &'a [u8], scheme: &str) -> Option<&'a [u8]> {
    let (head, rest) = value.split_at_checked(scheme.len())?;
    if !head.eq_ignore_ascii_case(scheme.as_bytes()) {
        return None;
    }
    match rest.first() {
        // The scheme alone is a credential of this scheme, an empty one.
        None => Some(rest),
        Some(b' ') => Some(rest.trim_ascii_start()),
        Some(_) => None,
    }
}

/// A token of RFC 9110, 5.6.2.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// A text that is neither `header:<name>`, `header:<name>:<scheme>` nor `query:<name>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected header:<name>, header:<name>:<scheme> or query:<name>")]
pub struct UnknownSource;

impl FromStr for CredentialSource {
    type Err = UnknownSource;

    fn from_str(text: &str) -> Result<Self, UnknownSource> {
        let mut parts = text.split(':');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("header"), Some(name), scheme, None) => Ok(Self::Header {
                name: name.to_ascii_lowercase(),
                scheme: scheme.map(str::to_owned),
            }),
            (Some("query"), Some(name), None, None) => Ok(Self::Query {
                name: name.to_owned(),
            }),
            _ => Err(UnknownSource),
        }
    }
}
