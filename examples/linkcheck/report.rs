//! The report: rows collected while the check runs, then printed as text or as JSON.
//!
//! The JSON has this shape. `schema` goes up when a field changes its meaning or goes away; new
//! fields and new kinds may come at any time.
//!
//! ```json
//! {
//!   "schema": 1,
//!   "complete": true,            // false: interrupted, so `unchecked` links are missing
//!   "start": ["http://127.0.0.1:40001/"],
//!   "summary": {
//!     "pages": 12,               // pages read for links
//!     "checked": 240,            // distinct addresses with a verdict
//!     "unchecked": 0,            // distinct addresses without one
//!     "unchanged": 0,            // those of the checked ones that were known from the file of --db
//!     "skipped": {"mailto": 3},  // by scheme, or "external" and "excluded"
//!     "broken": 1, "warnings": 0, "notes": 0,
//!     "requests": 251,           // with redirects, retries and robots.txt
//!     "seconds": 0.8,
//!     "peak_memory_kib": 21504    // of the whole process; null where the system does not say
//!   },
//!   "since": {                   // null without --db, and in the first check with it
//!     "checked": "Sun, 06 Nov 1994 08:49:37 GMT",
//!     "broke": [{"url": "http://...", "kind": "http-status", "message": "404 Not Found"}],
//!     "mended": []               // in the same form
//!   },
//!   "rows": [{
//!     "severity": "broken",      // or "warning", "note"
//!     "kind": "http-status",     // the names in problem.rs
//!     "url": "http://127.0.0.1:40001/gone.html",
//!     "status": 404,             // null unless kind is "http-status"
//!     "message": "404 Not Found",
//!     "redirects": [{"status": 301, "to": "http://..."}],
//!     "given": false,            // true for an address from the command line
//!     "linked_from": [{"page": "http://127.0.0.1:40001/index.html", "line": 7}],
//!     "linked_from_total": 1     // `linked_from` names ten of them at most
//!   }]
//! }
//! ```

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indexmap::IndexMap;
use serde::Serialize;

use crate::history::Since;
use crate::problem::{Problem, Severity};

/// How many of the pages that hold a link a row names. A dead link in the footer of a large site
/// would otherwise make the report as large as the site.
const NAMED_REFERRERS: usize = 10;

/// Where a link was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Referrer {
    /// It was given to start from.
    CommandLine,
    /// On a page, by its number in the crawl.
    Page { page: u32, line: u32 },
}

/// The places where one link was found: a few of them, and how many they are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Referrers {
    named: Vec<Referrer>,
    total: u32,
}

impl Referrers {
    /// Adds a place.
    pub(crate) fn add(&mut self, referrer: Referrer) {
        self.total += 1;
        if self.named.len() < NAMED_REFERRERS {
            self.named.push(referrer);
        }
    }

    /// Adds all the places of `other`.
    fn merge(&mut self, other: &Self) {
        self.total += other.total;
        let room = NAMED_REFERRERS - self.named.len();
        self.named.extend(other.named.iter().take(room));
    }
}

impl From<Referrer> for Referrers {
    fn from(referrer: Referrer) -> Self {
        Self { named: vec![referrer], total: 1 }
    }
}

/// One redirect that was followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Hop {
    /// The status that sent us on.
    pub(crate) status: u16,
    /// Where to.
    pub(crate) to: String,
}

/// The rows found so far.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    rows: IndexMap<(String, &'static str), Row>,
    /// How many there are of each [`Severity`].
    counts: [usize; 3],
}

#[derive(Debug)]
struct Row {
    problem: Problem,
    redirects: Vec<Hop>,
    referrers: Referrers,
}

