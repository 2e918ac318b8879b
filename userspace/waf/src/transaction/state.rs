//! What a transaction remembers: the request, the response, and what rules made of them.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use seclang::ast::{AuditLogParts, AuditMode, BodyProcessor, EngineMode, Severity, Variable};

use super::gated::Decided;
use super::head::Head;
use super::hide::Hide;
use super::noted::Notes;
use super::persistent::OpenCollections;
use super::steady::Steady;
use super::{EngineError, Intervention};
use crate::body::{CodingError, Multipart};
use crate::plan::TxNames;
use crate::store::{Span, Store};

/// A name and what stands under it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pair {
    pub(crate) key: Span,
    pub(crate) value: Span,
}

/// Where an argument came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Query,
    Form,
    Json,
}

/// One of `ARGS`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Argument {
    pub(crate) key: Span,
    pub(crate) value: Span,
    pub(crate) source: Source,
}

/// An uploaded file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct File {
    pub(crate) field: Span,
    pub(crate) name: Span,
    /// Where its content begins in the body.
    pub(crate) start: usize,
    pub(crate) size: usize,
}

/// What the request body gave.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    pub(crate) args: Vec<Argument>,
    pub(crate) files: Vec<File>,
    pub(crate) part_headers: Vec<Pair>,
    /// The text of an XML document and its attributes, under their paths.
    pub(crate) xml: Vec<Pair>,
    /// The document, where a rule holds it against a grammar and it is well-formed.
    pub(crate) document: Option<schema::Document>,
    pub(crate) multipart: Multipart,
    /// What is wrong with the body: `REQBODY_ERROR_MSG`.
    pub(crate) error: Option<String>,
    pub(crate) urlencoded_error: bool,
}

/// The bit of a field's name: the same for names that differ in case alone.
pub(crate) fn name_bit(name: &[u8]) -> u64 {
    let letter = |byte: Option<&u8>| byte.map_or(0, |byte| usize::from(byte | 0x20));
    let mixed = name.len() * 5 + letter(name.first()) + letter(name.last()) * 3;
    1 << (mixed % 64)
}

/// Where method, protocol and fields lie one behind the other, each pair behind its lengths ([`Store::push_pair`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum HeadText {
    /// There is no field yet.
    #[default]
    Nowhere,
    Here(Span),
    /// Something lies between them.
    Scattered,
}

#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) line: Span,
    pub(crate) method: Span,
    pub(crate) target: Span,
    pub(crate) protocol: Span,
    pub(crate) uri: Span,
    pub(crate) filename: Span,
    pub(crate) basename: Span,
    pub(crate) query: Option<Span>,
    pub(crate) server_name: Option<Span>,
    pub(crate) headers: Vec<Pair>,
    pub(crate) head: HeadText,
    /// A bit for each name of a field, by [`name_bit`]: most new ones are told from the others by it.
    pub(crate) names: u64,
    pub(crate) cookies: Vec<Pair>,
    pub(crate) processor: Option<BodyProcessor>,
    pub(crate) force_variable: bool,
    /// The head announces no body.
    pub(crate) is_bodiless: bool,
    pub(crate) access: bool,
    pub(crate) limit: usize,
    pub(crate) body: Vec<u8>,
    /// Bytes of the body as sent, those that were not kept too.
    pub(crate) body_length: usize,
    pub(crate) body_parsed: bool,
    /// Whether `REQUEST_BODY` holds the body; settled when the body is parsed, so that it does not change within a phase.
    pub(crate) has_body_variable: bool,
    pub(crate) inbound_error: bool,
    pub(crate) coding_error: Option<CodingError>,
    pub(crate) parsed: Parsed,
}

#[derive(Debug, Default)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) protocol: Span,
    pub(crate) headers: Vec<Pair>,
    pub(crate) access: bool,
    pub(crate) limit: usize,
    pub(crate) body: Vec<u8>,
    pub(crate) body_length: usize,
    pub(crate) body_given: bool,
    /// `ctl:responseBodyProcessor`
    pub(crate) processor: Option<BodyProcessor>,
    /// `ctl:forceResponseBodyVariable`: bodies of any type are inspected.
    pub(crate) force_variable: bool,
    pub(crate) parsed: Parsed,
    pub(crate) outbound_error: bool,
}

/// Where the bytes of a value lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bytes {
    Stored(Span),
    RequestBody,
    /// A part of it: where it begins and how long it is.
    RequestBodyPart(u32, u32),
    ResponseBody,
}

