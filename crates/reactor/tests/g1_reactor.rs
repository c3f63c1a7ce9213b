//! Row G1 of the contract: the reactor's life, timed calls, system events, calls from elsewhere.

use hereafter::errors::Abandoned;
use hereafter::{Deferred, Failure, report};
use hereafter_reactor::task::defer_later;
use hereafter_reactor::{Phase, Reactor, ReactorError, ReactorNotRunning, SystemEvent};
use std::cell::{Cell, RefCell};
use std::error::Error;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

type TestResult = Result<(), Box<dyn Error>>;

/// What has happened, in its order.
#[derive(Clone, Default)]
struct Log(Rc<RefCell<Vec<&'static str>>>);

impl Log {
    fn note(&self, what: &'static str) {
        self.0.borrow_mut().push(what);
    }

    /// A closure that notes `what`.
    fn noting(&self, what: &'static str) -> impl FnOnce() + 'static + use<> {
        let log = self.clone();
        move || log.note(what)
    }

    fn take(&self) -> Vec<&'static str> {
        self.0.take()
    }
}

fn panics() {
    panic!("oh no");
}

fn stopping(reactor: &Reactor) -> impl FnOnce() + 'static + use<> {
    let reactor = reactor.clone();
    move || reactor.stop().unwrap()
}

#[test]
fn g1_stop_when_not_running_is_an_error() -> TestResult {
    let reactor = Reactor::new()?;
    assert_eq!(reactor.stop(), Err(ReactorNotRunning));
    reactor.call_when_running(stopping(&reactor));
    reactor.run()?;
    assert_eq!(reactor.stop(), Err(ReactorNotRunning));
    Ok(())
}

#[test]
fn g1_stop_twice_is_an_error() -> TestResult {
    let reactor = Reactor::new()?;
    let again = reactor.clone();
    let second = Rc::new(Cell::new(Ok(())));
    let seen = second.clone();
    reactor.call_when_running(move || {
        again.stop().unwrap();
        seen.set(again.stop());
    });
    reactor.run()?;
    assert_eq!(second.get(), Err(ReactorNotRunning));
    Ok(())
}

#[test]
fn g1_run_twice_is_an_error() -> TestResult {
    let reactor = Reactor::new()?;
    let inside = reactor.clone();
    reactor.call_when_running(move || {
        assert!(matches!(inside.run(), Err(ReactorError::AlreadyRunning)));
        inside.stop().unwrap();
    });
    reactor.run()?;
    assert!(matches!(reactor.run(), Err(ReactorError::NotRestartable)));
    Ok(())
}

#[test]
fn g1_stop_ends_run_after_what_is_due() -> TestResult {
    let (reactor, log) = (Reactor::new()?, Log::default());
    let (inside, later) = (reactor.clone(), log.clone());
    reactor.call_later(Duration::ZERO, move || {
        inside.stop().unwrap();
        inside.call_later(Duration::ZERO, later.noting("asked for after stop"));
        later.note("stop");
    });
    reactor.call_later(Duration::ZERO, log.noting("due"));
    reactor.run()?;
    assert_eq!(log.take(), ["stop", "due"]);
    Ok(())
}

#[test]
fn g1_running_is_from_startup_to_shutdown() -> TestResult {
    let (reactor, seen) = (Reactor::new()?, Rc::new(RefCell::new(Vec::new())));
    for event in [SystemEvent::Startup, SystemEvent::Shutdown] {
        for phase in [Phase::Before, Phase::During, Phase::After] {
            let (inside, seen) = (reactor.clone(), seen.clone());
            reactor.add_system_event_trigger(phase, event, move || {
                seen.borrow_mut().push(inside.running());
            });
        }
    }
    reactor.call_when_running(stopping(&reactor));
    reactor.run()?;
    assert_eq!(seen.take(), [false, true, true, true, false, false]);
    Ok(())
}

