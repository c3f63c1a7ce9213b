//! Strings with their length before them.

use crate::errors::StringTooLongError;
use crate::protocol::Protocol;
use crate::transport::Transport;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use core::cell::{Cell, RefCell};
use core::fmt;
use core::marker::PhantomData;
use hereafter::Failure;
use std::rc::Rc;

/// Longer strings are too long, as in Twisted.
const MAX_LENGTH: usize = 99_999;

/// What is done with the strings of a connection; put into an [`IntStringReceiver`].
///
/// # Examples
///
/// See [`IntStringReceiver`].
pub trait StringProtocol<N: Prefix>: Sized + 'static {
    /// The connection is there (Twisted's `connectionMade`).
    fn connection_made(&self, receiver: &IntStringReceiver<N, Self>) {
        let _ = receiver;
    }

    /// A string has come (Twisted's `stringReceived`).
    fn string_received(&self, receiver: &IntStringReceiver<N, Self>, string: Bytes);

    /// A string is too long (Twisted's `lengthLimitExceeded`). If this does nothing else, the
    /// connection is closed.
    fn length_limit_exceeded(&self, receiver: &IntStringReceiver<N, Self>, length: usize) {
        let _ = length;
        receiver.lose_connection();
    }

    /// The connection is gone (Twisted's `connectionLost`).
    fn connection_lost(&self, reason: Failure) {
        let _ = reason;
    }
}

/// How the length of a string is written: a `u8`, `u16` or `u32`, the highest byte first.
pub trait Prefix: sealed::Prefix {}

mod sealed {
    pub trait Prefix: 'static {
        /// How many bytes it has.
        const SIZE: usize;
    }
}

macro_rules! prefix {
    ($($type:ty)*) => {
        $(
            impl Prefix for $type {}

            impl sealed::Prefix for $type {
                const SIZE: usize = size_of::<$type>();
            }
        )*
    };
}

prefix!(u8 u16 u32);

/// Strings of up to 255 bytes (Twisted's `Int8StringReceiver`).
pub type Int8StringReceiver<P> = IntStringReceiver<u8, P>;
/// Strings of up to 65,535 bytes (Twisted's `Int16StringReceiver`).
pub type Int16StringReceiver<P> = IntStringReceiver<u16, P>;
/// Strings of up to four gigabytes (Twisted's `Int32StringReceiver`).
pub type Int32StringReceiver<P> = IntStringReceiver<u32, P>;

/// The protocol of strings that have their length before them (Twisted's `IntNStringReceiver`).
///
/// It holds a [`StringProtocol`], which gets the strings. Clones are handles on the same one.
///
/// # Examples
///
/// ```
/// use bytes::Bytes;
/// use hereafter_reactor::protocols::{Int16StringReceiver, StringProtocol};
/// use hereafter_reactor::testing::StringTransport;
///
/// struct Echo;
///
/// impl StringProtocol<u16> for Echo {
///     fn string_received(&self, receiver: &Int16StringReceiver<Self>, string: Bytes) {
///         receiver.send_string(&string).unwrap();
///     }
/// }
///
/// let wire = StringTransport::new(Int16StringReceiver::new(Echo));
/// wire.deliver("\0\x05hello\0");
/// wire.deliver("\x01!");
/// assert_eq!(wire.value(), "\0\x05hello\0\x01!");
/// ```
pub struct IntStringReceiver<N, P>(Rc<Inner<P>>, PhantomData<N>);

struct Inner<P> {
    protocol: P,
    max_length: usize,
    transport: RefCell<Option<Transport>>,
    /// What has come, and was not handed on.
    buffer: RefCell<BytesMut>,
    paused: Cell<bool>,
    /// Strings are being handed on, so what comes meanwhile has to wait.
    busy: Cell<bool>,
}

impl<N: Prefix, P: StringProtocol<N>> IntStringReceiver<N, P> {
    /// Strings of at most 99,999 bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::protocols::{Int32StringReceiver, StringProtocol};
    /// fn receiver<P: StringProtocol<u32>>(protocol: P) -> Int32StringReceiver<P> {
    ///     Int32StringReceiver::new(protocol)
    /// }
    /// ```
    pub fn new(protocol: P) -> Self {
        Self::with_max_length(protocol, MAX_LENGTH)
    }

    /// Strings of at most `max_length` bytes (Twisted's `MAX_LENGTH`).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::protocols::{Int32StringReceiver, StringProtocol};
    /// fn receiver<P: StringProtocol<u32>>(protocol: P) -> Int32StringReceiver<P> {
    ///     Int32StringReceiver::with_max_length(protocol, 1024 * 1024)
    /// }
    /// ```
    pub fn with_max_length(protocol: P, max_length: usize) -> Self {
        let inner = Inner {
            protocol,
            max_length,
            transport: RefCell::default(),
            buffer: RefCell::default(),
            paused: Cell::new(false),
            busy: Cell::new(false),
        };
        Self(Rc::new(inner), PhantomData)
    }

