//! What can go wrong with connections.
//!
//! Each is a type of its own, as in Twisted, so that `trap` and `check` can tell them apart; and
//! each says what was to be reached and what the operating system said to that.

use crate::protocol::Address;
use core::fmt;
use std::io;
use thiserror::Error;

/// The connection was closed in good order (Twisted's `ConnectionDone`): by the other side, or by
/// [`lose_connection`](crate::Transport::lose_connection).
///
/// # Examples
///
/// ```
/// use hereafter_reactor::errors::ConnectionDone;
/// assert_eq!(ConnectionDone.to_string(), "the connection was closed cleanly");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the connection was closed cleanly")]
pub struct ConnectionDone;

/// The connection was not closed, but lost (Twisted's `ConnectionLost`): the network or the other
/// side broke it off, or the reactor came to its end.
///
/// # Examples
///
/// ```
/// use hereafter_reactor::errors::ConnectionLost;
/// assert_eq!(ConnectionLost::at_the_end().to_string(), "the connection was lost: the reactor has stopped");
/// ```
#[derive(Debug, Error)]
#[error("the connection was lost: {source}")]
pub struct ConnectionLost {
    /// How it came to light.
    #[source]
    pub source: io::Error,
}

impl ConnectionLost {
    /// The reactor has stopped, and its connections with it.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::errors::ConnectionLost;
    /// assert!(ConnectionLost::at_the_end().to_string().contains("stopped"));
    /// ```
    pub fn at_the_end() -> Self {
        Self { source: io::Error::other("the reactor has stopped") }
    }
}

/// This side broke the connection off (Twisted's `ConnectionAborted`), by
/// [`abort_connection`](crate::Transport::abort_connection).
///
/// # Examples
///
/// ```
/// use hereafter_reactor::errors::ConnectionAborted;
/// assert_eq!(ConnectionAborted.to_string(), "the connection was aborted by this side");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the connection was aborted by this side")]
pub struct ConnectionAborted;

/// A name has no address, or none could be asked for (Twisted's `DNSLookupError`).
///
/// # Examples
///
/// ```
/// use hereafter_reactor::errors::DnsLookupError;
/// fn tell(error: &DnsLookupError) {
///     eprintln!("is {:?} spelt correctly?", error.host);
/// }
/// # let _ = tell;
/// ```
#[derive(Debug, Error)]
#[error("the name {host:?} could not be looked up: {source}")]
pub struct DnsLookupError {
    /// The name.
    pub host: String,
    /// What was the matter.
    #[source]
    pub source: io::Error,
}

/// A connection could not be made (Twisted's `ConnectError` and its subclasses).
///
/// # Examples
///
/// ```
/// use hereafter_reactor::errors::ConnectError;
/// use std::io::ErrorKind;
///
/// fn is_refused(error: &ConnectError) -> bool {
///     error.source.kind() == ErrorKind::ConnectionRefused
/// }
/// # let _ = is_refused;
/// ```
#[derive(Debug, Error)]
#[error("cannot connect to {to}: {source}")]
pub struct ConnectError {
    /// What was to be reached.
    pub to: Address,
    /// What the operating system said; its `kind` says what Twisted says by subclasses.
    #[source]
    pub source: io::Error,
}

/// The other side was reached, but TLS could not be agreed on (Twisted's `SSL.Error` and
/// `VerificationError`): its certificate is not trusted, is out of date or is for another name, or
/// it does not speak TLS.
///
/// # Examples
///
/// ```
/// use hereafter_reactor::errors::TlsError;
/// fn tell(error: &TlsError) {
///     eprintln!("no TLS with {}: {}", error.peer, error.source);
/// }
/// # let _ = tell;
/// ```
#[derive(Debug, Error)]
#[error("the TLS handshake with {peer} failed: {source}")]
pub struct TlsError {
    /// The name that was to be verified; on the side of a server, the address of the client.
    pub peer: String,
    /// What was the matter.
    #[source]
    pub source: io::Error,
}

