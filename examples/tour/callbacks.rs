//! "Deferred Reference": callbacks, errbacks, and errors that nobody handles.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use hereafter::clock::{Clock, ManualClock};
use hereafter::{Deferred, Failure, Trigger};
use hereafter_reactor::Reactor;

use crate::log;

/// A second of this tour.
const SECOND: Duration = Duration::from_millis(20);

/// Callbacks.
pub(crate) fn dummy_data() {
    /// Simulates a result that takes its time: three times the input, two seconds later.
    fn get_dummy_data(reactor: &Reactor, input_data: u32) -> Deferred<u32> {
        println!("getDummyData called");
        let (trigger, deferred) = Deferred::new();
        reactor.call_later(2 * SECOND, move || trigger.callback(input_data * 3));
        deferred
    }

    /// Handles the data by printing it.
    fn print_data(result: u32) {
        println!("Result received: {result}");
    }

    let reactor = Reactor::new().expect("the system has room for an event loop");

    let deferred = get_dummy_data(&reactor, 3);
    deferred.add_callback(print_data).detach();

    // The end of the program: the reactor stops itself.
    let stopping = reactor.clone();
    reactor.call_later(4 * SECOND, move || stopping.stop().expect("it runs"));

    println!("Starting the reactor");
    reactor.run().expect("it runs once");
}

/// The one error of `odd_even`.
#[derive(Debug)]
struct ValueError(&'static str);

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for ValueError {}

/// Multiple callbacks.
pub(crate) fn odd_even() {
    #[derive(Default)]
    struct Getter {
        /// Who fires the result that is under way. It is taken out to be fired: whatever a callback
        /// does with this getter then, it finds it ready for the next round.
        trigger: RefCell<Option<Trigger<u32>>>,
    }

    impl Getter {
        /// Fires a value for even numbers, and a failure for odd ones.
        fn got_results(&self, x: u32) {
            let Some(trigger) = self.trigger.take() else {
                println!("Nowhere to put results");
                return;
            };
            if x.is_multiple_of(2) {
                trigger.callback(x * 3);
            } else {
                trigger.errback(ValueError("You used an odd number!"));
            }
        }

        fn to_html(r: u32) -> String {
            format!("Result: {r}")
        }

        /// Its first callback makes HTML of the number; callers add theirs after that.
        fn get_dummy_data(self: &Rc<Self>, reactor: &Reactor, x: u32) -> Deferred<String> {
            let (trigger, d) = Deferred::new();
            self.trigger.replace(Some(trigger));
            let getter = self.clone();
            reactor.call_later(2 * SECOND, move || getter.got_results(x));
            d.map(Self::to_html)
        }
    }

    fn print_data(result: String) {
        println!("{result}");
    }

    fn print_error(failure: Failure) {
        eprintln!("{failure}");
    }

    let reactor = Reactor::new().expect("the system has room for an event loop");

    // This chain prints an error, to stderr.
    let getter = Rc::new(Getter::default());
    let d = getter.get_dummy_data(&reactor, 3);
    d.add_callback(print_data).add_errback(print_error).detach();

    // This chain prints "Result: 12".
    let getter = Rc::new(Getter::default());
    let d = getter.get_dummy_data(&reactor, 4);
    d.add_callback(print_data).add_errback(print_error).detach();

    let stopping = reactor.clone();
    reactor.call_later(4 * SECOND, move || stopping.stop().expect("it runs"));
    reactor.run().expect("it runs once");
}

/// Errbacks: `except (SpamException, EggException):` is `trap`.
pub(crate) fn trap() {
    #[derive(Debug)]
    struct Spam;
    #[derive(Debug)]
    struct Egg;
    #[derive(Debug)]
    struct Bacon;

    impl fmt::Display for Spam {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("too much spam")
        }
    }
    impl fmt::Display for Egg {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the egg is bad")
        }
    }
    impl fmt::Display for Bacon {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("no bacon is left")
        }
    }
    impl std::error::Error for Spam {}
    impl std::error::Error for Egg {}
    impl std::error::Error for Bacon {}

    fn cook_spam_and_eggs(what: &'static str) -> Result<(), Failure> {
        match what {
            "spam" => Err(Spam.into()),
            "egg" => Err(Egg.into()),
            "bacon" => Err(Bacon.into()),
            _ => Ok(()),
        }
    }

    fn error_handler(failure: Failure) -> Result<(), Failure> {
        // Which of the two it is; with `?`, any other error goes on to the next errback.
        match failure.trap_any::<(Spam, Egg)>()? {
            0 => println!("handled spam: {failure}"),
            _ => println!("handled egg: {failure}"),
        }
        Ok(())
    }

    for what in ["spam", "egg", "bacon"] {
        let d = Deferred::succeed(what).add_callback(cook_spam_and_eggs);
        let d = d.add_errback(error_handler);
        d.add_errback(|failure| println!("not trapped, so it came here: {failure}")).detach();
    }
}

/// A callback and then an errback is not the same as the two as one pair.
pub(crate) fn two_cases() {
    fn get_deferred_from_somewhere() -> Deferred<&'static str> {
        Deferred::succeed("a result")
    }

    fn callback1(result: &'static str) -> Result<&'static str, Failure> {
        println!("  callback1 gets {result}, and fails");
        Err(Failure::msg("callback1 failed"))
    }

    fn errback1(failure: Failure) -> Result<&'static str, Failure> {
        println!("  errback1 handles: {failure}");
        Ok("what errback1 gave back")
    }

    fn callback2(result: &'static str) -> Result<&'static str, Failure> {
        println!("  callback2 gets {result}");
        Ok("what callback2 gave back")
    }

    fn errback2(failure: Failure) -> Result<&'static str, Failure> {
        println!("  errback2 handles: {failure}");
        Ok("what errback2 gave back")
    }

    println!("Case 1");
    let d = get_deferred_from_somewhere();
    let d = d.add_callback(callback1); // A
    let d = d.add_errback(errback1); // B
    let d = d.add_callback(callback2);
    d.add_errback(errback2).detach();

    println!("Case 2");
    let d = get_deferred_from_somewhere();
    let d = d.add_callbacks(callback1, errback1); // C
    d.add_callbacks(callback2, errback2).detach();
}

/// Unhandled errors.
pub(crate) fn unhandled() {
    fn fails(clock: &ManualClock) -> Deferred<u32> {
        let (trigger, d) = Deferred::new();
        clock.call_later(SECOND, || trigger.errback(ValueError("nobody expects this")));
        d
    }

    let clock = ManualClock::new();
    log::on_stdout(|| {
        println!("Without an errback, it is reported as soon as it is sure that none comes:");
        fails(&clock).map(|n| n + 1).detach();
        clock.advance(SECOND);

        println!("A last errback that logs is the explicit way (d.addErrback(log.err)):");
        let d = fails(&clock).log_failure().add_errback(|_| Ok(0));
        clock.advance(SECOND);
        d.detach();
    });
}
