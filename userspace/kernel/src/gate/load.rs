//! Loads the object and joins it with what an earlier process pinned.

use super::control::Control;
use super::error::AttachError;
use super::pins::{PinDir, pin};
use super::{program, tables};
use crate::bans::{BanLimits, BanMaps, Bans};
use crate::counters::Counters;
use crate::host;
use crate::object::OBJECT;
use crate::samples::Samples;
use crate::services::{Programs, ServiceMaps, Services};
use crate::settings::SettingsMap;
use aya::maps::{Array, Map, MapData, MapError, MapInfo};
use aya::{Ebpf, EbpfLoader};
use std::fs;
use std::path::{Path, PathBuf};

pub(super) struct Loaded {
    pub(super) ebpf: Ebpf,
    pub(super) counters: Counters,
    pub(super) services: Services,
    pub(super) control: Control,
    pub(super) samples: Samples,
}

/// What the pin folder holds.
#[derive(Debug, PartialEq, Eq)]
enum Pinned {
    /// No maps.
    Nothing,
    /// Maps that fit: they are used as they are.
    Fitting,
    /// Maps of our version with other limits: their bans move to new maps, all else stays but sources, where their limit is
    /// another.
    OtherLimits,
    /// Maps of a version whose bans can be read: they move to new maps, and nothing else does.
    OldBans,
}

/// Whether this process can load the programs at all: known before anything is touched.
pub(super) fn check() -> Result<(), AttachError> {
    OBJECT.ok_or(AttachError::NotBuilt)?;
    host::check_kernel()
}

/// Loads the programs over adopted or new maps and lets `bans` write to them.
pub(super) fn load(pins: &PinDir, bans: &Bans, sources: u32) -> Result<Loaded, AttachError> {
    let object = OBJECT.ok_or(AttachError::NotBuilt)?;
    host::check_kernel()?;
    let tables = tables(bans.limits(), sources);
    match inspect(pins, &tables)? {
        Pinned::Nothing | Pinned::Fitting => {
            let ebpf = load_object(object, &tables, pins.path())?;
            bind(ebpf, bans, pins.path())
        }
        // The bans of the old maps join the list first, and with it the new maps. The old ones stay pinned until the new
        // ones are complete, so that a crash on the way loses no ban.
        Pinned::OtherLimits => {
            bans.bind(pinned_bans(pins)?)?;
            let staging = stage(pins)?;
            for name in abi::maps::ALL {
                // One that is missing is younger than the program that made the others.
                let stays = !abi::maps::BANS.contains(&name) && fits(pins, &tables, name);
                if stays && pins.map(name).exists() {
                    let map = open(pins, name).map_err(AttachError::Map)?;
                    map.pin(staging.join(name)).map_err(|error| {
                        AttachError::Map(MapError::PinError {
                            name: Some(name.to_owned()),
                            error,
                        })
                    })?;
                }
            }
            load_in_place(object, &tables, pins, bans)
        }
        Pinned::OldBans => {
            let maps = BanMaps::new(None, |name| open(pins, name).and_then(Map::from_map_data));
            bans.absorb_old(maps.map_err(AttachError::Map)?)?;
            stage(pins)?;
            load_in_place(object, &tables, pins, bans)
        }
    }
}

/// Makes the folder for new maps.
fn stage(pins: &PinDir) -> Result<PathBuf, AttachError> {
    let staging = pins.staging();
    fs::create_dir(&staging).map_err(pin(&staging))?;
    Ok(staging)
}

/// Loads the programs over the staged maps, and new ones where there is none; they take the place of those that are pinned.
fn load_in_place(
    object: &[u8],
    tables: &Tables,
    pins: &PinDir,
    bans: &Bans,
) -> Result<Loaded, AttachError> {
    let staging = pins.staging();
    let ebpf = load_object(object, tables, &staging)?;
    let loaded = bind(ebpf, bans, pins.path())?;
    pins.publish_staging()?;
    Ok(loaded)
}

fn load_object(object: &[u8], tables: &Tables, pin_dir: &Path) -> Result<Ebpf, AttachError> {
    tables::make(&pin_dir.join(abi::maps::MAGLEV))?;
    let mut loader = EbpfLoader::new();
    loader
        .default_map_pin_directory(pin_dir)
        // Maps of maps cannot say themselves that they are to be pinned.
        .map_pin_path(abi::maps::MAGLEV, pin_dir.join(abi::maps::MAGLEV))
        // Until there are services.
        .map_max_entries(abi::maps::FLOWS, abi::limits::FLOWS_IDLE);
    for (name, entries) in tables {
        loader.map_max_entries(name, *entries);
    }
    let mut ebpf = loader
        .load(object)
        .map_err(|error| AttachError::Load(Box::new(error)))?;
    program(&mut ebpf)?.load().map_err(AttachError::Program)?;
    Programs::load(&mut ebpf)?.take_packets()?;
    Ok(ebpf)
}

