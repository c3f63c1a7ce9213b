//! Taking turns: a lock and a semaphore whose waiting is a deferred.

use crate::calls::maybe_deferred;
use crate::deferred::Deferred;
use crate::links::Both;
use crate::outcome::Outcome;
use crate::waiters::Waiters;
use core::cell::Cell;
use core::fmt;
use core::panic::Location;
use std::rc::Rc;

/// So many may go on at once; the others wait in a row.
struct Tokens {
    limit: usize,
    free: Cell<usize>,
    waiters: Waiters<Token>,
    /// A release is giving tokens away further up the stack.
    giving: Cell<bool>,
}

/// The right to go on; it is given back by dropping it.
struct Token(Rc<Tokens>);

impl Tokens {
    fn new(limit: usize) -> Rc<Self> {
        Rc::new(Self {
            limit,
            free: Cell::new(limit),
            waiters: Waiters::new(),
            giving: Cell::new(false),
        })
    }

    #[track_caller]
    fn acquire(self: &Rc<Self>) -> Deferred<Token> {
        match self.take_at_once() {
            Some(token) => Deferred::succeed(token),
            None => self.waiters.wait(),
        }
    }

    /// A free token, if there is one that nobody has asked for before: while tokens are given to
    /// those who wait, there may be both.
    fn take_at_once(self: &Rc<Self>) -> Option<Token> {
        if self.waiters.len() > 0 { None } else { self.take() }
    }

    /// A free token, if there is one.
    fn take(self: &Rc<Self>) -> Option<Token> {
        let left = self.free.get().checked_sub(1)?;
        self.free.set(left);
        Some(Token(self.clone()))
    }

    /// Gives free tokens to those who wait.
    ///
    /// A waiter that runs in here may release again. That is left to the loop that is already
    /// running, so that a long row of waiters that are all done at once needs no stack.
    fn give(self: &Rc<Self>) {
        if self.giving.replace(true) {
            return;
        }
        // The token is taken first, so that nobody else gets it while a waiter is looked for.
        while let Some(token) = self.take() {
            let Some(waiter) = self.waiters.next() else { break };
            waiter.callback(token);
        }
        self.giving.set(false);
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.0.free.set(self.0.free.get() + 1);
        self.0.give();
    }
}

/// Calls `function` when there is a token, and gives the token back when its outcome is there.
#[track_caller]
fn run<R: Outcome>(
    tokens: &Rc<Tokens>,
    function: impl FnOnce() -> R + 'static,
) -> Deferred<R::Value> {
    let asked = Location::caller();
    tokens.acquire().add_callback(move |token| {
        let release = move |result| {
            drop(token);
            result
        };
        maybe_deferred(function).add(Both(release), asked)
    })
}

/// One at a time (Twisted's `DeferredLock`).
///
/// Those who wait are let in in the order in which they asked. Cancelling a wait leaves the row.
/// Clones stand for the same lock.
///
/// # Examples
///
/// ```
/// use hereafter::DeferredLock;
///
/// let lock = DeferredLock::new();
/// let guard = lock.acquire().take_result().unwrap().unwrap();
/// let waiting = lock.acquire();
/// assert!(!waiting.has_result());
/// drop(guard); // lets the next one in, before it returns
/// assert!(waiting.has_result());
/// ```
#[derive(Clone)]
pub struct DeferredLock(Rc<Tokens>);

/// Holds a [`DeferredLock`]; dropping it releases the lock.
///
/// The next in the row is let in inside the drop; when it is dropped by one that was just let in
/// by a release, right after that one is through.
#[must_use = "the lock is released when the guard is dropped"]
pub struct LockGuard(#[allow(dead_code, reason = "it is there to be dropped")] Token);

impl Default for DeferredLock {
    fn default() -> Self {
        Self::new()
    }
}

impl DeferredLock {
    /// A free lock.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!hereafter::DeferredLock::new().is_locked());
    /// ```
    pub fn new() -> Self {
        Self(Tokens::new(1))
    }

    /// Asks for the lock.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::DeferredLock;
    /// let lock = DeferredLock::new();
    /// let d = lock.acquire().map(|guard| { /* alone in here */ drop(guard) });
    /// assert!(d.has_result() && !lock.is_locked());
    /// ```
    #[track_caller]
    pub fn acquire(&self) -> Deferred<LockGuard> {
        self.0.acquire().map(LockGuard)
    }

    /// Takes the lock if it is free.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = hereafter::DeferredLock::new();
    /// let guard = lock.try_acquire();
    /// assert!(guard.is_some() && lock.try_acquire().is_none());
    /// ```
    pub fn try_acquire(&self) -> Option<LockGuard> {
        self.0.take_at_once().map(LockGuard)
    }

    /// Calls `function` with the lock held until its outcome is there (Twisted's `run`).
    ///
    /// # Examples
    ///
    /// ```
    /// let d = hereafter::DeferredLock::new().run(|| Ok(42));
    /// assert_eq!(d.take_result().unwrap().unwrap(), 42);
    /// ```
    #[track_caller]
    pub fn run<R: Outcome>(&self, function: impl FnOnce() -> R + 'static) -> Deferred<R::Value> {
        run(&self.0, function)
    }

    /// Whether somebody holds it (Twisted's `locked`).
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = hereafter::DeferredLock::new();
    /// let guard = lock.try_acquire();
    /// assert!(lock.is_locked());
    /// # drop(guard);
    /// ```
    pub fn is_locked(&self) -> bool {
        self.0.free.get() == 0
    }

    /// How many wait.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(hereafter::DeferredLock::new().waiting(), 0);
    /// ```
    pub fn waiting(&self) -> usize {
        self.0.waiters.len()
    }
}

impl fmt::Debug for DeferredLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeferredLock")
            .field("is_locked", &self.is_locked())
            .field("waiting", &self.waiting())
            .finish()
    }
}

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LockGuard")
    }
}

