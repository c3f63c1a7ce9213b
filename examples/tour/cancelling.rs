//! "Deferred Reference": cancelling.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use hereafter::clock::{Clock, ManualClock};
use hereafter::errors::CancelledError;
use hereafter::{Deferred, Failure, Trigger};

/// A connection attempt with a cancel button.
pub(crate) fn connection_attempt() {
    struct Connection;

    /// An address at which somebody answers, if slowly.
    struct Endpoint(ManualClock);

    impl Endpoint {
        fn connect(&self) -> Deferred<Connection> {
            println!("connecting");
            let (trigger, d) = Deferred::new();
            let answer = self.0.call_later(Duration::from_secs(30), || {
                trigger.callback(Connection);
            });
            d.on_cancel(move || {
                println!("the attempt is given up");
                let _ = answer.cancel();
            })
        }
    }

    fn start_connecting(endpoint: &Endpoint) -> Deferred<()> {
        fn connected(_connection: Connection) {
            println!("connected");
        }
        endpoint.connect().add_callback(connected)
    }

    fn report(d: Deferred<()>) {
        d.add_errback(|failure| {
            failure.trap::<CancelledError>()?;
            println!("not connected: {failure}");
            Ok(())
        })
        .detach();
    }

    let clock = ManualClock::new();
    let endpoint = Endpoint(clock.clone());

    println!("A patient user");
    report(start_connecting(&endpoint));
    clock.advance(Duration::from_secs(30));

    println!("A user who clicks on cancel after ten seconds");
    let mut connection_attempt = start_connecting(&endpoint);
    let button = connection_attempt.cancel_handle();
    report(connection_attempt);
    clock.advance(Duration::from_secs(10));
    button.cancel();
    println!("A second click does no harm");
    button.cancel();
    clock.advance(Duration::from_secs(20));
}

/// The default cancellation behaviour.
pub(crate) fn default_behaviour() {
    fn x(result: &str) {
        println!("Hooray, a result:{result:?}");
    }

    fn cancelled(failure: Failure) -> Result<(), Failure> {
        failure.trap::<CancelledError>()?;
        println!("errback: {failure}");
        Ok(())
    }

    println!("Cancelled after it is done: nothing happens");
    let (trigger, operation) = Deferred::new();
    let operation = operation.add_callback(x).add_errback(cancelled);
    trigger.callback("completed");
    operation.cancel();

    println!("Cancelled before: it ends at once");
    let (trigger, operation) = Deferred::new();
    let operation = operation.add_callback(x).add_errback(cancelled);
    let operation_done = trigger.shared();
    operation.cancel();
    println!("The result that still comes is dropped: {:?}", operation_done.callback("completed"));
    let twice = operation_done.callback("completed").expect_err("one is dropped, not two");
    println!("A second one is an error: {twice}");
}

/// A connection, as far as it can be seen from here.
#[derive(Default)]
struct FakeTransport {
    written: RefCell<Vec<u8>>,
}

impl FakeTransport {
    fn write(&self, data: &[u8]) {
        self.written.borrow_mut().extend_from_slice(data);
    }

    fn abort_connection(&self) {
        let written = String::from_utf8_lossy(&self.written.take()).into_owned();
        println!("connection aborted, after {written:?}");
    }
}

/// Speaks HTTP over a transport.
#[derive(Default)]
struct HttpClient {
    transport: Rc<FakeTransport>,
    result: RefCell<Option<Trigger<String>>>,
}

impl HttpClient {
    /// A deferred of the response's body. Cancelling it aborts the connection.
    fn request(&self, method: &str, path: &str) -> Deferred<String> {
        let transport = self.transport.clone();
        let (trigger, d) = Deferred::with_canceller(move || {
            transport.abort_connection();
            None
        });
        self.result.replace(Some(trigger));
        self.transport.write(format!("{method} {path} HTTP/1.0\r\n\r\n").as_bytes());
        d
    }

    fn data_received(&self, data: &[u8]) {
        // A response that fits into one piece is all that this client understands.
        let response = String::from_utf8_lossy(data);
        let body = response.split_once("\r\n\r\n").map_or("", |(_head, body)| body);
        if let Some(trigger) = self.result.take() {
            trigger.callback(body.to_owned());
        }
    }
}

/// A custom cancellation function.
pub(crate) fn http_client() {
    fn show(d: Deferred<String>) -> Deferred<()> {
        d.add_callbacks(
            |body| println!("response: {body}"),
            |failure| println!("no response: {failure}"),
        )
    }

    const RESPONSE: &[u8] = b"HTTP/1.0 200 OK\r\n\r\nhello";

    println!("A request that is answered; cancelled too late");
    let client = HttpClient::default();
    let d = show(client.request("GET", "/"));
    client.data_received(RESPONSE);
    d.cancel();

    println!("A request that is cancelled; answered too late");
    let client = HttpClient::default();
    let d = show(client.request("GET", "/slow"));
    d.cancel();
    client.data_received(RESPONSE);
}
