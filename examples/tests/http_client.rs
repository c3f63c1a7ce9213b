//! Runs the built `http_client` against servers that behave and servers that do not.

mod program;
#[allow(dead_code, reason = "linkcheck needs more of it")]
mod server;

use std::fs;
use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, TcpListener};
use std::process::Output;
use std::sync::mpsc::channel;
use std::thread;

use axum::Router;
use bytes::Bytes;
use hereafter_reactor::endpoints::server_from_string;
use hereafter_reactor::{Address, Protocol, Reactor, RunOptions, Transport};
use program::example;
use server::{Answer, Server, closed_port, self_signed_tls};
use tower_http::services::ServeDir;

fn fetch(arguments: &[&str]) -> Output {
    example("http_client").args(arguments).output().unwrap()
}

/// What is printed of a page, which must go well.
#[track_caller]
fn fetched(arguments: &[&str]) -> String {
    let output = fetch(arguments);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    String::from_utf8(output.stdout).unwrap()
}

/// What is said of a page that cannot be fetched.
#[track_caller]
fn trouble(arguments: &[&str]) -> String {
    let output = fetch(arguments);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    String::from_utf8(output.stderr).unwrap()
}

/// Serves a folder with a server that other people have written.
fn serve(folder: &str) -> String {
    let (sender, started) = channel();
    let app = Router::new().fallback_service(ServeDir::new(folder));
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            sender.send(listener.local_addr().unwrap()).unwrap();
            axum::serve(listener, app).await
        })
    });
    format!("http://{}", started.recv().unwrap())
}

#[test]
fn a_file_comes_as_it_is() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/http_client");
    let root = serve(folder);
    let expected = fs::read_to_string(format!("{folder}/response.rs")).unwrap();
    assert_eq!(fetched(&[&format!("{root}/response.rs")]), expected);
    let whole = fetched(&["--include", &format!("{root}/response.rs?what=ever")]);
    assert!(whole.starts_with("200 OK\n"), "{whole}");
    assert!(whole.to_lowercase().contains(&format!("\ncontent-length: {}\n", expected.len())));
    assert!(whole.ends_with(&format!("\n\n{expected}")));
    assert!(fetched(&["-i", &format!("{root}/nothing")]).starts_with("404 Not Found\n"));
}

#[test]
fn a_body_may_come_in_chunks_or_end_with_the_connection() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                   6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n";
    let site = Server::start([("/chunks", Answer::Raw(chunked.to_owned()))]);
    assert_eq!(fetched(&[&site.url("/chunks")]), "hello world");
    assert_eq!(site.asked("GET /chunks"), 1);
}

#[test]
fn what_goes_wrong_is_said() {
    let site = Server::start([
        ("/broken-off", Answer::BreakOff),
        ("/no-http", Answer::Raw("220 mail.test\r\n\r\n".to_owned())),
    ]);
    for (url, told) in [
        (site.url("/broken-off"), "the connection was closed before the answer was complete"),
        (site.url("/no-http"), "the answer cannot be understood: invalid HTTP version"),
        (format!("http://127.0.0.1:{}/", closed_port()), "cannot connect to 127.0.0.1:"),
        ("http://no..name/".to_owned(), "the name \"no..name\" could not be looked up"),
        ("ftp://127.0.0.1/".to_owned(), "cannot fetch by ftp, only by http and https"),
        (format!("https://localhost:{}/", self_signed_tls()), "it is self-signed, or its issuer"),
    ] {
        let stderr = trouble(&[&url]);
        assert!(stderr.starts_with("http_client: ") && stderr.contains(told), "{url}: {stderr}");
    }
}

#[test]
fn a_timeout_aborts_the_connection() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        // It gets no answer, and ends with a reset.
        let end = connection.read_to_end(&mut request).map_err(|error| error.kind());
        (String::from_utf8(request).unwrap(), end)
    });
    let told = trouble(&["--timeout", "0.5", &format!("http://{address}/slow")]);
    assert_eq!(told, "http_client: no result after 0.5 seconds\n");
    let (request, end) = server.join().unwrap();
    assert!(request.starts_with("GET /slow HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("\r\nHost: {address}\r\n")), "{request}");
    assert_eq!(end, Err(ErrorKind::ConnectionReset));
}

/// Answers everything in the same way.
struct Same;

impl Protocol for Same {
    fn data_received(&self, transport: &Transport, _: Bytes) {
        transport.write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret");
        transport.lose_connection();
    }
}

#[test]
fn https_needs_a_certificate_that_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (key, trusted) = (folder.path().join("server.pem"), folder.path().join("trusted"));
    fs::write(&key, cert.pem() + &signing_key.serialize_pem()).unwrap();
    fs::create_dir(&trusted).unwrap();
    fs::write(trusted.join("own.pem"), cert.pem()).unwrap();

    let (sender, started) = channel();
    let description = format!("ssl:0:privateKey={}:interface=127.0.0.1", key.display());
    let server = thread::spawn(move || {
        let reactor = Reactor::new().unwrap();
        let endpoint = server_from_string(&reactor, &description).unwrap();
        let remote = reactor.remote();
        endpoint
            .listen(|_: &Address| Same)
            .map(move |port| sender.send((port.host().port().unwrap(), remote)).unwrap())
            .detach();
        reactor.run_with(RunOptions::default().signals(false)).unwrap();
    });
    let (port, remote) = started.recv().unwrap();
    let url = format!("https://localhost:{port}/");
    assert_eq!(fetched(&["--trust-roots", trusted.to_str().unwrap(), &url]), "secret");
    remote.stop();
    server.join().unwrap();
}
