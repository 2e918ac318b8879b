//! The maps of the services in the kernel.

use super::ServiceError;
use crate::privilege;
use abi::service::{Endpoint, EndpointCounter, MaglevTable, Service, ServiceKey, ServiceSettings};
use aya::maps::xdp::DevMapHash;
use aya::maps::{Array, ArrayOfMaps, HashMap, Map, MapData, MapError, PerCpuArray, PerCpuValues};

/// A Maglev table that is not in use yet.
pub(super) type Table = Array<MapData, MaglevTable>;

/// Writes services where the XDP program reads them.
pub(crate) struct ServiceMaps {
    settings: Array<MapData, ServiceSettings>,
    services: HashMap<MapData, ServiceKey, Service>,
    tables: ArrayOfMaps<MapData, Table>,
    endpoints: Array<MapData, Endpoint>,
    counters: PerCpuArray<MapData, EndpointCounter>,
    ways_out: DevMapHash<MapData>,
}

impl ServiceMaps {
    /// Takes the maps by their names in the object.
    pub(crate) fn new(
        mut map: impl FnMut(&str) -> Result<Map, MapError>,
    ) -> Result<Self, MapError> {
        Ok(Self {
            settings: map(abi::maps::SERVICE_SETTINGS)?.try_into()?,
            services: map(abi::maps::SERVICES)?.try_into()?,
            tables: map(abi::maps::MAGLEV)?.try_into()?,
            endpoints: map(abi::maps::ENDPOINTS)?.try_into()?,
            counters: map(abi::maps::ENDPOINT_COUNTERS)?.try_into()?,
            ways_out: map(abi::maps::WAYS_OUT)?.try_into()?,
        })
    }

    pub(super) fn services(&self) -> Result<Vec<(ServiceKey, Service)>, ServiceError> {
        let all: Result<_, MapError> = self.services.iter().collect();
        all.map_err(ServiceError::kernel("show the list"))
    }

    pub(super) fn endpoints(&self) -> Result<Vec<Endpoint>, ServiceError> {
        let all: Result<_, MapError> = self.endpoints.iter().collect();
        all.map_err(ServiceError::kernel("show the endpoints"))
    }

    pub(super) fn set_count(&mut self, services: u32) -> Result<(), ServiceError> {
        let settings = ServiceSettings {
            services,
            reserved: 0,
        };
        self.settings
            .set(0, settings, 0)
            .map_err(ServiceError::kernel("take the number"))
    }

    pub(super) fn set_service(
        &mut self,
        key: &ServiceKey,
        service: &Service,
    ) -> Result<(), ServiceError> {
        self.services
            .insert(key, service, 0)
            .map_err(ServiceError::kernel("take one"))
    }

    pub(super) fn remove_service(&mut self, key: &ServiceKey) -> Result<(), ServiceError> {
        self.services
            .remove(key)
            .map_err(ServiceError::kernel("remove one"))
    }

    pub(super) fn set_endpoint(
        &mut self,
        place: u32,
        endpoint: &Endpoint,
    ) -> Result<(), ServiceError> {
        self.endpoints
            .set(place, endpoint, 0)
            .map_err(ServiceError::kernel("take an endpoint"))
    }

    /// A table with these slots, for [`set_table`](Self::set_table).
    pub(super) fn new_table(&self, slots: &MaglevTable) -> Result<Table, ServiceError> {
        let mut table = privilege::with(|| Table::create(1, 0))
            .map_err(ServiceError::kernel("make room for a table"))?;
        table
            .set(0, slots, 0)
            .map_err(ServiceError::kernel("take a table"))?;
        Ok(table)
    }

    pub(super) fn set_table(&mut self, index: u32, table: &Table) -> Result<(), ServiceError> {
        self.tables
            .set(index, table, 0)
            .map_err(ServiceError::kernel("take a table"))
    }

    /// What an endpoint got, over all CPUs.
    pub(super) fn counter(&self, place: u32) -> Result<EndpointCounter, ServiceError> {
        let cpus = self
            .counters
            .get(&place, 0)
            .map_err(ServiceError::kernel("show the counters"))?;
        let zero = EndpointCounter::default();
        Ok(cpus.iter().fold(zero, |sum, cpu| EndpointCounter {
            packets: sum.packets.wrapping_add(cpu.packets),
            bytes: sum.bytes.wrapping_add(cpu.bytes),
            reply_packets: sum.reply_packets.wrapping_add(cpu.reply_packets),
            reply_bytes: sum.reply_bytes.wrapping_add(cpu.reply_bytes),
            flows: sum.flows.wrapping_add(cpu.flows),
            moved: sum.moved.wrapping_add(cpu.moved),
        }))
    }

    pub(super) fn clear_counters(&mut self, place: u32) -> Result<(), ServiceError> {
        let cpus = self
            .counters
            .get(&place, 0)
            .map_err(ServiceError::kernel("show the counters"))?;
        let zeros = vec![EndpointCounter::default(); cpus.len()];
        PerCpuValues::try_from(zeros)
            .map_err(MapError::from)
            .and_then(|zeros| self.counters.set(place, zeros, 0))
            .map_err(ServiceError::kernel("reset the counters"))
    }

    pub(super) fn set_ways_out(&mut self, interfaces: &[u32]) -> Result<(), ServiceError> {
        let present: Result<Vec<u32>, MapError> = self.ways_out.keys().collect();
        let present = present.map_err(ServiceError::kernel("show the ways out"))?;
        for index in present.iter().filter(|index| !interfaces.contains(index)) {
            self.ways_out
                .remove(*index)
                .map_err(ServiceError::kernel("remove a way out"))?;
        }
        for index in interfaces {
            self.ways_out
                .insert(*index, *index, None, 0)
                .map_err(|error| ServiceError::WayOut {
                    index: *index,
                    error: Box::new(error),
                })?;
        }
        Ok(())
    }
}
