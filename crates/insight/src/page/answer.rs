//! Questions of the page, and their answers.

use super::graph::Graph;
use super::table::Table;
use super::told::{Tree, seconds};
use super::{Counts, Doing, Door, Event, Fate, Hint};
use crate::Moment;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// How many deferreds are told of in one answer, at most.
const MOST: usize = 1000;

/// How many places are told of in one answer.
const SITES: usize = 500;

/// What a server sends back.
///
/// # Examples
///
/// See [`answer`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// The value of the header `Content-Type`.
    pub content_type: &'static str,
    /// What follows the headers.
    pub body: Cow<'static, str>,
}

/// The headers of every answer, beside `Content-Type`: no other page may read, frame or keep it, and
/// in it no script may run but the page's own.
///
/// # Examples
///
/// ```
/// use hereafter_insight::page::HEADERS;
/// assert!(HEADERS.contains(&("Cache-Control", "no-store")));
/// ```
pub const HEADERS: [(&str, &str); 6] = [
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", include_str!("../../page/dist/content-security-policy.txt")),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
];

impl Answer {
    /// The page itself: one file, with all that belongs to it.
    ///
    /// # Examples
    ///
    /// ```
    /// let page = hereafter_insight::page::Answer::page();
    /// assert!(page.body.starts_with("<!doctype html>"));
    /// ```
    pub fn page() -> Self {
        let body = Cow::Borrowed(include_str!("../../page/dist/index.html"));
        Self { status: 200, content_type: "text/html; charset=utf-8", body }
    }

    /// An answer in words: why there is no other.
    ///
    /// # Examples
    ///
    /// ```
    /// let answer = hereafter_insight::page::Answer::words(503, "the reactor is busy");
    /// assert_eq!(answer.body, "the reactor is busy\n");
    /// ```
    pub fn words(status: u16, why: &str) -> Self {
        let body = Cow::Owned(format!("{why}\n"));
        Self { status, content_type: "text/plain; charset=utf-8", body }
    }

    fn json(data: &impl Serialize) -> Self {
        match serde_json::to_string(data) {
            Ok(body) => {
                Self { status: 200, content_type: "application/json", body: Cow::Owned(body) }
            }
            Err(error) => Self::words(500, &format!("the answer cannot be written: {error}")),
        }
    }
}

/// Answers what the page asks for, as [`Admitted::Data`](super::Admitted::Data) has it.
///
/// | asked for | answered |
/// |---|---|
/// | `now` | counts, how many are pending, at which places they were made, what may never end |
/// | `deferreds?site=&text=&state=&hint=&hinted=&sort=&order=&offset=&limit=` | those that are pending |
/// | `deferred/N` | the story of one; `deferred/N.txt` as a tree, `N.svg` and `N.dot` as pictures |
/// | `graph`, `graph?around=N` | what waits on what |
/// | `slow`, `failures`, `lost` | what the journal has of them |
///
/// What makes no sense is answered with status 400, and words.
///
/// # Examples
///
/// See [the module](super).
pub fn answer<D: Door>(door: &D, asked: &str) -> Answer {
    let (path, query) = asked.split_once('?').unwrap_or((asked, ""));
    let answered = match path {
        "now" => Ok(now(door)),
        "deferreds" => Query::read(query).map(|query| deferreds(door, &query)),
        "graph" => read(query).map(|Around { around }| graph(door, around)),
        "slow" => Ok(slow(door)),
        "failures" => Ok(events(door.journal().failures())),
        "lost" => Ok(events(door.journal().gone())),
        _ => match path.strip_prefix("deferred/") {
            Some(asked) => {
                let (number, form) = asked.split_once('.').unwrap_or((asked, "json"));
                match number.parse() {
                    Ok(number) => Ok(deferred(door, number, form)),
                    Err(error) => Err(format!("{number:?} is no deferred's number: {error}")),
                }
            }
            None => Ok(Answer::words(404, "there is no such question")),
        },
    };
    answered.unwrap_or_else(|why| Answer::words(400, &why))
}

#[derive(Serialize)]
struct Overview<'a> {
    /// Seconds since inspection began.
    uptime: f64,
    counts: Counts,
    pending: usize,
    states: Vec<(Doing, usize)>,
    hints: Vec<(Hint, usize)>,
    sites: Vec<Site<'a>>,
    sites_left_out: usize,
}

