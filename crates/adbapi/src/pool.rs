//! The pool: what a program holds, from its start to its end.

use crate::error::Error;
use crate::interaction::{self, Connection, Transaction};
use crate::lease::{Lease, Raw, Statement};
use crate::params::Params;
use crate::row::Row;
use crate::server::{Limits, Server, without_secrets};
use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::Future;
use core::time::Duration;
use hereafter::errors::TimeoutError;
use hereafter::{Deferred, DeferredLock, Failure, LockGuard, Outcome};
use hereafter_reactor::{Phase, Reactor, SystemEvent, TriggerId};
use sqlx::{SqlSafeStr, SqlStr};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};

/// How long the reactor waits, when it stops, for what is being done on the connections.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many statements' placeholders are kept in mind.
const KNOWN_STATEMENTS: usize = 500;

/// A pool of connections to a database (Twisted's `adbapi.ConnectionPool`).
///
/// A clone is another handle on the same pool. It stays on the thread of its reactor, and all
/// callbacks run there; the waiting is done by tokio, and SQLite's work by threads of its own.
///
/// A connection that is lost is replaced when the next one is needed. What was being done on it
/// fails with [`Error::Lost`].
///
/// # Dropping
///
/// With the last handle, the connections are closed; what is under way goes on to its end. When the
/// reactor stops, the pool is [closed](ConnectionPool::close), and the reactor waits up to 5 seconds
/// for what is under way.
///
/// # Examples
///
/// ```
/// use hereafter::Deferred;
/// use hereafter_adbapi::{ConnectionPool, params};
/// use hereafter_reactor::Reactor;
///
/// let reactor = Reactor::new()?;
/// let stopping = reactor.clone();
/// let names = ConnectionPool::connect("sqlite::memory:")
///     .add_callback(|pool| {
///         pool.run_operation("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)", params![])
///             .map(|_| pool)
///     })
///     .add_callback(|pool| {
///         pool.run_operation("INSERT INTO users (name) VALUES (?)", params!["Ada"]).map(|_| pool)
///     })
///     .add_callback(|pool| pool.run_query("SELECT id, name FROM users", params![]))
///     .add_callback(|rows| Ok(rows[0].read::<(i64, String)>()?))
///     .add_both(move |result| { stopping.stop().unwrap(); result });
/// reactor.run()?;
/// assert_eq!(names.take_result().unwrap()?, (1, "Ada".to_owned()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ConnectionPool(Rc<Inner>);

pub(crate) struct Inner {
    server: Server,
    limits: Limits,
    /// The address, without what may be secret.
    pub(crate) database: String,
    /// How many connections somebody has.
    pub(crate) in_use: Cell<u32>,
    /// Idle connections to SQLite, which are as good as when they were given back. The driver's pool
    /// would test them on the way back, which takes as long as a small query.
    idle: RefCell<Vec<Raw>>,
    /// How many wait for the driver's pool; connections that are given back are for them.
    waiting: Cell<u32>,
    /// Whose turn it is to write, where the database lets one write at a time. Without it, SQLite
    /// would have each wait by trying again and again, and the unlucky for ever.
    writers: Option<DeferredLock>,
    /// How many placeholders a statement has, for those that were asked about.
    placeholders: RefCell<HashMap<SqlStr, usize>>,
    /// Closes the pool when the reactor stops.
    shutdown: Cell<Option<TriggerId>>,
}

/// What a [`ConnectionPool`] is to be like; made by [`ConnectionPool::builder`].
///
/// # Examples
///
/// ```
/// use hereafter_adbapi::ConnectionPool;
/// use std::time::Duration;
///
/// # let reactor = hereafter_reactor::Reactor::new()?;
/// let pool = ConnectionPool::builder("sqlite::memory:")
///     .max(10)
///     .connect_timeout(Duration::from_secs(3))
///     .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "it only describes a pool; `build` or `connect` makes it"]
pub struct Builder {
    address: String,
    limits: Limits,
}

impl Builder {
    /// How many connections [`start`](ConnectionPool::start) opens (Twisted's `cp_min`); at first
    /// one. It is never more than `max`.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_adbapi::ConnectionPool;
    /// let three_at_once = ConnectionPool::builder("sqlite://site.db").min(3);
    /// ```
    pub fn min(mut self, min: u32) -> Self {
        self.limits.min = min;
        self
    }

