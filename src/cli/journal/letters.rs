//! The file of a sink's parked events, read and rewritten beside a daemon that appends to it.
//!
//! * It is taken aside by a rename, to `NAME.taken`, so that the daemon, which looks at the path before and after
//!   each line, goes on in a new file. What it still wrote into the old one is kept.
//! * What stays parked is appended to the path again, a line a write, and is on the disk before the old file goes. Who
//!   is interrupted in between leaves the old file: whoever comes next puts its lines back first. So a line may be
//!   there twice, but none is lost.
//! * One process at a time: the file is locked.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::value::RawValue;

/// How long after the rename a line that a sink had begun is waited for. One that takes longer the sink writes again.
const NOTICED: Duration = Duration::from_millis(1_500);
/// How much of a line is read at once, in bytes; a longer one is no parked event.
const LINE_MAX: u64 = 64 << 20;

/// What a line says.
#[derive(Debug, Deserialize)]
pub(super) struct Letter<'a> {
    pub(super) at: String,
    pub(super) id: String,
    pub(super) reason: String,
    #[serde(borrow)]
    pub(super) record: &'a RawValue,
}

/// The lines of a file, one at a time.
pub(super) struct Lines {
    reader: BufReader<File>,
    line: Vec<u8>,
    /// Whether the next piece begins a line.
    fresh: bool,
}

/// A line, or a part of one that is too long.
pub(super) struct Piece<'a> {
    pub(super) bytes: &'a [u8],
    is_line: bool,
}

impl<'a> Piece<'a> {
    /// What it says; `None` for what is no parked event.
    pub(super) fn letter(&self) -> Option<Letter<'a>> {
        serde_json::from_slice(self.bytes).ok().filter(|_| self.is_line)
    }
}

impl Lines {
    fn new(file: File) -> Self {
        Self { reader: BufReader::new(file), line: Vec::new(), fresh: true }
    }

    /// The next piece; `None` at the end of the file, as it is then.
    pub(super) fn next(&mut self) -> io::Result<Option<Piece<'_>>> {
        self.line.clear();
        self.reader.by_ref().take(LINE_MAX).read_until(b'\n', &mut self.line)?;
        if self.line.is_empty() {
            return Ok(None);
        }
        let begins = std::mem::replace(&mut self.fresh, self.line.ends_with(b"\n"));
        Ok(Some(Piece { bytes: &self.line, is_line: begins && self.fresh }))
    }
}

