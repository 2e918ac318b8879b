//! Operators of the syntax tree become tests: patterns are compiled, data files read into sets.

use seclang::Spanned;
use seclang::ast::{Operator, OperatorKind};

use super::compile::Compiler;
use super::draft::Draft;
use super::error::CompileErrorKind as Problem;
use crate::operator::{
    CardNumber, Comparison, Grammar, IdentityNumber, MadePattern, Nation, Networks, PathTemplate,
    Phrases, Regex, Relation, Test, byte_range,
};

impl Compiler<'_> {
    /// Why an operator finds nothing here: who would know is not asked. ModSecurity behaves alike where it has nobody to ask, and
    /// sets of rules count on it.
    pub(super) fn asks_nobody(&self, kind: OperatorKind) -> Option<&'static str> {
        match kind {
            OperatorKind::GeoLookup if self.drafts.places.is_none() => {
                Some("no SecGeoLookupDb names a database")
            }
            OperatorKind::Rbl => Some("no name server is asked while a request waits"),
            _ => None,
        }
    }

    pub(super) fn test(
        &self,
        draft: &Draft<'_>,
        operator: &Spanned<Operator>,
    ) -> Result<Test, Problem> {
        let literal = || literal(operator);
        let data = |name: &str| {
            draft
                .document
                .data_file(operator.span, name)
                .ok_or_else(|| Problem::DataFile(name.to_owned()))
        };
        let dataset = |name: &str| {
            let found = self
                .drafts
                .datasets
                .iter()
                .rev()
                .find(|(known, _)| known == name);
            found
                .map(|(_, entries)| *entries)
                .ok_or_else(|| Problem::Dataset(name.to_owned()))
        };
        if let Some(test) = plain(operator.kind) {
            return Ok(test);
        }
        if let Some(test) = self.pattern_test(operator)? {
            return Ok(test);
        }
        Ok(match operator.kind {
            OperatorKind::Pm => {
                Test::Phrases(Phrases::of_words(literal()?).map_err(Problem::Phrases)?)
            }
            OperatorKind::PmFromFile => {
                let mut lines = Vec::new();
                for name in literal()?.split_ascii_whitespace() {
                    lines.extend_from_slice(data(name)?);
                    lines.push(b'\n');
                }
                Test::Phrases(Phrases::of_lines(&lines).map_err(Problem::Phrases)?)
            }
            OperatorKind::PmFromDataset => {
                let phrases = dataset(literal()?)?
                    .iter()
                    .map(|entry| entry.clone().into_bytes());
                Test::Phrases(Phrases::new(phrases.collect()).map_err(Problem::Phrases)?)
            }
            kind @ (OperatorKind::ValidateDtd | OperatorKind::ValidateSchema) => {
                let (path, files) = draft.document.grammar(operator.span, literal()?.trim());
                let grammar = match kind {
                    OperatorKind::ValidateDtd => Grammar::dtd(&files, &path),
                    _ => Grammar::schema(&files, &path),
                };
                Test::Document(Box::new(grammar.map_err(Problem::Grammar)?))
            }
            OperatorKind::ValidateByteRange => {
                let argument = literal()?;
                Test::ByteRange(
                    byte_range(argument).ok_or_else(|| Problem::ByteRange(argument.to_owned()))?,
                )
            }
            OperatorKind::IpMatch => {
                Test::Networks(Networks::read(literal()?.split(',')).map_err(Problem::Network)?)
            }
            OperatorKind::IpMatchFromFile => {
                let file = String::from_utf8_lossy(data(literal()?)?);
                let lines = file
                    .lines()
                    .map(str::trim)
                    .filter(|line| !line.starts_with('#'));
                Test::Networks(Networks::read(lines).map_err(Problem::Network)?)
            }
            OperatorKind::IpMatchFromDataset => {
                let entries = dataset(literal()?)?.iter().map(String::as_str);
                Test::Networks(Networks::read(entries).map_err(Problem::Network)?)
            }
            kind => return Err(refused(kind)),
        })
    }

    /// The tests that are patterns, or go by one.
    fn pattern_test(&self, operator: &Operator) -> Result<Option<Test>, Problem> {
        let literal = || literal(operator);
        let regex = |pattern: &str| Regex::new(pattern, self.match_limit).map_err(Problem::Pattern);
        let number = |nation, pattern: &str| {
            regex(pattern).map(|regex| Test::IdentityNumber(IdentityNumber { regex, nation }))
        };
        Ok(Some(match operator.kind {
            OperatorKind::Rx => match operator.argument.as_literal() {
                Some(pattern) => Test::Rx(regex(pattern)?),
                None => Test::Made(MadePattern::new(self.match_limit, false)),
            },
            OperatorKind::RxGlobal => match operator.argument.as_literal() {
                Some(pattern) => Test::RxGlobal(regex(pattern)?),
                None => Test::Made(MadePattern::new(self.match_limit, true)),
            },
            OperatorKind::Restpath => {
                let template = PathTemplate::read(literal()?, self.match_limit);
                Test::Path(template.map_err(Problem::Template)?)
            }
            OperatorKind::GeoLookup => self.drafts.places.clone().map_or(Test::Never, Test::Places),
            OperatorKind::VerifyCpf => number(Nation::Brazil, literal()?)?,
            OperatorKind::VerifySsn => number(Nation::UnitedStates, literal()?)?,
            OperatorKind::VerifySvnr => number(Nation::Austria, literal()?)?,
            OperatorKind::ValidateNid => {
                let argument = literal()?;
                match argument.split_once(' ') {
                    Some(("cl", pattern)) => number(Nation::Chile, pattern)?,
                    Some(("us", pattern)) => number(Nation::UnitedStates, pattern)?,
                    _ => return Err(Problem::Nation(argument.to_owned())),
                }
            }
            OperatorKind::VerifyCc => Test::CardNumber(CardNumber(regex(literal()?)?)),
            _ => return Ok(None),
        }))
    }
}

