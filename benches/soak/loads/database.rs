//! Queries and interactions, which succeed, fail and are cancelled.

use std::rc::Rc;

use hereafter::errors::CancelledError;
use hereafter::{Deferred, Failure};
use hereafter_adbapi::{ConnectionPool, Row, params};

use super::{some_turns, wrong};
use crate::world::World;

pub(crate) fn sqlite(world: Rc<World>) -> Deferred<u64> {
    transfers(world.sqlite.clone())
}

pub(crate) fn postgres(world: Rc<World>) -> Deferred<u64> {
    match &world.postgres {
        Some(pool) => transfers(pool.clone()),
        None => Deferred::succeed(0),
    }
}

/// Money goes from one account to another; there is never more of it, nor less.
fn transfers(pool: ConnectionPool) -> Deferred<u64> {
    const TOTAL: i64 = 1000;
    Deferred::from_coroutine(async move {
        let fails = fastrand::u32(0..4) == 0;
        let panics = fastrand::u32(0..8) == 0;
        let (from, to) = (fastrand::i64(0..10), fastrand::i64(0..10));
        let transfer = pool.run_interaction(move |transaction| async move {
            let take = "UPDATE accounts SET balance = balance - 1 WHERE id = $1";
            transaction.run_operation(take, params![from]).await?;
            assert!(!panics, "meant");
            if fails {
                transaction.run_operation("UPDATE nothing SET n = 1", params![]).await?;
            }
            let give = "UPDATE accounts SET balance = balance + 1 WHERE id = $1";
            transaction.run_operation(give, params![to]).await
        });
        let cancelled = fastrand::u32(0..4) == 0;
        if cancelled {
            some_turns().await;
            transfer.cancel();
        }
        match transfer.await {
            Ok(_) if !fails && !panics => {}
            Err(_) if fails || panics => {}
            // Two that write to the same accounts may be in one another's way.
            Err(failure)
                if cancelled && failure.is::<CancelledError>() || is_deadlock(&failure) => {}
            other => return Err(wrong(other)),
        }
        let rows = pool.run_query("SELECT id, balance FROM accounts", params![]).await?;
        let balances: Result<Vec<(i64, i64)>, _> = rows.iter().map(Row::read).collect();
        let total: i64 = balances?.iter().map(|(_, balance)| balance).sum();
        if total != TOTAL {
            return Err(wrong(total));
        }
        Ok(2)
    })
}

fn is_deadlock(failure: &Failure) -> bool {
    failure.to_string().contains("deadlock")
}
