//! L4 services: what the XDP program balances, and what it counted.
//!
//! [`Services::apply`] makes the kernel's tables those of a configuration. Everything new is written beside what is in
//! use (endpoints to free places, a table to a map of its own) before the first service switches; a service switches
//! with one write. What stays keeps its place: its flows and counters go on.

mod error;
mod maps;
mod neighbours;
mod programs;
mod room;
mod spec;
mod status;

pub use error::ServiceError;
pub(crate) use maps::ServiceMaps;
pub(crate) use programs::Programs;
pub(crate) use spec::address;
pub use spec::{EndpointState, Forwarding, Protocol, ServiceEndpoint, ServiceSpec};
pub use status::{ServiceEndpointStatus, ServiceStatus};

use abi::limits;
use abi::service::{Endpoint, MAGLEV_SLOTS, MaglevTable, Service, ServiceKey};
use balance::maglev::{self, Backend};
use room::Room;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The services in the kernel. Cheap to clone; lives as long as the gate's maps.
#[derive(Clone)]
pub struct Services {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    maps: ServiceMaps,
    room: Room,
    /// What is in the kernel, by the key of the service.
    active: HashMap<ServiceKey, Active>,
    /// Addresses with protocols that have a service, whatever the port.
    marks: HashSet<ServiceKey>,
    /// The endpoints by their places; the first is never used.
    endpoints: Vec<Endpoint>,
    /// Places of endpoints that nobody has, the longest free first: an old place is used again as late as possible.
    free_endpoints: VecDeque<u32>,
    free_services: VecDeque<u32>,
    last_serial: u32,
    /// What was applied last, in its order.
    specs: Vec<ServiceSpec>,
    /// Whether anything was, by this process.
    is_applied: bool,
}

/// A service in the kernel.
struct Active {
    service: Service,
    /// What its table was made of: each endpoint that takes new flows, by place, with key and weight.
    table: Vec<(u32, Backend)>,
    /// Places of all its endpoints.
    places: Vec<u32>,
}

/// A service on its way to the kernel.
struct Planned {
    key: ServiceKey,
    service: Service,
    table: Vec<(u32, Backend)>,
    places: Vec<u32>,
    /// Endpoints to write before the service switches.
    fresh: Vec<(u32, Endpoint)>,
    /// Endpoints whose state changes.
    changed: Vec<(u32, Endpoint)>,
}

impl Services {
    /// Takes over what an earlier process left in the maps.
    pub(crate) fn adopt(maps: ServiceMaps, pins: &Path) -> Result<Self, ServiceError> {
        Ok(Self {
            inner: Arc::new(Mutex::new(Inner::read(maps, pins)?)),
        })
    }

    /// Looks what is in the kernel, where another process may have written to it. [`Services::apply`] then makes it what
    /// this process wants.
    ///
    /// # Errors
    /// Where the kernel refuses to read its maps.
    pub fn read_again(&self) -> Result<(), ServiceError> {
        self.lock().read_again()
    }

    /// The endpoints of a service that are down in the kernel, whoever found that.
    #[must_use]
    pub fn down(&self, spec: &ServiceSpec) -> HashSet<SocketAddr> {
        let inner = self.lock();
        let active = inner.active.get(&spec.key());
        let places = active.into_iter().flat_map(|active| &active.places);
        let there: Vec<&Endpoint> = places
            .filter_map(|place| inner.endpoints.get(*place as usize))
            .filter(|endpoint| endpoint.state == EndpointState::Down as u8)
            .collect();
        let is_down = |one: &ServiceEndpoint| {
            let one = one.endpoint(0);
            there.iter().any(|old| is_same(old, &one))
        };
        let endpoints = spec.endpoints.iter().filter(|one| is_down(one));
        endpoints.map(|one| one.address).collect()
    }

    /// How many directions of flows are remembered as soon as there are services; a flow of NAT has two. Takes effect with
    /// the next [`Services::apply`]. Without services there is room for a few alone.
    pub fn set_flows(&self, flows: u32) {
        let mut inner = self.lock();
        inner.is_applied &= inner.room.wanted == flows;
        inner.room.wanted = flows;
    }

