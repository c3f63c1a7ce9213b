//! Who may see the page.
//!
//! It tells a lot of a program, so it answers only who knows its address: a token is part of that.
//! Other pages of the same browser can send requests here as well; they do not know the token, and
//! cannot learn it, for no answer may be read, framed or kept by them.

use super::Answer;
use core::fmt;
use core::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use subtle::ConstantTimeEq;

/// How long the token is: 128 random bits.
const BYTES: usize = 16;

/// The longest request target that is looked at.
const LONGEST: usize = 4096;

/// Decides which requests are answered.
///
/// # Examples
///
/// ```
/// use hereafter_insight::page::{Admitted, Gate};
///
/// let gate = Gate::new(["127.0.0.1:8080", "localhost:8080"])?;
/// let target = format!("{}now", gate.path());
/// assert!(matches!(gate.admit("GET", &target, Some("localhost:8080")), Ok(Admitted::Data("now"))));
/// assert_eq!(gate.admit("GET", "/now", Some("localhost:8080")).unwrap_err().status, 404);
/// assert_eq!(gate.admit("GET", &target, Some("evil.example")).unwrap_err().status, 421);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Gate {
    path: String,
    hosts: Option<Vec<String>>,
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admitted<'a> {
    /// The page itself.
    Page,
    /// Data, by this for [`answer`](super::answer).
    Data(&'a str),
}

impl Gate {
    /// A gate with a new token. Requests must name one of `hosts` as the host that they were sent
    /// to, with its port: by that, a name of somebody else's that leads to this machine is found
    /// out.
    ///
    /// # Errors
    ///
    /// The system has no random bits.
    ///
    /// # Examples
    ///
    /// See [`Gate`].
    pub fn new<H: Into<String>>(hosts: impl IntoIterator<Item = H>) -> io::Result<Self> {
        let hosts = hosts.into_iter().map(Into::into).collect();
        Ok(Self { path: secret_path()?, hosts: Some(hosts) })
    }

    /// A gate with a new token, for a server that listens at `address` of this machine alone.
    ///
    /// # Errors
    ///
    /// The system has no random bits.
    ///
    /// # Examples
    ///
    /// ```
    /// let address = "127.0.0.1:8080".parse().unwrap();
    /// let gate = hereafter_insight::page::Gate::local(address)?;
    /// assert!(gate.admit("GET", gate.path(), Some("localhost:8080")).is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn local(address: SocketAddr) -> io::Result<Self> {
        let names = [address.ip().to_string(), "localhost".to_owned()];
        let port = address.port();
        let mut hosts: Vec<_> = names
            .iter()
            .map(|name| match address {
                SocketAddr::V6(_) if name.contains(':') => format!("[{name}]:{port}"),
                _ => format!("{name}:{port}"),
            })
            .collect();
        // A browser does not name the port that is usual.
        if port == 80 {
            hosts.extend(names);
        }
        Self::new(hosts)
    }

    /// A gate with a new token, for a server that is reached by names that it does not know.
    ///
    /// # Errors
    ///
    /// The system has no random bits.
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = hereafter_insight::page::Gate::for_any_host()?;
    /// assert!(gate.admit("GET", gate.path(), Some("build.example:8080")).is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn for_any_host() -> io::Result<Self> {
        Ok(Self { path: secret_path()?, hosts: None })
    }

    /// The path of the page, with the token in it, between slashes.
    ///
    /// # Examples
    ///
    /// ```
    /// let gate = hereafter_insight::page::Gate::for_any_host()?;
    /// assert_eq!(gate.path().len(), 34);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What a request asks for, if it may: its method, its target (path and query), and its `Host`
    /// header.
    ///
    /// # Errors
    ///
    /// What to answer to it instead.
    ///
    /// # Examples
    ///
    /// See [`Gate`].
    pub fn admit<'a>(
        &self,
        method: &str,
        target: &'a str,
        host: Option<&str>,
    ) -> Result<Admitted<'a>, Answer> {
        if target.len() > LONGEST {
            return Err(Answer::words(414, "the address is too long"));
        }
        let host = host.ok_or_else(|| Answer::words(400, "there is no Host header"))?;
        let is_ours =
            |hosts: &Vec<String>| hosts.iter().any(|known| known.eq_ignore_ascii_case(host));
        if !self.hosts.as_ref().is_none_or(is_ours) {
            return Err(Answer::words(421, "this is not the host that was asked for"));
        }
        let stranger = || Answer::words(404, "there is nothing here; the address needs its token");
        let (path, rest) = target.split_at_checked(self.path.len()).ok_or_else(stranger)?;
        if !bool::from(path.as_bytes().ct_eq(self.path.as_bytes())) {
            return Err(stranger());
        }
        if method != "GET" {
            return Err(Answer::words(405, "this can only be read: use GET"));
        }
        Ok(if rest.is_empty() { Admitted::Page } else { Admitted::Data(rest) })
    }
}

impl fmt::Debug for Gate {
    /// Without the token, which should not get into logs by chance.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

fn secret_path() -> io::Result<String> {
    let mut token = [0; BYTES];
    getrandom::fill(&mut token).map_err(|error| {
        io::Error::other(format!("no random bits for the page's token: {error}"))
    })?;
    let mut path = String::from("/");
    for byte in token {
        // Writing to a `String` cannot fail.
        let _ = write!(path, "{byte:02x}");
    }
    path.push('/');
    Ok(path)
}
