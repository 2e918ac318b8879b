//! The canonical form of a tree: one action a line, names in their own spelling, quotes only where they are needed.

mod action;
mod setting;

use std::fmt::{self, Display, Write};

use crate::ast::{
    Action, Directive, Document, Link, Operator, OperatorKind, Rule, RuleChoice, Selector, Target,
    Use,
};
use crate::span::{Span, Spanned};

/// Prints a tree that came from [`crate::parse_str`]. What is printed parses to an equal tree.
///
/// Comments and single blank lines between directives are kept; a blank line follows each rule of several lines.
#[must_use]
pub fn format(document: &Document) -> String {
    let mut printer = Printer {
        document,
        out: String::new(),
        comments: document.comments.iter().peekable(),
        behind: None,
        after_block: false,
    };
    for directive in &document.directives {
        match &directive.value {
            Directive::Rule(rule) => printer.rule(rule),
            other => {
                printer.comments_before(directive.span, "");
                printer.line("", other);
                printer.behind = Some(directive.span);
            }
        }
    }
    printer.last_comments();
    printer.out
}

struct Printer<'a> {
    document: &'a Document,
    out: String,
    comments: std::iter::Peekable<std::slice::Iter<'a, Spanned<String>>>,
    /// Where the thing that was printed last stood.
    behind: Option<Span>,
    /// Whether that took several lines.
    after_block: bool,
}

impl Printer<'_> {
    fn rule(&mut self, rule: &Rule) {
        let mut indent = "";
        for link in rule.links() {
            self.comments_before(link.span, indent);
            self.line(indent, LinkLines { link, indent });
            self.behind = Some(link.span);
            self.after_block = false;
            indent = "    ";
        }
        self.after_block = rule.links().any(|link| !link.actions.is_empty());
    }

    fn line(&mut self, indent: &str, printed: impl Display) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.out, "{indent}{printed}");
    }

    /// The comments that stand before `span`, and the blank line before each of them and before `span` itself.
    fn comments_before(&mut self, span: Span, indent: &str) {
        while let Some(comment) = self.comments.next_if(|comment| comment.span < span) {
            self.blank_line_before(comment.span);
            self.line(indent, &comment.value);
            self.behind = Some(comment.span);
        }
        self.blank_line_before(span);
    }

    fn last_comments(&mut self) {
        while let Some(comment) = self.comments.next() {
            self.blank_line_before(comment.span);
            self.line("", &comment.value);
            self.behind = Some(comment.span);
        }
    }

    /// A blank line where the source has one or more.
    fn blank_line_before(&mut self, span: Span) {
        let Some(behind) = self.behind else { return };
        let between = Span {
            start: behind.end,
            end: span.start,
            ..span
        };
        let lines = self.document.sources.text(between).matches('\n').count();
        if lines > 1 || self.after_block {
            self.out.push('\n');
        }
        self.after_block = false;
    }
}

struct LinkLines<'a> {
    link: &'a Link,
    indent: &'a str,
}

impl Display for LinkLines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.link.condition {
            None => f.write_str("SecAction")?,
            Some(condition) => {
                let targets = target_list(&condition.targets, '|', &['|']);
                let operator = operator_word(&condition.operator);
                write!(f, "SecRule {} {operator}", word(&targets))?;
            }
        }
        let actions = &self.link.actions;
        if actions.is_empty() && self.link.condition.is_some() {
            return Ok(());
        }
        write!(f, " \\\n{}    \"", self.indent)?;
        action_lines(f, actions, self.indent)
    }
}

/// Actions behind an opening quote, one a line, and the closing quote. An empty entry keeps a last backslash from the
/// quote.
fn action_lines(
    f: &mut fmt::Formatter<'_>,
    actions: &[Spanned<Action>],
    indent: &str,
) -> fmt::Result {
    let list = action_list(actions, &format!(",\\\n{indent}    "));
    write!(f, "{}\"", list.replace('"', "\\\""))
}

fn action_list(actions: &[Spanned<Action>], between: &str) -> String {
    let printed: Vec<String> = actions
        .iter()
        .map(|action| action.value.to_string())
        .collect();
    let list = printed.join(between);
    if list.ends_with('\\') {
        list + ","
    } else {
        list
    }
}

