//! Where ban lists come from: files, URLs, and what `bascule ban load` brings. Each source keeps its last good list; whatever
//! changes, all of them together take the place of all before.

mod fetch;
mod follow;
mod remembered;
#[cfg(test)]
mod tests;

use crate::admin::BanListStatus;
use crate::https;
use config::{BanUrl, Cache, Kernel};
use fetch::Client;
use kernel::{BanError, BanList, Bans, ListChange};
use remembered::{About, Folder, Origin};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// The largest list that `bascule ban load` takes: some four million addresses.
pub(crate) const LOAD_MAX_BYTES: usize = 64 << 20;
/// Lists that can be loaded by hand, each under its name. A further one is refused.
const LOADED_MAX: usize = 64;

/// Why a list is not in force. What was loaded before is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListError {
    /// It has lines that are no bans, or cannot be read.
    #[error("{0}")]
    Text(String),
    /// There is no room for it.
    #[error(transparent)]
    Bans(#[from] BanError),
    /// The name cannot be one of a file.
    #[error("expected a name of 1 to 64 letters, digits, `-`, `_` and `.`, found `{0}`")]
    Name(String),
    /// There are too many.
    #[error("{LOADED_MAX} lists are loaded already, which is the limit; unload one")]
    TooMany,
    /// No list has that name.
    #[error("no list is loaded under the name `{0}`; `bascule ban lists` shows them")]
    Unknown(String),
    /// It is in force, and would be lost at the next start.
    #[error("the list is in force, but cannot be kept for the next start: {0}")]
    NotKept(std::io::Error),
}

/// The sources of ban lists. Cheap to clone.
#[derive(Clone)]
pub(crate) struct BanLists {
    shared: Arc<Shared>,
}

struct Shared {
    bans: Bans,
    /// None: lists are not kept for the next start.
    folder: Option<Folder>,
    client: Client,
    /// Held while sources change, which takes as long as the kernel takes a list.
    changing: Mutex<()>,
    sources: Mutex<Sources>,
    /// What follows files and URLs.
    tasks: Mutex<Vec<AbortHandle>>,
}

/// The last good list of each source, in the order in which their reasons count.
#[derive(Clone, Default)]
struct Sources {
    files: Vec<Source>,
    urls: Vec<Source>,
    loaded: Vec<Source>,
    /// Lists that an earlier process loaded by hand have been read.
    is_restored: bool,
}

#[derive(Clone)]
struct Source {
    about: About,
    list: Arc<BanList>,
    /// Why it is not newer.
    error: Option<String>,
}

impl Source {
    /// One that there is no list of yet.
    fn awaited(name: &str) -> Self {
        Self {
            about: About {
                name: name.to_owned(),
                etag: None,
                last_modified: None,
                at: 0,
            },
            list: Arc::default(),
            error: None,
        }
    }

    fn status(&self, kind: &str) -> BanListStatus {
        BanListStatus {
            name: self.about.name.clone(),
            kind: kind.to_owned(),
            bans: self.list.len(),
            age_seconds: (self.about.at != 0).then(|| now_s().saturating_sub(self.about.at)),
            error: self.error.clone(),
        }
    }
}

impl Sources {
    fn lists(&self) -> Vec<Arc<BanList>> {
        let all = self.files.iter().chain(&self.urls).chain(&self.loaded);
        all.map(|source| Arc::clone(&source.list)).collect()
    }
}

impl BanLists {
    /// No sources yet. Lists are kept in a folder, where there is one.
    pub(crate) fn new(bans: Bans, folder: Option<PathBuf>) -> Self {
        Self::with_client(bans, folder, Client::new(https::native_roots()))
    }

    fn with_client(bans: Bans, folder: Option<PathBuf>, client: Client) -> Self {
        Self {
            shared: Arc::new(Shared {
                bans,
                folder: folder.map(Folder::new),
                client,
                changing: Mutex::default(),
                sources: Mutex::default(),
                tasks: Mutex::default(),
            }),
        }
    }

