//! Building the table and looking things up in it.

use crate::error::{HeaderProblem, HostProblem, RouteError};
use crate::header::{HeaderLookup, Predicate, agree};
use crate::host::{Host, parents};
use crate::method::{Allow, MethodNames, MethodSet, is_method};
use crate::path::{Params, Pattern};
use crate::rank::{Entry, Ranked, Route, compare};
use crate::spec::RouteSpec;
use crate::trie::{NodeId, Rank, Trie, UNRANKED, Visitor};
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

/// The most entries of a table; a route has one for each of its hosts. More are a configuration error.
pub const MAX_ENTRIES: usize = 4_000_000;
/// Errors after which a build stops looking for more.
const MAX_ERRORS: usize = 100;

/// Routes, ready for lookups. Immutable; workers share it.
#[derive(Debug)]
pub struct Table {
    /// In the order of their specs.
    routes: Vec<Route>,
    /// In order of precedence: a rank is a place here.
    entries: Vec<Entry>,
    /// The tries of exact hosts. The standard library's hasher is keyed at random, so that nobody can choose hosts
    /// that collide.
    exact: HashMap<Box<[u8]>, NodeId>,
    /// The tries of wildcards, by the name behind `*.`.
    below: HashMap<Box<[u8]>, NodeId>,
    /// The most labels of a name in `below`: longer parents of a host are not looked up.
    below_labels: usize,
    /// The lowest rank of a wildcard's entry: whoever has found a lower one need not look at wildcards.
    below_best: Rank,
    /// The trie of routes for any host.
    any: Option<NodeId>,
    trie: Trie,
    pub(crate) methods: MethodNames,
}

/// What a lookup found.
#[derive(Clone, Copy, Debug)]
pub enum Lookup<'t> {
    /// The route that serves the request.
    Found {
        /// Its index in the list that the table was built from.
        route: usize,
        /// The parameters of its path.
        params: Params,
    },
    /// Routes match in all but the method: 405 (RFC 9110, 15.5.6).
    MethodNotAllowed {
        /// The methods that they do take, for the Allow field.
        allow: Allow<'t>,
    },
    /// No route matches: 404.
    NotFound,
}

impl Table {
    /// Checks routes, orders them and makes them ready for lookups. The results of lookups index `specs`.
    ///
    /// # Errors
    ///
    /// All that is wrong with the routes, up to a hundred errors.
    pub fn build(specs: Vec<RouteSpec>) -> Result<Self, Vec<RouteError>> {
        let mut checker = Checker::default();
        checker.check_names(&specs);
        for (index, spec) in specs.into_iter().enumerate() {
            checker.add(index, spec);
            if checker.errors.len() >= MAX_ERRORS {
                return Err(checker.errors);
            }
        }
        if checker.entries.len() > MAX_ENTRIES {
            checker
                .errors
                .push(RouteError::TooManyEntries(checker.entries.len()));
        }
        if !checker.errors.is_empty() {
            return Err(checker.errors);
        }
        checker.sort();
        checker.find_conflicts();
        if !checker.errors.is_empty() {
            return Err(checker.errors);
        }
        Ok(Self::assemble(checker))
    }

    fn assemble(checked: Checker) -> Self {
        let mut table = Self {
            routes: checked.routes,
            entries: checked.entries,
            exact: HashMap::new(),
            below: HashMap::new(),
            below_labels: 0,
            below_best: UNRANKED,
            any: None,
            trie: Trie::default(),
            methods: checked.methods,
        };
        for (rank, entry) in (0..).zip(&table.entries) {
            let trie = &mut table.trie;
            let root = match &entry.host {
                Host::Exact(name) => *table
                    .exact
                    .entry(name.as_bytes().into())
                    .or_insert_with(|| trie.root()),
                Host::Below(parent) => {
                    let labels = parent.split('.').count();
                    table.below_labels = table.below_labels.max(labels);
                    table.below_best = table.below_best.min(rank);
                    *table
                        .below
                        .entry(parent.as_bytes().into())
                        .or_insert_with(|| trie.root())
                }
                Host::Any => *table.any.get_or_insert_with(|| trie.root()),
            };
            trie.insert(root, &table.routes[entry.route as usize].pattern, rank);
        }
        table
    }

