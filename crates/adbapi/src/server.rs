//! Which database an address names, and the driver's pool of connections to it.
//!
//! It is one driver for each database and not sqlx's `Any`: that one knows fewer types, reads
//! columns by its own idea of them, and cannot begin a transaction in SQLite's way.

use crate::error::Error;
use crate::lease::Raw;
use crate::params::{Arguments, Encoded};
use core::time::Duration;
use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, Postgres};
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Database, Executor as _, Pool};

/// The database, by its driver.
pub(crate) enum Server {
    Sqlite(Pool<Sqlite>),
    Postgres(Pool<Postgres>),
}

/// How many connections, and how long to wait for one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) min: u32,
    pub(crate) max: u32,
    pub(crate) timeout: Duration,
}

/// Has the server look, every two seconds, whether we are still there while it works for us: a
/// statement whose connection was closed because it was cancelled should not go on for an hour. A
/// server older than PostgreSQL 14 has no such setting, and gives no row.
const NOTICE_THAT_WE_ARE_GONE: &str = "SELECT set_config(name, '2000', false) FROM pg_settings \
     WHERE name = 'client_connection_check_interval' AND setting = '0'";

/// How long to look for the reason why no connection could be made.
const PROBE: Duration = Duration::from_secs(1);

impl Server {
    /// Makes the pool, and no connection.
    pub(crate) fn new(address: &str, limits: &mut Limits) -> Result<Self, Error> {
        let refused = |reason: String| Error::Address { address: without_secrets(address), reason };
        let malformed = |error: sqlx::Error| match error {
            sqlx::Error::Configuration(source) => refused(source.to_string()),
            other => refused(other.to_string()),
        };
        match address.split_once(':') {
            Some(("sqlite", rest)) => {
                let options: SqliteConnectOptions = address.parse().map_err(malformed)?;
                if is_in_memory(rest) {
                    // Each further connection would be to another database.
                    (limits.min, limits.max) = (1, 1);
                }
                let has_mode = rest.split_once('?').is_some_and(|(_, more)| more.contains("mode="));
                let options = if has_mode { options } else { options.create_if_missing(true) };
                let options = options.busy_timeout(limits.timeout);
                // There is nothing to test: it cannot be lost. And whoever is cancelled in the middle
                // of a test takes the connection with him, and with it a database in memory.
                let pool = pool_options(*limits).test_before_acquire(false);
                Ok(Self::Sqlite(pool.connect_lazy_with(options)))
            }
            Some(("postgres" | "postgresql", _)) => {
                let options: PgConnectOptions = address.parse().map_err(malformed)?;
                let pool = pool_options::<Postgres>(*limits).after_connect(|connection, _| {
                    Box::pin(async move {
                        // It is a help, and no more: where it cannot be set, all else works.
                        drop(connection.execute(NOTICE_THAT_WE_ARE_GONE).await);
                        Ok(())
                    })
                });
                Ok(Self::Postgres(pool.connect_lazy_with(options)))
            }
            _ => Err(refused("it should begin with `sqlite:` or `postgres://`".to_owned())),
        }
    }

    /// The values of a statement, none so far.
    pub(crate) fn arguments(&self) -> Arguments {
        Arguments(match self {
            Self::Sqlite(_) => Encoded::Sqlite(SqliteArguments::default()),
            Self::Postgres(_) => Encoded::Postgres(PgArguments::default()),
        })
    }

    pub(crate) async fn acquire(&self) -> sqlx::Result<Raw> {
        Ok(match self {
            Self::Sqlite(pool) => Raw::Sqlite(pool.acquire().await?),
            Self::Postgres(pool) => Raw::Postgres(pool.acquire().await?),
        })
    }

    /// Tries to connect once, outside of the pool: the pool itself only says that time was up.
    pub(crate) async fn probe(&self) -> sqlx::Result<()> {
        let probe = async {
            match self {
                Self::Sqlite(pool) => {
                    SqliteConnection::connect_with(&pool.connect_options()).await?.close().await
                }
                Self::Postgres(pool) => {
                    PgConnection::connect_with(&pool.connect_options()).await?.close().await
                }
            }
        };
        tokio::time::timeout(PROBE, probe).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Self::Sqlite(pool) => pool.is_closed(),
            Self::Postgres(pool) => pool.is_closed(),
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }

    /// How many connections are open, and how many of them are idle.
    pub(crate) fn counts(&self) -> (u32, usize) {
        match self {
            Self::Sqlite(pool) => (pool.size(), pool.num_idle()),
            Self::Postgres(pool) => (pool.size(), pool.num_idle()),
        }
    }
}

fn pool_options<DB: Database>(limits: Limits) -> PoolOptions<DB> {
    PoolOptions::new()
        .max_connections(limits.max)
        .acquire_timeout(limits.timeout)
        // As in Twisted, what is open stays open. That SQLite's database in memory lives as long
        // as its one connection makes it a must.
        .idle_timeout(None)
        .max_lifetime(None)
}

/// Whether the part of an SQLite address after the scheme means a database without a file.
pub(crate) fn is_in_memory(rest: &str) -> bool {
    let (name, options) = rest.split_once('?').unwrap_or((rest, ""));
    let name = name.trim_start_matches("//");
    name.is_empty()
        || name == ":memory:"
        || options.split('&').any(|option| option == "mode=memory")
}

/// The address as it may be shown: no password, and none of the options, which may hold one too.
pub(crate) fn without_secrets(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else {
        return address.split('?').next().unwrap_or_default().to_owned();
    };
    // A password may hold any of the signs that end it, so it is taken to go to the last one.
    let (user, host) = match rest.rsplit_once('@') {
        Some((login, host)) => (login.split(':').next(), host),
        None => (None, rest),
    };
    let host = host.split('?').next().unwrap_or_default();
    match user {
        Some(user) => format!("{scheme}://{user}@{host}"),
        None => format!("{scheme}://{host}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_an_address_holds_no_secret() {
        for (address, shown) in [
            ("sqlite::memory:", "sqlite::memory:"),
            ("sqlite://a/b.db?mode=ro", "sqlite://a/b.db"),
            ("postgres://host/db", "postgres://host/db"),
            ("postgres://ada@host:5/db", "postgres://ada@host:5/db"),
            ("postgres://ada:secret@host/db", "postgres://ada@host/db"),
            ("postgres://ada:se@c/r?et@host/db", "postgres://ada@host/db"),
            ("postgres://host/db?password=secret", "postgres://host/db"),
            ("mysql://ada:secret@host", "mysql://ada@host"),
        ] {
            assert_eq!(without_secrets(address), shown);
        }
    }

    #[test]
    fn databases_without_a_file_are_known() {
        for rest in [":memory:", "//:memory:", "", "//", "//name?mode=memory"] {
            assert!(is_in_memory(rest), "{rest}");
        }
        for rest in ["//file.db", "file.db?mode=rwc", "//memory"] {
            assert!(!is_in_memory(rest), "{rest}");
        }
    }
}
