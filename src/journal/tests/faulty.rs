//! A file system in memory that fails, tears and loses power as it is told.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use super::super::disk::{Disk, Entry, Handle};

/// What happens at one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The operation fails; a write leaves half of its bytes.
    Fails(io::ErrorKind),
    /// From here on everything fails: the process is dead. A write leaves half of its bytes.
    Dies,
}

/// What happens to reads: of names, of lengths and of contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadFault {
    /// One fails.
    Fails,
    /// All fail until it is over.
    KeepsFailing,
    /// One of contents gives nothing.
    IsShort,
    /// Those of contents give nothing until it is over.
    KeepsShort,
}

impl ReadFault {
    pub(super) const ALL: [Self; 4] = [Self::Fails, Self::KeepsFailing, Self::IsShort, Self::KeepsShort];

    /// Whether a read fails, and does not merely give too little.
    pub(super) fn is_error(self) -> bool {
        matches!(self, Self::Fails | Self::KeepsFailing)
    }

    fn hits(self, at: u64, number: u64) -> bool {
        let lasts = matches!(self, Self::KeepsFailing | Self::KeepsShort);
        if lasts { number >= at } else { number == at }
    }
}

/// Files by name. Clones are the same file system.
#[derive(Clone, Debug, Default)]
pub(super) struct FaultyDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    names: BTreeMap<String, Arc<Mutex<Contents>>>,
    durable_names: BTreeMap<String, Arc<Mutex<Contents>>>,
    operations: u64,
    fault: Option<(u64, Fault)>,
    reads: u64,
    read_fault: Option<(u64, ReadFault)>,
    dead: bool,
    full: bool,
}

#[derive(Clone, Debug, Default)]
struct Contents {
    now: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Debug)]
struct FaultyFile {
    disk: FaultyDisk,
    contents: Arc<Mutex<Contents>>,
}

impl FaultyDisk {
    /// Faults the operation with this number, counting from the present one (0).
    pub(super) fn fault_at(&self, operation: u64, fault: Fault) {
        let mut state = self.lock();
        state.fault = Some((state.operations + operation, fault));
    }

    /// How many changing operations there have been.
    pub(super) fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Faults reads from the one with this number on, counting from the present one (0).
    pub(super) fn fault_read(&self, read: u64, fault: ReadFault) {
        let mut state = self.lock();
        state.read_fault = Some((state.reads + read, fault));
    }

    /// Reads are good again.
    pub(super) fn end_read_fault(&self) {
        self.lock().read_fault = None;
    }

    /// How many reads there have been.
    pub(super) fn reads(&self) -> u64 {
        self.lock().reads
    }

    /// Every file and what is in it.
    pub(super) fn files(&self) -> Vec<(String, Vec<u8>)> {
        self.names().into_iter().map(|name| (name.clone(), self.bytes(&name))).collect()
    }

    /// Whether there is no space for anything more.
    pub(super) fn set_full(&self, full: bool) {
        self.lock().full = full;
    }

    /// The process is started again, on what it had written.
    pub(super) fn revive(&self) {
        let mut state = self.lock();
        (state.dead, state.fault, state.full, state.read_fault) = (false, None, false, None);
    }

    /// Power is lost. Of what was never synced, `keep` says of each block of 512 bytes, by its place, whether it
    /// reached the device; names that were not synced are as `keep_names` says.
    pub(super) fn lose_power(&self, keep: impl Fn(usize) -> bool, keep_names: bool) {
        let mut state = self.lock();
        if !keep_names {
            state.names = state.durable_names.clone();
        }
        for contents in state.names.values() {
            let mut contents = contents.lock().unwrap();
            let written = std::mem::take(&mut contents.now);
            let grown = !written.is_empty() && keep(written.len());
            let len = if grown { written.len() } else { contents.durable.len() };
            let mut left = contents.durable.clone();
            left.resize(len, 0);
            for (block, (to, from)) in left.chunks_mut(512).zip(written.chunks(512)).enumerate() {
                if keep(block) {
                    let length = to.len().min(from.len());
                    to[..length].copy_from_slice(&from[..length]);
                }
            }
            contents.durable.clone_from(&left);
            contents.now = left;
        }
        state.durable_names = state.names.clone();
    }

    /// The names of the files.
    pub(super) fn names(&self) -> Vec<String> {
        self.lock().names.keys().cloned().collect()
    }

    /// Changes the bytes of a file.
    pub(super) fn edit(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let state = self.lock();
        change(&mut state.names[name].lock().unwrap().now);
    }

    /// The bytes of a file.
    pub(super) fn bytes(&self, name: &str) -> Vec<u8> {
        self.lock().names[name].lock().unwrap().now.clone()
    }

