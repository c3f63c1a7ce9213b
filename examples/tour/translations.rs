//! "Introduction to Deferreds": what is written as `try`, `except`, `else` and `finally` line by
//! line, written as a chain.
//!
//! The documents' generic names stay: `f` may fail, `g` handles the error, `h` takes the value.

use std::time::Duration;

use hereafter::clock::{Clock, ManualClock};
use hereafter::{Deferred, Failure};

/// `f` as a function that is done when it returns.
fn f(works: bool) -> Result<u32, Failure> {
    if works { Ok(1) } else { Err(Failure::msg("f failed")) }
}

/// `f` as a function that returns at once, and is done a second later.
fn deferred_f(clock: &ManualClock, works: bool) -> Deferred<u32> {
    let (trigger, d) = Deferred::new();
    clock.call_later(Duration::from_secs(1), move || trigger.fire(f(works)));
    d
}

fn g(failure: &Failure) -> u32 {
    println!("    g handles: {failure}");
    0
}

fn h(y: u32) {
    println!("    h gets {y}");
}

/// Shows what happens when `f` works and when it fails, line by line and deferred.
fn show(lines: fn(Result<u32, Failure>), chain: fn(Deferred<u32>)) {
    for works in [true, false] {
        println!("f {}, line by line", if works { "works" } else { "fails" });
        lines(f(works));
        println!("f {}, deferred", if works { "works" } else { "fails" });
        let clock = ManualClock::new();
        chain(deferred_f(&clock, works));
        clock.advance(Duration::from_secs(1));
    }
}

/// `try: x.get_names()`, `except Exception as e: report_error(e)`.
pub(crate) fn report_error() {
    fn report_error(failure: &Failure) {
        println!("    error: {failure}");
    }

    show(
        |y| {
            if let Err(failure) = y {
                report_error(&failure);
            }
        },
        |d| {
            // The value is of no interest, so both sides end in `()`.
            let d = d.map(drop);
            d.add_errback(|failure| report_error(&failure)).detach();
        },
    );
}

/// `try: y = f()`, `except: g(e)`, `else: h(y)`.
pub(crate) fn try_else() {
    show(
        |y| match y {
            Ok(y) => h(y),
            Err(failure) => {
                g(&failure);
            }
        },
        |d| {
            let g = |failure| {
                g(&failure);
            };
            d.add_callbacks(h, g).detach();
        },
    );
}

/// `try: y = f()`, `except: y = g(e)`; then `h(y)`.
pub(crate) fn handle_then_go_on() {
    show(
        |y| h(y.unwrap_or_else(|failure| g(&failure))),
        |d| d.add_errback(|failure| Ok(g(&failure))).add_callback(h).detach(),
    );
}

/// `try: y = f(); z = h(y)`, `except: g(e)`.
pub(crate) fn whole_operation() {
    fn h(y: u32) -> Result<u32, Failure> {
        println!("    h gets {y}, and fails");
        Err(Failure::msg("h failed"))
    }

    show(
        |y| {
            if let Err(failure) = y.and_then(h) {
                g(&failure);
            }
        },
        |d| d.add_callback(h).add_errback(|failure| Ok(g(&failure))).detach(),
    );
}

/// `try: y = f()`, `finally: g()`.
pub(crate) fn finally() {
    fn g(y: Result<u32, Failure>) -> Result<u32, Failure> {
        println!("    g gets {y:?}, whatever it is, and hands it on");
        y
    }

    fn end(y: Result<u32, Failure>) {
        println!("    in the end: {y:?}");
    }

    show(|y| end(g(y)), |d| d.add_both(g).add_both(end).detach());
}
