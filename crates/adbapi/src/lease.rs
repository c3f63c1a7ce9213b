//! A connection while somebody has it: what is done on it, and what becomes of it afterwards.
//!
//! A future that is dropped in the middle of a statement leaves a connection of which nobody knows
//! how far it is. So each step notes what is under way *before* it waits, and the drop decides by
//! these notes whether the connection may be used again.

use crate::error::Error;
use crate::params::{Arguments, Encoded};
use crate::pool::Inner;
use crate::row::Row;
use core::time::Duration;
use sqlx::pool::PoolConnection;
use sqlx::postgres::Postgres;
use sqlx::sqlite::Sqlite;
use sqlx::{Arguments as _, Either, Executor as _, SqlStr, Statement as _};
use std::rc::Rc;

/// A statement with its values.
pub(crate) struct Statement {
    pub(crate) sql: SqlStr,
    pub(crate) arguments: Arguments,
}

/// The driver's connection, which goes back to the driver's pool when it is dropped.
pub(crate) enum Raw {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

impl Raw {
    /// Gives it back to the driver's pool, which does that in a task of its own and so needs a
    /// runtime. When the reactor is gone there is none, and it is closed.
    pub(crate) fn give_back(self) {
        if tokio::runtime::Handle::try_current().is_err() {
            return self.close();
        }
        match self {
            Self::Sqlite(connection) => drop(connection),
            Self::Postgres(connection) => drop(connection),
        }
    }

    /// Closes it; the database rolls back what is open.
    fn close(self) {
        match self {
            Self::Sqlite(connection) => drop(connection.detach()),
            Self::Postgres(connection) => drop(connection.detach()),
        }
    }
}

/// A connection of the pool, for one user at a time.
pub(crate) struct Lease {
    pool: Rc<Inner>,
    /// There until the drop.
    raw: Option<Raw>,
    /// A statement is under way, or was left half-way, or the connection is lost.
    busy: bool,
    transaction: Progress,
}

/// How far the transaction is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// There is none: `COMMIT` or `ROLLBACK` is known to be done.
    None,
    /// `BEGIN` was sent.
    Open,
    /// A statement in it has failed; PostgreSQL has given it up unless there was a savepoint.
    Failed,
    /// SQLite has rolled it back by itself: what came next would be on its own.
    RolledBack,
}

/// How long a server may take for a rollback before the connection is closed instead.
const PATIENCE: Duration = Duration::from_secs(5);

/// Statements and values are made for the pool that the connection is of.
const OTHER_DATABASE: &str = "the values are encoded for this database";

impl Lease {
    pub(crate) fn new(pool: Rc<Inner>, raw: Raw) -> Self {
        pool.in_use.set(pool.in_use.get() + 1);
        Self { pool, raw: Some(raw), busy: false, transaction: Progress::None }
    }

    fn raw(&mut self) -> &mut Raw {
        self.raw.as_mut().expect("it is there until the drop")
    }

    fn is_sqlite(&self) -> bool {
        matches!(self.raw, Some(Raw::Sqlite(_)))
    }

    /// Fetches all rows of a query.
    pub(crate) async fn query(&mut self, statement: Statement) -> Result<Vec<Row>, Error> {
        let Statement { sql, arguments } = self.checked(statement).await?;
        let query = sql.clone();
        self.busy = true;
        let rows = match (self.raw(), arguments.0) {
            (Raw::Sqlite(connection), Encoded::Sqlite(values)) => {
                let rows = sqlx::query_with(query, values).fetch_all(&mut **connection).await;
                rows.map(|rows| rows.into_iter().map(Row::from).collect())
            }
            (Raw::Postgres(connection), Encoded::Postgres(values)) => {
                let rows = sqlx::query_with(query, values).fetch_all(&mut **connection).await;
                rows.map(|rows| rows.into_iter().map(Row::from).collect())
            }
            _ => unreachable!("{OTHER_DATABASE}"),
        };
        self.busy = false;
        self.outcome(rows, &sql).await
    }

    /// Does a statement, or a script of several that have no values: how many rows it has changed.
    pub(crate) async fn operation(&mut self, statement: Statement) -> Result<u64, Error> {
        let Statement { sql, arguments } = self.checked(statement).await?;
        let query = sql.clone();
        self.busy = true;
        let count = match (self.raw(), arguments.0) {
            (Raw::Sqlite(connection), Encoded::Sqlite(values)) => {
                let done = sqlx::query_with(query, values).execute(&mut **connection).await;
                done.map(|done| done.rows_affected())
            }
            // What is sent with values has to be a single statement.
            (Raw::Postgres(connection), Encoded::Postgres(values)) if values.len() == 0 => {
                let done = sqlx::raw_sql(query).execute(&mut **connection).await;
                done.map(|done| done.rows_affected())
            }
            (Raw::Postgres(connection), Encoded::Postgres(values)) => {
                let done = sqlx::query_with(query, values).execute(&mut **connection).await;
                done.map(|done| done.rows_affected())
            }
            _ => unreachable!("{OTHER_DATABASE}"),
        };
        self.busy = false;
        self.outcome(count, &sql).await
    }

    /// Does a statement that has neither values nor a result.
    async fn command(&mut self, sql: &'static str) -> sqlx::Result<()> {
        self.busy = true;
        let done = match self.raw() {
            Raw::Sqlite(connection) => connection.execute(sql).await.map(drop),
            Raw::Postgres(connection) => connection.execute(sql).await.map(drop),
        };
        self.busy = false;
        done
    }

