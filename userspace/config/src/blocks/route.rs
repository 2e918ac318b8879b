//! Which requests go where, and what is done to them on their way.

use super::{PathPattern, RouteTimeouts, WafMode};
use crate::block::{block, one_of, optional_block};
use crate::diagnostic::{Diagnostic, Kind, Spanned};
use crate::document::Node;
use crate::reader::Reader;
use crate::values::{HeaderName, HeaderValue, HostPattern, Method, Name, Named, OneOrMore, Size};
use types::IpNet;

block! {
    /// Which requests go to which upstream, and what is checked before. Of several routes that match, the one with the
    /// lowest `priority` is taken, then the most specific one; two that are equal are an error.
    #[check(check)]
    #[label(label)]
    pub struct Route {
        /// Its name in logs and metrics. Left out: its host and path.
        name: Option<Spanned<Name>> = None;
        /// The host, or a list of hosts: `shop.example.com`, or `*.example.com` for every host below it, but not for
        /// `example.com` itself. Left out: every host.
        host: Option<OneOrMore<Spanned<HostPattern>>> = None;
        /// Which paths it serves.
        path: Spanned<PathPattern>;
        /// The methods; GET includes HEAD. Left out: all. Where a path has routes, but none for the method: 405.
        methods: Vec<Spanned<Method>> = Vec::new();
        /// What must be true of the header; each field at most once.
        headers: Vec<HeaderMatch> = Vec::new();
        /// Lower goes first. Routes without a priority come after all that have one, the most specific first.
        priority: Option<Spanned<i32>> = None, within -1_000_000..=1_000_000;
        /// The upstream that answers.
        upstream: Spanned<Name>;
        /// The WAF policy: its name, or a block that also sets the mode. Left out: no rule runs.
        waf: Option<RouteWaf> = None;
        /// Who may call: the name of a method under `auth`, or several. Left out: everybody.
        auth: Option<AuthRule> = None;
        /// Sources that may call. Left out: all. Others: 403.
        allow: Vec<IpNet> = Vec::new();
        /// Sources that may not call, even where `allow` has them: 403.
        deny: Vec<IpNet> = Vec::new();
        /// Times of this route, in the place of the global ones.
        timeouts: RouteTimeouts = RouteTimeouts::default();
        /// Largest body of a request, in the place of the listener's `body_bytes`. Larger: 413.
        body_limit: Option<Size> = None, within Size(0)..=Size(1 << 40);
        /// Changes to the header of the request before the endpoint gets it.
        request_headers: RequestHeaders = RequestHeaders::default();
    }
}

fn label(route: &Route) -> Option<String> {
    if let Some(name) = &route.name {
        return Some(name.to_string());
    }
    let methods: Vec<&str> = route.methods.iter().map(|method| method.as_str()).collect();
    let host = route
        .hosts()
        .next()
        .map_or_else(String::new, ToString::to_string);
    let space = if methods.is_empty() { "" } else { " " };
    Some(format!(
        "{}{space}{host}{}",
        methods.join(","),
        route.path.text()
    ))
}

fn check(route: &Route, _: &Node, reader: &mut Reader<'_>) {
    for (index, header) in route.headers.iter().enumerate() {
        let same = |other: &HeaderMatch| other.name.value == header.name.value;
        if route.headers.iter().take(index).any(same) {
            let found = format!("`{}` is named twice", header.name.value);
            reader.report(
                Diagnostic::error(Kind::Conflict, header.name.span, found)
                    .remedy("say all about a field in one entry"),
            );
        }
    }
}

impl Route {
    /// The hosts that it serves; none means every host.
    pub fn hosts(&self) -> impl Iterator<Item = &HostPattern> {
        self.host
            .iter()
            .flat_map(|hosts| &hosts.0)
            .map(|host| &host.value)
    }

