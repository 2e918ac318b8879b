//! Documents held against the grammar that a rule names: `@validateDTD`, `@validateSchema`.

use std::path::Path;

use schema::{Document, Dtd, Files, Finding, JsonSchema, Problem, Work, XmlSchema};

/// A compiled grammar.
#[derive(Debug)]
pub(crate) enum Grammar {
    Dtd(Dtd),
    Xml(XmlSchema),
    Json(JsonSchema),
    /// A file that is none. No document passes it, as in ModSecurity, where each request would try to read it.
    Broken(Problem),
}

impl Grammar {
    /// Reads a DTD.
    ///
    /// # Errors
    /// What of it is sound and not carried out here.
    pub(crate) fn dtd(files: &Files, path: &Path) -> Result<Grammar, Problem> {
        unless_broken(Dtd::read(files, path).map(Grammar::Dtd))
    }

    /// Reads a schema: of JSON where the name ends so, else of XML.
    ///
    /// # Errors
    /// As [`Grammar::dtd`].
    pub(crate) fn schema(files: &Files, path: &Path) -> Result<Grammar, Problem> {
        let is_json = path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        unless_broken(if is_json {
            JsonSchema::read(files, path).map(Grammar::Json)
        } else {
            XmlSchema::read(files, path).map(Grammar::Xml)
        })
    }

    /// Whether it is about XML, so that documents have to be kept for it.
    pub(crate) const fn is_of_xml(&self) -> bool {
        !matches!(self, Self::Json(_))
    }

    /// Whether a document is not as the grammar says. No document is not. `text` is what JSON is held against; where it is empty,
    /// there is nothing to say, as in Coraza.
    ///
    /// # Errors
    /// The budget is spent.
    pub(crate) fn differs(
        &self,
        document: Option<&Document>,
        text: &[u8],
        work: &mut Work,
    ) -> Result<bool, Finding> {
        let outcome = match (self, document) {
            (Self::Json(_), _) if text.is_empty() => return Ok(false),
            (Self::Json(schema), _) => schema.check(text, work),
            (Self::Dtd(dtd), Some(document)) => dtd.check(document, work),
            (Self::Xml(schema), Some(document)) => schema.check(document, work),
            (Self::Dtd(_) | Self::Xml(_), None) | (Self::Broken(_), _) => return Ok(true),
        };
        match outcome {
            Ok(()) => Ok(false),
            Err(Finding::Invalid(_)) => Ok(true),
            Err(exhausted) => Err(exhausted),
        }
    }
}

fn unless_broken(read: Result<Grammar, Problem>) -> Result<Grammar, Problem> {
    match read {
        Err(problem) if !problem.kind.is_ours() => Ok(Grammar::Broken(problem)),
        read => read,
    }
}