    /// Finds the route of a request.
    ///
    /// `host` is normalised (lower-case, without port and trailing dot; empty where the request names none), `path` is
    /// normalised and has no query. A path that does not begin with a slash (`OPTIONS *`) has no route. A route for
    /// GET serves HEAD as well.
    #[must_use]
    pub fn lookup(
        &self,
        host: &[u8],
        path: &[u8],
        method: &[u8],
        headers: &dyn HeaderLookup,
    ) -> Lookup<'_> {
        let Some(rest) = path.strip_prefix(b"/") else {
            return Lookup::NotFound;
        };
        let method = self.methods.find(method);
        let mut search = Search {
            table: self,
            method,
            headers,
            found: UNRANKED,
            allow: MethodSet::EMPTY,
        };
        if let Some(root) = self.exact.get(host) {
            self.trie.walk(*root, Some(rest), &mut search);
        }
        if search.found > self.below_best {
            for parent in parents(host, self.below_labels) {
                if let Some(root) = self.below.get(parent) {
                    self.trie.walk(*root, Some(rest), &mut search);
                }
            }
        }
        if let Some(root) = self.any {
            self.trie.walk(root, Some(rest), &mut search);
        }
        let Search { found, allow, .. } = search;
        if let Some(entry) = self.entries.get(found as usize) {
            let route = entry.route as usize;
            return Lookup::Found {
                route,
                params: self.routes[route].pattern.capture(path),
            };
        }
        if allow.is_empty() {
            Lookup::NotFound
        } else {
            Lookup::MethodNotAllowed {
                allow: self.methods.show(allow),
            }
        }
    }

    /// The name of a route.
    #[must_use]
    pub fn name(&self, route: usize) -> Option<&str> {
        self.routes.get(route).map(|route| &*route.name)
    }

    /// The names of a route's path parameters, in the order of [`Params::spans`].
    #[must_use]
    pub fn param_names(&self, route: usize) -> &[Box<str>] {
        self.routes
            .get(route)
            .map_or(&[], |route| &route.pattern.names)
    }

    /// How many routes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Whether there is no route.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// Every route on every one of its hosts, in order of precedence.
    pub fn order(&self) -> impl Iterator<Item = Ranked<'_>> {
        (0..).zip(&self.entries).map(|(rank, entry)| {
            let route = &self.routes[entry.route as usize];
            Ranked {
                table: self,
                rank,
                entry,
                route,
            }
        })
    }
}

/// One lookup.
struct Search<'t, 'r> {
    table: &'t Table,
    /// The request's method; empty where no route names it.
    method: MethodSet,
    headers: &'r dyn HeaderLookup,
    found: Rank,
    /// The methods of routes that match but for the method.
    allow: MethodSet,
}

impl Visitor for Search<'_, '_> {
    fn found(&self) -> Rank {
        self.found
    }

    fn visit(&mut self, ranks: &[Rank]) {
        for rank in ranks.iter().copied().take_while(|rank| *rank < self.found) {
            let route = &self.table.routes[self.table.entries[rank as usize].route as usize];
            if !route
                .headers
                .iter()
                .all(|predicate| predicate.matches(self.headers))
            {
                continue;
            }
            if route.methods.is_empty() || route.methods.overlaps(self.method) {
                self.found = rank;
                return;
            }
            self.allow = self.allow.union(route.methods);
        }
    }
}

/// Collects what is right and what is wrong with a list of routes.
#[derive(Default)]
struct Checker {
    routes: Vec<Route>,
    entries: Vec<Entry>,
    methods: MethodNames,
    errors: Vec<RouteError>,
}

impl Checker {
    fn check_names(&mut self, specs: &[RouteSpec]) {
        let mut seen = HashSet::new();
        for spec in specs {
            if !seen.insert(&*spec.name) {
                self.errors
                    .push(RouteError::DuplicateName(spec.name.clone()));
            }
        }
    }