    /// Makes these the services, and no others.
    ///
    /// # Errors
    /// [`ServiceError`]. Where the limits are exceeded, or two services have one address, nothing has changed.
    pub fn apply(&self, specs: &[ServiceSpec]) -> Result<(), ServiceError> {
        self.lock().apply(specs)
    }

    /// What probes or the operator say of an endpoint: new flows follow at once.
    ///
    /// # Errors
    /// Where the kernel does not take it.
    pub fn set_state(
        &self,
        service: &str,
        endpoint: SocketAddr,
        state: EndpointState,
    ) -> Result<(), ServiceError> {
        let mut inner = self.lock();
        let mut specs = inner.specs.clone();
        let named = specs.iter_mut().filter(|spec| spec.name == service);
        for one in named.flat_map(|spec| &mut spec.endpoints) {
            if one.address == endpoint {
                one.state = state;
            }
        }
        inner.apply(&specs)
    }

    /// Each service with what its endpoints got, in the order of the configuration.
    ///
    /// # Errors
    /// Where the kernel refuses to read its maps.
    pub fn status(&self) -> Result<Vec<ServiceStatus>, ServiceError> {
        let inner = self.lock();
        inner.specs.iter().map(|spec| inner.status(spec)).collect()
    }

    /// Has the kernel look for the MAC addresses of endpoints that it would not look for otherwise. To be called every
    /// few seconds, and after services were applied.
    pub fn keep_neighbours(&self) {
        let wanted = neighbours::wanted(&self.lock().specs);
        neighbours::remind(&wanted);
    }

