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
    generation: u32,
}

impl SettingsMap {
    /// Takes over the generation of the lists that the map has; everything else is as in `policy` from the next write on.
    pub(crate) fn new(map: Map) -> Result<Self, MapError> {
        let map: Array<MapData, Settings> = map.try_into()?;
        let generation = map.get(&0, 0)?.generation;
        let shared = Shared {
            map,
            policy: GatePolicy::default(),
            generation,
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

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // A write is the last step of each change, so what a panic leaves behind is whole.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn write(&mut self) -> Result<(), MapError> {
        let settings = self.policy.settings(self.generation);
        self.map.set(0, settings, 0)
    }
}
