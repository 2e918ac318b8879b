//! Which worker gets a new connection: the one with the least load where this host admits it, else the kernel's hash decides.

use config::Steering as Setting;
use kernel::{Loads, Steering};
use proxy::Sockets;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The program over the sockets of listeners, where there is one.
pub(crate) struct Steer {
    outcome: Mutex<Outcome>,
}

enum Outcome {
    Steers(Box<Steering>),
    /// The kernel's hash chooses, for this reason.
    Hash(String),
}

impl Steer {
    /// Loads the program where the configuration and the host admit it. Sockets come with [`Steer::follow`].
    pub(crate) fn open(setting: Setting, workers: usize) -> (Self, Loads) {
        let (outcome, loads) = match (setting, workers) {
            (Setting::Hash, _) => hash("`steering: hash`".to_owned(), workers),
            (Setting::Auto, 0 | 1) => hash("there is one worker".to_owned(), workers),
            (Setting::Auto, _) => match Steering::load(workers) {
                Ok((steering, loads)) => (Outcome::Steers(Box::new(steering)), loads),
                Err(error) => {
                    tracing::info!(%error, "connections go to workers by the kernel's hash");
                    hash(error.to_string(), workers)
                }
            },
        };
        let outcome = Mutex::new(outcome);
        (Self { outcome }, loads)
    }

    /// Steers connections to these sockets and to no others.
    pub(crate) fn follow(&self, sockets: &Sockets) {
        let Outcome::Steers(steering) = &mut *self.lock() else {
            return;
        };
        let followed = match sockets.duplicates() {
            Ok(listeners) => steering
                .follow(&listeners)
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = followed {
            tracing::warn!(error, "a listener is left to the kernel's hash");
        }
    }

    /// Lets go of all sockets, for the next process.
    pub(crate) fn release(&self) {
        if let Outcome::Steers(steering) = &mut *self.lock() {
            steering.release();
        }
    }

    pub(crate) fn describe(&self) -> String {
        match &*self.lock() {
            Outcome::Steers(steering) => {
                let listeners = match steering.listeners() {
                    1 => "1 listener".to_owned(),
                    count => format!("{count} listeners"),
                };
                format!("least loaded worker, {listeners}")
            }
            Outcome::Hash(reason) => format!("kernel's hash: {reason}"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(reason: String, workers: usize) -> (Outcome, Loads) {
    (Outcome::Hash(reason), Loads::new(workers))
}