    /// Its name; where it has none, its methods, first host and path. It may not be unique:
    /// [`crate::Config::route_names`] makes it so.
    #[must_use]
    pub fn label(&self) -> String {
        label(self).unwrap_or_default()
    }
}

block! {
    /// A header field that a request must have. Without `equals`, `prefix` and `present`, any value does.
    #[check(check_header)]
    pub struct HeaderMatch {
        /// The name of the field.
        name: Spanned<HeaderName>;
        /// The value that it must have, exactly.
        equals: Option<HeaderValue> = None;
        /// What its value must begin with.
        prefix: Option<HeaderValue> = None;
        /// `true`: it must be there; `false`: it must not.
        present: Option<bool> = None;
    }
}

/// What is asked of a header field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderCondition<'a> {
    /// It has this value.
    Equals(&'a str),
    /// Its value begins like this.
    Prefix(&'a str),
    /// It is there.
    Present,
    /// It is not there.
    Absent,
}

impl HeaderMatch {
    /// What is asked of the field.
    #[must_use]
    pub fn condition(&self) -> HeaderCondition<'_> {
        match (&self.equals, &self.prefix, self.present) {
            (Some(value), _, _) => HeaderCondition::Equals(value.as_str()),
            (None, Some(value), _) => HeaderCondition::Prefix(value.as_str()),
            (None, None, Some(false)) => HeaderCondition::Absent,
            (None, None, _) => HeaderCondition::Present,
        }
    }
}

fn check_header(_: &HeaderMatch, node: &Node, reader: &mut Reader<'_>) {
    if ["equals", "prefix", "present"]
        .iter()
        .any(|key| node.get(key).is_some())
    {
        reader.exactly_one(node, &["equals", "prefix", "present"]);
    }
}

block! {
    /// The WAF policy of a route. The name of the policy alone is short for the block.
    #[short(policy)]
    pub struct RouteWaf {
        /// The name of a policy under `waf`.
        policy: Spanned<Name>;
        /// What happens when a rule blocks. Left out: what the policy says.
        mode: Option<WafMode> = None;
    }
}

one_of! {
    /// Who may call: the name of a method under `auth`, or several of them.
    pub enum AuthRule {
        scalar {
            /// This method must succeed.
            One(Spanned<Name>)
        }
        /// One of these must succeed.
        "any_of": Any(OneOrMore<Spanned<Name>>),
        /// Every one of these must succeed.
        "all_of": All(OneOrMore<Spanned<Name>>),
    }
}

impl AuthRule {
    /// The names, in the order of the file.
    #[must_use]
    pub fn names(&self) -> &[Spanned<Name>] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Any(names) | Self::All(names) => &names.0,
        }
    }
}

optional_block! {
    /// Changes to the header of a request.
    #[check(check_request_headers)]
    pub struct RequestHeaders {
        /// Fields that get this value, whatever the client sent.
        set: Named<HeaderValue, HeaderName> = Named::default();
        /// Fields that are removed.
        remove: Vec<Spanned<HeaderName>> = Vec::new();
    }
}

/// Fields that frame the message or say who speaks: the proxy sets them itself.
const OWN_FIELDS: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

fn check_request_headers(headers: &RequestHeaders, _: &Node, reader: &mut Reader<'_>) {
    let set = headers.set.iter().map(|entry| &entry.name);
    for name in set
        .clone()
        .chain(&headers.remove)
        .filter(|name| OWN_FIELDS.contains(&name.as_str()))
    {
        let found = format!(
            "`{}` belongs to the connection, not to the request",
            name.value
        );
        reader.report(
            Diagnostic::error(Kind::Conflict, name.span, found)
                .remedy("remove it: the proxy sets it itself"),
        );
    }
    for name in &headers.remove {
        if set.clone().any(|other| other.value == name.value) {
            let found = format!("`{}` is set and removed", name.value);
            reader.report(
                Diagnostic::error(Kind::Conflict, name.span, found)
                    .remedy("remove it here: what is set replaces what the client sent"),
            );
        }
    }
}
