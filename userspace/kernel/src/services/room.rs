//! How many flows the kernel has room for. A map cannot grow: another one takes its place, and the flows move.

use super::{Programs, ServiceError};
use crate::object::OBJECT;
use crate::privilege;
use abi::service::{Flow, FlowKey};
use aya::EbpfLoader;
use aya::maps::{HashMap, Map, MapData, MapError};
use std::fs;
use std::path::{Path, PathBuf};

type Flows = HashMap<MapData, FlowKey, Flow>;

/// `BPF_NOEXIST`: what is there already is newer.
const IF_ABSENT: u64 = 1;

/// The room for flows.
pub(super) struct Room {
    /// The folder where the maps are pinned.
    pins: PathBuf,
    /// Directions of flows that are remembered while there are services.
    pub(super) wanted: u32,
}

impl Room {
    pub(super) fn new(pins: &Path) -> Self {
        Self {
            pins: pins.to_owned(),
            wanted: abi::limits::FLOWS,
        }
    }

    /// Makes room for so many, if there is more or less. Known flows go on.
    ///
    /// The programs come anew with the map; the gate hands packets to the old ones until the flows have
    /// moved. Those that begin while they do so follow after that.
    pub(super) fn fit(&self, flows: u32) -> Result<(), ServiceError> {
        let path = self.pins.join(abi::maps::FLOWS);
        let open = || MapData::from_pin(&path).map_err(room);
        let there = open()?;
        if there.info().map_err(room)?.max_entries() == flows {
            return Ok(());
        }
        let again = open()?;
        fs::remove_file(&path).map_err(other)?;
        privilege::with(|| self.replace(there, flows)).inspect_err(|_| {
            // The program in use goes on with the old one, so the next process should find that.
            let _ = fs::remove_file(&path);
            let _ = again.pin(&path);
        })
    }

    fn replace(&self, old: MapData, flows: u32) -> Result<(), ServiceError> {
        let object = OBJECT.ok_or_else(|| ServiceError::Room("it was not built".to_owned()))?;
        let mut ebpf = EbpfLoader::new()
            .default_map_pin_directory(&self.pins)
            .map_pin_path(abi::maps::MAGLEV, self.pins.join(abi::maps::MAGLEV))
            .map_max_entries(abi::maps::FLOWS, flows)
            .load(object)
            .map_err(other)?;
        let new = ebpf.take_map(abi::maps::FLOWS);
        let new = new.ok_or_else(|| MapError::InvalidName {
            name: abi::maps::FLOWS.to_owned(),
        });
        let mut new = new.and_then(Flows::try_from).map_err(room)?;
        // No more than there is room for: a further one would take the place of one that has just moved.
        let most = old.info().map_err(room)?.max_entries().min(flows);
        let old = Flows::try_from(Map::LruHashMap(old)).map_err(room)?;
        let programs = Programs::load(&mut ebpf)?;
        move_flows(&old, &mut new, most);
        programs.take_packets()?;
        move_flows(&old, &mut new, most);
        Ok(())
    }
}

/// Copies what is not there yet. One that cannot be copied is balanced anew.
fn move_flows(old: &Flows, new: &mut Flows, most: u32) {
    // Where entries leave while one looks, the kernel begins again at the first.
    let bound = most as usize * 2;
    for (key, flow) in old.iter().take(bound).flatten() {
        let _ = new.insert(key, flow, IF_ABSENT);
    }
}

fn room(error: MapError) -> ServiceError {
    ServiceError::kernel("make room for the flows")(error)
}

fn other(error: impl std::fmt::Display) -> ServiceError {
    ServiceError::Room(error.to_string())
}