impl Bytes {
    pub(crate) fn of<'a>(
        self,
        state: &'a State,
        request: &'a Request,
        response: &'a Response,
    ) -> &'a [u8] {
        match self {
            Self::Stored(span) => state.store.get(span),
            Self::RequestBody => &request.body,
            Self::RequestBodyPart(start, length) => request.body_part(start, length),
            Self::ResponseBody => &response.body,
        }
    }
}

/// A value of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) variable: Variable,
    /// The key under which it stands; empty for scalars and counts.
    pub(crate) key: Span,
    pub(crate) bytes: Bytes,
}

/// A value that matched, as it was after its transformations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matched {
    pub(crate) variable: Variable,
    pub(crate) key: Span,
    pub(crate) value: Span,
}

/// The variables of `TX`.
#[derive(Debug, Default)]
pub(crate) struct TxVariables {
    slots: Vec<Option<Span>>,
    /// Names that no rule mentions as such: made of macros. In lower case.
    dynamic: Vec<(Span, Option<Span>)>,
    /// How often one was set or unset.
    changes: u32,
}

impl TxVariables {
    pub(crate) fn prepare(&mut self, slots: usize) {
        self.slots.clear();
        self.slots.resize(slots, None);
        self.dynamic.clear();
    }

    /// How often variables were set or unset: tells whether a rule did.
    pub(crate) fn changes(&self) -> u32 {
        self.changes
    }

    pub(crate) fn slot(&self, slot: u32) -> Option<Span> {
        self.slots.get(slot as usize).copied().flatten()
    }

    pub(crate) fn set_slot(&mut self, slot: u32, value: Option<Span>) {
        self.changes = self.changes.wrapping_add(1);
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = value;
        }
    }

    /// The value under a name in lower case.
    pub(crate) fn find(&self, name: &[u8], names: &TxNames, store: &Store) -> Option<Span> {
        match names.find(name) {
            Some(slot) => self.slot(slot),
            None => self
                .dynamic
                .iter()
                .find(|(known, _)| store.get(*known) == name)
                .and_then(|(_, value)| *value),
        }
    }

    /// Sets what stands under a name, stored in lower case.
    pub(crate) fn set(&mut self, name: Span, value: Option<Span>, names: &TxNames, store: &Store) {
        if let Some(slot) = names.find(store.get(name)) {
            return self.set_slot(slot, value);
        }
        self.changes = self.changes.wrapping_add(1);
        match self
            .dynamic
            .iter_mut()
            .find(|(known, _)| store.get(*known) == store.get(name))
        {
            Some((_, place)) => *place = value,
            None => self.dynamic.push((name, value)),
        }
    }

    /// The variables whose names no rule mentions as such, and that are set.
    pub(crate) fn dynamic(&self) -> impl Iterator<Item = (Span, Span)> + '_ {
        let dynamic = self.dynamic.iter();
        dynamic.filter_map(|(name, value)| Some((*name, (*value)?)))
    }

    /// Every variable that is set: the slot or the name, and the value.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Result<u32, Span>, Span)> + '_ {
        let slots = self
            .slots
            .iter()
            .zip(0u32..)
            .filter_map(|(value, slot)| value.map(|value| (Ok(slot), value)));
        slots.chain(
            self.dynamic
                .iter()
                .filter_map(|(name, value)| value.map(|value| (Err(*name), value))),
        )
    }
}

/// What rules made of the transaction so far.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) engine: EngineMode,
    pub(crate) audit: AuditMode,
    pub(crate) audit_parts: AuditLogParts,
    pub(crate) client: Option<SocketAddr>,
    pub(crate) server: Option<SocketAddr>,
    pub(crate) time: SystemTime,
    /// What the caller said last of how long it has taken.
    pub(crate) elapsed: Duration,
    pub(crate) unique_id: Span,
    pub(crate) tx: TxVariables,
    pub(crate) env: Vec<Pair>,
    /// What the audit record does not show.
    pub(crate) hidden: Vec<Hide>,
    /// What `@geoLookup` found last.
    pub(crate) geo: Vec<Pair>,
    /// What `@restpath` took from paths.
    pub(crate) path_arguments: Vec<Pair>,
    /// Persistent collections that rules opened.
    pub(crate) open: OpenCollections,
    /// Matches of the chain that runs.
    pub(crate) matched: Vec<Matched>,
    pub(crate) matched_var: Option<Matched>,
    /// Whether only the rules run that are left when set-up is settled; set in phase 1.
    pub(crate) settled: bool,
    pub(crate) decided: Decided,
    pub(crate) head: Head,
    pub(crate) steady: Steady,
    /// Rules that `ctl` removed, a bit each; empty while there is none.
    pub(crate) removed_rules: Vec<u64>,
    /// Indexes into the plan's target removals.
    pub(crate) removed_targets: Vec<u32>,
    /// `allow`: phases up to this number do not run any more.
    pub(crate) allowed_until: u8,
    pub(crate) phase: u8,
    /// Index of the rule that runs.
    pub(crate) rule: u32,
    /// The link at which a chain failed last.
    pub(crate) failed_link: usize,
    pub(crate) highest_severity: Option<Severity>,
    pub(crate) limits_exceeded: bool,
    /// A schema of JSON looks for the body.
    pub(crate) takes_json_body: bool,
    /// Matches that are logged.
    pub(crate) notes: Notes,
    /// A text that is put together, and values that are looked for: memory that is used again.
    pub(crate) text: Vec<u8>,
    pub(crate) values: Vec<Value>,
    /// What would have been decided in detection.
    pub(crate) would_be: Intervention,
    pub(crate) intervention: Intervention,
    pub(crate) error: Option<EngineError>,
    /// Index of the rule that ran then.
    pub(crate) error_at: Option<u32>,
    /// Bytes inspected.
    pub(crate) work: u64,
}