#[test]
fn g1_one_reactor_lives_on_a_thread() -> TestResult {
    assert!(Reactor::current().is_none());
    let reactor = Reactor::new()?;
    assert_eq!(Reactor::new().unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
    thread::spawn(|| Reactor::new().map(drop)).join().unwrap()?;
    drop(reactor);
    assert!(Reactor::current().is_none());

    // One that has run does not stand in the way, even where handles on it are left.
    let reactor = Reactor::new()?;
    reactor.call_when_running(stopping(&reactor));
    reactor.run()?;
    let next = Reactor::new()?;
    next.call_when_running(stopping(&next));
    next.run()?;
    Ok(())
}

#[test]
fn g1_timed_calls_are_made_in_the_order_of_their_time() -> TestResult {
    let (reactor, log) = (Reactor::new()?, Log::default());
    reactor.call_later(Duration::from_millis(6), stopping(&reactor));
    reactor.call_later(Duration::from_millis(3), log.noting("second"));
    reactor.call_later(Duration::ZERO, log.noting("first"));
    reactor.call_later(Duration::from_millis(3), log.noting("third"));
    reactor.run()?;
    assert_eq!(log.take(), ["first", "second", "third"]);
    Ok(())
}

#[test]
fn g1_a_delayed_call_can_be_cancelled_and_moved() -> TestResult {
    let (reactor, log) = (Reactor::new()?, Log::default());
    let cancelled = reactor.call_later(Duration::ZERO, log.noting("cancelled"));
    cancelled.cancel()?;
    assert!(!cancelled.active());
    let sooner = reactor.call_later(Duration::from_hours(1), log.noting("sooner"));
    sooner.reset(Duration::ZERO)?;
    reactor.call_later(Duration::from_millis(1), log.noting("between"));
    let later = reactor.call_later(Duration::ZERO, log.noting("later"));
    later.delay(Duration::from_millis(2))?;
    assert_eq!(reactor.delayed_calls().len(), 3);
    reactor.call_later(Duration::from_millis(4), stopping(&reactor));
    reactor.run()?;
    assert_eq!(log.take(), ["sooner", "between", "later"]);
    assert!(later.cancel().is_err());
    Ok(())
}

#[test]
fn g1_a_call_asked_for_in_a_turn_waits_for_the_next() -> TestResult {
    let (reactor, log) = (Reactor::new()?, Log::default());
    let (inside, noted) = (reactor.clone(), log.clone());
    reactor.call_later(Duration::ZERO, move || {
        inside.call_later(Duration::ZERO, noted.noting("third"));
        inside.call_later(Duration::ZERO, stopping(&inside));
        noted.note("first");
    });
    reactor.call_later(Duration::ZERO, log.noting("second"));
    reactor.run()?;
    assert_eq!(log.take(), ["first", "second", "third"]);
    Ok(())
}

#[test]
fn g1_a_new_earliest_call_wakes_the_reactor() -> TestResult {
    let reactor = Reactor::new()?;
    let slow = reactor.call_later(Duration::from_hours(1), panics);
    let inside = reactor.clone();
    // From a local task of tokio's, while the main loop sleeps.
    tokio::task::spawn_local(async move {
        tokio::time::sleep(Duration::from_millis(2)).await;
        inside.call_later(Duration::from_millis(1), stopping(&inside));
    });
    reactor.run()?;
    assert!(slow.active());
    Ok(())
}

#[test]
fn g1_call_when_running_waits_for_the_start_and_then_does_not() -> TestResult {
    let (reactor, log) = (Reactor::new()?, Log::default());
    let (inside, noted) = (reactor.clone(), log.clone());
    let waiting = reactor.call_when_running(move || {
        assert!(inside.call_when_running(noted.noting("at once")).is_none());
        noted.note("then");
        inside.stop().unwrap();
    });
    assert!(waiting.is_some());
    assert!(log.take().is_empty());
    reactor.run()?;
    assert_eq!(log.take(), ["at once", "then"]);
    Ok(())
}

#[test]
fn g1_call_from_thread_calls_on_the_reactors_thread_in_order() -> TestResult {
    thread_local!(static CALLS: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) });
    let reactor = Reactor::new()?;
    let remote = reactor.remote();
    let elsewhere = thread::spawn(move || {
        for n in 0..100 {
            remote.call_from_thread(move || CALLS.with_borrow_mut(|calls| calls.push(n)));
        }
        remote.stop();
        remote.stop(); // the second is of no account
    });
    reactor.run()?;
    elsewhere.join().unwrap();
    assert_eq!(CALLS.take(), (0..100).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn g1_triggers_are_called_by_phase_and_in_order() -> TestResult {
    let (reactor, log) = (Reactor::new()?, Log::default());
    let event = SystemEvent::Custom("tea");
    reactor.add_system_event_trigger(Phase::After, event, log.noting("drink"));
    reactor.add_system_event_trigger(Phase::During, event, log.noting("pour"));
    reactor.add_system_event_trigger(Phase::Before, event, log.noting("fill the kettle"));
    reactor.add_system_event_trigger(Phase::Before, event, log.noting("boil"));
    let milk = reactor.add_system_event_trigger(Phase::During, event, log.noting("milk"));
    reactor.add_system_event_trigger(Phase::During, SystemEvent::Custom("other"), panics);
    assert!(reactor.remove_system_event_trigger(milk));
    reactor.fire_system_event(event);
    assert_eq!(log.take(), ["fill the kettle", "boil", "pour", "drink"]);
    // Each is called once.
    reactor.fire_system_event(event);
    assert!(log.take().is_empty());
    Ok(())
}

#[test]
fn g1_a_trigger_may_add_and_remove_others() -> TestResult {
    let (reactor, log) = (Reactor::new()?, Log::default());
    let event = SystemEvent::Custom("tea");
    let id = Rc::new(Cell::new(None));
    let (inside, noted, to_remove) = (reactor.clone(), log.clone(), id.clone());
    reactor.add_system_event_trigger(Phase::Before, event, move || {
        inside.add_system_event_trigger(Phase::Before, event, noted.noting("added"));
        assert!(inside.remove_system_event_trigger(to_remove.get().unwrap()));
    });
    id.set(Some(reactor.add_system_event_trigger(Phase::Before, event, log.noting("removed"))));
    reactor.fire_system_event(event);
    assert_eq!(log.take(), ["added"]);
    Ok(())
}

#[test]
fn g1_shutdown_waits_for_the_deferreds_of_before() -> TestResult {
    let (reactor, log) = (Reactor::new()?, Log::default());
    for (pause, what) in [(2, "fast"), (4, "slow")] {
        let (clock, noting) = (reactor.clone(), log.noting(what));
        reactor.add_system_event_trigger(Phase::Before, SystemEvent::Shutdown, move || {
            defer_later(&clock, Duration::from_millis(pause), noting)
        });
    }
    reactor.add_system_event_trigger(Phase::During, SystemEvent::Shutdown, log.noting("during"));
    reactor.call_when_running(stopping(&reactor));
    reactor.run()?;
    assert_eq!(log.take(), ["fast", "slow", "during"]);
    Ok(())
}

#[test]
fn g1_startup_waits_for_the_deferreds_of_before() -> TestResult {
    let (reactor, log) = (Reactor::new()?, Log::default());
    let (clock, noting) = (reactor.clone(), log.noting("before"));
    reactor.add_system_event_trigger(Phase::Before, SystemEvent::Startup, move || {
        defer_later(&clock, Duration::from_millis(2), noting)
    });
    reactor.call_when_running(log.noting("running"));
    reactor.call_when_running(stopping(&reactor));
    reactor.run()?;
    assert_eq!(log.take(), ["before", "running"]);
    Ok(())
}

#[test]
fn g1_stop_while_starting_stops() -> TestResult {
    let reactor = Reactor::new()?;
    let (_never, waiting) = Deferred::<()>::new();
    let inside = reactor.clone();
    reactor.add_system_event_trigger(Phase::Before, SystemEvent::Startup, move || {
        inside.stop().unwrap();
        waiting
    });
    reactor.call_when_running(panics);
    reactor.run()?;
    Ok(())
}

#[test]
fn g1_failing_triggers_are_reported_and_stop_nothing() -> TestResult {
    let collector = report::collect();
    let (reactor, log) = (Reactor::new()?, Log::default());
    for phase in [Phase::Before, Phase::During, Phase::After] {
        reactor.add_system_event_trigger(phase, SystemEvent::Shutdown, || {
            Deferred::<()>::fail(Failure::msg("broken"))
        });
        reactor.add_system_event_trigger(phase, SystemEvent::Shutdown, panics);
    }
    reactor.add_system_event_trigger(Phase::After, SystemEvent::Shutdown, log.noting("after"));
    reactor.call_when_running(stopping(&reactor));
    reactor.run()?;
    assert_eq!(log.take(), ["after"]);
    assert_eq!(collector.take().len(), 6);
    Ok(())
}

#[test]
fn g1_a_panic_in_a_call_is_reported_and_the_reactor_goes_on() -> TestResult {
    let collector = report::collect();
    let (reactor, log) = (Reactor::new()?, Log::default());
    reactor.call_later(Duration::ZERO, panics);
    reactor.call_later(Duration::ZERO, log.noting("the next"));
    reactor.remote().call_from_thread(panics);
    reactor.call_later(Duration::ZERO, stopping(&reactor));
    reactor.run()?;
    assert_eq!(log.take(), ["the next"]);
    let reports: Vec<_> = collector.take().iter().map(|r| r.headline.clone()).collect();
    assert_eq!(
        reports,
        ["Unhandled error in a call posted to a mailbox", "Unhandled error in a timed call"]
    );
    Ok(())
}

#[test]
fn g1_what_waits_when_the_reactor_ends_is_dropped_and_nobody_is_to_blame() -> TestResult {
    let collector = report::collect();
    let (told, count) = (Rc::new(Cell::new(0)), Rc::new(()));
    for _ in 0..2 {
        let reactor = Reactor::new()?;
        let held = count.clone();
        // Woken by the end of tokio's runtime.
        let sleeping = Deferred::from_coroutine(async move {
            tokio::time::sleep(Duration::from_secs(1000)).await;
            drop(held);
            Ok(())
        });
        let (seen, held) = (told.clone(), count.clone());
        let waiting = sleeping.add_both(move |result| {
            seen.set(seen.get() + i32::from(result.unwrap_err().is::<Abandoned>()));
            drop(held);
            Ok(())
        });
        waiting.detach();
        // In the reactor's own queue, and nobody waits.
        let (trigger, d) = Deferred::<()>::new();
        d.map(|()| ()).detach();
        reactor.call_later(Duration::from_secs(1000), move || trigger.callback(()));
        reactor.call_later(Duration::ZERO, stopping(&reactor));
        reactor.run()?;
    }
    assert_eq!(told.get(), 2);
    assert_eq!(Rc::strong_count(&count), 1);
    assert!(collector.take().is_empty());
    Ok(())
}

#[test]
fn g1_the_reactor_goes_with_its_last_handle() -> TestResult {
    let reactor = Reactor::new()?;
    assert!(tokio::runtime::Handle::try_current().is_ok());
    let call = reactor.call_later(Duration::ZERO, panics);
    let d = defer_later(&reactor, Duration::ZERO, || ());
    drop(reactor);
    assert!(!call.active());
    assert!(tokio::runtime::Handle::try_current().is_err());
    assert!(d.take_result().unwrap().unwrap_err().is::<Abandoned>());
    Ok(())
}