    /// How many connections there may be at once (Twisted's `cp_max`); at first 5. Zero counts as
    /// one. A database in memory has one whatever is said here.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_adbapi::ConnectionPool;
    /// # let reactor = hereafter_reactor::Reactor::new()?;
    /// let pool = ConnectionPool::builder("sqlite://site.db").max(10).build()?;
    /// assert_eq!(pool.stats().max, 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max(mut self, max: u32) -> Self {
        self.limits.max = max.max(1);
        self
    }

    /// How long to wait for a connection: for a free one when all are in use, or until a new one is
    /// made; at first 30 seconds. A server that refuses connections is given that time to come up.
    /// For SQLite it is also how long to wait until another program has written.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_adbapi::ConnectionPool;
    /// use std::time::Duration;
    ///
    /// let hasty = ConnectionPool::builder("postgres://db/app").connect_timeout(Duration::from_secs(2));
    /// ```
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = timeout;
        self
    }

    /// Makes the pool, on the reactor of this thread. Connections are made when they are needed.
    ///
    /// # Errors
    ///
    /// When the address is not understood, or there is no reactor.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_adbapi::{ConnectionPool, Error};
    ///
    /// let error = ConnectionPool::builder("sqlite::memory:").build().unwrap_err();
    /// assert!(matches!(error, Error::NoReactor));
    /// ```
    pub fn build(self) -> Result<ConnectionPool, Error> {
        let Self { address, mut limits } = self;
        let reactor = Reactor::current().ok_or(Error::NoReactor)?;
        let server = Server::new(&address, &mut limits)?;
        limits.min = limits.min.min(limits.max);
        let in_turn = matches!(server, Server::Sqlite(_)) && limits.max > 1;
        let inner = Rc::new_cyclic(|weak: &Weak<Inner>| {
            let weak = weak.clone();
            let trigger =
                reactor.add_system_event_trigger(Phase::Before, SystemEvent::Shutdown, move || {
                    weak.upgrade().map_or(Deferred::succeed(()), |inner| inner.shut_down())
                });
            Inner {
                server,
                limits,
                database: without_secrets(&address),
                in_use: Cell::new(0),
                idle: RefCell::default(),
                waiting: Cell::new(0),
                writers: in_turn.then(DeferredLock::new),
                placeholders: RefCell::default(),
                shutdown: Cell::new(Some(trigger)),
            }
        });
        Ok(ConnectionPool(inner))
    }

    /// Makes the pool and its first connections.
    ///
    /// # Errors
    ///
    /// The deferred fails as [`build`](Builder::build) does, and when the database cannot be
    /// reached.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_adbapi::ConnectionPool;
    /// # let reactor = hereafter_reactor::Reactor::new()?;
    /// let connecting = ConnectionPool::builder("sqlite::memory:").connect();
    /// # drop(connecting);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn connect(self) -> Deferred<ConnectionPool> {
        match self.build() {
            Ok(pool) => pool.start().map(|()| pool),
            Err(error) => Deferred::fail(error),
        }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("database", &without_secrets(&self.address))
            .field("limits", &self.limits)
            .finish()
    }
}

impl ConnectionPool {
    /// Connects to a database: a deferred of the pool, when its first connection is made.
    ///
    /// * `sqlite::memory:` is a database in memory, which is gone with the pool.
    /// * `sqlite://file.db` (relative) or `sqlite:///srv/file.db` is one in a file, made if it is not
    ///   there; `?mode=rw` or `?mode=ro` opens only what there is.
    /// * `postgres://user:password@host:port/database` is one on a server. Further options follow a
    ///   `?`, such as `sslmode=require`; `host=/run/postgresql` is a Unix socket.
    ///
    /// # Errors
    ///
    /// When the address is not understood, there is no reactor on this thread, or the database
    /// cannot be reached.
    ///
    /// # Cancelling
    ///
    /// Gives up connecting.
    ///
    /// # Examples
    ///
    /// See [`ConnectionPool`].
    #[track_caller]
    pub fn connect(address: impl Into<String>) -> Deferred<Self> {
        Self::builder(address).connect()
    }

