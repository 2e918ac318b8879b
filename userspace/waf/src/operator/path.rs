//! `@restpath`: a path with places for arguments.

use super::{Captures, MatchError, Regex, RegexError};

/// A path template such as `/users/{id}/posts/{post}`.
#[derive(Debug)]
pub(crate) struct PathTemplate {
    regex: Regex,
    /// The names in braces, in order: group 1 is the first.
    names: Vec<Box<str>>,
}

/// Why a template cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TemplateError {
    /// The parts between the braces are a pattern.
    #[error(transparent)]
    Pattern(RegexError),
    /// As many as a match can capture.
    #[error("the path has more than nine names in braces")]
    TooManyNames,
}

impl PathTemplate {
    /// Reads a template. As in Coraza a name in braces takes any bytes, the rest is a pattern, and it is searched in the value.
    pub(crate) fn read(template: &str, match_limit: u64) -> Result<PathTemplate, TemplateError> {
        let mut pattern = String::new();
        let mut names = Vec::new();
        let mut rest = template;
        while let Some((before, behind)) = rest.split_once('{') {
            let Some((name, behind)) = behind.split_once('}').filter(|(name, _)| !name.is_empty())
            else {
                break;
            };
            pattern.push_str(before);
            pattern.push_str("(.*)");
            names.push(name.into());
            rest = behind;
        }
        pattern.push_str(rest);
        if names.len() >= Captures::LIMIT {
            return Err(TemplateError::TooManyNames);
        }
        Ok(PathTemplate {
            regex: Regex::new(&pattern, match_limit).map_err(TemplateError::Pattern)?,
            names,
        })
    }

    pub(crate) fn matches(
        &self,
        value: &[u8],
        captures: Option<&mut Captures>,
    ) -> Result<bool, MatchError> {
        self.regex.matches(value, captures)
    }

    /// What the groups of a match are called.
    pub(crate) fn names(&self) -> &[Box<str>] {
        &self.names
    }
}
