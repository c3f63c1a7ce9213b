//! Lines, and raw data between them.

use crate::protocol::Protocol;
use crate::transport::Transport;
use bytes::{Bytes, BytesMut};
use core::cell::{Cell, RefCell};
use core::fmt;
use hereafter::Failure;
use memchr::memmem;
use std::rc::Rc;

/// Longer lines are too long, as in Twisted.
const MAX_LENGTH: usize = 16_384;

/// What is done with the lines of a connection; put into a [`LineReceiver`].
///
/// # Examples
///
/// See [`LineReceiver`].
pub trait LineProtocol: Sized + 'static {
    /// The connection is there (Twisted's `connectionMade`).
    fn connection_made(&self, receiver: &LineReceiver<Self>) {
        let _ = receiver;
    }

    /// A line has come, without its delimiter (Twisted's `lineReceived`).
    fn line_received(&self, receiver: &LineReceiver<Self>, line: Bytes);

    /// Some bytes have come, in raw mode (Twisted's `rawDataReceived`).
    fn raw_data_received(&self, receiver: &LineReceiver<Self>, data: Bytes) {
        let _ = (receiver, data);
    }

    /// A line is too long (Twisted's `lineLengthExceeded`). `data` is all that has come of it, and
    /// maybe more. If this does nothing else, the connection is closed.
    fn line_length_exceeded(&self, receiver: &LineReceiver<Self>, data: Bytes) {
        let _ = data;
        receiver.lose_connection();
    }

    /// The connection is gone (Twisted's `connectionLost`).
    fn connection_lost(&self, reason: Failure) {
        let _ = reason;
    }
}

/// The protocol that cuts what comes into lines (Twisted's `LineReceiver`).
///
/// It holds a [`LineProtocol`], which gets the lines. Clones are handles on the same one, so the
/// protocol may keep one to write to later, until its connection is lost. Before the connection is
/// made, there is no transport, and what is sent goes nowhere.
///
/// # Examples
///
/// ```
/// use bytes::Bytes;
/// use hereafter_reactor::protocols::{LineProtocol, LineReceiver};
/// use hereafter_reactor::testing::StringTransport;
///
/// struct Answer;
///
/// impl LineProtocol for Answer {
///     fn line_received(&self, receiver: &LineReceiver<Self>, line: Bytes) {
///         receiver.send_line(format!("you said {} letters", line.len()));
///     }
/// }
///
/// let wire = StringTransport::new(LineReceiver::new(Answer));
/// wire.deliver("hello\r\nwor");
/// wire.deliver("ld!\r\n");
/// assert_eq!(wire.value(), "you said 5 letters\r\nyou said 6 letters\r\n");
/// ```
pub struct LineReceiver<P>(Rc<Inner<P>>);

struct Inner<P> {
    protocol: P,
    delimiter: Bytes,
    max_length: usize,
    transport: RefCell<Option<Transport>>,
    /// What has come, and was not handed on.
    buffer: RefCell<BytesMut>,
    /// So much of it has no delimiter in it.
    searched: Cell<usize>,
    line_mode: Cell<bool>,
    paused: Cell<bool>,
    /// Lines are being handed on, so what comes meanwhile has to wait.
    busy: Cell<bool>,
}

/// What comes next out of the buffer.
enum Next {
    Line(Bytes),
    Raw(Bytes),
    TooLong(Bytes),
    Nothing,
}

impl<P: LineProtocol> LineReceiver<P> {
    /// Lines of at most 16,384 bytes, with `\r\n` between them.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::protocols::{LineProtocol, LineReceiver};
    /// fn factory<P: LineProtocol>(protocol: fn() -> P) -> impl hereafter_reactor::Factory {
    ///     move |_: &hereafter_reactor::Address| LineReceiver::new(protocol())
    /// }
    /// # struct Discard;
    /// # impl LineProtocol for Discard {
    /// #     fn line_received(&self, _: &LineReceiver<Self>, _: bytes::Bytes) {}
    /// # }
    /// # factory(|| Discard);
    /// ```
    pub fn new(protocol: P) -> Self {
        Self::with(protocol, "\r\n", MAX_LENGTH)
    }

