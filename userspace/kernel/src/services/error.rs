//! Why services do not reach the kernel.

use aya::maps::MapError;
use aya::maps::xdp::XdpMapError;
use aya::programs::ProgramError;
use balance::maglev::MaglevError;
use std::net::SocketAddr;

/// Why the services are not in force as they were asked for.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// More than there are places for.
    #[error("there is room for {limit} services in the kernel; remove some")]
    TooManyServices {
        /// How many there may be.
        limit: u32,
    },
    /// More than there are places for. Endpoints that leave with the same change still count.
    #[error("there is room for {limit} endpoints of all services in the kernel; remove some")]
    TooManyEndpoints {
        /// How many there may be.
        limit: u32,
    },
    /// Two services for one address, port and protocol.
    #[error("`{first}` and `{second}` have the same address {address}; give one of them another")]
    SameAddress {
        /// The name of one.
        first: String,
        /// The name of the other.
        second: String,
        /// The address.
        address: SocketAddr,
    },
    /// An endpoint that the service's way of forwarding cannot reach.
    #[error("`{service}`: {endpoint} {reason}")]
    Endpoint {
        /// The service.
        service: String,
        /// The endpoint.
        endpoint: SocketAddr,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The table of a service cannot be made.
    #[error("the table of a service cannot be made: {0}")]
    Table(#[source] MaglevError),
    /// The kernel did not take or give something.
    #[error("the kernel did not {doing} of the services: {error}")]
    Kernel {
        /// What it was to do.
        doing: &'static str,
        /// Why not.
        error: Box<MapError>,
    },
    /// A program behind the gate cannot be loaded.
    #[error("the kernel did not take the program `{program}`: {error}")]
    Program {
        /// Its name.
        program: &'static str,
        /// Why not.
        error: Box<ProgramError>,
    },
    /// The flows cannot move to a map of another size.
    #[error("there is no other room for the flows of services: {0}")]
    Room(String),
    /// The kernel did not take an interface.
    #[error("packets cannot leave by interface {index}: {error}")]
    WayOut {
        /// The interface's index.
        index: u32,
        /// Why not.
        error: Box<XdpMapError>,
    },
}

impl ServiceError {
    pub(super) fn kernel(doing: &'static str) -> impl FnOnce(MapError) -> Self {
        move |error| Self::Kernel {
            doing,
            error: Box::new(error),
        }
    }
}
