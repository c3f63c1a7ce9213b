//! Row G4 of the contract, with the real Twisted as the other side: the same protocols in both, and
//! each as the client of the other.
//!
//! It needs a Python that has Twisted, whose path is in `HEREAFTER_TWISTED_PYTHON`; `cargo xtask test`
//! sees to that. Without, there is nothing that it could do.

#[path = "../common/mod.rs"]
mod common;

use bytes::{BufMut, Bytes, BytesMut};
use common::{Echo, Record, Recorder, TestResult, listen, settle};
use hereafter::{Deferred, Failure, gather_results};
use hereafter_reactor::endpoints::{ClientEndpoint, connect_protocol};
use hereafter_reactor::errors::{ConnectionAborted, ConnectionDone, ConnectionLost};
use hereafter_reactor::protocols::{
    Int32StringReceiver, LineProtocol, LineReceiver, StringProtocol,
};
use hereafter_reactor::{Address, Producer, Protocol, Reactor, Transport};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/twisted/peer.py");

const GIB: usize = 1024 * 1024 * 1024;

/// What is written of a gibibyte at once.
const PIECE: &[u8] = &[b'x'; 65_536];

const LINES: [&str; 3] = ["alpha", "", "beta gamma"];
const STRINGS: [&str; 4] = ["", "a", "hello\r\n", "yyyyyyyyyy"];

fn main() -> TestResult {
    let Some(python) = std::env::var_os("HEREAFTER_TWISTED_PYTHON") else {
        println!("Twisted is left out: HEREAFTER_TWISTED_PYTHON does not say where it is.");
        return Ok(());
    };
    let to_them = python.clone();
    common::run(move |reactor| async move { they_ask(&reactor, python).await })?;
    println!("Twisted's clients on our servers: as it should be");
    common::run(move |reactor| async move { we_ask(&reactor, &to_them).await })?;
    println!("our clients on Twisted's servers: as it should be");
    Ok(())
}

fn reversed(text: &[u8]) -> Vec<u8> {
    text.iter().rev().copied().collect()
}

/// Answers with each line turned round.
struct Lines;

impl LineProtocol for Lines {
    fn line_received(&self, receiver: &LineReceiver<Self>, line: Bytes) {
        receiver.send_line(reversed(&line));
    }
}

/// Answers with each string turned round.
struct Strings;

impl StringProtocol<u32> for Strings {
    fn string_received(&self, receiver: &Int32StringReceiver<Self>, string: Bytes) {
        receiver.send_string(reversed(&string)).expect("it came with such a prefix");
    }
}

/// Sends back what comes, and something more when that is all.
struct Half;

impl Protocol for Half {
    fn data_received(&self, transport: &Transport, data: Bytes) {
        transport.write(data);
    }

    fn is_half_closeable(&self) -> bool {
        true
    }

    fn read_connection_lost(&self, transport: &Transport) {
        transport.write("bye");
        transport.lose_connection();
    }
}

struct Aborts;

impl Protocol for Aborts {
    fn data_received(&self, transport: &Transport, _: Bytes) {
        transport.abort_connection();
    }
}

/// Rests after every piece, and counts.
struct Slow {
    reactor: Reactor,
    count: Rc<Cell<usize>>,
}

impl Protocol for Slow {
    fn data_received(&self, transport: &Transport, data: Bytes) {
        self.count.set(self.count.get() + data.len());
        transport.pause_producing();
        let transport = transport.clone();
        self.reactor.call_later(Duration::ZERO, move || transport.resume_producing());
    }
}

