//! What the test programs share: results in hand, traces, counted drops, small stacks, quiet panics.

// Every test program takes what it needs.
#![allow(dead_code)]

use hereafter::{Deferred, Failure};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Once;

/// An error with a number, so that tests can tell one from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Oops(pub(crate) u32);

impl fmt::Display for Oops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oops {}", self.0)
    }
}

impl std::error::Error for Oops {}

/// The result, which must be there.
#[track_caller]
pub(crate) fn result<T: 'static>(d: Deferred<T>) -> Result<T, Failure> {
    let Ok(result) = d.take_result() else { panic!("the deferred has no result") };
    result
}

/// The value, which must be there.
#[track_caller]
pub(crate) fn value<T: 'static>(d: Deferred<T>) -> T {
    match result(d) {
        Ok(value) => value,
        Err(failure) => panic!("the deferred has failed: {failure:#?}"),
    }
}

/// The failure, which must be there.
#[track_caller]
pub(crate) fn failure<T: 'static>(d: Deferred<T>) -> Failure {
    match result(d) {
        Ok(_) => panic!("the deferred has a value"),
        Err(failure) => failure,
    }
}

/// The number of the [`Oops`] that the deferred must have failed with.
#[track_caller]
pub(crate) fn oops<T: 'static>(d: Deferred<T>) -> u32 {
    let failure = failure(d);
    failure.check::<Oops>().unwrap_or_else(|| panic!("not an Oops: {failure:#?}")).0
}

/// What happened, in order. Clones write to the same log.
#[derive(Clone, Default)]
pub(crate) struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn note(&self, what: impl fmt::Display) {
        self.0.borrow_mut().push(what.to_string());
    }

    /// Takes what was noted, with a comma between.
    pub(crate) fn take(&self) -> String {
        self.0.take().join(", ")
    }
}

/// Counts the [`Token`]s it made and those that were dropped.
#[derive(Clone, Default)]
pub(crate) struct Drops(Rc<(Cell<usize>, Cell<usize>)>);

/// Has to be dropped once.
pub(crate) struct Token {
    drops: Drops,
    dropped: Cell<bool>,
}

impl Drops {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn token(&self) -> Token {
        self.0.0.set(self.0.0.get() + 1);
        Token { drops: self.clone(), dropped: Cell::new(false) }
    }

    /// How many were made and not dropped.
    pub(crate) fn alive(&self) -> usize {
        self.0.0.get() - self.0.1.get()
    }

    /// How many were dropped.
    pub(crate) fn dropped(&self) -> usize {
        self.0.1.get()
    }
}

impl Token {
    /// Does nothing: a closure that calls it captures the token.
    pub(crate) fn hold(&self) {
        assert!(!self.dropped.get(), "used after its drop");
    }
}

impl Clone for Token {
    fn clone(&self) -> Self {
        self.drops.token()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        assert!(!self.dropped.replace(true), "dropped twice");
        self.drops.0.1.set(self.drops.0.1.get() + 1);
    }
}

/// Calls a function when it is dropped.
pub(crate) struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> OnDrop<F> {
    pub(crate) fn new(call: F) -> Self {
        Self(Some(call))
    }

    /// Does nothing: a closure that calls it captures this.
    pub(crate) fn hold(&self) {
        assert!(self.0.is_some(), "used after its drop");
    }
}

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call();
        }
    }
}

/// Something that several closures hand around: a deferred that a callback is to reach, say.
pub(crate) struct Stash<T>(Rc<Cell<Option<T>>>);

impl<T> Clone for Stash<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Stash<T> {
    pub(crate) fn new() -> Self {
        Self(Rc::new(Cell::new(None)))
    }

    pub(crate) fn put(&self, what: T) {
        self.0.set(Some(what));
    }

    #[track_caller]
    pub(crate) fn take(&self) -> T {
        self.0.take().expect("the stash is empty")
    }

    pub(crate) fn try_take(&self) -> Option<T> {
        self.0.take()
    }
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Calls `call`, in which panics are expected and say nothing.
pub(crate) fn quietly<R>(call: impl FnOnce() -> R) -> R {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                before(info);
            }
        }));
    });
    let _loud = OnDrop::new({
        let before = QUIET.replace(true);
        move || QUIET.set(before)
    });
    call()
}

/// Runs `test` on a thread with little stack, where recursion does not get far.
pub(crate) fn with_small_stack<R: Send + 'static>(test: impl FnOnce() -> R + Send + 'static) -> R {
    let thread = std::thread::Builder::new().stack_size(256 * 1024).spawn(test);
    match thread.expect("a thread can be started").join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// `count`, or what Miri can do in a test's time.
pub(crate) const fn many(count: usize) -> usize {
    if cfg!(miri) { 300 } else { count }
}
