//! Another attempt, after a pause, where that may help.
//!
//! It waits on a [`Clock`]: the reactor in the program, and in the tests one that they wind by hand.

use std::rc::Rc;
use std::time::Duration;

use hereafter::Deferred;
use hereafter::clock::Clock;
use hereafter_reactor::task::defer_later;

use crate::problem::Problem;

/// A server may ask for a longer pause before the next attempt than anyone wants to wait.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// How often to try again, and after how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Attempts after the first.
    pub(crate) retries: u32,
    /// The pause before the second attempt; it doubles with each further one.
    pub(crate) backoff: Duration,
}

impl Patience {
    /// How long to wait before trying again what has failed `before + 1` times, if that makes
    /// sense at all. Only what may well be different next time is tried again.
    fn pause_after(&self, before: u32, problem: &Problem) -> Option<Duration> {
        if before >= self.retries {
            return None;
        }
        let backoff = self.backoff.saturating_mul(2_u32.saturating_pow(before)).min(LONGEST_PAUSE);
        match problem {
            Problem::Lost | Problem::Status(429 | 500 | 502 | 503 | 504) => Some(backoff),
            Problem::Busy { pause, .. } if *pause <= LONGEST_PAUSE => Some(backoff.max(*pause)),
            _ => None,
        }
    }
}

/// Makes an attempt, and others after it for as long as they fail and `patience` lasts.
///
/// Cancelling ends the attempt or the pause, whichever it is in.
pub(crate) fn retry<T: 'static>(
    clock: impl Clock + Clone + 'static,
    patience: Patience,
    attempt: impl Fn() -> Deferred<T> + 'static,
) -> Deferred<T> {
    go_on(clock, patience, Rc::new(attempt), 0)
}

fn go_on<T: 'static>(
    clock: impl Clock + Clone + 'static,
    patience: Patience,
    attempt: Rc<dyn Fn() -> Deferred<T>>,
    before: u32,
) -> Deferred<T> {
    attempt().add_errback(move |failure| {
        let problem = failure.check::<Problem>();
        match problem.and_then(|problem| patience.pause_after(before, problem)) {
            Some(pause) => defer_later(&clock.clone(), pause, move || {
                go_on(clock, patience, attempt, before + 1)
            }),
            None => Deferred::fail(failure),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use hereafter::clock::ManualClock;
    use hereafter::errors::CancelledError;

    use super::*;

    const PATIENCE: Patience = Patience { retries: 2, backoff: Duration::from_millis(500) };

    /// Attempts that fail with `problem`, so often, and then succeed; and how many were made.
    fn attempts(
        failures: u32,
        problem: Problem,
    ) -> (Rc<Cell<u32>>, impl Fn() -> Deferred<&'static str>) {
        let made = Rc::new(Cell::new(0));
        let count = Rc::clone(&made);
        let attempt = move || {
            count.set(count.get() + 1);
            if count.get() > failures {
                Deferred::succeed("well")
            } else {
                Deferred::fail(problem.clone())
            }
        };
        (made, attempt)
    }

    #[test]
    fn pauses_double_until_it_works() {
        let clock = ManualClock::new();
        let (made, attempt) = attempts(2, Problem::Lost);
        let d = retry(clock.clone(), PATIENCE, attempt);
        for (milliseconds, expected) in [(0, 1), (499, 1), (1, 2), (999, 2), (1, 3)] {
            clock.advance(Duration::from_millis(milliseconds));
            assert_eq!(made.get(), expected);
        }
        assert_eq!(d.take_result().unwrap().unwrap(), "well");
    }

    #[test]
    fn patience_ends_with_the_last_failure() {
        let clock = ManualClock::new();
        let (made, attempt) = attempts(u32::MAX, Problem::Status(503));
        let d = retry(clock.clone(), PATIENCE, attempt);
        clock.pump([Duration::from_secs(1), Duration::from_secs(1)]);
        assert_eq!(made.get(), 3);
        let failure = d.take_result().unwrap().unwrap_err();
        assert_eq!(failure.check(), Some(&Problem::Status(503)));
    }

    #[test]
    fn cancelling_ends_the_pause() {
        let clock = ManualClock::new();
        let (made, attempt) = attempts(1, Problem::Lost);
        let d = retry(clock.clone(), PATIENCE, attempt);
        d.cancel();
        assert!(d.take_result().unwrap().unwrap_err().is::<CancelledError>());
        clock.advance(Duration::from_secs(10));
        assert_eq!(made.get(), 1);
    }

    #[test]
    fn what_lasts_is_not_tried_again() {
        for lasting in [Problem::Status(404), Problem::Status(501), Problem::Refused, Problem::Dns]
        {
            assert_eq!(PATIENCE.pause_after(0, &lasting), None);
        }
    }

    #[test]
    fn a_pause_asked_for_is_kept_within_reason() {
        let pause = |seconds| {
            let pause = Duration::from_secs(seconds);
            PATIENCE.pause_after(0, &Problem::Busy { status: 429, pause })
        };
        assert_eq!(pause(0), Some(Duration::from_millis(500)));
        assert_eq!(pause(7), Some(Duration::from_secs(7)));
        assert_eq!(pause(3600), None);
    }
}