/// Has Twisted's clients talk to our servers.
async fn they_ask(reactor: &Reactor, python: OsString) -> Result<(), Failure> {
    let (clock, count) = (reactor.clone(), Rc::new(Cell::new(0)));
    let counted = count.clone();
    let slow = move |_: &Address| Slow { reactor: clock.clone(), count: counted.clone() };
    let ports = [
        ("Echo", listen(reactor, |_: &Address| Echo).await?),
        ("Lines", listen(reactor, |_: &Address| LineReceiver::new(Lines)).await?),
        ("Strings", listen(reactor, |_: &Address| Int32StringReceiver::new(Strings)).await?),
        ("Half", listen(reactor, |_: &Address| Half).await?),
        ("Aborts", listen(reactor, |_: &Address| Aborts).await?),
        ("Slow", listen(reactor, slow).await?),
    ];
    let mut numbers = String::new();
    for (name, port) in &ports {
        let number = port.host().port().expect("it is a TCP port");
        write!(numbers, ", \"{name}\": {number}")?;
    }
    let numbers = format!("{{{}}}", &numbers[2..]);
    let asking = move || Command::new(python).args([PEER, "client", &numbers]).output();
    let output = reactor.defer_to_thread(asking).await?;
    let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert_eq!(count.get(), GIB);
    for (_, port) in ports {
        port.stop_listening().await?;
    }
    let open = reactor.clone();
    settle(move || open.open_connections() == 0).await;
    Ok(())
}

/// Twisted's servers. Killed with this.
struct Theirs {
    child: Child,
    ports: BTreeMap<String, u16>,
    told: Arc<Mutex<BufReader<ChildStdout>>>,
}