    /// Describes a pool for the database at `address`, of which [`connect`](ConnectionPool::connect)
    /// says what it looks like.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_adbapi::ConnectionPool;
    /// # let reactor = hereafter_reactor::Reactor::new()?;
    /// let pool = ConnectionPool::builder("sqlite::memory:").build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder(address: impl Into<String>) -> Builder {
        let limits = Limits { min: 1, max: 5, timeout: Duration::from_secs(30) };
        Builder { address: address.into(), limits }
    }

    /// Opens the first connections, as many as [`Builder::min`] says (Twisted's `start`). Nobody has
    /// to call it: what is needed is opened when it is needed.
    ///
    /// # Errors
    ///
    /// When the database cannot be reached.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_adbapi::ConnectionPool;
    ///
    /// fn warm_up(pool: &ConnectionPool) {
    ///     pool.start().map(|()| println!("ready")).detach();
    /// }
    /// ```
    #[track_caller]
    pub fn start(&self) -> Deferred<()> {
        let inner = self.0.clone();
        Deferred::from_coroutine(async move {
            let mut leases = Vec::new();
            for _ in 0..inner.limits.min {
                leases.push(inner.lease().await?);
            }
            Ok(())
        })
    }

    /// Runs a query: a deferred of all its rows (Twisted's `runQuery`).
    ///
    /// Placeholders are those of the database: `?` for SQLite, `$1`, `$2` for PostgreSQL (and for
    /// SQLite too). A statement that is put together while the program runs has to be wrapped in
    /// [`AssertSqlSafe`](crate::AssertSqlSafe), which says that no stranger has a part in it.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    ///
    /// # Cancelling
    ///
    /// Nobody waits any longer; the connection is closed (PostgreSQL) or given back when the
    /// statement is done (SQLite). A statement that changes something may have done so.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::{Deferred, Failure};
    /// use hereafter_adbapi::{ConnectionPool, params};
    ///
    /// fn age_of(pool: &ConnectionPool, name: &str) -> Deferred<Option<i64>> {
    ///     pool.run_query("SELECT age FROM users WHERE name = ?", params![name])
    ///         .add_callback(|rows| Ok(rows.first().map(|row| row.get("age")).transpose()?))
    /// }
    /// ```
    #[track_caller]
    pub fn run_query<'q>(
        &self,
        sql: impl SqlSafeStr,
        params: impl Params<'q>,
    ) -> Deferred<Vec<Row>> {
        let inner = self.0.clone();
        match self.0.statement(sql, params) {
            Ok(statement) => {
                Deferred::from_coroutine(
                    async move { Ok(inner.lease().await?.query(statement).await?) },
                )
            }
            Err(failure) => Deferred::fail(failure),
        }
    }

    /// Runs a statement that gives no rows: a deferred of how many it has changed (Twisted's
    /// `runOperation`). Without parameters it may be several, with `;` between them.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    ///
    /// # Cancelling
    ///
    /// As [`run_query`](ConnectionPool::run_query).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_adbapi::{ConnectionPool, params};
    ///
    /// fn forget(pool: &ConnectionPool, name: &str) {
    ///     pool.run_operation("DELETE FROM users WHERE name = ?", params![name])
    ///         .map(|count| println!("{count} forgotten"))
    ///         .detach();
    /// }
    /// ```
    #[track_caller]
    pub fn run_operation<'q>(
        &self,
        sql: impl SqlSafeStr,
        params: impl Params<'q>,
    ) -> Deferred<u64> {
        let inner = self.0.clone();
        match self.0.statement(sql, params) {
            Ok(statement) => Deferred::from_coroutine(async move {
                let _turn = inner.turn_to_write().await?;
                Ok(inner.lease().await?.operation(statement).await?)
            }),
            Err(failure) => Deferred::fail(failure),
        }
    }

    /// Runs a function with a transaction: a deferred of its result (Twisted's `runInteraction`).
    ///
    /// What the function gives back is a future, as an `async` block is, or a deferred. When it ends
    /// with a value, the transaction is committed, and then the deferred fires with the value. When
    /// it fails, panics or is cancelled, the transaction is rolled back, and then the deferred fires
    /// with that failure. So when it fires, all is done or nothing is.
    ///
    /// With SQLite, one interaction writes at a time; the others wait for their turn, in order.
    ///
    /// # Errors
    ///
    /// See [`Error`]. A commit that fails is a failure. One whose connection is lost meanwhile is
    /// [`Error::Lost`], and nobody knows whether it was done.
    ///
    /// # Cancelling
    ///
    /// It arrives as a [`CancelledError`](hereafter::errors::CancelledError) at what the function
    /// awaits. A statement that is cancelled half-way dooms the transaction, even if the function
    /// handles that. Once the function has ended with a value, a cancel comes too late: the deferred
    /// fires with what comes of the commit.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Deferred;
    /// use hereafter_adbapi::{ConnectionPool, params};
    ///
    /// fn pay(pool: &ConnectionPool, from: i64, to: i64, sum: i64) -> Deferred<()> {
    ///     pool.run_interaction(move |transaction| async move {
    ///         let take = "UPDATE accounts SET balance = balance - ? WHERE id = ?";
    ///         transaction.run_operation(take, params![sum, from]).await?;
    ///         let give = "UPDATE accounts SET balance = balance + ? WHERE id = ?";
    ///         transaction.run_operation(give, params![sum, to]).await?;
    ///         Ok(())
    ///     })
    /// }
    /// ```
    #[track_caller]
    pub fn run_interaction<F, R>(&self, interaction: F) -> Deferred<<R::Output as Outcome>::Value>
    where
        F: FnOnce(Transaction) -> R + 'static,
        R: Future<Output: Outcome> + 'static,
    {
        interaction::in_transaction(self.0.clone(), interaction)
    }

    /// Runs a function with a connection of its own: a deferred of its result (Twisted's
    /// `runWithConnection`).
    ///
    /// It is for statements that belong to one connection and not to a transaction: `PRAGMA`,
    /// `VACUUM`, `LISTEN`, temporary tables. Each statement is its own transaction, unless the
    /// function begins one; if it does and then fails, that one is rolled back. It has to end what it
    /// has begun: a transaction that is left open after a success stays open on the connection.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    ///
    /// # Cancelling
    ///
    /// It arrives at what the function awaits, as with
    /// [`run_interaction`](ConnectionPool::run_interaction).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Deferred;
    /// use hereafter_adbapi::{ConnectionPool, params};
    ///
    /// fn pages(pool: &ConnectionPool) -> Deferred<i64> {
    ///     pool.run_with_connection(|connection| async move {
    ///         connection.run_operation("VACUUM", params![]).await?;
    ///         let rows = connection.run_query("PRAGMA page_count", params![]).await?;
    ///         Ok(rows[0].get(0)?)
    ///     })
    /// }
    /// ```
    #[track_caller]
    pub fn run_with_connection<F, R>(&self, function: F) -> Deferred<<R::Output as Outcome>::Value>
    where
        F: FnOnce(Connection) -> R + 'static,
        R: Future<Output: Outcome> + 'static,
    {
        interaction::on_connection(self.0.clone(), function)
    }

    /// Closes the pool: fires when what is under way is done and all connections are closed
    /// (Twisted's `close`). What waits for a connection, or asks for one later, fails with
    /// [`Error::Closed`].
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_adbapi::ConnectionPool;
    ///
    /// fn reopen(old: ConnectionPool) -> hereafter::Deferred<ConnectionPool> {
    ///     old.close().add_callback(|()| ConnectionPool::connect("sqlite://site.db"))
    /// }
    /// ```
    #[track_caller]
    pub fn close(&self) -> Deferred<()> {
        self.0.close()
    }

    /// How many connections there are.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_adbapi::ConnectionPool;
    /// # let reactor = hereafter_reactor::Reactor::new()?;
    /// let pool = ConnectionPool::builder("sqlite::memory:").build()?;
    /// assert_eq!((pool.stats().open, pool.stats().in_use), (0, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stats(&self) -> PoolStats {
        let (open, idle) = self.0.server.counts();
        let idle = idle + self.0.idle.borrow().len();
        let max = self.0.limits.max;
        PoolStats { max, open, idle, in_use: self.0.in_use.get() }
    }
}