impl Display for Directive {
    /// Without a line end behind it. An action list takes several lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(rule) => rule.links().enumerate().try_for_each(|(index, link)| {
                let indent = if index == 0 { "" } else { "\n    " };
                write!(
                    f,
                    "{indent}{}",
                    LinkLines {
                        link,
                        indent: indent.trim_start_matches('\n')
                    }
                )
            }),
            Self::Marker(name) => write!(f, "SecMarker {}", word(name)),
            Self::DefaultAction(actions) => {
                write!(f, "SecDefaultAction {}", quoted(&action_list(actions, ",")))
            }
            Self::RuleRemoveById(ranges) => {
                f.write_str("SecRuleRemoveById")?;
                ranges.iter().try_for_each(|range| write!(f, " {range}"))
            }
            Self::RuleRemoveByTag(tag) => write!(f, "SecRuleRemoveByTag {}", quoted(tag)),
            Self::RuleRemoveByMsg(msg) => write!(f, "SecRuleRemoveByMsg {}", quoted(msg)),
            Self::RuleUpdateTarget {
                rules,
                link,
                targets,
            } => {
                let targets = quoted(&target_list(targets, ',', &['|', ',']));
                match rules {
                    RuleChoice::Ids(ids) if *link > 0 => {
                        write!(f, "SecRuleUpdateTargetById {ids}:{link} {targets}")
                    }
                    RuleChoice::Ids(ids) => write!(f, "SecRuleUpdateTargetById {ids} {targets}"),
                    RuleChoice::Tag(tag) => {
                        write!(f, "SecRuleUpdateTargetByTag {} {targets}", quoted(tag))
                    }
                    RuleChoice::Msg(msg) => {
                        write!(f, "SecRuleUpdateTargetByMsg {} {targets}", quoted(msg))
                    }
                }
            }
            Self::RuleUpdateActionById { id, link, actions } => {
                write!(f, "SecRuleUpdateActionById {id}")?;
                if *link > 0 {
                    write!(f, ":{link}")?;
                }
                f.write_str(" \\\n    \"")?;
                action_lines(f, actions, "")
            }
            Self::Include(path) => write!(f, "Include {}", word(path)),
            Self::IncludeOptional(path) => write!(f, "IncludeOptional {}", word(path)),
            Self::Dataset { name, entries } => {
                writeln!(f, "SecDataset {} `", word(name))?;
                entries
                    .iter()
                    .try_for_each(|entry| writeln!(f, "{entry}"))?;
                f.write_str("`")
            }
            Self::ComponentSignature(text) => write!(f, "SecComponentSignature {}", quoted(text)),
            Self::Setting(setting) => write!(f, "{setting}"),
            Self::NoOp {
                directive,
                arguments,
            } => {
                write!(f, "{directive}")?;
                arguments
                    .iter()
                    .try_for_each(|argument| write!(f, " {}", word(argument)))
            }
        }
    }
}

/// A blank keeps a last backslash from the quote.
fn target_list(targets: &[Spanned<Target>], separator: char, separators: &[char]) -> String {
    let printed = targets
        .iter()
        .map(|target| target_among(target, separators));
    let list = printed
        .collect::<Vec<String>>()
        .join(&separator.to_string());
    if list.ends_with('\\') {
        list + " "
    } else {
        list
    }
}

/// One target as it is written in a list with these separators.
fn target_among(target: &Target, separators: &[char]) -> String {
    let sign = match target.usage {
        Use::Values => "",
        Use::Count => "&",
        Use::Exclude => "!",
    };
    let variable = target.variable;
    match &target.selector {
        Selector::None => format!("{sign}{variable}"),
        Selector::XPath(path) => format!("{sign}{variable}:{path}"),
        Selector::Regex(regex) if ends_early(regex, separators) => {
            format!("{sign}{variable}:'/{regex}/'")
        }
        Selector::Regex(regex) => format!("{sign}{variable}:/{regex}/"),
        Selector::Key(key) if is_plain_key(key) => format!("{sign}{variable}:{key}"),
        Selector::Key(key) => format!("{sign}{variable}:'{}'", key.replace('\'', "\\'")),
    }
}

/// As it stands alone.
impl Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&target_among(self, &[]))
    }
}

/// Whether a slash in the expression would be taken for its end.
fn ends_early(regex: &str, separators: &[char]) -> bool {
    let mut escaped = false;
    for (at, c) in regex.char_indices() {
        let behind = regex.get(at + 1..).unwrap_or("").trim_start();
        if c == '/' && !escaped && behind.starts_with(separators) {
            return true;
        }
        escaped = c == '\\' && !escaped;
    }
    false
}

/// Whether a key means the same without quotes round it.
fn is_plain_key(key: &str) -> bool {
    let special = key.contains(['|', ',', '\'']) || key.starts_with('/');
    !special && key.trim() == key
}

/// The operator as a word. A bare pattern stays bare where `@rx` before it would change what it says.
fn operator_word(operator: &Operator) -> String {
    let argument = operator.argument.to_string();
    let bare = operator.kind == OperatorKind::Rx
        && (argument.starts_with(|c: char| c.is_ascii_whitespace()) || argument.ends_with('\\'));
    if bare {
        let sign = if operator.negated { "!" } else { "" };
        return word(&format!("{sign}{argument}"));
    }
    quoted(&operator.to_string())
}

impl Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negated { "!" } else { "" };
        write!(f, "{sign}@{}", self.kind)?;
        if self.argument.segments.is_empty() {
            return Ok(());
        }
        write!(f, " {}", self.argument)
    }
}

/// In double quotes. A word that ends in a backslash stays bare, for quotes would take that as an escape; the parser
/// makes no such word with blanks in it.
fn quoted(text: &str) -> String {
    if text.ends_with('\\') {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('"', "\\\""))
}

/// As a word of a line: bare if it can be, else in double quotes.
fn word(text: &str) -> String {
    let special = text.is_empty()
        || text.starts_with(['"', '\'', '`', '#'])
        || text.contains(|c: char| c.is_ascii_whitespace());
    if special {
        quoted(text)
    } else {
        text.to_owned()
    }
}
