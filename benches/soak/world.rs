//! What the loads share.

use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hereafter::{Failure, report};
use hereafter_adbapi::{ConnectionPool, params};
use hereafter_reactor::endpoints::{ClientEndpoint, Port, client_from_string, server_from_string};
use hereafter_reactor::{Address, Protocol, Reactor, Transport};
use tempfile::TempDir;

use crate::postgres::Server;

/// How many reports there have been, in whatever thread.
static REPORTED: AtomicU64 = AtomicU64::new(0);

pub(crate) fn reported() -> u64 {
    REPORTED.load(Ordering::SeqCst)
}

/// Servers, databases and counts.
pub(crate) struct World {
    pub(crate) reactor: Reactor,
    pub(crate) tcp: ClientEndpoint,
    pub(crate) tls: ClientEndpoint,
    #[cfg(unix)]
    pub(crate) unix: ClientEndpoint,
    pub(crate) sqlite: ConnectionPool,
    pub(crate) postgres: Option<ConnectionPool>,
    ports: Vec<Port>,
    /// How many reports there should have been.
    expected: Cell<u64>,
    folder: TempDir,
    _server: Option<Server>,
}

/// What of a message tells the server to close the connection, or to break it off.
pub(crate) const CLOSE: u8 = b'.';
pub(crate) const ABORT: u8 = b'!';

/// Sends back what comes, and never keeps much of it.
struct Echo;

impl Protocol for Echo {
    fn connection_made(&self, transport: &Transport) {
        let registered = transport.register_producer(Rc::new(transport.clone()), true);
        registered.expect("a new transport has no producer");
    }

    fn data_received(&self, transport: &Transport, data: Bytes) {
        let order = data[0];
        transport.write(data);
        match order {
            CLOSE => {
                transport.unregister_producer();
                transport.lose_connection();
            }
            ABORT => transport.abort_connection(),
            _ => {}
        }
    }
}

impl World {
    pub(crate) async fn new(reactor: &Reactor, postgres: bool) -> Result<Rc<Self>, Failure> {
        report::set_hook(Some(|_: &report::Report| {
            REPORTED.fetch_add(1, Ordering::SeqCst);
        }));
        // They are meant, and many.
        std::panic::set_hook(Box::new(|_| ()));

        let folder = tempfile::tempdir()?;
        let certificate = folder.path().join("localhost.pem");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        std::fs::write(&certificate, made.cert.pem() + &made.signing_key.serialize_pem())?;
        let certificate = certificate.display().to_string();
        let (folder_name, socket) =
            (folder.path().display().to_string(), folder.path().join("socket"));

        let echo = |_: &Address| Echo;
        let listen =
            async |description: &str| server_from_string(reactor, description)?.listen(echo).await;
        let tcp = listen("tcp:0:interface=127.0.0.1").await?;
        let tls = listen(&format!("ssl:0:privateKey={certificate}:interface=127.0.0.1")).await?;
        let number = |port: &Port| port.host().port().unwrap_or_default();
        let to_tcp = format!("tcp:127.0.0.1:{}", number(&tcp));
        let to_tls = format!(
            "tls:localhost:{0}:trustRoots={folder_name}:endpoint=tcp\\:127.0.0.1\\:{0}",
            number(&tls)
        );
        let mut ports = vec![tcp, tls];
        #[cfg(unix)]
        ports.push(listen(&format!("unix:{}", socket.display())).await?);

        let file = folder.path().join("soak.db");
        let sqlite = ConnectionPool::connect(format!("sqlite://{}", file.display())).await?;
        prepare(&sqlite).await?;
        let server = if postgres { Some(Server::start()) } else { None };
        let postgres = match &server {
            Some(server) => Some(ConnectionPool::connect(server.address()).await?),
            None => None,
        };
        if let Some(pool) = &postgres {
            prepare(pool).await?;
        }
        Ok(Rc::new(Self {
            reactor: reactor.clone(),
            tcp: client_from_string(reactor, &to_tcp)?,
            tls: client_from_string(reactor, &to_tls)?,
            #[cfg(unix)]
            unix: ClientEndpoint::unix(reactor, socket),
            sqlite,
            postgres,
            ports,
            expected: Cell::new(0),
            folder,
            _server: server,
        }))
    }

    /// A path in a folder that goes with this.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// So many more reports are meant to come.
    pub(crate) fn expect_reports(&self, count: u64) {
        self.expected.set(self.expected.get() + count);
    }

    /// Waits until nothing is under way.
    ///
    /// # Errors
    ///
    /// When something is left after that time, or the reports are not those that were expected.
    pub(crate) async fn come_to_rest(&self, patience: Duration) -> Result<(), Failure> {
        let began = Instant::now();
        while !self.is_at_rest() {
            if began.elapsed() > patience {
                let left = format!("{:?}, {:?}", self.reactor, self.sqlite);
                return Err(Failure::msg(format!(
                    "not at rest after {patience:?}: {} connections, {} of {} reports; {left}",
                    self.reactor.open_connections(),
                    reported(),
                    self.expected.get(),
                )));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Sockets of the operating system, and threads, take a moment longer than their owners.
        tokio::time::sleep(Duration::from_millis(300)).await;
        Ok(())
    }

    fn is_at_rest(&self) -> bool {
        let threads = self.reactor.thread_pool().stats();
        let in_use = |pool: &ConnectionPool| pool.stats().in_use;
        self.reactor.open_connections() == 0
            && self.reactor.open_ports() == self.ports.len()
            && self.reactor.delayed_calls().is_empty()
            && threads.busy + threads.queued == 0
            && in_use(&self.sqlite) + self.postgres.as_ref().map_or(0, in_use) == 0
            && reported() == self.expected.get()
    }

    pub(crate) async fn close(&self) -> Result<(), Failure> {
        for port in &self.ports {
            port.stop_listening().await?;
        }
        self.sqlite.close().await?;
        if let Some(postgres) = &self.postgres {
            postgres.close().await?;
        }
        Ok(())
    }
}

async fn prepare(pool: &ConnectionPool) -> Result<(), Failure> {
    pool.run_operation(
        "CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL)",
        params![],
    )
    .await?;
    for id in 0..10 {
        pool.run_operation("INSERT INTO accounts VALUES ($1, 100)", params![id]).await?;
    }
    Ok(())
}
