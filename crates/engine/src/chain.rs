//! The state of one deferred that the rules are about. Its result and its links are the world's.

use core::cell::Cell;

/// The state of one deferred: fired or not, running or not, how often paused.
///
/// A world keeps one `Chain` beside each result and queue of links, and gives the engine access to
/// it through [`World::chain`](crate::World::chain). Who may change what:
///
/// | state | set by | cleared by | cannot be set when |
/// |---|---|---|---|
/// | fired | [`Chain::claim`], once | never | |
/// | running | [`run`](crate::run), while links of this chain run, and [`Chain::hold`] | `run`, on the way out, and [`release`](crate::release) | not fired |
/// | swallow | [`cancel`](crate::cancel), when there was no canceller | the first late [`Chain::claim`] | |
/// | passing | [`cancel`](crate::cancel), while it goes through this chain to what that waits on | `cancel`, when it is through | fired |
/// | paused | [`Chain::pause`], `cancel` as long as it is passing, and `run` for a chain that starts to wait | [`unpause`](crate::unpause), `cancel`, and `run` when what it waits on delivers | |
///
/// # Examples
///
/// ```
/// use hereafter_engine::{Chain, Claim};
///
/// let chain = Chain::new();
/// assert!(!chain.is_fired());
/// assert_eq!(chain.claim(), Claim::Mine);
/// assert_eq!(chain.claim(), Claim::Taken);
/// ```
#[derive(Debug, Default)]
pub struct Chain {
    fired: Cell<bool>,
    running: Cell<bool>,
    swallow: Cell<bool>,
    passing: Cell<bool>,
    paused: Cell<i32>,
}

/// What became of a try to fire; see [`Chain::claim`].
///
/// # Examples
///
/// ```
/// use hereafter_engine::{Chain, Claim};
/// let chain = Chain::new();
/// assert_eq!(chain.claim(), Claim::Mine);
/// assert_eq!(chain.claim(), Claim::Taken);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The chain had not fired; it has now, and the caller must put the result in place.
    Mine,
    /// The chain was cancelled before and had no canceller: this one late firing is dropped.
    Swallowed,
    /// The chain had fired already.
    Taken,
}

impl Chain {
    /// A chain that has not fired.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_engine::Chain;
    /// let chain = Chain::new();
    /// assert!(!chain.is_fired());
    /// ```
    #[inline]
    pub const fn new() -> Self {
        Self {
            fired: Cell::new(false),
            running: Cell::new(false),
            swallow: Cell::new(false),
            passing: Cell::new(false),
            paused: Cell::new(0),
        }
    }

    /// Whether there has been a result (Twisted's `called`).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_engine::Chain;
    /// let chain = Chain::new();
    /// chain.claim();
    /// assert!(chain.is_fired());
    /// ```
    #[inline]
    pub fn is_fired(&self) -> bool {
        self.fired.get()
    }

    /// Whether a link of this chain is on the call stack right now.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_engine::Chain;
    /// let chain = Chain::new();
    /// assert!(!chain.is_running());
    /// ```
    #[inline]
    pub fn is_running(&self) -> bool {
        self.running.get()
    }

    /// How often the chain is paused; waiting on another deferred counts as one.
    ///
    /// Below zero when it was unpaused more often than paused. Any count but zero holds the links back.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_engine::Chain;
    /// let chain = Chain::new();
    /// chain.pause();
    /// assert_eq!(chain.paused(), 1);
    /// ```
    #[inline]
    pub fn paused(&self) -> i32 {
        self.paused.get()
    }

    /// Claims the one firing of this chain.
    ///
    /// Only the caller that gets [`Claim::Mine`] may put a result in place.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_engine::{Chain, Claim};
    /// assert_eq!(Chain::new().claim(), Claim::Mine);
    /// ```
    #[inline]
    pub fn claim(&self) -> Claim {
        if !self.fired.replace(true) {
            Claim::Mine
        } else if self.swallow.replace(false) {
            Claim::Swallowed
        } else {
            Claim::Taken
        }
    }

    /// Pauses the chain: no link runs until [`unpause`](crate::unpause) has been called as often.
    ///
    /// A loop that is already running the links of this chain finishes those that are queued; the
    /// pause is looked at when a run begins.
    ///
    /// # Panics
    ///
    /// When it is paused more than two thousand million times.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_engine::Chain;
    /// let chain = Chain::new();
    /// chain.pause();
    /// chain.pause();
    /// assert_eq!(chain.paused(), 2);
    /// ```
    #[inline]
    pub fn pause(&self) {
        self.paused.set(self.paused.get().checked_add(1).expect("paused too often"));
    }

    /// Whether one late firing is going to be dropped in silence.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_engine::Chain;
    /// assert!(!Chain::new().swallows());
    /// ```
    #[inline]
    pub fn swallows(&self) -> bool {
        self.swallow.get()
    }

    /// Overwrites the state, for a door whose users may write to it as to any attribute.
    ///
    /// Runs nothing; what the state then promises (a result for one that has fired) is up to the caller.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_engine::Chain;
    /// let chain = Chain::new();
    /// chain.overwrite(true, 2, false);
    /// assert!(chain.is_fired());
    /// assert_eq!(chain.paused(), 2);
    /// ```
    #[inline]
    pub fn overwrite(&self, fired: bool, paused: i32, swallow: bool) {
        self.fired.set(fired);
        self.paused.set(paused);
        self.swallow.set(swallow);
    }

    /// Takes one pause back, without running anything; whether that leaves a count of zero.
    #[inline]
    pub(crate) fn lift(&self) -> bool {
        let left = self.paused.get().saturating_sub(1);
        self.paused.set(left);
        left == 0
    }

    /// Keeps the links from running until [`release`](crate::release): the caller acts as a link that
    /// is not through yet. What is added meanwhile waits its turn.
    ///
    /// The chain must have fired, and none of its links may be running.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_engine::Chain;
    /// let chain = Chain::new();
    /// chain.claim();
    /// chain.hold();
    /// assert!(chain.is_running());
    /// ```
    #[inline]
    pub fn hold(&self) {
        debug_assert!(self.is_fired() && !self.is_running(), "nothing that could be held");
        self.set_running(true);
    }

    #[inline]
    pub(crate) fn set_running(&self, running: bool) {
        self.running.set(running);
    }

    /// Whether a cancel is going through this chain to what it waits on.
    pub(crate) fn is_passing(&self) -> bool {
        self.passing.get()
    }

    pub(crate) fn set_passing(&self, passing: bool) {
        self.passing.set(passing);
    }

    /// Lets the next late firing pass in silence.
    pub(crate) fn swallow_next(&self) {
        self.swallow.set(true);
    }
}
