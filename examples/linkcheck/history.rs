//! What earlier checks have found: the file of `--db`, an SQLite database.
//!
//! It holds three things. Pages as they were read, with the words by which their server can tell
//! whether they have changed; one that has not is not sent again, and its links are taken from here.
//! Links to other hosts that were fine, so that these are left alone for a while. And every check
//! with its rows, from which the next one sees what broke since.
//!
//! All goes through adbapi on the reactor's thread. What a check learns is written in batches, each
//! of them an interaction: a check that is interrupted leaves a file that is whole.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use hereafter::{Deferred, Failure};
use hereafter_adbapi::{ConnectionPool, Transaction, params};
use serde::Serialize;
use url::Url;

use crate::address::Anchors;
use crate::fetch::Validators;
use crate::page::Page;
use crate::problem::Severity;
use crate::report::Report;

const TABLES: &str = "
    CREATE TABLE pages (url TEXT PRIMARY KEY, etag TEXT, modified TEXT, content TEXT NOT NULL);
    CREATE TABLE fine (url TEXT PRIMARY KEY, at INTEGER NOT NULL);
    CREATE TABLE checks (
        id INTEGER PRIMARY KEY, start TEXT NOT NULL, at INTEGER NOT NULL, complete INTEGER NOT NULL
    );
    CREATE TABLE problems (
        checked INTEGER NOT NULL REFERENCES checks (id), url TEXT NOT NULL, kind TEXT NOT NULL,
        broken INTEGER NOT NULL, message TEXT NOT NULL
    );
    CREATE INDEX problems_of_check ON problems (checked);
";

/// How much is learned before it is written.
const BATCH: usize = 64;

/// The file, for one check. A clone is another handle on the same one.
#[derive(Clone)]
pub(crate) struct History(Rc<Inner>);

struct Inner {
    pool: ConnectionPool,
    names: Names,
    now: i64,
    /// For how many seconds a fine link to another host is left alone.
    leave_alone: i64,
    learned: RefCell<Vec<Learned>>,
}

/// Something to write.
enum Learned {
    Page { url: String, validators: Validators, content: String },
    Fine { url: String },
}

/// Roots of what is served on loopback, where the port is another one each time, and what they are
/// called instead.
#[derive(Debug, Default)]
pub(crate) struct Names(pub(crate) Vec<(String, String)>);

impl Names {
    /// An address, or a text that holds some, as the file has it.
    fn lasting(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (root, name)| text.replace(root, name))
    }

    /// The same as it is in this check.
    fn present(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (root, name)| text.replace(name, root))
    }
}

/// What has changed since the last complete check of the same.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Since {
    /// When that was, as HTTP writes dates.
    pub(crate) checked: String,
    /// What is broken now, and was not then.
    pub(crate) broke: Vec<Change>,
    /// What was broken then, and is not any more.
    pub(crate) mended: Vec<Change>,
}

/// One row of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Change {
    pub(crate) url: String,
    pub(crate) kind: String,
    pub(crate) message: String,
}

impl History {
    /// Opens the file, or makes it.
    pub(crate) fn open(file: &Path, names: Names, leave_alone: Duration) -> Deferred<Self> {
        let name = file.display().to_string();
        let address = format!("sqlite://{}", percent_encoded(&name));
        let leave_alone = i64::try_from(leave_alone.as_secs()).unwrap_or(i64::MAX);
        Deferred::from_coroutine(async move {
            let pool = ConnectionPool::connect(address).await?;
            pool.run_interaction(|transaction| prepare(transaction, name)).await?;
            let learned = RefCell::default();
            Ok(Self(Rc::new(Inner { pool, names, now: seconds_now(), leave_alone, learned })))
        })
    }

    /// By what the server can tell whether the page at `url` has changed since it was read.
    pub(crate) fn validators(&self, url: &Url) -> Deferred<Option<Validators>> {
        let sql = "SELECT etag, modified FROM pages WHERE url = ?";
        let found = self.0.pool.run_query(sql, params![self.0.names.lasting(url.as_str())]);
        found.add_callback(|rows| {
            let Some(row) = rows.first() else { return Ok(None) };
            Ok(Some(Validators { etag: row.get("etag")?, modified: row.get("modified")? }))
        })
    }

