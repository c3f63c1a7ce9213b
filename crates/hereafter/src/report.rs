//! What becomes of failures that nobody handles.
//!
//! A failure that is left in a deferred when its last handle goes is reported, once and at once.
//! The report goes, in this order, to the [`Collector`] of the thread if there is one, to the hook
//! of [`set_hook`], to `tracing` at `ERROR` level if a subscriber is set (feature `tracing`), and
//! else to stderr. Where a hook or a subscriber panics, it goes to stderr as well.

use crate::cell::CellRef;
use crate::errors::Abandoned;
use crate::failure::Failure;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::panic::Location;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::{Arc, PoisonError, RwLock};

/// A failure that nobody handled.
///
/// # Examples
///
/// ```
/// use hereafter::{Deferred, Failure, report};
///
/// let collector = report::collect();
/// drop(Deferred::<u32>::fail(Failure::msg("broken")));
/// let reports = collector.take();
/// assert!(reports[0].to_string().starts_with("Unhandled error in Deferred:\n"));
/// ```
#[derive(Debug, Clone)]
pub struct Report {
    /// What happened, as a headline: `Unhandled error in Deferred`.
    pub headline: String,
    /// The failure.
    pub failure: Failure,
    /// Where the deferred was made, where that is known: a deferred that was born with its result
    /// keeps no note of it.
    pub made: Option<&'static Location<'static>>,
    /// In debug mode, the stacks of creation and first firing.
    pub history: Option<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:", self.headline)?;
        if let Some(made) = self.made {
            writeln!(f, "(the deferred was made at {made})")?;
        }
        if let Some(history) = &self.history {
            writeln!(f, "{history}")?;
        }
        f.write_str(&self.failure.traceback())
    }
}

type Hook = Arc<dyn Fn(&Report) + Send + Sync>;

static HOOK: RwLock<Option<Hook>> = RwLock::new(None);

thread_local! {
    static COLLECTOR: RefCell<Option<Rc<RefCell<Vec<Report>>>>> = const { RefCell::new(None) };
    /// Triggers are being dropped on purpose.
    static ABANDONING: Cell<bool> = const { Cell::new(false) };
}

/// Has `hook` called for every report of this process, instead of `tracing` or stderr.
///
/// `None` takes it away. A hook that panics loses nothing: the report goes to stderr then.
///
/// # Examples
///
/// ```
/// use hereafter::report;
/// report::set_hook(Some(|report: &report::Report| eprintln!("lost: {}", report.failure)));
/// report::set_hook(None::<fn(&report::Report)>);
/// ```
pub fn set_hook(hook: Option<impl Fn(&Report) + Send + Sync + 'static>) {
    let hook = hook.map(|hook| Arc::new(hook) as Hook);
    let old = core::mem::replace(&mut *HOOK.write().unwrap_or_else(PoisonError::into_inner), hook);
    drop(old);
}

/// Collects the reports of this thread until the [`Collector`] is dropped: for tests, as Twisted's
/// `flushLoggedErrors`.
///
/// # Examples
///
/// ```
/// use hereafter::{Deferred, Failure, report};
///
/// let collector = report::collect();
/// drop(Deferred::<u32>::fail(Failure::msg("broken")));
/// assert_eq!(collector.take().len(), 1);
/// ```
pub fn collect() -> Collector {
    let reports = Rc::new(RefCell::new(Vec::new()));
    let before = COLLECTOR.with(|collector| collector.replace(Some(reports.clone())));
    Collector { reports, before }
}

/// Keeps the reports of a thread; see [`collect`].
///
/// Reports that were not taken when it is dropped are lost.
///
/// # Examples
///
/// ```
/// let collector = hereafter::report::collect();
/// assert!(collector.take().is_empty());
/// ```
#[derive(Debug)]
pub struct Collector {
    reports: Rc<RefCell<Vec<Report>>>,
    before: Option<Rc<RefCell<Vec<Report>>>>,
}

impl Collector {
    /// Takes the reports that have come since the last call.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(hereafter::report::collect().take().is_empty());
    /// ```
    pub fn take(&self) -> Vec<Report> {
        self.reports.take()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let before = self.before.take();
        let _ = COLLECTOR.try_with(|collector| collector.replace(before));
    }
}

