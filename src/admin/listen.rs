//! The address: TCP, or a unix socket that is for the process's user and group alone.
//!
//! A socket file that nobody listens on is replaced; one that somebody answers on is not, nor is any other file.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use super::Listen;

/// Why the server did not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartError(String);

impl StartError {
    pub(super) fn new(listen: &Listen, what: &str, error: &io::Error) -> Self {
        Self(format!("admin server on {listen}: {what}: {error}"))
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

/// A bound address that nobody accepts on yet.
#[derive(Debug)]
pub(super) enum Bound {
    Tcp(std::net::TcpListener),
    #[cfg(unix)]
    Unix(unix::Bound),
}

impl Bound {
    /// Where it is; none for a unix socket.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            #[cfg(unix)]
            Self::Unix(_) => None,
        }
    }
}

/// Binds the address.
pub(super) fn bind(listen: &Listen) -> Result<Bound, StartError> {
    let failed = |error: io::Error| StartError::new(listen, "it cannot listen there", &error);
    match listen {
        Listen::Tcp(address) => {
            let listener = std::net::TcpListener::bind(address).map_err(failed)?;
            listener.set_nonblocking(true).map_err(failed)?;
            Ok(Bound::Tcp(listener))
        }
        #[cfg(unix)]
        Listen::Unix(path) => unix::bind(path).map(Bound::Unix).map_err(failed),
        #[cfg(not(unix))]
        Listen::Unix(_) => Err(failed(io::ErrorKind::Unsupported.into())),
    }
}

#[cfg(unix)]
pub(super) mod unix {
    use std::fs;
    use std::io;
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::{Path, PathBuf};

    /// Who may connect: the user and the group.
    const MODE: u32 = 0o660;

    /// A bound socket and its file.
    #[derive(Debug)]
    pub(in super::super) struct Bound {
        pub(in super::super) listener: UnixListener,
        pub(in super::super) file: File,
    }

    /// The socket's file, which goes when this is dropped, unless it is another's by then.
    #[derive(Debug)]
    pub(in super::super) struct File {
        path: PathBuf,
        inode: (u64, u64),
    }

    pub(super) fn bind(path: &Path) -> io::Result<Bound> {
        make_way(path)?;
        // Bound under another name first: nobody may connect before its mode is set.
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let draft = path.with_file_name(format!(".{name}.{}", std::process::id()));
        drop(fs::remove_file(&draft));
        let listener = UnixListener::bind(&draft)?;
        let placed = place(&draft, path);
        if placed.is_err() {
            drop(fs::remove_file(&draft));
        }
        let inode = placed?;
        listener.set_nonblocking(true)?;
        Ok(Bound { listener, file: File { path: path.to_owned(), inode } })
    }

    fn place(draft: &Path, path: &Path) -> io::Result<(u64, u64)> {
        fs::set_permissions(draft, fs::Permissions::from_mode(MODE))?;
        fs::rename(draft, path)?;
        let metadata = fs::symlink_metadata(path)?;
        Ok((metadata.dev(), metadata.ino()))
    }

    /// Refuses a file that is no socket, and a socket that somebody listens on.
    fn make_way(path: &Path) -> io::Result<()> {
        let metadata = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if !metadata.file_type().is_socket() {
            return Err(io::Error::other("a file that is no socket is there"));
        }
        match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens on it")),
        }
    }

    impl Drop for File {
        fn drop(&mut self) {
            let ours = |metadata: fs::Metadata| (metadata.dev(), metadata.ino()) == self.inode;
            if fs::symlink_metadata(&self.path).is_ok_and(ours) {
                drop(fs::remove_file(&self.path));
            }
        }
    }
}
