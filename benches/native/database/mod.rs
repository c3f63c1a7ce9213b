//! Queries on an SQLite database in memory, and on a PostgreSQL server: ours by adbapi, beside sqlx
//! on a bare runtime.
//!
//! Both stand on the same driver and pool, so that what is measured is what Deferreds and a reactor
//! add to a query. A reactor runs once, so each batch has one of its own, with a pool of its own;
//! making them is not timed, on either side.
//!
//! sqlx's pool tests a connection before it gives it out, unless it is told not to. Ours tells it
//! so for SQLite. It is measured both ways. On PostgreSQL both test.

mod postgres;

use std::cell::Cell;
use std::hint::black_box;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hereafter::{Deferred, Failure};
use hereafter_adbapi::sqlx::{self, sqlite::SqlitePoolOptions};
use hereafter_adbapi::{ConnectionPool, params};
use hereafter_reactor::{Reactor, RunOptions};

use crate::measure::{Case, Kind, System};
use crate::ours::HEREAFTER;

const SQLX: System = System::new("sqlx as it comes", Kind::Erased);
const SQLX_UNTESTED: System = System::new("sqlx without its test of connections", Kind::Erased);

const ADDRESS: &str = "sqlite::memory:";
const TABLE: &str = "CREATE TABLE numbers (id INTEGER PRIMARY KEY, name TEXT NOT NULL)";
const FILL: &str = "INSERT INTO numbers WITH RECURSIVE counted (n) AS \
     (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 1000) SELECT n, 'number ' || n FROM counted";
const ONE: &str = "SELECT id, name FROM numbers WHERE id = ?";
const HUNDRED: &str = "SELECT id, name FROM numbers WHERE id > ? LIMIT 100";
const UPDATE: &str = "UPDATE numbers SET name = name WHERE id = ?";
const KEY: i64 = 500;

pub(crate) fn ours() -> Vec<Case> {
    let query = |sql| {
        ours_timed(in_memory, TABLE, move |pool, n| async move {
            for _ in 0..n {
                let rows = pool.run_query(sql, params![KEY]).await?;
                for row in &rows {
                    black_box(row.read::<(i64, String)>()?);
                }
            }
            Ok(())
        })
    };
    let interaction = ours_timed(in_memory, TABLE, |pool, n| async move {
        for _ in 0..n {
            pool.run_interaction(|transaction| async move {
                black_box(transaction.run_query(ONE, params![KEY]).await?);
                transaction.run_operation(UPDATE, params![KEY]).await
            })
            .await?;
        }
        Ok(())
    });
    let mut cases =
        cases(HEREAFTER, Box::new(query(ONE)), Box::new(query(HUNDRED)), Box::new(interaction));
    cases.push(postgres::ours());
    cases
}

#[expect(clippy::unnecessary_wraps, reason = "a server's address may not be to be had")]
fn in_memory() -> Result<String> {
    Ok(ADDRESS.to_owned())
}

pub(crate) fn peers() -> Vec<Case> {
    let mut cases = of_sqlx(SQLX, true);
    cases.extend(of_sqlx(SQLX_UNTESTED, false));
    cases.push(postgres::of_sqlx());
    cases
}

fn of_sqlx(system: System, tested: bool) -> Vec<Case> {
    let query = |sql| {
        sqlx_timed(tested, async move |pool, n| {
            for _ in 0..n {
                let rows =
                    sqlx::query_as::<_, (i64, String)>(sql).bind(KEY).fetch_all(&pool).await?;
                black_box(rows);
            }
            Ok(())
        })
    };
    let interaction = sqlx_timed(tested, async |pool, n| {
        for _ in 0..n {
            let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
            black_box(sqlx::query(ONE).bind(KEY).fetch_all(&mut *transaction).await?);
            sqlx::query(UPDATE).bind(KEY).execute(&mut *transaction).await?;
            transaction.commit().await?;
        }
        Ok(())
    });
    cases(system, Box::new(query(ONE)), Box::new(query(HUNDRED)), Box::new(interaction))
}

type Run = Box<dyn FnMut(u32) -> Result<Duration>>;

fn cases(system: System, one: Run, hundred: Run, interaction: Run) -> Vec<Case> {
    vec![
        Case::timed("adbapi_query", system, one).elsewhere(),
        Case::timed("adbapi_query100", system, hundred).elsewhere(),
        Case::timed("adbapi_interaction", system, interaction).elsewhere(),
    ]
}

/// Whether a shape can be done here; if not, what is missing.
pub(crate) fn missing(shape: &str) -> Option<&'static str> {
    (shape == postgres::SHAPE && !postgres::is_installed())
        .then_some("PostgreSQL's programs are not installed, so its queries are left out")
}

/// Times what `body` does with a pool of ours to the database at the address, which has the table.
fn ours_timed<F>(
    address: impl Fn() -> Result<String>,
    table: &'static str,
    body: impl Fn(ConnectionPool, u32) -> F + Copy + 'static,
) -> impl FnMut(u32) -> Result<Duration>
where
    F: Future<Output = Result<(), Failure>> + 'static,
{
    move |n| {
        let reactor = Reactor::new()?;
        let (result, stopping) = (Rc::new(Cell::new(None)), reactor.remote());
        let seen = Rc::clone(&result);
        let address = address()?;
        Deferred::from_coroutine(async move {
            let pool = ConnectionPool::builder(address).max(1).connect().await?;
            pool.run_operation(table, params![]).await?;
            pool.run_operation(FILL, params![]).await?;
            body(pool.clone(), 1).await?;
            let started = Instant::now();
            body(pool, n).await?;
            Ok(started.elapsed())
        })
        .add_both(move |result| {
            seen.set(Some(result));
            stopping.stop();
        })
        .detach();
        reactor.run_with(RunOptions::default().signals(false))?;
        let result = result.take().context("the reactor was stopped by this")?;
        result.map_err(|failure| anyhow::anyhow!("{failure}"))
    }
}

/// Times what `body` does with a pool of sqlx's own.
fn sqlx_timed(
    tested: bool,
    body: impl AsyncFn(sqlx::SqlitePool, u32) -> sqlx::Result<()> + Copy + 'static,
) -> impl FnMut(u32) -> Result<Duration> {
    move |n| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let options = SqlitePoolOptions::new().max_connections(1).idle_timeout(None);
            let pool = options.test_before_acquire(tested).connect(ADDRESS).await?;
            sqlx::query(TABLE).execute(&pool).await?;
            sqlx::query(FILL).execute(&pool).await?;
            body(pool.clone(), 1).await?;
            let started = Instant::now();
            body(pool.clone(), n).await?;
            let took = started.elapsed();
            pool.close().await;
            Ok(took)
        })
    }
}
