//! Variables: which values a target of a rule means at this moment.

use seclang::ast::{Collection, Severity, Variable};

use super::Transaction;
use super::clock::Moment;
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
            self.values(
                plan,
                target.variable,
                target.slot,
                |key| target.selector.selects(key),
                out,
            );
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
        match bytes {
            Bytes::Stored(span) => self.state.store.get(span),
            Bytes::RequestBody => &self.request.body,
            Bytes::ResponseBody => &self.response.body,
        }
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
            V::Files | V::MultipartFilename => {
                self.request
                    .parsed
                    .files
                    .iter()
                    .for_each(|file| push(file.field, file.name));
            }
            V::FilesNames | V::MultipartName => {
                self.request
                    .parsed
                    .files
                    .iter()
                    .for_each(|file| push(file.field, file.field));
            }
            V::FilesSizes => self.file_sizes(&selects, out),
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
            V::ResponseXml => {}
            _ if let Some(pairs) = self.pairs(variable) => {
                pairs.iter().for_each(|pair| push(pair.key, pair.value));
            }
            V::RequestHeadersNames => self
                .request
                .headers
                .iter()
                .for_each(|pair| push(pair.key, pair.key)),
            V::RequestCookiesNames => self
                .request
                .cookies
                .iter()
                .for_each(|pair| push(pair.key, pair.key)),
            V::ResponseHeadersNames => self
                .response
                .headers
                .iter()
                .for_each(|pair| push(pair.key, pair.key)),
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
            V::Env => &self.state.env,
            V::Geo => &self.state.geo,
            V::ArgsPath => &self.state.path_arguments,
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

    fn file_sizes(&mut self, selects: &dyn Fn(&[u8]) -> bool, out: &mut Vec<Value>) {
        for file in &self.request.parsed.files {
            if selects(self.state.store.get(file.field)) {
                let size = self
                    .state
                    .store
                    .number(i64::try_from(file.size).unwrap_or(i64::MAX));
                out.push(Value {
                    variable: Variable::FilesSizes,
                    key: file.field,
                    bytes: Bytes::Stored(size),
                });
            }
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

    /// The value of a variable without keys; `None` where it does not exist now.
    fn scalar(&mut self, variable: Variable) -> Option<Bytes> {
        use Variable as V;
        let request = &self.request;
        let stored = match variable {
            V::RequestBody => {
                return self.request.has_body_variable.then_some(Bytes::RequestBody);
            }
            V::ResponseBody => return self.response.body_given.then_some(Bytes::ResponseBody),
            V::RequestLine => request.line,
            V::RequestMethod => request.method,
            V::RequestProtocol => request.protocol,
            V::RequestUri => request.uri,
            V::RequestUriRaw => request.target,
            V::RequestFilename => request.filename,
            V::RequestBasename => request.basename,
            // Empty where there is none, as in ModSecurity 3 and Coraza.
            V::QueryString => request.query.unwrap_or_default(),
            V::ServerName => request.server_name?,
            V::ResponseProtocol => self.response.protocol,
            V::ResponseContentType => self.response_field("content-type")?,
            V::UniqueId => self.state.unique_id,
            V::Sessionid => self.open_key(Collection::Session)?,
            V::Userid => self.open_key(Collection::User)?,
            V::MatchedVar => self.state.matched_var?.value,
            V::MatchedVarName => {
                let matched = self.state.matched_var?;
                self.name_of(matched)
            }
            V::MscPcreLimitsExceeded if !self.state.limits_exceeded => return None,
            V::AuthType => {
                let field = self.request_field("authorization")?;
                let text = self.state.store.get(field);
                field.slice(0, memchr::memchr(b' ', text).unwrap_or(text.len()))
            }
            V::FullRequest => self.full_request(),
            V::ReqbodyErrorMsg | V::ReqbodyProcessorErrorMsg => {
                let message = request.parsed.error.clone().unwrap_or_default();
                self.state.store.push(message.as_bytes())
            }
            V::ReqbodyProcessor => {
                let name = request
                    .processor
                    .map_or("", seclang::ast::BodyProcessor::name);
                self.state.store.push(name.as_bytes())
            }
            V::RemoteAddr | V::RemoteHost => self.text(self.state.client.map(|client| client.ip())),
            V::ServerAddr => self.text(self.state.server.map(|server| server.ip())),
            V::StatusLine => self.text(Some(self.response.status)),
            V::Webappid => self.text(Some(self.rules.settings.web_app_id.clone())),
            V::Time => {
                let now = Moment::since_epoch(self.state.since_epoch());
                self.text(Some(format!(
                    "{:02}:{:02}:{:02}",
                    now.hour, now.minute, now.second
                )))
            }
            number => {
                let number = self.number(number)?;
                self.state.store.number(number)
            }
        };
        Some(Bytes::Stored(stored))
    }

    fn text(&mut self, text: Option<impl std::fmt::Display>) -> Span {
        self.state.store.write(|out| {
            if let Some(text) = text {
                // Writing to a Vec cannot fail.
                let _ = std::io::Write::write_fmt(out, format_args!("{text}"));
            }
        })
    }

    /// The value of a variable that is a number.
    fn number(&self, variable: Variable) -> Option<i64> {
        use Variable as V;
        let size = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
        let parsed = &self.request.parsed;
        let multipart = &parsed.multipart;
        let now = || Moment::since_epoch(self.state.since_epoch());
        Some(match variable {
            V::ArgsCombinedSize => size(
                parsed
                    .args
                    .iter()
                    .map(|argument| argument.key.len() + argument.value.len())
                    .sum(),
            ),
            V::FilesCombinedSize => size(parsed.files.iter().map(|file| file.size).sum()),
            V::RequestBodyLength => size(self.request.body_length),
            V::ResponseContentLength => size(self.response.body_length),
            V::FullRequestLength => size(self.full_request_length()),
            V::ReqbodyError | V::ReqbodyProcessorError => i64::from(parsed.error.is_some()),
            V::InboundDataError => i64::from(self.request.inbound_error),
            V::OutboundDataError => i64::from(self.response.outbound_error),
            V::UrlencodedError => i64::from(parsed.urlencoded_error),
            V::ResponseStatus | V::Status => i64::from(self.response.status),
            V::RemotePort => i64::from(self.state.client?.port()),
            V::ServerPort => i64::from(self.state.server?.port()),
            V::HighestSeverity => {
                i64::from(self.state.highest_severity.map_or(255, Severity::number))
            }
            V::MscPcreLimitsExceeded | V::MscPcreError => i64::from(self.state.limits_exceeded),
            V::MultipartStrictError => i64::from(multipart.is_strict_error()),
            V::MultipartUnmatchedBoundary => i64::from(multipart.unmatched_boundary),
            V::MultipartBoundaryQuoted => i64::from(multipart.boundary_quoted),
            V::MultipartBoundaryWhitespace => i64::from(multipart.boundary_whitespace),
            V::MultipartCrlfLfLines => i64::from(multipart.crlf_lines && multipart.lf_line),
            V::MultipartDataAfter => i64::from(multipart.data_after),
            V::MultipartDataBefore => i64::from(multipart.data_before),
            V::MultipartFileLimitExceeded => i64::from(multipart.file_limit_exceeded),
            V::MultipartHeaderFolding => i64::from(multipart.header_folding),
            V::MultipartInvalidHeaderFolding => i64::from(multipart.invalid_header_folding),
            V::MultipartInvalidPart => i64::from(multipart.invalid_part),
            V::MultipartInvalidQuoting => i64::from(multipart.invalid_quoting),
            V::MultipartLfLine => i64::from(multipart.lf_line),
            V::MultipartMissingSemicolon => i64::from(multipart.missing_semicolon),
            V::TimeEpoch => i64::try_from(self.state.since_epoch().as_secs()).unwrap_or(i64::MAX),
            V::TimeYear => now().year,
            V::TimeMon => now().month - 1,
            V::TimeDay => now().day,
            V::TimeWday => now().weekday,
            V::TimeHour => now().hour,
            V::TimeMin => now().minute,
            V::TimeSec => now().second,
            _ => return None,
        })
    }

    fn full_request_length(&self) -> usize {
        let fields: usize = self
            .request
            .headers
            .iter()
            .map(|field| field.key.len() + field.value.len() + 4)
            .sum();
        self.request.line.len() + 4 + fields + self.request.body.len()
    }

    fn full_request(&mut self) -> Span {
        let store = &self.state.store;
        let mut text = store.get(self.request.line).to_vec();
        text.extend_from_slice(b"\r\n");
        for field in &self.request.headers {
            for part in [store.get(field.key), b": ", store.get(field.value), b"\r\n"] {
                text.extend_from_slice(part);
            }
        }
        text.extend_from_slice(b"\r\n");
        text.extend_from_slice(&self.request.body);
        self.state.store.push(&text)
    }

    /// The first value of a variable whose key `selects` wants, for macros.
    pub(super) fn first(
        &mut self,
        plan: &RuleSet,
        variable: Variable,
        selects: impl Fn(&[u8]) -> bool,
    ) -> Option<Bytes> {
        let mut found = Vec::new();
        self.values(plan, variable, None, selects, &mut found);
        found.first().map(|value| value.bytes)
    }
}
