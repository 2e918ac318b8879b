//! The first pass over the directives: which rules there are in the end, after removals, further targets and changed actions.

use std::sync::Arc;

use seclang::Document;
use seclang::ast::{Action, Directive, IdRange, Rule, RuleChoice, Selector, Setting, Target, Use};
use seclang::{Span, Spanned};

use super::error::{CompileError, CompileErrorKind, CompileOptions, Notice};
use super::rule::Place;
use super::settings::{self, Settings};
use crate::operator::{Places, Regex};
use crate::transform::UnicodeMap;

/// A rule as the files leave it.
pub(super) struct Draft<'a> {
    pub(super) document: &'a Document,
    pub(super) rule: Rule,
    pub(super) place: Place,
    /// The actions of `SecDefaultAction` for its phase that stood before it.
    pub(super) defaults: Vec<Spanned<Action>>,
    removed: bool,
}

/// What stands in the files, in order.
pub(super) enum Item {
    /// An index into [`Drafts::rules`].
    Rule(usize),
    Marker(String),
}

#[derive(Default)]
pub(super) struct Drafts<'a> {
    pub(super) rules: Vec<Draft<'a>>,
    pub(super) items: Vec<Item>,
    pub(super) settings: Settings,
    pub(super) datasets: Vec<(String, &'a [String])>,
    /// The database of `SecGeoLookupDb`.
    pub(super) places: Option<Places>,
    pub(super) signatures: Vec<String>,
    pub(super) notices: Vec<Notice>,
    pub(super) errors: Vec<CompileError>,
    defaults: [Vec<Spanned<Action>>; 5],
    /// Changes of rules that found none before them.
    waiting: Vec<Revision<'a>>,
}

/// File and line of a span.
pub(super) fn place_of(document: &Document, span: Span) -> Place {
    let location = document.sources.locate(span);
    Place {
        file: location.file.into(),
        line: location.line,
        column: location.column,
        length: span.end.saturating_sub(span.start),
    }
}

