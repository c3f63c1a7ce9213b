//! Queries and operations: what goes in, what comes out, and what is said when it does not.

mod common;

use common::{count, error_of, run, run_in_file, run_in_memory};
use hereafter::Failure;
use hereafter::errors::Panicked;
use hereafter_adbapi::{
    Arguments, AssertSqlSafe, ColumnError, ConnectionPool, Error, FromRow, Params, Row, params,
};

#[test]
fn g6_values_of_all_sorts_come_back_as_they_went_in() {
    run_in_memory(|pool| async move {
        let text = String::from("snowman \u{2603}, quote ', NUL \0.");
        let rows = pool
            .run_query(
                "SELECT ? AS b, ? AS i, ? AS f, ? AS t, ? AS bytes, ? AS none, ? AS borrowed",
                params![true, i64::MIN, 0.5, text.clone(), vec![0_u8, 255], None::<i32>, &*text],
            )
            .await?;
        let row = &rows[0];
        assert!(row.get::<bool>("b")?);
        assert_eq!(row.get::<i64>("i")?, i64::MIN);
        assert_eq!(row.get::<f64>("f")?.to_bits(), 0.5_f64.to_bits());
        assert_eq!(row.get::<String>("t")?, text);
        assert_eq!(row.get::<Vec<u8>>("bytes")?, [0, 255]);
        assert_eq!(row.get::<Option<i32>>("none")?, None);
        assert_eq!(row.get::<Option<String>>(6)?, Some(text));
        assert_eq!(row.len(), 7);
        Ok(())
    });
}

#[test]
fn g6_an_operation_says_how_many_rows_it_has_changed() {
    run_in_memory(|pool| async move {
        let script = "CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (1), (2); \
                      INSERT INTO t SELECT n + 2 FROM t;";
        pool.run_operation(script, params![]).await?;
        let changed = pool.run_operation("UPDATE t SET n = n WHERE n > ?", params![1]).await?;
        assert_eq!(changed, 3);
        assert_eq!(pool.run_operation("DELETE FROM t WHERE n > ?", vec![9]).await?, 0);
        assert_eq!(count(&pool, "SELECT count(*) FROM t").await?, 4);
        Ok(())
    });
}

