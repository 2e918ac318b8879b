//! The Unix socket: only its owner can open it, and a socket that a dead process left behind is replaced.

use config::default_admin_socket;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream};
use std::path::{Path, PathBuf};
use tokio::net::UnixListener;

/// Who may open the socket: its owner.
const SOCKET_MODE: u32 = 0o600;
/// The folder of the socket, where it has to be made.
const FOLDER_MODE: u32 = 0o755;
/// Connections that wait to be accepted; further ones wait in connect(2).
const BACKLOG: i32 = 64;

/// Why the socket cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another process answers there.
    #[error("another bascule answers on `{path}`; end it, or set another `admin.socket`")]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something that is not a socket has the name.
    #[error("`{path}` is there and is no socket; remove it, or set another `admin.socket`")]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The system refused a step.
    #[error("the admin socket `{path}` cannot be made: {doing}: {error}")]
    Refused {
        /// The socket.
        path: PathBuf,
        /// The step.
        doing: &'static str,
        /// What the system says.
        error: io::Error,
    },
}

/// Where the admin socket of a configuration is.
#[must_use]
pub fn socket_path(config: &Path, admin: &config::Admin) -> PathBuf {
    admin.socket.as_ref().map_or_else(
        || default_admin_socket(config, rustix::process::geteuid().is_root()),
        |socket| socket.0.clone(),
    )
}

/// The file of the socket. Dropping it removes the file, unless another socket has taken its place, or another process has
/// the socket.
pub(super) struct AdminSocket {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
    /// Whether the file is ours to remove.
    is_ours: bool,
}

impl AdminSocket {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes over a socket that another process listens on. The file is the other's to remove, until it lets go.
    pub(super) fn adopt(
        path: &Path,
        listener: StdUnixListener,
    ) -> Result<(Self, UnixListener), SocketError> {
        let refused = |doing| {
            let path = path.to_owned();
            move |error| SocketError::Refused { path, doing, error }
        };
        let file = Self {
            path: path.to_owned(),
            identity: identity(path).map_err(refused("looking at it"))?,
            is_ours: false,
        };
        listener
            .set_nonblocking(true)
            .map_err(refused("making it non-blocking"))?;
        let listener = UnixListener::from_std(listener).map_err(refused("registering it"))?;
        Ok((file, listener))
    }

    /// The file is this process's from now on, or another's.
    pub(super) fn set_ours(&mut self, is_ours: bool) {
        self.is_ours = is_ours;
    }

    /// Makes the socket and listens on it. Call it inside the runtime.
    pub(super) fn bind(path: &Path) -> Result<(Self, UnixListener), SocketError> {
        let refused = |doing| {
            let path = path.to_owned();
            move |error| SocketError::Refused { path, doing, error }
        };
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        DirBuilder::new()
            .recursive(true)
            .mode(FOLDER_MODE)
            .create(folder)
            .map_err(refused("making its folder"))?;
        // Two processes that start at one moment must not each take the other's socket for a dead one.
        let lock = File::open(folder).map_err(refused("opening its folder"))?;
        lock.lock().map_err(refused("locking its folder"))?;
        remove_stale(path)?;
        let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)
            .map_err(refused("socket"))?;
        let address = socket2::SockAddr::unix(path).map_err(refused("its path"))?;
        socket.bind(&address).map_err(refused("bind"))?;
        // Before listen(2) nobody can connect, whatever the umask has left open.
        fs::set_permissions(path, Permissions::from_mode(SOCKET_MODE))
            .map_err(refused("setting its mode"))?;
        let identity = identity(path).map_err(refused("looking at it"))?;
        let file = Self {
            path: path.to_owned(),
            identity,
            is_ours: true,
        };
        socket.listen(BACKLOG).map_err(refused("listen"))?;
        socket
            .set_nonblocking(true)
            .map_err(refused("making it non-blocking"))?;
        let listener = UnixListener::from_std(socket.into()).map_err(refused("registering it"))?;
        Ok((file, listener))
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        if self.is_ours && identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            // It would be found stale and replaced anyway.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes a socket that nobody answers on.
fn remove_stale(path: &Path) -> Result<(), SocketError> {
    let refused = |doing, error| SocketError::Refused {
        path: path.to_owned(),
        doing,
        error,
    };
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(SocketError::NotASocket {
                path: path.to_owned(),
            });
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(refused("looking at it", error)),
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|error| refused("removing the old one", error))
        }
        Ok(_) => Err(SocketError::InUse {
            path: path.to_owned(),
        }),
        Err(error) => Err(refused("asking who answers there", error)),
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}