impl<'a> Drafts<'a> {
    pub(super) fn read(documents: &'a [Document], options: &CompileOptions) -> Drafts<'a> {
        let mut drafts = Drafts::default();
        for document in documents {
            for remark in &document.remarks {
                drafts.notice(place_of(document, remark.span), remark.value.to_owned());
            }
            for directive in &document.directives {
                drafts.take(document, directive, options);
            }
        }
        for revision in std::mem::take(&mut drafts.waiting) {
            if !revision.hit {
                drafts.notice(
                    revision.place,
                    format!("{}: there is no such rule", revision.what),
                );
            }
        }
        // What was removed is out; the items keep their order.
        let removed: Vec<bool> = drafts.rules.iter().map(|draft| draft.removed).collect();
        let mut index = 0;
        let kept: Vec<usize> = removed
            .iter()
            .map(|removed| {
                let at = index;
                index += usize::from(!removed);
                at
            })
            .collect();
        drafts.items.retain_mut(|item| match item {
            Item::Rule(rule) => {
                let keep = !removed[*rule];
                *rule = kept[*rule];
                keep
            }
            Item::Marker(_) => true,
        });
        drafts.rules.retain(|draft| !draft.removed);
        drafts
    }

    fn take(
        &mut self,
        document: &'a Document,
        directive: &'a Spanned<Directive>,
        options: &CompileOptions,
    ) {
        let place = || place_of(document, directive.span);
        match &directive.value {
            Directive::Rule(rule) => self.add_rule(document, rule, place()),
            Directive::Marker(name) => self.items.push(Item::Marker(name.clone())),
            Directive::DefaultAction(actions) => {
                let phase = actions.iter().find_map(|action| match action.value {
                    Action::Phase(phase) => Some(phase),
                    _ => None,
                });
                if let Some(phase) = phase {
                    self.defaults[usize::from(phase.number()) - 1].clone_from(actions);
                }
            }
            Directive::Dataset { name, entries } => self.datasets.push((name.clone(), entries)),
            Directive::ComponentSignature(signature) => self.signatures.push(signature.clone()),
            Directive::Setting(setting) => {
                self.take_setting(document, directive.span, setting, options);
            }
            // An Include that still stands in the tree came from a text without files: there is nothing to follow.
            Directive::Include(path) | Directive::IncludeOptional(path) => self.notice(
                place(),
                format!("Include {path} was not followed: the rules were not read from files"),
            ),
            change => self.take_change(change, place()),
        }
    }

    /// Directives that change rules; what is left has no effect.
    fn take_change(&mut self, directive: &'a Directive, place: Place) {
        match directive {
            Directive::RuleRemoveById(ranges) => {
                for range in ranges {
                    let what = format!("SecRuleRemoveById {}", written(*range));
                    let choice = RuleChoice::Ids(*range);
                    self.revise(&choice, Change::Remove, what, place.clone());
                }
            }
            Directive::RuleRemoveByTag(pattern) => {
                let what = format!("SecRuleRemoveByTag {pattern}");
                self.revise(
                    &RuleChoice::Tag(pattern.clone()),
                    Change::Remove,
                    what,
                    place,
                );
            }
            Directive::RuleRemoveByMsg(pattern) => {
                let what = format!("SecRuleRemoveByMsg {pattern}");
                self.revise(
                    &RuleChoice::Msg(pattern.clone()),
                    Change::Remove,
                    what,
                    place,
                );
            }
            Directive::RuleUpdateTarget {
                rules,
                link,
                targets,
            } => {
                let (link, what) = (*link, "SecRuleUpdateTarget".to_owned());
                self.revise(rules, Change::Targets { link, targets }, what, place);
            }
            Directive::RuleUpdateActionById { id, link, actions } => {
                let what = format!("SecRuleUpdateActionById {id}");
                let choice = RuleChoice::Ids(IdRange {
                    first: *id,
                    last: *id,
                });
                let link = *link;
                self.revise(&choice, Change::Actions { link, actions }, what, place);
            }
            _ => {}
        }
    }

    fn take_setting(
        &mut self,
        document: &Document,
        from: Span,
        setting: &Setting,
        options: &CompileOptions,
    ) {
        let place = || place_of(document, from);
        let outcome = self
            .settings
            .apply(setting, options)
            .and_then(|()| self.read_data(document, from, setting));
        if let Err(kind) = outcome {
            self.errors.push(CompileError {
                rule: None,
                place: place(),
                kind,
            });
        }
        if let Some(text) = settings::notice(setting) {
            self.notice(place(), text.to_owned());
        }
    }

    /// Takes over the files that a setting names.
    fn read_data(
        &mut self,
        document: &Document,
        from: Span,
        setting: &Setting,
    ) -> Result<(), CompileErrorKind> {
        let data = |name: &str| {
            let missing = || CompileErrorKind::DataFile(name.to_owned());
            document.data_file(from, name).ok_or_else(missing)
        };
        match setting {
            Setting::UnicodeMapFile { file, code_page } => {
                let map = UnicodeMap::read(data(file)?, *code_page)
                    .ok_or_else(|| CompileErrorKind::UnicodeMap(file.clone()))?;
                self.settings.unicode_map = Some(Arc::new(map));
            }
            Setting::GeoLookupDb(file) => {
                let places = Places::read(Arc::clone(data(file)?));
                self.places = Some(places.map_err(CompileErrorKind::Places)?);
            }
            _ => {}
        }
        Ok(())
    }

    fn add_rule(&mut self, document: &'a Document, rule: &Rule, place: Place) {
        let same = |draft: &&Draft<'_>| !draft.removed && draft.rule.id() == rule.id();
        // Actions without an id are not told apart by it.
        if let Some(other) = self.rules.iter().find(same).filter(|_| rule.id() != 0) {
            let kind = CompileErrorKind::DuplicateId(rule.id(), other.place.clone());
            self.errors.push(CompileError {
                rule: Some(rule.id()),
                place,
                kind,
            });
            return;
        }
        if rule.is_cut_off() {
            let text = format!(
                "rule {}: the file ends where its chain should go on, so it never matches",
                rule.id()
            );
            self.notice(place.clone(), text);
        }
        let defaults = self.defaults[usize::from(rule.phase().number()) - 1].clone();
        self.items.push(Item::Rule(self.rules.len()));
        let mut draft = Draft {
            document,
            rule: rule.clone(),
            place,
            defaults,
            removed: false,
        };
        for revision in &mut self.waiting {
            revision.hit |= revision.revise(&mut draft);
        }
        self.rules.push(draft);
    }

    fn notice(&mut self, place: Place, text: String) {
        self.notices.push(Notice { place, text });
    }

    /// Changes the rules before a directive, as ModSecurity 2 and Coraza do. Where there are none it waits for later ones, as
    /// ModSecurity 3 does: so a rule that was removed can be written anew behind the directive, and the order of files matters less.
    fn revise(&mut self, choice: &RuleChoice, change: Change<'a>, what: String, place: Place) {
        let chosen = match chosen(choice, self.settings.match_limit) {
            Ok(chosen) => chosen,
            Err(kind) => {
                return self.errors.push(CompileError {
                    rule: None,
                    place,
                    kind,
                });
            }
        };
        let mut revision = Revision {
            chosen,
            change,
            what,
            place,
            hit: false,
        };
        for draft in self.rules.iter_mut().filter(|draft| !draft.removed) {
            revision.hit |= revision.revise(draft);
        }
        if !revision.hit {
            self.waiting.push(revision);
        }
    }
}

/// What a directive does to rules.
enum Change<'a> {
    Remove,
    Targets {
        link: u32,
        targets: &'a [Spanned<Target>],
    },
    Actions {
        link: u32,
        actions: &'a [Spanned<Action>],
    },
}