    /// The page at `url` as it was read last.
    pub(crate) fn page(&self, url: &Url) -> Deferred<Option<Page>> {
        let this = self.clone();
        let sql = "SELECT content FROM pages WHERE url = ?";
        let found = self.0.pool.run_query(sql, params![self.0.names.lasting(url.as_str())]);
        found.add_callback(move |rows| {
            let Some(row) = rows.first() else { return Ok(None) };
            let content = this.0.names.present(&row.get::<String>(0)?);
            Ok(Some(serde_json::from_str(&content)?))
        })
    }

    /// Keeps a page, if its server can tell whether it changes.
    pub(crate) fn keep(&self, url: &Url, validators: Validators, page: &Page) -> Deferred<()> {
        if validators == Validators::default() {
            return Deferred::succeed(());
        }
        let content = match serde_json::to_string(page) {
            Ok(content) => self.0.names.lasting(&content),
            Err(error) => return Deferred::fail(error),
        };
        let url = self.0.names.lasting(url.as_str());
        self.learn(Learned::Page { url, validators, content })
    }

    /// Whether a link to another host was fine a short while ago.
    pub(crate) fn was_fine(&self, url: &Url) -> Deferred<bool> {
        let since = self.0.now.saturating_sub(self.0.leave_alone);
        let sql = "SELECT 1 FROM fine WHERE url = ? AND at > ?";
        self.0.pool.run_query(sql, params![url.as_str(), since]).map(|rows| !rows.is_empty())
    }

    /// Notes that a link to another host is fine.
    pub(crate) fn note_fine(&self, url: &Url) -> Deferred<()> {
        self.learn(Learned::Fine { url: url.to_string() })
    }

    fn learn(&self, learned: Learned) -> Deferred<()> {
        self.0.learned.borrow_mut().push(learned);
        if self.0.learned.borrow().len() < BATCH { Deferred::succeed(()) } else { self.write() }
    }

    /// Writes what was learned.
    fn write(&self) -> Deferred<()> {
        let (learned, now) = (self.0.learned.take(), self.0.now);
        self.0.pool.run_interaction(move |transaction| async move {
            for learned in learned {
                match learned {
                    Learned::Page { url, validators: Validators { etag, modified }, content } => {
                        let sql = "INSERT OR REPLACE INTO pages VALUES (?, ?, ?, ?)";
                        let values = params![url, etag, modified, content];
                        transaction.run_operation(sql, values).await?;
                    }
                    Learned::Fine { url } => {
                        let sql = "INSERT OR REPLACE INTO fine VALUES (?, ?)";
                        transaction.run_operation(sql, params![url, now]).await?;
                    }
                }
            }
            Ok(())
        })
    }

    /// Enters the check with its rows, and says what has changed since the one before.
    pub(crate) fn enter(&self, report: &Report) -> Deferred<Option<Since>> {
        let this = self.clone();
        let complete = report.complete;
        let mut start: Vec<_> = report.start.iter().map(|url| this.0.names.lasting(url)).collect();
        start.sort();
        let start = start.join(" ");
        let rows: Vec<(Change, bool)> = report
            .rows
            .iter()
            .map(|row| {
                let change = Change {
                    url: row.url.clone(),
                    kind: row.kind.to_owned(),
                    message: row.message.clone(),
                };
                (change, row.severity == Severity::Broken)
            })
            .collect();
        Deferred::from_coroutine(async move {
            this.write().await?;
            let now = this.0.now;
            let names = this.clone();
            this.0
                .pool
                .run_interaction(move |transaction| async move {
                    let before = last_complete(&transaction, &start, &names.0.names).await?;
                    let sql =
                        "INSERT INTO checks (start, at, complete) VALUES (?, ?, ?) RETURNING id";
                    let check = transaction.run_query(sql, params![start, now, complete]).await?;
                    let check: i64 = check[0].get("id")?;
                    for (Change { url, kind, message }, broken) in &rows {
                        let sql = "INSERT INTO problems VALUES (?, ?, ?, ?, ?)";
                        let (url, message) =
                            (names.0.names.lasting(url), names.0.names.lasting(message));
                        let values = params![check, url, kind.as_str(), *broken, message];
                        transaction.run_operation(sql, values).await?;
                    }
                    let broken = rows.into_iter().filter(|(_, broken)| *broken).map(|(row, _)| row);
                    Ok(before.map(|(at, before)| compare(at, before, broken.collect(), complete)))
                })
                .await
        })
    }
}