#[derive(Serialize)]
struct Site<'a> {
    made: &'a str,
    count: usize,
    oldest: f64,
    youngest: f64,
    /// How many of them may never come to their end.
    hints: usize,
}

fn now<D: Door>(door: &D) -> Answer {
    let journal = door.journal();
    let table = Table::of(door);
    let empty = |made| Site { made, count: 0, oldest: 0.0, youngest: f64::MAX, hints: 0 };
    let mut sites: Vec<_> = table.places.iter().map(|place| empty(place.as_str())).collect();
    let mut hints = BTreeMap::new();
    let states = [Doing::Unfired, Doing::Waits, Doing::Paused, Doing::Runs, Doing::Failed];
    let mut states = states.map(|state| (state, 0)).to_vec();
    for entry in &table.entries {
        let site = &mut sites[entry.place];
        let age = entry.age.as_secs_f64();
        site.count += 1;
        site.oldest = site.oldest.max(age);
        site.youngest = site.youngest.min(age);
        if let Some(hint) = entry.hint {
            site.hints += 1;
            *hints.entry(hint).or_default() += 1;
        }
        if let Some((_, count)) = states.iter_mut().find(|(state, _)| *state == entry.doing) {
            *count += 1;
        }
    }
    sites.sort_by(|a, b| b.count.cmp(&a.count).then(b.oldest.total_cmp(&a.oldest)));
    let sites_left_out = sites.len().saturating_sub(SITES);
    sites.truncate(SITES);
    Answer::json(&Overview {
        uptime: Moment::now().since(journal.since()).as_secs_f64(),
        counts: journal.counts,
        pending: table.entries.len(),
        states,
        hints: hints.into_iter().collect(),
        sites,
        sites_left_out,
    })
}

/// What is asked about pending deferreds.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Query {
    site: Option<String>,
    text: Option<String>,
    state: Option<Doing>,
    hint: Option<Hint>,
    /// Only those that may never come to their end.
    hinted: bool,
    sort: Sort,
    order: Order,
    offset: usize,
    limit: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sort {
    Age,
    Ahead,
    Waiters,
    Site,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Order {
    Asc,
    Desc,
}

impl Default for Query {
    fn default() -> Self {
        Self {
            site: None,
            text: None,
            state: None,
            hint: None,
            hinted: false,
            sort: Sort::Age,
            order: Order::Desc,
            offset: 0,
            limit: 100,
        }
    }
}

/// Reads what stands behind the question mark.
fn read<'a, T: Deserialize<'a>>(query: &'a str) -> Result<T, String> {
    serde_urlencoded::from_str(query)
        .map_err(|error| format!("{query:?} is not understood: {error}"))
}

impl Query {
    fn read(query: &str) -> Result<Self, String> {
        let mut query: Self = read(query)?;
        if query.limit > MOST {
            return Err(format!("limit is {}, and can be {MOST} at most", query.limit));
        }
        query.text = query.text.map(|text| text.to_lowercase());
        Ok(query)
    }

    /// Those that are asked for, sorted. What is asked of places is asked once for each.
    fn choose(&self, table: &Table) -> Vec<usize> {
        let matches = |place: &String| {
            (
                self.site.as_ref().is_none_or(|site| site == place),
                self.text.as_ref().is_some_and(|text| place.to_lowercase().contains(text)),
            )
        };
        let places: Vec<_> = table.places.iter().map(matches).collect();
        let is_meant = |at: &usize| {
            let entry = &table.entries[*at];
            let (is_site, has_text) = places[entry.place];
            is_site
                && self.state.is_none_or(|state| state == entry.doing)
                && self.hint.is_none_or(|hint| Some(hint) == entry.hint)
                && !(self.hinted && entry.hint.is_none())
                && (has_text || self.text.as_ref().is_none_or(|text| is_number(text, entry.number)))
        };
        let mut chosen: Vec<_> = (0..table.entries.len()).filter(is_meant).collect();
        let entry = |at: &usize| &table.entries[*at];
        match self.sort {
            Sort::Age => chosen.sort_by_key(|at| Reverse(entry(at).age)),
            Sort::Ahead => chosen.sort_by_key(|at| Reverse(entry(at).ahead)),
            Sort::Waiters => chosen.sort_by_key(|at| Reverse(table.waiters.of(*at).len())),
            Sort::Site => chosen.sort_by_key(|at| Reverse(table.place(entry(at)))),
        }
        if self.order == Order::Asc {
            chosen.reverse();
        }
        chosen
    }
}

fn is_number(text: &str, number: u64) -> bool {
    text.strip_prefix('#').unwrap_or(text).parse() == Ok(number)
}

#[derive(Serialize)]
struct List<'a> {
    /// How many are pending.
    total: usize,
    /// How many of them are asked for.
    matched: usize,
    offset: usize,
    rows: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Line<'a> {
    number: u64,
    made: &'a str,
    age: f64,
    state: Doing,
    /// The first ones, and how many they are.
    waits_on: Vec<u64>,
    waits: usize,
    waiters: usize,
    ahead: u32,
    hint: Option<Hint>,
}

