//! The crawl itself: a queue of addresses, and workers that take from it.
//!
//! A worker is a coroutine: it waits for an address, has it fetched, has the page parsed on the
//! thread pool, enters what was found, and waits for the next. There are as many as may be busy at
//! once and no more, and the queue holds plain numbers; so a request that is done leaves nothing
//! behind but its verdict, and a site of a million pages needs no more deferreds than one of ten.
//!
//! Cancelling the crawl cancels the workers, and each the one thing it waits for.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

use hereafter::errors::{FirstError, Panicked};
use hereafter::{Deferred, DeferredList, DeferredQueue, Failure};
use hereafter_reactor::Reactor;
use url::Url;

use crate::address::{Address, Anchors, Scope};
use crate::fetch::{Ask, Fetcher, Reply};
use crate::follow::{Trip, follow};
use crate::history::History;
use crate::page::{self, Link, Page};
use crate::problem::{Problem, Severity};
use crate::progress::Progress;
use crate::report::{Referrer, Report, SCHEMA, Summary, peak_memory_kib};
use crate::robots::Robots;
use crate::targets::{Finding, Id, Targets};

/// What to crawl, and how far.
pub(crate) struct Plan {
    /// The addresses to start from, each once.
    pub(crate) start: Vec<Url>,
    /// How the start is named in the report, if not by those addresses.
    pub(crate) named: Vec<String>,
    /// How many links are checked at once.
    pub(crate) workers: usize,
    /// Whether links to other hosts are checked.
    pub(crate) external: bool,
    /// Links that start like this are left out.
    pub(crate) exclude: Vec<String>,
    /// Redirects to follow for one link.
    pub(crate) max_redirects: usize,
}

/// A crawl. Lives until the report is made.
pub(crate) struct Crawl {
    reactor: Reactor,
    fetcher: Fetcher,
    robots: Option<Robots>,
    history: Option<History>,
    plan: Plan,
    progress: Progress,
    /// Addresses to fetch; `None` sends a worker home.
    queue: DeferredQueue<Option<Id>>,
    state: RefCell<State>,
    started: Instant,
}

/// What changes during a crawl. Never borrowed across an `await`.
#[derive(Default)]
struct State {
    targets: Targets,
    scope: Scope,
    pages: usize,
    /// Pages that have not changed since they were read, and links that were fine a while ago.
    unchanged: usize,
    skipped: BTreeMap<String, usize>,
}

impl Crawl {
    pub(crate) fn new(
        reactor: Reactor,
        fetcher: Fetcher,
        robots: Option<Robots>,
        history: Option<History>,
        plan: Plan,
        progress: Progress,
    ) -> Rc<Self> {
        Rc::new(Self {
            reactor,
            fetcher,
            robots,
            history,
            plan,
            progress,
            queue: DeferredQueue::new(),
            state: RefCell::default(),
            started: Instant::now(),
        })
    }

    /// Crawls; fires when every link has its verdict.
    pub(crate) fn run(self: &Rc<Self>) -> Deferred<()> {
        for url in &self.plan.start {
            self.state.borrow_mut().scope.add(url);
        }
        for url in &self.plan.start {
            self.enter(url, None, Ask::Page, Referrer::CommandLine);
        }
        let workers = (0..self.plan.workers).map(|_| {
            let this = Rc::clone(self);
            Deferred::from_coroutine(async move { this.work().await })
        });
        // If one fails, be it that it was cancelled, so does the crawl. The others are cancelled at
        // the same time, or of no use any more.
        let all = DeferredList::new(workers).consume_errors().fire_on_one_errback();
        all.map(|_| ()).add_errback(|failure| -> Result<(), Failure> {
            Err(failure.trap::<FirstError>()?.failure.clone())
        })
    }

    /// One worker.
    async fn work(&self) -> Result<(), Failure> {
        while let Some(id) = self.queue.get().await? {
            self.check(id).await?;
            self.show_progress();
            if self.state.borrow().targets.open() == 0 {
                for _ in 0..self.plan.workers {
                    self.put(None);
                }
            }
        }
        Ok(())
    }

    /// Finds the verdict on one address. Fails only if the crawl is cancelled.
    async fn check(&self, id: Id) -> Result<(), Failure> {
        let (url, ask) = self.state.borrow().targets.get(id);
        let elsewhere = self.elsewhere(&url, ask);
        if let Some(history) = &elsewhere
            && history.was_fine(&url).await?
        {
            self.state.borrow_mut().unchanged += 1;
            self.close(id, ask, None, None);
            return Ok(());
        }
        let Plan { max_redirects, .. } = self.plan;
        let (robots, history) = (self.robots.clone(), self.history.clone());
        let trip = follow(self.fetcher.clone(), robots, history, max_redirects, url.clone(), ask);
        let Trip { hops, end } = trip.await?;

        let page = match end {
            Ok((url, reply)) => self.page(&url, reply).await.map(|page| (url, page)),
            Err(failure) => Err(failure),
        };
        let (end, page) = match page {
            Ok(page) => page,
            Err(failure) => {
                let problem = failure.trap::<Problem>()?.clone();
                let problem = if self.is_start(id) { problem.at_start() } else { problem };
                self.close(id, ask, Some(Finding { problem, hops }), None);
                return Ok(());
            }
        };
        let anchors = page.as_ref().map(|page| page.anchors.clone());
        if let Some(page) = page {
            self.read(id, &end, page, !hops.is_empty());
        }
        let permanent = hops.iter().any(|hop| matches!(hop.status, 301 | 308));
        let finding =
            permanent.then(|| Finding { problem: Problem::MovedPermanently(end.into()), hops });
        if let (Some(history), None) = (elsewhere, &finding) {
            history.note_fine(&url).await?;
        }
        self.close(id, ask, finding, anchors);
        Ok(())
    }

