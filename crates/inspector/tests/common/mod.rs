//! A reactor with a page, and clients that speak to it by hand.

use hereafter_reactor::{Reactor, RemoteReactor, RunOptions};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;

/// Sends this, and reads until the server closes.
pub(crate) fn send(address: SocketAddr, request: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    // A server that has seen enough may close before it has read all.
    let _ = stream.write_all(request.as_ref());
    rest(&mut stream)
}

/// All that comes until the server closes, in an orderly way or not.
pub(crate) fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

pub(crate) fn get(address: SocketAddr, target: &str) -> String {
    send(address, format!("GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"))
}

pub(crate) fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("nothing")
}

/// Runs a reactor with a page, and `visit` on a thread of its own meanwhile: with the address that
/// it listens at, the path of the page, and the reactor.
pub(crate) fn visited<T: Send + 'static>(
    visit: impl FnOnce(SocketAddr, &str, &RemoteReactor) -> T + Send + 'static,
) -> T {
    let reactor = Reactor::new().unwrap();
    let page = hereafter_inspector::serve(&reactor, "127.0.0.1:0".parse().unwrap()).unwrap();
    let stop = Stop(reactor.remote());
    let address = page.address();
    let path = page.url().strip_prefix(&format!("http://{address}")).unwrap().to_owned();
    let visitor = thread::spawn(move || {
        let seen = visit(address, &path, &stop.0);
        drop(stop);
        seen
    });
    reactor.run_with(RunOptions::default().signals(false)).unwrap();
    visitor.join().unwrap()
}

/// Stops a reactor, also when a test fails.
struct Stop(RemoteReactor);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.stop();
    }
}
