//! When something happened.
//!
//! A reading is taken at every link of every deferred, and hardly one is ever looked at. So what is
//! kept are the counter's raw ticks, which the processor gives in less than half the time that the
//! system's clock takes; they become a time only where somebody is told.

use std::num::NonZeroU64;
use std::time::Duration;

/// A point in time.
///
/// # Examples
///
/// ```
/// use hereafter_insight::Moment;
/// let before = Moment::now();
/// assert!(Moment::now().since(before) < std::time::Duration::from_secs(60));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(NonZeroU64);

impl Moment {
    /// Now.
    ///
    /// The first call in a process compares the counter with the system's clock, which takes about a
    /// millisecond.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(hereafter_insight::Moment::now() <= hereafter_insight::Moment::now());
    /// ```
    #[inline]
    pub fn now() -> Self {
        // A tick more or less is nothing; that it is never zero saves room where there may be none.
        Self(NonZeroU64::MIN | counter::raw())
    }

    /// How long after `earlier` it is; nothing if it is before.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_insight::Moment;
    /// let before = Moment::now();
    /// assert!(before.since(Moment::now()).is_zero());
    /// ```
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(counter::nanoseconds(earlier.0.get(), self.0.get()))
    }
}

/// The processor's counter, or the system's clock where that one is not fit for it.
#[cfg(not(miri))]
mod counter {
    use quanta::Clock;
    use std::sync::OnceLock;

    static CLOCK: OnceLock<Clock> = OnceLock::new();

    #[inline]
    fn clock() -> &'static Clock {
        CLOCK.get_or_init(Clock::new)
    }

    #[inline]
    pub(super) fn raw() -> u64 {
        clock().raw()
    }

    pub(super) fn nanoseconds(start: u64, end: u64) -> u64 {
        clock().delta_as_nanos(start, end)
    }
}

/// Miri knows no instruction that reads a counter.
#[cfg(miri)]
mod counter {
    use std::sync::OnceLock;
    use std::time::Instant;

    pub(super) fn raw() -> u64 {
        static START: OnceLock<Instant> = OnceLock::new();
        let elapsed = START.get_or_init(Instant::now).elapsed();
        u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
    }

    pub(super) fn nanoseconds(start: u64, end: u64) -> u64 {
        end.saturating_sub(start)
    }
}
