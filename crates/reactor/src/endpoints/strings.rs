//! Endpoints from their descriptions: `tcp:example.com:80:timeout=5`.
//!
//! The syntax is Twisted's: arguments between colons, by position or by name, and a backslash takes
//! away the meaning of what follows it. An argument that is not understood is an error which says
//! so; Twisted's answer to that is a `TypeError` of an inner function.

use super::{ClientEndpoint, ServerEndpoint};
use crate::errors::{EndpointError, Trouble};
use core::fmt::Display;
use core::str::FromStr;
use core::time::Duration;
use hereafter::clock::Clock;
use std::net::IpAddr;
use std::path::PathBuf;

/// The arguments of a description, of which those that were understood have been taken.
pub(super) struct Arguments {
    name: String,
    positional: Vec<String>,
    named: Vec<(String, String)>,
    /// What there may be; the first come by position, too.
    known: &'static [&'static str],
}

impl Arguments {
    fn parse(description: &str) -> Result<Self, Trouble> {
        let (mut words, mut key, mut word) = (Vec::new(), None, String::new());
        let mut letters = description.chars();
        while let Some(letter) = letters.next() {
            match letter {
                ':' => words.push((key.take(), core::mem::take(&mut word))),
                '=' if key.is_none() => key = Some(core::mem::take(&mut word)),
                '\\' => word.push(letters.next().ok_or(Trouble::Escape)?),
                _ => word.push(letter),
            }
        }
        words.push((key, word));
        let (mut positional, mut named) = (Vec::new(), Vec::<(String, String)>::new());
        for (key, word) in words {
            match key {
                None => positional.push(word),
                Some(key) if named.iter().any(|(name, _)| *name == key) => {
                    return Err(Trouble::Twice { argument: key });
                }
                Some(key) => named.push((key, word)),
            }
        }
        let name = if positional.is_empty() { String::new() } else { positional.remove(0) };
        Ok(Self { name, positional, named, known: &[] })
    }

    /// Gives the arguments without a name those of the first `places` of `known` that are free.
    fn with_names(
        mut self,
        known: &'static [&'static str],
        places: usize,
    ) -> Result<Self, Trouble> {
        let mut free = known[..places].iter().filter(|name| !self.has(name)).collect::<Vec<_>>();
        for value in core::mem::take(&mut self.positional) {
            if free.is_empty() {
                return Err(Trouble::TooMany { value });
            }
            self.named.push((free.remove(0).to_string(), value));
        }
        self.known = known;
        Ok(self)
    }

    fn has(&self, name: &str) -> bool {
        self.named.iter().any(|(key, _)| key == name)
    }

    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let place = self.named.iter().position(|(key, _)| key == name)?;
        Some(self.named.remove(place).1)
    }

    pub(super) fn required(&mut self, argument: &'static str) -> Result<String, Trouble> {
        match self.take(argument) {
            Some(value) if !value.is_empty() => Ok(value),
            _ => Err(Trouble::Missing { argument }),
        }
    }

    /// The value of an argument, made into a `T`.
    fn parsed<T: FromStr>(&mut self, name: &str, what: &str) -> Result<Option<T>, Trouble> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match value.parse() {
            Ok(parsed) => Ok(Some(parsed)),
            Err(_) => Err(unfit(name, value, format!("which is not {what}"))),
        }
    }

    pub(super) fn path(&mut self, name: &str) -> Option<PathBuf> {
        self.take(name).map(PathBuf::from)
    }

    pub(super) fn port(&mut self) -> Result<u16, Trouble> {
        let port = self.parsed("port", "a number from 0 to 65535")?;
        port.ok_or(Trouble::Missing { argument: "port" })
    }

    /// An address to bind to; an empty one stands for any.
    pub(super) fn ip(&mut self, name: &str) -> Result<Option<IpAddr>, Trouble> {
        if self.named.iter().any(|(key, value)| key == name && value.is_empty()) {
            self.take(name);
            return Ok(None);
        }
        self.parsed(name, "an IP address")
    }

    pub(super) fn backlog(&mut self) -> Result<Option<u32>, Trouble> {
        self.parsed("backlog", "a number")
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, Trouble> {
        Ok(self.parsed::<u8>(name, "0 or 1")?.map(|flag| flag != 0))
    }

    pub(super) fn timeout(&mut self) -> Result<Option<Duration>, Trouble> {
        let Some(value) = self.take("timeout") else { return Ok(None) };
        let seconds = value.parse().ok().and_then(|n| Duration::try_from_secs_f64(n).ok());
        let why = || "which is not a number of seconds".to_owned();
        seconds.map(Some).ok_or_else(|| unfit("timeout", value, why()))
    }

    /// The permissions of a file, in octal.
    pub(super) fn mode(&mut self) -> Result<Option<u32>, Trouble> {
        let Some(value) = self.take("mode") else { return Ok(None) };
        match u32::from_str_radix(&value, 8) {
            Ok(mode) if mode <= 0o7777 => Ok(Some(mode)),
            _ => Err(unfit("mode", value, "which is not an octal number up to 7777".to_owned())),
        }
    }

    /// What is left was not understood.
    fn finish(self) -> Result<(), Trouble> {
        match self.named.into_iter().next() {
            None => Ok(()),
            Some((argument, _)) => Err(Trouble::Unknown { argument, known: self.known.to_vec() }),
        }
    }
}

