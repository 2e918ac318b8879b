//! Matches that are logged. While rules run, only where their words lie is noted; texts are made of it when somebody wants to read
//! them. A request that is denied meets dozens of rules, and most of what they have to say is never read.

use std::cell::OnceCell;

use super::Transaction;
use super::state::{Bytes, Matched};
use crate::audit::{Found, RuleMatch};
use crate::plan::{Piece, Rule, RuleSet, Text};
use crate::store::Span;

/// A match that is logged.
#[derive(Clone, Copy, Debug)]
struct Note {
    /// Index of the rule.
    rule: u32,
    phase: u8,
    disruptive: bool,
    /// The value that matched last.
    last: Option<Matched>,
    /// What the whole pattern matched, where the rule captures.
    captured: Option<Span>,
    /// Where its values end among those of all notes; they begin where those of the note before end.
    values_end: u32,
    /// The same of what its macros stood for.
    macros_end: u32,
}

/// What is noted of a transaction.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    notes: Vec<Note>,
    /// Values that the chains matched.
    values: Vec<Matched>,
    /// What the macros of the texts stood for when the rules matched, in the order of [`texts`].
    macros: Vec<Span>,
    /// Their texts, once somebody asked.
    told: OnceCell<Vec<RuleMatch>>,
}

impl Notes {
    pub(crate) fn clear(&mut self) {
        self.told.take();
        self.notes.clear();
        self.values.clear();
        self.macros.clear();
    }

    /// The rules, in the order in which they matched.
    pub(super) fn rules<'a>(&'a self, plan: &'a RuleSet) -> impl Iterator<Item = &'a Rule> {
        let notes = self.notes.iter();
        notes.filter_map(|note| plan.rules.get(note.rule as usize))
    }
}

/// The texts of a rule that may have macros.
fn texts(rule: &Rule) -> impl Iterator<Item = &Text> {
    let said = rule.meta.msg.iter().chain(&rule.meta.log_data);
    said.chain(&rule.meta.tags)
}

impl Transaction {
    /// Notes a match of the rule that runs, after its effects.
    pub(super) fn note(&mut self, plan: &RuleSet, rule: &Rule, disruptive: bool) {
        for piece in texts(rule).flat_map(|text| &text.0) {
            if matches!(piece, Piece::Literal(_)) {
                continue;
            }
            let value = self.resolve(plan, piece);
            let span = match value {
                None => Span::default(),
                Some(Bytes::Stored(span)) => span,
                // Bodies grow: what a macro stands for is what it stands for now.
                Some(Bytes::RequestBody) => self.state.store.push(&self.request.body),
                Some(Bytes::RequestBodyPart(start, length)) => {
                    let part = self.request.body_part(start, length);
                    self.state.store.push(part)
                }
                Some(Bytes::ResponseBody) => self.state.store.push(&self.response.body),
            };
            self.state.notes.macros.push(span);
        }
        let state = &mut self.state;
        state.notes.values.extend_from_slice(&state.matched);
        let note = Note {
            rule: state.rule,
            phase: state.phase,
            disruptive,
            last: state.matched_var.filter(|_| !state.matched.is_empty()),
            captured: state.tx.slot(0),
            values_end: state.notes.values.len() as u32,
            macros_end: state.notes.macros.len() as u32,
        };
        state.notes.notes.push(note);
        state.notes.told.take();
    }

    /// What is noted, as texts.
    pub(super) fn told(&self) -> &[RuleMatch] {
        self.state.notes.told.get_or_init(|| self.in_words())
    }

    fn in_words(&self) -> Vec<RuleMatch> {
        let notes = &self.state.notes;
        let (mut values, mut macros) = (0, 0);
        let told = notes.notes.iter().filter_map(|note| {
            let own_values = notes.values.get(values..note.values_end as usize);
            let own_macros = notes.macros.get(macros..note.macros_end as usize);
            (values, macros) = (note.values_end as usize, note.macros_end as usize);
            let rule = self.rules.rules.get(note.rule as usize)?;
            Some(self.record_of(note, rule, own_values?, own_macros?))
        });
        told.collect()
    }

    fn record_of(
        &self,
        note: &Note,
        rule: &Rule,
        values: &[Matched],
        macros: &[Span],
    ) -> RuleMatch {
        let store = &self.state.store;
        let mut macros = macros.iter();
        let mut said = texts(rule).map(|text| {
            let mut out = Vec::new();
            for piece in &text.0 {
                match piece {
                    Piece::Literal(literal) => out.extend_from_slice(literal),
                    _ => out.extend(macros.next().into_iter().flat_map(|span| store.get(*span))),
                }
            }
            out
        });
        let mut own = |text: &Option<Text>| text.as_ref().and_then(|_| said.next());
        let message = own(&rule.meta.msg).unwrap_or_default();
        let data = own(&rule.meta.log_data).unwrap_or_default();
        let tags: Vec<Vec<u8>> = said.collect();
        let scrub = &self.rules.scrub;
        let secrets = values.iter().filter_map(|matched| {
            let is_secret = scrub.is_secret(matched.variable, store.get(matched.key));
            is_secret.then(|| store.get(matched.value))
        });
        let operator = rule.links.last().and_then(|link| link.condition.as_ref());
        let last = note.last.map(|matched| (matched, self.name_text(matched)));
        let last = last.as_ref();
        RuleMatch::new(
            rule,
            note.phase,
            note.disruptive,
            &Found {
                variable: last.map(|(matched, _)| matched.variable),
                name: last.map_or(&b""[..], |(_, name)| name),
                key: last.map_or(&b""[..], |(matched, _)| store.get(matched.key)),
                value: last.map_or(&b""[..], |(matched, _)| store.get(matched.value)),
                secrets: secrets.collect(),
                captured: note
                    .captured
                    .map(|whole| store.get(whole))
                    .unwrap_or_default(),
                operator: operator.map_or("", |condition| &condition.written),
                negated: operator.is_some_and(|condition| condition.negated),
                message: &message,
                data: &data,
                tags: &tags,
            },
            scrub,
        )
    }

    /// The name of a value as logs have it, such as `ARGS:id`.
    fn name_text(&self, matched: Matched) -> Vec<u8> {
        let mut name = matched.variable.name().as_bytes().to_vec();
        if !matched.key.is_empty() {
            name.push(b':');
            name.extend_from_slice(self.state.store.get(matched.key));
        }
        name
    }
}