impl Drop for Theirs {
    fn drop(&mut self) {
        // It has ended by itself, if it has not done what it should.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Theirs {
    fn start(python: &OsString) -> Result<Self, Failure> {
        let mut child =
            Command::new(python).args([PEER, "server"]).stdout(Stdio::piped()).spawn()?;
        let mut told = BufReader::new(child.stdout.take().expect("it was asked for"));
        let mut line = String::new();
        told.read_line(&mut line)?;
        // {"Echo": 1, "Lines": 2}
        let pairs = line.trim().trim_matches(['{', '}']).split(", ");
        let ports = pairs.filter_map(|pair| {
            let (name, number) = pair.split_once(": ")?;
            Some((name.trim_matches('"').to_owned(), number.parse().ok()?))
        });
        Ok(Self { child, ports: ports.collect(), told: Arc::new(Mutex::new(told)) })
    }

    /// The next line that they print.
    fn tell(&self, reactor: &Reactor) -> Deferred<String> {
        let told = self.told.clone();
        reactor.defer_to_thread(move || {
            let mut line = String::new();
            told.lock().expect("nobody panics with it").read_line(&mut line)?;
            std::io::Result::Ok(line.trim().to_owned())
        })
    }

    async fn connect(&self, reactor: &Reactor, name: &str) -> Result<Rc<Record>, Failure> {
        let (recorder, record) = Recorder::new();
        let endpoint = ClientEndpoint::tcp(reactor, "127.0.0.1", self.ports[name]);
        connect_protocol(&endpoint, recorder.half_closeable()).await?;
        record.transport().set_tcp_no_delay(true)?;
        Ok(record)
    }

    /// Sends a stream, cut in two wherever that is possible.
    async fn in_two(
        &self,
        reactor: &Reactor,
        name: &str,
        stream: &[u8],
        expected: &[u8],
    ) -> Result<(), Failure> {
        for cut in 0..=stream.len() {
            let record = self.connect(reactor, name).await?;
            record.transport().write(stream[..cut].to_vec());
            // The second part leaves in another turn of the reactor.
            tokio::task::yield_now().await;
            record.transport().write(stream[cut..].to_vec());
            assert_eq!(record.receive(expected.len()).await?, expected, "{name} cut at {cut}");
            record.transport().lose_connection();
            assert!(record.lost().await?.is::<ConnectionDone>());
            assert_eq!(self.tell(reactor).await?, format!("lost {name} ConnectionDone"));
        }
        Ok(())
    }
}

/// Talks to Twisted's servers.
async fn we_ask(reactor: &Reactor, python: &OsString) -> Result<(), Failure> {
    let theirs = Rc::new(Theirs::start(python)?);
    theirs.in_two(reactor, "Echo", b"hello, world", b"hello, world").await?;
    let lines = |turn: fn(&[u8]) -> Vec<u8>| {
        LINES.iter().flat_map(|line| [turn(line.as_bytes()), b"\r\n".to_vec()].concat()).collect()
    };
    let (sent, expected): (Vec<u8>, Vec<u8>) = (lines(<[u8]>::to_vec), lines(reversed));
    theirs.in_two(reactor, "Lines", &sent, &expected).await?;
    let strings = |turn: fn(&[u8]) -> Vec<u8>| {
        let mut stream = BytesMut::new();
        for string in STRINGS {
            stream.put_u32(u32::try_from(string.len()).expect("it is short"));
            stream.put_slice(&turn(string.as_bytes()));
        }
        stream
    };
    let (sent, expected) = (strings(<[u8]>::to_vec), strings(reversed));
    theirs.in_two(reactor, "Strings", &sent, &expected).await?;

    let record = theirs.connect(reactor, "Half").await?;
    record.transport().write(PIECE);
    record.transport().lose_write_connection();
    assert_eq!(record.receive(PIECE.len() + 3).await?, [PIECE, b"bye"].concat());
    assert!(record.lost().await?.is::<ConnectionDone>());
    assert_eq!(*record.events.borrow(), ["made", "write closed", "read closed", "lost"]);
    assert_eq!(theirs.tell(reactor).await?, "lost Half ConnectionDone");

    let record = theirs.connect(reactor, "Aborts").await?;
    record.transport().write("hello");
    assert!(record.lost().await?.is::<ConnectionLost>());
    assert_eq!(theirs.tell(reactor).await?, "lost Aborts ConnectionAborted");

    let record = theirs.connect(reactor, "Echo").await?;
    record.transport().abort_connection();
    assert!(record.lost().await?.is::<ConnectionAborted>());
    assert_eq!(theirs.tell(reactor).await?, "lost Echo ConnectionLost");

    many(reactor, &theirs).await?;
    flood(reactor, &theirs).await
}

/// Ten thousand connections come and go, fifty at a time.
async fn many(reactor: &Reactor, theirs: &Rc<Theirs>) -> Result<(), Failure> {
    let several = (0..50).map(|first| {
        let (reactor, theirs) = (reactor.clone(), theirs.clone());
        Deferred::from_coroutine(async move {
            for n in (first..10_000).step_by(50) {
                let record = theirs.connect(&reactor, "Echo").await?;
                record.transport().write("hello");
                assert_eq!(record.receive(5).await?, b"hello");
                if n % 2 == 0 {
                    record.transport().lose_connection();
                } else {
                    record.transport().abort_connection();
                }
                record.lost().await?;
            }
            Ok(())
        })
    });
    // What they tell has to be read meanwhile, or they would have to wait for that.
    let (clock, telling) = (reactor.clone(), theirs.clone());
    let told = Deferred::from_coroutine(async move {
        let mut ends = BTreeMap::<String, u32>::new();
        for _ in 0..10_000 {
            *ends.entry(telling.tell(&clock).await?).or_default() += 1;
        }
        Ok(ends)
    });
    gather_results(several).await?;
    let expected = [("lost Echo ConnectionDone", 5_000), ("lost Echo ConnectionLost", 5_000)];
    assert_eq!(told.await?, expected.map(|(end, count)| (end.to_owned(), count)).into());
    Ok(())
}

/// Writes a gibibyte, no faster than it may, and notes the most that has waited.
struct Flood {
    left: Cell<usize>,
    most: Cell<usize>,
    paused: Cell<bool>,
    to: Transport,
}

impl Producer for Flood {
    fn resume_producing(&self) {
        self.paused.set(false);
        while !self.paused.get() && self.left.get() > 0 {
            self.left.set(self.left.get() - PIECE.len());
            self.to.write(PIECE);
            self.most.set(self.most.get().max(self.to.buffered()));
        }
        if self.left.get() == 0 {
            self.to.unregister_producer();
            self.to.lose_connection();
        }
    }

    fn pause_producing(&self) {
        self.paused.set(true);
    }
}

async fn flood(reactor: &Reactor, theirs: &Theirs) -> Result<(), Failure> {
    let record = theirs.connect(reactor, "Slow").await?;
    let to = record.transport();
    let (left, most) = (Cell::new(GIB), Cell::new(0));
    let flood = Rc::new(Flood { left, most, paused: Cell::new(false), to: to.clone() });
    to.register_producer(flood.clone(), true)?;
    flood.resume_producing();
    assert!(record.lost().await?.is::<ConnectionDone>());
    assert_eq!(theirs.tell(reactor).await?, format!("got {GIB}"));
    assert!(flood.most.get() <= 2 * PIECE.len(), "{} bytes have waited", flood.most.get());
    Ok(())
}
