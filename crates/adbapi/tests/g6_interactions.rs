//! Interactions: all or nothing, however they end.

mod common;

use common::{count, error_of, run_in_file, run_in_memory};
use core::cell::{Cell, RefCell};
use core::time::Duration;
use hereafter::errors::{CancelledError, Panicked};
use hereafter::{CancelHandle, Deferred, Failure, gather_results};
use hereafter_adbapi::{ConnectionPool, Error, Transaction, params};
use hereafter_reactor::Reactor;
use hereafter_reactor::task::defer_later;
use std::rc::Rc;

const TABLE: &str = "CREATE TABLE t (n INTEGER NOT NULL)";
const INSERT: &str = "INSERT INTO t VALUES (?)";
const COUNT: &str = "SELECT count(*) FROM t";

async fn inserted(transaction: &Transaction, n: i64) -> Result<(), Failure> {
    transaction.run_operation(INSERT, params![n]).await?;
    Ok(())
}

#[test]
fn g6_an_interaction_commits_when_it_succeeds() {
    run_in_file(|pool| async move {
        pool.run_operation(TABLE, params![]).await?;
        let outside = pool.clone();
        let sum = pool.run_interaction(move |transaction| async move {
            inserted(&transaction, 20).await?;
            inserted(&transaction, 22).await?;
            assert_eq!(count(&outside, COUNT).await?, 0, "nobody else sees it yet");
            let rows = transaction.run_query("SELECT sum(n) FROM t", params![]).await?;
            Ok(rows[0].get::<i64>(0)?)
        });
        assert_eq!(sum.await?, 42);
        assert_eq!(count(&pool, COUNT).await?, 2);
        Ok(())
    });
}

#[test]
fn g6_an_interaction_may_give_back_a_deferred_or_nothing() {
    run_in_memory(|pool| async move {
        pool.run_operation(TABLE, params![]).await?;
        let changed = pool.run_interaction(|transaction| {
            transaction.run_operation(INSERT, params![1]).map(|changed| changed + 1)
        });
        assert_eq!(changed.await?, 2);
        pool.run_interaction(|transaction| async move {
            let _ = inserted(&transaction, 2).await;
        })
        .await?;
        assert_eq!(count(&pool, COUNT).await?, 2);
        Ok(())
    });
}

#[test]
fn g6_an_interaction_rolls_back_when_it_fails() {
    run_in_memory(|pool| async move {
        pool.run_operation(TABLE, params![]).await?;
        let failing = pool.run_interaction(|transaction| async move {
            inserted(&transaction, 1).await?;
            Err::<(), _>(Failure::msg("changed my mind"))
        });
        assert_eq!(error_of(failing).await, "changed my mind");
        let violating = pool.run_interaction(|transaction| async move {
            inserted(&transaction, 1).await?;
            transaction.run_operation(INSERT, params![None::<i64>]).await
        });
        assert!(error_of(violating).await.contains("NOT NULL constraint failed"));
        assert_eq!(count(&pool, COUNT).await?, 0);
        Ok(())
    });
}

#[test]
fn g6_an_interaction_rolls_back_when_it_panics() {
    run_in_memory(|pool| async move {
        pool.run_operation(TABLE, params![]).await?;
        let later = pool.run_interaction(|transaction| async move {
            inserted(&transaction, 1).await?;
            assert!(transaction.run_query(COUNT, params![]).await?.is_empty(), "there is one");
            Ok(())
        });
        assert!(later.await.unwrap_err().is::<Panicked>());
        let at_once = pool.run_interaction(|_| -> Deferred<()> { panic!("before any future") });
        assert!(at_once.await.unwrap_err().is::<Panicked>());
        assert_eq!(count(&pool, COUNT).await?, 0);
        assert_eq!(pool.stats().in_use, 0);
        Ok(())
    });
}

/// What a cancelled interaction came to.
async fn unchanged_and_usable(pool: &ConnectionPool, rows: i64) -> Result<(), Failure> {
    assert_eq!(count(pool, COUNT).await?, rows);
    assert_eq!(pool.stats().in_use, 0, "{pool:?}");
    pool.run_interaction(|transaction| async move {
        inserted(&transaction, -1).await?;
        transaction.run_operation("DELETE FROM t WHERE n = -1", params![]).await
    })
    .await?;
    Ok(())
}

/// Takes long enough to be cancelled half-way.
const SLOW: &str = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers \
     LIMIT 100000) SELECT sum(n) FROM numbers";