pub(super) fn unfit(argument: &str, value: impl Display, why: String) -> Trouble {
    Trouble::Value { argument: argument.to_owned(), value: value.to_string(), why }
}

/// The endpoint to connect to that `description` describes (Twisted's `clientFromString`).
///
/// | type | arguments |
/// |---|---|
/// | `tcp` | `host`, `port`; `timeout` (seconds, 30), `bindAddress` |
/// | `unix` | `path`; `timeout` |
/// | `tls` | `host`, `port`, `timeout`, `bindAddress`, `certificate`, `privateKey`, `trustRoots`, `endpoint` |
///
/// * Arguments in the order of the table need no name, those before the semicolon in `tcp` and
///   `unix`. `tcp:host=example.com:80` is all right too. A `:` or `\` in a value is written `\:` or
///   `\\`; see [`quote_string_argument`].
/// * A name is looked up, and all its addresses are tried.
/// * `certificate` and `privateKey` are PEM files with what this side shows to the other. `trustRoots`
///   is a folder of `.pem` files with the authorities that are trusted; without it, those that the
///   system trusts are. `endpoint` describes another endpoint to run TLS over; `host` is then only the
///   name that the other side's certificate has to be for.
///
/// `clock` is the reactor; in tests of timeouts, it may be another.
///
/// # Errors
///
/// When the description cannot be understood, or a file that it names cannot be read.
///
/// # Examples
///
/// ```
/// use hereafter_reactor::{Reactor, endpoints::client_from_string};
///
/// let reactor = Reactor::new()?;
/// let endpoint = client_from_string(&reactor, "tcp:host=example.com:port=80:timeout=5")?;
/// let by_socket = client_from_string(&reactor, "unix:/run/service.sock")?;
/// assert!(client_from_string(&reactor, "tcp:example.com:80:timeuot=5").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn client_from_string(
    clock: &(impl Clock + Clone + 'static),
    description: &str,
) -> Result<ClientEndpoint, EndpointError> {
    client(clock, description).map_err(|trouble| at(description, trouble))
}

