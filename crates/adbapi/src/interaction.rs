//! Functions that have a connection to themselves for a while, in a transaction or not.
//!
//! The function runs as a coroutine of its own inside ours, so that ours outlives it whatever
//! becomes of it: its failure, its panic and its cancel all arrive as a result, and the
//! transaction is ended by one piece of code. Ours awaits nothing but deferreds, so that a cancel
//! always passes through it and never drops it.

use crate::error::Error;
use crate::lease::Lease;
use crate::params::Params;
use crate::pool::Inner;
use crate::row::Row;
use core::cell::RefCell;
use core::fmt;
use core::future::Future;
use core::ops::Deref;
use hereafter::errors::CancelledError;
use hereafter::{Deferred, DeferredLock, Failure, Outcome};
use sqlx::SqlSafeStr;
use std::rc::Rc;

/// A connection for the time of a function (Twisted's `adbapi.Connection`); see
/// [`run_with_connection`](crate::ConnectionPool::run_with_connection).
///
/// A clone is another handle on the same connection. Statements that are run at once are done one
/// after the other. After the function has ended, they fail with [`Error::Over`].
#[derive(Clone)]
pub struct Connection(Rc<Session>);

/// A transaction for the time of a function (Twisted's `adbapi.Transaction`); see
/// [`run_interaction`](crate::ConnectionPool::run_interaction).
///
/// It is a [`Connection`]: what can be done on that can be done in it.
#[derive(Clone, Debug)]
pub struct Transaction(Connection);

impl Deref for Transaction {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

/// The connection, and who has it now.
struct Session {
    pool: Rc<Inner>,
    /// Not there while a statement is being done, nor after the end.
    lease: RefCell<Option<Lease>>,
    /// One statement at a time.
    turn: DeferredLock,
}

/// The connection while a statement is being done on it. It comes back however that ends.
struct InHand<'a> {
    session: &'a Session,
    lease: Option<Lease>,
}

impl InHand<'_> {
    fn lease(&mut self) -> &mut Lease {
        self.lease.as_mut().expect("it is there until the drop")
    }
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        self.session.lease.replace(self.lease.take());
    }
}

impl Session {
    fn take(&self) -> Result<InHand<'_>, Error> {
        let lease = self.lease.take();
        if lease.is_some() { Ok(InHand { session: self, lease }) } else { Err(Error::Over) }
    }

    /// Does something with the connection, when it is free.
    ///
    /// The turn lies in the coroutine beside the connection, and is given up after it: a coroutine
    /// that is cancelled may be dropped a little later than its deferred fires, and until then
    /// there is no connection for the next one.
    #[track_caller]
    fn with<T: 'static>(
        self: &Rc<Self>,
        action: impl AsyncFnOnce(&mut Lease) -> Result<T, Error> + 'static,
    ) -> Deferred<T> {
        let this = self.clone();
        Deferred::from_coroutine(async move {
            let _turn = this.turn.acquire().await?;
            let mut in_hand = this.take()?;
            Ok(action(in_hand.lease()).await?)
        })
    }
}

impl Connection {
    /// Gets a connection from the pool.
    fn open(pool: Rc<Inner>) -> Deferred<Self> {
        Deferred::from_coroutine(async move {
            let lease = RefCell::new(Some(pool.lease().await?));
            Ok(Self(Rc::new(Session { pool, lease, turn: DeferredLock::new() })))
        })
    }

