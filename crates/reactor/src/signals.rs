//! Ctrl-C and `SIGTERM`: the first stops the reactor, a second one ends the process.
//!
//! Tokio tells the loop about a signal, but can never give a signal its default action back. That
//! part is `signal-hook`'s: while a reactor watches, the first signal is only noted, and after that
//! (and when no reactor watches any more) a signal does what it would have done without us, also
//! when the loop hangs in a callback.

use crate::reactor::{Reactor, WeakReactor};
use std::io;

#[cfg(not(unix))]
pub(crate) use other::Watch;
#[cfg(unix)]
pub(crate) use unix::Watch;

#[cfg(unix)]
mod unix {
    use super::{Reactor, io, report_to};
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::flag;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
    use tokio::signal::unix::{SignalKind, signal};

    const SIGNALS: [i32; 2] = [SIGINT, SIGTERM];

    /// What is set up once in a process, at the first watch.
    struct Process {
        /// Signals have their default action.
        default: Arc<AtomicBool>,
        /// How many watch.
        watching: usize,
    }

    static PROCESS: Mutex<Option<Process>> = Mutex::new(None);

    fn process() -> MutexGuard<'static, Option<Process>> {
        PROCESS.lock().unwrap_or_else(PoisonError::into_inner)
    }

    impl Process {
        fn new() -> io::Result<Self> {
            // Until a watch is complete.
            let default = Arc::new(AtomicBool::new(true));
            for number in SIGNALS {
                // In this order: the first signal of a watch finds the flag unset, and sets it.
                flag::register_conditional_default(number, default.clone())?;
                flag::register(number, default.clone())?;
            }
            Ok(Self { default, watching: 0 })
        }
    }

    /// A reactor that watches for signals; until this is dropped.
    pub(crate) struct Watch(());

    impl Watch {
        pub(crate) fn new(reactor: &Reactor) -> io::Result<Self> {
            let mut process = process();
            let process = match &mut *process {
                Some(process) => process,
                none => none.insert(Process::new()?),
            };
            for number in SIGNALS {
                // After what `Process` has set up: a signal is told to tokio last, or the reactor
                // could have stopped, and the default be back, before the flag was looked at.
                let mut arrivals = signal(SignalKind::from_raw(number))?;
                let reactor = reactor.downgrade();
                tokio::task::spawn_local(async move {
                    while arrivals.recv().await.is_some() {
                        report_to(&reactor, number);
                    }
                });
            }
            process.watching += 1;
            process.default.store(false, Ordering::SeqCst);
            Ok(Self(()))
        }
    }

    impl Drop for Watch {
        fn drop(&mut self) {
            if let Some(process) = &mut *process() {
                process.watching -= 1;
                if process.watching == 0 {
                    process.default.store(true, Ordering::SeqCst);
                }
            }
        }
    }
}

#[cfg(not(unix))]
mod other {
    use super::{Reactor, io, report_to};

    /// The number that C gives to an interrupt.
    const SIGINT: i32 = 2;

    /// A reactor that watches for Ctrl-C.
    pub(crate) struct Watch(());

    impl Watch {
        #[allow(clippy::unnecessary_wraps, reason = "as its sibling")]
        pub(crate) fn new(reactor: &Reactor) -> io::Result<Self> {
            let reactor = reactor.downgrade();
            tokio::task::spawn_local(async move {
                let mut before = false;
                while tokio::signal::ctrl_c().await.is_ok() {
                    if before {
                        std::process::exit(128 + SIGINT);
                    }
                    report_to(&reactor, SIGINT);
                    before = true;
                }
            });
            Ok(Self(()))
        }
    }
}

fn report_to(reactor: &WeakReactor, number: i32) {
    if let Some(reactor) = reactor.upgrade() {
        reactor.stopped_by(number);
    }
}
