//! The buffers of a thread: a few size classes, each a bounded stack, so that the buffer handed out is the one used last
//! and still in the cache.

use std::cell::RefCell;
use std::rc::Rc;

/// Bytes of a small buffer: a request or response head, or what an idle connection may hold.
pub const SMALL_BYTES: usize = 4 * 1024;
/// Bytes of a medium buffer: a TLS record, a large head.
pub const MEDIUM_BYTES: usize = 16 * 1024;
/// Bytes of a large buffer: one read of a body.
pub const LARGE_BYTES: usize = 128 * 1024;

/// Unused small buffers that a thread keeps (2 MB). One more is freed at once.
pub const SMALL_KEPT: usize = 512;
/// Unused medium buffers that a thread keeps (4 MB). One more is freed at once.
pub const MEDIUM_KEPT: usize = 256;
/// Unused large buffers that a thread keeps (4 MB). One more is freed at once.
pub const LARGE_KEPT: usize = 32;

/// A pooled buffer: shared by chunks once it is frozen, alone in a [`crate::Buffer`] before that.
pub(crate) type Block = Rc<Vec<u8>>;

/// A size class of buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// [`SMALL_BYTES`].
    Small,
    /// [`MEDIUM_BYTES`].
    Medium,
    /// [`LARGE_BYTES`].
    Large,
}

impl Class {
    const ALL: [Self; 3] = [Self::Small, Self::Medium, Self::Large];

    /// The capacity of a new buffer of this class.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Small => SMALL_BYTES,
            Self::Medium => MEDIUM_BYTES,
            Self::Large => LARGE_BYTES,
        }
    }

    /// How many unused ones a thread keeps.
    #[must_use]
    pub const fn kept(self) -> usize {
        match self {
            Self::Small => SMALL_KEPT,
            Self::Medium => MEDIUM_KEPT,
            Self::Large => LARGE_KEPT,
        }
    }

    /// The smallest class that holds so many bytes; `None` where none does.
    #[must_use]
    pub fn fitting(bytes: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|class| bytes <= class.bytes())
    }

    /// The class that a buffer of this capacity goes back to. One that grew to no class's size is freed.
    fn of_capacity(capacity: usize) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|class| capacity == class.bytes())
    }
}

#[derive(Default)]
struct Pool {
    unused: [Vec<Block>; 3],
}

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

/// Takes an empty buffer of the class: the one used last, or a new one.
pub(crate) fn take(class: Class) -> Block {
    POOL.try_with(|pool| pool.borrow_mut().unused[class as usize].pop())
        .ok()
        .flatten()
        .unwrap_or_else(|| Rc::new(Vec::with_capacity(class.bytes())))
}

/// Gives a reference back. The last one returns the buffer to the pool, or frees it where the pool is full.
#[inline]
pub(crate) fn give(mut block: Block) {
    let Some(bytes) = Rc::get_mut(&mut block) else {
        return;
    };
    let Some(class) = Class::of_capacity(bytes.capacity()) else {
        return;
    };
    bytes.clear();
    // While the thread ends its pool is gone: then the buffer is freed.
    let _ = POOL.try_with(|pool| {
        let unused = &mut pool.borrow_mut().unused[class as usize];
        if unused.len() < class.kept() {
            unused.push(block);
        }
    });
}

/// What this thread's pool holds at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolUse {
    /// Unused buffers kept for the next taker.
    pub buffers: usize,
    /// Their bytes.
    pub bytes: usize,
}

/// Counts the unused buffers of this thread's pool.
#[must_use]
pub fn pool_use() -> PoolUse {
    POOL.with_borrow(|pool| {
        Class::ALL
            .iter()
            .zip(&pool.unused)
            .fold(PoolUse::default(), |sum, (class, unused)| PoolUse {
                buffers: sum.buffers + unused.len(),
                bytes: sum.bytes + unused.len() * class.bytes(),
            })
    })
}

/// Frees every unused buffer of this thread, for example after a burst.
pub fn trim_pool() {
    let freed = POOL.with_borrow_mut(std::mem::take);
    drop(freed);
}
