//! The server of the page, spoken to by hand.

mod common;

use common::{get, send, status, visited};
use hereafter::Deferred;
use hereafter_reactor::Reactor;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc;

#[test]
fn the_page_is_there_and_locked_in() {
    visited(|address, path, _| {
        let answer = get(address, path);
        assert_eq!(status(&answer), "200");
        let answer = answer.to_lowercase();
        assert!(answer.contains("content-type: text/html; charset=utf-8"));
        assert!(answer.contains("cache-control: no-store"));
        let policy = answer.lines().find(|line| line.starts_with("content-security-policy"));
        let policy = policy.unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    });
}

#[test]
fn data_come_from_the_reactors_thread() {
    let (trigger, d) = Deferred::<u32>::new();
    visited(|address, path, _| {
        let answer = get(address, &format!("{path}now"));
        assert_eq!(status(&answer), "200");
        assert!(answer.contains(r#""pending":"#), "{answer}");
        assert_eq!(status(&get(address, &format!("{path}deferreds?limit=x"))), "400");
        assert_eq!(status(&get(address, &format!("{path}deferred/0"))), "404");
    });
    drop((trigger, d.add_errback(|_| Ok(0))));
}

#[test]
fn strangers_are_refused() {
    visited(|address, path, _| {
        for target in ["/", "/now", "/index.html", "/00000000000000000000000000000000/", "*"] {
            let answer = get(address, target);
            assert!(["400", "404"].contains(&status(&answer)), "{target}: {answer}");
            assert!(!answer.contains(path.trim_matches('/')));
        }
        let host = |host: &str| {
            send(address, format!("GET {path} HTTP/1.1\r\n{host}Connection: close\r\n\r\n"))
        };
        assert_eq!(status(&host("Host: evil.example\r\n")), "421");
        assert_eq!(status(&host("Host: localhost\r\n")), "421");
        assert_eq!(status(&host("")), "400");
        assert_eq!(status(&host(&format!("Host: {address}\r\nHost: evil.example\r\n"))), "400");
        assert_eq!(status(&host(&format!("Host: localhost:{}\r\n", address.port()))), "200");
        let elsewhere = format!("http://evil.example{path}");
        assert_eq!(status(&get(address, &elsewhere)), "421");
    });
}

#[test]
fn nonsense_is_refused_and_does_no_harm() {
    visited(|address, path, _| {
        let post = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
        );
        assert_eq!(status(&send(address, post)), "405");
        assert_eq!(status(&get(address, &format!("{path}{}", "x".repeat(5_000)))), "414");
        assert_eq!(status(&get(address, &format!("{path}{}", "x".repeat(100_000)))), "414");
        assert_eq!(status(&send(address, "\0\u{1}\r\n\r\n")), "400");
        assert_eq!(status(&send(address, "GET / SPDY/9\r\n\r\n")), "400");
        assert_eq!(status(&get(address, path)), "200");
    });
}

#[test]
fn a_busy_reactor_is_said_to_be_busy() {
    visited(|address, path, reactor| {
        let (go_on, held) = mpsc::channel::<()>();
        let (tell, is_held) = mpsc::channel();
        reactor.call_from_thread(move || {
            tell.send(()).unwrap();
            let _ = held.recv();
        });
        is_held.recv().unwrap();
        let answer = get(address, &format!("{path}now"));
        assert_eq!(status(&answer), "503");
        assert!(answer.contains("the reactor has not answered for "), "{answer}");
        assert_eq!(status(&get(address, path)), "200");
        drop(go_on);
        assert_eq!(status(&get(address, &format!("{path}now"))), "200");
    });
}

#[test]
fn it_ends_with_the_reactor() {
    let (mut stream, address) = visited(|address, path, _| {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path}now HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
        assert_eq!(stream.read(&mut [0; 12]).unwrap(), 12);
        (stream, address)
    });
    // Whether it was closed in an orderly way is not the point.
    let _ = stream.read_to_end(&mut Vec::new());
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn other_machines_are_let_in_only_when_asked_for() {
    let reactor = Reactor::new().unwrap();
    let refused = hereafter_inspector::serve(&reactor, "0.0.0.0:0".parse().unwrap()).unwrap_err();
    assert!(refused.to_string().contains("serve_to_others"), "{refused}");
    let page =
        hereafter_inspector::serve_to_others(&reactor, "0.0.0.0:0".parse().unwrap()).unwrap();
    assert!(!format!("{page:?}").contains(&page.url()[page.url().len() - 33..]));
}

#[test]
fn an_address_that_is_taken_is_refused() {
    let reactor = Reactor::new().unwrap();
    let page = hereafter_inspector::serve(&reactor, "127.0.0.1:0".parse().unwrap()).unwrap();
    assert!(hereafter_inspector::serve(&reactor, page.address()).is_err());
}
