use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::Mutex;

use super::*;

/// The files of which one sync fails.
static UNSYNCABLE: Mutex<Vec<Identity>> = Mutex::new(Vec::new());

/// Makes the next sync of the file at `path` fail. As with a kernel's, the one after that succeeds.
pub(in super::super) fn fail_sync(path: &Path) {
    UNSYNCABLE.lock().unwrap().push(Identity::of(&path.metadata().unwrap()));
}

pub(super) fn sync_fault(file: &File) -> io::Result<()> {
    let (id, mut unsyncable) = (Identity::of(&file.metadata()?), UNSYNCABLE.lock().unwrap());
    match unsyncable.iter().position(|other| *other == id) {
        Some(at) => {
            unsyncable.remove(at);
            Err(Errno::IO.into())
        }
        None => Ok(()),
    }
}

/// A disk with `room` bytes left, on which cutting may fail too.
struct Disk {
    content: Vec<u8>,
    room: usize,
    cuts: bool,
}

impl io::Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fits = bytes.len().min(self.room);
        if fits == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.content.extend_from_slice(&bytes[..fits]);
        self.room -= fits;
        Ok(fits)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Append for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.content.len() as u64)
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        if !self.cuts {
            return Err(io::ErrorKind::Other.into());
        }
        self.content.truncate(usize::try_from(len).unwrap());
        Ok(())
    }
}

#[test]
fn a_full_disk_keeps_whole_lines_only() {
    let mut disk = Disk { content: b"old\n".to_vec(), room: 6, cuts: true };
    let mut written = 0;
    let error = append(&mut disk, b"one\ntwo\n", &mut written).unwrap_err();
    assert_eq!((error.kind(), written), (io::ErrorKind::StorageFull, 0));
    assert_eq!(disk.content, b"old\n");
    disk.room = 100;
    append(&mut disk, b"one\ntwo\n", &mut written).unwrap();
    assert_eq!(disk.content, b"old\none\ntwo\n");
}

#[test]
fn a_half_line_that_cannot_be_cut_off_is_completed() {
    let mut disk = Disk { content: b"old\n".to_vec(), room: 6, cuts: false };
    let mut written = 0;
    append(&mut disk, b"one\ntwo\n", &mut written).unwrap_err();
    assert_eq!((written, disk.content.as_slice()), (6, b"old\none\ntw".as_slice()));
    disk.room = 1;
    append(&mut disk, b"one\ntwo\n", &mut written).unwrap_err();
    disk.room = 100;
    append(&mut disk, b"one\ntwo\n", &mut written).unwrap();
    assert_eq!(disk.content, b"old\none\ntwo\n");
}

fn output(path: &Path) -> Output {
    Output::new(Arc::from(path), 0o640, Vec::new())
}

fn write(output: &mut Output, line: &str, now: Instant) -> Result<(), String> {
    output.buffer.extend_from_slice(line.as_bytes());
    output.flush(now)
}

#[test]
fn a_device_without_room_keeps_the_lines_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out");
    let mut output = output(&path);
    let now = Instant::now();
    output.open(now).unwrap();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let real = std::mem::replace(&mut output.open.as_mut().unwrap().file, full);
    let error = write(&mut output, "one\n", now).unwrap_err();
    assert!(error.contains("No space left") && error.contains(path.to_str().unwrap()), "{error}");
    assert!(!output.is_idle());
    output.open.as_mut().unwrap().file = real;
    output.flush(now).unwrap();
    assert!(output.is_idle());
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\n");
}

#[test]
fn a_file_cut_by_a_crash_gets_its_line_break() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out");
    fs::write(&path, "{\"half").unwrap();
    write(&mut output(&path), "one\n", Instant::now()).unwrap();
    write(&mut output(&path), "two\n", Instant::now()).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\"half\none\ntwo\n");
}

#[test]
fn a_renamed_or_removed_file_is_made_anew_within_a_second() {
    let directory = tempfile::tempdir().unwrap();
    let (path, old) = (directory.path().join("out"), directory.path().join("out.1"));
    let mut output = output(&path);
    let now = Instant::now();
    write(&mut output, "one\n", now).unwrap();
    fs::rename(&path, &old).unwrap();
    write(&mut output, "two\n", now + CHECK / 2).unwrap();
    write(&mut output, "three\n", now + CHECK).unwrap();
    assert_eq!(fs::read_to_string(&old).unwrap(), "one\ntwo\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
    fs::remove_file(&path).unwrap();
    write(&mut output, "four\n", now + 2 * CHECK).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "four\n");
}

#[test]
fn a_half_line_stays_with_its_file_when_the_path_moves() {
    let directory = tempfile::tempdir().unwrap();
    let (path, old) = (directory.path().join("out"), directory.path().join("out.1"));
    let mut output = output(&path);
    let now = Instant::now();
    write(&mut output, "one\n", now).unwrap();
    output.open.as_mut().unwrap().file.write_all(b"tw").unwrap();
    output.buffer.extend_from_slice(b"two\n");
    output.written = 2;
    fs::rename(&path, &old).unwrap();
    output.close();
    output.flush(now + 2 * CHECK).unwrap();
    write(&mut output, "three\n", now + 4 * CHECK).unwrap();
    assert_eq!(fs::read_to_string(&old).unwrap(), "one\ntwo\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
}

#[test]
fn links_directories_and_devices_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("target");
    let link = directory.path().join("link");
    symlink(&target, &link).unwrap();
    let refused = |path: &Path| write(&mut output(path), "x\n", Instant::now()).unwrap_err();
    assert!(refused(&link).contains("symbolic link"), "{}", refused(&link));
    assert!(!target.exists());
    fs::write(&target, "").unwrap();
    assert!(refused(&link).contains("symbolic link"));
    assert!(refused(directory.path()).contains("directory"));
    assert!(refused(Path::new("/dev/null")).contains("no regular file"));
}

#[test]
fn directories_and_files_are_not_for_everybody() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/b/out");
    write(&mut output(&path), "x\n", Instant::now()).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path) & !0o640, 0);
    assert_eq!(mode(&path) & 0o600, 0o600);
    assert_eq!(mode(&directory.path().join("a")) & !0o750, 0);
}
