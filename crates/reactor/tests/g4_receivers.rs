//! Row G4 of the contract: lines and strings, cut wherever the network likes to.

use bytes::Bytes;
use hereafter::Failure;
use hereafter_reactor::Protocol;
use hereafter_reactor::errors::{ConnectionDone, StringTooLongError};
use hereafter_reactor::protocols::{
    Int8StringReceiver, Int16StringReceiver, Int32StringReceiver, IntStringReceiver, LineProtocol,
    LineReceiver, Prefix, StringProtocol,
};
use hereafter_reactor::testing::StringTransport;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

type Log = Rc<RefCell<Vec<String>>>;

fn text(data: &[u8]) -> String {
    String::from_utf8(data.to_vec()).expect("it is text")
}

/// Keeps lines; `raw 5` announces five bytes of raw data, and some other lines do what they say.
#[derive(Default)]
struct Lines {
    log: Log,
    raw: Cell<usize>,
}

impl LineProtocol for Lines {
    fn line_received(&self, receiver: &LineReceiver<Self>, line: Bytes) {
        let line = text(&line);
        if let Some(count) = line.strip_prefix("raw ") {
            self.raw.set(count.parse().expect("a number"));
            receiver.set_raw_mode();
        }
        match line.as_str() {
            "pause" => receiver.pause_producing(),
            "quit" => receiver.lose_connection(),
            "forget" => drop(receiver.clear_line_buffer()),
            "echo" => receiver.send_line("echo"),
            _ => {}
        }
        self.log.borrow_mut().push(line);
    }

    fn raw_data_received(&self, receiver: &LineReceiver<Self>, mut data: Bytes) {
        let wanted = data.split_to(self.raw.get().min(data.len()));
        self.raw.set(self.raw.get() - wanted.len());
        self.log.borrow_mut().push(format!("<{}>", text(&wanted)));
        if self.raw.get() == 0 {
            receiver.set_line_mode(&data);
        }
    }

    fn connection_lost(&self, reason: Failure) {
        self.log.borrow_mut().push(reason.to_string());
    }
}

fn lines(
    delimiter: &'static str,
    max_length: usize,
) -> (StringTransport, LineReceiver<Lines>, Log) {
    let log = Log::default();
    let receiver =
        LineReceiver::with(Lines { log: log.clone(), raw: Cell::new(0) }, delimiter, max_length);
    (StringTransport::new(receiver.clone()), receiver, log)
}

/// The raw pieces that belong together, as one.
fn joined(log: &Log) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for entry in log.take() {
        match all.last_mut() {
            Some(last) if last.ends_with('>') && entry.starts_with('<') => {
                last.pop();
                last.push_str(&entry[1..]);
            }
            _ => all.push(entry),
        }
    }
    all
}

#[test]
fn g4_lines_come_whole_wherever_they_are_cut() {
    let stream = "first\r\n\r\nwith \r and \n\r\nraw 9\r\nraw\r\ndatalast\r\nmore";
    let expected = ["first", "", "with \r and \n", "raw 9", "<raw\r\ndata>", "last"];
    for first in 0..=stream.len() {
        for size in [1, 2, 3, stream.len()] {
            let (wire, receiver, log) = lines("\r\n", 20);
            wire.deliver(&stream[..first]);
            for chunk in stream.as_bytes()[first..].chunks(size) {
                wire.deliver(chunk);
            }
            assert_eq!(joined(&log), expected, "cut at {first}, then every {size}");
            assert_eq!(receiver.clear_line_buffer(), "more");
        }
    }
}

#[test]
fn g4_lines_of_another_delimiter() {
    let (wire, receiver, log) = lines("aab", 100);
    for letter in ["a", "a", "a", "b", "x", "a", "a", "b"] {
        wire.deliver(letter);
    }
    assert_eq!(log.take(), ["a", "x"]);
    receiver.send_line("y");
    assert_eq!(wire.value(), "yaab");
}

#[test]
fn g4_a_line_that_is_too_long_closes_the_connection() {
    // Seen with its end, or before it has one.
    for stream in ["12345\r\n", "1234567"] {
        let (wire, _, log) = lines("\r\n", 4);
        wire.deliver("1234\r\n");
        assert!(!wire.transport().is_disconnecting());
        wire.deliver(stream);
        assert!(wire.transport().is_disconnecting());
        wire.deliver("next\r\n");
        assert_eq!(log.take()[0], "1234");
    }
}

#[test]
fn g4_a_paused_line_receiver_keeps_what_comes() {
    let (wire, receiver, log) = lines("\n", 100);
    wire.deliver("one\npause\ntwo\nthr");
    wire.deliver("ee\n");
    assert_eq!(log.take(), ["one", "pause"]);
    assert!(!wire.is_producing());
    receiver.resume_producing();
    assert_eq!(log.take(), ["two", "three"]);
    assert!(wire.is_producing());
}

