//! Transports: the side of a connection that protocols write to.
//!
//! A [`Transport`] is a handle on the state of one connection: what is to be sent, and what has been
//! asked for. Its methods only note that, and wake the connection's task, which does it
//! ([`connection`](crate::connection)). So a method may be called from anywhere, by the protocol or
//! anybody else, and never calls the protocol back; only a producer is told at once that it is too
//! fast.

use crate::connection::Channel;
use crate::errors::{ConnectionAborted, ProducerRegistered};
use crate::protocol::Address;
use bytes::Bytes;
use core::fmt;
use hereafter::Failure;
use std::io;
use std::rc::Rc;

/// More than this is too much to have waiting: a producer is paused.
const HIGH_WATER: usize = 64 * 1024;

/// Little enough for a producer to go on, before the network has nothing to do.
pub(crate) const LOW_WATER: usize = 16 * 1024;

/// What a protocol writes to (Twisted's `ITransport` and `ITCPTransport`).
///
/// It is a handle on a connection, cheap to clone, and stays on its thread. It may outlive the
/// connection; then its methods do nothing. A handle does not keep the connection open, and
/// dropping it does not close it.
///
/// # Examples
///
/// ```
/// use bytes::Bytes;
/// use hereafter_reactor::testing::StringTransport;
/// use hereafter_reactor::{Protocol, Transport};
///
/// /// Says the time of day, and that is all.
/// struct Daytime;
///
/// impl Protocol for Daytime {
///     fn connection_made(&self, transport: &Transport) {
///         transport.write("noon\r\n");
///         transport.lose_connection();
///     }
///
///     fn data_received(&self, _: &Transport, _: Bytes) {}
/// }
///
/// let wire = StringTransport::new(Daytime);
/// assert_eq!(wire.value(), "noon\r\n");
/// assert!(wire.transport().is_disconnecting());
/// ```
#[derive(Clone)]
pub struct Transport(pub(crate) Rc<Channel>);

/// What feeds a transport at the pace that the network takes (Twisted's `IPushProducer` and
/// `IPullProducer`). Given to [`Transport::register_producer`].
///
/// # Examples
///
/// ```
/// use bytes::Bytes;
/// use hereafter_reactor::testing::StringTransport;
/// use hereafter_reactor::{Producer, Protocol, Transport};
/// use std::cell::Cell;
/// use std::rc::Rc;
///
/// /// Writes the numbers up to ten, one whenever it is asked.
/// struct Numbers {
///     next: Cell<u32>,
///     to: Transport,
/// }
///
/// impl Producer for Numbers {
///     fn resume_producing(&self) {
///         let n = self.next.replace(self.next.get() + 1);
///         self.to.write(format!("{n}\n"));
///         if n == 10 {
///             self.to.unregister_producer();
///         }
///     }
/// }
///
/// struct Discard;
/// # impl Protocol for Discard { fn data_received(&self, _: &Transport, _: Bytes) {} }
///
/// let wire = StringTransport::new(Discard);
/// let to = wire.transport();
/// to.register_producer(Rc::new(Numbers { next: Cell::new(1), to: to.clone() }), false)?;
/// assert_eq!(wire.take(), "1\n");
/// assert_eq!(wire.take(), "2\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Producer: 'static {
    /// Goes on. A pull producer writes something, or unregisters itself.
    fn resume_producing(&self);

    /// Writes no more, until it is resumed. A pull producer need not have this.
    fn pause_producing(&self) {}

    /// The connection is gone, and nothing more will be asked for.
    fn stop_producing(&self) {}
}

/// A producer that is registered.
#[derive(Clone)]
pub(crate) struct Registered {
    pub(crate) producer: Rc<dyn Producer>,
    /// It writes by itself until it is paused; others write when they are asked.
    pub(crate) streaming: bool,
    pub(crate) paused: bool,
}

impl Transport {
    /// Sends `data`, after what was written before (Twisted's `write`).
    ///
    /// It never blocks and never fails. What the network does not take at once is kept; to be told
    /// when that becomes too much, see [`register_producer`](Transport::register_producer). What is
    /// written after the end of the connection is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytes::Bytes;
    /// use hereafter_reactor::Transport;
    /// fn greet(transport: &Transport, name: &str) {
    ///     transport.write("hello, ");
    ///     transport.write(format!("{name}\r\n"));
    ///     transport.write(&b"\0\xff"[..]);
    ///     transport.write(Bytes::copy_from_slice(name.as_bytes()));
    /// }
    /// # let _ = greet;
    /// ```
    pub fn write(&self, data: impl Into<Bytes>) {
        let data = data.into();
        if !data.is_empty() && self.0.takes_writes() {
            self.0.outgoing.borrow_mut().push(&data);
            self.written();
        }
    }

