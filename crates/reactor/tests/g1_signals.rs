//! Row G1 of the contract, the part about signals. A signal is for a whole process, so each case
//! runs in one of its own: this program again, told by the environment which test to be.

#![cfg(unix)]

use hereafter_reactor::task::defer_later;
use hereafter_reactor::{Phase, Reactor, RunOptions, SystemEvent};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::raise;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

const CHILD: &str = "HEREAFTER_SIGNAL_CHILD";

/// In the parent, runs `test` in a child and gives back how that ended; in the child, runs `body`.
fn in_child(test: &str, body: impl FnOnce()) -> Option<ExitStatus> {
    if std::env::var_os(CHILD).is_some() {
        body();
        return None;
    }
    let program = std::env::current_exe().unwrap();
    let args = [test, "--exact", "--nocapture"];
    Some(undisturbed(program).args(args).env(CHILD, "1").status().unwrap())
}

/// The command to run a program to which signals do what they do by default.
///
/// A shell has what it runs in the background ignore SIGINT, and that is handed on from child to child.
fn undisturbed(program: PathBuf) -> Command {
    let restore = "--default-signal=INT";
    // Not every system's `env` knows how to.
    if Command::new("env").args([restore, "true"]).stderr(Stdio::null()).status().unwrap().success()
    {
        let mut command = Command::new("env");
        command.arg(restore).arg(program);
        return command;
    }
    Command::new(program)
}

#[test]
fn g1_interrupt_and_terminate_stop_the_reactor() {
    let ended = in_child("g1_interrupt_and_terminate_stop_the_reactor", || {
        for signal in [SIGINT, SIGTERM] {
            let reactor = Reactor::new().unwrap();
            reactor.call_when_running(move || raise(signal).unwrap());
            let clock = reactor.clone();
            reactor.add_system_event_trigger(Phase::Before, SystemEvent::Shutdown, move || {
                defer_later(&clock, Duration::from_millis(1), || ())
            });
            reactor.run().unwrap();
            assert_eq!(reactor.exit_signal(), Some(signal));
        }
    });
    assert!(ended.is_none_or(|status| status.success()));
}

#[test]
fn g1_a_second_signal_ends_the_process() {
    let ended = in_child("g1_a_second_signal_ends_the_process", || {
        let reactor = Reactor::new().unwrap();
        reactor.call_when_running(|| {
            raise(SIGINT).unwrap();
            // The loop hangs here; it makes no difference.
            raise(SIGTERM).unwrap();
            unreachable!();
        });
        reactor.run().unwrap();
    });
    assert!(ended.is_none_or(|status| status.signal() == Some(SIGTERM)));
}

#[test]
fn g1_after_run_signals_are_what_they_were() {
    let ended = in_child("g1_after_run_signals_are_what_they_were", || {
        let reactor = Reactor::new().unwrap();
        let stopping = reactor.clone();
        reactor.call_when_running(move || stopping.stop().unwrap());
        reactor.run().unwrap();
        raise(SIGINT).unwrap();
        unreachable!();
    });
    assert!(ended.is_none_or(|status| status.signal() == Some(SIGINT)));
}

#[test]
fn g1_signals_may_be_left_alone() {
    let ended = in_child("g1_signals_may_be_left_alone", || {
        let reactor = Reactor::new().unwrap();
        reactor.call_when_running(|| raise(SIGINT).unwrap());
        reactor.run_with(RunOptions::default().signals(false)).unwrap();
    });
    assert!(ended.is_none_or(|status| status.signal() == Some(SIGINT)));
}

#[test]
fn g1_a_signal_stops_the_reactors_of_all_threads() {
    let ended = in_child("g1_a_signal_stops_the_reactors_of_all_threads", || {
        let (ready, is_ready) = std::sync::mpsc::channel();
        let threads = [(); 2].map(|()| {
            let ready = ready.clone();
            thread::spawn(move || {
                let reactor = Reactor::new().unwrap();
                reactor.call_when_running(move || ready.send(()).unwrap());
                reactor.run().unwrap();
                assert_eq!(reactor.exit_signal(), Some(SIGTERM));
            })
        });
        is_ready.recv().unwrap();
        is_ready.recv().unwrap();
        raise(SIGTERM).unwrap();
        for thread in threads {
            thread.join().unwrap();
        }
    });
    assert!(ended.is_none_or(|status| status.success()));
}