#[test]
fn g6_an_interaction_cancelled_at_any_of_its_awaits_leaves_the_database_unchanged() {
    const STEPS: i64 = 4;
    run_in_file(|pool| async move {
        pool.run_operation(TABLE, params![]).await?;
        for at in 0..STEPS {
            let cancel = Rc::new(RefCell::new(None::<CancelHandle>));
            let reached = Rc::new(Cell::new(0));
            let (taking, reaching) = (cancel.clone(), reached.clone());
            let mut interaction = pool.run_interaction(move |transaction| async move {
                for step in 0..STEPS {
                    reaching.set(step);
                    inserted(&transaction, step).await?;
                    if step == at {
                        let reactor = Reactor::current().unwrap();
                        reactor.call_later(Duration::ZERO, move || taking.take().unwrap().cancel());
                        transaction.run_query(SLOW, params![]).await?;
                        unreachable!("it was cancelled");
                    }
                }
                Ok(())
            });
            cancel.replace(Some(interaction.cancel_handle()));
            assert!(interaction.await.unwrap_err().is::<CancelledError>());
            assert_eq!(reached.get(), at);
            unchanged_and_usable(&pool, 0).await?;
        }
        Ok(())
    });
}

/// Turn by turn of the reactor, from before the connection is there to after the commit.
#[test]
fn g6_an_interaction_cancelled_in_any_turn_is_done_or_not_done() {
    run_in_file(cancelled_in_any_turn);
    run_in_memory(cancelled_in_any_turn);
}

async fn cancelled_in_any_turn(pool: ConnectionPool) -> Result<(), Failure> {
    pool.run_operation(TABLE, params![]).await?;
    let (mut expected, mut cancelled, mut turns) = (0, 0, 0);
    // SQLite's thread may be so quick that all is done before there was a turn to cancel it in.
    while expected < 30 || cancelled == 0 {
        let interaction = pool.run_interaction(|transaction| async move {
            for n in 0..10 {
                inserted(&transaction, n).await?;
            }
            Ok(())
        });
        let reactor = Reactor::current().unwrap();
        for _ in 0..turns {
            defer_later(&reactor, Duration::ZERO, || ()).await?;
        }
        turns += 1;
        interaction.cancel();
        match interaction.await {
            Ok(()) => (expected, turns) = (expected + 10, 0),
            Err(failure) => {
                failure.trap::<CancelledError>()?;
                cancelled += 1;
            }
        }
        unchanged_and_usable(&pool, expected).await?;
    }
    Ok(())
}

/// A database in memory is there for as long as its one connection is.
#[test]
fn g6_a_query_cancelled_in_any_turn_leaves_the_database_in_memory_there() {
    run_in_memory(|pool| async move {
        pool.run_operation(TABLE, params![]).await?;
        let reactor = Reactor::current().unwrap();
        for turns in 0..10 {
            let query = pool.run_query(SLOW, params![]);
            let operation = pool.run_operation(INSERT, params![turns]);
            for _ in 0..turns {
                defer_later(&reactor, Duration::ZERO, || ()).await?;
            }
            for cancelled in [query.map(drop), operation.map(drop)] {
                cancelled.cancel();
                if let Err(failure) = cancelled.await {
                    failure.trap::<CancelledError>()?;
                }
            }
            assert!(count(&pool, COUNT).await? <= turns + 1);
        }
        assert_eq!(pool.stats().open, 1);
        Ok(())
    });
}

#[test]
fn g6_a_statement_cancelled_half_way_dooms_the_interaction() {
    run_in_file(|pool| async move {
        pool.run_operation(TABLE, params![]).await?;
        let stubborn = pool.run_interaction(|transaction| async move {
            inserted(&transaction, 1).await?;
            let slow = transaction.run_query(SLOW, params![]);
            slow.cancel();
            assert!(slow.await.unwrap_err().is::<CancelledError>());
            let next = transaction.run_query(COUNT, params![]).await.unwrap_err();
            assert!(matches!(next.check(), Some(Error::Interrupted)), "{next}");
            Ok("and on as if nothing had happened")
        });
        let failure = stubborn.await.unwrap_err();
        assert!(matches!(failure.check(), Some(Error::Interrupted)), "{failure}");
        unchanged_and_usable(&pool, 0).await
    });
}

#[test]
fn g6_an_interaction_that_waits_for_something_else_is_cancelled_there() {
    run_in_file(|pool| async move {
        pool.run_operation(TABLE, params![]).await?;
        let (trigger, reached) = Deferred::new();
        let interaction = pool.run_interaction(move |transaction| async move {
            inserted(&transaction, 1).await?;
            trigger.callback(());
            std::future::pending::<()>().await;
            Ok(())
        });
        reached.await?;
        interaction.cancel();
        assert!(interaction.await.unwrap_err().is::<CancelledError>());
        unchanged_and_usable(&pool, 0).await
    });
}

