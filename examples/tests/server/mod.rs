//! A web server that can misbehave in every way a link checker meets.
//!
//! It speaks HTTP by hand, one thread for each connection, for no server library agrees to break
//! off an answer, to send one without end, or to say nothing at all.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What the server does with a request.
#[derive(Clone)]
pub(crate) enum Answer {
    /// An HTML page.
    Html(String),
    /// Anything else, written out in full: status line, headers, body.
    Raw(String),
    /// HTML without end.
    Endless,
    /// HTML without end, a few bytes at a time.
    Drip,
    /// Nothing, ever.
    Silence,
    /// The connection is closed in the middle of the answer.
    BreakOff,
    /// The answers of the list, one for each request; the last one stays.
    InTurn(Vec<Answer>),
    /// This with an entity tag; nothing but a 304 for whoever has it already.
    Tagged(&'static str, Box<Answer>),
    /// This for GET; HEAD is answered with a status.
    GetOnly(&'static str, Box<Answer>),
    /// This, after a while.
    Late(Duration, Box<Answer>),
}

impl Answer {
    pub(crate) fn html(body: &str) -> Self {
        Self::Html(body.to_owned())
    }

    /// The answer whose turn it is when this was asked `earlier` times before.
    fn turn(&self, earlier: usize) -> &Self {
        match self {
            Self::InTurn(answers) => &answers[earlier.min(answers.len() - 1)],
            other => other,
        }
    }

    pub(crate) fn status(status: &str) -> Self {
        Self::Raw(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"))
    }

    pub(crate) fn redirect(status: &str, to: &str) -> Self {
        Self::Raw(format!("HTTP/1.1 {status}\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"))
    }

    pub(crate) fn busy(status: &str, retry_after: &str) -> Self {
        Self::Raw(format!(
            "HTTP/1.1 {status}\r\nRetry-After: {retry_after}\r\nContent-Length: 0\r\n\r\n"
        ))
    }

    pub(crate) fn text(content_type: &str, body: &str) -> Self {
        let length = body.len();
        Self::Raw(format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n\
             {body}"
        ))
    }
}

/// A running server. It runs until the test process ends.
pub(crate) struct Server {
    address: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
    most_at_once: Arc<AtomicUsize>,
    arrivals: Mutex<Receiver<String>>,
}

struct Site {
    pages: HashMap<String, Answer>,
    log: Arc<Mutex<Vec<String>>>,
    at_once: AtomicUsize,
    most_at_once: Arc<AtomicUsize>,
    arrivals: Mutex<Sender<String>>,
}

impl Server {
    /// Serves `pages` by path. `{here}` in a page stands for the server's own address.
    pub(crate) fn start<'a>(pages: impl IntoIterator<Item = (&'a str, Answer)>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, arrivals) = channel();
        let log = Arc::default();
        let most_at_once = Arc::default();
        let site = Arc::new(Site {
            pages: pages.into_iter().map(|(path, answer)| (path.to_owned(), answer)).collect(),
            log: Arc::clone(&log),
            at_once: AtomicUsize::new(0),
            most_at_once: Arc::clone(&most_at_once),
            arrivals: Mutex::new(sender),
        });
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let site = Arc::clone(&site);
                thread::spawn(move || site.converse(&connection));
            }
        });
        Self { address, log, most_at_once, arrivals: Mutex::new(arrivals) }
    }

    /// The address of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How often this was asked, such as `GET /`.
    pub(crate) fn asked(&self, request: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|entry| *entry == request).count()
    }

    /// How many requests were being answered at the same time.
    pub(crate) fn most_at_once(&self) -> usize {
        self.most_at_once.load(Ordering::SeqCst)
    }

    /// Waits until this is asked.
    pub(crate) fn wait_for(&self, request: &str) {
        let arrivals = self.arrivals.lock().unwrap();
        loop {
            match arrivals.recv_timeout(Duration::from_secs(20)) {
                Ok(arrived) if arrived == request => return,
                Ok(_) => {}
                Err(error) => panic!("waiting for {request}: {error}"),
            }
        }
    }
}

