//! The same on a real server: types, transactions, and what becomes of them when it goes away.
#![cfg(unix)]

mod common;
#[path = "common/postgres.rs"]
mod postgres;

use common::{count, error_of, run};
use core::time::Duration;
use hereafter::errors::CancelledError;
use hereafter::{Deferred, Failure};
use hereafter_adbapi::{ConnectionPool, Error, params};
use hereafter_reactor::Reactor;
use hereafter_reactor::task::defer_later;
use postgres::Server;
use std::collections::HashSet;

const TABLE: &str = "CREATE TABLE t (n bigint NOT NULL)";
const INSERT: &str = "INSERT INTO t VALUES ($1)";
const COUNT: &str = "SELECT count(*) FROM t";

/// What takes longer than any test waits for, and how often the server is at it.
const SLEEP: &str = "SELECT 1 FROM (SELECT pg_sleep(3600)) AS slept";
const SLEEPING: &str = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";

/// Runs `test` with a pool of connections to a server of its own.
fn run_on_server<F: Future<Output = Result<(), Failure>> + 'static>(
    test: impl FnOnce(ConnectionPool) -> F + 'static,
) {
    let server = Server::start();
    let address = server.address();
    run(|_| async { test(ConnectionPool::connect(address).await?).await });
}

#[test]
fn g6_postgres_values_of_all_sorts_come_back_as_they_went_in() {
    run_on_server(|pool| async move {
        let rows = pool
            .run_query(
                "SELECT $1 AS b, $2 AS i, $3 AS f, $4 AS t, $5 AS bytes, $6 AS none, \
                 1::int2 AS small, 2::int4 AS middle, 0.5::float4 AS single, now() AS other",
                params![true, i64::MIN, 0.25, "text \u{2603}", vec![0_u8, 255], None::<i32>],
            )
            .await?;
        let row = &rows[0];
        assert!(row.get::<bool>("b")?);
        assert_eq!(row.get::<i64>("i")?, i64::MIN);
        assert_eq!(row.get::<f64>("f")?.to_bits(), 0.25_f64.to_bits());
        assert_eq!(row.get::<String>("t")?, "text \u{2603}");
        assert_eq!(row.get::<Vec<u8>>("bytes")?, [0, 255]);
        assert_eq!(row.get::<Option<i32>>("none")?, None);
        // Numbers are read as what they fit into, as with SQLite.
        assert_eq!((row.get::<i64>("small")?, row.get::<i8>("middle")?), (1, 2));
        assert_eq!(row.get::<f64>("single")?.to_bits(), 0.5_f64.to_bits());
        assert_eq!(
            row.get::<i32>("i").unwrap_err().to_string(),
            format!("column `i` cannot be read: {} does not fit into i32", i64::MIN)
        );
        assert_eq!(
            row.get::<i64>("t").unwrap_err().to_string(),
            "column `t` is of the type TEXT and cannot be read as i64; read it as String, or \
             convert it in the query"
        );
        assert_eq!(
            row.get::<String>("other").unwrap_err().to_string(),
            "column `other` is of the type TIMESTAMPTZ and cannot be read as \
             alloc::string::String"
        );
        Ok(())
    });
}

#[test]
fn g6_postgres_operations_and_interactions() {
    run_on_server(|pool| async move {
        pool.run_operation("CREATE TABLE t (n int UNIQUE); INSERT INTO t VALUES (1)", params![])
            .await?;
        assert_eq!(pool.run_operation("UPDATE t SET n = n + $1", params![1]).await?, 1);
        let taken = pool.run_operation(INSERT, params![2]).await.unwrap_err();
        let error = taken.check::<Error>().unwrap();
        assert!(error.database_error().unwrap().is_unique_violation(), "{error}");
        let text = error.to_string();
        assert!(text.contains("duplicate key") && text.contains(INSERT), "{text}");

        let failing = pool.run_interaction(|transaction| async move {
            transaction.run_operation(INSERT, params![3]).await?;
            Err::<(), _>(Failure::msg("changed my mind"))
        });
        assert_eq!(error_of(failing).await, "changed my mind");
        assert_eq!(count(&pool, COUNT).await?, 1);
        pool.run_interaction(|transaction| async move {
            transaction.run_operation(INSERT, params![3]).await
        })
        .await?;
        assert_eq!(count(&pool, COUNT).await?, 2);
        let wrong = error_of(pool.run_query("SELECT $1 + $2", vec![1])).await;
        assert!(wrong.contains("SELECT $1 + $2"), "{wrong}");
        Ok(())
    });
}

