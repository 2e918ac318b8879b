//! Documents and the grammars that rules hold them against.

use schema::Work;
use seclang::ast::Variable;

use super::state::Value;
use super::{BodyProcessor, EngineError, Transaction};
use crate::operator::{Grammar, Test};
use crate::plan::{Condition, RuleSet};

impl Transaction {
    /// The values of a condition. A grammar is held against a document once, not against each text and attribute of it; and a schema
    /// of JSON finds the body in `REQUEST_BODY`, which other rules find empty.
    pub(super) fn collect_for(
        &mut self,
        plan: &RuleSet,
        condition: &Condition,
        index: u32,
        values: &mut Vec<Value>,
    ) {
        let Test::Document(grammar) = &condition.test else {
            self.collect(plan, condition, index, values);
            return;
        };
        self.state.takes_json_body = !grammar.is_of_xml();
        self.collect(plan, condition, index, values);
        self.state.takes_json_body = false;
        if grammar.is_of_xml() {
            values.dedup_by_key(|value| value.variable);
        }
    }

    pub(super) fn has_json_for_schema(&self) -> bool {
        self.state.takes_json_body
            && self.request.processor == Some(BodyProcessor::Json)
            && !self.request.body.is_empty()
    }

    /// Whether the document of a value is not as a grammar says, and what it cost to know.
    pub(super) fn held_against(
        &self,
        grammar: &Grammar,
        value: &Value,
        bytes: &[u8],
    ) -> Result<(bool, u64), EngineError> {
        let left = self
            .rules
            .options
            .work_limit_bytes
            .saturating_sub(self.state.work);
        let mut work = Work::of(left);
        let document = match value.variable {
            Variable::ResponseXml => &self.response.parsed.document,
            _ => &self.request.parsed.document,
        };
        match grammar.differs(document.as_ref(), bytes, &mut work) {
            Ok(differs) => Ok((differs, work.spent())),
            Err(_) => Err(EngineError::WorkLimit),
        }
    }
}
