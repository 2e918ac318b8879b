//! Variables that have one value.

use std::time::Duration;

use seclang::ast::{Collection, Severity, Variable};

use super::Transaction;
use super::clock::Moment;
use super::state::Bytes;
use crate::store::Span;
use crate::transform;

/// `MODSEC_BUILD`: rules ask whether the engine is new enough for them. What ModSecurity 3.0.14 says.
const MODSEC_BUILD: &str = "030014100";

impl Transaction {
    /// Says how long the transaction has been under way, for `DURATION`: the engine reads no clock.
    pub fn elapsed(&mut self, elapsed: Duration) {
        self.state.elapsed = elapsed;
    }

    /// The value of a variable without keys; `None` where it does not exist now.
    pub(super) fn scalar(&mut self, variable: Variable) -> Option<Bytes> {
        use Variable as V;
        let request = &self.request;
        let stored = match variable {
            V::RequestBody => {
                let has_body = self.request.has_body_variable || self.has_json_for_schema();
                return has_body.then_some(Bytes::RequestBody);
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
            V::StatusLine => {
                let protocol = self.state.store.get(self.response.protocol);
                let line = format!("{} {}", protocol.escape_ascii(), self.answer_status());
                self.text(Some(line))
            }
            V::PathInfo => request.filename,
            V::RemoteUser => self.remote_user()?,
            V::ModsecBuild => self.state.store.push(MODSEC_BUILD.as_bytes()),
            V::ResBodyErrorMsg | V::ResBodyProcessorErrorMsg => {
                let message = self.response.parsed.error.clone().unwrap_or_default();
                self.state.store.push(message.as_bytes())
            }
            V::ResBodyProcessor => {
                let processor = self.response.processor;
                let name = processor.map_or("", seclang::ast::BodyProcessor::name);
                self.state.store.push(name.as_bytes())
            }
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
            V::ResponseStatus | V::Status => i64::from(self.answer_status()),
            V::ResBodyError | V::ResBodyProcessorError => {
                i64::from(self.response.parsed.error.is_some())
            }
            V::Duration => i64::try_from(self.state.elapsed.as_micros()).unwrap_or(i64::MAX),
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

    /// The status of the answer; after an intervention, the one that it answers with.
    fn answer_status(&self) -> u16 {
        match self.response.status {
            0 => self.final_status(),
            status => status,
        }
    }

    /// The user of Basic authentication.
    fn remote_user(&mut self) -> Option<Span> {
        let field = self.request_field("authorization")?;
        let text = self.state.store.get(field);
        let (scheme, credentials) = text.split_at_checked(6)?;
        if !scheme.eq_ignore_ascii_case(b"basic ") {
            return None;
        }
        let mut decoded = Vec::new();
        let base64 = seclang::ast::Transformation::Base64Decode;
        transform::apply(base64, credentials.trim_ascii(), &mut decoded);
        let end = memchr::memchr(b':', &decoded)?;
        Some(self.state.store.push(&decoded[..end]))
    }
}