    /// Takes its lists from the sources of a configuration, and from those that were loaded by hand.
    ///
    /// # Errors
    /// A file that is wrong, or too many bans; the sources are the old ones then.
    pub(crate) fn follow(&self, kernel: Option<&Kernel>) -> Result<ListChange, ListError> {
        let shared = &self.shared;
        let (patterns, urls) = named(kernel);
        let files = read_files(&follow::find(&patterns))?;
        let change = shared.change(|sources| {
            sources.files = files;
            let known = std::mem::take(&mut sources.urls);
            let of = |url: &BanUrl| {
                let url = url.url.as_str();
                let known = known.iter().find(|source| source.about.name == url);
                known.cloned().unwrap_or_else(|| shared.recall(url))
            };
            sources.urls = urls.iter().map(of).collect();
            if !sources.is_restored {
                sources.is_restored = true;
                sources.loaded = shared.restore();
            }
        })?;
        self.keep_up(patterns, urls);
        Ok(change)
    }

    /// Follows nothing any more; the lists stay as they are.
    pub(crate) fn pause(&self) {
        let mut tasks = self.shared.tasks();
        tasks.drain(..).for_each(|task| task.abort());
    }

    /// Follows the sources of a configuration again.
    pub(crate) fn resume(&self, kernel: Option<&Kernel>) {
        let (patterns, urls) = named(kernel);
        self.keep_up(patterns, urls);
    }

    fn keep_up(&self, patterns: Vec<PathBuf>, urls: Vec<BanUrl>) {
        self.pause();
        // Tests of other things have no runtime.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let mut tasks = self.shared.tasks();
        if !patterns.is_empty() {
            let watch = follow::files(Arc::clone(&self.shared), patterns);
            tasks.push(runtime.spawn(watch).abort_handle());
        }
        for url in urls {
            let keep = follow::url(Arc::clone(&self.shared), url);
            tasks.push(runtime.spawn(keep).abort_handle());
        }
    }

    /// Puts a list in force under a name, in the place of what was loaded under it before.
    ///
    /// # Errors
    /// [`ListError`] with each bad line; the list of that name is the old one then.
    pub(crate) fn load(&self, name: &str, text: &str) -> Result<(usize, ListChange), ListError> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || name.len() > 64 || !name.bytes().all(is_name) {
            return Err(ListError::Name(name.chars().take(80).collect()));
        }
        let list = Arc::new(parse(name, text)?);
        let (bans, about) = (list.len(), about(name));
        let source = Source {
            about: about.clone(),
            list,
            error: None,
        };
        let sources = self.shared.sources();
        let is_known = sources.loaded.iter().any(|one| one.about.name == name);
        if !is_known && sources.loaded.len() >= LOADED_MAX {
            return Err(ListError::TooMany);
        }
        drop(sources);
        let change = self.shared.change(|sources| {
            let place = sources.loaded.iter_mut().find(|one| one.about.name == name);
            match place {
                Some(place) => *place = source,
                None => sources.loaded.push(source),
            }
        })?;
        tracing::info!(
            list = name,
            bans,
            added = change.added,
            removed = change.removed,
            "ban list loaded"
        );
        if let Some(folder) = &self.shared.folder {
            folder
                .keep(Origin::Loaded, &about, text)
                .map_err(ListError::NotKept)?;
        }
        Ok((bans, change))
    }

    /// Removes a list that was loaded under a name.
    ///
    /// # Errors
    /// [`ListError::Unknown`] where there is none.
    pub(crate) fn unload(&self, name: &str) -> Result<ListChange, ListError> {
        let is_known = {
            let sources = self.shared.sources();
            sources.loaded.iter().any(|one| one.about.name == name)
        };
        if !is_known {
            return Err(ListError::Unknown(name.chars().take(80).collect()));
        }
        if let Some(folder) = &self.shared.folder {
            folder
                .forget(Origin::Loaded, name)
                .map_err(ListError::NotKept)?;
        }
        let change = self
            .shared
            .change(|sources| sources.loaded.retain(|one| one.about.name != name))?;
        tracing::info!(list = name, removed = change.removed, "ban list unloaded");
        Ok(change)
    }

    /// Every source.
    pub(crate) fn status(&self) -> Vec<BanListStatus> {
        let sources = self.shared.sources();
        let files = sources.files.iter().map(|source| source.status("file"));
        let urls = sources.urls.iter().map(|source| source.status("url"));
        let loaded = sources.loaded.iter().map(|source| source.status("loaded"));
        files.chain(urls).chain(loaded).collect()
    }
}