    /// Lines of at most `max_length` bytes (Twisted's `MAX_LENGTH`), with `delimiter` between them.
    ///
    /// # Panics
    ///
    /// When the delimiter is empty.
    ///
    /// # Examples
    ///
    /// ```
    /// # use hereafter_reactor::protocols::{LineProtocol, LineReceiver};
    /// # struct Discard;
    /// # impl LineProtocol for Discard {
    /// #     fn line_received(&self, _: &LineReceiver<Self>, _: bytes::Bytes) {}
    /// # }
    /// let receiver = LineReceiver::with(Discard, "\n", 1024);
    /// ```
    pub fn with(protocol: P, delimiter: impl Into<Bytes>, max_length: usize) -> Self {
        let delimiter = delimiter.into();
        assert!(!delimiter.is_empty(), "an empty delimiter would be everywhere");
        Self(Rc::new(Inner {
            protocol,
            delimiter,
            max_length,
            transport: RefCell::default(),
            buffer: RefCell::default(),
            searched: Cell::new(0),
            line_mode: Cell::new(true),
            paused: Cell::new(false),
            busy: Cell::new(false),
        }))
    }

    /// The protocol that gets the lines.
    ///
    /// # Examples
    ///
    /// ```
    /// # use hereafter_reactor::protocols::{LineProtocol, LineReceiver};
    /// # struct Count(u32);
    /// # impl LineProtocol for Count {
    /// #     fn line_received(&self, _: &LineReceiver<Self>, _: bytes::Bytes) {}
    /// # }
    /// assert_eq!(LineReceiver::new(Count(3)).protocol().0, 3);
    /// ```
    pub fn protocol(&self) -> &P {
        &self.0.protocol
    }

    /// The transport, once the connection is made.
    ///
    /// # Examples
    ///
    /// ```
    /// # use hereafter_reactor::protocols::{LineProtocol, LineReceiver};
    /// fn peer<P: LineProtocol>(receiver: &LineReceiver<P>) -> Option<String> {
    ///     Some(receiver.transport()?.peer().to_string())
    /// }
    /// ```
    pub fn transport(&self) -> Option<Transport> {
        self.0.transport.borrow().clone()
    }

    /// Sends a line, and the delimiter after it (Twisted's `sendLine`).
    ///
    /// # Examples
    ///
    /// ```
    /// # use hereafter_reactor::protocols::{LineProtocol, LineReceiver};
    /// fn greet<P: LineProtocol>(receiver: &LineReceiver<P>) {
    ///     receiver.send_line("hello");
    /// }
    /// ```
    pub fn send_line(&self, line: impl Into<Bytes>) {
        if let Some(transport) = self.transport() {
            transport.write_sequence([line.into(), self.0.delimiter.clone()]);
        }
    }

    /// Closes the connection when all was sent; see [`Transport::lose_connection`]. Lines that have
    /// come already are not handed on any more.
    ///
    /// # Examples
    ///
    /// ```
    /// # use hereafter_reactor::protocols::{LineProtocol, LineReceiver};
    /// fn quit<P: LineProtocol>(receiver: &LineReceiver<P>) {
    ///     receiver.send_line("bye");
    ///     receiver.lose_connection();
    /// }
    /// ```
    pub fn lose_connection(&self) {
        if let Some(transport) = self.transport() {
            transport.lose_connection();
        }
    }

    /// From here on, what comes goes to
    /// [`raw_data_received`](LineProtocol::raw_data_received) as it is (Twisted's `setRawMode`).
    ///
    /// # Examples
    ///
    /// ```
    /// # use hereafter_reactor::protocols::{LineProtocol, LineReceiver};
    /// fn body_follows<P: LineProtocol>(receiver: &LineReceiver<P>) {
    ///     receiver.set_raw_mode();
    /// }
    /// ```
    pub fn set_raw_mode(&self) {
        self.0.line_mode.set(false);
    }

    /// From here on, what comes is cut into lines again, beginning with `extra`, which is what the
    /// raw data had too much (Twisted's `setLineMode`).
    ///
    /// # Examples
    ///
    /// ```
    /// # use hereafter_reactor::protocols::{LineProtocol, LineReceiver};
    /// # use bytes::Bytes;
    /// fn body_is_over<P: LineProtocol>(receiver: &LineReceiver<P>, rest: Bytes) {
    ///     receiver.set_line_mode(&rest);
    /// }
    /// ```
    pub fn set_line_mode(&self, extra: &[u8]) {
        self.0.line_mode.set(true);
        self.0.searched.set(0);
        {
            // It came before what has come since.
            let mut buffer = self.0.buffer.borrow_mut();
            let rest = buffer.split();
            buffer.extend_from_slice(extra);
            buffer.extend_from_slice(&rest);
        }
        super::go_on(self.transport(), || self.hand_on());
    }