    /// The protocol that gets the strings.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::protocols::{Int32StringReceiver, StringProtocol};
    /// fn protocol<P: StringProtocol<u32>>(receiver: &Int32StringReceiver<P>) -> &P {
    ///     receiver.protocol()
    /// }
    /// ```
    pub fn protocol(&self) -> &P {
        &self.0.protocol
    }

    /// The transport, once the connection is made.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::protocols::{Int32StringReceiver, StringProtocol};
    /// fn peer<P: StringProtocol<u32>>(receiver: &Int32StringReceiver<P>) -> Option<String> {
    ///     Some(receiver.transport()?.peer().to_string())
    /// }
    /// ```
    pub fn transport(&self) -> Option<Transport> {
        self.0.transport.borrow().clone()
    }

    /// Sends a string, with its length before it (Twisted's `sendString`).
    ///
    /// # Errors
    ///
    /// When its length does not fit into the prefix; then nothing is sent.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::protocols::{Int32StringReceiver, StringProtocol};
    /// fn greet<P: StringProtocol<u32>>(receiver: &Int32StringReceiver<P>) {
    ///     receiver.send_string("hello").unwrap();
    /// }
    /// ```
    pub fn send_string(&self, string: impl AsRef<[u8]>) -> Result<(), StringTooLongError> {
        let string = string.as_ref();
        let limit = u64::MAX >> (64 - 8 * N::SIZE);
        let length = string.len() as u64;
        if length > limit {
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            return Err(StringTooLongError { length: string.len(), limit });
        }
        if let Some(transport) = self.transport() {
            let mut message = BytesMut::with_capacity(N::SIZE + string.len());
            message.put_uint(length, N::SIZE);
            message.extend_from_slice(string);
            transport.write(message);
        }
        Ok(())
    }

    /// Closes the connection when all was sent; see [`Transport::lose_connection`].
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::protocols::{Int32StringReceiver, StringProtocol};
    /// fn quit<P: StringProtocol<u32>>(receiver: &Int32StringReceiver<P>) {
    ///     receiver.lose_connection();
    /// }
    /// ```
    pub fn lose_connection(&self) {
        if let Some(transport) = self.transport() {
            transport.lose_connection();
        }
    }

    /// Hands nothing on, and receives nothing, until
    /// [`resume_producing`](IntStringReceiver::resume_producing) (Twisted's `pauseProducing`).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::protocols::{Int32StringReceiver, StringProtocol};
    /// fn wait<P: StringProtocol<u32>>(receiver: &Int32StringReceiver<P>) {
    ///     receiver.pause_producing();
    /// }
    /// ```
    pub fn pause_producing(&self) {
        self.0.paused.set(true);
        if let Some(transport) = self.transport() {
            transport.pause_producing();
        }
    }

    /// Goes on, with the strings first that have come already (Twisted's `resumeProducing`).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::protocols::{Int32StringReceiver, StringProtocol};
    /// fn next<P: StringProtocol<u32>>(receiver: &Int32StringReceiver<P>) {
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

    /// Hands on what there is, unless that is being done further up the stack.
    fn hand_on(&self) {
        if self.0.busy.replace(true) {
            return;
        }
        // A panic in the protocol must not leave it busy.
        let _busy = Busy(&self.0.busy);
        while !self.0.paused.get() {
            match self.next() {
                Some(Ok(string)) => self.0.protocol.string_received(self, string),
                Some(Err(length)) => {
                    return self.0.protocol.length_limit_exceeded(self, length);
                }
                None => return,
            }
        }
    }

    /// The next string, or the length of one that is too long; that one stays where it is.
    fn next(&self) -> Option<Result<Bytes, usize>> {
        let mut buffer = self.0.buffer.borrow_mut();
        let length = buffer.get(..N::SIZE)?.get_uint(N::SIZE);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > self.0.max_length {
            return Some(Err(length));
        }
        if buffer.len() < N::SIZE + length {
            return None;
        }
        buffer.advance(N::SIZE);
        Some(Ok(buffer.split_to(length).freeze()))
    }
}

/// Strings are being handed on, until this is dropped.
struct Busy<'a>(&'a Cell<bool>);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl<N: Prefix, P: StringProtocol<N>> Protocol for IntStringReceiver<N, P> {
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

impl<N, P> Clone for IntStringReceiver<N, P> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<N, P> fmt::Debug for IntStringReceiver<N, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntStringReceiver")
            .field("transport", &self.0.transport.borrow())
            .finish_non_exhaustive()
    }
}