impl Shared {
    /// Changes sources as a whole or not at all.
    fn change(&self, edit: impl FnOnce(&mut Sources)) -> Result<ListChange, BanError> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = self.sources().clone();
        edit(&mut next);
        let change = self.bans.replace_lists(&next.lists())?;
        // Notes of failures are all that can have come in between, and these are of the moment.
        *self.sources() = next;
        Ok(change)
    }

    /// The list that was fetched from a URL last, by whichever process.
    fn recall(&self, url: &str) -> Source {
        let kept = self.folder.as_ref();
        let kept = kept.and_then(|folder| folder.get(Origin::Url, url));
        let recalled = kept.and_then(|(about, text)| {
            let list = Arc::new(parse(url, &text).ok()?);
            Some(Source {
                about,
                list,
                error: None,
            })
        });
        recalled.unwrap_or_else(|| Source::awaited(url))
    }

    /// The lists that were loaded by hand.
    fn restore(&self) -> Vec<Source> {
        let Some(folder) = &self.folder else {
            return Vec::new();
        };
        let mut restored = Vec::new();
        for (about, text) in folder.loaded().into_iter().take(LOADED_MAX) {
            match parse(&about.name, &text) {
                Ok(list) => restored.push(Source {
                    about,
                    list: Arc::new(list),
                    error: None,
                }),
                Err(error) => {
                    tracing::warn!(list = about.name, %error, "a ban list that was loaded is lost");
                }
            }
        }
        restored
    }

    fn sources(&self) -> MutexGuard<'_, Sources> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tasks(&self) -> MutexGuard<'_, Vec<AbortHandle>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a configuration keeps its ban lists for the next start: apart from those of other instances. None where it does not.
pub(crate) fn folder(cache: &Cache, config: &Path) -> Option<PathBuf> {
    let root = rustix::process::geteuid().is_root();
    let folder = match cache {
        Cache::Off => return None,
        Cache::Folder(path) => path.0.clone(),
        Cache::Usual => config::default_cache_folder(config, root),
    };
    let config = config.canonicalize().unwrap_or_else(|_| config.to_owned());
    let mut hasher = DefaultHasher::new();
    config.hash(&mut hasher);
    let instance = format!("{:016x}", hasher.finish());
    Some(folder.join("ban-lists").join(instance))
}

/// The patterns of files and the URLs that a configuration names.
fn named(kernel: Option<&Kernel>) -> (Vec<PathBuf>, Vec<BanUrl>) {
    let Some(kernel) = kernel else {
        return Default::default();
    };
    let files = kernel.bans.files.iter();
    let patterns = files.map(|files| files.pattern.clone()).collect();
    (patterns, kernel.bans.urls.clone())
}

fn read_files(paths: &[PathBuf]) -> Result<Vec<Source>, ListError> {
    paths.iter().map(|path| read_file(path)).collect()
}

fn read_file(path: &Path) -> Result<Source, ListError> {
    let bans = kernel::read_ban_file(path).map_err(|error| ListError::Text(error.to_string()))?;
    let name = path.to_string_lossy();
    Ok(Source {
        about: about(&name),
        list: Arc::new(BanList::new(&name, &bans).map_err(BanError::from)?),
        error: None,
    })
}

/// Reads a list; errors name it and each line.
fn parse(name: &str, text: &str) -> Result<BanList, ListError> {
    // Lines without a reason have the last part of the name, as those of a file have the file's.
    let short = name.trim_end_matches('/').rsplit('/').next();
    let bans = kernel::parse_ban_file(text, short.unwrap_or(name)).map_err(|lines| {
        let lines: Vec<String> = lines
            .iter()
            .map(|bad| format!("{name}:{}: {}", bad.line, bad.error))
            .collect();
        ListError::Text(lines.join("\n"))
    })?;
    Ok(BanList::new(name, &bans).map_err(BanError::from)?)
}

fn about(name: &str) -> About {
    About {
        at: now_s(),
        ..Source::awaited(name).about
    }
}

fn now_s() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap_or(Duration::ZERO).as_secs()
}
