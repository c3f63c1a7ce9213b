//! The queries to PostgreSQL: a server of its own, started for the first of them.

#[allow(dead_code, reason = "adbapi's tests do more with a server")]
#[path = "../../../crates/adbapi/tests/common/postgres.rs"]
mod server;

use std::cell::OnceCell;
use std::hint::black_box;
use std::time::Instant;

use anyhow::{Result, ensure};
use hereafter_adbapi::params;
use hereafter_adbapi::sqlx::{self, postgres::PgPoolOptions};

use self::server::Server;
use super::{FILL, KEY, SQLX, ours_timed};
use crate::measure::{Case, System};
use crate::ours::HEREAFTER;

pub(super) const SHAPE: &str = "adbapi_postgres";

const TABLE: &str = "CREATE TEMPORARY TABLE numbers (id BIGINT PRIMARY KEY, name TEXT NOT NULL)";
const ONE: &str = "SELECT id, name FROM numbers WHERE id = $1";

thread_local! {
    static SERVER: OnceCell<Server> = const { OnceCell::new() };
}

pub(super) fn is_installed() -> bool {
    server::programs().is_some()
}

fn address() -> Result<String> {
    ensure!(is_installed(), "PostgreSQL is not installed (Debian: `apt-get install postgresql`)");
    Ok(SERVER.with(|server| server.get_or_init(Server::start).address()))
}

pub(super) fn ours() -> Case {
    let query = ours_timed(address, TABLE, |pool, n| async move {
        for _ in 0..n {
            let rows = pool.run_query(ONE, params![KEY]).await?;
            black_box(rows[0].read::<(i64, String)>()?);
        }
        Ok(())
    });
    case(HEREAFTER, Box::new(query))
}

pub(super) fn of_sqlx() -> Case {
    let query = |n| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let address = address()?;
        runtime.block_on(async {
            let pool = PgPoolOptions::new().max_connections(1).connect(&address).await?;
            sqlx::query(TABLE).execute(&pool).await?;
            sqlx::query(FILL).execute(&pool).await?;
            let ask = async || -> sqlx::Result<()> {
                let rows = sqlx::query_as::<_, (i64, String)>(ONE).bind(KEY).fetch_all(&pool);
                black_box(rows.await?);
                Ok(())
            };
            ask().await?;
            let started = Instant::now();
            for _ in 0..n {
                ask().await?;
            }
            let took = started.elapsed();
            pool.close().await;
            Ok(took)
        })
    };
    case(SQLX, Box::new(query))
}

fn case(system: System, query: super::Run) -> Case {
    Case::timed(SHAPE, system, query).elsewhere()
}
