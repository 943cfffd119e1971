//! What the journal asks of a file system, and nothing more: the seam at which tests tear it.
//!
//! Names are relative to the journal's directory. The real one follows no symbolic link in a name's last
//! component; files are 0600, directories 0700.

use std::fmt::{Debug, Display};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// A directory of files.
pub(super) trait Disk: Debug + Send + Sync {
    /// The regular files of `folder` (empty: of the directory itself).
    fn list(&self, folder: &str) -> io::Result<Vec<Entry>>;
    /// An existing file.
    fn open(&self, name: &str) -> io::Result<Arc<dyn Handle>>;
    /// A new file; it must not exist.
    fn create(&self, name: &str) -> io::Result<Arc<dyn Handle>>;
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes the names in `folder` durable.
    fn sync_names(&self, folder: &str) -> io::Result<()>;
}

/// An open file.
pub(super) trait Handle: Debug + Send + Sync {
    fn len(&self) -> io::Result<u64>;
    /// Reads what there is at `offset`, at most the whole of `into`; 0 at the end.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `bytes`, or fails having written any part of them.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes contents and length durable.
    fn sync(&self) -> io::Result<()>;
}

/// Reads what there is of a file at `offset`, at most the whole of `into`: how many bytes. Fewer than asked for come
/// only where the file ends: a read that stops before is an error, not an end.
pub(super) fn read_full(file: &dyn Handle, into: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let at = offset.saturating_add(filled as u64);
        match file.read_at(rest, at)? {
            0 if file.len()? > at => {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "a read ended before the file does",
                ));
            }
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// Adds to an error where it was met.
pub(super) fn at(place: impl Display) -> impl FnOnce(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{place}: {error}"))
}

/// A file in a listing.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) len: u64,
    pub(super) modified: SystemTime,
}

/// The real file system.
#[derive(Debug)]
pub(super) struct Directory {
    root: PathBuf,
    writable: bool,
}

impl Directory {
    /// The directory at `root`, made with `folders` in it where it is not there.
    pub(super) fn create(root: &Path, folders: &[&str]) -> io::Result<Self> {
        let is_new = !root.exists();
        for folder in [""].iter().chain(folders) {
            DirBuilder::new().recursive(true).mode(0o700).create(root.join(folder))?;
        }
        if is_new {
            File::open(root)?.sync_all()?;
            File::open(root.join(".."))?.sync_all()?;
        }
        Ok(Self { root: root.to_owned(), writable: true })
    }

    /// The directory at `root`, for reading alone.
    pub(super) fn read_only(root: &Path) -> Self {
        Self { root: root.to_owned(), writable: false }
    }

    fn options(&self) -> OpenOptions {
        let mut options = OpenOptions::new();
        let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
        options.read(true).write(self.writable).mode(0o600).custom_flags(no_follow);
        options
    }
}

impl Disk for Directory {
    fn list(&self, folder: &str) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in self.root.join(folder).read_dir()? {
            let entry = entry?;
            let metadata = match entry.metadata() {
                // Removed since the directory was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
            if let (true, Ok(name)) = (metadata.is_file(), entry.file_name().into_string()) {
                entries.push(Entry { name, len: metadata.len(), modified: metadata.modified()? });
            }
        }
        Ok(entries)
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn Handle>> {
        Ok(Arc::new(self.options().open(self.root.join(name))?))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn Handle>> {
        Ok(Arc::new(self.options().create_new(true).open(self.root.join(name))?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.root.join(from), self.root.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.root.join(name))
    }

    fn sync_names(&self, folder: &str) -> io::Result<()> {
        File::open(self.root.join(folder))?.sync_all()
    }
}

impl Handle for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match std::os::unix::fs::FileExt::read_at(self, into, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        Self::set_len(self, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