    /// The statement, if it can be done on this connection.
    async fn checked(&mut self, statement: Statement) -> Result<Statement, Error> {
        if self.busy {
            return Err(Error::Interrupted);
        }
        if self.transaction == Progress::RolledBack {
            return Err(Error::RolledBack { database: self.pool.database.clone() });
        }
        if !self.is_sqlite() {
            return Ok(statement);
        }
        // SQLite itself takes NULL for a value that is missing.
        let given = statement.arguments.len();
        match self.placeholders(&statement.sql).await {
            Some(wanted) if wanted != given => {
                Err(Error::Count { sql: statement.sql.as_str().to_owned(), wanted, given })
            }
            _ => Ok(statement),
        }
    }

    /// How many placeholders a statement has, if SQLite can tell. It is asked once for each text.
    async fn placeholders(&mut self, sql: &SqlStr) -> Option<usize> {
        // In a script, each statement may depend on the one before it, and has its own numbers.
        if sql.as_str().trim_end().trim_end_matches(';').contains(';') {
            return None;
        }
        if let Some(known) = self.pool.placeholders(sql) {
            return Some(known);
        }
        self.busy = true;
        let prepared = match self.raw() {
            Raw::Sqlite(connection) => connection.prepare(sql.clone()).await.ok(),
            Raw::Postgres(_) => None,
        };
        self.busy = false;
        let count = match prepared?.parameters()? {
            Either::Left(types) => types.len(),
            Either::Right(count) => count,
        };
        self.pool.note_placeholders(sql, count);
        Some(count)
    }

    /// Makes an error of the driver one of ours, and draws the consequences.
    async fn outcome<T>(&mut self, done: sqlx::Result<T>, sql: &SqlStr) -> Result<T, Error> {
        let source = match done {
            Ok(value) => return Ok(value),
            Err(source) => source,
        };
        if self.transaction != Progress::None {
            // After some errors (a full disk) SQLite rolls back. Unless it has, there cannot be
            // another transaction.
            self.transaction = match self.is_sqlite() {
                true if self.command("BEGIN").await.is_ok() => Progress::RolledBack,
                true => Progress::Open,
                false => Progress::Failed,
            };
        }
        Err(self.error(source, sql.as_str()))
    }

    fn error(&mut self, source: sqlx::Error, sql: &str) -> Error {
        let (database, sql) = (self.pool.database.clone(), sql.to_owned());
        if is_lost(&source, self.is_sqlite()) {
            self.busy = true;
            Error::Lost { database, sql, source }
        } else {
            Error::Statement { database, sql, source }
        }
    }

    /// Begins a transaction.
    pub(crate) async fn begin(&mut self) -> Result<(), Error> {
        let begin = match self.raw() {
            // One that has read and then wants to write could find that another has written.
            Raw::Sqlite(_) => "BEGIN IMMEDIATE",
            Raw::Postgres(_) => "BEGIN",
        };
        self.transaction = Progress::Open;
        self.command(begin).await.map_err(|source| self.error(source, begin))
    }

    /// Ends the transaction: what it did is done.
    pub(crate) async fn commit(&mut self) -> Result<(), Error> {
        if self.busy {
            return Err(Error::Interrupted);
        }
        // PostgreSQL's answer to `COMMIT` would be that all is well, and it would roll back.
        let given_up = match self.transaction {
            Progress::RolledBack => true,
            Progress::Failed => self.command("SELECT 1").await.is_err(),
            Progress::None | Progress::Open => false,
        };
        if given_up {
            return Err(Error::RolledBack { database: self.pool.database.clone() });
        }
        match self.command("COMMIT").await {
            Ok(()) => {
                self.transaction = Progress::None;
                Ok(())
            }
            Err(source) => Err(self.error(source, "COMMIT")),
        }
    }

    /// Ends the transaction: nothing was done. Where that cannot be said to the database any more,
    /// the connection is closed in the end, which comes to the same.
    pub(crate) async fn roll_back(&mut self) {
        let sqlite = self.is_sqlite();
        if self.busy && !sqlite {
            return;
        }
        // SQLite is first done with a statement that was left half-way; it cannot be lost, and
        // fails where there is no transaction. A server may never answer.
        let rollback = self.command("ROLLBACK");
        let unknown = if sqlite {
            rollback.await.is_err_and(|error| is_lost(&error, true))
        } else {
            !matches!(tokio::time::timeout(PATIENCE, rollback).await, Ok(Ok(())))
        };
        self.transaction = if unknown { Progress::Open } else { Progress::None };
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.in_use.set(self.pool.in_use.get() - 1);
        let Some(raw) = self.raw.take() else { return };
        match (&raw, self.busy) {
            _ if self.transaction != Progress::None => raw.close(),
            (Raw::Sqlite(_), false) => self.pool.keep(raw),
            // SQLite's thread does one statement after the other, so it will be done with this one.
            (Raw::Sqlite(_), true) | (Raw::Postgres(_), false) => raw.give_back(),
            (Raw::Postgres(_), true) => raw.close(),
        }
    }
}

/// Whether an error means that there is no connection any more.
fn is_lost(error: &sqlx::Error, sqlite: bool) -> bool {
    match error {
        sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => !sqlite,
        sqlx::Error::Database(said) => said.code().is_some_and(|code| {
            // The server is being shut down, or has crashed; or there is something with the
            // connection.
            !sqlite && (code.starts_with("57P0") || code.starts_with("08"))
        }),
        _ => false,
    }
}