    /// A file system of its own with the same files.
    pub(super) fn copy(&self) -> Self {
        let copy = Self::default();
        for (name, contents) in &self.lock().names {
            let contents = Arc::new(Mutex::new(contents.lock().unwrap().clone()));
            copy.lock().names.insert(name.clone(), contents);
        }
        copy
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Counts an operation; what happens to it.
    fn begin(&self, grows: bool) -> io::Result<()> {
        let mut state = self.lock();
        let number = state.operations;
        state.operations += 1;
        if state.dead {
            return Err(io::ErrorKind::Other.into());
        }
        if state.full && grows {
            return Err(io::ErrorKind::StorageFull.into());
        }
        match state.fault.filter(|(at, _)| *at == number) {
            Some((_, Fault::Fails(kind))) => Err(kind.into()),
            Some((_, Fault::Dies)) => {
                state.dead = true;
                Err(io::ErrorKind::Other.into())
            }
            None => Ok(()),
        }
    }

    /// Counts a read; whether it is to give nothing.
    fn begin_read(&self) -> io::Result<bool> {
        let mut state = self.lock();
        let number = state.reads;
        state.reads += 1;
        match state.read_fault.filter(|(at, fault)| fault.hits(*at, number)) {
            Some((_, fault)) if fault.is_error() => Err(rustix::io::Errno::IO.into()),
            fault => Ok(fault.is_some()),
        }
    }

    fn file(&self, contents: Arc<Mutex<Contents>>) -> Arc<dyn Handle> {
        Arc::new(FaultyFile { disk: self.clone(), contents })
    }
}

impl Disk for FaultyDisk {
    fn list(&self, folder: &str) -> io::Result<Vec<Entry>> {
        self.begin_read()?;
        let state = self.lock();
        let entry = |(name, contents): (&String, &Arc<Mutex<Contents>>)| {
            let (at, file) = name.rsplit_once('/').unwrap_or(("", name));
            (at == folder).then(|| Entry {
                name: file.to_owned(),
                len: contents.lock().unwrap().now.len() as u64,
                modified: SystemTime::UNIX_EPOCH,
            })
        };
        Ok(state.names.iter().filter_map(entry).collect())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn Handle>> {
        self.begin_read()?;
        let contents = self.lock().names.get(name).cloned();
        contents.map(|contents| self.file(contents)).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn Handle>> {
        self.begin(true)?;
        let contents = Arc::<Mutex<Contents>>::default();
        match self.lock().names.entry(name.to_owned()) {
            std::collections::btree_map::Entry::Occupied(_) => {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            std::collections::btree_map::Entry::Vacant(place) => place.insert(Arc::clone(&contents)),
        };
        Ok(self.file(contents))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.begin(false)?;
        let mut state = self.lock();
        let contents = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), contents);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        if !self.lock().names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.begin(false)?;
        self.lock().names.remove(name);
        Ok(())
    }

    fn sync_names(&self, _folder: &str) -> io::Result<()> {
        self.begin(false)?;
        let mut state = self.lock();
        state.durable_names = state.names.clone();
        Ok(())
    }
}

impl Handle for FaultyFile {
    fn len(&self) -> io::Result<u64> {
        self.disk.begin_read()?;
        Ok(self.contents.lock().unwrap().now.len() as u64)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        if self.disk.begin_read()? {
            return Ok(0);
        }
        let contents = self.contents.lock().unwrap();
        let from = contents.now.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
        // Reads are short, as they may be.
        let length = from.len().min(into.len()).min(1_000);
        into[..length].copy_from_slice(&from[..length]);
        Ok(length)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let was_dead = self.disk.lock().dead;
        let grows = usize::try_from(offset).unwrap() + bytes.len() > self.contents.lock().unwrap().now.len();
        let outcome = self.disk.begin(grows);
        let bytes = if outcome.is_ok() { bytes } else { &bytes[..bytes.len() / 2] };
        if !was_dead {
            let start = usize::try_from(offset).unwrap();
            let now = &mut self.contents.lock().unwrap().now;
            let end = start + bytes.len();
            now.resize(now.len().max(end), 0);
            now[start..end].copy_from_slice(bytes);
        }
        outcome
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.begin(false)?;
        self.contents.lock().unwrap().now.resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    /// A sync that fails drops what was not yet durable and calls it clean, as kernels do.
    fn sync(&self) -> io::Result<()> {
        let outcome = self.disk.begin(false);
        let mut contents = self.contents.lock().unwrap();
        if outcome.is_ok() {
            contents.durable = contents.now.clone();
        } else if !self.disk.lock().dead {
            let durable = contents.durable.clone();
            let len = contents.now.len();
            contents.now = durable;
            contents.now.resize(len, 0);
        }
        outcome
    }
}
