//! Header and trailer fields as spans, and the ids of the names that we care about.

use crate::span::Span;

macro_rules! known {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A field name that some room asks for, so that nobody compares names twice.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        #[allow(missing_docs, reason = "the variants are the names themselves")]
        pub enum Known { $($variant,)* }

        impl Known {
            /// All of them.
            pub const ALL: &'static [Known] = &[$(Known::$variant,)*];

            /// The name as we write it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Known::$variant => $name,)* }
            }
        }
    };
}

known! {
    Host = "Host",
    ContentLength = "Content-Length",
    TransferEncoding = "Transfer-Encoding",
    Connection = "Connection",
    KeepAlive = "Keep-Alive",
    ProxyConnection = "Proxy-Connection",
    Te = "TE",
    Trailer = "Trailer",
    Upgrade = "Upgrade",
    Http2Settings = "HTTP2-Settings",
    Expect = "Expect",
    MaxForwards = "Max-Forwards",
    Via = "Via",
    Forwarded = "Forwarded",
    XForwardedFor = "X-Forwarded-For",
    XForwardedProto = "X-Forwarded-Proto",
    XForwardedHost = "X-Forwarded-Host",
    XForwardedPort = "X-Forwarded-Port",
    XRealIp = "X-Real-IP",
    XRequestId = "X-Request-Id",
    Traceparent = "traceparent",
    Tracestate = "tracestate",
    Authorization = "Authorization",
    ProxyAuthorization = "Proxy-Authorization",
    ProxyAuthenticate = "Proxy-Authenticate",
    WwwAuthenticate = "WWW-Authenticate",
    Cookie = "Cookie",
    SetCookie = "Set-Cookie",
    ContentType = "Content-Type",
    ContentEncoding = "Content-Encoding",
    ContentLanguage = "Content-Language",
    ContentLocation = "Content-Location",
    ContentRange = "Content-Range",
    ContentDisposition = "Content-Disposition",
    UserAgent = "User-Agent",
    Accept = "Accept",
    AcceptEncoding = "Accept-Encoding",
    AcceptLanguage = "Accept-Language",
    AcceptCharset = "Accept-Charset",
    Origin = "Origin",
    Referer = "Referer",
    Range = "Range",
    IfMatch = "If-Match",
    IfNoneMatch = "If-None-Match",
    IfModifiedSince = "If-Modified-Since",
    IfUnmodifiedSince = "If-Unmodified-Since",
    IfRange = "If-Range",
    CacheControl = "Cache-Control",
    Pragma = "Pragma",
    Proxy = "Proxy",
    Age = "Age",
    Allow = "Allow",
    Date = "Date",
    ETag = "ETag",
    Expires = "Expires",
    LastModified = "Last-Modified",
    Location = "Location",
    RetryAfter = "Retry-After",
    Server = "Server",
    Vary = "Vary",
    Warning = "Warning",
}

/// Slots of the name table: about four times as many as names, so that most names are found at the first look.
const SLOTS: usize = 256;

/// A table of ids by a hash of their names. An empty slot ends the search.
static BY_NAME: [Option<Known>; SLOTS] = {
    let mut slots = [None; SLOTS];
    let mut at = 0;
    while at < Known::ALL.len() {
        let mut slot = slot_of(Known::ALL[at].name().as_bytes());
        while slots[slot].is_some() {
            slot = (slot + 1) % SLOTS;
        }
        slots[slot] = Some(Known::ALL[at]);
        at += 1;
    }
    slots
};

/// Where the search for a name begins: the same for upper and lower case.
#[inline]
const fn slot_of(name: &[u8]) -> usize {
    let len = name.len();
    if len == 0 {
        return 0;
    }
    let first = (name[0] | 0x20) as usize;
    let middle = (name[len / 2] | 0x20) as usize;
    let last = (name[len - 1] | 0x20) as usize;
    (len * 31 + first * 7 + middle * 3 + last * 17) % SLOTS
}

