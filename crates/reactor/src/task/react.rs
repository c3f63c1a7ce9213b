//! [`react`]: a whole program.

use crate::{Phase, Reactor, SystemEvent};
use core::cell::Cell;
use core::fmt;
use hereafter::errors::Abandoned;
use hereafter::{Failure, Outcome, maybe_deferred, report};
use std::error::Error;
use std::process::ExitCode;
use std::rc::Rc;

/// Runs a program: calls `main` with a new reactor, and runs that until what `main` gave back has
/// fired (Twisted's `react`).
///
/// The exit code is 0, or 1 when `main` failed: the failure is then reported, as any that nobody
/// handles. With an [`Exit`] as its failure, `main` chooses the code itself. When the reactor is
/// stopped before `main` is done, by a signal for instance, `main` is dropped where it waits, and
/// the code is 0 as in Twisted; [`Reactor::exit_signal`] tells.
///
/// # Examples
///
/// ```
/// use hereafter::Deferred;
/// use hereafter_reactor::task::{defer_later, react};
/// use std::process::ExitCode;
/// use std::time::Duration;
///
/// fn main() -> ExitCode {
///     react(|reactor| {
///         let reactor = reactor.clone();
///         Deferred::from_coroutine(async move {
///             defer_later(&reactor, Duration::from_millis(1), || ()).await?;
///             println!("done");
///             Ok(())
///         })
///     })
/// }
/// ```
pub fn react<R: Outcome>(main: impl FnOnce(&Reactor) -> R) -> ExitCode {
    let code = Rc::new(Cell::new(0));
    let ran = Reactor::new().map_err(Failure::new).and_then(|reactor| {
        start(&reactor, main, code.clone());
        reactor.run().map_err(Failure::new)
    });
    if let Err(failure) = ran {
        fail(&code, failure);
    }
    ExitCode::from(code.get())
}

fn start<R: Outcome>(reactor: &Reactor, main: impl FnOnce(&Reactor) -> R, code: Rc<Cell<u8>>) {
    let stopping = Rc::new(Cell::new(false));
    let noted = stopping.clone();
    reactor.add_system_event_trigger(Phase::Before, SystemEvent::Shutdown, move || {
        noted.set(true);
    });
    let finished = maybe_deferred(|| main(reactor));
    let reactor = reactor.clone();
    let ended = finished.add_both(move |result| {
        match result {
            // What it waited for went with the reactor.
            Err(failure) if reactor.is_over() && failure.is::<Abandoned>() => {}
            Err(failure) => fail(&code, failure),
            Ok(_) => {}
        }
        if !stopping.get() {
            let to_stop = reactor.clone();
            reactor.call_when_running(move || {
                // That it is stopping already is as well.
                let _ = to_stop.stop();
            });
        }
    });
    ended.detach();
}

fn fail(code: &Cell<u8>, failure: Failure) {
    if let Some(Exit(wanted)) = failure.check() {
        code.set(*wanted);
    } else {
        report::failure("The main function encountered an error", failure);
        code.set(1);
    }
}

/// The failure by which the main function of [`react`] chooses the exit code (Python's
/// `SystemExit`). It is not reported.
///
/// # Examples
///
/// ```
/// use hereafter::Deferred;
/// use hereafter_reactor::task::{Exit, react};
///
/// let code = react(|_| Deferred::<()>::fail(Exit(3)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(
    /// The exit code.
    pub u8,
);

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit with code {}", self.0)
    }
}

impl Error for Exit {}
