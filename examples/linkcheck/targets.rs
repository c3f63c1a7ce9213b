//! The book of a crawl: every address once, with what is known about it.
//!
//! This is the only thing that grows with the site, and it is kept small: an address costs its text
//! and a few words, a page eight bytes more for each anchor. Where an address is linked from is
//! kept only until its verdict is known, and after that only in the rows of the report.

use indexmap::IndexMap;
use url::Url;

use crate::address::Anchors;
use crate::fetch::Ask;
use crate::problem::{Problem, Severity};
use crate::report::{Hop, Referrer, Referrers, Rows};

/// The number of an address in the book.
pub(crate) type Id = u32;

/// All addresses, and the rows found so far.
#[derive(Default)]
pub(crate) struct Targets {
    book: IndexMap<Box<str>, Target>,
    rows: Rows,
    open: usize,
}

/// What is known about one address.
struct Target {
    /// The most that any link wants of it.
    ask: Ask,
    state: State,
    /// Its anchors, if it was read.
    anchors: Option<Anchors>,
}

enum State {
    /// In the queue or in flight; these links wait for the verdict.
    Open(Box<Waiting>),
    /// Found good, or to have this against it.
    Closed(Option<Box<Finding>>),
}

/// The links that were found before the verdict.
#[derive(Default)]
struct Waiting {
    referrers: Referrers,
    /// Those of them that have a fragment, by that.
    fragments: IndexMap<Box<str>, Referrers>,
}

/// Something to report about an address, and the redirects on the way to it.
pub(crate) struct Finding {
    pub(crate) problem: Problem,
    pub(crate) hops: Vec<Hop>,
}

impl Finding {
    fn is_broken(&self) -> bool {
        self.problem.severity() == Severity::Broken
    }
}

impl Targets {
    /// Enters a link. Gives the number of its address if that has to be fetched: it is new, or
    /// less was asked of it before.
    pub(crate) fn link(
        &mut self,
        url: &Url,
        fragment: Option<&str>,
        ask: Ask,
        from: Referrer,
    ) -> Option<Id> {
        let Some((index, name, target)) = self.book.get_full_mut(url.as_str()) else {
            let (index, _) = self.book.insert_full(url.as_str().into(), Target::open(ask));
            self.book[index].wait(fragment, from);
            self.open += 1;
            return Some(id_of(index));
        };
        if ask > target.ask {
            target.ask = ask;
            if let State::Closed(_) = target.state {
                target.state = State::Open(Box::default());
                target.wait(fragment, from);
                self.open += 1;
                return Some(id_of(index));
            }
        }
        match &target.state {
            State::Open(_) => target.wait(fragment, from),
            State::Closed(finding) => {
                let anchors = target.anchors.as_ref();
                pronounce(
                    &mut self.rows,
                    name,
                    finding.as_deref(),
                    anchors,
                    fragment,
                    &from.into(),
                );
            }
        }
        None
    }

    /// The address behind a number, and what to ask of it.
    pub(crate) fn get(&self, id: Id) -> (Url, Ask) {
        let (name, target) = self.book.get_index(id as usize).expect("numbers come from `link`");
        (Url::parse(name).expect("names were URLs"), target.ask)
    }

    /// Enters the verdict on an address, which was asked for `asked`. Gives its number back if
    /// meanwhile somebody wants more of it.
    pub(crate) fn close(
        &mut self,
        id: Id,
        asked: Ask,
        finding: Option<Finding>,
        anchors: Option<Anchors>,
    ) -> Option<Id> {
        let (name, target) =
            self.book.get_index_mut(id as usize).expect("numbers come from `link`");
        if target.ask > asked {
            return Some(id);
        }
        let finding = finding.map(Box::new);
        if let State::Open(waiting) = &target.state {
            let anchors = anchors.as_ref();
            pronounce(&mut self.rows, name, finding.as_deref(), None, None, &waiting.referrers);
            if finding.as_ref().is_none_or(|finding| !finding.is_broken()) {
                for (fragment, referrers) in &waiting.fragments {
                    pronounce(&mut self.rows, name, None, anchors, Some(fragment), referrers);
                }
            }
            self.open -= 1;
        }
        target.state = State::Closed(finding);
        target.anchors = anchors;
        None
    }