    /// Sends several pieces, as one [`write`](Transport::write) of them all (Twisted's
    /// `writeSequence`).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::Transport;
    /// fn send_line(transport: &Transport, line: String) {
    ///     transport.write_sequence([line.into_bytes(), b"\r\n".to_vec()]);
    /// }
    /// # let _ = send_line;
    /// ```
    pub fn write_sequence(&self, pieces: impl IntoIterator<Item: Into<Bytes>>) {
        // All of them first: the iterator is somebody else's code.
        let pieces: Vec<Bytes> = pieces.into_iter().map(Into::into).collect();
        if self.0.takes_writes() {
            for piece in &pieces {
                self.0.outgoing.borrow_mut().push(piece);
            }
            self.written();
        }
    }

    /// Something was written: has it sent, and slows the producer down.
    fn written(&self) {
        self.0.wake();
        if self.buffered() <= HIGH_WATER {
            return;
        }
        let too_fast = match &mut *self.0.producer.borrow_mut() {
            Some(registered) if registered.streaming && !registered.paused => {
                registered.paused = true;
                Some(registered.producer.clone())
            }
            _ => None,
        };
        if let Some(producer) = too_fast {
            self.0.call_from_outside("a producer", || producer.pause_producing());
        }
    }

    /// How many bytes wait to be taken by the network.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::Transport;
    /// fn is_slow(transport: &Transport) -> bool {
    ///     transport.buffered() > 1024 * 1024
    /// }
    /// # let _ = is_slow;
    /// ```
    pub fn buffered(&self) -> usize {
        self.0.outgoing.borrow().len()
    }

    /// Closes the connection, when all that was written has been sent (Twisted's `loseConnection`).
    ///
    /// Nothing is received any more. While a producer is registered, the connection waits for it to
    /// be unregistered.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::Transport;
    /// fn part(transport: &Transport) {
    ///     transport.write("goodbye\r\n");
    ///     transport.lose_connection();
    /// }
    /// # let _ = part;
    /// ```
    pub fn lose_connection(&self) {
        if !self.0.losing.replace(true) {
            self.0.wake();
        }
    }

    /// Closes the direction in which this side sends, when all that was written has been sent
    /// (Twisted's `loseWriteConnection`). What the other side sends is still received.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::Transport;
    /// fn ask(transport: &Transport, question: String) {
    ///     transport.write(question);
    ///     transport.lose_write_connection(); // that was all of it
    /// }
    /// # let _ = ask;
    /// ```
    pub fn lose_write_connection(&self) {
        self.0.close_write_side();
    }

    /// Breaks the connection off, and drops what was not sent (Twisted's `abortConnection`). Over
    /// TCP the other side sees a reset.
    ///
    /// [`connection_lost`](crate::Protocol::connection_lost) follows soon, and not in this call.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::Transport;
    /// fn give_up(transport: &Transport) {
    ///     transport.abort_connection();
    /// }
    /// # let _ = give_up;
    /// ```
    #[track_caller]
    pub fn abort_connection(&self) {
        if self.0.is_connected() && !self.0.aborting.get() {
            self.0.doom(Failure::new(ConnectionAborted));
        }
    }

    /// Whether the connection is there: from `connection_made` to `connection_lost`.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::Transport;
    /// fn still_there(all: &[Transport]) -> usize {
    ///     all.iter().filter(|transport| transport.is_connected()).count()
    /// }
    /// # let _ = still_there;
    /// ```
    pub fn is_connected(&self) -> bool {
        self.0.is_connected()
    }

    /// Whether the connection was told to end, or has (Twisted's `disconnecting`).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::Transport;
    /// fn wants_more(transport: &Transport) -> bool {
    ///     !transport.is_disconnecting()
    /// }
    /// # let _ = wants_more;
    /// ```
    pub fn is_disconnecting(&self) -> bool {
        self.0.losing.get() || self.0.aborting.get() || !self.is_connected()
    }

    /// The address of this side (Twisted's `getHost`).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::Transport;
    /// fn own_port(transport: &Transport) -> Option<u16> {
    ///     transport.host().port()
    /// }
    /// # let _ = own_port;
    /// ```
    pub fn host(&self) -> &Address {
        &self.0.host
    }

    /// The address of the other side (Twisted's `getPeer`).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::Transport;
    /// fn tell(transport: &Transport) {
    ///     println!("connected with {}", transport.peer());
    /// }
    /// # let _ = tell;
    /// ```
    pub fn peer(&self) -> &Address {
        &self.0.peer
    }

