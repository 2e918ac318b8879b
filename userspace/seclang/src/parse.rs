//! From text to tree: statements one by one, chains put together, rules checked against each other.

mod action;
mod ctl;
mod directive;
mod operator;
mod setting;
mod target;
mod template;
mod value;

use std::collections::HashMap;

use self::directive::Understood;
use crate::ast::{Action, Directive, Document, Link, Phase, Rule, RuleId};
use crate::diagnostic::{Diagnostic, Problems};
use crate::lexer::{Item, Lexer};
use crate::limits;
use crate::problem::Problem;
use crate::span::{FileId, Source, Sources, Span, Spanned};

/// Parses one text. `name` stands for the file in messages; `Include` stays a node, and no file is read.
///
/// # Errors
/// Everything that is wrong with the text, in the order of the places, up to [`limits::DIAGNOSTICS`].
pub fn parse_str(name: &str, text: &str) -> Result<Document, Vec<Diagnostic>> {
    if text.len() > limits::FILE_BYTES {
        let limit = limits::FILE_BYTES;
        let what = "bytes of one file";
        return Err(vec![Diagnostic::of_file(
            name.to_owned(),
            Problem::TooLarge { what, limit },
        )]);
    }
    let mut parser = Parser::default();
    let file = parser.add_source(name.to_owned(), text.to_owned());
    parser.directives = parser.parse(file);
    parser.finish()
}

/// What one run knows: everything that was read so far, over all files.
#[derive(Default)]
pub(crate) struct Parser {
    pub(crate) sources: Sources,
    pub(crate) directives: Vec<Spanned<Directive>>,
    pub(crate) comments: Vec<Spanned<String>>,
    pub(crate) problems: Problems,
    ids: HashMap<RuleId, Span>,
    default_phases: HashMap<Phase, Span>,
    links: usize,
}

/// What one file knows: the chain that is open, whether the line before was wrong, and what was found.
#[derive(Default)]
struct State {
    /// The rule so far and the place of its last `chain`.
    open: Option<(Spanned<Rule>, Span)>,
    after_error: bool,
    found: Vec<Spanned<Directive>>,
}

impl Parser {
    pub(crate) fn add_source(&mut self, name: String, text: String) -> FileId {
        self.sources.add(Source::new(name, text))
    }

    /// The directives of one source. `Include` is not followed; what is wrong is kept for [`Parser::finish`].
    pub(crate) fn parse(&mut self, file: FileId) -> Vec<Spanned<Directive>> {
        let Some(text) = self.sources.get(file).map(Source::shared_text) else {
            return Vec::new();
        };
        let mut lexer = Lexer::new(&text, file);
        let mut state = State::default();
        while let Some(item) = lexer.next(&mut self.problems) {
            let statement = match item {
                Item::Comment(comment) => {
                    self.comments.push(comment);
                    continue;
                }
                Item::Broken => {
                    // It may have been the rule that an open chain waits for: that is not a second error.
                    state.after_error = true;
                    self.close_chain(&mut state);
                    continue;
                }
                Item::Statement(statement) => statement,
            };
            let before = self.problems.len();
            match directive::directive(&statement, &mut self.problems) {
                Some(Understood::Link(link)) => {
                    let link = Spanned::new(link, statement.span);
                    let failed = self.problems.len() > before;
                    self.link(link, &mut state, failed);
                }
                Some(Understood::Directive(directive)) => {
                    self.close_chain(&mut state);
                    self.check_directive(&directive, statement.span);
                    state.found.push(Spanned::new(directive, statement.span));
                }
                None => {
                    state.after_error = true;
                    self.close_chain(&mut state);
                }
            }
            state.after_error = self.problems.len() > before;
            if self.problems.is_full() || self.links > limits::RULES {
                break;
            }
        }
        // Other engines load a chain that the end of the file cuts off; it can never match, which the engine says when it compiles it.
        if let Some((rule, _)) = state.open.take() {
            state
                .found
                .push(Spanned::new(Directive::Rule(rule.value), rule.span));
        }
        state.found
    }

    /// The tree, or everything that is wrong.
    pub(crate) fn finish(self) -> Result<Document, Vec<Diagnostic>> {
        let (document, problems) = self.finish_partly();
        if problems.is_empty() {
            Ok(document)
        } else {
            Err(problems)
        }
    }

    /// What of the tree could be understood, and everything that is wrong.
    pub(crate) fn finish_partly(self) -> (Document, Vec<Diagnostic>) {
        let mut problems = self.problems;
        let remarks = std::mem::take(&mut problems.remarks);
        let problems = problems.into_diagnostics(&self.sources);
        let document = Document {
            sources: self.sources,
            directives: self.directives,
            comments: self.comments,
            remarks,
            data: std::collections::BTreeMap::new(),
        };
        (document, problems)
    }

