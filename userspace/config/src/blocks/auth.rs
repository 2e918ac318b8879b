//! How callers prove who they are.

use crate::block::{block, one_of, words};
use crate::diagnostic::{Diagnostic, Kind, Spanned};
use crate::document::{Node, Value};
use crate::reader::Reader;
use crate::setting::{Book, Setting};
use crate::values::{ClaimName, FilePath, HeaderName, InputFile, Named, OneOrMore, SecretRef, Url};
use serde_json::{Value as Json, json};
use std::time::Duration;

one_of! {
    /// One way to prove who a caller is. Routes refer to it by its name.
    pub enum AuthMethod {
        /// A signed token in the Authorization header (RFC 7519).
        "jwt": Jwt(Jwt),
        /// A key that `bascule key create` made.
        "api_key": ApiKey(ApiKey),
    }
}

words! {
    /// How a token is signed (RFC 7518, RFC 8037).
    pub enum TokenAlgorithm {
        /// RSA PKCS #1 v1.5 with SHA-256.
        Rs256 = "RS256",
        /// RSA PKCS #1 v1.5 with SHA-384.
        Rs384 = "RS384",
        /// RSA PKCS #1 v1.5 with SHA-512.
        Rs512 = "RS512",
        /// RSA PSS with SHA-256.
        Ps256 = "PS256",
        /// RSA PSS with SHA-384.
        Ps384 = "PS384",
        /// RSA PSS with SHA-512.
        Ps512 = "PS512",
        /// ECDSA on P-256 with SHA-256.
        Es256 = "ES256",
        /// ECDSA on P-384 with SHA-384.
        Es384 = "ES384",
        /// ECDSA on P-521 with SHA-512.
        Es512 = "ES512",
        /// Ed25519.
        EdDsa = "EdDSA",
        /// HMAC with SHA-256: everybody who can check a token can make one.
        Hs256 = "HS256",
        /// HMAC with SHA-384.
        Hs384 = "HS384",
        /// HMAC with SHA-512.
        Hs512 = "HS512",
    }
}

impl TokenAlgorithm {
    /// Whether the key that checks is also the key that signs.
    #[must_use]
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }

    /// The shortest secret in bytes (RFC 7518, 3.2); 0 where the keys are public.
    const fn min_secret(self) -> usize {
        match self {
            Self::Hs256 => 32,
            Self::Hs384 => 48,
            Self::Hs512 => 64,
            _ => 0,
        }
    }
}

block! {
    /// JSON Web Tokens: who made them, for whom, and with which keys they are checked.
    #[check(check_jwt)]
    pub struct Jwt {
        /// The issuers that are accepted: the claim `iss` of a token must be one of them, exactly.
        issuer: OneOrMore<String>;
        /// The audiences that are accepted: the claim `aud` of a token must have one of them.
        audience: OneOrMore<String>;
        /// The algorithms that are accepted; a token with another one is refused, whatever its header says. Left out: all
        /// that fit the keys, which is RS256, PS256, ES256 and EdDSA with `jwks`, HS256 with `secret`.
        algorithms: Vec<Spanned<TokenAlgorithm>> = Vec::new();
        /// The public keys of the issuer. Excludes `secret`.
        jwks: Option<Jwks> = None;
        /// The shared secret of HS256, HS384 or HS512, at least 32, 48 or 64 bytes. Excludes `jwks`.
        secret: Option<SecretRef> = None;
        /// Scopes that a token must have, all of them, in the claim `scope` or `scp`. Without: 403.
        scopes: Vec<Spanned<String>> = Vec::new();
        /// What other claims must be: a value, a list of which one must fit, or `{ present: true }`. A claim is named by its
        /// name or by a JSON pointer such as `/realm_access/roles`; of a claim that is a list, one element must fit.
        /// Otherwise: 403.
        required_claims: Named<ClaimRule, ClaimName> = Named::default();
        /// The claim that names the consumer in logs and limits. Left out: `sub`.
        consumer_claim: Option<String> = None;
        /// Whether the endpoint gets the token too.
        forward: bool = true;
        /// How far the clocks may differ: added to `exp`, taken from `nbf`.
        leeway: Duration = Duration::from_secs(30), within Duration::from_secs(0)..=Duration::from_secs(600);
    }
}

impl Jwt {
    /// The algorithms that are accepted, with the default filled in.
    #[must_use]
    pub fn accepted(&self) -> Vec<TokenAlgorithm> {
        match (self.algorithms.is_empty(), self.secret.is_some()) {
            (false, _) => self
                .algorithms
                .iter()
                .map(|algorithm| algorithm.value)
                .collect(),
            (true, true) => vec![TokenAlgorithm::Hs256],
            (true, false) => vec![
                TokenAlgorithm::Rs256,
                TokenAlgorithm::Ps256,
                TokenAlgorithm::Es256,
                TokenAlgorithm::EdDsa,
            ],
        }
    }
}