#[test]
fn g4_no_line_is_handed_on_after_lose_connection() {
    let (wire, _, log) = lines("\n", 100);
    wire.deliver("one\nquit\ntwo\n");
    assert_eq!(log.take(), ["one", "quit"]);
    wire.lose(ConnectionDone);
    assert_eq!(log.take(), ["the connection was closed cleanly"]);
}

#[test]
fn g4_a_line_protocol_may_clear_the_buffer_and_answer() {
    let (wire, _, log) = lines("\n", 100);
    wire.deliver("echo\nforget\ntwo\nthree\n");
    wire.deliver("four\n");
    assert_eq!(log.take(), ["echo", "forget", "four"]);
    assert_eq!(wire.value(), "echo\n");
}

/// Keeps strings; "pause" and "quit" do what they say.
struct Strings(Log);

impl<N: Prefix> StringProtocol<N> for Strings {
    fn string_received(&self, receiver: &IntStringReceiver<N, Self>, string: Bytes) {
        let string = text(&string);
        match string.as_str() {
            "pause" => receiver.pause_producing(),
            "quit" => receiver.lose_connection(),
            _ => {}
        }
        self.0.borrow_mut().push(string);
    }

    fn connection_lost(&self, reason: Failure) {
        self.0.borrow_mut().push(reason.to_string());
    }
}

fn strings_come_whole<P: Protocol>(encode: fn(&str) -> Vec<u8>, receiver: fn(Strings) -> P) {
    let sent = ["", "a", "hello", "", "the end"];
    let stream: Vec<u8> = sent.iter().flat_map(|string| encode(string)).collect();
    for first in 0..=stream.len() {
        for size in [1, 2, 3, stream.len()] {
            let log = Log::default();
            let wire = StringTransport::new(receiver(Strings(log.clone())));
            wire.deliver(stream[..first].to_vec());
            for chunk in stream[first..].chunks(size) {
                wire.deliver(chunk.to_vec());
            }
            assert_eq!(log.take(), sent, "cut at {first}, then every {size}");
        }
    }
}

#[test]
fn g4_strings_come_whole_wherever_they_are_cut() {
    fn prefixed(zeros: &[u8], string: &str) -> Vec<u8> {
        let length = u8::try_from(string.len()).expect("they are short");
        [zeros, &[length], string.as_bytes()].concat()
    }
    strings_come_whole(|s| prefixed(&[], s), Int8StringReceiver::new);
    strings_come_whole(|s| prefixed(&[0], s), Int16StringReceiver::new);
    strings_come_whole(|s| prefixed(&[0; 3], s), Int32StringReceiver::new);
}

#[test]
fn g4_a_string_that_is_too_long_closes_the_connection() {
    let log = Log::default();
    let receiver = Int32StringReceiver::with_max_length(Strings(log.clone()), 5);
    let wire = StringTransport::new(receiver);
    wire.deliver("\0\0\0\x05hello");
    assert!(!wire.transport().is_disconnecting());
    wire.deliver("\0\0\0\x06");
    assert!(wire.transport().is_disconnecting());
    assert_eq!(log.take(), ["hello"]);
}

#[test]
fn g4_a_string_that_does_not_fit_its_prefix_is_not_sent() {
    let receiver = Int16StringReceiver::new(Strings(Log::default()));
    let wire = StringTransport::new(receiver.clone());
    receiver.send_string(vec![b'x'; 65_535]).unwrap();
    assert_eq!(wire.take().len(), 65_537);
    let error = receiver.send_string(vec![b'x'; 65_536]).unwrap_err();
    assert_eq!(error, StringTooLongError { length: 65_536, limit: 65_535 });
    assert!(wire.take().is_empty());
    let receiver = Int32StringReceiver::new(Strings(Log::default()));
    let wire = StringTransport::new(receiver.clone());
    receiver.send_string("hi").unwrap();
    assert_eq!(wire.take(), "\0\0\0\x02hi");
}

#[test]
fn g4_a_paused_string_receiver_keeps_what_comes() {
    let log = Log::default();
    let receiver = Int8StringReceiver::new(Strings(log.clone()));
    let wire = StringTransport::new(receiver.clone());
    wire.deliver("\x05pause\x03two\x05thr");
    wire.deliver("ee");
    assert_eq!(log.take(), ["pause"]);
    assert!(!wire.is_producing());
    receiver.resume_producing();
    assert_eq!(log.take(), ["two", "three"]);
    wire.lose(ConnectionDone);
    assert_eq!(log.take(), ["the connection was closed cleanly"]);
}
