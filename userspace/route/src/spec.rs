//! What the operator says about a route.

/// A route as it was configured. [`crate::Table::build`] checks it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteSpec {
    /// The name in errors, logs and metrics; unique in a table.
    pub name: String,
    /// The hosts it serves; empty, or `*`, for any host. `shop.example.com` is exact. `*.example.com` matches every
    /// name below `example.com`, however deep (`a.b.example.com` too), but not `example.com` itself.
    pub hosts: Vec<String>,
    /// The paths it serves.
    pub path: PathSpec,
    /// The methods it serves; empty for all. GET includes HEAD.
    pub methods: Vec<String>,
    /// What must be true of the request's header fields; each field name at most once.
    pub headers: Vec<HeaderSpec>,
    /// Lower goes first; routes without a priority come after all that have one.
    pub priority: Option<i32>,
}

/// The paths of a route. Paths are compared in their normal form; what is written here is brought to it (unreserved
/// characters decoded, all else that needs it percent-encoded).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathSpec {
    /// This path and no other: `/login` does not match `/login/`.
    Exact(String),
    /// Whatever begins with this, at a segment boundary: `/v1` matches `/v1`, `/v1/` and `/v1/a`, but not `/v10`.
    /// With a slash at its end it needs that slash: `/v1/` does not match `/v1`. `/` matches every path.
    Prefix(String),
    /// Segments, of which some are parameters. `{id}` stands for one segment that is not empty; `{rest*}` at the end
    /// for all that follows, slashes included, or for nothing: `/files/{rest*}` matches `/files/` and `/files/a/b`, but
    /// not `/files`.
    Template(String),
}

impl PathSpec {
    /// The text as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Exact(text) | Self::Prefix(text) | Self::Template(text) => text,
        }
    }
}

impl Default for PathSpec {
    fn default() -> Self {
        Self::Prefix("/".to_owned())
    }
}

/// A predicate on one header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderSpec {
    /// The field's name, in any case.
    pub name: String,
    /// What must be true of it.
    pub test: HeaderTest,
}

/// What must be true of a header field.
///
/// A field that stands in the request more than once is present, but equals nothing and begins with nothing: which of
/// its lines counts would be a guess.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderTest {
    /// It is there, with any value.
    Present,
    /// It is not there.
    Absent,
    /// It is there once, with exactly this value (case-sensitive).
    Equals(String),
    /// It is there once, with a value that begins so (case-sensitive).
    Prefix(String),
}
