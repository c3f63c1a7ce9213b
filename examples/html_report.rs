//! `html_report`: a query whose result a second callback turns into HTML, for whoever asks by HTTP.
//!
//! ```text
//! cargo run --example html_report                     # on a free port of this machine
//! cargo run --example html_report -- 127.0.0.1:8080  # where you say; --help for help
//! ```
//!
//! It is the example by which Twisted's documents say what chains are for: adbapi gives back a
//! deferred of rows, and does not know what becomes of them. One callback makes a page of them,
//! another makes an answer of the page, and if anything goes wrong on the way, the errback at the
//! end makes an answer of that.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use clap::Parser as _;
use hereafter::{Deferred, Failure};
use hereafter_adbapi::{ConnectionPool, Row, params};
use hereafter_reactor::task::react;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;

const TABLES: &str = "
    CREATE TABLE crew (name TEXT PRIMARY KEY, pod TEXT, hours INTEGER NOT NULL);
    INSERT INTO crew VALUES
        ('Bowman', 'Pod <1>', 140), ('Poole', 'Pod <2>', 96), ('Hunter & Kimball', NULL, 0);
";

/// A page of what a database has
#[derive(clap::Parser)]
struct Arguments {
    /// Where to listen; port 0 is any that is free.
    #[arg(default_value = "127.0.0.1:0")]
    address: SocketAddr,
}

fn main() -> ExitCode {
    let Arguments { address } = Arguments::parse();
    react(move |_| {
        ConnectionPool::connect("sqlite::memory:")
            .add_callback(|pool| pool.run_operation(TABLES, params![]).map(|_| pool))
            .add_callback(move |pool| Deferred::from_coroutine(serve(address, pool)))
    })
}

/// Answers requests, until Ctrl-C.
async fn serve(address: SocketAddr, pool: ConnectionPool) -> Result<(), Failure> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    println!("http://{}/", listener.local_addr()?);
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let pool = pool.clone();
        // A deferred is a future, and that is all that hyper asks of an answer.
        let service = service_fn(move |request| answer(&pool, &request));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        // A client that goes away in the middle is no concern of the others.
        Deferred::from_future(connection).add_errback(|_| Ok(())).detach();
    }
}

/// The answer to a request, when the database has done its part.
fn answer(pool: &ConnectionPool, request: &Request<Incoming>) -> Deferred<Response<String>> {
    let page = match request.uri().path() {
        "/" => crew(pool),
        path => Deferred::fail(NotFound(path.to_owned())),
    };
    page.add_callback(|page| Ok(response(StatusCode::OK, page)?)).add_errback(|failure| {
        let status = match failure.check::<NotFound>() {
            Some(_) => StatusCode::NOT_FOUND,
            None => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Ok(response(status, format!("<!doctype html>\n<p>{}\n", escaped(&failure.to_string())))?)
    })
}

/// A page about the crew: the query, and the callback that turns its result into HTML.
fn crew(pool: &ConnectionPool) -> Deferred<String> {
    pool.run_query("SELECT name, pod, hours FROM crew ORDER BY hours DESC", params![])
        .add_callback(|rows| table("The crew", &rows))
}

/// Rows as a table, whatever they are about.
fn table(title: &str, rows: &[Row]) -> Result<String, Failure> {
    let mut page = format!("<!doctype html>\n<title>{title}</title>\n<table>\n");
    for row in rows {
        let (name, pod, hours) = row.read::<(String, Option<String>, i64)>()?;
        let pod = pod.unwrap_or_else(|| "asleep".to_owned());
        writeln!(page, "<tr><td>{}<td>{}<td>{hours}", escaped(&name), escaped(&pod))?;
    }
    page.push_str("</table>\n");
    Ok(page)
}

/// There is no such page.
#[derive(Debug, thiserror::Error)]
#[error("there is no {0} here")]
struct NotFound(String);

fn response(status: StatusCode, page: String) -> Result<Response<String>, hyper::http::Error> {
    Response::builder().status(status).header(CONTENT_TYPE, "text/html; charset=utf-8").body(page)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
