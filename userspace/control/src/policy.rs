//! The rules of one WAF policy, for people who ask what they do.

use crate::build::waf::{exclusions, settings};
use config::{Config, Diagnostics, RuleSource};
use rules::{Finding, Rules};
use seclang::ast::Document;
use std::path::Path;

/// Why there are no such rules.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The configuration is wrong.
    #[error("{0}")]
    Config(Diagnostics),
    /// The rules are.
    #[error("{}", rules::listed(.0))]
    Rules(Vec<Finding>),
    /// It has no policy of this name.
    #[error("expected one of the WAF policies {known}, found `{name}`")]
    Unknown {
        /// The name.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// It has several, or none.
    #[error("expected one WAF policy in the configuration, found {0}; say which with --policy")]
    Which(String),
}

/// Reads the rules of a policy with its own settings before them and its exceptions behind, as a service would.
///
/// # Errors
/// What is wrong with the configuration or the rules, or that it has no such policy.
pub fn policy_rules(config: &Path, name: Option<&str>) -> Result<Vec<Document>, PolicyError> {
    let loaded = Config::load(config).map_err(PolicyError::Config)?;
    let policies = &loaded.config.waf;
    let known = || {
        let names = policies
            .iter()
            .map(|entry| format!("`{}`", entry.name.as_str()));
        names.collect::<Vec<_>>().join(", ")
    };
    let entry = match name {
        Some(name) => policies
            .iter()
            .find(|entry| entry.name.as_str() == name)
            .ok_or_else(|| PolicyError::Unknown {
                name: name.to_owned(),
                known: known(),
            })?,
        None => {
            let mut entries = policies.iter();
            match (entries.next(), entries.next()) {
                (Some(entry), None) => entry,
                (None, _) => return Err(PolicyError::Which("none".to_owned())),
                _ => return Err(PolicyError::Which(known())),
            }
        }
    };
    let mut documents = own("settings", &settings(&entry.value))?;
    for source in &entry.value.rules.0 {
        let rules = match source {
            RuleSource::Shipped(_) => Rules::Shipped,
            RuleSource::Files(files) => Rules::Files(files.found.clone()),
        };
        documents.extend(rules.read().map_err(PolicyError::Rules)?);
    }
    documents.extend(own("exclusions", &exclusions(&entry.value))?);
    Ok(documents)
}

fn own(name: &str, text: &str) -> Result<Vec<Document>, PolicyError> {
    Rules::parse(name, text).map_err(PolicyError::Rules)
}
