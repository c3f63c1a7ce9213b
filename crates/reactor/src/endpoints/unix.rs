//! Sockets in the file system.

use crate::errors::ConnectError;
use crate::protocol::Address;
use crate::stream::Wire;
use hereafter::Failure;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use tokio::net::{UnixListener, UnixSocket, UnixStream};

pub(super) async fn open(path: &Path) -> Result<Wire, Failure> {
    let failed =
        |source| Failure::new(ConnectError { to: Address::Unix(Some(path.to_owned())), source });
    Wire::unix(UnixStream::connect(path).await.map_err(failed)?).map_err(failed)
}

/// Listens on a path, with `mode` as its permissions.
pub(super) fn listen(
    path: &Path,
    mode: u32,
    backlog: u32,
    take_over: bool,
) -> io::Result<UnixListener> {
    let bind = || {
        let socket = UnixSocket::new_stream()?;
        socket.bind(path)?;
        io::Result::Ok(socket)
    };
    let socket = match bind() {
        Err(error) if take_over && error.kind() == io::ErrorKind::AddrInUse && is_left(path) => {
            fs::remove_file(path)?;
            bind()?
        }
        other => other?,
    };
    // Nobody can connect before it listens.
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    socket.listen(backlog)
}

/// Whether `path` is a socket that nobody listens on any more.
fn is_left(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    is_socket && std::os::unix::net::UnixStream::connect(path).is_err_and(refused)
}
