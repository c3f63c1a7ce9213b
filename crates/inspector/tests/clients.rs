//! Clients that are slow, too many, or talk nonsense: the page stays where it is for the others.

mod common;

use common::{get, rest, send, status, visited};
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};

/// Nearly as many as the files that a process may usually have open.
const CROWD: usize = 900;

/// More than the server has room for.
const MANY: usize = 100;

fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).unwrap()
}

fn is_served(address: SocketAddr, path: &str) {
    assert_eq!(status(&get(address, path)), "200");
    assert_eq!(status(&get(address, &format!("{path}now"))), "200");
}

#[test]
fn who_says_nothing_keeps_nobody_out() {
    visited(|address, path, _| {
        let mut crowd: Vec<_> = (0..CROWD).map(|_| connect(address)).collect();
        is_served(address, path);
        // Those who came first have been let go.
        for stream in &mut crowd[..CROWD - MANY] {
            assert_eq!(rest(stream), "");
        }
        drop(crowd);
        is_served(address, path);
    });
}

#[test]
fn who_sends_a_byte_at_a_time_is_answered_and_keeps_nobody_out() {
    visited(|address, path, _| {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        let mut slow: Vec<_> = (0..MANY).map(|_| connect(address)).collect();
        for byte in &request.as_bytes()[..request.len() / 2] {
            for stream in &mut slow {
                // Most have been let go.
                let _ = stream.write_all(&[*byte]);
            }
        }
        is_served(address, path);
        drop(slow);
        let mut patient = connect(address);
        for byte in request.as_bytes() {
            patient.write_all(&[*byte]).unwrap();
        }
        assert_eq!(status(&rest(&mut patient)), "200");
    });
}

#[test]
fn who_asks_and_never_reads_keeps_nobody_out() {
    visited(|address, path, _| {
        // The answers are more than the system takes for one who does not read.
        let asks = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").repeat(200);
        let deaf: Vec<_> = (0..MANY)
            .map(|_| {
                let mut stream = connect(address);
                stream.write_all(asks.as_bytes()).unwrap();
                stream
            })
            .collect();
        is_served(address, path);
        drop(deaf);
        is_served(address, path);
    });
}

#[test]
fn who_knows_the_address_stays_when_strangers_come() {
    visited(|address, path, _| {
        let mut known = connect(address);
        let ask = format!("GET {path}lost HTTP/1.1\r\nHost: {address}\r\n");
        write!(known, "{ask}\r\n").unwrap();
        known.peek(&mut [0]).unwrap();
        let strangers: Vec<_> = (0..MANY).map(|_| connect(address)).collect();
        is_served(address, path);
        write!(known, "{ask}Connection: close\r\n\r\n").unwrap();
        let answers = rest(&mut known);
        assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
        drop(strangers);
    });
}

#[test]
fn requests_that_are_sent_at_once_are_answered_in_turn() {
    visited(|address, path, _| {
        let ask =
            |what, more| format!("GET {path}{what} HTTP/1.1\r\nHost: {address}\r\n{more}\r\n");
        let answers = send(address, ask("now", "") + &ask("nothing", "Connection: close\r\n"));
        let (first, second) = answers.split_once("there is no such question").unwrap();
        assert_eq!((status(first), second), ("200", "\n"));
        assert!(first.contains("HTTP/1.1 404 Not Found"), "{first}");
    });
}

#[test]
fn what_is_no_request_is_refused_and_forgotten() {
    visited(|address, path, _| {
        let host = format!("Host: {address}\r\n");
        let garbage: [Vec<u8>; 12] = [
            vec![0; 10_000],
            (0..=255).cycle().take(100_000).collect(),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            format!("GET {path}\r\n").into(),
            format!("GET {path} HTTP/9.9\r\n{host}\r\n").into(),
            format!("GET {path}\0 HTTP/1.1\r\n{host}\r\n").into(),
            format!("GET {path} HTTP/1.1\r\n{host}X: \0\r\n\r\n").into(),
            format!("GET {path} HTTP/1.1\r\n{host}X: {}\r\n\r\n", "x".repeat(1 << 21)).into(),
            format!("GET {path} HTTP/1.1\r\n{host}{}\r\n", "X: y\r\n".repeat(10_000)).into(),
            format!("GET {path} HTTP/1.1\r\n{host} folded: x\r\n\r\n").into(),
            format!("POST {path} HTTP/1.1\r\n{host}Content-Length: -1\r\n\r\n").into(),
        ];
        for nonsense in garbage {
            let answer = send(address, &nonsense);
            let begins = String::from_utf8_lossy(&nonsense[..nonsense.len().min(100)]).into_owned();
            // Who is still sending when the answer is there may not see it.
            assert!(["400", "431", "nothing"].contains(&status(&answer)), "{begins:?}: {answer}");
        }
        let unfinished = format!(
            "POST {path} HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx"
        );
        assert_eq!(status(&send(address, unfinished)), "405");
        is_served(address, path);
    });
}