impl fmt::Debug for ConnectionPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionPool")
            .field("database", &self.0.database)
            .field("stats", &self.stats())
            .finish()
    }
}

/// How many connections a [`ConnectionPool`] has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// How many there may be.
    pub max: u32,
    /// How many are open, or being opened or closed.
    pub open: u32,
    /// How many wait for something to do.
    pub idle: usize,
    /// How many somebody has.
    pub in_use: u32,
}

impl Inner {
    pub(crate) fn statement<'q>(
        &self,
        sql: impl SqlSafeStr,
        params: impl Params<'q>,
    ) -> Result<Statement, Failure> {
        // How a value is encoded may be user code: a panic is the failure of this one statement.
        let encode = || {
            let mut arguments = self.server.arguments();
            params.add_to(&mut arguments)?;
            Ok(Statement { sql: sql.into_sql_str(), arguments })
        };
        catch_unwind(AssertUnwindSafe(encode))
            .unwrap_or_else(|panic| Err(Failure::from_panic(panic)))
    }

    /// A connection, when one is free and the reactor runs. SQLite's thread may have answered before
    /// that, and a callback is to find a reactor that it can stop.
    pub(crate) async fn lease(self: &Rc<Self>) -> Result<Lease, Failure> {
        Reactor::current().ok_or(Error::NoReactor)?.when_running().await?;
        Ok(self.free_connection().await?)
    }

    async fn free_connection(self: &Rc<Self>) -> Result<Lease, Error> {
        let kept = self.idle.borrow_mut().pop();
        if let Some(raw) = kept {
            return Ok(Lease::new(self.clone(), raw));
        }
        let waiting = Waiting::new(&self.waiting);
        let acquired = self.server.acquire().await;
        drop(waiting);
        match acquired {
            Ok(raw) => Ok(Lease::new(self.clone(), raw)),
            Err(sqlx::Error::PoolClosed) => Err(Error::Closed { database: self.database.clone() }),
            Err(sqlx::Error::PoolTimedOut) => Err(self.why_none().await),
            Err(source) => Err(Error::Connect { database: self.database.clone(), source }),
        }
    }

    /// Takes a connection back that is as good as when it was got.
    pub(crate) fn keep(&self, raw: Raw) {
        if self.waiting.get() > 0 || self.server.is_closed() {
            raw.give_back();
        } else {
            self.idle.borrow_mut().push(raw);
        }
    }

    /// Gives back to the driver what is idle.
    fn give_back_idle(&self) {
        self.idle.take().into_iter().for_each(Raw::give_back);
    }

    /// Why no connection was to be had in time.
    async fn why_none(&self) -> Error {
        let database = self.database.clone();
        if self.in_use.get() >= self.limits.max {
            return Error::Exhausted {
                database,
                max: self.limits.max,
                waited: self.limits.timeout,
            };
        }
        let source = self.server.probe().await.err().unwrap_or(sqlx::Error::PoolTimedOut);
        Error::Connect { database, source }
    }

    /// The turn to write, where there are turns.
    pub(crate) fn turn_to_write(&self) -> Deferred<Option<LockGuard>> {
        let Some(writers) = &self.writers else { return Deferred::succeed(None) };
        let turn = writers.acquire().map(Some);
        let Some(reactor) = Reactor::current() else { return turn };
        let database = self.database.clone();
        turn.add_timeout_with(self.limits.timeout, &reactor, |_, waited| {
            Err(Error::Busy { database, waited }.into())
        })
    }

    pub(crate) fn placeholders(&self, sql: &SqlStr) -> Option<usize> {
        self.placeholders.borrow().get(sql).copied()
    }

    pub(crate) fn note_placeholders(&self, sql: &SqlStr, count: usize) {
        let mut known = self.placeholders.borrow_mut();
        if known.len() >= KNOWN_STATEMENTS {
            known.clear();
        }
        known.insert(sql.clone(), count);
    }

    fn close(self: &Rc<Self>) -> Deferred<()> {
        self.forget_shutdown();
        let this = self.clone();
        Deferred::from_coroutine(async move {
            this.give_back_idle();
            this.server.close().await;
        })
    }

    /// Closes in the course of the reactor's shutdown, which is not to hang.
    fn shut_down(self: &Rc<Self>) -> Deferred<()> {
        let closing = self.close();
        let Some(reactor) = Reactor::current() else { return closing };
        closing.add_timeout(PATIENCE, &reactor).add_errback(|failure: Failure| {
            failure.trap::<TimeoutError>()?;
            Ok(())
        })
    }

    fn forget_shutdown(&self) {
        if let (Some(trigger), Some(reactor)) = (self.shutdown.take(), Reactor::current()) {
            reactor.remove_system_event_trigger(trigger);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.forget_shutdown();
        self.give_back_idle();
    }
}

/// Somebody who waits for the driver's pool.
struct Waiting<'a>(&'a Cell<u32>);

impl<'a> Waiting<'a> {
    fn new(count: &'a Cell<u32>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
