//! How many rules look for what, and at which paranoia level.

use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use waf::RuleSet;

/// What the tags of categories begin with, in the CRS and in the rules that ship.
const CATEGORY: &str = "attack-";

/// What the tags of paranoia levels begin with.
const LEVEL: &str = "paranoia-level/";

/// The highest paranoia level.
const LEVELS: u8 = 4;

/// Active detection rules: those that look at traffic and log or decide.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// All of them.
    pub detection_rules: usize,
    /// By category; a rule with several counts in each. What has no tag `attack-…` is under `other`.
    pub categories: BTreeMap<String, Category>,
}

/// The rules of one category.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Category {
    /// All of them.
    pub rules: usize,
    /// By paranoia level, 1 first. A rule without a tag `paranoia-level/N` is of level 1.
    pub by_level: [usize; LEVELS as usize],
}

impl Coverage {
    /// Counts the rules of a set.
    #[must_use]
    pub fn of(rules: &RuleSet) -> Self {
        let mut coverage = Self::default();
        for rule in rules.rules().filter(|rule| rule.detects) {
            coverage.detection_rules += 1;
            let level = rule
                .tags
                .iter()
                .find_map(|tag| tag.strip_prefix(LEVEL)?.parse().ok())
                .filter(|level| (1..=LEVELS).contains(level))
                .unwrap_or(1);
            let mut categories: Vec<&str> = rule
                .tags
                .iter()
                .filter_map(|tag| tag.strip_prefix(CATEGORY))
                .collect();
            if categories.is_empty() {
                categories.push("other");
            }
            for name in categories {
                let category = coverage.categories.entry(name.to_owned()).or_default();
                category.rules += 1;
                if let Some(count) = category.by_level.get_mut(usize::from(level) - 1) {
                    *count += 1;
                }
            }
        }
        coverage
    }

    /// One line: `rce 30+12+1+0, sqli 20+5+3+1`, rules of paranoia level 1 first.
    #[must_use]
    pub fn summary(&self) -> String {
        let categories = self.categories.iter().map(|(name, category)| {
            let levels = category.by_level.map(|count| count.to_string());
            format!("{name} {}", levels.join("+"))
        });
        categories.collect::<Vec<_>>().join(", ")
    }

    /// A table for people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = format!("{} active detection rules\n", self.detection_rules);
        if self.categories.is_empty() {
            return text;
        }
        let width = self.categories.keys().map(String::len).max().unwrap_or(0);
        let width = width.max("category".len());
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "  {:width$}  {:>6} {:>6} {:>6} {:>6} {:>6}",
            "category", "all", "PL 1", "PL 2", "PL 3", "PL 4"
        );
        for (name, category) in &self.categories {
            let _ = write!(text, "  {name:width$}  {:>6}", category.rules);
            for count in category.by_level {
                let _ = write!(text, " {count:>6}");
            }
            text.push('\n');
        }
        text
    }
}