    /// The history, if `url` is only to be there and is on another host: that one is asked again
    /// after a while, and not in every check.
    fn elsewhere(&self, url: &Url, ask: Ask) -> Option<History> {
        let wanted = ask == Ask::Head && !self.state.borrow().scope.is_own_host(url);
        self.history.clone().filter(|_| wanted)
    }

    /// The page that an answer brought, if it is one, or that it said has not changed.
    async fn page(&self, url: &Url, mut reply: Reply) -> Result<Option<Page>, Failure> {
        let Some(history) = &self.history else { return self.parse(url.clone(), reply).await };
        if reply.is_unchanged() {
            self.state.borrow_mut().unchanged += 1;
            return history.page(url).await;
        }
        let validators = std::mem::take(&mut reply.validators);
        let page = self.parse(url.clone(), reply).await?;
        if let Some(page) = &page {
            history.keep(url, validators, page).await?;
        }
        Ok(page)
    }

    /// Has a page parsed on the thread pool, so that a long one holds up nobody else.
    fn parse(&self, url: Url, reply: Reply) -> Deferred<Option<Page>> {
        let Some(body) = reply.body else { return Deferred::succeed(None) };
        let parse =
            move || Ok::<_, Failure>(Some(page::parse(&url, &body, reply.charset.as_deref())));
        // A page that is too much for the parser must not end the whole check.
        self.reactor.defer_to_thread(parse).add_errback(|failure: Failure| {
            match failure.check::<Panicked>() {
                Some(panicked) => Err(Problem::Unreadable(panicked.message().to_owned()).into()),
                None => Err(failure),
            }
        })
    }

    /// Whether this is an address to start from: they are entered before all others.
    fn is_start(&self, id: Id) -> bool {
        (id as usize) < self.plan.start.len()
    }

    /// Gathers the links of a page, if it is one of ours and nobody did before. `id` led to it.
    fn read(&self, id: Id, url: &Url, page: Page, redirected: bool) {
        let page_id = {
            let State { targets, scope, pages, .. } = &mut *self.state.borrow_mut();
            // A site whose start page sends us elsewhere (to https, or to www.) is there.
            if redirected && self.is_start(id) {
                scope.add(url);
            }
            if !scope.contains(url) {
                return;
            }
            let page_id = if redirected { targets.arrive(url, &page.anchors) } else { Some(id) };
            let Some(page_id) = page_id else { return };
            *pages += 1;
            if let Some((line, code)) = page.first_error {
                let more = page.more_errors;
                targets.remark(id, url, &Problem::InvalidHtml { line, code, more });
            }
            page_id
        };
        for link in page.links {
            self.found(link, page_id);
        }
    }

    /// Decides what becomes of a link.
    fn found(&self, link: Link, page: Id) {
        let from = Referrer::Page { page, line: link.line };
        match link.address {
            Address::Unchecked(scheme) => self.skip(&scheme),
            Address::Bad(href, problem) => {
                self.state.borrow_mut().targets.reject(&href, &problem, from);
            }
            Address::Web(url, fragment) => {
                let (inside, own_host) = {
                    let scope = &self.state.borrow().scope;
                    (scope.contains(&url), scope.is_own_host(&url))
                };
                if self.plan.exclude.iter().any(|prefix| url.as_str().starts_with(prefix)) {
                    self.skip("excluded");
                } else if !own_host && !self.plan.external {
                    self.skip("external");
                } else {
                    // Fragments of images and the like are not looked up.
                    let fragment = fragment.filter(|_| link.to_page);
                    let read = link.to_page && (inside || fragment.is_some());
                    let ask = if read { Ask::Page } else { Ask::Head };
                    self.enter(&url, fragment.as_deref(), ask, from);
                }
            }
        }
    }

    fn enter(&self, url: &Url, fragment: Option<&str>, ask: Ask, from: Referrer) {
        let id = self.state.borrow_mut().targets.link(url, fragment, ask, from);
        if id.is_some() {
            self.put(id);
        }
    }

    fn close(&self, id: Id, asked: Ask, finding: Option<Finding>, anchors: Option<Anchors>) {
        let again = self.state.borrow_mut().targets.close(id, asked, finding, anchors);
        if again.is_some() {
            self.put(again);
        }
    }

    /// Putting may fire a waiting worker at once: nothing may be borrowed here.
    fn put(&self, id: Option<Id>) {
        self.queue.put(id).expect("the queue has no limit");
    }

    fn skip(&self, why: &str) {
        *self.state.borrow_mut().skipped.entry(why.to_owned()).or_default() += 1;
    }

    fn show_progress(&self) {
        let targets = &self.state.borrow().targets;
        let known = targets.known();
        self.progress.show(known, known - targets.open(), targets.rows().count(Severity::Broken));
    }

    /// What was found. `complete` is false if the crawl was cancelled.
    pub(crate) fn report(&self, complete: bool) -> Report {
        self.progress.clear();
        let State { targets, pages, unchanged, skipped, .. } = &mut *self.state.borrow_mut();
        let rows = targets.take_rows();
        let summary = Summary {
            pages: *pages,
            checked: targets.known() - targets.open(),
            unchecked: targets.open(),
            unchanged: *unchanged,
            skipped: skipped.clone(),
            broken: rows.count(Severity::Broken),
            warnings: rows.count(Severity::Warning),
            notes: rows.count(Severity::Note),
            requests: self.fetcher.requests(),
            elapsed: self.started.elapsed(),
            peak_memory_kib: peak_memory_kib(),
        };
        Report {
            schema: SCHEMA,
            complete,
            start: self.plan.named.clone(),
            summary,
            since: None,
            rows: rows.finish(|id| targets.name(id).to_owned()),
        }
    }
}