/// So many at a time (Twisted's `DeferredSemaphore`).
///
/// Those who wait are let in in the order in which they asked. Cancelling a wait leaves the row.
/// Clones stand for the same semaphore.
///
/// # Examples
///
/// ```
/// use hereafter::{Deferred, DeferredSemaphore};
///
/// let semaphore = DeferredSemaphore::new(2);
/// let (trigger, work) = Deferred::<()>::new();
/// let first = semaphore.run(|| work);
/// let second = semaphore.run(|| Ok(()));
/// assert!(!first.has_result() && second.has_result());
/// trigger.callback(());
/// assert_eq!(semaphore.tokens(), 2);
/// ```
#[derive(Clone)]
pub struct DeferredSemaphore(Rc<Tokens>);

/// Holds one token of a [`DeferredSemaphore`]; dropping it gives the token back.
///
/// The next in the row is let in as with a [`LockGuard`].
#[must_use = "the token is given back when the permit is dropped"]
pub struct Permit(#[allow(dead_code, reason = "it is there to be dropped")] Token);

impl DeferredSemaphore {
    /// A semaphore of so many tokens.
    ///
    /// # Panics
    ///
    /// For no tokens at all: nobody could ever go on.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(hereafter::DeferredSemaphore::new(3).tokens(), 3);
    /// ```
    #[track_caller]
    pub fn new(tokens: usize) -> Self {
        assert!(tokens > 0, "a DeferredSemaphore needs at least one token");
        Self(Tokens::new(tokens))
    }

    /// Asks for a token.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::DeferredSemaphore;
    /// let semaphore = DeferredSemaphore::new(1);
    /// let permit = semaphore.acquire().take_result().unwrap().unwrap();
    /// assert_eq!(semaphore.tokens(), 0);
    /// # drop(permit);
    /// ```
    #[track_caller]
    pub fn acquire(&self) -> Deferred<Permit> {
        self.0.acquire().map(Permit)
    }

    /// Takes a token if one is free.
    ///
    /// # Examples
    ///
    /// ```
    /// let semaphore = hereafter::DeferredSemaphore::new(1);
    /// let permit = semaphore.try_acquire();
    /// assert!(permit.is_some() && semaphore.try_acquire().is_none());
    /// ```
    pub fn try_acquire(&self) -> Option<Permit> {
        self.0.take_at_once().map(Permit)
    }

    /// Calls `function` with a token held until its outcome is there (Twisted's `run`).
    ///
    /// # Examples
    ///
    /// ```
    /// let d = hereafter::DeferredSemaphore::new(1).run(|| Ok(42));
    /// assert_eq!(d.take_result().unwrap().unwrap(), 42);
    /// ```
    #[track_caller]
    pub fn run<R: Outcome>(&self, function: impl FnOnce() -> R + 'static) -> Deferred<R::Value> {
        run(&self.0, function)
    }

    /// How many tokens are free.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(hereafter::DeferredSemaphore::new(3).tokens(), 3);
    /// ```
    pub fn tokens(&self) -> usize {
        self.0.free.get()
    }

    /// How many tokens there are in all.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(hereafter::DeferredSemaphore::new(3).limit(), 3);
    /// ```
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// How many wait.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(hereafter::DeferredSemaphore::new(3).waiting(), 0);
    /// ```
    pub fn waiting(&self) -> usize {
        self.0.waiters.len()
    }
}

impl fmt::Debug for DeferredSemaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeferredSemaphore")
            .field("tokens", &self.tokens())
            .field("limit", &self.limit())
            .field("waiting", &self.waiting())
            .finish()
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit")
    }
}