    /// Whether small pieces are sent at once, where otherwise they would wait a moment for others
    /// (Twisted's `setTcpNoDelay`).
    ///
    /// # Errors
    ///
    /// When the connection is gone, or does not run over TCP.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::Transport;
    /// fn hurry(transport: &Transport) -> std::io::Result<()> {
    ///     transport.set_tcp_no_delay(true)
    /// }
    /// # let _ = hurry;
    /// ```
    pub fn set_tcp_no_delay(&self, on: bool) -> io::Result<()> {
        self.0.with_stream(|stream| stream.set_no_delay(on))
    }

    /// Whether a connection on which nothing happens is looked after now and then, so that the loss
    /// of the other side comes to light (Twisted's `setTcpKeepAlive`).
    ///
    /// # Errors
    ///
    /// When the connection is gone, or does not run over TCP.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::Transport;
    /// fn stay(transport: &Transport) -> std::io::Result<()> {
    ///     transport.set_tcp_keep_alive(true)
    /// }
    /// # let _ = stay;
    /// ```
    pub fn set_tcp_keep_alive(&self, on: bool) -> io::Result<()> {
        self.0.with_stream(|stream| stream.set_keep_alive(on))
    }

    /// Has `producer` write at the pace that the network takes (Twisted's `registerProducer`).
    ///
    /// * A `streaming` one writes by itself. It is paused, inside the [`write`](Transport::write)
    ///   after which more than 64 KiB wait, and resumed when no more than 16 KiB do.
    /// * The other kind writes when it is resumed: once now, and then whenever all has been taken.
    ///
    /// It is unregistered by [`unregister_producer`](Transport::unregister_producer), or stopped at
    /// the end of the connection: at once, if that is over.
    ///
    /// A transport is a producer itself: that of what it receives. So an echo that never has more
    /// waiting than that much is `transport.register_producer(Rc::new(transport.clone()), true)`.
    ///
    /// # Errors
    ///
    /// When there is a producer already.
    ///
    /// # Panics
    ///
    /// When a method of the producer that is called now does.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::{Transport, errors::ProducerRegistered};
    /// use std::rc::Rc;
    ///
    /// /// What comes from one goes to the other, no faster than that can take it.
    /// fn pipe(from: &Transport, to: &Transport) -> Result<(), ProducerRegistered> {
    ///     to.register_producer(Rc::new(from.clone()), true)
    /// }
    /// # let _ = pipe;
    /// ```
    pub fn register_producer(
        &self,
        producer: Rc<dyn Producer>,
        streaming: bool,
    ) -> Result<(), ProducerRegistered> {
        if !self.is_connected() {
            self.0.call_from_outside("a producer", || producer.stop_producing());
            return Ok(());
        }
        if self.0.producer.borrow().is_some() {
            return Err(ProducerRegistered);
        }
        let registered = Registered { producer: producer.clone(), streaming, paused: false };
        *self.0.producer.borrow_mut() = Some(registered);
        if !streaming {
            self.0.call_from_outside("a producer", || producer.resume_producing());
        }
        Ok(())
    }

    /// The producer has written all that it will (Twisted's `unregisterProducer`).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::Transport;
    /// fn finish(transport: &Transport) {
    ///     transport.unregister_producer();
    ///     transport.lose_connection();
    /// }
    /// # let _ = finish;
    /// ```
    pub fn unregister_producer(&self) {
        let producer = self.0.producer.borrow_mut().take();
        if producer.is_some() {
            self.0.wake();
        }
    }

    /// Receives no more, until [`resume_producing`](Transport::resume_producing) (Twisted's
    /// `pauseProducing`): the network then slows the other side down.
    ///
    /// While it is paused, the other side's end of the connection does not come to light either.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::Transport;
    /// fn wait(transport: &Transport) {
    ///     transport.pause_producing();
    /// }
    /// # let _ = wait;
    /// ```
    pub fn pause_producing(&self) {
        self.0.reading.set(false);
    }

    /// Receives again (Twisted's `resumeProducing`).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_reactor::Transport;
    /// fn go_on(transport: &Transport) {
    ///     transport.resume_producing();
    /// }
    /// # let _ = go_on;
    /// ```
    pub fn resume_producing(&self) {
        if !self.0.reading.replace(true) {
            self.0.wake();
        }
    }
}

impl Producer for Transport {
    fn resume_producing(&self) {
        Self::resume_producing(self);
    }

    fn pause_producing(&self) {
        Self::pause_producing(self);
    }

    /// Whoever was to get what this receives is gone, so this connection is closed too.
    fn stop_producing(&self) {
        self.lose_connection();
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("host", self.host())
            .field("peer", self.peer())
            .field("connected", &self.is_connected())
            .field("buffered", &self.buffered())
            .finish_non_exhaustive()
    }
}