impl Default for State {
    fn default() -> Self {
        State {
            store: Store::default(),
            engine: EngineMode::Off,
            audit: AuditMode::Off,
            audit_parts: AuditLogParts::default(),
            client: None,
            server: None,
            time: SystemTime::UNIX_EPOCH,
            elapsed: Duration::ZERO,
            unique_id: Span::default(),
            tx: TxVariables::default(),
            env: Vec::new(),
            hidden: Vec::new(),
            geo: Vec::new(),
            path_arguments: Vec::new(),
            open: OpenCollections::default(),
            matched: Vec::new(),
            matched_var: None,
            settled: false,
            decided: Decided::default(),
            head: Head::default(),
            steady: Steady::default(),
            removed_rules: Vec::new(),
            removed_targets: Vec::new(),
            allowed_until: 0,
            phase: 0,
            rule: 0,
            failed_link: 0,
            highest_severity: None,
            limits_exceeded: false,
            takes_json_body: false,
            notes: Notes::default(),
            text: Vec::new(),
            values: Vec::new(),
            would_be: Intervention::None,
            intervention: Intervention::None,
            error: None,
            error_at: None,
            work: 0,
        }
    }
}

/// What a cleared buffer may keep for the next transaction, in bytes; a larger one is given back.
const KEPT_BODY_BYTES: usize = 256 << 10;

fn clear_body(body: &mut Vec<u8>) {
    body.clear();
    body.shrink_to(KEPT_BODY_BYTES);
}

impl Request {
    /// A part of the body.
    pub(crate) fn body_part(&self, start: u32, length: u32) -> &[u8] {
        let (start, length) = (start as usize, length as usize);
        self.body.get(start..start + length).unwrap_or_default()
    }

    pub(crate) fn clear(&mut self) {
        let mut kept = std::mem::take(self);
        clear_body(&mut kept.body);
        kept.headers.clear();
        kept.cookies.clear();
        kept.parsed.args.clear();
        kept.parsed.files.clear();
        kept.parsed.part_headers.clear();
        kept.parsed.xml.clear();
        self.body = kept.body;
        self.headers = kept.headers;
        self.cookies = kept.cookies;
        self.parsed.args = kept.parsed.args;
        self.parsed.files = kept.parsed.files;
        self.parsed.part_headers = kept.parsed.part_headers;
        self.parsed.xml = kept.parsed.xml;
    }
}

impl Response {
    pub(crate) fn clear(&mut self) {
        let mut kept = std::mem::take(self);
        clear_body(&mut kept.body);
        kept.headers.clear();
        self.body = kept.body;
        self.headers = kept.headers;
    }
}

impl State {
    pub(crate) fn clear(&mut self) {
        let mut kept = std::mem::take(self);
        kept.store.clear();
        kept.env.clear();
        kept.matched.clear();
        kept.decided.clear();
        kept.head.clear();
        kept.steady.clear();
        kept.removed_rules.clear();
        kept.removed_targets.clear();
        kept.notes.clear();
        self.store = kept.store;
        self.tx = kept.tx;
        self.env = kept.env;
        self.matched = kept.matched;
        self.text = kept.text;
        self.values = kept.values;
        self.decided = kept.decided;
        self.head = kept.head;
        self.steady = kept.steady;
        self.removed_rules = kept.removed_rules;
        self.removed_targets = kept.removed_targets;
        self.notes = kept.notes;
    }

    /// When the transaction began.
    pub(crate) fn since_epoch(&self) -> Duration {
        self.time
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
    }
}
