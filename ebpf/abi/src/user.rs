//! What aya wants to know of the values.
#![allow(unsafe_code)]

use crate::{Ban, Counter};
use aya::Pod;

// SAFETY: `repr(C)`, integers and arrays of integers alone, padding spelled out: every bit pattern is a value.
unsafe impl Pod for Ban {}
// SAFETY: as above.
unsafe impl Pod for Counter {}
