//! The sides of connections, in memory that the worker and the program share.
#![allow(unsafe_code)]

use crate::mapped::{Mapped, Shared};
use abi::relay::Side;
use aya::maps::MapData;
use std::io;
use std::mem::offset_of;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// [`Side`], as the worker and the program have it at one time.
#[derive(Debug, Default)]
#[repr(C, align(64))]
struct Cell {
    handed: AtomicU64,
    passed: AtomicU64,
    taken: AtomicU64,
    based_on: AtomicU64,
    base: AtomicU32,
}

const _: () = assert!(size_of::<Cell>() == size_of::<Side>());
const _: () = assert!(offset_of!(Cell, handed) == offset_of!(Side, handed));
const _: () = assert!(offset_of!(Cell, passed) == offset_of!(Side, passed));
const _: () = assert!(offset_of!(Cell, taken) == offset_of!(Side, taken));
const _: () = assert!(offset_of!(Cell, based_on) == offset_of!(Side, based_on));
const _: () = assert!(offset_of!(Cell, base) == offset_of!(Side, base));

// SAFETY: atomics, aligned for a cache line.
unsafe impl Shared for Cell {}

/// All sides of a worker.
#[derive(Clone, Debug)]
pub(super) struct Sides {
    cells: Arc<Mapped<Cell>>,
}

impl Sides {
    pub(super) fn mapped(map: MapData, count: usize) -> io::Result<Self> {
        Ok(Self {
            cells: Arc::new(Mapped::new(map, count)?),
        })
    }

    /// Leaves everything to the worker. To be called while no socket is in the place.
    pub(super) fn hold(&self, place: u32) {
        if let Some(cell) = self.cell(place) {
            let held = Side::HELD;
            // In this order the two are never equal.
            cell.taken.store(u64::MAX, Ordering::SeqCst);
            cell.passed.store(held.passed, Ordering::SeqCst);
            cell.taken.store(held.taken, Ordering::SeqCst);
            cell.handed.store(held.handed, Ordering::SeqCst);
            cell.based_on.store(held.based_on, Ordering::SeqCst);
            cell.base.store(held.base, Ordering::SeqCst);
        }
    }

    fn cell(&self, place: u32) -> Option<&Cell> {
        self.cells.get(place as usize)
    }
}

/// A connection that was handed over.
#[derive(Debug)]
pub struct Relayed {
    first: u32,
    cookies: [u64; 2],
    is_complete: bool,
    /// What comes from the client.
    pub there: Direction,
    /// What comes from the endpoint.
    pub back: Direction,
}

impl Relayed {
    pub(super) fn new(sides: &Sides, first: u32, cookies: [u64; 2], is_complete: bool) -> Self {
        let direction = |place| Direction {
            sides: sides.clone(),
            place,
        };
        Self {
            first,
            cookies,
            is_complete,
            there: direction(first),
            back: direction(first + 1),
        }
    }

    /// What calls name it by.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.first
    }

    /// Whether the program has both sockets. Otherwise one of them ended in the middle: everything is left to the worker for
    /// good, no direction may be opened, and nobody calls.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    pub(super) fn places(&self) -> [u32; 2] {
        [self.first, self.first + 1]
    }

    pub(super) fn cookies(&self) -> [u64; 2] {
        self.cookies
    }
}

/// One direction of a connection that was handed over.
#[derive(Debug)]
pub struct Direction {
    sides: Sides,
    place: u32,
}

impl Direction {
    /// Bytes that the program has handed to the other side.
    #[must_use]
    pub fn handed(&self) -> u64 {
        self.read(|cell| &cell.handed)
    }

    /// How often something was left to the worker.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.read(|cell| &cell.passed)
    }

    /// Whether everything is left to the worker.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.passed() != self.read(|cell| &cell.taken)
    }

    /// Lets the program hand on what comes, where the worker has moved all that was left to it: `passed` is what
    /// [`Direction::passed`] said before the worker looked and found nothing more. `false` where more was left since.
    #[must_use]
    pub fn open(&self, passed: u64) -> bool {
        let Some(cell) = self.sides.cell(self.place) else {
            return false;
        };
        cell.taken.swap(passed, Ordering::SeqCst);
        cell.passed.load(Ordering::SeqCst) == passed
    }

    fn read(&self, field: impl Fn(&Cell) -> &AtomicU64) -> u64 {
        self.sides
            .cell(self.place)
            .map_or(0, |cell| field(cell).load(Ordering::SeqCst))
    }
}
