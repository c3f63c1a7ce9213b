//! The smallest server there is, and a client for it: what is sent comes back.
//!
//! ```text
//! cargo run --example echo -- serve tcp:8007:interface=127.0.0.1
//! cargo run --example echo -- ask tcp:127.0.0.1:8007 "is anybody there?"
//! ```
//!
//! Both take the description of an endpoint, so the same program talks over `unix:` and `tls:`.

use bytes::Bytes;
use clap::Parser;
use hereafter::{Deferred, Failure, Trigger};
use hereafter_reactor::endpoints::{client_from_string, connect_protocol, server_from_string};
use hereafter_reactor::task::react;
use hereafter_reactor::{Address, Phase, Protocol, Reactor, SystemEvent, Transport};
use std::cell::{Cell, RefCell};
use std::process::ExitCode;
use std::rc::Rc;

#[derive(Parser)]
#[command(about = "Sends back what it gets")]
enum Command {
    /// Serves until Ctrl-C.
    Serve {
        /// Where to listen, as `tcp:8007:interface=127.0.0.1`.
        endpoint: String,
    },
    /// Sends a text and prints what comes back.
    Ask {
        /// Where to connect to, as `tcp:127.0.0.1:8007`.
        endpoint: String,
        /// What to send.
        text: String,
    },
}

fn main() -> ExitCode {
    let command = Command::parse();
    react(move |reactor| match command {
        Command::Serve { endpoint } => serve(reactor, &endpoint),
        Command::Ask { endpoint, text } => {
            ask(reactor, &endpoint, text).map(|answer| println!("{answer}"))
        }
    })
}

/// Sends back what comes.
struct Echo;

impl Protocol for Echo {
    fn connection_made(&self, transport: &Transport) {
        // What the other side does not read is not piled up here: nothing more is received then.
        let first = transport.register_producer(Rc::new(transport.clone()), true);
        first.expect("a new transport has no producer");
    }

    fn data_received(&self, transport: &Transport, data: Bytes) {
        transport.write(data);
    }
}

/// Serves until the reactor is stopped.
fn serve(reactor: &Reactor, endpoint: &str) -> Deferred<()> {
    let endpoint = match server_from_string(reactor, endpoint) {
        Ok(endpoint) => endpoint,
        Err(error) => return Deferred::fail(error),
    };
    let (trigger, stopped) = Deferred::new();
    reactor.add_system_event_trigger(Phase::Before, SystemEvent::Shutdown, || trigger.callback(()));
    endpoint.listen(|_: &Address| Echo).add_callback(|port| {
        println!("listening on {}", port.host());
        stopped
    })
}

/// Sends one text, and waits until as much has come back.
struct Ask {
    text: String,
    answer: RefCell<Vec<u8>>,
    answered: Cell<Option<Trigger<String>>>,
}

impl Ask {
    fn answered(&self) -> Deferred<String> {
        let (trigger, answered) = Deferred::new();
        self.answered.set(Some(trigger));
        answered
    }
}

impl Protocol for Ask {
    fn connection_made(&self, transport: &Transport) {
        transport.write(self.text.clone());
    }

    fn data_received(&self, transport: &Transport, data: Bytes) {
        let mut answer = self.answer.borrow_mut();
        answer.extend_from_slice(&data);
        if answer.len() >= self.text.len() {
            let answer = String::from_utf8_lossy(&answer).into_owned();
            if let Some(answered) = self.answered.take() {
                answered.callback(answer);
            }
            transport.lose_connection();
        }
    }

    fn connection_lost(&self, reason: Failure) {
        if let Some(answered) = self.answered.take() {
            answered.errback(reason);
        }
    }
}

fn ask(reactor: &Reactor, endpoint: &str, text: String) -> Deferred<String> {
    let endpoint = match client_from_string(reactor, endpoint) {
        Ok(endpoint) => endpoint,
        Err(error) => return Deferred::fail(error),
    };
    let protocol = Ask { text, answer: RefCell::default(), answered: Cell::default() };
    connect_protocol(&endpoint, protocol).add_callback(|ask| ask.answered())
}
