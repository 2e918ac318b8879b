//! What is measured.

use std::fmt;

/// Open connections of the load generator.
pub(super) const CONNECTIONS: usize = 64;

/// One kind of load: GET with keep-alive over [`CONNECTIONS`] connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) tls: bool,
    pub(super) body_bytes: usize,
    pub(super) asks: Asks,
}

/// What a request is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// A line and a host: what costs next to nothing to read or inspect.
    Barely,
    /// As browsers do: twelve headers, three cookies, two arguments that are new in each request.
    LikeBrowsers,
}

impl Case {
    /// What a browser asks for; the case to measure a WAF by.
    pub(super) const BROWSER: Self = Self {
        tls: false,
        body_bytes: 1024,
        asks: Asks::LikeBrowsers,
    };

    pub(super) fn all() -> impl Iterator<Item = Self> {
        let bare = [false, true].into_iter().flat_map(|tls| {
            [0, 1024, 64 * 1024].map(|body_bytes| Self {
                tls,
                body_bytes,
                asks: Asks::Barely,
            })
        });
        bare.chain([Self::BROWSER])
    }

    /// Its name on the command line.
    pub(super) fn name(self) -> String {
        let kind = match (self.asks, self.tls) {
            (Asks::LikeBrowsers, _) => "browser",
            (Asks::Barely, true) => "tls",
            (Asks::Barely, false) => "plain",
        };
        match self.body_bytes {
            0 => format!("{kind}-0"),
            bytes => format!("{kind}-{}k", bytes / 1024),
        }
    }

    pub(super) fn path(self) -> String {
        format!("/bytes/{}", self.body_bytes)
    }

    /// The script under `benches/load` that makes wrk send it.
    pub(super) fn script(self) -> &'static str {
        match self.asks {
            Asks::Barely => "report.lua",
            Asks::LikeBrowsers => "browser.lua",
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match (self.asks, self.tls) {
            (Asks::LikeBrowsers, _) => "browser",
            (Asks::Barely, true) => "TLS 1.3",
            (Asks::Barely, false) => "plain",
        };
        let text = match self.body_bytes {
            0 => format!("{kind}, 0 B"),
            bytes => format!("{kind}, {} KB", bytes / 1024),
        };
        f.pad(&text)
    }
}