    /// Hands nothing on, and receives nothing, until
    /// [`resume_producing`](LineReceiver::resume_producing) (Twisted's `pauseProducing`).
    ///
    /// # Examples
    ///
    /// ```
    /// # use hereafter_reactor::protocols::{LineProtocol, LineReceiver};
    /// fn one_at_a_time<P: LineProtocol>(receiver: &LineReceiver<P>) {
    ///     receiver.pause_producing();
    /// }
    /// ```
    pub fn pause_producing(&self) {
        self.0.paused.set(true);
        if let Some(transport) = self.transport() {
            transport.pause_producing();
        }
    }

    /// Goes on, with the lines first that have come already (Twisted's `resumeProducing`).
    ///
    /// # Examples
    ///
    /// ```
    /// # use hereafter_reactor::protocols::{LineProtocol, LineReceiver};
    /// fn next<P: LineProtocol>(receiver: &LineReceiver<P>) {
    ///     receiver.resume_producing();
    /// }
    /// ```
    pub fn resume_producing(&self) {
        self.0.paused.set(false);
        if let Some(transport) = self.transport() {
            transport.resume_producing();
        }
        super::go_on(self.transport(), || self.hand_on());
    }

    /// Takes what has come and was not handed on (Twisted's `clearLineBuffer`).
    ///
    /// # Examples
    ///
    /// ```
    /// # use hereafter_reactor::protocols::{LineProtocol, LineReceiver};
    /// fn forget<P: LineProtocol>(receiver: &LineReceiver<P>) {
    ///     drop(receiver.clear_line_buffer());
    /// }
    /// ```
    pub fn clear_line_buffer(&self) -> Bytes {
        self.0.searched.set(0);
        self.0.buffer.borrow_mut().split().freeze()
    }

    /// Hands on what there is, unless that is being done further up the stack.
    fn hand_on(&self) {
        if self.0.busy.replace(true) {
            return;
        }
        // A panic in the protocol must not leave it busy.
        let _busy = Busy(&self.0.busy);
        while !self.0.paused.get() {
            match self.next() {
                Next::Line(line) => self.0.protocol.line_received(self, line),
                Next::Raw(data) => self.0.protocol.raw_data_received(self, data),
                Next::TooLong(data) => {
                    return self.0.protocol.line_length_exceeded(self, data);
                }
                Next::Nothing => return,
            }
            if self.transport().is_some_and(|transport| transport.is_disconnecting()) {
                return;
            }
        }
    }

    fn next(&self) -> Next {
        let inner = &*self.0;
        let mut buffer = inner.buffer.borrow_mut();
        if buffer.is_empty() {
            return Next::Nothing;
        }
        if !inner.line_mode.get() {
            return Next::Raw(buffer.split().freeze());
        }
        let from = inner.searched.get();
        let Some(place) = memmem::find(&buffer[from..], &inner.delimiter) else {
            if buffer.len() >= inner.max_length + inner.delimiter.len() {
                inner.searched.set(0);
                return Next::TooLong(buffer.split().freeze());
            }
            // Its last part may be the beginning of a delimiter.
            inner.searched.set(buffer.len().saturating_sub(inner.delimiter.len() - 1));
            return Next::Nothing;
        };
        inner.searched.set(0);
        let length = from + place;
        if length > inner.max_length {
            return Next::TooLong(buffer.split().freeze());
        }
        let mut line = buffer.split_to(length + inner.delimiter.len());
        line.truncate(length);
        Next::Line(line.freeze())
    }
}

/// Lines are being handed on, until this is dropped.
struct Busy<'a>(&'a Cell<bool>);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl<P: LineProtocol> Protocol for LineReceiver<P> {
    fn connection_made(&self, transport: &Transport) {
        *self.0.transport.borrow_mut() = Some(transport.clone());
        self.0.protocol.connection_made(self);
    }

    fn data_received(&self, _: &Transport, data: Bytes) {
        self.0.buffer.borrow_mut().extend_from_slice(&data);
        self.hand_on();
    }

    fn connection_lost(&self, reason: Failure) {
        self.0.protocol.connection_lost(reason);
    }
}

impl<P> Clone for LineReceiver<P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<P> fmt::Debug for LineReceiver<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineReceiver")
            .field("transport", &self.0.transport.borrow())
            .field("line_mode", &self.0.line_mode.get())
            .finish_non_exhaustive()
    }
}
