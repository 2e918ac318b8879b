//! The claims of a token (RFC 7519, 4) and the rules that a policy has for them.

use crate::civil_time::YEAR_10000;
use crate::json::{self, Object};
use serde_json::Value;

/// The claims of a token whose types were checked. Whether their values are good is not known yet.
#[derive(Debug)]
pub struct Claims {
    /// `iss`
    pub issuer: Option<String>,
    /// `aud`; a single one is a list of one.
    pub audiences: Option<Vec<String>>,
    /// `exp`, in seconds since 1970, rounded down.
    pub expires: Option<u64>,
    /// `nbf`, in seconds since 1970, rounded down.
    pub not_before: Option<u64>,
    /// `iat`, in seconds since 1970, rounded down.
    pub issued_at: Option<u64>,
    others: Value,
}

/// A payload that is no set of claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimsError {
    /// No JSON object with unique members.
    #[error("expected a JSON object without duplicate members as claims")]
    NotAnObject,
    /// A registered claim has another type or range than RFC 7519, 4.1 gives it.
    #[error("claim {0} has the wrong type or is out of range")]
    Type(&'static str),
}

impl Claims {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`ClaimsError`]; it repeats no value.
    pub fn parse(payload: &[u8]) -> Result<Self, ClaimsError> {
        let mut members = json::parse_object(payload).map_err(|_| ClaimsError::NotAnObject)?;
        Ok(Self {
            issuer: take_text(&mut members, "iss")?,
            audiences: take_audiences(&mut members)?,
            expires: take_date(&mut members, "exp")?,
            not_before: take_date(&mut members, "nbf")?,
            issued_at: take_date(&mut members, "iat")?,
            others: Value::Object(members),
        })
    }

    /// A claim other than the five above, by name or, where the name begins with `/`, by JSON pointer (RFC 6901).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        if name.starts_with('/') {
            self.others.pointer(name)
        } else {
            self.others.get(name)
        }
    }

    /// A claim that is a text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// The scopes of a claim: a text with spaces between (RFC 8693, 4.2) or a list of texts. They come joined by single
    /// spaces; `None` where the claim is missing or neither.
    #[must_use]
    pub fn scopes(&self, name: &str) -> Option<String> {
        let scopes: Vec<&str> = match self.get(name)? {
            Value::String(text) => text.split(' ').filter(|scope| !scope.is_empty()).collect(),
            // An element with a space in it would be read as two: such a list is no list of scopes.
            Value::Array(elements) => elements
                .iter()
                .map(|element| {
                    element
                        .as_str()
                        .filter(|text| !text.is_empty() && !text.contains(' '))
                })
                .collect::<Option<_>>()?,
            _ => return None,
        };
        Some(scopes.join(" "))
    }
}

fn take_text(members: &mut Object, name: &'static str) -> Result<Option<String>, ClaimsError> {
    match members.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(ClaimsError::Type(name)),
    }
}

fn take_audiences(members: &mut Object) -> Result<Option<Vec<String>>, ClaimsError> {
    match members.remove("aud") {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(vec![text])),
        Some(Value::Array(elements)) => elements
            .into_iter()
            .map(|element| match element {
                Value::String(text) => Ok(text),
                _ => Err(ClaimsError::Type("aud")),
            })
            .collect::<Result<_, _>>()
            .map(Some),
        Some(_) => Err(ClaimsError::Type("aud")),
    }
}

/// A `NumericDate`: seconds since 1970, fractions allowed (RFC 7519, 2), up to the year 9999.
fn take_date(members: &mut Object, name: &'static str) -> Result<Option<u64>, ClaimsError> {
    let Some(value) = members.remove(name) else {
        return Ok(None);
    };
    let wrong = ClaimsError::Type(name);
    let seconds = match (value.as_u64(), value.as_f64()) {
        (Some(seconds), _) => seconds,
        (None, Some(fraction)) if (0.0..1e12).contains(&fraction) => {
            // In this range the conversion is exact but for the fraction.
            std::time::Duration::try_from_secs_f64(fraction)
                .map_err(|_| wrong)?
                .as_secs()
        }
        _ => return Err(wrong),
    };
    if seconds >= YEAR_10000 {
        return Err(wrong);
    }
    Ok(Some(seconds))
}

/// What a policy asks of a claim. A token that does not meet it is answered with 403.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimRule {
    /// The claim's name, or a JSON pointer such as `/realm_access/roles`. `iss`, `aud`, `exp`, `nbf` and `iat` have
    /// settings of their own and cannot be named here.
    pub claim: String,
    /// What it must be.
    pub test: ClaimTest,
}

/// What a claim must be. Where the claim is a list, one of its elements must be it.
#[derive(Clone, Debug, PartialEq)]
pub enum ClaimTest {
    /// Present, and not null.
    Present,
    /// Equal to a value.
    Equals(ClaimValue),
    /// Equal to one of several values.
    OneOf(Vec<ClaimValue>),
}

/// A value that a claim is compared with. Types are not converted: `"1"` is not `1`.
#[derive(Clone, Debug, PartialEq)]
pub enum ClaimValue {
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// A truth value.
    Bool(bool),
}

impl ClaimRule {
    /// Whether the claims meet the rule.
    #[must_use]
    pub fn is_met(&self, claims: &Claims) -> bool {
        let Some(value) = claims.get(&self.claim) else {
            return false;
        };
        match &self.test {
            ClaimTest::Present => !value.is_null(),
            ClaimTest::Equals(wanted) => wanted.matches(value),
            ClaimTest::OneOf(wanted) => wanted.iter().any(|wanted| wanted.matches(value)),
        }
    }
}

impl ClaimValue {
    fn matches(&self, value: &Value) -> bool {
        match value {
            Value::Array(elements) => elements.iter().any(|element| self.equals(element)),
            single => self.equals(single),
        }
    }

    fn equals(&self, value: &Value) -> bool {
        match self {
            Self::Text(wanted) => value.as_str() == Some(wanted),
            Self::Number(wanted) => value.as_i64() == Some(*wanted),
            Self::Bool(wanted) => value.as_bool() == Some(*wanted),
        }
    }
}

#[cfg(test)]
mod tests;