impl Rows {
    /// Reports `problem` about `url`. The same about the same URL makes one row, with the places of
    /// both.
    pub(crate) fn add(
        &mut self,
        url: &str,
        problem: &Problem,
        redirects: &[Hop],
        referrers: &Referrers,
    ) {
        let new = || Row {
            problem: problem.clone(),
            redirects: redirects.to_vec(),
            referrers: Referrers::default(),
        };
        let entry = self.rows.entry((url.to_owned(), problem.kind()));
        if let indexmap::map::Entry::Vacant(_) = entry {
            self.counts[problem.severity() as usize] += 1;
        }
        entry.or_insert_with(new).referrers.merge(referrers);
    }

    /// How many rows have this severity.
    pub(crate) fn count(&self, severity: Severity) -> usize {
        self.counts[severity as usize]
    }

    /// Puts the rows in their final order and gives the pages their names.
    pub(crate) fn finish(self, page_url: impl Fn(u32) -> String) -> Vec<FinishedRow> {
        let mut rows: Vec<_> =
            self.rows.into_iter().map(|((url, _), row)| row.finish(url, &page_url)).collect();
        rows.sort_by(|a, b| (a.severity, &a.url, a.kind).cmp(&(b.severity, &b.url, b.kind)));
        rows
    }
}

impl Row {
    fn finish(self, url: String, page_url: &impl Fn(u32) -> String) -> FinishedRow {
        let mut linked_from: Vec<LinkedFrom> = Vec::new();
        let mut given = false;
        for referrer in &self.referrers.named {
            match *referrer {
                Referrer::CommandLine => given = true,
                Referrer::Page { page, line } => {
                    linked_from.push(LinkedFrom { page: page_url(page), line });
                }
            }
        }
        linked_from.sort();
        FinishedRow {
            severity: self.problem.severity(),
            kind: self.problem.kind(),
            url,
            status: self.problem.status(),
            message: self.problem.to_string(),
            redirects: self.redirects,
            given,
            linked_from,
            linked_from_total: self.referrers.total - u32::from(given),
        }
    }
}

/// A row, ready to be printed.
#[derive(Debug, Serialize)]
pub(crate) struct FinishedRow {
    pub(crate) severity: Severity,
    pub(crate) kind: &'static str,
    pub(crate) url: String,
    status: Option<u16>,
    pub(crate) message: String,
    redirects: Vec<Hop>,
    given: bool,
    linked_from: Vec<LinkedFrom>,
    linked_from_total: u32,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct LinkedFrom {
    page: String,
    line: u32,
}

/// The numbers of a check.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Summary {
    pub(crate) pages: usize,
    pub(crate) checked: usize,
    pub(crate) unchecked: usize,
    pub(crate) unchanged: usize,
    pub(crate) skipped: BTreeMap<String, usize>,
    pub(crate) broken: usize,
    pub(crate) warnings: usize,
    pub(crate) notes: usize,
    pub(crate) requests: usize,
    #[serde(rename = "seconds", serialize_with = "as_seconds")]
    pub(crate) elapsed: Duration,
    pub(crate) peak_memory_kib: Option<u64>,
}

fn as_seconds<S: serde::Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(duration.as_secs_f64())
}

/// The most memory that this process ever held, as Linux counts it.
pub(crate) fn peak_memory_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// All that a check found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) schema: u32,
    pub(crate) complete: bool,
    pub(crate) start: Vec<String>,
    pub(crate) summary: Summary,
    pub(crate) since: Option<Since>,
    pub(crate) rows: Vec<FinishedRow>,
}

/// The present version of the JSON.
pub(crate) const SCHEMA: u32 = 1;

impl Report {
    /// What the program exits with.
    pub(crate) fn exit_code(&self, strict: bool) -> u8 {
        let found = self.summary.broken > 0 || (strict && self.summary.warnings > 0);
        if self.complete { u8::from(found) } else { 2 }
    }