    /// The interfaces that packets may leave by without the kernel's stack, by their indexes.
    pub(crate) fn set_ways_out(&self, interfaces: &[u32]) -> Result<(), ServiceError> {
        self.lock().maps.set_ways_out(interfaces)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Each map is changed by single writes, and what is remembered follows them.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// What is in the maps.
    fn read(maps: ServiceMaps, pins: &Path) -> Result<Self, ServiceError> {
        let mut inner = Self {
            maps,
            room: Room::new(pins),
            active: HashMap::new(),
            marks: HashSet::new(),
            endpoints: Vec::new(),
            free_endpoints: VecDeque::new(),
            free_services: VecDeque::new(),
            last_serial: 0,
            specs: Vec::new(),
            is_applied: false,
        };
        inner.read_again()?;
        Ok(inner)
    }

    fn read_again(&mut self) -> Result<(), ServiceError> {
        let endpoints = self.maps.endpoints()?;
        let mut active = HashMap::new();
        self.marks.clear();
        for (key, service) in self.maps.services()? {
            if service.index == Service::MARK {
                self.marks.insert(key);
                continue;
            }
            let places = (1..)
                .zip(endpoints.iter().skip(1))
                .filter(|(_, endpoint)| endpoint.state != 0 && endpoint.service == service.serial)
                .map(|(place, _)| place)
                .collect();
            let table = Vec::new();
            active.insert(
                key,
                Active {
                    service,
                    table,
                    places,
                },
            );
        }
        let taken: HashSet<u32> = active
            .values()
            .flat_map(|active| active.places.iter().copied())
            .collect();
        let indexes: HashSet<u32> = active.values().map(|active| active.service.index).collect();
        let serials = endpoints.iter().map(|endpoint| endpoint.serial);
        let last_serial = serials
            .chain(active.values().map(|active| active.service.serial))
            .max();
        self.free_endpoints = (1..limits::ENDPOINTS)
            .filter(|place| !taken.contains(place))
            .collect();
        self.free_services = (0..limits::SERVICES)
            .filter(|index| !indexes.contains(index))
            .collect();
        self.active = active;
        self.endpoints = endpoints;
        self.last_serial = last_serial.unwrap_or(0);
        self.is_applied = false;
        Ok(())
    }

    fn apply(&mut self, specs: &[ServiceSpec]) -> Result<(), ServiceError> {
        if self.is_applied && self.specs == specs {
            return Ok(());
        }
        let keys = spec::check(specs)?;
        let free = (self.free_endpoints.clone(), self.free_services.clone());
        let serial = self.last_serial;
        let planned: Result<Vec<Planned>, ServiceError> = keys
            .into_iter()
            .zip(specs)
            .map(|(key, spec)| self.plan(key, spec))
            .collect();
        let planned = match planned {
            Ok(planned) => planned,
            Err(error) => {
                (self.free_endpoints, self.free_services) = free;
                self.last_serial = serial;
                return Err(error);
            }
        };
        // What fails half-way is tried again, whatever is asked for then.
        self.is_applied = false;
        if !specs.is_empty() {
            self.room.fit(self.room.wanted)?;
        }
        self.carry_out(planned)?;
        if specs.is_empty() {
            self.room.fit(limits::FLOWS_IDLE)?;
        }
        self.specs = specs.to_vec();
        self.is_applied = true;
        Ok(())
    }

    /// Finds places for a service and its endpoints. Changes what is free, nothing in the kernel.
    fn plan(&mut self, key: ServiceKey, spec: &ServiceSpec) -> Result<Planned, ServiceError> {
        let before = self.active.get(&key);
        let (index, serial) = match before.map(|active| active.service) {
            // Another way of forwarding is another service: its flows begin anew.
            Some(old) if old.forwarding == spec.forwarding as u8 => (old.index, old.serial),
            Some(old) => (old.index, self.next_serial()),
            None => {
                let index = self.free_services.pop_front();
                (
                    index.ok_or(ServiceError::TooManyServices {
                        limit: limits::SERVICES,
                    })?,
                    self.next_serial(),
                )
            }
        };
        let service = spec.service(index, serial);
        let known: BTreeMap<u32, Endpoint> = self
            .active
            .get(&key)
            .filter(|active| active.service.serial == serial)
            .into_iter()
            .flat_map(|active| &active.places)
            .filter_map(|place| Some((*place, *self.endpoints.get(*place as usize)?)))
            .collect();
        let mut planned = Planned {
            key,
            service,
            table: Vec::new(),
            places: Vec::new(),
            fresh: Vec::new(),
            changed: Vec::new(),
        };
        for one in &spec.endpoints {
            let mut endpoint = one.endpoint(serial);
            let old = known.iter().find(|(_, old)| is_same(old, &endpoint));
            let place = if let Some((place, old)) = old {
                endpoint.serial = old.serial;
                if endpoint.state != old.state {
                    planned.changed.push((*place, endpoint));
                }
                *place
            } else {
                let place = self.free_endpoints.pop_front();
                let place = place.ok_or(ServiceError::TooManyEndpoints {
                    limit: limits::ENDPOINTS - 1,
                })?;
                endpoint.serial = self.next_serial();
                planned.fresh.push((place, endpoint));
                place
            };
            planned.places.push(place);
            planned
                .table
                .extend(one.backend().map(|backend| (place, backend)));
        }
        Ok(planned)
    }

    fn carry_out(&mut self, planned: Vec<Planned>) -> Result<(), ServiceError> {
        let mut tables = Vec::with_capacity(planned.len());
        for plan in &planned {
            for (place, endpoint) in &plan.fresh {
                self.maps.clear_counters(*place)?;
                self.write_endpoint(*place, *endpoint)?;
            }
            let before = self.active.get(&plan.key);
            let is_same = before.is_some_and(|before| {
                before.table == plan.table
                    && before.service.serial == plan.service.serial
                    && !before.table.is_empty()
            });
            tables.push(if is_same {
                None
            } else {
                let slots = slots(&plan.table)?;
                Some(self.maps.new_table(&slots)?)
            });
        }
        let stays: HashSet<ServiceKey> = planned.iter().map(|plan| plan.key).collect();
        // Before the switch, so that a place of a service that goes is free for packets no more than for us.
        let leaving: Vec<ServiceKey> = self
            .active
            .keys()
            .filter(|key| !stays.contains(key))
            .copied()
            .collect();
        for key in leaving {
            self.maps.remove_service(&key)?;
            if let Some(active) = self.active.remove(&key) {
                self.free_services.push_back(active.service.index);
                self.release(&active.places)?;
            }
        }
        for (plan, table) in planned.into_iter().zip(tables) {
            self.switch(plan, table)?;
        }
        self.mark()?;
        let count = u32::try_from(self.active.len()).unwrap_or(u32::MAX);
        self.maps.set_count(count)
    }

    /// Marks the addresses of services: fragments that nobody can place are known by that.
    fn mark(&mut self) -> Result<(), ServiceError> {
        let keys = self.active.keys();
        let wanted: HashSet<ServiceKey> = keys
            .map(|key| ServiceKey {
                port: [0; 2],
                ..*key
            })
            .collect();
        for key in self.marks.difference(&wanted) {
            self.maps.remove_service(key)?;
        }
        for key in wanted.difference(&self.marks) {
            self.maps.set_service(key, &Service::mark())?;
        }
        self.marks = wanted;
        Ok(())
    }

    /// One service switches. Endpoints that take new flows come before the table that names them, the others after.
    fn switch(&mut self, plan: Planned, table: Option<maps::Table>) -> Result<(), ServiceError> {
        let up = |endpoint: &Endpoint| endpoint.state == EndpointState::Up as u8;
        for (place, endpoint) in plan.changed.iter().filter(|(_, endpoint)| up(endpoint)) {
            self.write_endpoint(*place, *endpoint)?;
        }
        if let Some(table) = table {
            self.maps.set_table(plan.service.index, &table)?;
        }
        let before = self.active.get(&plan.key);
        if before.is_none_or(|before| before.service != plan.service) {
            self.maps.set_service(&plan.key, &plan.service)?;
        }
        for (place, endpoint) in plan.changed.iter().filter(|(_, endpoint)| !up(endpoint)) {
            self.write_endpoint(*place, *endpoint)?;
        }
        let active = Active {
            service: plan.service,
            table: plan.table,
            places: plan.places,
        };
        if let Some(before) = self.active.insert(plan.key, active) {
            let kept: HashSet<u32> = self.active[&plan.key].places.iter().copied().collect();
            let gone: Vec<u32> = before
                .places
                .into_iter()
                .filter(|place| !kept.contains(place))
                .collect();
            self.release(&gone)?;
        }
        Ok(())
    }

    fn release(&mut self, places: &[u32]) -> Result<(), ServiceError> {
        for place in places {
            let old = self.endpoints.get(*place as usize).copied();
            let empty = Endpoint {
                // So that a serial is never used again, also by a process that adopts the maps.
                serial: old.unwrap_or_default().serial,
                ..Endpoint::default()
            };
            self.write_endpoint(*place, empty)?;
            self.free_endpoints.push_back(*place);
        }
        Ok(())
    }

    fn write_endpoint(&mut self, place: u32, endpoint: Endpoint) -> Result<(), ServiceError> {
        self.maps.set_endpoint(place, &endpoint)?;
        if let Some(mirror) = self.endpoints.get_mut(place as usize) {
            *mirror = endpoint;
        }
        Ok(())
    }

    fn next_serial(&mut self) -> u32 {
        self.last_serial = self.last_serial.wrapping_add(1);
        self.last_serial
    }

    fn status(&self, spec: &ServiceSpec) -> Result<ServiceStatus, ServiceError> {
        let places = self
            .active
            .get(&spec.key())
            .map_or(&[][..], |active| &active.places);
        let endpoints = spec.endpoints.iter().zip(places);
        let endpoints: Result<Vec<_>, ServiceError> = endpoints
            .map(|(one, place)| {
                let counter = self.maps.counter(*place)?;
                Ok(ServiceEndpointStatus::new(one, &counter))
            })
            .collect();
        Ok(ServiceStatus::new(spec, endpoints?))
    }
}

/// The same endpoint in two configurations: its flows can go on.
fn is_same(old: &Endpoint, new: &Endpoint) -> bool {
    old.address == new.address && old.port == new.port && old.source == new.source
}

fn slots(table: &[(u32, Backend)]) -> Result<Box<MaglevTable>, ServiceError> {
    let backends: Vec<Backend> = table.iter().map(|(_, backend)| *backend).collect();
    let indexes = maglev::table(MAGLEV_SLOTS, &backends).map_err(ServiceError::Table)?;
    let mut slots = MaglevTable::boxed();
    for (slot, index) in slots.slots.iter_mut().zip(indexes) {
        let place = table.get(usize::from(index)).map_or(0, |(place, _)| *place);
        *slot = u16::try_from(place).unwrap_or(0);
    }
    Ok(slots)
}
