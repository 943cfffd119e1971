//! How far each sink has come, kept through crashes.
//!
//! A cursor has two files, written in turn: what a commit writes is never the only whole copy. That costs one
//! write and, where asked for, one sync; replacing a file by a renamed one would cost a new file and two syncs
//! each time. Two files, not two places in one: what a sink adds of its own has no fixed size. A process begins a new file in
//! the place of each, or where there is no space for that goes on in the old one.
//!
//! Format of a file, little endian: magic `cometcur`, version (4 bytes), generation (8), sequence number (8),
//! length of the note (4), note, CRC-32 of all that (4). Of two whole files the higher generation counts.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use super::disk::{self, Disk, Handle};
use super::record::Fields;
use super::shared::Shared;

/// The folder of the cursors.
pub(super) const FOLDER: &str = "cursors";
const MAGIC: [u8; 8] = *b"cometcur";
const VERSION: u32 = 1;
/// The longest note, in bytes.
pub const NOTE_MAX: usize = 1 << 20;
const OVERHEAD: usize = 36;

/// What a cursor's last commit said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The sequence number of the first event that is still to be read.
    pub sequence: u64,
    /// What the sink added, such as the length of its file at that point.
    pub note: Vec<u8>,
}

/// The place of one sink. While it exists, nothing behind it leaves the journal but by the policy for a full one
/// or by age.
#[derive(Debug)]
pub struct Cursor {
    /// What it goes by among those that hold segments back.
    number: u64,
    stem: String,
    shared: Arc<Shared>,
    slots: [Option<Arc<dyn Handle>>; 2],
    generation: u64,
    committed: Option<Committed>,
    damaged: bool,
}

impl Drop for Cursor {
    fn drop(&mut self) {
        self.shared.drop_cursor(self.number);
    }
}

impl Cursor {
    /// Opens the cursor `name`; one that is new stands at `start`, and a damaged one holds everything until its first
    /// commit.
    pub(super) fn open(shared: Arc<Shared>, name: &str, start: u64) -> io::Result<Self> {
        let cursors = Cursors::new(Arc::clone(&shared.disk));
        let stem = stem(name);
        let (generation, committed) = cursors.read(&stem)?.unzip();
        let damaged = committed.is_none() && cursors.has_any(&stem)?;
        let start = if damaged { 0 } else { start };
        let number = shared.new_cursor(committed.as_ref().map_or(start, |committed| committed.sequence));
        let (slots, generation) = ([None, None], generation.unwrap_or(0));
        Ok(Self { number, stem, shared, slots, generation, committed, damaged })
    }

    /// Whether it was not new when it was opened, but had no whole file: nobody knows where it stood.
    pub const fn is_damaged(&self) -> bool {
        self.damaged
    }

    /// What was committed last; `None` for a new cursor and for a [damaged](Cursor::is_damaged) one.
    pub const fn committed(&self) -> Option<&Committed> {
        self.committed.as_ref()
    }

    /// Moves the cursor: everything below `sequence` has been dealt with. It holds through the death of the
    /// process once this returns, and through a loss of power with `sync`.
    ///
    /// # Errors
    /// What the file system said, or a note longer than [`NOTE_MAX`]; the last commit that succeeded still holds.
    pub fn commit(&mut self, sequence: u64, note: &[u8], sync: bool) -> io::Result<()> {
        if note.len() > NOTE_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a cursor's note is too long"));
        }
        let generation = self.generation.saturating_add(1);
        let slot = usize::from(generation % 2 == 1);
        let bytes = encode(generation, sequence, note);
        let handle = self.slots.get_mut(slot).and_then(Option::take);
        let handle = match handle {
            Some(handle) => write(handle, &bytes, sync)?,
            None => self.replace(slot, &bytes).or_else(|error| self.write_over(slot, &bytes, sync, error))?,
        };
        // A slot that failed stays empty: a file that could not be synced is replaced, not tried again.
        if let Some(place) = self.slots.get_mut(slot) {
            *place = Some(handle);
        }
        self.generation = generation;
        self.committed = Some(Committed { sequence, note: note.to_vec() });
        self.shared.set_cursor(self.number, sequence);
        Ok(())
    }

    fn replace(&self, slot: usize, bytes: &[u8]) -> io::Result<Arc<dyn Handle>> {
        let (disk, name) = (&self.shared.disk, file(&self.stem, slot));
        let new = format!("{name}.new");
        if let Err(error) = disk.remove(&new)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let handle = write(disk.create(&new)?, bytes, true)?;
        disk.rename(&new, &name)?;
        disk.sync_names(FOLDER)?;
        Ok(handle)
    }

    /// Without space for a new file, the old one serves: a cursor that cannot move would keep what fills the disk.
    fn write_over(
        &self,
        slot: usize,
        bytes: &[u8],
        sync: bool,
        error: io::Error,
    ) -> io::Result<Arc<dyn Handle>> {
        if !matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            return Err(error);
        }
        let Ok(handle) = self.shared.disk.open(&file(&self.stem, slot)) else { return Err(error) };
        write(handle, bytes, sync)
    }
}

