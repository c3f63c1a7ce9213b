#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod reach;
mod room;
mod server;

use core::fmt;
use hereafter::inspect;
use hereafter_insight::page::Gate;
use hereafter_reactor::{Phase, Reactor, SystemEvent};
use reach::Reach;
use std::io;
use std::net::{SocketAddr, TcpListener};
use tokio::sync::watch;

/// Shows the deferreds of the reactor's thread on a page, from now until the reactor stops.
///
/// Has [histories](inspect::enable) kept of what is made from now on. Port 0 is any that is free.
///
/// # Errors
///
/// `address` can be reached from other machines; or it cannot be listened at.
///
/// # Examples
///
/// See [the crate](crate).
pub fn serve(reactor: &Reactor, address: SocketAddr) -> io::Result<Served> {
    if !address.ip().is_loopback() {
        let why = format!(
            "{address} can be reached from other machines; for that, there is \
             hereafter_inspector::serve_to_others"
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let listener = TcpListener::bind(address)?;
    let gate = Gate::local(listener.local_addr()?)?;
    begin(reactor, listener, gate)
}

/// As [`serve`], at an address that may be reached from other machines.
///
/// The page is served over plain HTTP: whoever sees the traffic sees the token in its address, too.
///
/// # Errors
///
/// `address` cannot be listened at.
///
/// # Examples
///
/// ```
/// use hereafter_reactor::Reactor;
///
/// let reactor = Reactor::new()?;
/// let page = hereafter_inspector::serve_to_others(&reactor, "0.0.0.0:0".parse()?)?;
/// assert_eq!(page.address().ip().to_string(), "0.0.0.0");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn serve_to_others(reactor: &Reactor, address: SocketAddr) -> io::Result<Served> {
    begin(reactor, TcpListener::bind(address)?, Gate::for_any_host()?)
}

fn begin(reactor: &Reactor, listener: TcpListener, gate: Gate) -> io::Result<Served> {
    inspect::keep_journal();
    let address = listener.local_addr()?;
    let url = format!("http://{address}{}", gate.path());
    let (stop, stopped) = watch::channel(());
    server::start(listener, gate, Reach::new(reactor.remote()), stopped)?;
    let with_reactor = stop.clone();
    reactor.add_system_event_trigger(Phase::During, SystemEvent::Shutdown, move || {
        with_reactor.send_replace(());
    });
    Ok(Served { address, url, stop })
}

/// A page that is being served.
///
/// Dropping this changes nothing: the page ends with the reactor, or with [`stop`](Served::stop).
pub struct Served {
    address: SocketAddr,
    url: String,
    stop: watch::Sender<()>,
}

impl Served {
    /// The address of the page, with the token in it.
    ///
    /// # Examples
    ///
    /// See [the crate](crate).
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it listens.
    ///
    /// # Examples
    ///
    /// See [`serve_to_others`].
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it, soon.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::Reactor;
    ///
    /// let reactor = Reactor::new()?;
    /// hereafter_inspector::serve(&reactor, "127.0.0.1:0".parse()?)?.stop();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stop(self) {
        self.stop.send_replace(());
    }
}

impl fmt::Debug for Served {
    /// Without the token, which should not get into logs by chance.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served").field("address", &self.address).finish_non_exhaustive()
    }
}