    /// Enters a page that was read at the end of redirects. Gives its number if its links are still
    /// to be gathered; none if the page has its own turn, or had it.
    pub(crate) fn arrive(&mut self, url: &Url, anchors: &Anchors) -> Option<Id> {
        let entry = self.book.entry(url.as_str().into());
        let index = entry.index();
        let target = entry.or_insert_with(|| Target::closed(Ask::Head));
        let known = target.ask;
        target.ask = Ask::Page;
        if known == Ask::Page || matches!(target.state, State::Open(_)) {
            return None;
        }
        target.anchors = Some(anchors.clone());
        Some(id_of(index))
    }

    /// Reports something about `url` to those who wait for `id`, which led there.
    pub(crate) fn remark(&mut self, id: Id, url: &Url, problem: &Problem) {
        if let State::Open(waiting) = &self.book[id as usize].state {
            self.rows.add(url.as_str(), problem, &[], &waiting.referrers);
        }
    }

    /// Reports something about an address that is not in the book.
    pub(crate) fn reject(&mut self, href: &str, problem: &Problem, from: Referrer) {
        self.rows.add(href, problem, &[], &from.into());
    }

    /// How many addresses there are.
    pub(crate) fn known(&self) -> usize {
        self.book.len()
    }

    /// How many of them have no verdict yet.
    pub(crate) fn open(&self) -> usize {
        self.open
    }

    /// The rows so far.
    pub(crate) fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Takes out the rows, and leaves a book that only knows the names.
    pub(crate) fn take_rows(&mut self) -> Rows {
        std::mem::take(&mut self.rows)
    }

    /// The name of an address.
    pub(crate) fn name(&self, id: Id) -> &str {
        self.book.get_index(id as usize).expect("numbers come from `link`").0
    }
}

impl Target {
    fn open(ask: Ask) -> Self {
        Self { ask, state: State::Open(Box::default()), anchors: None }
    }

    fn closed(ask: Ask) -> Self {
        Self { ask, state: State::Closed(None), anchors: None }
    }

    /// Adds a link to those that wait.
    fn wait(&mut self, fragment: Option<&str>, from: Referrer) {
        if let State::Open(waiting) = &mut self.state {
            waiting.referrers.add(from);
            if let Some(fragment) = fragment {
                waiting.fragments.entry(fragment.into()).or_default().add(from);
            }
        }
    }
}

/// Writes the row for a link whose address has its verdict, if there is anything to write.
fn pronounce(
    rows: &mut Rows,
    name: &str,
    finding: Option<&Finding>,
    anchors: Option<&Anchors>,
    fragment: Option<&str>,
    referrers: &Referrers,
) {
    if let Some(finding) = finding {
        rows.add(name, &finding.problem, &finding.hops, referrers);
        if finding.is_broken() {
            return;
        }
    }
    // An address without anchors is no HTML, and what a fragment means there is its own affair.
    if let (Some(fragment), Some(anchors)) = (fragment, anchors)
        && !anchors.has(fragment)
    {
        let problem = Problem::MissingAnchor(fragment.to_owned());
        rows.add(&format!("{name}#{fragment}"), &problem, &[], referrers);
    }
}