/// Every file that has parked events of the sink whose file is `path`, for reading.
pub(super) fn files(path: &Path) -> io::Result<Vec<Lines>> {
    let mut all = Vec::new();
    for path in [beside(path, ".taken"), path.to_owned()] {
        match open(&path) {
            Ok(file) => all.push(Lines::new(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

/// A file that has been taken aside.
pub(super) struct Taken {
    path: PathBuf,
    aside: PathBuf,
    since: Instant,
    pub(super) lines: Lines,
    pub(super) kept: Kept,
}

/// The lines that stay parked.
pub(super) struct Kept {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Kept {
    pub(super) fn keep(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }
}

impl Taken {
    /// Takes the file at `path` aside; `None` when there is none.
    ///
    /// # Errors
    /// [`io::ErrorKind::ResourceBusy`] while another process has it.
    pub(super) fn take(path: &Path) -> io::Result<Option<Self>> {
        let aside = beside(path, ".taken");
        if let Some(left) = lock(&aside)? {
            Self::new(path, &aside, left)?.finish()?;
        }
        let Some(file) = lock(path)? else { return Ok(None) };
        std::fs::rename(path, &aside)?;
        sync_folder(path)?;
        Self::new(path, &aside, file).map(Some)
    }

    fn new(path: &Path, aside: &Path, file: File) -> io::Result<Self> {
        let kept = beside(path, ".kept");
        let options =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).clone();
        let to = BufWriter::new(no_follow(options).open(&kept)?);
        let (path, aside) = (path.to_owned(), aside.to_owned());
        let kept = Kept { path: kept, file: to };
        Ok(Self { path, aside, since: Instant::now(), lines: Lines::new(file), kept })
    }

    /// Parks again what was kept and what was not read.
    pub(super) fn finish(mut self) -> io::Result<()> {
        std::thread::sleep(NOTICED.saturating_sub(self.since.elapsed()));
        while let Some(piece) = self.lines.next()? {
            self.kept.keep(piece.bytes)?;
        }
        let mut kept = self.kept.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        kept.rewind()?;
        append(kept, &self.path, self.lines.reader.get_ref())?;
        std::fs::remove_file(&self.aside)?;
        std::fs::remove_file(&self.kept.path)?;
        sync_folder(&self.path)
    }
}

/// Appends the lines of `from` to the file at `path`, which belongs to whom `like` belongs to.
fn append(from: File, path: &Path, like: &File) -> io::Result<()> {
    if from.metadata()?.len() == 0 {
        return Ok(());
    }
    let options = OpenOptions::new().read(true).append(true).create(true).mode(0o600).clone();
    let mut file = no_follow(options).open(path)?;
    let (there, owner) = (file.metadata()?, like.metadata()?);
    if there.uid() != owner.uid() {
        fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
    }
    let mut line_end = [b'\n'];
    if let Some(last) = there.len().checked_sub(1) {
        file.read_exact_at(&mut line_end, last)?;
    }
    if line_end != *b"\n" {
        file.write_all(b"\n")?;
    }
    let mut lines = Lines::new(from);
    while let Some(piece) = lines.next()? {
        file.write_all(piece.bytes)?;
    }
    if !lines.fresh {
        file.write_all(b"\n")?;
    }
    file.sync_all()
}

/// The file at `path`, locked; `None` when there is none.
fn lock(path: &Path) -> io::Result<Option<File>> {
    loop {
        let file = match open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::ResourceBusy.into()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Whoever had it before may have taken it away meanwhile.
        let (mine, there) = (file.metadata()?, path.symlink_metadata());
        if there.is_ok_and(|there| (there.dev(), there.ino()) == (mine.dev(), mine.ino())) {
            return Ok(Some(file));
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let file = no_follow(OpenOptions::new().read(true).clone()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("is no regular file")) }
}

/// Neither follows a symbolic link nor waits for a pipe.
fn no_follow(mut options: OpenOptions) -> OpenOptions {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    options.custom_flags(flags.bits().cast_signed());
    options
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn what_is_kept_and_what_comes_meanwhile_stays_and_nothing_else_does() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p.jsonl");
        assert!(Taken::take(&path).unwrap().is_none());
        std::fs::write(&path, "1\n2\n3\n").unwrap();
        let mut old = OpenOptions::new().append(true).open(&path).unwrap();
        let mut taken = Taken::take(&path).unwrap().unwrap();
        assert!(!path.exists());
        for wanted in ["1\n", "2\n", "3\n"] {
            let piece = taken.lines.next().unwrap().unwrap();
            assert_eq!(piece.bytes, wanted.as_bytes());
            if wanted == "2\n" {
                taken.kept.keep(piece.bytes).unwrap();
            }
        }
        assert!(taken.lines.next().unwrap().is_none());
        // Of a daemon that has not noticed, and of one that has, and was killed within a line.
        old.write_all(b"4\n5").unwrap();
        std::fs::write(&path, "6\n7").unwrap();
        let busy = Taken::take(&path).err().unwrap();
        assert_eq!(busy.kind(), io::ErrorKind::ResourceBusy);
        taken.finish().unwrap();
        assert_eq!(read(&path), "6\n7\n2\n4\n5\n");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_somebody_left_who_was_interrupted_is_put_back_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p.jsonl");
        std::fs::write(&path, "1\n2\n").unwrap();
        let mut taken = Taken::take(&path).unwrap().unwrap();
        taken.lines.next().unwrap().unwrap();
        drop(taken);
        std::fs::write(&path, "3\n").unwrap();
        assert_eq!(files(&path).unwrap().len(), 2);
        let mut taken = Taken::take(&path).unwrap().unwrap();
        let mut seen = String::new();
        while let Some(piece) = taken.lines.next().unwrap() {
            seen += std::str::from_utf8(piece.bytes).unwrap();
        }
        assert_eq!(seen, "3\n1\n2\n");
        taken.finish().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_letter_is_a_whole_line_that_says_everything() {
        let letter = |bytes: &[u8], is_line| {
            Piece { bytes, is_line }.letter().map(|letter| (letter.id, letter.record.get().to_owned()))
        };
        let line = br#"{"at":"t","sink":"s","reason":"r","id":"i","record":{ "n":1.0}}"#;
        assert_eq!(letter(line, true), Some(("i".to_owned(), r#"{ "n":1.0}"#.to_owned())));
        assert_eq!(letter(line, false), None);
        assert_eq!(letter(&line[..40], true), None);
        assert_eq!(letter(b"{}", true), None);
    }
}
