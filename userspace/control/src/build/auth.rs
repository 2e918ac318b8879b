//! Ways to prove who a caller is: key stores, key sets, methods.

use super::{KeySource, Site};
use auth::{
    ApiKeySpec, Audience, ClaimRule, ClaimTest, ClaimValue, CredentialSource, JwkSet, JwtSpec,
    KeyFile, KeySetHandle, KeySetTimes, KeyStoreHandle, Method, Origin,
};
use config::{ApiKey, AuthMethod, Jwks, Jwt, Span};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

pub(super) type Methods = HashMap<String, Arc<Method>>;

pub(super) fn build(site: &mut Site<'_>) -> (Methods, Vec<KeySource>) {
    let config = site.config;
    let mut methods = Methods::new();
    let mut sources = Vec::new();
    for entry in &config.auth {
        let name = entry.name.as_str();
        let span = entry.name.span;
        let method = match &entry.value {
            AuthMethod::ApiKey(key) => api_key(site, name, key, span),
            AuthMethod::Jwt(jwt) => token(site, name, jwt, span, &mut sources),
        };
        methods.extend(method.map(|method| (name.to_owned(), method)));
    }
    (methods, sources)
}

fn api_key(site: &mut Site<'_>, name: &str, key: &ApiKey, span: Span) -> Option<Arc<Method>> {
    let path = key.store.0.clone();
    let handle = (name.to_owned(), path.clone());
    let store = site
        .before
        .key_stores
        .get(&handle)
        .map_or_else(|| KeyStoreHandle::new(name), Arc::clone);
    site.files.insert(path.clone());
    // A store that is not there yet is a warning of the configuration: every key is refused until it is.
    if path.exists() {
        let bytes = site.read(&path, span)?;
        match KeyFile::parse(&bytes) {
            Ok(file) => site.key_files.push((Arc::clone(&store), file)),
            Err(error) => {
                let found = format!("key store `{}`: {error}", path.display());
                site.file_error(span, found, "`bascule key list` shows what it holds");
                return None;
            }
        }
    }
    site.after.key_stores.insert(handle, Arc::clone(&store));
    let sources = key
        .header_field()
        .map(CredentialSource::header)
        .into_iter()
        .chain(key.query.as_ref().map(|query| CredentialSource::Query {
            name: query.value.clone(),
        }))
        .collect();
    let spec = ApiKeySpec {
        sources,
        required_scopes: key.scopes.iter().map(|scope| scope.value.clone()).collect(),
        forward: key.forward,
    };
    accept(site, span, Method::api_key(store, spec))
}

fn token(
    site: &mut Site<'_>,
    name: &str,
    jwt: &Jwt,
    span: Span,
    sources: &mut Vec<KeySource>,
) -> Option<Arc<Method>> {
    let keys = match (&jwt.jwks, &jwt.secret) {
        (Some(jwks), _) => key_set(site, name, jwks, span, sources)?,
        (None, Some(secret)) => {
            let algorithm = jwt
                .accepted()
                .first()
                .and_then(|first| first.name().parse().ok())?;
            match JwkSet::from_secret(algorithm, &secret.secret) {
                Ok(set) => KeySetHandle::fixed(name, set, SystemTime::now()),
                Err(error) => {
                    site.error(secret.span, error.to_string(), "");
                    return None;
                }
            }
        }
        (None, None) => return None,
    };
    let spec = JwtSpec {
        algorithms: jwt
            .accepted()
            .iter()
            .filter_map(|name| name.name().parse().ok())
            .collect(),
        issuers: jwt.issuer.0.clone(),
        audience: Audience::OneOf(jwt.audience.0.clone()),
        leeway: jwt.leeway,
        consumer_claim: jwt.consumer_claim.clone(),
        required_scopes: jwt.scopes.iter().map(|scope| scope.value.clone()).collect(),
        required_claims: jwt
            .required_claims
            .iter()
            .map(|entry| claim_rule(entry.name.as_str(), &entry.value))
            .collect(),
        forward: jwt.forward,
        ..JwtSpec::default()
    };
    accept(site, span, Method::jwt(name, keys, spec))
}

fn accept(
    site: &mut Site<'_>,
    span: Span,
    method: Result<Arc<Method>, auth::SpecError>,
) -> Option<Arc<Method>> {
    method
        .map_err(|error| site.error(span, error.to_string(), ""))
        .ok()
}

fn key_set(
    site: &mut Site<'_>,
    name: &str,
    jwks: &Jwks,
    span: Span,
    sources: &mut Vec<KeySource>,
) -> Option<Arc<KeySetHandle>> {
    let Some(url) = &jwks.url else {
        let file = jwks.file.as_ref()?;
        let text = site.read(&file.path, file.span)?;
        return match JwkSet::parse(&text, Origin::File) {
            Ok(set) => {
                warn_of_skipped(site, &set, span);
                Some(KeySetHandle::fixed(name, set, SystemTime::now()))
            }
            Err(error) => {
                let found = format!("key set `{}`: {error}", file.path.display());
                site.file_error(file.span, found, "");
                None
            }
        };
    };
    let times = KeySetTimes {
        cooldown: jwks.cooldown,
        refresh: jwks.refresh,
        max_stale: jwks.max_stale,
    };
    // The same keys go on over reloads: fetched once, with one cooldown.
    let identity = format!("{name} {url} {times:?}", url = url.as_str());
    let kept = site.before.key_sets.get(&identity);
    let keys = kept.map_or_else(|| KeySetHandle::remote(name, times), Arc::clone);
    site.after.key_sets.insert(identity, Arc::clone(&keys));
    sources.push(KeySource {
        keys: Arc::clone(&keys),
        url: url.as_str().to_owned(),
    });
    Some(keys)
}

fn warn_of_skipped(site: &mut Site<'_>, set: &JwkSet, span: Span) {
    for skipped in set.skipped() {
        site.warning(
            span,
            format!("a key of the set is not used: {skipped:?}"),
            "",
        );
    }
}

fn claim_rule(claim: &str, rule: &config::ClaimRule) -> ClaimRule {
    let value = |value: &config::ClaimValue| match value {
        config::ClaimValue::Text(text) => ClaimValue::Text(text.clone()),
        config::ClaimValue::Number(number) => ClaimValue::Number(*number),
        config::ClaimValue::Bool(flag) => ClaimValue::Bool(*flag),
    };
    let test = match rule {
        config::ClaimRule::Present => ClaimTest::Present,
        config::ClaimRule::OneOf(values) => ClaimTest::OneOf(values.iter().map(value).collect()),
    };
    ClaimRule {
        claim: claim.to_owned(),
        test,
    }
}
