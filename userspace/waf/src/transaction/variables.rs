//! Variables: which values a target of a rule means at this moment.

use seclang::ast::Variable;

use super::Transaction;
use super::state::{Bytes, Matched, Pair, Source, Value};
use crate::plan::{Condition, RuleSet, Target};
use crate::store::Span;

impl Transaction {
    /// The values of a rule's targets, in order, without those that are excluded.
    pub(super) fn collect(
        &mut self,
        plan: &RuleSet,
        condition: &Condition,
        rule: u32,
        out: &mut Vec<Value>,
    ) {
        for target in &condition.targets {
            let start = out.len();
            if let Some(slots) = &target.slots {
                self.selected_tx(plan, target, slots, out);
            } else {
                self.values(
                    plan,
                    target.variable,
                    target.slot,
                    |key| target.selector.selects(key),
                    out,
                );
            }
            if !condition.exclusions.is_empty() || !self.state.removed_targets.is_empty() {
                let mut index = start;
                while let Some(value) = out.get(index) {
                    if self.is_excluded(plan, condition, rule, value) {
                        let excluded = out.remove(index);
                        if self.is_observed() {
                            self.see_excluded(&excluded);
                        }
                    } else {
                        index += 1;
                    }
                }
            }
            if target.count {
                let count = out.len() - start;
                out.truncate(start);
                out.push(self.counted(target, count));
            }
        }
    }

    fn counted(&mut self, target: &Target, count: usize) -> Value {
        let number = self
            .state
            .store
            .number(i64::try_from(count).unwrap_or(i64::MAX));
        Value {
            variable: target.variable,
            key: Span::default(),
            bytes: Bytes::Stored(number),
        }
    }

    fn is_excluded(&self, plan: &RuleSet, condition: &Condition, rule: u32, value: &Value) -> bool {
        let key = self.state.store.get(value.key);
        condition
            .exclusions
            .iter()
            .any(|exclusion| exclusion.selects(value.variable, key))
            || self.state.removed_targets.iter().any(|&removal| {
                plan.target_removal(removal).is_some_and(|removal| {
                    removal.target.selects(value.variable, key)
                        && removal.rules.binary_search(&rule).is_ok()
                })
            })
    }

    /// The bytes of a value.
    pub(super) fn bytes(&self, bytes: Bytes) -> &[u8] {
        bytes.of(&self.state, &self.request, &self.response)
    }

    /// Appends the values of `variable` whose key `selects` wants; scalars have no key and are asked nothing.
    pub(super) fn values(
        &mut self,
        plan: &RuleSet,
        variable: Variable,
        slot: Option<u32>,
        selects: impl Fn(&[u8]) -> bool,
        out: &mut Vec<Value>,
    ) {
        use Variable as V;
        let store = &self.state.store;
        let mut push = |key: Span, value: Span| {
            if selects(store.get(key)) {
                out.push(Value {
                    variable,
                    key,
                    bytes: Bytes::Stored(value),
                });
            }
        };
        match variable {
            V::Args | V::ArgsNames => self.push_arguments(None, variable, &mut push),
            V::ArgsGet | V::ArgsGetNames => {
                self.push_arguments(Some(Source::Query), variable, &mut push);
            }
            V::ArgsPost | V::ArgsPostNames => {
                self.push_arguments(Some(Source::Form), variable, &mut push);
            }
            V::Files
            | V::MultipartFilename
            | V::FilesNames
            | V::MultipartName
            | V::FilesSizes
            | V::FilesTmpContent => self.file_values(variable, &selects, out),
            // No file is stored.
            V::FilesTmpnames => {}
            V::ResponseArgs => {
                let arguments = self.response.parsed.args.iter();
                arguments.for_each(|argument| push(argument.key, argument.value));
            }
            V::MatchedVars => self
                .state
                .matched
                .iter()
                .for_each(|matched| push(matched.key, matched.value)),
            V::MatchedVarsNames => self.matched_names(out),
            V::Tx => self.tx_values(plan, slot, &selects, out),
            V::Rule => self.rule_values(plan, &selects, out),
            V::Global | V::Ip | V::Resource | V::Session | V::User => {
                self.persistent_values(plan, variable, &selects, out);
            }
            _ if let Some(pairs) = self.pairs(variable) => {
                pairs.iter().for_each(|pair| push(pair.key, pair.value));
            }
            _ if let Some(pairs) = self.named_pairs(variable) => {
                pairs.iter().for_each(|pair| push(pair.key, pair.key));
            }
            scalar => {
                if let Some(bytes) = self.scalar(scalar) {
                    out.push(Value {
                        variable,
                        key: Span::default(),
                        bytes,
                    });
                }
            }
        }
    }

    /// The collections that are pairs as they stand.
    fn pairs(&self, variable: Variable) -> Option<&[Pair]> {
        use Variable as V;
        Some(match variable {
            V::RequestHeaders => &self.request.headers,
            V::RequestCookies => &self.request.cookies,
            V::ResponseHeaders => &self.response.headers,
            V::MultipartPartHeaders => &self.request.parsed.part_headers,
            V::Xml | V::RequestXml => &self.request.parsed.xml,
            V::ResponseXml => &self.response.parsed.xml,
            V::Env => &self.state.env,
            V::Geo => &self.state.geo,
            V::ArgsPath => &self.state.path_arguments,
            _ => return None,
        })
    }