fn check_jwt(jwt: &Jwt, node: &Node, reader: &mut Reader<'_>) {
    reader.exactly_one(node, &["jwks", "secret"]);
    check_scopes(&jwt.scopes, reader);
    for entry in &jwt.required_claims {
        let name = entry
            .name
            .as_str()
            .trim_start_matches('/')
            .split('/')
            .next()
            .unwrap_or_default();
        if ["iss", "aud", "exp", "nbf", "iat"].contains(&name) {
            let found = format!("the claim `{name}` is always checked");
            reader.report(
                Diagnostic::error(Kind::Conflict, entry.name.span, found).remedy(
                    "remove it here; `issuer` and `audience` say what `iss` and `aud` must be",
                ),
            );
        }
    }
    for (index, algorithm) in jwt.algorithms.iter().enumerate() {
        let (keys, remedy) = match (algorithm.is_symmetric(), jwt.jwks.is_some()) {
            (true, true) => ("jwks", "remove it: a public key must never check an HMAC"),
            (false, false) if jwt.secret.is_some() => {
                ("secret", "use `HS256`, or `jwks` with public keys")
            }
            _ => continue,
        };
        let found = format!("`{}` cannot be used with `{keys}`", algorithm.name());
        let path = format!("algorithms[{index}]");
        reader.within(path, |reader| {
            reader.report(Diagnostic::error(Kind::Conflict, algorithm.span, found).remedy(remedy));
        });
    }
    let shortest = jwt
        .accepted()
        .iter()
        .map(|algorithm| algorithm.min_secret())
        .max()
        .unwrap_or(0);
    if let Some(secret) = jwt
        .secret
        .as_ref()
        .filter(|secret| secret.secret.expose().len() < shortest)
    {
        let length = secret.secret.expose().len();
        reader.report(
            Diagnostic::error(
                Kind::Secret,
                secret.span,
                format!("the secret has {length} bytes"),
            )
            .expected(format!("at least {shortest} bytes (RFC 7518, 3.2)"))
            .remedy(format!(
                "make one with `openssl rand -hex {shortest}`, for both sides"
            )),
        );
    }
}

block! {
    /// A set of public keys (RFC 7517), from a URL or a file.
    #[check(check_jwks)]
    pub struct Jwks {
        /// Where it is fetched. Excludes `file`.
        url: Option<Spanned<Url>> = None;
        /// The file that has it; it is read again at each reload. Excludes `url`.
        file: Option<InputFile> = None;
        /// How often it is fetched again. When that fails, the old keys stay in use.
        refresh: Duration = Duration::from_secs(3600), within Duration::from_secs(60)..=Duration::from_secs(604_800);
        /// How long an unknown key id does not lead to another fetch after the last one, so that forged tokens cannot
        /// flood the issuer.
        cooldown: Duration = Duration::from_secs(300), within Duration::from_secs(1)..=Duration::from_secs(86_400);
        /// How old the keys may become while fetching fails. Older: they are not used, and tokens are answered with 503.
        max_stale: Duration = Duration::from_secs(86_400), within Duration::from_secs(60)..=Duration::from_secs(2_592_000);
    }
}

fn check_jwks(jwks: &Jwks, node: &Node, reader: &mut Reader<'_>) {
    reader.exactly_one(node, &["url", "file"]);
    if let Some(url) = jwks
        .url
        .as_ref()
        .filter(|url| url.as_str().starts_with("http://"))
    {
        reader.report(
            Diagnostic::warning(
                Kind::Risky,
                url.span,
                "keys over plain HTTP can be replaced on their way",
            )
            .expected("`https://`, unless the issuer is on this host"),
        );
    }
}

block! {
    /// API keys, kept as hashes in a file that `bascule key` manages.
    #[check(check_api_key)]
    pub struct ApiKey {
        /// The header field that has the key. Left out together with `query`: `x-api-key`.
        header: Option<HeaderName> = None;
        /// The query parameter that has the key. URLs end up in logs and histories: prefer the header.
        query: Option<Spanned<String>> = None;
        /// The file of hashes. Where it is not there yet, no key is accepted; `bascule key create` makes it.
        store: FilePath;
        /// What keys that `bascule key create` makes begin with, so that people and secret scanners recognise them.
        prefix: Spanned<String> = Spanned::new("bsc".to_owned(), crate::Span::default());
        /// Scopes that a key must have, all of them. Without: 403.
        scopes: Vec<Spanned<String>> = Vec::new();
        /// Whether the endpoint gets the key too.
        forward: bool = false;
    }
}