#[test]
fn g6_a_thousand_interactions_at_once_all_finish() {
    run_in_file(|pool| async move {
        pool.run_query("PRAGMA journal_mode = WAL", params![]).await?;
        pool.run_operation("CREATE TABLE t (n); INSERT INTO t VALUES (0)", params![]).await?;
        let add_one = |_| {
            pool.run_interaction(|transaction| async move {
                let rows = transaction.run_query("SELECT n FROM t", params![]).await?;
                let n = rows[0].get::<i64>(0)?;
                transaction.run_operation("UPDATE t SET n = ?", params![n + 1]).await
            })
        };
        gather_results((0..1000).map(add_one).collect::<Vec<_>>()).await?;
        assert_eq!(count(&pool, "SELECT n FROM t").await?, 1000);
        Ok(())
    });
}

#[test]
fn g6_statements_of_one_interaction_are_done_in_order() {
    run_in_memory(|pool| async move {
        pool.run_operation(TABLE, params![]).await?;
        pool.run_interaction(|transaction| async move {
            let inserts = (0..20_i64)
                .map(|n| transaction.run_operation(INSERT, params![n]))
                .collect::<Vec<_>>();
            gather_results(inserts).await?;
            // Nobody waits for this one but the commit.
            transaction.run_operation(INSERT, params![20]).detach();
            Ok(())
        })
        .await?;
        let rows = pool.run_query("SELECT n FROM t ORDER BY rowid", params![]).await?;
        let numbers: Result<Vec<i64>, _> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(numbers?, (0..=20).collect::<Vec<_>>());
        Ok(())
    });
}

#[test]
fn g6_a_transaction_that_was_kept_is_over() {
    run_in_memory(|pool| async move {
        let kept = pool.run_interaction(|transaction| async move { Ok(transaction) }).await?;
        let late = kept.run_query("SELECT 1", params![]);
        assert!(error_of(late).await.starts_with("the interaction is over"));
        let kept = pool.run_with_connection(|connection| async move { Ok(connection) }).await?;
        assert!(error_of(kept.run_operation("SELECT 1", params![])).await.contains("is over"));
        assert_eq!(pool.stats().in_use, 0);
        Ok(())
    });
}

#[test]
fn g6_what_comes_after_sqlite_has_rolled_back_is_not_done_by_itself() {
    run_in_memory(|pool| async move {
        pool.run_operation("CREATE TABLE t (n INTEGER UNIQUE)", params![]).await?;
        let stubborn = pool.run_interaction(|transaction| async move {
            inserted(&transaction, 1).await?;
            let sql = "INSERT OR ROLLBACK INTO t VALUES (?)";
            transaction.run_operation(sql, params![1]).await.unwrap_err();
            let next = transaction.run_operation(INSERT, params![2]).await.unwrap_err();
            assert!(matches!(next.check(), Some(Error::RolledBack { .. })), "{next}");
            Ok(())
        });
        assert!(error_of(stubborn).await.contains("has rolled the transaction back"));
        assert_eq!(count(&pool, COUNT).await?, 0);
        // A failure after which SQLite goes on is one that an interaction may handle.
        pool.run_interaction(|transaction| async move {
            inserted(&transaction, 1).await?;
            transaction.run_operation(INSERT, params![1]).await.unwrap_err();
            inserted(&transaction, 2).await
        })
        .await?;
        assert_eq!(count(&pool, COUNT).await?, 2);
        Ok(())
    });
}

#[test]
fn g6_a_commit_that_fails_is_a_failure() {
    run_in_memory(|pool| async move {
        let tables = "CREATE TABLE a (id INTEGER PRIMARY KEY); \
             CREATE TABLE t (n INTEGER REFERENCES a (id) DEFERRABLE INITIALLY DEFERRED)";
        pool.run_operation(tables, params![]).await?;
        let dangling =
            pool.run_interaction(|transaction| async move { inserted(&transaction, 1).await });
        assert!(error_of(dangling).await.contains("FOREIGN KEY constraint failed"));
        assert_eq!(count(&pool, COUNT).await?, 0);
        Ok(())
    });
}

#[test]
fn g6_a_connection_of_ones_own_rolls_back_what_it_has_left_open_when_it_fails() {
    run_in_memory(|pool| async move {
        pool.run_operation(TABLE, params![]).await?;
        let pages = pool.run_with_connection(|connection| async move {
            connection.run_operation(INSERT, params![1]).await?;
            connection.run_operation("VACUUM", params![]).await?;
            Ok(connection.run_query("PRAGMA page_count", params![]).await?[0].get::<i64>(0)?)
        });
        assert!(pages.await? > 0);
        let failing = pool.run_with_connection(|connection| async move {
            connection.run_operation("BEGIN; INSERT INTO t VALUES (2)", params![]).await?;
            Err::<(), _>(Failure::msg("changed my mind"))
        });
        assert_eq!(error_of(failing).await, "changed my mind");
        unchanged_and_usable(&pool, 1).await
    });
}
