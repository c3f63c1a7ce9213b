//! What can go wrong, each with what it happened to and the way out.
//!
//! No message holds a password or the value of a parameter: messages end up in logs.

use core::time::Duration;
use std::error::Error as StdError;

/// What a query, an operation or an interaction can fail with.
///
/// # Examples
///
/// ```
/// use hereafter_adbapi::{ConnectionPool, Error};
///
/// # let reactor = hereafter_reactor::Reactor::new()?;
/// let error = ConnectionPool::builder("oracle://scott:tiger@host/db").build().unwrap_err();
/// assert!(matches!(error, Error::Address { .. }));
/// assert!(!error.to_string().contains("tiger"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What was given is no address of a database.
    #[error("{address} is no address of a database: {reason}")]
    Address {
        /// The address, without what may be secret.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no reactor on this thread.
    #[error("a connection pool needs a reactor; make it after `Reactor::new`, on the same thread")]
    NoReactor,
    /// No connection could be made.
    #[error("cannot connect to {database}: {}", said(.source))]
    Connect {
        /// The address, without what may be secret.
        database: String,
        /// Why.
        source: sqlx::Error,
    },
    /// A connection was lost while it was used (Twisted's `ConnectionLost`). The next operation gets
    /// another one. Whether this one was done is not known.
    #[error("the connection to {database} was lost during {sql:?}: {}", said(.source))]
    Lost {
        /// The address, without what may be secret.
        database: String,
        /// The statement.
        sql: String,
        /// How it was lost.
        source: sqlx::Error,
    },
    /// All connections were in use for too long.
    #[error(
        "no connection to {database} became free within {} s: all {max} are in use; make \
         interactions shorter, or the pool larger by `Builder::max`", .waited.as_secs_f64()
    )]
    Exhausted {
        /// The address, without what may be secret.
        database: String,
        /// How many there may be.
        max: u32,
        /// How long it was waited for one.
        waited: Duration,
    },
    /// Another interaction was writing to the SQLite database for too long.
    #[error(
        "another interaction has been writing to {database} for more than {} s, and SQLite lets \
         one write at a time; does it wait for this one?", .waited.as_secs_f64()
    )]
    Busy {
        /// The address.
        database: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The pool has been closed.
    #[error("the pool of connections to {database} has been closed")]
    Closed {
        /// The address, without what may be secret.
        database: String,
    },
    /// The database did not do a statement.
    #[error("{database} did not do {sql:?}: {}", said(.source))]
    Statement {
        /// The address, without what may be secret.
        database: String,
        /// The statement.
        sql: String,
        /// What the database says.
        source: sqlx::Error,
    },
    /// There are more or fewer values than placeholders.
    #[error("{given} values were given for the {wanted} placeholders of {sql:?}")]
    Count {
        /// The statement.
        sql: String,
        /// How many placeholders it has.
        wanted: usize,
        /// How many values there were.
        given: usize,
    },
    /// A value cannot be sent to the database.
    #[error("value {position} cannot be encoded: {source}")]
    Parameter {
        /// Which one, counted from 1.
        position: usize,
        /// Why.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// A connection or transaction was used after the function that it was given to had ended.
    #[error("the interaction is over: a connection can be used only until its function has ended")]
    Over,
    /// An earlier statement of this interaction was cancelled half-way, or lost its connection.
    #[error(
        "an earlier statement was cancelled half-way or lost its connection, so that nobody knows \
         whether it was done; the interaction can only be rolled back"
    )]
    Interrupted,
    /// The interaction has gone on after a statement that failed, and the database had rolled back
    /// all of it.
    #[error(
        "{database} has rolled the transaction back when a statement in it failed; an interaction \
         that goes on after a failure needs a savepoint before it"
    )]
    RolledBack {
        /// The address, without what may be secret.
        database: String,
    },
}

/// The words of the database itself, where it has said something.
fn said(error: &sqlx::Error) -> String {
    error.as_database_error().map_or_else(|| error.to_string(), |said| said.message().to_owned())
}

impl Error {
    /// What the database itself has said, if it has: with a code, and the kind of constraint that
    /// was violated.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Failure;
    /// use hereafter_adbapi::Error;
    ///
    /// fn is_taken(failure: &Failure) -> bool {
    ///     let said = failure.check::<Error>().and_then(Error::database_error);
    ///     said.is_some_and(|error| error.is_unique_violation())
    /// }
    /// # assert!(!is_taken(&Failure::msg("something else")));
    /// ```
    pub fn database_error(&self) -> Option<&(dyn sqlx::error::DatabaseError + 'static)> {
        match self {
            Self::Connect { source, .. }
            | Self::Lost { source, .. }
            | Self::Statement { source, .. } => source.as_database_error(),
            _ => None,
        }
    }
}

/// Why a value cannot be read from a [`Row`](crate::Row).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ColumnError {
    /// There is no such column.
    #[error("there is no column {wanted}; there are {}", .columns.join(", "))]
    Missing {
        /// The name or number.
        wanted: String,
        /// The names of those that there are.
        columns: Vec<String>,
    },
    /// A tuple has more or fewer fields than the row has columns.
    #[error("the row has {} columns, not {wanted}: {}", .columns.len(), .columns.join(", "))]
    Count {
        /// The fields of the tuple.
        wanted: usize,
        /// The names of the columns.
        columns: Vec<String>,
    },
    /// The value is of a type that cannot be read as the one that was asked for.
    #[error(
        "column `{column}` is of the type {sql} and cannot be read as {rust}{}",
        .instead.map(|name| format!("; read it as {name}, or convert it in the query"))
            .unwrap_or_default()
    )]
    Type {
        /// The name.
        column: String,
        /// The database's type.
        sql: String,
        /// The type that was asked for.
        rust: &'static str,
        /// A type that fits.
        instead: Option<&'static str>,
    },
    /// The value is `NULL`.
    #[error("column `{column}` is NULL and cannot be read as {rust}; read it as Option<{rust}>")]
    Null {
        /// The name.
        column: String,
        /// The type that was asked for.
        rust: &'static str,
    },
    /// The value does not fit into the type.
    #[error("column `{column}` cannot be read: {source}")]
    Undecodable {
        /// The name.
        column: String,
        /// Why.
        source: Box<dyn StdError + Send + Sync>,
    },
}
