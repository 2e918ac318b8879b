//! The thread that owns a log. Workers hand it whole blocks of records and never wait for the disk or the network.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Blocks that may wait. One more is dropped and its records are counted.
const QUEUED_BLOCKS: usize = 4096;

/// Bytes that may wait. A block that would pass them is dropped and its records are counted.
const QUEUED_BYTES: usize = 16 << 20;

/// Bytes that are handed to a destination at once, but for a single block that is longer.
const BATCH_BYTES: usize = 256 << 10;

/// How long the end of the process waits for a destination that does not take what is queued; the rest is lost.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Where a log goes.
pub trait Destination: Send + 'static {
    /// Takes whole records. May wait, but not for ever: it has the thread for itself.
    ///
    /// # Errors
    /// What kept the records from being taken; they are counted as lost.
    fn write(&mut self, records: &[u8]) -> io::Result<()>;

    /// Begins anew where that means something, as files do after they were moved.
    ///
    /// # Errors
    /// What kept it from beginning anew; it goes on as before.
    fn reopen(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Block {
    bytes: Vec<u8>,
    records: u64,
}

enum Message {
    Records(Block),
    Reopen,
    Stop,
}

/// What is counted of a log.
#[derive(Default)]
struct Counts {
    dropped: AtomicU64,
    queued_bytes: AtomicUsize,
}

/// A handle to a log's thread. Cheap to clone; every worker has one.
#[derive(Clone)]
pub struct LineSink {
    name: Arc<str>,
    sender: SyncSender<Message>,
    counts: Arc<Counts>,
}

impl LineSink {
    /// Hands over whole lines. When they are not taken as fast they are dropped and counted: traffic does not wait.
    pub fn submit(&self, lines: Vec<u8>) {
        let records = memchr::memchr_iter(b'\n', &lines).count() as u64;
        self.submit_records(lines, records);
    }

    /// The same for records that may have several lines.
    pub fn submit_records(&self, bytes: Vec<u8>, records: u64) {
        let length = bytes.len();
        let queued = self
            .counts
            .queued_bytes
            .fetch_add(length, Ordering::Relaxed);
        let is_sent = queued.saturating_add(length) <= QUEUED_BYTES
            && !matches!(
                self.sender
                    .try_send(Message::Records(Block { bytes, records })),
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_))
            );
        if !is_sent {
            self.counts
                .queued_bytes
                .fetch_sub(length, Ordering::Relaxed);
            self.counts.dropped.fetch_add(records, Ordering::Relaxed);
        }
    }

    /// Closes the file and opens its path again, as log rotation wants it after it has moved the file away.
    pub fn reopen(&self) {
        // A full queue means that the disk is stuck: the operator will ask again.
        let _ = self.sender.try_send(Message::Reopen);
    }

    /// Records lost so far because they were not taken, or not as fast as they came.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.counts.dropped.load(Ordering::Relaxed)
    }

    /// Where it goes, for metrics and messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// The thread itself; dropping it writes what is queued, if that takes no longer than [`LAST_WORDS`], and ends it.
pub struct LineWriter {
    sink: LineSink,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl LineWriter {
    /// Opens the file for appending, creating it where needed, and starts the thread.
    ///
    /// # Errors
    /// What the file system says when the file cannot be opened, or the thread not started.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        let name = path.display().to_string();
        let path = path.to_path_buf();
        Self::start(&name, FileLog { path, file })
    }

    /// Starts a thread that hands records to `destination`.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(name: &str, destination: impl Destination) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(QUEUED_BLOCKS);
        let sink = LineSink {
            name: name.into(),
            sender,
            counts: Arc::default(),
        };
        let ends = Arc::new(AtomicBool::new(false));
        let target = Target {
            name: Arc::clone(&sink.name),
            destination,
            counts: Arc::clone(&sink.counts),
            ends: Arc::clone(&ends),
            has_warned: false,
        };
        let thread = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || target.run(&receiver))?;
        Ok(Self {
            sink,
            ends,
            thread: Some(thread),
        })
    }

    /// The handle that workers write to.
    #[must_use]
    pub fn sink(&self) -> LineSink {
        self.sink.clone()
    }
}