fn id_of(index: usize) -> Id {
    Id::try_from(index).expect("four thousand million addresses do not fit into memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(path: &str) -> Url {
        Url::parse("http://x.test/").unwrap().join(path).unwrap()
    }

    const ON_PAGE: Referrer = Referrer::Page { page: 0, line: 1 };

    fn anchors(names: &[&str]) -> Anchors {
        names.iter().map(|name| name.as_bytes()).collect()
    }

    fn kinds(targets: &mut Targets) -> Vec<String> {
        let rows = targets.take_rows().finish(|id| id.to_string());
        let json = serde_json::to_value(rows).unwrap();
        let field = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap().to_owned();
        json.as_array()
            .unwrap()
            .iter()
            .map(|row| {
                format!(
                    "{} {} x{}",
                    field(row, "kind"),
                    field(row, "url"),
                    row["linked_from_total"]
                )
            })
            .collect()
    }

    #[test]
    fn an_address_is_fetched_once_and_again_only_for_more() {
        let mut targets = Targets::default();
        assert_eq!(targets.link(&url("a"), None, Ask::Head, ON_PAGE), Some(0));
        assert_eq!(targets.link(&url("a"), None, Ask::Head, ON_PAGE), None);
        assert_eq!(targets.link(&url("a"), Some("x"), Ask::Page, ON_PAGE), None);
        assert_eq!(targets.close(0, Ask::Head, None, None), Some(0), "more is wanted meanwhile");
        assert_eq!(targets.get(0).1, Ask::Page);
        assert_eq!(targets.close(0, Ask::Page, None, Some(anchors(&[]))), None);
        assert_eq!((targets.known(), targets.open()), (1, 0));
        assert_eq!(kinds(&mut targets), ["missing-anchor http://x.test/a#x x1"]);

        assert_eq!(targets.link(&url("b"), None, Ask::Head, ON_PAGE), Some(1));
        assert_eq!(targets.close(1, Ask::Head, None, None), None);
        assert_eq!(targets.link(&url("b"), Some("x"), Ask::Page, ON_PAGE), Some(1));
        assert_eq!(targets.open(), 1);
    }

    #[test]
    fn links_before_and_after_the_verdict_share_a_row() {
        let mut targets = Targets::default();
        targets.link(&url("gone"), Some("x"), Ask::Page, ON_PAGE);
        targets.link(&url("gone"), None, Ask::Page, ON_PAGE);
        let finding = Finding { problem: Problem::Status(404), hops: Vec::new() };
        targets.close(0, Ask::Page, Some(finding), None);
        targets.link(&url("gone"), None, Ask::Page, ON_PAGE);
        targets.link(&url("gone"), Some("y"), Ask::Page, ON_PAGE);
        assert_eq!(kinds(&mut targets), ["http-status http://x.test/gone x4"]);
    }

    #[test]
    fn anchors_are_looked_up_before_and_after_the_page_is_read() {
        let mut targets = Targets::default();
        targets.link(&url("page"), Some("early"), Ask::Page, ON_PAGE);
        targets.link(&url("page"), Some("there"), Ask::Page, ON_PAGE);
        targets.close(0, Ask::Page, None, Some(anchors(&["there"])));
        targets.link(&url("page"), Some("late"), Ask::Page, ON_PAGE);
        targets.link(&url("page"), Some("there"), Ask::Page, ON_PAGE);
        assert_eq!(
            kinds(&mut targets),
            [
                "missing-anchor http://x.test/page#early x1",
                "missing-anchor http://x.test/page#late x1"
            ]
        );
    }

    #[test]
    fn a_page_behind_redirects_gives_its_links_once() {
        let mut targets = Targets::default();
        let none = Anchors::default();
        assert_eq!(targets.arrive(&url("new"), &none), Some(0));
        assert_eq!(targets.arrive(&url("new"), &none), None);
        assert_eq!(targets.link(&url("new"), None, Ask::Page, ON_PAGE), None);

        targets.link(&url("image"), None, Ask::Head, ON_PAGE);
        assert_eq!(targets.arrive(&url("image"), &none), None, "it has its own turn");
        assert_eq!(targets.get(1).1, Ask::Page, "which will now read it");
        assert_eq!(targets.open(), 1);
    }
}