    /// A rule of its own, or one more link of the chain that is open.
    fn link(&mut self, link: Spanned<Link>, state: &mut State, failed: bool) {
        self.links += 1;
        if self.links > limits::RULES {
            let limit = limits::RULES;
            self.problems.add(
                link.span,
                Problem::TooLarge {
                    what: "rules",
                    limit,
                },
            );
            return;
        }
        let chain = link
            .actions
            .iter()
            .find(|action| action.value == Action::Chain)
            .map(|action| action.span);
        let rule = match state.open.take() {
            None => {
                self.check_starter(&link, failed || state.after_error);
                let span = link.span;
                let chained = Vec::new();
                Spanned::new(
                    Rule {
                        starter: link,
                        chained,
                    },
                    span,
                )
            }
            Some((mut rule, _)) => {
                self.check_chained(&link);
                rule.span = rule.span.to(link.span);
                rule.value.chained.push(link);
                if rule.chained.len() == limits::CHAIN_LINKS {
                    let limit = limits::CHAIN_LINKS;
                    let what = "links of one chain";
                    self.problems
                        .add(rule.span, Problem::TooLarge { what, limit });
                }
                rule
            }
        };
        match chain {
            Some(chain) => state.open = Some((rule, chain)),
            None => state
                .found
                .push(Spanned::new(Directive::Rule(rule.value), rule.span)),
        }
    }

    /// Reports a chain that is still open where it cannot go on.
    fn close_chain(&mut self, state: &mut State) {
        let Some((rule, chain)) = state.open.take() else {
            return;
        };
        if !state.after_error {
            self.problems.add(chain, Problem::ChainWithoutNext);
        }
        state
            .found
            .push(Spanned::new(Directive::Rule(rule.value), rule.span));
    }

    fn check_starter(&mut self, link: &Spanned<Link>, excused: bool) {
        let mut id = None;
        for action in &link.actions {
            match action.value {
                Action::Id(_) if id.is_some() => {
                    self.problems.add(action.span, Problem::Twice("id"));
                }
                Action::Id(found) => id = Some((found, action.span)),
                _ => {}
            }
        }
        match id {
            None if excused => {}
            // Other engines load an action without an id; nothing can name it.
            None if link.condition.is_none() => {}
            None => self.problems.add(link.span, Problem::MissingId),
            Some((id, span)) => match self.ids.get(&id) {
                None => {
                    self.ids.insert(id, span);
                }
                Some(first) => {
                    let first = self.sources.locate(*first).to_string();
                    self.problems.add(span, Problem::DuplicateId { id, first });
                }
            },
        }
    }

    /// Later links of a chain have no id and no phase and decide nothing.
    fn check_chained(&mut self, link: &Spanned<Link>) {
        for action in &link.actions {
            let starters = matches!(
                action.value,
                Action::Id(_) | Action::Phase(_) | Action::Skip(_) | Action::SkipAfter(_)
            );
            if starters || action.value.is_disruptive() {
                let word = self.sources.text(action.span).to_owned();
                self.problems.add(action.span, Problem::OnChainedRule(word));
            }
        }
    }

    fn check_directive(&mut self, directive: &Directive, span: Span) {
        let Directive::DefaultAction(actions) = directive else {
            return;
        };
        let mut phase = None;
        let mut decides = false;
        for action in actions {
            let unfit = match &action.value {
                Action::Phase(found) => {
                    phase = Some(*found);
                    continue;
                }
                Action::Id(_)
                | Action::Msg(_)
                | Action::LogData(_)
                | Action::Severity(_)
                | Action::Ver(_)
                | Action::Rev(_)
                | Action::Chain
                | Action::Skip(_)
                | Action::SkipAfter(_)
                | Action::Transform(crate::ast::Transformation::None) => true,
                other => {
                    decides |= other.is_disruptive() && *other != Action::Block;
                    false
                }
            };
            if unfit {
                let word = self.sources.text(action.span).to_owned();
                self.problems
                    .add(action.span, Problem::DefaultActionHolds(word));
            }
        }
        if !decides {
            let what = "a disruptive action other than block";
            self.problems.add(span, Problem::DefaultActionLacks(what));
        }
        let Some(phase) = phase else {
            self.problems
                .add(span, Problem::DefaultActionLacks("a phase"));
            return;
        };
        if let Some(first) = self.default_phases.get(&phase) {
            let first = self.sources.locate(*first).to_string();
            let phase = phase.number();
            self.problems
                .add(span, Problem::DefaultActionTwice { phase, first });
        } else {
            self.default_phases.insert(phase, span);
        }
    }
}

#[cfg(test)]
mod tests;
