//! What makes the process act: signals, files that change, time.

use crate::supervisor::Supervisor;
use rustix::time::{ClockId, clock_gettime};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

/// How often files are looked at. Looking costs a stat(2) each; unlike inotify it sees files that are replaced by a
/// rename or through a symbolic link, and file systems that tell nobody.
const LOOK: Duration = Duration::from_millis(500);

/// How often the services in the kernel follow what probes say, and how often it is reminded of their endpoints.
const BALANCE: Duration = Duration::from_millis(100);
const BALANCES_A_REMINDER: u32 = 50;

/// How often expired bans are removed.
const SWEEP: Duration = Duration::from_secs(5);

/// SIGHUP reloads and opens logs again, SIGUSR1 opens logs again, SIGTERM and SIGINT drain. They do so from the call on,
/// not only once the future runs: until then, most of them would end the process.
pub(crate) fn signals(supervisor: Arc<Supervisor>) -> impl Future<Output = ()> {
    let kinds = (
        signal(SignalKind::hangup()),
        signal(SignalKind::user_defined1()),
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    );
    async move {
        let (Ok(mut hangup), Ok(mut reopen), Ok(mut terminate), Ok(mut interrupt)) = kinds else {
            tracing::error!("signals cannot be received; use `bascule reload` and `bascule drain`");
            return;
        };
        loop {
            tokio::select! {
                () = received(&mut hangup) => {
                    supervisor.reopen_logs();
                    // What is wrong with it has been logged.
                    drop(supervisor.reload().await);
                }
                () = received(&mut reopen) => supervisor.reopen_logs(),
                () = received(&mut terminate) => return supervisor.drain(),
                () = received(&mut interrupt) => return supervisor.drain(),
            }
        }
    }
}

async fn received(signal: &mut Signal) {
    if signal.recv().await.is_none() {
        std::future::pending::<()>().await;
    }
}

/// A moment on the clock that the kernel stamps files with, which may lag a few milliseconds behind the time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileTime {
    seconds: i64,
    nanoseconds: i64,
}

impl FileTime {
    /// Now.
    pub(crate) fn now() -> Self {
        let now = clock_gettime(ClockId::RealtimeCoarse);
        Self {
            seconds: now.tv_sec,
            nanoseconds: now.tv_nsec,
        }
    }
}

/// Reloads when a file of the generation has changed and then stayed the same for one look: half-written files are
/// not read.
pub(crate) async fn files(supervisor: Arc<Supervisor>) {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut read_at = supervisor.read_at();
    let mut known = as_read(&supervisor, read_at).await;
    let mut last = known.clone();
    loop {
        looks.tick().await;
        // The new generation may be made of other files. After a failure the same ones must change again.
        if supervisor.read_at() != read_at {
            read_at = supervisor.read_at();
            known = as_read(&supervisor, read_at).await;
            last.clone_from(&known);
        }
        let now = look(supervisor.files()).await;
        let has_settled = now == last;
        last = now;
        if last == known || !has_settled {
            continue;
        }
        tracing::info!("a file of the configuration has changed");
        drop(supervisor.reload().await);
    }
}

/// What the files looked like when they were read. One that was touched since may have been read too early: it is left
/// out, so that it counts as changed.
async fn as_read(supervisor: &Supervisor, read_at: FileTime) -> Looks {
    let mut looks = look(supervisor.files()).await;
    looks.retain(|_, look| look.is_none_or(|look| look.touched < read_at));
    looks
}

type Looks = BTreeMap<PathBuf, Option<Look>>;

/// What a file looks like from outside: when any of this changes, its content may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    touched: FileTime,
}

async fn look(files: BTreeSet<PathBuf>) -> Looks {
    let looked = tokio::task::spawn_blocking(move || {
        files
            .into_iter()
            .map(|path| {
                let look = std::fs::metadata(&path).ok().map(|metadata| Look {
                    inode: metadata.ino(),
                    size: metadata.size(),
                    modified: (metadata.mtime(), metadata.mtime_nsec()),
                    touched: FileTime {
                        seconds: metadata.ctime(),
                        nanoseconds: metadata.ctime_nsec(),
                    },
                });
                (path, look)
            })
            .collect()
    });
    looked.await.unwrap_or_default()
}

/// Has services in the kernel follow the health of their endpoints.
pub(crate) async fn services(supervisor: Arc<Supervisor>) {
    let mut ticks = interval(BALANCE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for round in 0_u32.. {
        ticks.tick().await;
        let is_reminder = round.is_multiple_of(BALANCES_A_REMINDER);
        let one = Arc::clone(&supervisor);
        let work = tokio::task::spawn_blocking(move || one.follow_health(is_reminder));
        if let Ok(Err(error)) = work.await {
            tracing::warn!(
                error,
                "services do not follow the health of their endpoints"
            );
        }
    }
}

/// Removes bans whose time is over, so that their places are free again, and follows interfaces that go and come.
pub(crate) async fn bans(supervisor: Arc<Supervisor>) {
    let mut sweeps = interval(SWEEP);
    sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut refused = String::new();
    loop {
        sweeps.tick().await;
        supervisor.heal_kernel_path(&mut refused);
        for bans in [
            supervisor.bans(),
            supervisor.shared().offences.forwarded_bans(),
        ] {
            if let Err(error) = bans.sweep() {
                tracing::warn!(%error, "expired bans are not removed");
            }
        }
        supervisor.renew_guard();
    }
}