    fn add(&mut self, index: usize, spec: RouteSpec) {
        let index = u32::try_from(index).unwrap_or(u32::MAX); // beyond MAX_ENTRIES, which is refused
        let mut hosts = HashSet::new();
        for text in &spec.hosts {
            match Host::parse(text) {
                Ok(host) if hosts.insert(host.clone()) => {
                    self.entries.push(Entry { route: index, host });
                }
                Ok(_) => self.host_error(&spec, text, HostProblem::Twice),
                Err(problem) => self.host_error(&spec, text, problem),
            }
        }
        if spec.hosts.is_empty() {
            self.entries.push(Entry {
                route: index,
                host: Host::Any,
            });
        }
        let mut methods = MethodSet::EMPTY;
        for method in &spec.methods {
            methods = methods.union(self.method(&spec, method));
        }
        let mut headers: Vec<Predicate> = Vec::new();
        for header in &spec.headers {
            let parsed = Predicate::parse(header).and_then(|predicate| {
                let twice = headers.iter().any(|other| other.name() == predicate.name());
                if twice {
                    Err(HeaderProblem::Twice)
                } else {
                    Ok(predicate)
                }
            });
            match parsed {
                Ok(predicate) => headers.push(predicate),
                Err(problem) => {
                    let header = header.name.clone();
                    self.errors.push(RouteError::Header {
                        route: spec.name.clone(),
                        header,
                        problem,
                    });
                }
            }
        }
        match Pattern::parse(&spec.path) {
            Ok(pattern) => self.routes.push(Route {
                name: spec.name.into(),
                pattern,
                headers: headers.into(),
                methods,
                priority: spec.priority,
            }),
            Err(problem) => {
                let path = spec.path.text().to_owned();
                self.errors.push(RouteError::Path {
                    route: spec.name,
                    path,
                    problem,
                });
            }
        }
    }

    fn host_error(&mut self, spec: &RouteSpec, host: &str, problem: HostProblem) {
        let route = spec.name.clone();
        self.errors.push(RouteError::Host {
            route,
            host: host.to_owned(),
            problem,
        });
    }

    fn method(&mut self, spec: &RouteSpec, method: &str) -> MethodSet {
        if !is_method(method) {
            let route = spec.name.clone();
            self.errors.push(RouteError::Method {
                route,
                method: method.to_owned(),
            });
            return MethodSet::EMPTY;
        }
        let mut add = |method| {
            self.methods.add(method).unwrap_or_else(|| {
                self.errors.push(RouteError::TooManyMethods);
                MethodSet::EMPTY
            })
        };
        let set = add(method);
        if method == "GET" {
            set.union(add("HEAD"))
        } else {
            set
        }
    }

    /// Sorts by precedence, and entries that could conflict next to each other.
    fn sort(&mut self) {
        let routes = &self.routes;
        let route = |entry: &Entry| &routes[entry.route as usize];
        self.entries.sort_by(|a, b| {
            compare((&a.host, route(a)), (&b.host, route(b)))
                .then_with(|| a.host.cmp(&b.host))
                .then_with(|| route(a).pattern.compare_shape(&route(b).pattern))
                .then_with(|| a.route.cmp(&b.route))
        });
    }

    fn find_conflicts(&mut self) {
        let routes = &self.routes;
        let same_place = |a: &Entry, b: &Entry| {
            let (x, y) = (&routes[a.route as usize], &routes[b.route as usize]);
            a.host == b.host
                && compare((&a.host, x), (&b.host, y)) == Ordering::Equal
                && x.pattern.compare_shape(&y.pattern) == Ordering::Equal
        };
        for group in self.entries.chunk_by(same_place) {
            for (place, entry) in group.iter().enumerate() {
                let first = &routes[entry.route as usize];
                for other in &group[place + 1..] {
                    let second = &routes[other.route as usize];
                    let methods =
                        first.methods.is_empty() || first.methods.overlaps(second.methods);
                    if !methods || !agree(&first.headers, &second.headers) {
                        continue;
                    }
                    self.errors.push(RouteError::Conflict {
                        first: first.name.to_string(),
                        second: second.name.to_string(),
                        host: entry.host.to_string(),
                        path: first.pattern.to_string(),
                    });
                    if self.errors.len() >= MAX_ERRORS {
                        return;
                    }
                }
            }
        }
    }
}
