//! A room to talk in, one line at a time.
//!
//! ```text
//! cargo run --example chat -- tcp:8123:interface=127.0.0.1
//! nc 127.0.0.1 8123
//! ```
//!
//! Each connection is a protocol of its own; the room that they share is what the factory gives to
//! all of them.

use bytes::Bytes;
use clap::Parser;
use hereafter::{Deferred, Failure};
use hereafter_reactor::endpoints::server_from_string;
use hereafter_reactor::protocols::{LineProtocol, LineReceiver};
use hereafter_reactor::task::react;
use hereafter_reactor::{Address, Phase, Reactor, SystemEvent};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::rc::Rc;

#[derive(Parser)]
#[command(about = "A room to talk in")]
struct Arguments {
    /// Where to listen.
    #[arg(default_value = "tcp:8123:interface=127.0.0.1")]
    endpoint: String,
}

fn main() -> ExitCode {
    let Arguments { endpoint } = Arguments::parse();
    react(move |reactor| serve(reactor, &endpoint))
}

/// Serves until the reactor is stopped.
fn serve(reactor: &Reactor, endpoint: &str) -> Deferred<()> {
    let endpoint = match server_from_string(reactor, endpoint) {
        Ok(endpoint) => endpoint,
        Err(error) => return Deferred::fail(error),
    };
    let (trigger, stopped) = Deferred::new();
    reactor.add_system_event_trigger(Phase::Before, SystemEvent::Shutdown, || trigger.callback(()));
    let room = Room::default();
    let factory = move |_: &Address| {
        let guest = Guest { room: room.clone(), name: RefCell::new(None) };
        // Other clients than telnet end their lines with a mere newline.
        LineReceiver::with(guest, "\n", 1024)
    };
    endpoint.listen(factory).add_callback(|port| {
        println!("listening on {}", port.host());
        stopped
    })
}

/// Who is there, by name.
#[derive(Clone, Default)]
struct Room(Rc<RefCell<BTreeMap<String, LineReceiver<Guest>>>>);

impl Room {
    /// Lets somebody in, unless the name is taken.
    fn enter(&self, name: &str, guest: &LineReceiver<Guest>) -> bool {
        let mut guests = self.0.borrow_mut();
        let free = !guests.contains_key(name);
        if free {
            guests.insert(name.to_owned(), guest.clone());
        }
        free
    }

    fn leave(&self, name: &str) {
        self.0.borrow_mut().remove(name);
        self.say(None, &format!("* {name} has left"));
    }

    /// Tells everybody but the one who says it.
    fn say(&self, who: Option<&str>, text: &str) {
        for (name, guest) in &*self.0.borrow() {
            if who != Some(name) {
                guest.send_line(text.to_owned());
            }
        }
    }

    fn names(&self) -> String {
        self.0.borrow().keys().cloned().collect::<Vec<_>>().join(", ")
    }
}

/// One who has connected.
struct Guest {
    room: Room,
    /// None before it is told.
    name: RefCell<Option<String>>,
}

impl LineProtocol for Guest {
    fn connection_made(&self, receiver: &LineReceiver<Self>) {
        receiver.send_line("What is your name?");
    }

    fn line_received(&self, receiver: &LineReceiver<Self>, line: Bytes) {
        let line = String::from_utf8_lossy(&line);
        let line = line.trim();
        let name = self.name.borrow().clone();
        match name {
            None => self.introduce(receiver, line),
            Some(_) if line == "/quit" => receiver.lose_connection(),
            Some(_) if line == "/who" => receiver.send_line(self.room.names()),
            Some(name) => self.room.say(Some(&name), &format!("<{name}> {line}")),
        }
    }

    fn line_length_exceeded(&self, receiver: &LineReceiver<Self>, _: Bytes) {
        receiver.send_line("* that was too long");
        receiver.lose_connection();
    }

    fn connection_lost(&self, _: Failure) {
        if let Some(name) = self.name.take() {
            self.room.leave(&name);
        }
    }
}

impl Guest {
    fn introduce(&self, receiver: &LineReceiver<Self>, name: &str) {
        if name.is_empty() || !self.room.enter(name, receiver) {
            receiver.send_line("That name will not do. What is your name?");
            return;
        }
        *self.name.borrow_mut() = Some(name.to_owned());
        receiver.send_line(format!("Welcome, {name}. Here are: {}", self.room.names()));
        self.room.say(Some(name), &format!("* {name} has come"));
    }
}
