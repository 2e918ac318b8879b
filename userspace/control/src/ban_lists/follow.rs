//! Files and URLs are looked at again and again.

use super::fetch::{Fetched, Validators};
use super::remembered::{About, Origin};
use super::{ListError, Shared, Source, now_s, parse, read_files};
use crate::random;
use config::{BanUrl, Env, Host};
use kernel::ListChange;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How often files are looked at. Half-written ones are not read: a file counts when it looks the same twice.
const LOOK: Duration = Duration::from_millis(500);
/// The pause after the first failure of a row; it doubles with each further one, up to the list's interval.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// The files that patterns find, sorted; a folder that is not there has none.
pub(super) fn find(patterns: &[PathBuf]) -> Vec<PathBuf> {
    let found = |pattern: &PathBuf| -> Vec<PathBuf> {
        let name = pattern.file_name().unwrap_or_default().to_string_lossy();
        let folder = pattern.parent().unwrap_or(Path::new(""));
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        let mut names = Host.find(folder, &name).unwrap_or_default();
        names.sort_unstable();
        let paths = names.into_iter().map(|name| folder.join(name));
        paths.filter(|path| !path.is_dir()).collect()
    };
    patterns.iter().flat_map(found).collect()
}

/// What a file looks like from outside: when any of this changes, its content may have.
type Look = (u64, u64, i64, i64, i64, i64);

fn look(patterns: &[PathBuf]) -> BTreeMap<PathBuf, Option<Look>> {
    let look = |path: PathBuf| {
        let look = std::fs::metadata(&path).ok().map(|file| {
            let changed = (file.ctime(), file.ctime_nsec());
            let times = (file.mtime(), file.mtime_nsec(), changed.0, changed.1);
            (file.ino(), file.size(), times.0, times.1, times.2, times.3)
        });
        (path, look)
    };
    find(patterns).into_iter().map(look).collect()
}

/// Reads the files again when one of them has changed, come or gone.
pub(super) async fn files(shared: Arc<Shared>, patterns: Vec<PathBuf>) {
    let patterns = Arc::new(patterns);
    let mut known = None;
    let mut last = None;
    loop {
        let now = {
            let patterns = Arc::clone(&patterns);
            tokio::task::spawn_blocking(move || look(&patterns)).await
        };
        let now = now.ok();
        let has_settled = now == last;
        last.clone_from(&now);
        if known.is_none() {
            // They have just been read.
            known = now;
        } else if has_settled && now != known {
            known = now;
            let (shared, patterns) = (Arc::clone(&shared), Arc::clone(&patterns));
            let read = tokio::task::spawn_blocking(move || shared.read_again(&patterns)).await;
            match read {
                Ok(Ok(change)) => tracing::info!(
                    added = change.added,
                    removed = change.removed,
                    "ban files loaded"
                ),
                Ok(Err(error)) => {
                    tracing::error!(%error, "ban files have changed and are wrong; the bans before stay in force");
                }
                Err(_) => {}
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Fetches a list at its interval.
pub(super) async fn url(shared: Arc<Shared>, spec: BanUrl) {
    let mut failures = 0_u32;
    tokio::time::sleep(shared.first_pause(&spec)).await;
    loop {
        let url = spec.url.as_str();
        match refresh(&shared, &spec).await {
            Ok(Some(change)) => {
                failures = 0;
                tracing::info!(
                    url,
                    added = change.added,
                    removed = change.removed,
                    "ban list fetched"
                );
            }
            Ok(None) => failures = 0,
            Err(error) => {
                failures = failures.saturating_add(1);
                tracing::warn!(
                    url,
                    reason = error,
                    "ban list cannot be fetched, the last good one stays in force"
                );
                shared.note(url, |source| source.error = Some(error));
            }
        }
        tokio::time::sleep(pause(spec.interval, failures)).await;
    }
}

/// How long until the next fetch: spread by chance, so that many instances do not ask at one moment.
pub(super) fn pause(interval: Duration, failures: u32) -> Duration {
    let (pause, share) = match failures {
        0 => (interval, 10),
        failures => {
            let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
            (FIRST_PAUSE.saturating_mul(doubled).min(interval), 2)
        }
    };
    let chance = u32::try_from(random::spread() % 1024).unwrap_or(0);
    pause - pause / share * chance / 1024
}

/// Fetches a list and puts it in force; nothing where it has not changed.
async fn refresh(shared: &Arc<Shared>, spec: &BanUrl) -> Result<Option<ListChange>, String> {
    let url = spec.url.as_str().to_owned();
    let known = shared.validators(&url);
    let fetched = shared
        .client
        .get(&url, &known, spec.limit.0, spec.timeout)
        .await;
    match fetched.map_err(|error| format!("{url}: {error}"))? {
        Fetched::Unchanged => {
            shared.note(&url, |source| {
                source.error = None;
                source.about.at = now_s();
            });
            Ok(None)
        }
        Fetched::List { text, validators } => {
            let shared = Arc::clone(shared);
            let install = move || shared.install(&url, &text, validators);
            let installed = tokio::task::spawn_blocking(install).await;
            let installed = installed.map_err(|error| error.to_string())?;
            installed.map(Some).map_err(|error| error.to_string())
        }
    }
}

impl Shared {
    fn read_again(&self, patterns: &[PathBuf]) -> Result<ListChange, ListError> {
        let files = read_files(&find(patterns))?;
        Ok(self.change(|sources| sources.files = files)?)
    }

    /// A list that was remembered is as good as a fetched one until its interval is over.
    fn first_pause(&self, spec: &BanUrl) -> Duration {
        let sources = self.sources();
        let known = sources
            .urls
            .iter()
            .find(|source| source.about.name == spec.url.as_str());
        let age = known.map_or(u64::MAX, |source| now_s().saturating_sub(source.about.at));
        spec.interval.saturating_sub(Duration::from_secs(age))
    }

    fn validators(&self, url: &str) -> Validators {
        let sources = self.sources();
        let known = sources.urls.iter().find(|source| source.about.name == url);
        known.map_or_else(Validators::default, |source| source.about.validators())
    }

    fn note(&self, url: &str, note: impl FnOnce(&mut Source)) {
        let mut sources = self.sources();
        let known = sources
            .urls
            .iter_mut()
            .find(|source| source.about.name == url);
        if let Some(known) = known {
            note(known);
        }
    }

    fn install(
        &self,
        url: &str,
        text: &str,
        validators: Validators,
    ) -> Result<ListChange, ListError> {
        let list = Arc::new(parse(url, text)?);
        let about = About {
            name: url.to_owned(),
            etag: validators.etag,
            last_modified: validators.last_modified,
            at: now_s(),
        };
        let source = Source {
            about: about.clone(),
            list,
            error: None,
        };
        let change = self.change(|sources| {
            // A URL that is no longer configured is none of ours.
            let known = sources.urls.iter_mut().find(|one| one.about.name == url);
            known.into_iter().for_each(|known| *known = source.clone());
        })?;
        if let Some(folder) = &self.folder
            && let Err(error) = folder.keep(Origin::Url, &about, text)
        {
            tracing::warn!(url, %error, "the ban list is in force, but not kept for the next start");
        }
        Ok(change)
    }
}