    /// The collections whose names are values.
    fn named_pairs(&self, variable: Variable) -> Option<&[Pair]> {
        Some(match variable {
            Variable::RequestHeadersNames => &self.request.headers,
            Variable::RequestCookiesNames => &self.request.cookies,
            Variable::ResponseHeadersNames => &self.response.headers,
            _ => return None,
        })
    }

    /// Arguments of one source or of all; their names for the variables that hold names.
    fn push_arguments(
        &self,
        source: Option<Source>,
        variable: Variable,
        push: &mut dyn FnMut(Span, Span),
    ) {
        let names = matches!(
            variable,
            Variable::ArgsNames | Variable::ArgsGetNames | Variable::ArgsPostNames
        );
        for argument in self.arguments(source) {
            push(
                argument.key,
                if names { argument.key } else { argument.value },
            );
        }
    }

    /// The variables of `TX` that a regular expression selects, found out beforehand for the names that rules mention.
    fn selected_tx(
        &mut self,
        plan: &RuleSet,
        target: &Target,
        slots: &[u32],
        out: &mut Vec<Value>,
    ) {
        let store = &mut self.state.store;
        let mut push = |key: Span, value: Span| {
            out.push(Value {
                variable: Variable::Tx,
                key,
                bytes: Bytes::Stored(value),
            });
        };
        for &slot in slots {
            if let Some(value) = self.state.tx.slot(slot) {
                push(store.push(plan.names.name(slot)), value);
            }
        }
        for (name, value) in self.state.tx.dynamic() {
            if target.selector.selects(store.get(name)) {
                push(name, value);
            }
        }
    }

    fn tx_values(
        &mut self,
        plan: &RuleSet,
        slot: Option<u32>,
        selects: &dyn Fn(&[u8]) -> bool,
        out: &mut Vec<Value>,
    ) {
        if let Some(slot) = slot {
            if let Some(value) = self.state.tx.slot(slot) {
                let key = self.state.store.push(plan.names.name(slot));
                out.push(Value {
                    variable: Variable::Tx,
                    key,
                    bytes: Bytes::Stored(value),
                });
            }
            return;
        }
        let store = &mut self.state.store;
        for (name, value) in self.state.tx.iter() {
            let selected = match name {
                Ok(slot) => selects(plan.names.name(slot)),
                Err(name) => selects(store.get(name)),
            };
            if selected {
                let key = name.map_or_else(|name| name, |slot| store.push(plan.names.name(slot)));
                out.push(Value {
                    variable: Variable::Tx,
                    key,
                    bytes: Bytes::Stored(value),
                });
            }
        }
    }

    /// What there is of uploaded files, by their fields.
    fn file_values(
        &mut self,
        variable: Variable,
        selects: &dyn Fn(&[u8]) -> bool,
        out: &mut Vec<Value>,
    ) {
        use Variable as V;
        let store = &mut self.state.store;
        for file in &self.request.parsed.files {
            if !selects(store.get(file.field)) {
                continue;
            }
            let bytes = match variable {
                V::FilesNames | V::MultipartName => Bytes::Stored(file.field),
                V::FilesSizes => {
                    let size = i64::try_from(file.size).unwrap_or(i64::MAX);
                    Bytes::Stored(store.number(size))
                }
                // Bodies are shorter than 4 GiB.
                V::FilesTmpContent => Bytes::RequestBodyPart(file.start as u32, file.size as u32),
                _ => Bytes::Stored(file.name),
            };
            out.push(Value {
                variable,
                key: file.field,
                bytes,
            });
        }
    }

    fn matched_names(&mut self, out: &mut Vec<Value>) {
        for index in 0..self.state.matched.len() {
            let matched = self.state.matched[index];
            let name = self.name_of(matched);
            out.push(Value {
                variable: Variable::MatchedVarsNames,
                key: name,
                bytes: Bytes::Stored(name),
            });
        }
    }

    /// `ARGS:foo`, or `REQUEST_URI` for what has no key.
    pub(super) fn name_of(&mut self, matched: Matched) -> Span {
        let name = matched.variable.name().as_bytes();
        if matched.key.is_empty() {
            return self.state.store.push(name);
        }
        self.state.store.derive(matched.key, |key, out| {
            out.extend_from_slice(name);
            out.push(b':');
            out.extend_from_slice(key);
        })
    }

    /// The first value of a variable whose key `selects` wants, for macros.
    pub(super) fn first(
        &mut self,
        plan: &RuleSet,
        variable: Variable,
        selects: impl Fn(&[u8]) -> bool,
    ) -> Option<Bytes> {
        let mut found = std::mem::take(&mut self.state.values);
        found.clear();
        self.values(plan, variable, None, selects, &mut found);
        let first = found.first().map(|value| value.bytes);
        self.state.values = found;
        first
    }
}
