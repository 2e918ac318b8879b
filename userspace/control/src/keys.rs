//! Key sets that come from a URL: fetched, kept fresh, fetched again when a token names a key that is not there.
//!
//! `auth` decides when an unknown key may cause a fetch, and holds the keys; this fetches. Until the first fetch has
//! succeeded tokens are answered with 503, so a failure is tried again soon: after a second, then twice as long each time
//! up to [`MAX_PAUSE`].

mod fetch;
#[cfg(test)]
mod tests;

use crate::build::KeySource;
use crate::random;
use auth::{JwkSet, KeySetHandle, Origin};
use fetch::{Client, FetchError};
use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// The pause after the first failure of a row; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between two attempts while fetching fails.
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// The shortest pause after a success, whatever the key set's own times say.
const MIN_REFRESH: Duration = Duration::from_secs(1);

/// The key sets that are kept fresh.
pub(crate) struct KeyFetcher {
    runtime: Handle,
    client: Client,
    metrics: Metrics,
    running: Mutex<Vec<Running>>,
}

#[derive(Clone)]
struct Metrics {
    fetches: IntCounterVec,
    keys: IntGaugeVec,
}

/// The task of one key set; dropping it ends the fetching.
struct Running {
    source: KeySource,
    wake: Arc<Notify>,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl KeyFetcher {
    /// None yet. `runtime` is where fetches will run. Servers are verified by the authorities of this host.
    ///
    /// # Errors
    /// When the registry has a metric of the same name already.
    pub(crate) fn new(runtime: Handle, registry: &Registry) -> prometheus::Result<Self> {
        Self::with_client(Client::new(), runtime, registry)
    }

    fn with_client(
        client: Client,
        runtime: Handle,
        registry: &Registry,
    ) -> prometheus::Result<Self> {
        let fetches = IntCounterVec::new(
            Opts::new(
                "bascule_jwks_fetches_total",
                "Fetches of key sets, by outcome.",
            ),
            &["method", "outcome"],
        )?;
        let keys = IntGaugeVec::new(
            Opts::new(
                "bascule_jwks_keys",
                "Usable keys of the key set that was fetched last.",
            ),
            &["method"],
        )?;
        registry.register(Box::new(fetches.clone()))?;
        registry.register(Box::new(keys.clone()))?;
        Ok(Self {
            runtime,
            client,
            metrics: Metrics { fetches, keys },
            running: Mutex::default(),
        })
    }

    /// Keeps exactly these fresh from now on. What is the same handle and URL as before goes on undisturbed.
    pub(crate) fn follow(&self, sources: Vec<KeySource>) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *running);
        for source in sources {
            let same = |one: &Running| Arc::ptr_eq(&one.source.keys, &source.keys);
            let known = before
                .iter()
                .position(same)
                .map(|at| before.swap_remove(at));
            running.push(match known {
                Some(known) if known.source.url == source.url => known,
                // The hook of a handle is set once and wakes whoever fetches for it.
                Some(known) => self.start(source, Arc::clone(&known.wake)),
                None => {
                    let wake = Arc::new(Notify::new());
                    let hook = Arc::clone(&wake);
                    source.keys.on_refetch(Box::new(move || hook.notify_one()));
                    self.start(source, wake)
                }
            });
        }
        let is_gone = |one: &Running| {
            !running
                .iter()
                .any(|kept| kept.source.keys.name() == one.source.keys.name())
        };
        for gone in before.iter().filter(|one| is_gone(one)) {
            self.metrics.forget(gone.source.keys.name());
        }
    }

    fn start(&self, source: KeySource, wake: Arc<Notify>) -> Running {
        let fetching = Fetching {
            keys: Arc::clone(&source.keys),
            url: source.url.clone(),
            client: self.client.clone(),
            metrics: self.metrics.clone(),
        };
        let task = self.runtime.spawn(fetching.run(Arc::clone(&wake)));
        Running {
            source,
            wake,
            task: task.abort_handle(),
        }
    }
}

impl Metrics {
    fn forget(&self, method: &str) {
        // What was never counted cannot be removed, which is as good.
        for outcome in ["success", "failure"] {
            let _ = self.fetches.remove_label_values(&[method, outcome]);
        }
        let _ = self.keys.remove_label_values(&[method]);
    }
}

/// One key set.
struct Fetching {
    keys: Arc<KeySetHandle>,
    url: String,
    client: Client,
    metrics: Metrics,
}

impl Fetching {
    async fn run(self, wake: Arc<Notify>) {
        let mut failures = 0;
        // A key set that was taken over from another task may be fresh still.
        if let Some(age) = self.keys.refresh_in(SystemTime::now())
            && !age.is_zero()
        {
            wait(age, &wake).await;
        }
        loop {
            self.keys.begin(SystemTime::now());
            let outcome = match self.fetch().await {
                Ok(set) => {
                    failures = 0;
                    self.install(set);
                    "success"
                }
                Err(error) => {
                    failures += 1;
                    self.fail(&error);
                    "failure"
                }
            };
            let labels = [self.keys.name(), outcome];
            self.metrics.fetches.with_label_values(&labels).inc();
            wait(self.pause(failures), &wake).await;
        }
    }

    async fn fetch(&self) -> Result<JwkSet, FetchError> {
        let text = self.client.get(&self.url).await?;
        Ok(JwkSet::parse(&text, Origin::Remote)?)
    }

    fn install(&self, set: JwkSet) {
        let method = self.keys.name();
        for skipped in set.skipped() {
            tracing::warn!(%method, key = skipped.index, reason = %skipped.problem, "key of the set is not used");
        }
        let count = set.keys().len();
        tracing::info!(%method, url = self.url, keys = count, "key set fetched");
        let gauge = self.metrics.keys.with_label_values(&[method]);
        gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        self.keys.install(set, SystemTime::now());
    }

    fn fail(&self, error: &FetchError) {
        let method = self.keys.name();
        let now = SystemTime::now();
        if self.keys.current(now).is_some() {
            tracing::warn!(%method, url = self.url, reason = %error, "key set cannot be fetched, the old keys stay in use");
        } else {
            tracing::error!(%method, url = self.url, reason = %error, "key set cannot be fetched, tokens are answered with 503");
        }
        self.keys.fail(error);
    }

    /// How long until the next fetch: spread by chance, so that many instances do not ask at one moment.
    fn pause(&self, failures: u32) -> Duration {
        let refresh = || self.keys.refresh_in(SystemTime::now()).unwrap_or(MAX_PAUSE);
        let (pause, share) = match failures {
            0 => (refresh().max(MIN_REFRESH), 10),
            failures => (backoff(failures), 2),
        };
        // By up to a tenth earlier, after failures by up to a half.
        pause - part(pause / share, random::spread())
    }
}

/// Waits, unless somebody needs the keys earlier.
async fn wait(pause: Duration, wake: &Notify) {
    tokio::select! {
        () = tokio::time::sleep(pause) => {}
        () = wake.notified() => {}
    }
}

fn backoff(failures: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    FIRST_PAUSE.saturating_mul(doubled).min(MAX_PAUSE)
}

/// A random part of a duration.
fn part(whole: Duration, random: u64) -> Duration {
    const STEPS: u64 = 1 << 20;
    let step = u32::try_from(random % STEPS).unwrap_or(0);
    whole * step / (1 << 20)
}
