#![doc = include_str!("../README.md")]

mod error;
mod interaction;
mod lease;
mod params;
mod pool;
mod row;
mod server;

pub use error::{ColumnError, Error};
pub use interaction::{Connection, Transaction};
pub use params::{Arguments, Params, ToSql};
pub use pool::{Builder, ConnectionPool, PoolStats};
pub use row::{Column, FromRow, FromSql, Native, Row, Value};
/// The driver, for what is of its own: more types, [`AssertSqlSafe`], errors in full.
pub use sqlx;
pub use sqlx::{AssertSqlSafe, SqlSafeStr};
