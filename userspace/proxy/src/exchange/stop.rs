//! The end of a request before, or instead of, an endpoint's answer.

use std::borrow::Cow;
use types::{Reason, Verdict};

/// A stage said no.
#[derive(Debug)]
pub(crate) struct Stop {
    pub(crate) verdict: Verdict,
    /// What the log says beyond the reason.
    pub(crate) detail: Cow<'static, str>,
    /// What the client is told beyond the status.
    pub(crate) sentence: Cow<'static, str>,
    /// The WAF rule that said it; 0 where none did.
    pub(crate) rule: u64,
    /// Header fields that the answer carries: Allow, WWW-Authenticate, Retry-After, Location.
    pub(crate) fields: Vec<(&'static str, Vec<u8>)>,
}

impl Stop {
    pub(crate) fn new(reason: Reason) -> Self {
        let verdict = match reason.status() {
            0 => Verdict::Close(reason),
            _ => Verdict::respond(reason),
        };
        Self {
            verdict,
            detail: Cow::Borrowed(""),
            sentence: Cow::Borrowed(""),
            rule: 0,
            fields: Vec::new(),
        }
    }

    pub(crate) fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = detail.into();
        self
    }

    pub(crate) fn by(mut self, rule: Option<u64>) -> Self {
        self.rule = rule.unwrap_or(0);
        match rule {
            Some(rule) => self.detail(format!("rule {rule}")),
            None => self,
        }
    }

    pub(crate) fn sentence(mut self, sentence: impl Into<Cow<'static, str>>) -> Self {
        self.sentence = sentence.into();
        self
    }

    pub(crate) fn field(mut self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    pub(crate) fn status(mut self, status: u16) -> Self {
        if let Verdict::Respond { reason, .. } = self.verdict {
            self.verdict = Verdict::Respond { status, reason };
        }
        self
    }

    pub(crate) fn reason(&self) -> Reason {
        match self.verdict {
            Verdict::Continue => Reason::Served,
            Verdict::Respond { reason, .. }
            | Verdict::Close(reason)
            | Verdict::Ban { reason, .. } => reason,
        }
    }
}

impl From<Reason> for Stop {
    fn from(reason: Reason) -> Self {
        Self::new(reason)
    }
}
