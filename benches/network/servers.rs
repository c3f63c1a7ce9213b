//! Who answers: three echo servers, each on one thread.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use anyhow::{Context, Result};
use bytes::Bytes;
use hereafter_reactor::endpoints::server_from_string;
use hereafter_reactor::{Address, Protocol, Reactor, RunOptions, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};

/// Twisted's echo, as its documentation writes it.
const TWISTED: &str = include_str!("echo.py");

/// A server that runs as long as this program.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    /// Killed with this.
    _child: Option<Killed>,
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    fn on_thread(name: &'static str, serve: fn(Sender<SocketAddr>) -> Result<()>) -> Result<Self> {
        let (sender, started) = channel();
        let thread = thread::spawn(move || serve(sender));
        let Ok(address) = started.recv() else {
            let ended = thread.join().map_err(|_| anyhow::anyhow!("the server {name} panicked"))?;
            ended?;
            anyhow::bail!("the server {name} has ended");
        };
        Ok(Self { name, address, _child: None })
    }

    pub(crate) fn hereafter() -> Result<Self> {
        Self::on_thread("hereafter", hereafter)
    }

    pub(crate) fn tokio() -> Result<Self> {
        Self::on_thread("tokio", tokio)
    }

    pub(crate) fn twisted(python: &Path) -> Result<Self> {
        let mut child = Command::new(python)
            .args(["-c", TWISTED])
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", python.display()))?;
        let mut line = String::new();
        let out = child.stdout.take().context("its output")?;
        BufReader::new(out).read_line(&mut line)?;
        let port = line.trim().parse().context("Twisted's server did not say its port")?;
        let address = (Ipv4Addr::LOCALHOST, port).into();
        Ok(Self { name: "twisted", address, _child: Some(Killed(child)) })
    }
}

/// Sends back what comes, and never keeps much of it.
struct Echo;

impl Protocol for Echo {
    fn connection_made(&self, transport: &Transport) {
        let registered = transport.register_producer(Rc::new(transport.clone()), true);
        registered.expect("a new transport has no producer");
    }

    fn data_received(&self, transport: &Transport, data: Bytes) {
        transport.write(data);
    }
}

fn hereafter(started: Sender<SocketAddr>) -> Result<()> {
    let reactor = Reactor::new()?;
    server_from_string(&reactor, "tcp:0:interface=127.0.0.1")?
        .listen(|_: &Address| Echo)
        .map(move |port| {
            if let Address::Tcp(address) = port.host() {
                // Nobody waits for it any more, if this program is ending.
                let _ = started.send(*address);
            }
        })
        .detach();
    reactor.run_with(RunOptions::default().signals(false))?;
    Ok(())
}

fn tokio(started: Sender<SocketAddr>) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        started.send(listener.local_addr()?)?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::task::spawn_local(echo(stream));
        }
    })
}

async fn echo(mut stream: TcpStream) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let size = stream.read(&mut buffer).await?;
        if size == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..size]).await?;
    }
}
