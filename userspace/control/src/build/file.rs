//! Files that a configuration names, read within bounds.

use super::Site;
use config::Span;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The largest certificate, key, key set or key store that is read.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

impl Site<'_> {
    /// Reads a file that the configuration names at `span`, and remembers it among those to watch.
    pub(super) fn read(&mut self, path: &Path, span: Span) -> Option<Vec<u8>> {
        self.files.insert(path.to_owned());
        match read(path) {
            Ok(bytes) if bytes.len() as u64 <= MAX_BYTES => Some(bytes),
            Ok(_) => {
                let found = format!("`{}` is larger than {MAX_BYTES} bytes", path.display());
                self.file_error(span, found, "name another file");
                None
            }
            Err(error) => {
                let found = format!("`{}` cannot be read: {error}", path.display());
                self.file_error(span, found, "check the path and who may read it");
                None
            }
        }
    }
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}