/// Reports a failure that was left over in a deferred.
#[cold]
pub(crate) fn unhandled(failure: Failure, cell: Option<&CellRef>) {
    if failure.is::<Abandoned>() && ABANDONING.try_with(Cell::get).unwrap_or(false) {
        return;
    }
    #[cfg(feature = "page")]
    crate::inspect::page::unhandled(&failure, cell);
    send(Report {
        headline: "Unhandled error in Deferred".to_owned(),
        failure,
        made: cell.map(CellRef::made),
        history: cell.and_then(crate::debug::history),
    });
}

/// Reports that a canceller panicked; its deferred ends in `CancelledError` all the same.
#[cold]
pub(crate) fn canceller_panicked(failure: Failure, cell: &CellRef) {
    send(Report {
        headline: "Unhandled error in the canceller of a Deferred".to_owned(),
        failure,
        made: Some(cell.made()),
        history: crate::debug::history(cell),
    });
}

/// Reports a failure that no deferred can carry, under a headline of the caller's.
///
/// For code that calls user code on nobody's behalf: a reactor calling a timed call, say.
///
/// # Examples
///
/// ```
/// use hereafter::{Failure, report};
/// let collector = report::collect();
/// report::failure("Unhandled error in a timed call", Failure::msg("broken"));
/// assert_eq!(collector.take()[0].headline, "Unhandled error in a timed call");
/// ```
#[cold]
pub fn failure(headline: &str, failure: Failure) {
    send(Report { headline: headline.to_owned(), failure, made: None, history: None });
}

/// Calls `call`, and reports no [`Abandoned`] that nobody handles meanwhile.
///
/// For the end of a reactor, which drops what deferreds wait for and means it. Those who wait are
/// told all the same, so that they can clean up.
///
/// # Panics
///
/// When `call` does.
///
/// # Examples
///
/// ```
/// use hereafter::{Deferred, report};
///
/// let collector = report::collect();
/// let (trigger, d) = Deferred::<u32>::new();
/// d.map(|n| println!("{n}")).detach();
/// report::abandoning(|| drop(trigger));
/// assert!(collector.take().is_empty());
/// ```
pub fn abandoning<R>(call: impl FnOnce() -> R) -> R {
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            let _ = ABANDONING.try_with(|abandoning| abandoning.set(self.0));
        }
    }
    let _before =
        Before(ABANDONING.try_with(|abandoning| abandoning.replace(true)).unwrap_or(false));
    call()
}

/// Calls `call`, and reports if it panics: `what` says what it was.
///
/// # Examples
///
/// ```
/// # std::panic::set_hook(Box::new(|_| {}));
/// use hereafter::report;
/// let collector = report::collect();
/// report::guard("my call", || panic!("oh no"));
/// assert_eq!(collector.take()[0].headline, "Unhandled error in my call");
/// ```
pub fn guard(what: &str, call: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(call)) {
        failure(&format!("Unhandled error in {what}"), Failure::from_panic(panic));
    }
}

/// Drops a result that nobody can take any more: a panic in that is reported.
pub(crate) fn unwanted(drop: impl FnOnce()) {
    guard("a result that nobody wants any more, when it was dropped", drop);
}

fn send(report: Report) {
    if let Some(collector) = COLLECTOR.try_with(|c| c.borrow().clone()).ok().flatten() {
        return collector.borrow_mut().push(report);
    }
    // Reports come out of drops and cancels, which must not unwind: neither may the reporting. All
    // of it may be user code: the hook, the subscriber, the text of the error, and its drop.
    let told = quietly(|| {
        let hook = HOOK.read().unwrap_or_else(PoisonError::into_inner).clone();
        match hook {
            Some(hook) => hook(&report),
            None => log(&report),
        }
    });
    if !told && !quietly(|| eprintln!("{report}")) {
        let (headline, name) = (&report.headline, report.failure.type_name());
        quietly(|| eprintln!("{headline}: {name}, whose text cannot be had: it panics"));
    }
    quietly(|| drop(report));
}

/// Calls `call`; whether it came to its end. What a panic carries is dropped, if that can be done.
fn quietly(call: impl FnOnce()) -> bool {
    let Err(payload) = catch_unwind(AssertUnwindSafe(call)) else { return true };
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        core::mem::forget(payload);
    }
    false
}

#[cfg(feature = "tracing")]
fn log(report: &Report) {
    if tracing::dispatcher::has_been_set() {
        tracing::error!(target: "hereafter", failure = %report.failure, "{report}");
    } else {
        eprintln!("{report}");
    }
}

#[cfg(not(feature = "tracing"))]
fn log(report: &Report) {
    eprintln!("{report}");
}
