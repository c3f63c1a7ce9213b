//! An HTTP client of protocols and Deferreds: the one by which Twisted's documentation explains
//! cancelling, grown up enough for real servers.
//!
//! ```text
//! cargo run --example http_client -- --include --timeout 5 http://127.0.0.1:8000/
//! ```
//!
//! A request is a Deferred. Cancelling it, as the timeout does, aborts the connection, at whatever
//! stage that is: the look-up, the connecting, the TLS handshake, or the answer.

#[path = "http_client/client.rs"]
mod client;
#[path = "http_client/response.rs"]
mod response;

use clap::Parser;
use client::get;
use hereafter::Failure;
use hereafter_reactor::task::{Exit, react};
use response::Response;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use url::Url;

#[derive(Parser)]
#[command(about = "Fetches a page")]
struct Arguments {
    /// What to fetch, by http or https.
    url: Url,
    /// Prints the status and the headers, too.
    #[arg(long, short)]
    include: bool,
    /// Gives up after so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0)]
    timeout: f64,
    /// A folder of .pem files with the authorities to trust, instead of the system's.
    #[arg(long, value_name = "FOLDER")]
    trust_roots: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    react(move |reactor| {
        let timeout = Duration::try_from_secs_f64(arguments.timeout).unwrap_or(Duration::MAX);
        get(reactor, &arguments.url, arguments.trust_roots.as_deref())
            .add_timeout(timeout, reactor)
            .add_callback(move |response| Ok(print(&response, arguments.include)?))
            .add_errback(|failure| {
                eprintln!("http_client: {failure}");
                Err(Failure::new(Exit(1)))
            })
    })
}

fn print(response: &Response, include: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if include {
        writeln!(out, "{} {}", response.status, response.reason)?;
        for (name, value) in &response.headers {
            writeln!(out, "{name}: {value}")?;
        }
        writeln!(out)?;
    }
    out.write_all(&response.body)?;
    out.flush()
}