impl Site {
    /// Answers the requests of one connection.
    fn converse(&self, connection: &TcpStream) {
        let mut reader = BufReader::new(connection);
        let mut out = connection;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let mut words = line.split(' ');
            let method = words.next().unwrap_or_default().to_owned();
            let path = words.next().unwrap_or_default().to_owned();
            let mut header = String::new();
            let mut known = None;
            while reader.read_line(&mut header).unwrap_or(0) > 2 {
                if let Some(("if-none-match", tag)) = header.split_once(": ") {
                    known = Some(tag.trim().to_owned());
                }
                header.clear();
            }
            let request = format!("{method} {path}");
            let earlier = {
                let mut log = self.log.lock().unwrap();
                log.push(request.clone());
                log.iter().filter(|entry| **entry == request).count() - 1
            };
            self.arrivals.lock().unwrap().send(request).ok();

            let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_at_once.fetch_max(at_once, Ordering::SeqCst);
            let not_found = Answer::status("404 Not Found");
            let answer = self.pages.get(&path).unwrap_or(&not_found);
            let host = connection.local_addr().unwrap();
            let answer = answer.turn(earlier);
            let goes_on = match answer {
                Answer::Tagged(tag, _) if known.as_deref() == Some(*tag) => {
                    self.log.lock().unwrap().push(format!("304 {path}"));
                    give(&Answer::status("304 Not Modified"), &method, earlier, host, &mut out)
                }
                answer => give(answer, &method, earlier, host, &mut out),
            };
            self.at_once.fetch_sub(1, Ordering::SeqCst);
            if !goes_on {
                return;
            }
        }
    }
}

/// Sends an answer; whether the connection can go on.
fn give(
    answer: &Answer,
    method: &str,
    earlier: usize,
    here: SocketAddr,
    out: &mut impl Write,
) -> bool {
    let send = |text: &str, out: &mut dyn Write| out.write_all(text.as_bytes()).is_ok();
    match answer {
        Answer::Html(body) => {
            let body = body.replace("{here}", &here.to_string());
            let page = Answer::text("text/html; charset=utf-8", &body);
            give(&page, method, earlier, here, out)
        }
        Answer::Raw(text) if method == "HEAD" => {
            let head = text.find("\r\n\r\n").map_or(text.len(), |end| end + 4);
            send(&text[..head], out)
        }
        Answer::Raw(text) => send(text, out),
        Answer::Endless => {
            send("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", out);
            let more = "<p>and so on</p>\n".repeat(1000);
            while send(&more, out) {}
            false
        }
        Answer::Drip => {
            send("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", out);
            while send("<p>and so on</p>\n", out) {
                thread::sleep(Duration::from_millis(5));
            }
            false
        }
        Answer::Silence => loop {
            thread::park();
        },
        Answer::BreakOff => {
            send("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 100\r\n\r\n", out);
            send("<p>that is", out);
            false
        }
        Answer::InTurn(_) => give(answer.turn(earlier), method, earlier, here, out),
        Answer::Tagged(tag, answer) => {
            let Answer::Html(body) = &**answer else { panic!("only pages are tagged") };
            let length = body.len();
            let page = format!(
                "HTTP/1.1 200 OK\r\nETag: {tag}\r\nContent-Type: text/html\r\nContent-Length: \
                 {length}\r\n\r\n{body}"
            );
            give(&Answer::Raw(page), method, earlier, here, out)
        }
        Answer::GetOnly(status, _) if method == "HEAD" => {
            give(&Answer::status(status), method, earlier, here, out)
        }
        Answer::GetOnly(_, answer) => give(answer, method, earlier, here, out),
        Answer::Late(pause, answer) => {
            thread::sleep(*pause);
            give(answer, method, earlier, here, out)
        }
    }
}

/// A port on which nobody listens.
pub(crate) fn closed_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// The port of a TLS server whose certificate nobody has signed but itself.
pub(crate) fn self_signed_tls() -> u16 {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let config = Arc::clone(&config);
            thread::spawn(move || {
                let session = rustls::ServerConnection::new(config).unwrap();
                // The client turns away during the handshake, so nothing is ever read.
                let mut stream = rustls::StreamOwned::new(session, connection);
                let _ = stream.read(&mut [0; 1024]);
            });
        }
    });
    port
}