impl Drop for LineWriter {
    fn drop(&mut self) {
        let deadline = Instant::now() + LAST_WORDS;
        let mut is_told = false;
        while let Some(thread) = self.thread.take_if(|_| true) {
            is_told = is_told || self.sink.sender.try_send(Message::Stop).is_ok();
            if thread.is_finished() {
                let _ = thread.join();
                return;
            }
            if Instant::now() >= deadline {
                // It ends by itself, as soon as its destination lets it.
                self.ends.store(true, Ordering::Relaxed);
                return;
            }
            self.thread = Some(thread);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

struct FileLog {
    path: PathBuf,
    file: File,
}

impl Destination for FileLog {
    fn write(&mut self, records: &[u8]) -> io::Result<()> {
        self.file.write_all(records)
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.file = open(&self.path)?;
        Ok(())
    }
}

struct Target<D> {
    name: Arc<str>,
    destination: D,
    counts: Arc<Counts>,
    ends: Arc<AtomicBool>,
    has_warned: bool,
}

impl<D: Destination> Target<D> {
    fn run(mut self, receiver: &Receiver<Message>) {
        let mut next = receiver.recv().ok();
        while let Some(message) = next.take() {
            if self.ends.load(Ordering::Relaxed) {
                return;
            }
            match message {
                Message::Records(block) => next = self.write(block, receiver),
                Message::Reopen => self.reopen(),
                Message::Stop => return,
            }
            if next.is_none() {
                next = receiver.recv().ok();
            }
        }
    }

    /// Writes a block with those that wait behind it, and gives back a message that is none.
    fn write(&mut self, first: Block, receiver: &Receiver<Message>) -> Option<Message> {
        let mut batch = first;
        let mut other = None;
        while batch.bytes.len() < BATCH_BYTES && other.is_none() {
            match receiver.try_recv() {
                Ok(Message::Records(block)) => {
                    batch.bytes.extend_from_slice(&block.bytes);
                    batch.records += block.records;
                }
                Ok(message) => other = Some(message),
                Err(_) => break,
            }
        }
        let written = self.destination.write(&batch.bytes);
        self.counts
            .queued_bytes
            .fetch_sub(batch.bytes.len(), Ordering::Relaxed);
        match written {
            Ok(()) => self.has_warned = false,
            Err(error) => {
                self.counts
                    .dropped
                    .fetch_add(batch.records, Ordering::Relaxed);
                // One warning a failure, not one a record: this log should not fill the other one.
                if !self.has_warned {
                    tracing::warn!(log = %self.name, %error, "records are lost, the log cannot be written");
                }
                self.has_warned = true;
            }
        }
        other
    }

    fn reopen(&mut self) {
        if let Err(error) = self.destination.reopen() {
            tracing::warn!(log = %self.name, %error, "the log cannot be opened again, it goes on as before");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Sender, channel};

    #[test]
    fn reopen_moves_on_to_the_new_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.log");
        let moved = dir.path().join("access.log.1");
        let writer = LineWriter::open(&path).unwrap();
        let sink = writer.sink();
        sink.submit(b"one\n".to_vec());
        // The rename may come before the line is written: it must land in the moved file all the same.
        std::fs::rename(&path, &moved).unwrap();
        sink.reopen();
        sink.submit(b"two\n".to_vec());
        drop(writer);
        assert_eq!(std::fs::read_to_string(&moved).unwrap(), "one\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two\n");
        sink.submit(b"three\nfour\n".to_vec());
        assert_eq!(
            sink.dropped(),
            2,
            "lines after the end are counted, not lost silently"
        );
    }

    /// Takes nothing until it is told to.
    struct Stuck {
        entered: Sender<()>,
        released: Receiver<()>,
    }

    impl Destination for Stuck {
        fn write(&mut self, _: &[u8]) -> io::Result<()> {
            self.entered.send(()).unwrap();
            let _ = self.released.recv();
            Ok(())
        }
    }

    #[test]
    fn a_destination_that_takes_nothing_costs_a_bounded_amount_and_no_time() {
        let ((entered, has_entered), (release, released)) = (channel(), channel());
        let writer = LineWriter::start("stuck", Stuck { entered, released }).unwrap();
        let sink = writer.sink();
        sink.submit(b"first\n".to_vec());
        has_entered.recv().unwrap();
        let started = Instant::now();
        let block = [vec![b'x'; 64 << 10], b"\n".to_vec()].concat();
        for _ in 0..1000 {
            sink.submit(block.clone());
        }
        assert!(started.elapsed() < Duration::from_secs(1));
        let room = (QUEUED_BYTES / block.len()) as u64;
        assert!(sink.dropped() >= 1000 - room, "{}", sink.dropped());
        assert!(sink.counts.queued_bytes.load(Ordering::Relaxed) <= QUEUED_BYTES);
        let started = Instant::now();
        drop(writer);
        assert!(
            started.elapsed() < 2 * LAST_WORDS,
            "nor does the end wait for it"
        );
        drop(release);
    }
}
