//! A connection at work: the state that transports are handles on, and the task that moves bytes
//! between its stream and its protocol.
//!
//! The rules:
//!
//! 1. The protocol is called by the task alone (and for the first call by [`start`], for the last by
//!    [`Channel::finish`]), so no two of its calls overlap.
//! 2. Nothing is borrowed while it, or a producer, is called. After each such call the task looks at
//!    everything anew.
//! 3. Whatever ends the connection goes through [`Channel::finish`]. It takes the protocol out, so
//!    `connection_lost` is called once; and it drops the stream, so that the socket is closed by
//!    then.

use crate::errors::{ConnectionDone, ConnectionLost};
use crate::open::{Close, Entry, Open};
use crate::outgoing::Outgoing;
use crate::protocol::{Address, Protocol};
use crate::stream::{Stream, Wire};
use crate::transport::{LOW_WATER, Registered, Transport};
use bytes::{Bytes, BytesMut};
use core::cell::{Cell, RefCell};
use core::future::Future;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker, ready};
use hereafter::{Failure, report};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How much is read at once, at most.
const READ_SIZE: usize = 64 * 1024;

/// Less room than this is not worth a call of the operating system.
const READ_SIZE_MIN: usize = 16 * 1024;

thread_local! {
    /// Where all connections of a thread read into, so that one with nothing to read needs no
    /// room. What was read is split off, and the room is used again when that is dropped.
    static INPUT: Cell<BytesMut> = Cell::default();
}

/// The state of a connection.
pub(crate) struct Channel {
    pub(crate) host: Address,
    pub(crate) peer: Address,
    /// Gone when the connection is. Borrowed while it reads or writes.
    stream: RefCell<Option<Box<dyn Stream>>>,
    /// Gone when `connection_lost` has been called.
    protocol: RefCell<Option<Rc<dyn Protocol>>>,
    pub(crate) outgoing: RefCell<Outgoing>,
    /// The stream keeps something that it has to be told to send.
    unflushed: Cell<bool>,
    pub(crate) producer: RefCell<Option<Registered>>,
    /// Not paused.
    pub(crate) reading: Cell<bool>,
    /// The other side has sent all that it will.
    read_closed: Cell<bool>,
    write_side: Cell<WriteSide>,
    /// The connection is to be closed when all is sent.
    pub(crate) losing: Cell<bool>,
    /// The connection is to be ended at once, for this reason.
    doom: Cell<Option<Failure>>,
    /// It was doomed, so the other side is to see a reset.
    pub(crate) aborting: Cell<bool>,
    /// Who runs the task; and whether it runs, so that it need not be woken.
    waker: RefCell<Option<Waker>>,
    running: Cell<bool>,
    entry: Cell<Option<Entry>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WriteSide {
    Open,
    /// To be closed when all is sent.
    Closing,
    Closed,
}

/// What one look at a connection has come to.
enum Step {
    /// Something was done, and there may be more to do.
    Again,
    /// The connection is over.
    End(Failure),
}

impl Channel {
    /// A channel of `protocol` and a stream; without a stream it does nothing by itself.
    pub(crate) fn new(
        (host, peer): (Address, Address),
        stream: Option<Box<dyn Stream>>,
        protocol: Rc<dyn Protocol>,
    ) -> Rc<Self> {
        Rc::new(Self {
            host,
            peer,
            stream: RefCell::new(stream),
            protocol: RefCell::new(Some(protocol)),
            outgoing: RefCell::default(),
            unflushed: Cell::new(false),
            producer: RefCell::default(),
            reading: Cell::new(true),
            read_closed: Cell::new(false),
            write_side: Cell::new(WriteSide::Open),
            losing: Cell::new(false),
            doom: Cell::new(None),
            aborting: Cell::new(false),
            waker: RefCell::default(),
            running: Cell::new(false),
            entry: Cell::new(None),
        })
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.protocol.borrow().is_some()
    }

    pub(crate) fn takes_writes(&self) -> bool {
        self.is_connected() && self.write_side.get() != WriteSide::Closed
    }

    pub(crate) fn close_write_side(&self) {
        if self.write_side.get() == WriteSide::Open {
            self.write_side.set(WriteSide::Closing);
            self.wake();
        }
    }