/// PostgreSQL would say "all is well" to the COMMIT, and roll back.
#[test]
fn g6_postgres_an_interaction_that_goes_on_after_a_failure_is_not_called_done() {
    run_on_server(|pool| async move {
        pool.run_operation(TABLE, params![]).await?;
        let stubborn = pool.run_interaction(|transaction| async move {
            transaction.run_operation(INSERT, params![1]).await?;
            transaction.run_operation(INSERT, params![None::<i64>]).await.unwrap_err();
            Ok(())
        });
        assert!(error_of(stubborn).await.contains("has rolled the transaction back"));
        assert_eq!(count(&pool, COUNT).await?, 0);
        // With a savepoint it may go on.
        pool.run_interaction(|transaction| async move {
            transaction.run_operation(INSERT, params![1]).await?;
            transaction.run_operation("SAVEPOINT before", params![]).await?;
            transaction.run_operation(INSERT, params![None::<i64>]).await.unwrap_err();
            transaction.run_operation("ROLLBACK TO before", params![]).await?;
            Ok(())
        })
        .await?;
        assert_eq!(count(&pool, COUNT).await?, 1);
        Ok(())
    });
}

#[test]
fn g6_postgres_an_interaction_cancelled_in_any_turn_is_done_or_not_done() {
    run_on_server(|pool| async move {
        pool.run_operation(TABLE, params![]).await?;
        let reactor = Reactor::current().unwrap();
        let (mut expected, mut cancelled, mut turns) = (0, 0, 0);
        while expected < 20 {
            let interaction = pool.run_interaction(|transaction| async move {
                for n in 0..5 {
                    transaction.run_operation(INSERT, params![n]).await?;
                }
                Ok(())
            });
            for _ in 0..turns {
                defer_later(&reactor, Duration::ZERO, || ()).await?;
            }
            turns += 1;
            interaction.cancel();
            match interaction.await {
                Ok(()) => expected += 5,
                Err(failure) => {
                    failure.trap::<CancelledError>()?;
                    cancelled += 1;
                }
            }
            // It sees what is committed, and if a transaction were left open on a connection that
            // was given back, it would find the server's own word for it. One on a connection that
            // was closed goes when the server has noticed that.
            assert_eq!(count(&pool, COUNT).await?, expected);
            let open = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%'";
            let mut looks = 0;
            while count(&pool, open).await? != 0 {
                looks += 1;
                assert!(looks < 10_000, "a transaction was left open");
            }
        }
        assert!(cancelled > 0);
        Ok(())
    });
}

#[test]
fn g6_postgres_a_cancelled_statement_is_given_up_by_the_server_too() {
    run_on_server(|pool| async move {
        pool.run_operation(TABLE, params![]).await?;
        let endless = pool.run_interaction(|transaction| async move {
            transaction.run_operation(INSERT, params![1]).await?;
            transaction.run_query(SLEEP, params![]).await
        });
        while count(&pool, SLEEPING).await? == 0 {}
        endless.cancel();
        assert!(endless.await.unwrap_err().is::<CancelledError>());
        assert_eq!(count(&pool, COUNT).await?, 0);
        while count(&pool, SLEEPING).await? > 0 {}
        Ok(())
    });
}

#[test]
fn g6_postgres_by_tls_and_with_a_password() {
    let identity =
        rcgen::generate_simple_self_signed(["db.test".to_owned(), "127.0.0.1".to_owned()]);
    let identity = identity.unwrap();
    let certificate = identity.cert.pem();
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root.pem");
    std::fs::write(&root, &certificate).unwrap();
    let key = identity.signing_key.serialize_pem();
    let server = Server::start_secured("open sesame", &certificate, &key);
    let address = move |password: &str, options: &str| {
        let port = server.port();
        format!("postgres://hereafter:{password}@127.0.0.1:{port}/postgres?{options}")
    };
    let verified = format!("sslmode=verify-full&sslrootcert={}", root.display());
    run(|_| async move {
        let pool = ConnectionPool::connect(address("open%20sesame", &verified)).await?;
        let by_tls = "SELECT ssl::int::int8 FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        assert_eq!(count(&pool, by_tls).await?, 1);

        let refused = error_of(ConnectionPool::connect(address("hunter2", &verified))).await;
        assert!(
            refused.ends_with("password authentication failed for user \"hereafter\""),
            "{refused}"
        );
        assert!(!refused.contains("hunter2"), "{refused}");
        let strangers = address("open%20sesame", "sslmode=verify-full");
        let refused = error_of(ConnectionPool::connect(strangers)).await;
        assert!(refused.contains("certificate"), "{refused}");
        let plain =
            error_of(ConnectionPool::connect(address("open%20sesame", "sslmode=disable"))).await;
        assert!(plain.contains("no encryption"), "{plain}");
        Ok(())
    });
}

