//! What a sink's cursor says besides its sequence number, as JSON: `{"done":[[FROM,END],...],"files":[{"path":
//! "...","len":1,"id":{"device":1,"inode":2,"born":3}},...],"rotated":["...",...],"seen":MILLISECONDS,"told":
//! [FROM,RECORDS]}`; each field may be missing.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

/// What stands beside a sequence number in a cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Note {
    /// The events above the sequence number that have been dealt with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) done: Vec<(u64, u64)>,
    /// The files that were open.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) files: Vec<FileNote>,
    /// Rotated files that were to be compressed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) rotated: Vec<PathBuf>,
    /// When the last event below the sequence number arrived, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seen: Option<u64>,
    /// Where the hole begins that is being told, and how many gap records of it have been delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) told: Option<(u64, usize)>,
}

/// A file, and how long it is with what has been dealt with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileNote {
    pub(super) path: PathBuf,
    pub(super) len: u64,
    pub(super) id: Identity,
}

/// What tells a file from another one that took its name. An inode's number is given again soon, so the time of
/// the file's birth counts too, where the file system knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    born: Option<u64>,
}

impl Identity {
    /// The identity of the file that has this metadata.
    pub(super) fn of(metadata: &Metadata) -> Self {
        let born = metadata.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let born = born.and_then(|born| u64::try_from(born.as_nanos()).ok());
        Self { device: metadata.dev(), inode: metadata.ino(), born }
    }

    /// Whether this is the file that a former process knew as `known`. Its file system may have another device number
    /// since it was mounted anew; inode and time of birth tell enough, where the latter is known.
    pub(super) fn is_still(&self, known: &Self) -> bool {
        let is_known = self.device == known.device || self.born.is_some();
        is_known && self.inode == known.inode && self.born == known.born
    }
}

impl Note {
    /// What a cursor holds; nothing stands for an empty note.
    pub(super) fn parse(bytes: &[u8]) -> io::Result<Self> {
        if bytes.is_empty() { Ok(Self::default()) } else { Ok(serde_json::from_slice(bytes)?) }
    }

    /// Leaves out what it says of `next` and the numbers above, which are given to other events: a loss of power took
    /// those that had been dealt with.
    pub(super) fn forget_from(&mut self, next: u64) {
        self.done.iter_mut().for_each(|(_, end)| *end = next.min(*end));
        self.done.retain(|(start, end)| start < end);
    }

    /// The bytes for a cursor.
    pub(super) fn bytes(&self) -> io::Result<Vec<u8>> {
        Ok(serde_json::to_vec(self)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_the_same_after_its_file_system_was_mounted_anew() {
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        std::fs::write(&path, "1\n2\n").unwrap();
        let found = Identity::of(&path.metadata().unwrap());
        let id = Identity { device: found.device + 1, ..found };
        let note = FileNote { path: path.to_path_buf(), len: 2, id };
        super::super::restore::restore("test", &note, false).unwrap();
        assert_eq!(path.metadata().unwrap().len(), if found.born.is_some() { 2 } else { 4 });
        let others = [Identity { inode: found.inode + 1, ..id }, Identity { born: Some(7), ..id }];
        assert!(others.iter().all(|other| !found.is_still(other)));
        let ageless = Identity { born: None, ..found };
        assert!(ageless.is_still(&ageless) && !ageless.is_still(&Identity { born: None, ..id }));
    }

    #[test]
    fn a_note_comes_back_as_it_was() {
        let id = Identity { device: 1, inode: u64::MAX, born: None };
        let note = Note {
            done: vec![(3, u64::MAX)],
            files: vec![FileNote { path: "a b\n\"".into(), len: 7, id }],
            rotated: vec!["x".into()],
            seen: Some(1_767_323_045_678),
            told: Some((7, 3)),
        };
        assert_eq!(Note::parse(&note.bytes().unwrap()).unwrap(), note);
        assert_eq!(Note::parse(&Note::default().bytes().unwrap()).unwrap(), Note::default());
        assert_eq!(Note::parse(b"").unwrap(), Note::default());
        assert!(Note::parse(b"\x01").is_err());
    }
}