    /// Writes the JSON form.
    pub(crate) fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)
    }

    /// Writes the form for people; `out` drops the colours where they are not wanted.
    pub(crate) fn write_text(&self, out: &mut dyn Write, with_notes: bool) -> io::Result<()> {
        for row in &self.rows {
            if with_notes || row.severity != Severity::Note {
                row.write_text(out)?;
            }
        }
        self.write_summary(out)?;
        self.since.as_ref().map_or(Ok(()), |since| since.write_text(out))
    }

    fn write_summary(&self, out: &mut dyn Write) -> io::Result<()> {
        let Summary { pages, checked, unchecked, skipped, broken, warnings, notes, .. } =
            &self.summary;
        if !self.complete {
            let style = AnsiColor::Yellow.on_default().bold();
            writeln!(
                out,
                "{style}Interrupted: this report is partial{style:#}, {} not checked.",
                counted(*unchecked, "known address", "known addresses")
            )?;
        }
        let style = match (broken, warnings) {
            (0, 0) => AnsiColor::Green.on_default().bold(),
            (0, _) => AnsiColor::Yellow.on_default().bold(),
            _ => AnsiColor::Red.on_default().bold(),
        };
        write!(
            out,
            "Checked {} on {} in {:.1} s: {style}{broken} broken{style:#}, {}, {}",
            counted(*checked, "address", "addresses"),
            counted(*pages, "page", "pages"),
            self.summary.elapsed.as_secs_f64(),
            counted(*warnings, "warning", "warnings"),
            counted(*notes, "note", "notes"),
        )?;
        if self.summary.unchanged > 0 {
            write!(out, "; {} unchanged", self.summary.unchanged)?;
        }
        if !skipped.is_empty() {
            let each: Vec<_> = skipped.iter().map(|(why, n)| format!("{why} {n}")).collect();
            write!(out, "; skipped: {}", each.join(", "))?;
        }
        writeln!(out, ".")
    }
}

impl Since {
    fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { checked, broke, mended } = self;
        let all = [
            ("broke", AnsiColor::Red.on_default().bold(), broke),
            ("mended", AnsiColor::Green.on_default().bold(), mended),
        ];
        let counts = (broke.len(), mended.len());
        writeln!(out, "Since the check of {checked}: {} broke, {} mended.", counts.0, counts.1)?;
        for (label, style, changes) in all {
            for change in changes {
                writeln!(out, "  {style}{label:<6}{style:#} {} ({})", change.url, change.message)?;
            }
        }
        Ok(())
    }
}

impl FinishedRow {
    fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        let (label, style) = match self.severity {
            Severity::Broken => ("broken ", AnsiColor::Red.on_default().bold()),
            Severity::Warning => ("warning", AnsiColor::Yellow.on_default().bold()),
            Severity::Note => ("note   ", AnsiColor::Cyan.on_default()),
        };
        let dim = Style::new().dimmed();
        writeln!(out, "{style}{label}{style:#}  {}", self.url)?;
        for hop in &self.redirects {
            writeln!(out, "         {dim}{} ->{dim:#} {}", hop.status, hop.to)?;
        }
        writeln!(out, "         {}", self.message)?;
        if self.given {
            writeln!(out, "         {dim}given on the command line{dim:#}")?;
        }
        for (index, place) in self.linked_from.iter().enumerate() {
            let lead = if index == 0 { "linked from" } else { "           " };
            writeln!(out, "         {dim}{lead}{dim:#} {}, line {}", place.page, place.line)?;
        }
        let unnamed = self.linked_from_total as usize - self.linked_from.len();
        if unnamed > 0 {
            writeln!(out, "         {dim}            and {unnamed} more{dim:#}")?;
        }
        writeln!(out)
    }
}

