//! What aya wants to know of the values.
#![allow(unsafe_code)]

extern crate alloc;

use crate::service::{
    Endpoint, EndpointCounter, Flow, FlowKey, MaglevTable, Service, ServiceKey, ServiceSettings,
};
use crate::{Ban, Counter, Flood, Settings, Source};
use alloc::boxed::Box;
use aya::Pod;

// SAFETY: `repr(C)`, integers and arrays of integers alone, padding spelled out: every bit pattern is a value.
unsafe impl Pod for Ban {}
// SAFETY: as above.
unsafe impl Pod for Counter {}
// SAFETY: as above.
unsafe impl Pod for ServiceKey {}
// SAFETY: as above.
unsafe impl Pod for Service {}
// SAFETY: as above.
unsafe impl Pod for ServiceSettings {}
// SAFETY: as above.
unsafe impl Pod for Endpoint {}
// SAFETY: as above.
unsafe impl Pod for EndpointCounter {}
// SAFETY: as above.
unsafe impl Pod for FlowKey {}
// SAFETY: as above.
unsafe impl Pod for Flow {}
// SAFETY: as above.
unsafe impl Pod for MaglevTable {}
// SAFETY: as above.
unsafe impl Pod for Settings {}
// SAFETY: as above.
unsafe impl Pod for Source {}
// SAFETY: as above.
unsafe impl Pod for Flood {}

impl MaglevTable {
    /// A table without endpoints. It is too large for a stack.
    #[must_use]
    pub fn boxed() -> Box<Self> {
        let table = Box::<Self>::new_zeroed();
        // SAFETY: an array of integers: all zeros are a value.
        unsafe { table.assume_init() }
    }
}
// SAFETY: as above.
unsafe impl Pod for crate::steer::Listening {}
// SAFETY: as above.
unsafe impl Pod for crate::steer::Group {}
// SAFETY: as above.
unsafe impl Pod for crate::lookup::KeyV4 {}
// SAFETY: as above.
unsafe impl Pod for crate::lookup::KeyV6 {}
// SAFETY: as above.
unsafe impl Pod for crate::lookup::Ports {}
// SAFETY: as above.
unsafe impl Pod for crate::lookup::Range {}
// SAFETY: as above.
unsafe impl Pod for crate::traffic::Plan {}
