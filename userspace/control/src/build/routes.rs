//! Routes: the table, and what happens on each.

use super::Site;
use super::auth::Methods;
use super::waf::Policies;
use auth::{Mode, Policy};
use config::{AuthRule, HeaderCondition, PathPattern, Route, RouteWaf, WafMode};
use proxy::{Access, HeaderEdits, RoutePlan, WafPlan};
use route::{HeaderSpec, HeaderTest, PathSpec, RouteSpec, Table};
use std::sync::Arc;

/// What `WWW-Authenticate` shows as the protected space.
const REALM: &str = "api";

pub(super) fn build(
    site: &mut Site<'_>,
    policies: &Policies,
    methods: &Methods,
) -> Option<(Table, Vec<RoutePlan>)> {
    let config = site.config;
    let names = config.route_names();
    let specs: Vec<RouteSpec> = config
        .routes
        .iter()
        .zip(&names)
        .map(|(route, name)| spec(route, name))
        .collect();
    let plans: Vec<Option<RoutePlan>> = config
        .routes
        .iter()
        .zip(&names)
        .map(|(route, name)| plan(site, route, name, policies, methods))
        .collect();
    let table = match Table::build(specs) {
        Ok(table) => Some(table),
        Err(errors) => {
            for error in errors {
                let place = names.iter().position(|name| error.names(name));
                let route = place.and_then(|at| config.routes.get(at));
                let span = route.map(|route| route.path.span).unwrap_or_default();
                site.error(span, error.to_string(), "");
            }
            None
        }
    };
    Some((table?, plans.into_iter().collect::<Option<_>>()?))
}

fn spec(route: &Route, name: &str) -> RouteSpec {
    RouteSpec {
        name: name.to_owned(),
        hosts: route.hosts().map(ToString::to_string).collect(),
        path: match &route.path.value {
            PathPattern::Prefix(path) => PathSpec::Prefix(path.clone()),
            PathPattern::Exact(path) => PathSpec::Exact(path.clone()),
            PathPattern::Template(path) => PathSpec::Template(path.clone()),
        },
        methods: route
            .methods
            .iter()
            .map(|method| method.to_string())
            .collect(),
        headers: route
            .headers
            .iter()
            .map(|header| HeaderSpec {
                name: header.name.to_string(),
                test: match header.condition() {
                    HeaderCondition::Equals(value) => HeaderTest::Equals(value.to_owned()),
                    HeaderCondition::Prefix(value) => HeaderTest::Prefix(value.to_owned()),
                    HeaderCondition::Present => HeaderTest::Present,
                    HeaderCondition::Absent => HeaderTest::Absent,
                },
            })
            .collect(),
        priority: route.priority.as_ref().map(|priority| priority.value),
    }
}

fn plan(
    site: &mut Site<'_>,
    route: &Route,
    name: &str,
    policies: &Policies,
    methods: &Methods,
) -> Option<RoutePlan> {
    let config = site.config;
    let auth = match &route.auth {
        Some(rule) => Some(policy(site, rule, methods)?),
        None => None,
    };
    let waf = match &route.waf {
        Some(waf) => inspection(site, waf, policies)?,
        None => None,
    };
    let headers = &route.request_headers;
    Some(RoutePlan {
        name: name.into(),
        // An unknown name is an error of the configuration already.
        upstream: config.upstreams.index(route.upstream.as_str())?,
        access: Access {
            allow: route.allow.clone(),
            deny: route.deny.clone(),
        },
        waf,
        auth,
        body_limit: route.body_limit.unwrap_or(config.limits.body_bytes).0,
        response_timeout: route.timeouts.response.unwrap_or(config.timeouts.response),
        total_timeout: route.timeouts.total.unwrap_or(config.timeouts.total),
        request_headers: HeaderEdits {
            set: headers
                .set
                .iter()
                .map(|entry| {
                    (
                        entry.name.to_string(),
                        entry.value.as_str().as_bytes().to_vec(),
                    )
                })
                .collect(),
            remove: headers.remove.iter().map(|name| name.to_string()).collect(),
        },
    })
}

fn policy(site: &mut Site<'_>, rule: &AuthRule, methods: &Methods) -> Option<Arc<Policy>> {
    let mode = match rule {
        AuthRule::One(_) | AuthRule::Any(_) => Mode::AnyOf,
        AuthRule::All(_) => Mode::AllOf,
    };
    let methods = rule
        .names()
        .iter()
        .map(|name| methods.get(name.as_str()).cloned())
        .collect::<Option<Vec<_>>>()?;
    match Policy::new(mode, REALM, methods) {
        Ok(policy) => Some(Arc::new(policy)),
        Err(error) => {
            let span = rule.names().first().map(|name| name.span);
            site.error(span.unwrap_or_default(), error.to_string(), "");
            None
        }
    }
}

/// `Some(None)`: the WAF is off here.
#[allow(
    clippy::option_option,
    reason = "a policy that failed to build is neither on nor off"
)]
fn inspection(site: &mut Site<'_>, waf: &RouteWaf, policies: &Policies) -> Option<Option<WafPlan>> {
    let policy = policies.get(waf.policy.as_str())?;
    let mode = match waf.mode.unwrap_or(policy.mode) {
        WafMode::Off => return Some(None),
        WafMode::Detect => waf::Mode::Detect,
        WafMode::Block => waf::Mode::Block,
    };
    if policy.rules.load().detection_rules() == 0 {
        let found = format!(
            "the WAF is on, but policy `{}` detects nothing",
            waf.policy.as_str()
        );
        let remedy = "load rules that detect something (`rules: shipped`), or set `mode: off`";
        site.error(waf.policy.span, found, remedy);
        return None;
    }
    Some(Some(WafPlan {
        policy: waf.policy.as_str().into(),
        rules: Arc::clone(&policy.rules),
        mode,
        audit: policy.audit.clone(),
        compressed: policy.compressed,
        shadow: policy.shadow.clone(),
    }))
}