    pub(crate) fn with_stream(
        &self,
        call: impl FnOnce(&dyn Stream) -> io::Result<()>,
    ) -> io::Result<()> {
        match &*self.stream.borrow() {
            Some(stream) => call(&**stream),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Has the task look at what was asked for.
    pub(crate) fn wake(&self) {
        if !self.running.get()
            && let Some(waker) = &*self.waker.borrow()
        {
            waker.wake_by_ref();
        }
    }

    /// Has the connection end, without sending what is left.
    pub(crate) fn doom(&self, reason: Failure) {
        self.aborting.set(true);
        self.doom.set(Some(reason));
        self.wake();
    }

    pub(crate) fn take_doom(&self) -> Option<Failure> {
        self.doom.take()
    }

    /// Calls a method of the protocol. A panic dooms the connection.
    pub(crate) fn call(self: &Rc<Self>, call: impl FnOnce(&dyn Protocol, &Transport)) {
        if let Err(failure) = self.try_call(call) {
            self.doom(failure);
        }
    }

    /// Calls a method of the protocol.
    pub(crate) fn try_call(
        self: &Rc<Self>,
        call: impl FnOnce(&dyn Protocol, &Transport),
    ) -> Result<(), Failure> {
        let protocol = self.protocol.borrow().clone();
        let Some(protocol) = protocol else { return Ok(()) };
        guard("a protocol", || call(&*protocol, &Transport(self.clone())))
    }

    fn is_half_closeable(self: &Rc<Self>) -> bool {
        let mut half_closeable = false;
        self.call(|protocol, _| half_closeable = protocol.is_half_closeable());
        half_closeable
    }

    /// Ends the connection, if it has not ended.
    pub(crate) fn finish(&self, reason: Failure) {
        let Some(protocol) = self.protocol.take() else { return };
        if let Some(stream) = self.stream.take()
            && self.aborting.get()
        {
            stream.reset_when_dropped();
        }
        drop_written(self.outgoing.take().into_pieces());
        drop(self.entry.take());
        // Each drop is for itself: where one panics while another panic unwinds, the process ends.
        if let Some(Registered { producer, .. }) = self.producer.take() {
            report::guard("a producer", || producer.stop_producing());
            report::guard("a producer, when it was dropped", || drop(producer));
        }
        report::guard("a protocol", || protocol.connection_lost(reason));
        report::guard("a protocol, when it was dropped", || drop(protocol));
        // The task, where it is not it that calls this.
        self.wake();
    }

    /// Does the next thing that can be done.
    fn step(self: &Rc<Self>, context: &mut Context<'_>) -> Poll<Step> {
        if let Some(reason) = self.doom.take() {
            return Poll::Ready(Step::End(reason));
        }
        if !self.is_connected() {
            return Poll::Ready(Step::End(done()));
        }
        if let Poll::Ready(step) = self.send(context) {
            return Poll::Ready(step);
        }
        if self.reading.get() && !self.read_closed.get() && !self.losing.get() {
            return self.receive(context);
        }
        Poll::Pending
    }

    /// Sends something; when all is sent, does what waits for that.
    fn send(self: &Rc<Self>, context: &mut Context<'_>) -> Poll<Step> {
        if self.outgoing.borrow().len() > 0 {
            let (written, sent) = {
                let mut outgoing = self.outgoing.borrow_mut();
                let written = self.poll(|stream| outgoing.poll_write(stream, context));
                (written, outgoing.take_sent())
            };
            drop_written(sent);
            return Poll::Ready(match ready!(written) {
                Ok(0) => Step::End(lost(io::ErrorKind::WriteZero.into())),
                Ok(_) => {
                    self.unflushed.set(true);
                    self.ask_producer();
                    Step::Again
                }
                Err(error) => Step::End(lost(error)),
            });
        }
        if self.unflushed.get() {
            let flushed = ready!(self.poll(|stream| pin!(stream.flush()).poll(context)));
            self.unflushed.set(false);
            if let Err(error) = flushed {
                return Poll::Ready(Step::End(lost(error)));
            }
        }
        let losing = self.losing.get() && self.producer.borrow().is_none();
        let closing = match self.write_side.get() {
            WriteSide::Open => losing,
            WriteSide::Closing => self.producer.borrow().is_none(),
            WriteSide::Closed if losing || self.read_closed.get() => {
                return Poll::Ready(Step::End(done()));
            }
            WriteSide::Closed => false,
        };
        if !closing {
            return Poll::Pending;
        }
        // That the other side has gone already is no matter: it has all that was sent.
        let _ = ready!(self.poll(|stream| pin!(stream.shutdown()).poll(context)));
        self.write_side.set(WriteSide::Closed);
        if !losing && self.is_half_closeable() {
            self.call(Protocol::write_connection_lost);
        }
        Poll::Ready(Step::Again)
    }

    /// Some of what waited has been sent: lets the producer go on.
    pub(crate) fn ask_producer(&self) {
        let left = self.outgoing.borrow().len();
        let asked = match &mut *self.producer.borrow_mut() {
            Some(registered) if registered.streaming && registered.paused && left <= LOW_WATER => {
                registered.paused = false;
                Some(registered.producer.clone())
            }
            Some(registered) if !registered.streaming && left == 0 => {
                Some(registered.producer.clone())
            }
            _ => None,
        };
        if let Some(producer) = asked {
            self.call_from_outside("a producer", || producer.resume_producing());
        }
    }

    /// Calls a method of the producer, or what else may call the protocol from outside the task. A
    /// panic dooms the connection, and does not reach whoever happened to call for it.
    pub(crate) fn call_from_outside(&self, what: &str, call: impl FnOnce()) {
        if let Err(failure) = guard(what, call) {
            self.doom(failure);
        }
    }

    /// Receives something.
    fn receive(self: &Rc<Self>, context: &mut Context<'_>) -> Poll<Step> {
        let mut input = INPUT.take();
        if input.capacity() < READ_SIZE_MIN {
            input.reserve(READ_SIZE);
        }
        let read = self.poll(|stream| pin!(stream.read_buf(&mut input)).poll(context));
        let data = input.split().freeze();
        INPUT.set(input);
        Poll::Ready(match ready!(read) {
            Ok(0) => self.received_all(),
            Ok(_) => {
                self.received(data);
                Step::Again
            }
            Err(error) => Step::End(lost(error)),
        })
    }

    pub(crate) fn received(self: &Rc<Self>, data: Bytes) {
        self.call(|protocol, transport| protocol.data_received(transport, data));
    }

    /// The other side has sent all that it will.
    fn received_all(self: &Rc<Self>) -> Step {
        self.read_closed.set(true);
        if !self.is_half_closeable() {
            return Step::End(done());
        }
        self.call(Protocol::read_connection_lost);
        Step::Again
    }

    /// Polls the stream, which calls no user code.
    fn poll<R>(
        &self,
        poll: impl FnOnce(&mut Box<dyn Stream>) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        match &mut *self.stream.borrow_mut() {
            Some(stream) => poll(stream),
            None => Poll::Pending,
        }
    }
}

/// Calls user code; a panic is reported, and given back.
fn guard<R>(what: &str, call: impl FnOnce() -> R) -> Result<R, Failure> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| {
        let failure = Failure::from_panic(panic);
        report::failure(&format!("Unhandled error in {what}"), failure.clone());
        failure
    })
}

/// Drops what was written, which may be somebody else's code.
fn drop_written(written: impl IntoIterator<Item = Bytes>) {
    for piece in written {
        report::guard("what was written, when it was dropped", || drop(piece));
    }
}

fn done() -> Failure {
    Failure::new(ConnectionDone)
}

fn lost(source: io::Error) -> Failure {
    Failure::new(ConnectionLost { source })
}

impl Close for Channel {
    fn close(&self) {
        self.finish(Failure::new(ConnectionLost::at_the_end()));
    }
}

/// The task of a connection.
struct Connection(Rc<Channel>);

impl Future for Connection {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let channel = &self.0;
        {
            let mut waker = channel.waker.borrow_mut();
            if !waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                *waker = Some(context.waker().clone());
            }
        }
        channel.running.set(true);
        let steps = || loop {
            match channel.step(context) {
                Poll::Ready(Step::Again) => {}
                Poll::Ready(Step::End(reason)) => break Poll::Ready(reason),
                Poll::Pending => break Poll::Pending,
            }
        };
        // Protocols have a guard of their own; this is for what a stream calls, as TLS does.
        let end = guard("a connection", steps).unwrap_or_else(|failure| {
            channel.aborting.set(true);
            Poll::Ready(failure)
        });
        channel.running.set(false);
        end.map(|reason| channel.finish(reason))
    }
}

impl Drop for Connection {
    /// Tokio's runtime may end before the connection.
    fn drop(&mut self) {
        self.0.close();
        *self.0.waker.borrow_mut() = None;
    }
}

/// Connects a protocol with a stream, on the reactor's thread.
///
/// # Errors
///
/// When the protocol panics in `connection_made`: the connection is over then.
pub(crate) fn start(wire: Wire, protocol: Rc<dyn Protocol>, open: &Open) -> Result<(), Failure> {
    let channel = Channel::new((wire.host, wire.peer), Some(wire.stream), protocol);
    let as_open: Rc<dyn Close> = channel.clone();
    channel.entry.set(Some(open.add_connection(Rc::downgrade(&as_open))));
    let made = channel.try_call(Protocol::connection_made);
    match &made {
        Ok(()) => drop(tokio::task::spawn_local(Connection(channel))),
        Err(failure) => {
            channel.aborting.set(true);
            channel.finish(failure.clone());
        }
    }
    made
}