fn write(handle: Arc<dyn Handle>, bytes: &[u8], sync: bool) -> io::Result<Arc<dyn Handle>> {
    handle.write_at(bytes, 0)?;
    if sync {
        handle.sync()?;
    }
    Ok(handle)
}

/// Cursors by their names.
type Whole = Vec<(String, Committed)>;

/// The cursors of a directory.
#[derive(Debug)]
pub(super) struct Cursors {
    disk: Arc<dyn Disk>,
}

impl Cursors {
    pub(super) const fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk }
    }

    /// Every cursor's name and last commit.
    pub(super) fn all(&self) -> io::Result<Whole> {
        Ok(self.whole_and_damaged()?.0)
    }

    /// Every cursor's name and last commit, and the names of those that have no whole file.
    pub(super) fn whole_and_damaged(&self) -> io::Result<(Whole, Vec<String>)> {
        let mut stems: Vec<_> = (self.disk.list(FOLDER).map_err(disk::at(FOLDER))?.into_iter())
            .filter_map(|entry| {
                Some(entry.name.strip_suffix(".0").or(entry.name.strip_suffix(".1"))?.to_owned())
            })
            .collect();
        stems.sort();
        stems.dedup();
        let (mut whole, mut damaged) = (Vec::new(), Vec::new());
        for stem in stems {
            let Some(name) = name_of(&stem) else { continue };
            match self.read_quiet(&stem)? {
                Some((_, committed)) => whole.push((name, committed)),
                None => damaged.push(name),
            }
        }
        Ok((whole, damaged))
    }

    /// Reads once more where there is nothing whole: a writer may have been at one file, then at the other.
    fn read_quiet(&self, stem: &str) -> io::Result<Option<(u64, Committed)>> {
        match self.read(stem)? {
            None => self.read(stem),
            read => Ok(read),
        }
    }

    /// The highest number that any cursor stands at.
    pub(super) fn furthest(&self) -> io::Result<u64> {
        Ok(self.all()?.iter().map(|(_, committed)| committed.sequence).max().unwrap_or(0))
    }

    /// Whether there is a file of this cursor, whole or not.
    fn has_any(&self, stem: &str) -> io::Result<bool> {
        for name in (0..2).map(|slot| file(stem, slot)) {
            match self.disk.open(&name) {
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(disk::at(name)(error)),
            }
        }
        Ok(false)
    }

    /// The generation and contents of the newer whole file.
    fn read(&self, stem: &str) -> io::Result<Option<(u64, Committed)>> {
        let mut newest: Option<(u64, Committed)> = None;
        for slot in 0..2 {
            let name = file(stem, slot);
            let read = match self.disk.open(&name) {
                Ok(handle) => decode(&contents(&*handle).map_err(disk::at(name))?),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(disk::at(name)(error)),
            };
            newest = newest.into_iter().chain(read).max_by_key(|(generation, _)| *generation);
        }
        Ok(newest)
    }
}

fn contents(handle: &dyn Handle) -> io::Result<Vec<u8>> {
    let length = usize::try_from(handle.len()?).unwrap_or(usize::MAX).min(NOTE_MAX + OVERHEAD);
    let mut bytes = vec![0; length];
    let filled = disk::read_full(handle, &mut bytes, 0)?;
    bytes.truncate(filled);
    Ok(bytes)
}

fn encode(generation: u64, sequence: u64, note: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(OVERHEAD + note.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&generation.to_le_bytes());
    bytes.extend_from_slice(&sequence.to_le_bytes());
    bytes.extend_from_slice(&u32::try_from(note.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(note);
    let sum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

/// What a file says; `None` unless it is whole. What an earlier, longer commit left behind it does not count.
fn decode(bytes: &[u8]) -> Option<(u64, Committed)> {
    let mut fields = Fields(bytes);
    if fields.array()? != MAGIC || fields.u32()? != VERSION {
        return None;
    }
    let (generation, sequence) = (fields.u64()?, fields.u64()?);
    let length = usize::try_from(fields.u32()?).ok()?;
    let note = fields.take(length)?.to_vec();
    let summed = bytes.len().checked_sub(fields.0.len())?;
    let sum = fields.u32()?;
    let whole = crc32fast::hash(bytes.get(..summed)?) == sum;
    whole.then_some((generation, Committed { sequence, note }))
}

fn file(stem: &str, slot: usize) -> String {
    format!("{FOLDER}/{stem}.{slot}")
}

/// A name as it stands in a file's name: letters, digits, `-` and `_` as they are, any other byte as `%` and two
/// hexadecimal digits.
fn stem(name: &str) -> String {
    let mut stem = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => stem.push(char::from(byte)),
            _ => drop(write!(stem, "%{byte:02x}")),
        }
    }
    stem
}

fn name_of(stem: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = stem.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(*byte);
        }
    }
    String::from_utf8(bytes).ok()
}