impl ApiKey {
    /// The header field that is looked at: `x-api-key` where neither a field nor a parameter is named.
    #[must_use]
    pub fn header_field(&self) -> Option<&str> {
        match (&self.header, &self.query) {
            (Some(header), _) => Some(header.as_str()),
            (None, None) => Some("x-api-key"),
            (None, Some(_)) => None,
        }
    }
}

fn check_api_key(key: &ApiKey, node: &Node, reader: &mut Reader<'_>) {
    let prefix = &key.prefix;
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let ends = prefix.starts_with(|c: char| c.is_ascii_lowercase()) && !prefix.ends_with('_');
    if !(2..=24).contains(&prefix.len()) || !ends || !prefix.bytes().all(letter) {
        reader.report(
            Diagnostic::error(
                Kind::BadValue,
                prefix.span,
                "this cannot be the prefix of a key",
            )
            .expected("2 to 24 lower-case letters, digits and `_`, beginning with a letter and not ending in `_`"),
        );
    }
    check_scopes(&key.scopes, reader);
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    if let Some(query) = key
        .query
        .as_ref()
        .filter(|query| query.len() > 64 || !query.bytes().all(unreserved))
    {
        reader.report(
            Diagnostic::error(
                Kind::BadValue,
                query.span,
                "this cannot be the name of the parameter",
            )
            .expected("1 to 64 letters, digits, `-`, `.`, `_` and `~`"),
        );
    }
    if reader
        .env
        .expect(&key.store.0, crate::FileKind::File)
        .is_err()
    {
        let found = format!(
            "the key store `{}` is not there: no key is accepted",
            key.store.0.display()
        );
        reader.report(
            Diagnostic::warning(Kind::File, node.span_of("store"), found)
                .remedy("make it with `bascule key create`"),
        );
    }
}

fn check_scopes(scopes: &[Spanned<String>], reader: &mut Reader<'_>) {
    let valid = |scope: &str| {
        scope
            .bytes()
            .all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
    };
    for scope in scopes.iter().filter(|scope| !valid(&scope.value)) {
        reader.report(
            Diagnostic::error(
                Kind::BadValue,
                scope.span,
                "this cannot be a scope (RFC 6749, 3.3)",
            )
            .expected("visible ASCII without spaces, quotes and backslashes")
            .remedy("write several scopes as a list"),
        );
    }
}

/// What a claim must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimRule {
    /// It must be there, and not null.
    Present,
    /// It must be one of these, or have one of these where it is a list.
    OneOf(Vec<ClaimValue>),
}

impl Setting for ClaimRule {
    fn expects() -> String {
        format!(
            "{}, a list of such, or `{{ present: true }}`",
            ClaimValue::expects()
        )
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if !matches!(node.value, Value::Map(_)) {
            return OneOrMore::read(node, reader).map(|values| Self::OneOf(values.0));
        }
        let pair = reader.one_key::<Self>(node, &["present"])?;
        match &pair.value.value {
            Value::Scalar { text, plain: true } if text == "true" => Some(Self::Present),
            _ => {
                reader.report(
                    Diagnostic::error(
                        Kind::BadValue,
                        pair.value.span,
                        "only `present: true` can be asked for",
                    )
                    .remedy("remove the claim where it may be missing"),
                );
                None
            }
        }
    }

    fn schema(book: &mut Book) -> Json {
        book.define("ClaimRule", |book| {
            let values = OneOrMore::<ClaimValue>::schema(book);
            let present = json!({
                "type": "object",
                "properties": { "present": { "const": true, "description": "It must be there, with any value." } },
                "required": ["present"],
                "additionalProperties": false,
            });
            json!({ "description": "What a claim must be.", "anyOf": [values, present] })
        })
    }

    fn json(&self) -> Json {
        match self {
            Self::Present => json!({ "present": true }),
            Self::OneOf(values) => values.json(),
        }
    }
}

/// The value of a claim: a text, a whole number or a boolean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimValue {
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// A boolean.
    Bool(bool),
}

impl Setting for ClaimValue {
    fn expects() -> String {
        "a text, a whole number, `true` or `false`".to_owned()
    }

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match (&node.value, node.noun()) {
            (Value::Scalar { .. }, "a number") => i64::read(node, reader).map(Self::Number),
            (Value::Scalar { .. }, "a boolean") => bool::read(node, reader).map(Self::Bool),
            (Value::Scalar { .. }, "a text" | "a quoted text") => {
                String::read(node, reader).map(Self::Text)
            }
            _ => {
                reader.wrong_type::<Self>(node);
                None
            }
        }
    }

    fn schema(_: &mut Book) -> Json {
        json!({ "type": ["string", "integer", "boolean"] })
    }

    fn json(&self) -> Json {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Number(number) => (*number).into(),
            Self::Bool(value) => (*value).into(),
        }
    }
}