/// A directive that changes rules.
struct Revision<'a> {
    chosen: Chosen,
    change: Change<'a>,
    what: String,
    place: Place,
    hit: bool,
}

impl Revision<'_> {
    /// Changes a rule, if it is meant.
    fn revise(&self, draft: &mut Draft<'_>) -> bool {
        if !(self.chosen)(&draft.rule) {
            return false;
        }
        match &self.change {
            Change::Remove => draft.removed = true,
            Change::Targets { link, targets } => {
                let link = link_mut(&mut draft.rule, *link);
                let Some(condition) = link.and_then(|link| link.condition.as_mut()) else {
                    return false;
                };
                for target in *targets {
                    add_target(&mut condition.targets, target);
                }
            }
            Change::Actions { link, actions } => {
                let Some(link) = link_mut(&mut draft.rule, *link) else {
                    return false;
                };
                // Later words win over earlier ones when the rule is compiled; those that may stand several times are added.
                link.actions.extend_from_slice(actions);
            }
        }
        true
    }
}

/// A range as it is written.
fn written(range: IdRange) -> String {
    if range.first == range.last {
        range.first.to_string()
    } else {
        format!("{}-{}", range.first, range.last)
    }
}

/// A whole-collection exclusion takes away targets that name the collection or a part of it; others are exceptions at run time.
fn add_target(targets: &mut Vec<Spanned<Target>>, target: &Spanned<Target>) {
    if target.usage == Use::Exclude && target.selector == Selector::None {
        targets.retain(|own| own.variable != target.variable || own.usage == Use::Exclude);
    } else {
        targets.push(target.clone());
    }
}

fn link_mut(rule: &mut Rule, link: u32) -> Option<&mut seclang::ast::Link> {
    match link.checked_sub(1) {
        None => Some(&mut rule.starter.value),
        Some(chained) => rule
            .chained
            .get_mut(chained as usize)
            .map(|link| &mut link.value),
    }
}

pub(super) fn any_matches(regex: &Regex, texts: &[String]) -> bool {
    texts
        .iter()
        .any(|text| regex.matches(text.as_bytes(), None).unwrap_or(false))
}

pub(super) fn tags(rule: &Rule) -> Vec<String> {
    texts(rule, |action| match action {
        Action::Tag(tag) => Some(tag.to_string()),
        _ => None,
    })
}

pub(super) fn messages(rule: &Rule) -> Vec<String> {
    texts(rule, |action| match action {
        Action::Msg(msg) => Some(msg.to_string()),
        _ => None,
    })
}

fn texts(rule: &Rule, text: impl Fn(&Action) -> Option<String>) -> Vec<String> {
    rule.links()
        .flat_map(|link| &link.actions)
        .filter_map(|action| text(&action.value))
        .collect()
}

/// Tells whether a rule is meant.
type Chosen = Box<dyn Fn(&Rule) -> bool>;

/// Which rules a choice means. Tags and messages are regular expressions, as in ModSecurity 2.
pub(super) fn chosen(choice: &RuleChoice, match_limit: u64) -> Result<Chosen, CompileErrorKind> {
    let regex = |pattern: &str| Regex::new(pattern, match_limit).map_err(CompileErrorKind::Pattern);
    Ok(match choice {
        RuleChoice::Ids(range) => {
            let range = *range;
            Box::new(move |rule| range.contains(rule.id()))
        }
        RuleChoice::Tag(pattern) => {
            let regex = regex(pattern)?;
            Box::new(move |rule| any_matches(&regex, &tags(rule)))
        }
        RuleChoice::Msg(pattern) => {
            let regex = regex(pattern)?;
            Box::new(move |rule| any_matches(&regex, &messages(rule)))
        }
    })
}
