//! Rule sets: read and compiled once for all policies that have the same rules, and made faster while they serve.
//!
//! A rule set is compiled without the databases that are not kept yet, which is a matter of milliseconds, and serves so. What is
//! missing is compiled in the background ([`crate::upgrades`]) and takes the place of the slower plan, policy by policy.

use super::Site;
use config::{Diagnostic, Entry, Kind, RuleSource, Span, WafFailure, WafPolicy};
use proxy::LiveRules;
use seclang::ast::Document;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use waf::{Collections, CompileError, CompileOptions, DirectoryCache, FailureMode, RuleSet, Scrub};

/// The rules of some policies, without what each of them changes.
pub(crate) struct SharedRules {
    options: CompileOptions,
    state: Mutex<State>,
}

struct State {
    rules: Arc<RuleSet>,
    /// What it takes to compile them again; gone when all is compiled.
    documents: Option<Arc<[Document]>>,
    /// Policies that serve these rules, each with what it changes.
    policies: Vec<(Weak<LiveRules>, Own)>,
}

/// What a policy has for itself.
pub(super) struct Own {
    /// What it changes of the rules.
    pub(super) changes: Document,
    /// What its rules keep beyond a transaction.
    pub(super) collections: Arc<Collections>,
    /// What its audit records mask.
    pub(super) scrub: Arc<Scrub>,
}

impl Own {
    fn rules(&self, shared: &RuleSet) -> Result<RuleSet, Vec<CompileError>> {
        let rules = shared.with(&self.changes)?;
        let rules = rules.with_collections(Arc::clone(&self.collections));
        Ok(rules.with_scrub(Arc::clone(&self.scrub)))
    }
}

impl SharedRules {
    fn new(documents: Vec<Document>, options: CompileOptions) -> Result<Self, Vec<CompileError>> {
        let at_once = CompileOptions {
            compile_databases: false,
            ..options.clone()
        };
        let rules = RuleSet::compile(&documents, &at_once)?;
        let documents = rules.lacks_databases().then(|| documents.into());
        Ok(Self {
            options,
            state: Mutex::new(State {
                rules: Arc::new(rules),
                documents,
                policies: Vec::new(),
            }),
        })
    }

    /// The rules of a policy.
    fn with(&self, own: Own) -> Result<Arc<LiveRules>, Vec<CompileError>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let live = Arc::new(LiveRules::new(own.rules(&state.rules)?));
        state.policies.retain(|(live, _)| live.strong_count() > 0);
        if state.documents.is_some() {
            state.policies.push((Arc::downgrade(&live), own));
        }
        Ok(live)
    }

    /// Whether something is left to compile.
    pub(crate) fn is_incomplete(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.documents.is_some()
    }

    /// Compiles what is missing and lets every policy have it. Takes seconds.
    pub(crate) fn complete(&self) -> Result<(), Vec<CompileError>> {
        let documents = {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.documents.clone()
        };
        let Some(documents) = documents else {
            return Ok(());
        };
        let outcome = RuleSet::compile(&documents, &self.options);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // It would fail again: the slower plan stays.
        state.documents = None;
        let policies = std::mem::take(&mut state.policies);
        state.rules = Arc::new(outcome?);
        for (live, own) in policies {
            if let Some(live) = live.upgrade() {
                live.switch(own.rules(&state.rules)?);
            }
        }
        Ok(())
    }
}

/// What makes the rules of two policies the same ones.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    settings: String,
    /// `None` for the rules that ship.
    sources: Vec<Option<Vec<PathBuf>>>,
    fails_open: bool,
}

/// The rule sets of one generation while it is built.
#[derive(Default)]
pub(super) struct RuleSets {
    known: HashMap<Key, Option<Arc<SharedRules>>>,
    cache: Option<Option<Arc<DirectoryCache>>>,
}

impl RuleSets {
    /// The rules of a policy: `settings` stand before what it loads, its changes behind. `None` where something is wrong with them,
    /// which has been reported.
    pub(super) fn get(
        &mut self,
        site: &mut Site<'_>,
        entry: &Entry<WafPolicy>,
        rules: &[RuleSource],
        settings: &str,
        own: Own,
    ) -> Option<Arc<LiveRules>> {
        let files = |source: &RuleSource| match source {
            RuleSource::Shipped(_) => None,
            RuleSource::Files(files) => Some(files.found.clone()),
        };
        let key = Key {
            settings: settings.to_owned(),
            sources: rules.iter().map(files).collect(),
            fails_open: entry.value.fail == WafFailure::Open,
        };
        let shared = match self.known.get(&key) {
            Some(known) => known.clone(),
            None => {
                let shared = self.load(site, entry, rules, settings);
                self.known.insert(key, shared.clone());
                shared
            }
        }?;
        match shared.with(own) {
            Ok(live) => {
                for notice in live.load().own_notices() {
                    site.warning(entry.name.span, notice.to_string(), "");
                }
                Some(live)
            }
            Err(errors) => refuse(site, entry, &errors),
        }
    }