/// `1 page`, `2 pages`.
fn counted(number: usize, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut rows = Rows::default();
        let on = |page, line| Referrers::from(Referrer::Page { page, line });
        rows.add(
            "http://x/moved",
            &Problem::MovedPermanently("http://x/new".into()),
            &[],
            &on(0, 1),
        );
        rows.add("http://x/gone", &Problem::Status(404), &[], &on(1, 9));
        rows.add("http://x/gone", &Problem::Status(404), &[], &on(0, 2));
        let hop = Hop { status: 302, to: "http://x/b".into() };
        let circle = Problem::RedirectLoop("http://x/a".into());
        rows.add("http://x/a", &circle, &[hop], &Referrer::CommandLine.into());
        let summary = Summary {
            pages: 2,
            checked: 5,
            broken: rows.count(Severity::Broken),
            notes: rows.count(Severity::Note),
            skipped: BTreeMap::from([("mailto".to_owned(), 3)]),
            elapsed: Duration::from_millis(1250),
            ..Summary::default()
        };
        let rows = rows.finish(|page| format!("http://x/page{page}"));
        let start = vec!["http://x/".into()];
        Report { schema: SCHEMA, complete: true, start, summary, since: None, rows }
    }

    fn text(report: &Report, with_notes: bool) -> String {
        let mut out = anstream::StripStream::new(Vec::new());
        report.write_text(&mut out, with_notes).unwrap();
        String::from_utf8(out.into_inner()).unwrap()
    }

    #[test]
    fn the_text_is_sorted_and_names_the_pages() {
        assert_eq!(
            text(&report(), true),
            "broken   http://x/a\n         302 -> http://x/b\n         the redirects go round in a \
             circle, back to http://x/a\n         given on the command line\n\n\
             broken   http://x/gone\n         404 Not Found\n         linked from http://x/page0, \
             line 2\n                     http://x/page1, line 9\n\n\
             note     http://x/moved\n         moved permanently to http://x/new\n         \
             linked from http://x/page0, line 1\n\n\
             Checked 5 addresses on 2 pages in 1.2 s: 2 broken, 0 warnings, 1 note; skipped: mailto 3.\n"
        );
        assert!(!text(&report(), false).contains("moved permanently"));
    }

    #[test]
    fn a_partial_report_says_so() {
        let mut report = report();
        report.complete = false;
        report.summary.unchecked = 1;
        assert!(
            text(&report, true).contains("this report is partial, 1 known address not checked.")
        );
        assert_eq!(report.exit_code(false), 2);
    }

    #[test]
    fn the_exit_code_depends_on_what_was_found() {
        let mut report = report();
        assert_eq!(report.exit_code(false), 1);
        report.summary.broken = 0;
        assert_eq!((report.exit_code(false), report.exit_code(true)), (0, 0));
        report.summary.warnings = 1;
        assert_eq!((report.exit_code(false), report.exit_code(true)), (0, 1));
    }

    #[test]
    fn the_json_keeps_to_its_schema() {
        let mut out = Vec::new();
        report().write_json(&mut out).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(json["schema"], 1);
        assert_eq!(json["summary"]["skipped"]["mailto"], 3);
        assert_eq!(json["summary"]["seconds"], 1.25);
        assert_eq!(
            json["rows"][1],
            serde_json::json!({
                "severity": "broken", "kind": "http-status", "url": "http://x/gone", "status": 404,
                "message": "404 Not Found", "redirects": [], "given": false,
                "linked_from": [
                    {"page": "http://x/page0", "line": 2}, {"page": "http://x/page1", "line": 9}
                ],
                "linked_from_total": 2
            })
        );
        assert_eq!(json["rows"][0]["redirects"][0]["to"], "http://x/b");
        assert_eq!(json["rows"][0]["given"], true);
    }

    #[test]
    fn a_footer_link_names_ten_pages_and_counts_the_rest() {
        let mut referrers = Referrers::default();
        for page in 0..500 {
            referrers.add(Referrer::Page { page, line: 1 });
        }
        let mut rows = Rows::default();
        rows.add("http://x/gone", &Problem::Refused, &[], &referrers);
        let rows = rows.finish(|page| page.to_string());
        assert_eq!((rows[0].linked_from.len(), rows[0].linked_from_total), (10, 500));
        let mut out = Vec::new();
        rows[0].write_text(&mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().contains("and 490 more"));
    }
}