impl Known {
    /// Reads a name in any case.
    #[must_use]
    pub fn of(name: &[u8]) -> Option<Known> {
        let mut slot = slot_of(name);
        while let Some(known) = BY_NAME[slot] {
            let candidate = known.name().as_bytes();
            // Nearly every client writes names as we do, and the plain comparison is the cheaper one.
            if name == candidate || name.eq_ignore_ascii_case(candidate) {
                return Some(known);
            }
            slot = (slot + 1) % SLOTS;
        }
        None
    }

    /// Reads a name in which some underscores may stand for dashes. CGI and its heirs turn both into `_`, so to such
    /// an endpoint `X_Forwarded_For` is `X-Forwarded-For`.
    #[must_use]
    pub fn of_lookalike(name: &[u8]) -> Option<Known> {
        /// Longer names are no name of ours.
        const LONGEST: usize = 32;
        let mut dashed = [0u8; LONGEST];
        let dashed = dashed.get_mut(..name.len())?;
        dashed.copy_from_slice(name);
        for byte in dashed.iter_mut().filter(|byte| **byte == b'_') {
            *byte = b'-';
        }
        Self::of(dashed)
    }

    /// Whether the field belongs to one connection and is never sent on (RFC 9110, 7.6.1, and what implementations
    /// treat alike). Framing fields are in it: the next hop gets our own.
    #[must_use]
    pub const fn is_hop_by_hop(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::KeepAlive
                | Self::ProxyConnection
                | Self::Te
                | Self::Trailer
                | Self::TransferEncoding
                | Self::Upgrade
                | Self::Http2Settings
                | Self::ContentLength
                | Self::ProxyAuthorization
                | Self::ProxyAuthenticate
        )
    }
}

/// One field of a head: where its name and its value are. The value has no white space at its ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name, as sent.
    pub name: Span,
    /// The value, as sent.
    pub value: Span,
    /// The id of the name, if it is one that we care about.
    pub known: Option<Known>,
}

/// One field of a head with its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name, as sent. A token (RFC 9110, 5.1), so it is ASCII.
    pub name: &'a [u8],
    /// The value, as sent: visible bytes, spaces, tabs and opaque bytes from 0x80 up.
    pub value: &'a [u8],
    /// The id of the name, if it is one that we care about.
    pub known: Option<Known>,
}

impl Header<'_> {
    /// Whether the name is this one, in any case.
    #[must_use]
    pub const fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The fields of a head together with the buffer they point into.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    pub(crate) fields: &'a [Field],
    pub(crate) bytes: &'a [u8],
}

impl<'a> Fields<'a> {
    /// All fields, in the order in which they came.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = Header<'a>> + ExactSizeIterator {
        self.fields.iter().map(move |field| Header {
            name: field.name.slice(self.bytes),
            value: field.value.slice(self.bytes),
            known: field.known,
        })
    }

    /// How many there are.
    #[must_use]
    pub const fn len(self) -> usize {
        self.fields.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.fields.is_empty()
    }

    /// The value of the first field with this id.
    #[must_use]
    pub fn get(self, known: Known) -> Option<&'a [u8]> {
        self.fields
            .iter()
            .find(|field| field.known == Some(known))
            .map(|field| field.value.slice(self.bytes))
    }

    /// The values of all fields with this id, in order.
    pub fn all(self, known: Known) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        self.fields
            .iter()
            .filter(move |field| field.known == Some(known))
            .map(move |field| field.value.slice(self.bytes))
    }

    /// The value of the first field with this name, in any case.
    #[must_use]
    pub fn find(self, name: &str) -> Option<&'a [u8]> {
        self.find_all(name).next()
    }

    /// The values of all fields with this name, in any case and in order.
    pub fn find_all(self, name: &str) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        self.iter()
            .filter(move |header| header.is(name))
            .map(|header| header.value)
    }
}
