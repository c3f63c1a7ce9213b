//! What can be said about a link, as one error type.
//!
//! A request that went wrong travels through the callback chains as a `Failure` around a
//! [`Problem`]; the report turns the same value into a row. The `kind` of a problem is part of the
//! JSON schema, so it never changes; the message is for people and may.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How bad a row is. The order is the order of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// The link leads nowhere.
    Broken,
    /// The link works, but something about the page or the link is not right.
    Warning,
    /// Worth knowing; never changes the exit code.
    Note,
}

/// One thing to report about a URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub(crate) enum Problem {
    #[error("not a usable address: {0}")]
    BadUrl(String),
    #[error("{}", status_line(*.0))]
    Status(u16),
    #[error("{}, and asks to be left alone for {} s", status_line(*.status), .pause.as_secs())]
    Busy { status: u16, pause: Duration },
    #[error("connection refused")]
    Refused,
    #[error("connection lost before the answer was complete")]
    Lost,
    #[error("the host name cannot be resolved")]
    Dns,
    #[error("TLS: {0}")]
    Tls(String),
    #[error("no complete answer within {} s", .0.as_secs_f64())]
    Timeout(Duration),
    #[error("the body is larger than {0} bytes; reading stopped there")]
    BodyTooLarge(u64),
    #[error("the redirects go round in a circle, back to {0}")]
    RedirectLoop(String),
    #[error("more than {0} redirects")]
    TooManyRedirects(usize),
    #[error("redirect without a usable Location: {0}")]
    BadRedirect(String),
    #[error("the page has no anchor #{0}")]
    MissingAnchor(String),
    #[error("no connection: {0}")]
    Unreachable(String),
    #[error("the answer is not proper HTTP: {0}")]
    Protocol(String),
    #[error("invalid HTML on line {line}: {code}{}", and_more(*.more))]
    InvalidHtml { line: u32, code: Cow<'static, str>, more: u32 },
    #[error("this page could not be read, by a fault of the checker: {0}")]
    Unreadable(String),
    #[error("unknown scheme {0}:")]
    UnknownScheme(String),
    #[error("moved permanently to {0}")]
    MovedPermanently(String),
    #[error("not fetched: robots.txt forbids it")]
    Robots,
    #[error("not fetched: robots.txt cannot be had ({0})")]
    RobotsUnavailable(String),
    #[error("{0}; nothing can start here without --ignore-robots")]
    ShutOut(Box<Problem>),
}

impl Problem {
    /// The stable name of this sort of problem in `--json`.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::BadUrl(_) => "bad-url",
            Self::Status(_) | Self::Busy { .. } => "http-status",
            Self::Refused => "connection-refused",
            Self::Lost => "connection-lost",
            Self::Dns => "dns",
            Self::Tls(_) => "tls",
            Self::Timeout(_) => "timeout",
            Self::BodyTooLarge(_) => "body-too-large",
            Self::RedirectLoop(_) => "redirect-loop",
            Self::TooManyRedirects(_) => "too-many-redirects",
            Self::BadRedirect(_) => "bad-redirect",
            Self::MissingAnchor(_) => "missing-anchor",
            Self::Unreachable(_) => "unreachable",
            Self::Protocol(_) => "protocol",
            Self::InvalidHtml { .. } => "invalid-html",
            Self::Unreadable(_) => "unreadable",
            Self::UnknownScheme(_) => "unknown-scheme",
            Self::MovedPermanently(_) => "moved-permanently",
            Self::Robots => "robots",
            Self::RobotsUnavailable(_) => "robots-unavailable",
            Self::ShutOut(problem) => problem.kind(),
        }
    }

    /// The same about an address to start from: if that may not be fetched, nothing is checked,
    /// and it would be wrong to call the site fine.
    pub(crate) fn at_start(self) -> Self {
        match self {
            Self::Robots | Self::RobotsUnavailable(_) => Self::ShutOut(Box::new(self)),
            other => other,
        }
    }

    /// How bad it is.
    pub(crate) fn severity(&self) -> Severity {
        match self {
            Self::InvalidHtml { .. } | Self::UnknownScheme(_) | Self::RobotsUnavailable(_) => {
                Severity::Warning
            }
            Self::MovedPermanently(_) | Self::Robots => Severity::Note,
            _ => Severity::Broken,
        }
    }

    /// The HTTP status behind the problem, if there is one.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Status(status) | Self::Busy { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Sorts an error of the HTTP client: its chain of sources says what really went wrong.
    pub(crate) fn from_client_error(error: &reqwest::Error) -> Self {
        if error.is_dns() {
            return Self::Dns;
        }
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
        let mut innermost = error.to_string();
        while let Some(current) = source {
            innermost = current.to_string();
            if let Some(tls) = current.downcast_ref::<rustls::Error>() {
                return Self::Tls(tls.to_string());
            }
            if let Some(io) = current.downcast_ref::<std::io::Error>() {
                use std::io::ErrorKind::{
                    BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset,
                    UnexpectedEof,
                };
                match io.kind() {
                    ConnectionRefused => return Self::Refused,
                    ConnectionReset | ConnectionAborted | BrokenPipe | UnexpectedEof => {
                        return Self::Lost;
                    }
                    _ => {}
                }
                // An error that an `io::Error` only carries is not among its sources.
                if let Some(inner) = io.get_ref() {
                    source = Some(inner);
                    continue;
                }
            }
            if let Some(http) = current.downcast_ref::<hyper::Error>()
                && (http.is_incomplete_message() || http.is_closed())
            {
                return Self::Lost;
            }
            source = current.source();
        }
        if error.is_connect() { Self::Unreachable(innermost) } else { Self::Protocol(innermost) }
    }
}

/// `404 Not Found`, or the bare number for a status without a name.
fn status_line(status: u16) -> String {
    let name = reqwest::StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason());
    name.map_or_else(|| format!("status {status}"), |name| format!("{status} {name}"))
}

fn and_more(more: u32) -> String {
    if more == 0 { String::new() } else { format!(" (and {more} more)") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_trouble() {
        assert_eq!(Problem::Status(404).to_string(), "404 Not Found");
        assert_eq!(Problem::Status(799).to_string(), "status 799");
        assert_eq!(
            Problem::InvalidHtml { line: 3, code: "eof-in-tag".into(), more: 2 }.to_string(),
            "invalid HTML on line 3: eof-in-tag (and 2 more)"
        );
    }

    #[test]
    fn only_notes_and_warnings_are_not_broken() {
        assert_eq!(Problem::Refused.severity(), Severity::Broken);
        assert_eq!(Problem::UnknownScheme("htp".into()).severity(), Severity::Warning);
        assert_eq!(Problem::Robots.severity(), Severity::Note);
        assert!(Severity::Broken < Severity::Warning && Severity::Warning < Severity::Note);
    }
}
