//! The programs' settings.

use crate::policy::GatePolicy;
use abi::Settings;
use aya::maps::{Array, Map, MapData, MapError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The one value of the map.
#[derive(Clone)]
pub(crate) struct SettingsMap {
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    map: Array<MapData, Settings>,
    policy: GatePolicy,
}

impl SettingsMap {
    /// Leaves the generation of the lists as it is; everything else is as in `policy` from the next write on.
    pub(crate) fn new(map: Map) -> Result<Self, MapError> {
        let map: Array<MapData, Settings> = map.try_into()?;
        let shared = Shared {
            map,
            policy: GatePolicy::default(),
        };
        Ok(Self {
            shared: Arc::new(Mutex::new(shared)),
        })
    }

    pub(crate) fn set_policy(&self, policy: &GatePolicy) -> Result<(), MapError> {
        let mut shared = self.lock();
        policy.clone_into(&mut shared.policy);
        shared.write()
    }

    /// The generation of the lists that the programs go by.
    pub(crate) fn generation(&self) -> Result<u32, MapError> {
        Ok(self.lock().map.get(&0, 0)?.generation)
    }

    /// Switches to another generation of the lists; everything else stays as it is.
    pub(crate) fn set_generation(&self, generation: u32) -> Result<(), MapError> {
        let mut shared = self.lock();
        let settings = Settings {
            generation,
            ..shared.map.get(&0, 0)?
        };
        shared.map.set(0, settings, 0)
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // A write is the last step of each change, so what a panic leaves behind is whole.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn write(&mut self) -> Result<(), MapError> {
        // Read again: in an upgrade another process may have switched the lists.
        let settings = self.policy.settings(self.map.get(&0, 0)?.generation);
        self.map.set(0, settings, 0)
    }
}
