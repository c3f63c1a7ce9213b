//! `react` and the exit codes of whole programs: this one calls itself, once for each case.

use hereafter::{Deferred, Failure};
use hereafter_reactor::Reactor;
use hereafter_reactor::task::{Exit, defer_later, react};
use std::error::Error;
use std::process::{Command, ExitCode, Output};
use std::time::Duration;

/// Says which case is to be run.
const CASE: &str = "HEREAFTER_REACT_CASE";

fn run(case: &str) -> Result<Output, Box<dyn Error>> {
    Ok(Command::new(std::env::current_exe()?).env(CASE, case).output()?)
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    if let Ok(case) = std::env::var(CASE) {
        return Ok(program(&case));
    }
    g3_react_is_over_when_main_is()?;
    g3_react_tells_of_a_failure()?;
    g3_react_exits_with_the_code_asked_for()?;
    g3_react_may_be_stopped()?;
    println!("4 tests of react passed");
    Ok(ExitCode::SUCCESS)
}

/// What is run in a process of its own.
fn program(case: &str) -> ExitCode {
    match case {
        "later" => {
            react(|reactor| defer_later(reactor, Duration::from_millis(1), || println!("later")))
        }
        "at once" => react(|_| println!("at once")),
        "failure" => react(|_| Deferred::<()>::fail(Failure::msg("it is broken"))),
        "late failure" => react(|reactor| {
            let pause = Duration::from_millis(1);
            defer_later(reactor, pause, || Deferred::<()>::fail(Failure::msg("it is broken")))
        }),
        "panic" => react(|_| -> Deferred<()> { panic!("it is broken") }),
        "exit" => react(|_| Deferred::<()>::fail(Exit(3))),
        "stop" => react(|reactor| {
            let stopping = reactor.clone();
            reactor.call_when_running(move || stopping.stop().expect("it runs"));
            never()
        }),
        // The end of tokio's runtime wakes it.
        "asleep" => react(|reactor| {
            reactor.remote().stop();
            Deferred::from_coroutine(async {
                tokio::time::sleep(Duration::from_secs(1000)).await;
                Ok(())
            })
        }),
        #[cfg(unix)]
        "signal" => react(|reactor| {
            use signal_hook::{consts::SIGTERM, low_level::raise};
            reactor.call_when_running(|| raise(SIGTERM).expect("it is a signal"));
            never()
        }),
        "two reactors" => {
            let _one = Reactor::new().expect("the first");
            react(|_| ())
        }
        other => panic!("there is no case {other}"),
    }
}

fn never() -> Deferred<()> {
    let (trigger, never) = Deferred::new();
    std::mem::forget(trigger);
    never
}

fn g3_react_is_over_when_main_is() -> Result<(), Box<dyn Error>> {
    for case in ["later", "at once"] {
        let output = run(case)?;
        assert_eq!(output.status.code(), Some(0), "{case}: {output:?}");
        assert_eq!(String::from_utf8(output.stdout)?.trim(), case);
        assert_eq!(String::from_utf8(output.stderr)?, "");
    }
    Ok(())
}

fn g3_react_tells_of_a_failure() -> Result<(), Box<dyn Error>> {
    for case in ["failure", "late failure", "panic"] {
        let output = run(case)?;
        assert_eq!(output.status.code(), Some(1), "{case}: {output:?}");
        let told = String::from_utf8(output.stderr)?;
        assert!(told.contains("The main function encountered an error:\n"), "{case}: {told}");
        assert!(told.contains("it is broken"), "{case}: {told}");
        assert_eq!(told.matches("Unhandled").count(), 0, "{case} is told once: {told}");
    }
    let output = run("two reactors")?;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr)?.contains("this thread has a reactor already"));
    Ok(())
}

fn g3_react_exits_with_the_code_asked_for() -> Result<(), Box<dyn Error>> {
    let output = run("exit")?;
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(String::from_utf8(output.stderr)?, "");
    Ok(())
}

fn g3_react_may_be_stopped() -> Result<(), Box<dyn Error>> {
    for case in if cfg!(unix) { &["stop", "asleep", "signal"][..] } else { &["stop", "asleep"] } {
        let output = run(case)?;
        assert_eq!(output.status.code(), Some(0), "{case}: {output:?}");
        assert_eq!(String::from_utf8(output.stderr)?, "");
    }
    Ok(())
}