    fn load(
        &mut self,
        site: &mut Site<'_>,
        entry: &Entry<WafPolicy>,
        rules: &[RuleSource],
        settings: &str,
    ) -> Option<Arc<SharedRules>> {
        let mut documents = vec![own(site, entry, "settings", settings)?];
        for source in rules {
            documents.push(load(site, source)?);
        }
        let options = CompileOptions {
            on_engine_error: match entry.value.fail {
                WafFailure::Closed => FailureMode::Closed,
                WafFailure::Open => FailureMode::Open,
            },
            ..CompileOptions::default()
        };
        let fingerprint = fingerprint(&documents, &options);
        if let Some(known) = site.before.rules.get(&fingerprint).cloned() {
            site.after.rules.insert(fingerprint, Arc::clone(&known));
            return Some(known);
        }
        let databases = self.cache(site).map(|cache| cache as _);
        let options = CompileOptions {
            databases,
            ..options
        };
        match SharedRules::new(documents, options) {
            Ok(shared) => {
                let state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
                for notice in state.rules.notices() {
                    site.warning(entry.name.span, notice.to_string(), "");
                }
                drop(state);
                let shared = Arc::new(shared);
                site.after.rules.insert(fingerprint, Arc::clone(&shared));
                Some(shared)
            }
            Err(errors) => refuse(site, entry, &errors),
        }
    }

    /// Where databases are kept, found out once.
    fn cache(&mut self, site: &mut Site<'_>) -> Option<Arc<DirectoryCache>> {
        self.cache
            .get_or_insert_with(|| cache(site).map(Arc::new))
            .clone()
    }
}

fn refuse<T>(site: &mut Site<'_>, entry: &Entry<WafPolicy>, errors: &[CompileError]) -> Option<T> {
    for error in errors {
        let remedy = error.kind.remedy();
        site.error(entry.name.span, error.to_string(), remedy);
    }
    None
}

fn fingerprint(documents: &[Document], options: &CompileOptions) -> u64 {
    let mut hasher = DefaultHasher::new();
    for document in documents {
        for source in document.sources.iter() {
            source.name().hash(&mut hasher);
            source.text().hash(&mut hasher);
        }
        for (path, data) in document.data_files() {
            path.hash(&mut hasher);
            data.hash(&mut hasher);
        }
    }
    format!("{options:?}").hash(&mut hasher);
    hasher.finish()
}

fn load(site: &mut Site<'_>, source: &RuleSource) -> Option<Document> {
    let loaded = match source {
        RuleSource::Shipped(_) => rules::shipped::load(),
        RuleSource::Files(files) => seclang::load(&files.found, &seclang::FsLoader),
    };
    match loaded {
        Ok(document) => {
            if let RuleSource::Files(_) = source {
                let read = document.sources.iter().map(|source| source.name().into());
                site.files.extend(read);
                site.files
                    .extend(document.data_files().map(|(path, _)| path.to_owned()));
            }
            Some(document)
        }
        Err(diagnostics) => {
            for diagnostic in diagnostics {
                let remedy = diagnostic.remedy().unwrap_or_default();
                let found = format!(
                    "{}:{}:{}: {}",
                    diagnostic.file,
                    diagnostic.line,
                    diagnostic.column,
                    diagnostic.message()
                );
                site.file_error(source.span(), found, remedy);
            }
            None
        }
    }
}

/// Directives that the policy's own settings amount to.
pub(super) fn own(
    site: &mut Site<'_>,
    entry: &Entry<WafPolicy>,
    what: &str,
    text: &str,
) -> Option<Document> {
    // The settings of policies that share rules are the same, so they have one name.
    let name = format!("waf.{what}");
    match seclang::parse_str(&name, text) {
        Ok(document) => Some(document),
        Err(diagnostics) => {
            for diagnostic in diagnostics {
                site.error(
                    entry.name.span,
                    diagnostic.message(),
                    "check the policy's `exclude`",
                );
            }
            None
        }
    }
}

/// The folder where databases are kept. Without one they are compiled at each start, which a warning says once.
fn cache(site: &mut Site<'_>) -> Option<DirectoryCache> {
    let root = rustix::process::geteuid().is_root();
    let (folder, is_chosen) = match &site.config.cache {
        config::Cache::Off => return None,
        config::Cache::Folder(path) => (path.0.clone(), true),
        config::Cache::Usual => (config::default_cache_folder(site.path, root), false),
    };
    if site.dry && !folder.exists() {
        return None;
    }
    match prepare(&folder) {
        Ok(()) => Some(DirectoryCache::new(folder)),
        Err(found) => {
            // The usual folder is not the operator's word: one warning a process is enough.
            if is_chosen || site.before.number == 0 {
                let found = format!(
                    "compiled rule sets are not kept: `{}` {found}",
                    folder.display()
                );
                site.findings.push(
                    Diagnostic::warning(Kind::File, Span::default(), found)
                        .remedy("set `cache` to a folder that belongs to the user that runs bascule alone, or to `off`"),
                );
            }
            None
        }
    }
}

/// Makes the folder where there is none. What lies in it is run as it is, so nobody else may write there.
fn prepare(folder: &Path) -> Result<(), String> {
    const ONLY_ITS_OWNER: u32 = 0o700;
    const WRITABLE_BY_OTHERS: u32 = 0o022;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(ONLY_ITS_OWNER)
        .create(folder)
        .map_err(|error| format!("cannot be made: {error}"))?;
    let about = std::fs::metadata(folder).map_err(|error| format!("cannot be read: {error}"))?;
    if about.uid() != rustix::process::geteuid().as_raw() {
        return Err("belongs to another user".to_owned());
    }
    if about.mode() & WRITABLE_BY_OTHERS != 0 {
        return Err("can be written by other users".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_folder_that_others_can_write_is_not_trusted() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("a/cache");
        assert_eq!(prepare(&folder), Ok(()));
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o770)).unwrap();
        assert!(prepare(&folder).unwrap_err().contains("other users"));
        let file = outer.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(prepare(&file.join("cache")).is_err());
    }
}