#[test]
fn g6_postgres_a_lost_server_is_told_and_found_again() {
    let server = std::rc::Rc::new(core::cell::RefCell::new(Server::start()));
    run(|_| async move {
        let address = server.borrow().address();
        let stranger = address.replace("hereafter@", "stranger:hunter2@");
        let refused = error_of(ConnectionPool::connect(stranger)).await;
        assert!(
            refused.starts_with("cannot connect to postgres://stranger@127.0.0.1:"),
            "{refused}"
        );
        assert!(refused.ends_with("role \"stranger\" does not exist"), "{refused}");
        let pool = ConnectionPool::builder(address.clone())
            .connect_timeout(Duration::from_secs(2))
            .connect()
            .await?;
        let sleeping = pool.run_query(SLEEP, params![]);
        while count(&pool, SLEEPING).await? == 0 {}
        server.borrow_mut().crash();
        let failure = sleeping.await.unwrap_err();
        assert!(matches!(failure.check(), Some(Error::Lost { .. })), "{failure}");
        let text = failure.to_string();
        assert!(text.starts_with(&format!("the connection to {address} was lost")), "{text}");

        let failure = pool.run_query("SELECT 1", params![]).await.unwrap_err();
        assert!(matches!(failure.check(), Some(Error::Connect { .. })), "{failure}");
        server.borrow_mut().restart();
        assert_eq!(count(&pool, "SELECT 1").await?, 1);
        assert_eq!(pool.stats().in_use, 0);
        Ok(())
    });
}

/// 1,000 interactions over five connections; the server crashes in the midst of them, and comes
/// back. Each that says it is done must be found.
#[test]
fn g6_postgres_a_restart_in_between_loses_nothing_that_was_reported_as_done() {
    const ALL: i64 = 1000;
    let mut server = Server::start();
    let address = server.address();
    run(|reactor| async move {
        let pool = ConnectionPool::connect(address).await?;
        pool.run_operation(TABLE, params![]).await?;
        let (begin_restart, at_three_hundred) = Deferred::new();
        let begin_restart = begin_restart.shared();
        let done = std::rc::Rc::new(core::cell::RefCell::new(HashSet::new()));
        let interactions = (0..ALL).map(|n| {
            let (done, begin_restart) = (done.clone(), begin_restart.clone());
            pool.run_interaction(move |transaction| async move {
                transaction.run_operation(INSERT, params![n]).await?;
                transaction.run_query(COUNT, params![]).await?;
                Ok(n)
            })
            .map(move |n| {
                done.borrow_mut().insert(n);
                if done.borrow().len() == 300 {
                    begin_restart.callback(()).unwrap();
                }
            })
        });
        let interactions: Vec<_> = interactions.collect();
        let restarted = at_three_hundred.add_callback(move |()| {
            reactor.defer_to_thread(move || {
                server.restart();
                Ok::<_, Failure>(server)
            })
        });
        let mut lost = 0;
        for interaction in interactions {
            if let Err(failure) = interaction.await {
                match failure.check::<Error>() {
                    Some(Error::Lost { .. } | Error::Connect { .. }) => lost += 1,
                    _ => return Err(failure),
                }
            }
        }
        let server = restarted.await?;
        let rows = pool.run_query("SELECT n FROM t", params![]).await?;
        let found: Result<HashSet<i64>, _> = rows.iter().map(|row| row.get(0)).collect();
        let (found, done) = (found?, done.take());
        assert!(done.is_subset(&found), "{:?}", done.difference(&found));
        assert_eq!(done.len() + lost, usize::try_from(ALL).unwrap());
        assert!(lost < 500, "{lost} of them met the crash; the others were to wait for the server");
        assert!(pool.stats().open <= 5, "{:?}", pool.stats());
        drop(server);
        Ok(())
    });
}
