//! Brings a file back to the length that a commit had of it, after the death of the process.
//!
//! * A file is cut only where it is the very one that was committed, by inode, time of birth and, where that
//!   time is not known, device: at its path, or under another name in the same directory (a rotation). Symbolic links are not followed.
//! * What is shorter than committed, or not found, is logged and left alone.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use tracing::{info, warn};

use super::note::{FileNote, Identity};
use super::output::directory_of;

/// Cuts back the file that `note` is about; on the device before this returns, with `sync`.
pub(super) fn restore(sink: &str, note: &FileNote, sync: bool) -> io::Result<()> {
    let path = note.path.display();
    let Some(file) = find(note)? else {
        warn!(sink, %path, "a file that was written before the restart is gone");
        return Ok(());
    };
    let len = file.metadata()?.len();
    if len < note.len {
        warn!(sink, %path, len, committed = note.len, "a file is shorter than it was before the restart");
    } else if len > note.len {
        file.set_len(note.len)?;
        if sync {
            file.sync_data()?;
        }
        info!(sink, %path, bytes = len - note.len, "what was written and not committed is cut off, and delivered again");
    }
    Ok(())
}

fn find(note: &FileNote) -> io::Result<Option<File>> {
    if let Some(file) = open_if(&note.path, note.id)? {
        return Ok(Some(file));
    }
    let entries = match fs::read_dir(directory_of(&note.path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        let is_it = |found: fs::Metadata| Identity::of(&found).is_still(&note.id);
        if entry.metadata().is_ok_and(is_it)
            && let Some(file) = open_if(&entry.path(), note.id)?
        {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

/// The file at `path`, if it is the one. Not blocking, so that a FIFO is not waited for.
fn open_if(path: &Path, id: Identity) -> io::Result<Option<File>> {
    let is_it = |found: &fs::Metadata| found.is_file() && Identity::of(found).is_still(&id);
    if !path.symlink_metadata().is_ok_and(|found| is_it(&found)) {
        return Ok(None);
    }
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Err(Errno::NOENT | Errno::LOOP) => return Ok(None),
        other => File::from(other?),
    };
    Ok(is_it(&file.metadata()?).then_some(file))
}
