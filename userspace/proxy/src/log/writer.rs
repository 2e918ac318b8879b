//! The thread that owns a log file. Workers hand it whole blocks of lines and never wait for the disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

/// Blocks that may wait for the disk. One more is dropped and its lines are counted.
const QUEUED_BLOCKS: usize = 256;

enum Message {
    Lines(Vec<u8>),
    Reopen,
    Stop,
}

/// A handle to a log file's thread. Cheap to clone; every worker has one.
#[derive(Clone)]
pub struct LineSink {
    sender: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

impl LineSink {
    /// Hands over whole lines. When the disk cannot keep up they are dropped and counted: traffic does not wait.
    pub fn submit(&self, lines: Vec<u8>) {
        if let Err(
            TrySendError::Full(Message::Lines(lines))
            | TrySendError::Disconnected(Message::Lines(lines)),
        ) = self.sender.try_send(Message::Lines(lines))
        {
            let count = memchr::memchr_iter(b'\n', &lines).count();
            self.dropped.fetch_add(count as u64, Ordering::Relaxed);
        }
    }

    /// Closes the file and opens its path again, as log rotation wants it after it has moved the file away.
    pub fn reopen(&self) {
        // A full queue means that the disk is stuck: the operator will ask again.
        let _ = self.sender.try_send(Message::Reopen);
    }

    /// Lines lost so far because the disk was too slow or refused to write.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// The thread itself; dropping it writes what is queued and ends it.
pub struct LineWriter {
    sink: LineSink,
    thread: Option<JoinHandle<()>>,
}

impl LineWriter {
    /// Opens the file for appending, creating it where needed, and starts the thread.
    ///
    /// # Errors
    /// What the file system says when the file cannot be opened, or the thread not started.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        let (sender, receiver) = sync_channel(QUEUED_BLOCKS);
        let sink = LineSink {
            sender,
            dropped: Arc::default(),
        };
        let target = Target {
            path: path.to_path_buf(),
            file,
            dropped: Arc::clone(&sink.dropped),
        };
        let thread = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || target.run(&receiver))?;
        Ok(Self {
            sink,
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
        let _ = self.sink.sender.send(Message::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

struct Target {
    path: PathBuf,
    file: File,
    dropped: Arc<AtomicU64>,
}

impl Target {
    fn run(mut self, receiver: &Receiver<Message>) {
        while let Ok(message) = receiver.recv() {
            match message {
                Message::Lines(lines) => self.write(&lines),
                Message::Reopen => self.reopen(),
                Message::Stop => break,
            }
        }
    }

    fn write(&mut self, lines: &[u8]) {
        if let Err(error) = self.file.write_all(lines) {
            let count = memchr::memchr_iter(b'\n', lines).count() as u64;
            // One warning a block, not one a line: the disk is full, the log should not fill the other one.
            if self.dropped.fetch_add(count, Ordering::Relaxed) == 0 {
                tracing::warn!(path = %self.path.display(), %error, "access log cannot be written");
            }
        }
    }

    fn reopen(&mut self) {
        match open(&self.path) {
            Ok(file) => self.file = file,
            Err(error) => tracing::warn!(
                path = %self.path.display(), %error, "access log cannot be opened again, the old file stays open"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
