//! A real PostgreSQL server in a folder of its own, for one test.

use core::sync::atomic::{AtomicBool, Ordering};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::channel;
use tempfile::TempDir;

/// The role that owns the database.
const USER: &str = "hereafter";

/// A running server. It is stopped when this is dropped, also by a panic.
pub(crate) struct Server {
    folder: TempDir,
    programs: PathBuf,
    port: u16,
    settings: &'static [&'static str],
    child: Option<Child>,
}

impl Server {
    /// Makes a new database and starts a server for it.
    ///
    /// # Panics
    ///
    /// When PostgreSQL is not installed: the tests that need it cannot do without.
    pub(crate) fn start() -> Self {
        let mut server = Self::prepare(&["--auth=trust"], &[]);
        server.run();
        server
    }

    /// As [`start`](Server::start), but it asks for a password, and takes connections by TLS alone.
    pub(crate) fn start_secured(password: &str, certificate: &str, key: &str) -> Self {
        let login = ["--auth-host=scram-sha-256", "--auth-local=trust", "--pwfile=password"];
        let mut server = Self::prepare(&login, &[("password", password)]);
        server.write("data/server.crt", certificate);
        server.write("data/server.key", key);
        server.write("data/pg_hba.conf", "hostssl all all 127.0.0.1/32 scram-sha-256\n");
        server.settings = &["-c", "ssl=on"];
        server.run();
        server
    }

    /// Makes a new database, with some files beside it.
    fn prepare(login: &[&str], files: &[(&str, &str)]) -> Self {
        let programs = programs().expect(
            "these tests need PostgreSQL's own programs; install them (Debian, Ubuntu: `apt-get \
             install postgresql`), or put the folder with `initdb` into PATH",
        );
        let folder = tempfile::tempdir().unwrap();
        if is_root() {
            succeed(Command::new("chown").args([SYSTEM_USER]).arg(folder.path()));
        }
        let server = Self { programs, port: free_port(), settings: &[], child: None, folder };
        for (name, text) in files {
            server.write(name, text);
        }
        let data = server.data();
        succeed(
            server
                .program("initdb")
                .args(["--no-sync", "--encoding=UTF8", "--locale=C"])
                .args(login)
                .arg(format!("--username={USER}"))
                .arg("--pgdata")
                .arg(data),
        );
        server
    }

    /// Writes a file that nobody but the server may read.
    fn write(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        if is_root() {
            succeed(Command::new("chown").arg(SYSTEM_USER).arg(&path));
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The address of its database.
    pub(crate) fn address(&self) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/postgres", self.port)
    }

    /// Has it crash, and starts it again.
    pub(crate) fn restart(&mut self) {
        self.crash();
        self.run();
    }

    /// Starts it, and returns when it takes connections.
    fn run(&mut self) {
        let mut child = self
            .program("postgres")
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(self.folder.path())
            .args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"])
            .args(self.settings)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        self.child = Some(child);
        let (tell, told) = channel();
        let ready = Arc::new(AtomicBool::new(false));
        // It reads to the end, so that the server never waits for somebody to take its log.
        std::thread::spawn(move || {
            let mut lines = Vec::new();
            for line in log.lines().map_while(Result::ok) {
                if ready.load(Ordering::SeqCst) {
                    continue;
                }
                if line.contains("ready to accept connections") {
                    ready.store(true, Ordering::SeqCst);
                    let _ = tell.send(());
                }
                lines.push(line);
            }
            if !ready.load(Ordering::SeqCst) {
                eprintln!("PostgreSQL did not start:\n{}", lines.join("\n"));
            }
        });
        told.recv().expect("PostgreSQL starts");
    }

    /// Ends it at once, without a word to its clients; what was committed is in its journal.
    pub(crate) fn crash(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = Command::new("kill").args(["-QUIT", &child.id().to_string()]).status();
            let _ = child.wait();
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// One of PostgreSQL's programs, which all refuse to run as root.
    fn program(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args([
                &format!("--reuid={SYSTEM_USER}"),
                &format!("--regid={SYSTEM_USER}"),
                "--clear-groups",
            ]);
            command.arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.folder.path()).env("LC_ALL", "C").stdin(Stdio::null());
        command.stdout(Stdio::null());
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.crash();
    }
}

/// Whom the package makes to run the server.
const SYSTEM_USER: &str = "postgres";

/// Where PostgreSQL's programs are: in PATH, or where Debian keeps those of each version.
pub(crate) fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.extend(std::env::split_paths(&path));
    folders.into_iter().find(|folder| folder.join("initdb").is_file())
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    Path::new("/proc/self").metadata().is_ok_and(|process| process.uid() == 0)
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {output:?}");
}