fn deferreds<D: Door>(door: &D, query: &Query) -> Answer {
    let table = Table::of(door);
    let chosen = query.choose(&table);
    let line = |at: &usize| {
        let (entry, waits) = (&table.entries[*at], table.waits.of(*at));
        Line {
            number: entry.number,
            made: table.place(entry),
            age: entry.age.as_secs_f64(),
            state: entry.doing,
            waits_on: waits.iter().take(3).map(|on| table.entries[*on].number).collect(),
            waits: waits.len(),
            waiters: table.waiters.of(*at).len(),
            ahead: entry.ahead,
            hint: entry.hint,
        }
    };
    let rows = chosen.iter().skip(query.offset).take(query.limit).map(line);
    Answer::json(&List {
        total: table.entries.len(),
        matched: chosen.len(),
        offset: query.offset,
        rows: rows.collect(),
    })
}

fn deferred<D: Door>(door: &D, number: u64, form: &str) -> Answer {
    let Some(story) = door.story(number) else { return gone(number) };
    let (content_type, body) = match form {
        "json" => return Answer::json(&Tree::from(&story)),
        "txt" => ("text/plain; charset=utf-8", story.to_string()),
        "svg" => ("image/svg+xml", story.to_svg()),
        "dot" => ("text/vnd.graphviz; charset=utf-8", story.to_dot()),
        other => return Answer::words(400, &format!("there is no form {other:?} of a story")),
    };
    Answer { status: 200, content_type, body: Cow::Owned(body) }
}

/// Which part of the graph is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Around {
    around: Option<u64>,
}

fn graph<D: Door>(door: &D, around: Option<u64>) -> Answer {
    let table = Table::of(door);
    let Some(number) = around else { return Answer::json(&Graph::biggest(&table)) };
    match table.find(number) {
        Some(centre) => Answer::json(&Graph::around(&table, centre)),
        None => gone(number),
    }
}

fn gone(number: u64) -> Answer {
    Answer::words(404, &format!("#{number} is not pending any more"))
}

#[derive(Serialize)]
struct SlowLink {
    number: u64,
    kind: String,
    added: Option<String>,
    took: f64,
    ago: f64,
}

fn slow<D: Door>(door: &D) -> Answer {
    let now = Moment::now();
    let journal = door.journal();
    let links = journal.slowest().map(|slow| SlowLink {
        number: slow.number,
        kind: slow.kind.to_string(),
        added: slow.added.as_ref().map(|place| door.place(place)),
        took: slow.took.as_secs_f64(),
        ago: now.since(slow.at).as_secs_f64(),
    });
    Answer::json(&links.collect::<Vec<_>>())
}

#[derive(Serialize)]
struct ToldEvent<'a> {
    number: u64,
    ago: Option<f64>,
    fate: Fate,
    /// The failure, in words.
    what: Option<&'a str>,
    story: Tree<'a>,
}

fn events<'a>(events: impl Iterator<Item = &'a Event>) -> Answer {
    let now = Moment::now();
    let told = events.map(|event| ToldEvent {
        number: event.number,
        ago: seconds(Some(now.since(event.at))),
        fate: event.fate,
        what: event.what.as_deref(),
        story: Tree::from(&*event.story),
    });
    Answer::json(&told.collect::<Vec<_>>())
}