/// Nothing can be listened for at an address (Twisted's `CannotListenError`).
///
/// # Examples
///
/// ```
/// use hereafter_reactor::errors::CannotListenError;
/// fn tell(error: &CannotListenError) {
///     eprintln!("is something else at {}?", error.on);
/// }
/// # let _ = tell;
/// ```
#[derive(Debug, Error)]
#[error("cannot listen on {on}: {source}")]
pub struct CannotListenError {
    /// The interface and port, or the path.
    pub on: String,
    /// What was the matter.
    #[source]
    pub source: io::Error,
}

/// A factory gave no protocol for a connection, which was closed therefore (Twisted's
/// `NoProtocol`).
///
/// # Examples
///
/// ```
/// use hereafter_reactor::errors::NoProtocol;
/// assert!(NoProtocol.to_string().contains("factory"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the factory gave no protocol for the connection")]
pub struct NoProtocol;

/// A transport has a producer already; it has to be unregistered first.
///
/// # Examples
///
/// ```
/// use hereafter_reactor::errors::ProducerRegistered;
/// assert!(ProducerRegistered.to_string().contains("unregister_producer"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the transport has a producer already; call unregister_producer first")]
pub struct ProducerRegistered;

/// A string is too long for the prefix that is to say how long it is (Twisted's
/// `StringTooLongError`).
///
/// # Examples
///
/// ```
/// use hereafter_reactor::errors::StringTooLongError;
/// let error = StringTooLongError { length: 70_000, limit: 65_535 };
/// assert_eq!(error.to_string(), "a string of 70000 bytes is too long for a prefix that goes to 65535");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a string of {length} bytes is too long for a prefix that goes to {limit}")]
pub struct StringTooLongError {
    /// The length of the string.
    pub length: usize,
    /// What the prefix can say at most.
    pub limit: usize,
}

/// What is wrong with the description of an endpoint.
///
/// # Examples
///
/// ```
/// use hereafter_reactor::{Reactor, endpoints::server_from_string};
///
/// let reactor = Reactor::new()?;
/// let error = server_from_string(&reactor, "tcp:http").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "the endpoint \"tcp:http\": port is \"http\", which is not a number from 0 to 65535"
/// );
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the endpoint {description:?}: {trouble}")]
pub struct EndpointError {
    /// The description as it was given.
    pub description: String,
    /// What is wrong with it.
    pub trouble: Trouble,
}

/// What is wrong with the description of an endpoint; see [`EndpointError`].
///
/// # Examples
///
/// ```
/// use hereafter_reactor::{Reactor, endpoints::client_from_string, errors::Trouble};
///
/// let reactor = Reactor::new()?;
/// let error = client_from_string(&reactor, "tcp:example.com").unwrap_err();
/// assert_eq!(error.trouble, Trouble::Missing { argument: "port" });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// There is no endpoint of this type.
    UnknownType {
        /// The first word of the description.
        name: String,
        /// The types that there are.
        known: &'static [&'static str],
    },
    /// An argument is missing that has to be there.
    Missing {
        /// Its name.
        argument: &'static str,
    },
    /// An argument has no place in this type of endpoint.
    Unknown {
        /// Its name.
        argument: String,
        /// Those that have.
        known: Vec<&'static str>,
    },
    /// There are more arguments than places for them.
    TooMany {
        /// The first of those without a place.
        value: String,
    },
    /// An argument was given twice.
    Twice {
        /// Its name.
        argument: String,
    },
    /// The last letter is a backslash, with nothing after it to escape.
    Escape,
    /// The value of an argument is of no use.
    Value {
        /// Its name.
        argument: String,
        /// Its value.
        value: String,
        /// What is the matter with it.
        why: String,
    },
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownType { name, known } => {
                write!(f, "there is no type {name:?}; there are {}", known.join(", "))
            }
            Self::Missing { argument } => write!(f, "{argument} is missing"),
            Self::Unknown { argument, known } => {
                write!(f, "there is no argument {argument:?}; there are {}", known.join(", "))
            }
            Self::TooMany { value } => {
                write!(f, "{value:?} is one argument too many; escape a ':' in a value as '\\:'")
            }
            Self::Twice { argument } => write!(f, "{argument} was given twice"),
            Self::Escape => f.write_str("there is nothing after the last '\\'; write it twice"),
            Self::Value { argument, value, why } => write!(f, "{argument} is {value:?}, {why}"),
        }
    }
}
