//! What workers publish of their load: a cache line each, which the program reads as it is.
#![allow(unsafe_code)]

use crate::mapped::{Mapped, Shared};
use abi::steer::Load;
use aya::maps::MapData;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// [`Load`], as several threads and the program have it at one time.
#[derive(Debug, Default)]
#[repr(C, align(64))]
struct Cell {
    pending: AtomicU64,
    connections: AtomicU32,
    busy: AtomicU32,
    draining: AtomicU32,
}

const _: () = assert!(size_of::<Cell>() == size_of::<Load>());
const _: () = assert!(std::mem::offset_of!(Cell, pending) == std::mem::offset_of!(Load, pending));
const _: () =
    assert!(std::mem::offset_of!(Cell, connections) == std::mem::offset_of!(Load, connections));
const _: () = assert!(std::mem::offset_of!(Cell, busy) == std::mem::offset_of!(Load, busy));
const _: () = assert!(std::mem::offset_of!(Cell, draining) == std::mem::offset_of!(Load, draining));

// SAFETY: atomics, aligned for a cache line.
unsafe impl Shared for Cell {}

/// The loads of all workers. Cheap to clone, shared by all threads.
#[derive(Clone, Debug)]
pub struct Loads {
    memory: Arc<Memory>,
}

#[derive(Debug)]
enum Memory {
    /// Without the program nobody reads it.
    Own(Box<[Cell]>),
    /// The program's map.
    Mapped(Mapped<Cell>),
}

impl Loads {
    /// For so many workers, without the program.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        let cells = (0..workers).map(|_| Cell::default()).collect();
        Self {
            memory: Arc::new(Memory::Own(cells)),
        }
    }

    /// In the program's map, which has a cell for each worker at least.
    pub(super) fn mapped(map: MapData, count: usize) -> io::Result<Self> {
        Ok(Self {
            memory: Arc::new(Memory::Mapped(Mapped::new(map, count)?)),
        })
    }

    /// What one worker publishes.
    #[must_use]
    pub fn of(&self, worker: usize) -> WorkerLoad {
        WorkerLoad {
            loads: self.clone(),
            worker,
        }
    }

    fn cell(&self, worker: usize) -> Option<&Cell> {
        match &*self.memory {
            Memory::Own(cells) => cells.get(worker),
            Memory::Mapped(cells) => cells.get(worker),
        }
    }
}

/// The load of one worker. Publishing costs a write to its own cache line.
#[derive(Clone, Debug)]
pub struct WorkerLoad {
    loads: Loads,
    worker: usize,
}

impl WorkerLoad {
    /// How many connections are open.
    pub fn connections(&self, open: usize) {
        if let Some(cell) = self.cell() {
            let open = u32::try_from(open).unwrap_or(u32::MAX);
            cell.connections.store(open, Ordering::Relaxed);
        }
    }

    /// How busy the worker was lately, in thousandths. What was sent to it before counts as accepted from here on: a worker
    /// that comes to say this has come to accept as well.
    pub fn busy(&self, thousandths: u32) {
        if let Some(cell) = self.cell() {
            cell.busy.store(thousandths.min(1000), Ordering::Relaxed);
            cell.pending.store(0, Ordering::Relaxed);
        }
    }

    /// Whether the worker takes no more connections.
    pub fn draining(&self, is_draining: bool) {
        if let Some(cell) = self.cell() {
            cell.draining
                .store(u32::from(is_draining), Ordering::Relaxed);
        }
    }

    /// What is published, as the program sees it.
    #[must_use]
    pub fn published(&self) -> Load {
        self.cell().map_or_else(Load::default, |cell| Load {
            pending: cell.pending.load(Ordering::Relaxed),
            connections: cell.connections.load(Ordering::Relaxed),
            busy: cell.busy.load(Ordering::Relaxed),
            draining: cell.draining.load(Ordering::Relaxed),
        })
    }

    fn cell(&self) -> Option<&Cell> {
        self.loads.cell(self.worker)
    }
}