/// Makes the tables in a new file; refuses one that is not ours.
async fn prepare(transaction: Transaction, name: String) -> Result<(), Failure> {
    let version: i64 = transaction.run_query("PRAGMA user_version", params![]).await?[0].get(0)?;
    let sql = "SELECT count(*) FROM sqlite_schema";
    let tables: i64 = transaction.run_query(sql, params![]).await?[0].get(0)?;
    if (version, tables) == (0, 0) {
        transaction.run_operation(TABLES, params![]).await?;
        let sql = format!("PRAGMA user_version = {}", format_number());
        transaction.run_operation(hereafter_adbapi::AssertSqlSafe(sql), params![]).await?;
    } else if version != format_number() {
        return Err(Failure::msg(format!(
            "{name} was made by another program or another version; name a file that is not there"
        )));
    }
    Ok(())
}

/// What the file is marked with. Another form of the tables has to have another number, and so has
/// another way to hash the names of anchors.
fn format_number() -> i64 {
    const FORM: i64 = 1;
    i64::from(Anchors::fingerprint()) ^ FORM
}

/// When the last complete check of the same was, and what was broken then.
async fn last_complete(
    transaction: &Transaction,
    start: &str,
    names: &Names,
) -> Result<Option<(i64, Vec<Change>)>, Failure> {
    let sql = "SELECT id, at FROM checks WHERE start = ? AND complete ORDER BY id DESC LIMIT 1";
    let check = transaction.run_query(sql, params![start]).await?;
    let Some(check) = check.first() else { return Ok(None) };
    let (id, at) = check.read::<(i64, i64)>()?;
    let sql = "SELECT url, kind, message FROM problems WHERE checked = ? AND broken";
    let mut broken = Vec::new();
    for row in transaction.run_query(sql, params![id]).await? {
        let (url, kind, message) = row.read::<(String, String, String)>()?;
        broken.push(Change { url: names.present(&url), kind, message: names.present(&message) });
    }
    Ok(Some((at, broken)))
}

/// What broke, and what was mended. A check that was interrupted cannot say the latter.
fn compare(at: i64, before: Vec<Change>, now: Vec<Change>, complete: bool) -> Since {
    let is_in = |rows: &[Change], row: &Change| {
        rows.iter().any(|other| (&other.url, &other.kind) == (&row.url, &row.kind))
    };
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(at.unsigned_abs());
    let mended = before.iter().filter(|row| complete && !is_in(&now, row)).cloned().collect();
    let broke = now.iter().filter(|row| !is_in(&before, row)).cloned().collect();
    Since { checked: httpdate::fmt_http_date(at), broke, mended }
}

fn seconds_now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// A path as a part of an address: what follows a `?` would be taken for options.
fn percent_encoded(path: &str) -> String {
    path.replace('%', "%25").replace('?', "%3f")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(url: &str) -> Change {
        Change { url: url.into(), kind: "http-status".into(), message: "404 Not Found".into() }
    }

    #[test]
    fn what_is_served_on_loopback_keeps_its_name() {
        let root = "http://127.0.0.1:4001/".to_owned();
        let names = Names(vec![(root, "file:///srv/site/".to_owned())]);
        let lasting = names.lasting(r#"{"a":"http://127.0.0.1:4001/b","c":"http://x.test/"}"#);
        assert_eq!(lasting, r#"{"a":"file:///srv/site/b","c":"http://x.test/"}"#);
        assert_eq!(names.present("file:///srv/site/b"), "http://127.0.0.1:4001/b");
    }

    #[test]
    fn what_broke_and_what_was_mended() {
        let (before, now) = (vec![change("a"), change("b")], vec![change("b"), change("c")]);
        let since = compare(784_111_777, before.clone(), now.clone(), true);
        assert_eq!(since.checked, "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!((since.broke, since.mended), (vec![change("c")], vec![change("a")]));
        let partial = compare(784_111_777, before, now, false);
        assert_eq!((partial.broke, partial.mended), (vec![change("c")], vec![]));
    }
}