fn absent(name: &str) -> MapError {
    MapError::InvalidName {
        name: name.to_owned(),
    }
}

fn bind(mut ebpf: Ebpf, bans: &Bans, pins: &Path) -> Result<Loaded, AttachError> {
    let mut take = |name: &str| ebpf.take_map(name).ok_or_else(|| absent(name));
    let mut version: Array<MapData, u32> = take(abi::maps::VERSION)
        .and_then(Array::try_from)
        .map_err(AttachError::Map)?;
    let counters = Counters::new(take(abi::maps::COUNTERS).map_err(AttachError::Map)?)?;
    let settings = take(abi::maps::SETTINGS)
        .and_then(SettingsMap::new)
        .map_err(AttachError::Map)?;
    let maps = BanMaps::new(Some(settings.clone()), &mut take).map_err(AttachError::Map)?;
    bans.bind(maps)?;
    let services = Services::adopt(ServiceMaps::new(&mut take).map_err(AttachError::Map)?, pins)?;
    let control = Control::new(settings, &mut take).map_err(AttachError::Map)?;
    let samples = Samples::new(&mut take).map_err(AttachError::Map)?;
    // Last: maps without a version were not completed and are made anew.
    version.set(0, abi::VERSION, 0).map_err(AttachError::Map)?;
    Ok(Loaded {
        ebpf,
        counters,
        services,
        control,
        samples,
    })
}

fn inspect(pins: &PinDir, tables: &Tables) -> Result<Pinned, AttachError> {
    if !pins.map(abi::maps::VERSION).exists() {
        remove_maps(pins)?;
        return Ok(Pinned::Nothing);
    }
    let version = open(pins, abi::maps::VERSION)
        .and_then(Map::from_map_data)
        .and_then(Array::<_, u32>::try_from)
        .and_then(|array| array.get(&0, 0))
        .map_err(AttachError::Map)?;
    if version == 0 && pins.links()?.is_empty() {
        // A process died while it made them.
        remove_maps(pins)?;
        return Ok(Pinned::Nothing);
    }
    if abi::VERSIONS_OF_OLD_BANS.contains(&version) {
        return Ok(Pinned::OldBans);
    }
    if version != abi::VERSION {
        return Err(AttachError::AbiMismatch {
            path: pins.path().to_owned(),
            found: version,
            expected: abi::VERSION,
        });
    }
    Ok(if tables.iter().all(|(name, _)| fits(pins, tables, name)) {
        Pinned::Fitting
    } else {
        Pinned::OtherLimits
    })
}

/// How large the maps are whose size the operator says.
type Tables = [(&'static str, u32); 6];

/// The ban maps hold two lists at a time: the old one and the new one, while it takes the old one's place.
fn tables(limits: BanLimits, sources: u32) -> Tables {
    let addresses = limits.addresses.saturating_mul(2);
    let prefixes = limits.prefixes.saturating_mul(2);
    [
        (abi::maps::BANS_V4, addresses),
        (abi::maps::BANS_V6, addresses),
        (abi::maps::PREFIX_BANS_V4, prefixes),
        (abi::maps::PREFIX_BANS_V6, prefixes),
        (abi::maps::SOURCES, sources),
        (abi::maps::SOURCE_PREFIXES, sources),
    ]
}

/// Whether a pinned map is as large as it should be.
fn fits(pins: &PinDir, tables: &Tables, name: &str) -> bool {
    let wanted = tables.iter().find(|(table, _)| *table == name);
    wanted.is_none_or(|(name, entries)| {
        MapInfo::from_pin(pins.map(name)).is_ok_and(|info| info.max_entries() == *entries)
    })
}

fn pinned_bans(pins: &PinDir) -> Result<BanMaps, AttachError> {
    let map = |name: &str| open(pins, name).and_then(Map::from_map_data);
    let settings = map(abi::maps::SETTINGS).and_then(SettingsMap::new);
    settings
        .and_then(|settings| BanMaps::new(Some(settings), map))
        .map_err(AttachError::Map)
}

fn open(pins: &PinDir, name: &str) -> Result<MapData, MapError> {
    MapData::from_pin(pins.map(name))
}

fn remove_maps(pins: &PinDir) -> Result<(), AttachError> {
    for name in abi::maps::ALL {
        let path = pins.map(name);
        if path.exists() {
            fs::remove_file(&path).map_err(pin(&path))?;
        }
    }
    Ok(())
}
