//! The output of a file sink that rotates: followed while it is written, from the first file to the last, each deleted
//! when it has been read. So nothing is skipped, and no more of it is on the disk than the reader is behind.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::Result;

/// The name of the sink's file; a rotated one has a time behind it.
pub(crate) const NAME: &str = "out.jsonl";

/// Follows the files of a directory.
pub(crate) struct Output {
    dir: PathBuf,
    file: Option<File>,
    buffer: Vec<u8>,
    filled: usize,
}

impl Output {
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), file: None, buffer: vec![0; 1 << 20], filled: 0 }
    }

    /// Gives what has been written since the last call to `take`, which says how much of it is taken. The rest, less
    /// than a line, comes again with what follows it.
    pub(crate) fn follow(&mut self, mut take: impl FnMut(&[u8]) -> Result<usize>) -> Result<()> {
        loop {
            // Looked at before the file is read to its end: nothing is written to it after its rotation.
            let rotated = self.rotated()?;
            while self.read()? > 0 {
                let taken = take(self.buffer.get(..self.filled).unwrap_or_default())?;
                self.buffer.copy_within(taken..self.filled, 0);
                self.filled -= taken;
            }
            match rotated {
                Some(path) => {
                    fs::remove_file(path)?;
                    self.file = None;
                }
                None => return Ok(()),
            }
        }
    }

    fn read(&mut self) -> Result<usize> {
        let Some(file) = &mut self.file else { return Ok(0) };
        let free = self.buffer.get_mut(self.filled..).filter(|free| !free.is_empty());
        let count = file.read(free.ok_or("a line is longer than the buffer")?)?;
        self.filled += count;
        Ok(count)
    }

    /// Opens the oldest file where none is open; where the open one is, once it has been rotated.
    fn rotated(&mut self) -> Result<Option<PathBuf>> {
        if self.file.is_none() {
            self.file = self.oldest()?;
        }
        let Some(file) = &self.file else { return Ok(None) };
        let open = file.metadata()?;
        let is_open = |metadata: Metadata| (metadata.dev(), metadata.ino()) == (open.dev(), open.ino());
        if fs::metadata(self.dir.join(NAME)).is_ok_and(is_open) {
            return Ok(None);
        }
        let oldest = self.names()?.into_iter().next().map(|name| self.dir.join(name));
        Ok(oldest.filter(|path| fs::metadata(path).is_ok_and(is_open)))
    }

    /// Opens the oldest file, if there is any.
    fn oldest(&self) -> Result<Option<File>> {
        loop {
            let rotated = self.names()?.into_iter().next();
            let is_rotated = rotated.is_some();
            let file = match File::open(self.dir.join(rotated.unwrap_or_else(|| OsString::from(NAME)))) {
                Ok(file) => Some(file),
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => return Err(error.into()),
            };
            // The one before may have been rotated between the look and the opening of what took its place.
            if is_rotated || self.names()?.is_empty() {
                return Ok(file);
            }
        }
    }

    /// The rotated files, oldest first.
    fn names(&self) -> Result<Vec<OsString>> {
        let names: std::io::Result<Vec<_>> =
            fs::read_dir(&self.dir)?.map(|entry| Ok(entry?.file_name())).collect();
        let mut names = names?;
        names.retain(|name| name.to_str().is_some_and(|name| name.starts_with(NAME) && name != NAME));
        names.sort_unstable();
        Ok(names)
    }
}