fn client(
    clock: &(impl Clock + Clone + 'static),
    description: &str,
) -> Result<ClientEndpoint, Trouble> {
    let arguments = Arguments::parse(description)?;
    let name = arguments.name.to_ascii_lowercase();
    let (mut arguments, endpoint) = match name.as_str() {
        "tcp" => {
            let known = &["host", "port", "timeout", "bindAddress"];
            let mut arguments = arguments.with_names(known, 2)?;
            let (host, port) = (arguments.required("host")?, arguments.port()?);
            let endpoint = ClientEndpoint::tcp(clock, &host, port);
            let bind = arguments.ip("bindAddress")?;
            (arguments, endpoint.bind_address(bind))
        }
        #[cfg(unix)]
        "unix" => {
            let mut arguments = arguments.with_names(&["path", "timeout", "lockfile"], 1)?;
            // Twisted's clients look at the server's lock; ours find out by connecting.
            arguments.flag("lockfile")?;
            let path = arguments.required("path")?;
            (arguments, ClientEndpoint::unix(clock, path))
        }
        "tls" => {
            let known = &[
                "host",
                "port",
                "timeout",
                "bindAddress",
                "certificate",
                "privateKey",
                "trustRoots",
                "endpoint",
            ];
            let mut arguments = arguments.with_names(known, known.len())?;
            let (host, port) = (arguments.required("host")?, arguments.port()?);
            let config = super::tls::client_config(&mut arguments)?;
            let bind = arguments.ip("bindAddress")?;
            let inner = match arguments.take("endpoint") {
                Some(inner) => client_from_string(clock, &inner)
                    .map_err(|error| unfit("endpoint", &inner, error.trouble.to_string()))?,
                None => ClientEndpoint::tcp(clock, &host, port).bind_address(bind),
            };
            let endpoint = super::wrap_client_tls(config, &host, inner)
                .map_err(|error| unfit("host", &host, error.to_string()))?;
            (arguments, endpoint)
        }
        _ => {
            let known = if cfg!(unix) { &["tcp", "unix", "tls"][..] } else { &["tcp", "tls"] };
            return Err(Trouble::UnknownType { name: arguments.name, known });
        }
    };
    let endpoint = match arguments.timeout()? {
        Some(timeout) => endpoint.timeout(timeout),
        None => endpoint,
    };
    arguments.finish()?;
    Ok(endpoint)
}

/// The endpoint to listen on that `description` describes (Twisted's `serverFromString`).
///
/// | type | arguments |
/// |---|---|
/// | `tcp` | `port`, `interface`, `backlog` (50) |
/// | `unix` | `address` (the path), `mode` (octal, 666), `backlog`, `lockfile` (1) |
/// | `ssl`, `tls` | `port`, `privateKey` (server.pem), `certKey`, `interface`, `backlog`, `extraCertChain` |
///
/// * Arguments in this order need no name. `tcp:8080:interface=127.0.0.1` listens on loopback alone;
///   without an interface it is all of IPv4, and with `\:\:` all of IPv6. Port 0 is any that is free;
///   see [`Port::host`](super::Port::host).
/// * `lockfile=0` leaves a socket alone that a server left behind which is gone; otherwise it is
///   removed.
/// * `privateKey` and `certKey` are PEM files; without the latter, the first has both. With
///   `extraCertChain` go the certificates between that and one which clients trust.
///
/// `clock` is the reactor; in tests, it may be another.
///
/// # Errors
///
/// When the description cannot be understood, or a file that it names cannot be read.
///
/// # Examples
///
/// ```
/// use hereafter_reactor::{Reactor, endpoints::server_from_string};
///
/// let reactor = Reactor::new()?;
/// let endpoint = server_from_string(&reactor, "tcp:8080:interface=127.0.0.1:backlog=10")?;
/// let by_socket = server_from_string(&reactor, "unix:/run/service.sock:mode=660")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn server_from_string(
    clock: &(impl Clock + Clone + 'static),
    description: &str,
) -> Result<ServerEndpoint, EndpointError> {
    server(clock, description).map_err(|trouble| at(description, trouble))
}

fn server(
    clock: &(impl Clock + Clone + 'static),
    description: &str,
) -> Result<ServerEndpoint, Trouble> {
    let arguments = Arguments::parse(description)?;
    let (mut arguments, endpoint) = match arguments.name.as_str() {
        "tcp" => {
            let mut arguments = arguments.with_names(&["port", "interface", "backlog"], 3)?;
            let (port, interface) = (arguments.port()?, arguments.ip("interface")?);
            (arguments, ServerEndpoint::tcp(clock, interface, port))
        }
        #[cfg(unix)]
        "unix" => {
            let known = &["address", "mode", "backlog", "lockfile"];
            let mut arguments = arguments.with_names(known, known.len())?;
            let endpoint = ServerEndpoint::unix(clock, arguments.required("address")?)
                .mode(arguments.mode()?.unwrap_or(0o666))
                .take_over(arguments.flag("lockfile")?.unwrap_or(true));
            (arguments, endpoint)
        }
        "ssl" | "tls" => {
            let known =
                &["port", "privateKey", "certKey", "interface", "backlog", "extraCertChain"];
            let mut arguments = arguments.with_names(known, known.len())?;
            let (port, interface) = (arguments.port()?, arguments.ip("interface")?);
            let config = super::tls::server_config(&mut arguments)?;
            let inner = ServerEndpoint::tcp(clock, interface, port);
            (arguments, super::wrap_server_tls(config, inner))
        }
        _ => {
            let known = if cfg!(unix) {
                &["tcp", "unix", "ssl", "tls"][..]
            } else {
                &["tcp", "ssl", "tls"]
            };
            return Err(Trouble::UnknownType { name: arguments.name, known });
        }
    };
    let endpoint = match arguments.backlog()? {
        Some(backlog) => endpoint.backlog(backlog),
        None => endpoint,
    };
    arguments.finish()?;
    Ok(endpoint)
}

fn at(description: &str, trouble: Trouble) -> EndpointError {
    EndpointError { description: description.to_owned(), trouble }
}

/// Writes a value so that it can be part of a description (Twisted's `quoteStringArgument`).
///
/// # Examples
///
/// ```
/// use hereafter_reactor::endpoints::quote_string_argument;
/// let path = r"C:\keys\server.pem";
/// assert_eq!(format!("ssl:443:privateKey={}", quote_string_argument(path)),
///     r"ssl:443:privateKey=C\:\\keys\\server.pem");
/// ```
pub fn quote_string_argument(argument: &str) -> String {
    argument.replace('\\', "\\\\").replace(':', "\\:")
}