#[test]
fn g6_rows_are_read_as_tuples() {
    run_in_memory(|pool| async move {
        let rows = pool
            .run_query("SELECT 1 AS id, 'Ada' AS name UNION SELECT 2, NULL ORDER BY 1", params![])
            .await?;
        let users: Result<Vec<(i64, Option<String>)>, _> = rows.iter().map(Row::read).collect();
        assert_eq!(users?, [(1, Some("Ada".to_owned())), (2, None)]);
        let error = rows[0].read::<(i64,)>().unwrap_err();
        assert_eq!(error.to_string(), "the row has 2 columns, not 1: id, name");
        assert_eq!(format!("{:?}", rows[0]), r#"Row["id", "name"]"#);
        Ok(())
    });
}

#[test]
fn g6_a_column_that_cannot_be_read_says_why_and_what_else() {
    run_in_memory(|pool| async move {
        let rows =
            pool.run_query("SELECT 300 AS big, 'x' AS text, NULL AS none", params![]).await?;
        let row = &rows[0];
        let message = |error: hereafter_adbapi::ColumnError| error.to_string();
        assert_eq!(
            message(row.get::<i64>("id").unwrap_err()),
            "there is no column `id`; there are big, text, none"
        );
        assert_eq!(
            message(row.get::<i64>(3).unwrap_err()),
            "there is no column number 3; there are big, text, none"
        );
        assert_eq!(
            message(row.get::<i64>("text").unwrap_err()),
            "column `text` is of the type TEXT and cannot be read as i64; read it as String, or \
             convert it in the query"
        );
        assert_eq!(
            message(row.get::<i64>("none").unwrap_err()),
            "column `none` is NULL and cannot be read as i64; read it as Option<i64>"
        );
        assert_eq!(
            message(row.get::<i8>("big").unwrap_err()),
            "column `big` cannot be read: 300 does not fit into i8"
        );
        assert_eq!((row.get::<i16>("big")?, row.get::<Option<f64>>("big")?), (300, Some(300.0)));
        assert_eq!(row.get_native::<Box<str>>("text")?.as_deref(), Some("x"));
        assert_eq!(row.get_native::<Box<str>>("none")?, None);
        Ok(())
    });
}

#[test]
fn g6_a_statement_that_is_wrong_is_shown() {
    run_in_memory(|pool| async move {
        let failure = pool.run_query("SELEC 1", params![]).await.unwrap_err();
        assert!(matches!(failure.check(), Some(Error::Statement { .. })), "{failure}");
        let text = failure.to_string();
        assert_eq!(text, r#"sqlite::memory: did not do "SELEC 1": near "SELEC": syntax error"#);
        // And the connection is as good as before.
        assert_eq!(count(&pool, "SELECT 1").await?, 1);
        Ok(())
    });
}

#[test]
fn g6_as_many_values_as_placeholders() {
    run_in_memory(|pool| async move {
        let sql = "SELECT ? + ?";
        for (given, values) in [(1, vec![1]), (3, vec![1, 2, 3]), (0, vec![])] {
            assert_eq!(
                error_of(pool.run_query(sql, values)).await,
                format!("{given} values were given for the 2 placeholders of {sql:?}")
            );
        }
        assert_eq!(pool.run_query("SELECT ?1 + ?1;", params![4]).await?[0].get::<i64>(0)?, 8);
        assert_eq!(pool.run_query("SELECT $2 - $1", vec![1, 9]).await?[0].get::<i64>(0)?, 8);
        Ok(())
    });
}

#[test]
fn g6_no_message_holds_a_value() {
    run_in_memory(|pool| async move {
        pool.run_operation("CREATE TABLE t (secret TEXT UNIQUE)", params![]).await?;
        let insert = || pool.run_operation("INSERT INTO t VALUES (?)", params!["hunter2"]);
        insert().await?;
        let failure = insert().await.unwrap_err();
        let error = failure.check::<Error>().unwrap();
        assert!(error.database_error().unwrap().is_unique_violation());
        let all = format!("{failure} {error:?} {}", failure.traceback());
        assert!(!all.contains("hunter2"), "{all}");
        Ok(())
    });
}

#[test]
fn g6_statements_made_at_run_time_have_to_be_marked() {
    run_in_memory(|pool| async move {
        let columns = ["1", "2"].join(" + ");
        let sum = pool.run_query(AssertSqlSafe(format!("SELECT {columns}")), params![]).await?;
        assert_eq!(sum[0].get::<i64>(0)?, 3);
        Ok(())
    });
}

#[test]
fn g6_a_file_is_made_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kept.db");
    let address = format!("sqlite://{}", file.display());
    let read_only = format!("{address}?mode=rw");
    let again = address.clone();
    run(|_| async move {
        let error = error_of(ConnectionPool::connect(read_only)).await;
        assert!(error.starts_with("cannot connect to sqlite://"), "{error}");
        assert!(error.contains("kept.db: "), "{error}");
        let pool = ConnectionPool::connect(address).await?;
        pool.run_operation("CREATE TABLE t (n); INSERT INTO t VALUES (7)", params![]).await?;
        Ok(())
    });
    assert!(file.is_file());
    run(|_| async {
        let pool = ConnectionPool::connect(again).await?;
        assert_eq!(count(&pool, "SELECT n FROM t").await?, 7);
        Ok(())
    });
}

#[test]
fn g6_queries_run_on_several_connections_at_once() {
    run_in_file(|pool| async move {
        pool.run_operation("CREATE TABLE t (n); INSERT INTO t VALUES (7)", params![]).await?;
        let all: Vec<_> = (0..100).map(|_| pool.run_query("SELECT n FROM t", params![])).collect();
        let all = hereafter::gather_results(all).await?;
        assert!(all.iter().all(|rows| rows[0].get::<i64>(0).is_ok_and(|n| n == 7)));
        assert!(pool.stats().open > 1, "{:?}", pool.stats());
        Ok::<_, Failure>(())
    });
}

#[test]
fn g6_an_address_that_is_none_says_what_one_looks_like() {
    run(|_| async {
        for address in ["mysql://ada:hunter2@host/db", "file.db", ""] {
            let error = error_of(ConnectionPool::connect(address)).await;
            assert!(error.ends_with("should begin with `sqlite:` or `postgres://`"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        let error = error_of(ConnectionPool::connect("postgres://ada:hunter2@host:port/db")).await;
        assert_eq!(
            error,
            "postgres://ada@host:port/db is no address of a database: invalid port number"
        );
        Ok(())
    });
}

/// Values that panic when they are asked for.
struct Broken;

impl Params<'_> for Broken {
    fn add_to(self, _: &mut Arguments) -> Result<(), Error> {
        panic!("no values")
    }
}

/// A row that cannot be read.
#[derive(Debug)]
struct Unreadable;

impl FromRow for Unreadable {
    fn from_row(_: &Row) -> Result<Self, ColumnError> {
        panic!("no row")
    }
}

#[test]
fn g6_user_code_that_panics_fails_its_statement_and_no_other() {
    run_in_memory(|pool| async move {
        let said = |failure: Failure| failure.check::<Panicked>().unwrap().message().to_owned();
        assert_eq!(said(pool.run_query("SELECT 1", Broken).await.unwrap_err()), "no values");
        assert_eq!(said(pool.run_operation("SELECT 1", Broken).await.unwrap_err()), "no values");
        let read = pool.run_query("SELECT 1", params![]).add_callback(|rows| {
            rows[0].read::<Unreadable>()?;
            Ok(())
        });
        assert_eq!(said(read.await.unwrap_err()), "no row");
        pool.run_operation("CREATE TABLE t (n INTEGER)", params![]).await?;
        let interaction = pool.run_interaction(|transaction| async move {
            transaction.run_operation("INSERT INTO t VALUES (1)", params![]).await?;
            transaction.run_operation("INSERT INTO t VALUES (?)", Broken).await
        });
        assert_eq!(said(interaction.await.unwrap_err()), "no values");
        let function = pool.run_with_connection(|connection| async move {
            connection.run_query("SELECT 1", Broken).await
        });
        assert_eq!(said(function.await.unwrap_err()), "no values");
        assert_eq!(count(&pool, "SELECT count(*) FROM t").await?, 0);
        assert_eq!(pool.stats().in_use, 0);
        Ok(())
    });
}