    /// Runs a query on this connection; see
    /// [`ConnectionPool::run_query`](crate::ConnectionPool::run_query).
    ///
    /// # Errors
    ///
    /// See [`Error`].
    ///
    /// # Cancelling
    ///
    /// A statement that has begun is left half-way, and the connection cannot be used any more.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Failure;
    /// use hereafter_adbapi::{Transaction, params};
    ///
    /// async fn balance(transaction: &Transaction, id: i64) -> Result<i64, Failure> {
    ///     let sql = "SELECT balance FROM accounts WHERE id = ?";
    ///     let rows = transaction.run_query(sql, params![id]).await?;
    ///     let row = rows.first().ok_or_else(|| Failure::msg(format!("there is no account {id}")))?;
    ///     Ok(row.get("balance")?)
    /// }
    /// ```
    #[track_caller]
    pub fn run_query<'q>(
        &self,
        sql: impl SqlSafeStr,
        params: impl Params<'q>,
    ) -> Deferred<Vec<Row>> {
        match self.0.pool.statement(sql, params) {
            Ok(statement) => {
                self.0.with(async move |lease: &mut Lease| lease.query(statement).await)
            }
            Err(failure) => Deferred::fail(failure),
        }
    }

    /// Runs a statement that gives no rows on this connection; see
    /// [`ConnectionPool::run_operation`](crate::ConnectionPool::run_operation).
    ///
    /// # Errors
    ///
    /// See [`Error`].
    ///
    /// # Cancelling
    ///
    /// As [`run_query`](Connection::run_query).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Deferred;
    /// use hereafter_adbapi::{Transaction, params};
    ///
    /// fn close_account(transaction: &Transaction, id: i64) -> Deferred<u64> {
    ///     transaction.run_operation("DELETE FROM accounts WHERE id = ?", params![id])
    /// }
    /// ```
    #[track_caller]
    pub fn run_operation<'q>(
        &self,
        sql: impl SqlSafeStr,
        params: impl Params<'q>,
    ) -> Deferred<u64> {
        match self.0.pool.statement(sql, params) {
            Ok(statement) => {
                self.0.with(async move |lease: &mut Lease| lease.operation(statement).await)
            }
            Err(failure) => Deferred::fail(failure),
        }
    }

    /// Ends the time that the function had: nothing more can be done on the connection.
    fn close(&self) -> Deferred<()> {
        let session = self.0.clone();
        self.0.turn.run(move || drop(session.lease.take()))
    }

    fn begin(&self) -> Deferred<()> {
        self.0.with(async |lease: &mut Lease| lease.begin().await)
    }

    fn commit(&self) -> Deferred<()> {
        self.0.with(async |lease: &mut Lease| lease.commit().await)
    }

    fn roll_back(&self) -> Deferred<()> {
        self.0.with(async |lease: &mut Lease| {
            lease.roll_back().await;
            Ok(())
        })
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("database", &self.0.pool.database)
            .finish_non_exhaustive()
    }
}

/// [`ConnectionPool::run_interaction`](crate::ConnectionPool::run_interaction).
#[track_caller]
pub(crate) fn in_transaction<F, R>(
    pool: Rc<Inner>,
    interaction: F,
) -> Deferred<<R::Output as Outcome>::Value>
where
    F: FnOnce(Transaction) -> R + 'static,
    R: Future<Output: Outcome> + 'static,
{
    Deferred::from_coroutine(async move {
        // Given back after the connection.
        let _turn = pool.turn_to_write().await?;
        let connection = Connection::open(pool).await?;
        let transaction = Transaction(connection.clone());
        let result = match connection.begin().await {
            Ok(()) => run(interaction, transaction).await,
            Err(failure) => Err(failure),
        };
        let committed = match result {
            Ok(value) => whatever_happens(connection.commit()).await.map(|()| value),
            Err(failure) => Err(failure),
        };
        if committed.is_err() {
            whatever_happens(connection.roll_back()).await?;
        }
        whatever_happens(connection.close()).await?;
        committed
    })
}

/// [`ConnectionPool::run_with_connection`](crate::ConnectionPool::run_with_connection).
#[track_caller]
pub(crate) fn on_connection<F, R>(
    pool: Rc<Inner>,
    function: F,
) -> Deferred<<R::Output as Outcome>::Value>
where
    F: FnOnce(Connection) -> R + 'static,
    R: Future<Output: Outcome> + 'static,
{
    Deferred::from_coroutine(async move {
        let connection = Connection::open(pool).await?;
        let result = run(function, connection.clone()).await;
        if result.is_err() {
            whatever_happens(connection.roll_back()).await?;
        }
        whatever_happens(connection.close()).await?;
        result
    })
}

/// Runs the function. That it panics is a failure as any other, before its first wait too.
fn run<A: 'static, R>(
    function: impl FnOnce(A) -> R + 'static,
    argument: A,
) -> Deferred<<R::Output as Outcome>::Value>
where
    R: Future<Output: Outcome> + 'static,
{
    Deferred::from_coroutine(async move { function(argument).await })
}

/// Waits for `work`, and lets no cancel stop it: half-done, it would be of no use to anybody.
async fn whatever_happens(work: Deferred<()>) -> Result<(), Failure> {
    let work = work.share();
    loop {
        match work.wait().await {
            Err(failure) if failure.is::<CancelledError>() && !work.has_result() => {}
            result => return result,
        }
    }
}