/// The argument of an operator that takes no macro.
fn literal(operator: &Operator) -> Result<&str, Problem> {
    let kind = operator.kind;
    let has_macro = || Problem::Unsupported(format!("a macro in the argument of @{kind}"));
    operator.argument.as_literal().ok_or_else(has_macro)
}

/// Why the other operators are not carried out.
fn refused(kind: OperatorKind) -> Problem {
    let (word, remedy) = match kind {
        OperatorKind::FuzzyHash => (
            "the operator @fuzzyHash",
            "fuzzy hashes are those of ssdeep, which is not part of bascule; look for malware behind the proxy",
        ),
        kind => return Problem::Unsupported(format!("the operator @{kind}")),
    };
    Problem::Refused(word, remedy)
}

/// The tests that take nothing when they are compiled.
fn plain(kind: OperatorKind) -> Option<Test> {
    use OperatorKind as Kind;
    Some(match kind {
        Kind::Contains | Kind::Strmatch => Test::Text(Comparison::Contains),
        Kind::ContainsWord => Test::Text(Comparison::ContainsWord),
        Kind::Streq => Test::Text(Comparison::Equals),
        Kind::BeginsWith => Test::Text(Comparison::BeginsWith),
        Kind::EndsWith => Test::Text(Comparison::EndsWith),
        Kind::Within => Test::Text(Comparison::Within),
        Kind::Eq => Test::Number(Relation::Equal),
        Kind::Ge => Test::Number(Relation::GreaterOrEqual),
        Kind::Gt => Test::Number(Relation::Greater),
        Kind::Le => Test::Number(Relation::LessOrEqual),
        Kind::Lt => Test::Number(Relation::Less),
        Kind::ValidateUrlEncoding => Test::UrlEncoding,
        Kind::ValidateUtf8Encoding => Test::Utf8Encoding,
        Kind::DetectSqli => Test::SqlInjection,
        Kind::DetectXss => Test::Xss,
        Kind::UnconditionalMatch => Test::Always,
        Kind::NoMatch => Test::Never,
        _ => return None,
    })
}
