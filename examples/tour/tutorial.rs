//! The tutorial "Deferreds are beautiful!": chains of callbacks and errbacks.
//!
//! Each chain is shown twice. Behind the scenes, there is one `result` that goes from step to step;
//! a step is either for a value or for a failure. The deferred does the same, whenever the result
//! is there.

use std::cell::Cell;

use hereafter::{Deferred, Failure};

/// What each callback gets and gives back.
type Text = &'static str;

/// The one error of the tutorial.
#[derive(Debug)]
struct RuntimeError(&'static str);

impl std::fmt::Display for RuntimeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for RuntimeError {}

thread_local! {
    static NUM: Cell<u32> = const { Cell::new(0) };
}

/// The number of this call.
fn count() -> u32 {
    NUM.set(NUM.get() + 1);
    NUM.get()
}

/// Shows two versions of one thing, counting anew in each.
fn show(first: impl FnOnce(), second: impl FnOnce()) {
    NUM.set(0);
    first();
    println!("\n-------------------------------------------------\n");
    NUM.set(0);
    second();
}

fn handle_failure(failure: Failure) -> Result<Text, Failure> {
    println!("errback");
    print!("we got an exception: {}", failure.traceback());
    failure.trap::<RuntimeError>()?;
    Ok("okay, continue on")
}

fn handle_result(result: Text) -> Result<Text, Failure> {
    println!("callback {}", count());
    println!("\tgot result: {result}");
    Ok("yay! handleResult was successful!")
}

fn fail_at_handling_result(result: Text) -> Result<Text, Failure> {
    println!("callback {}", count());
    println!("\tgot result: {result}");
    println!("\tabout to raise exception");
    Err(RuntimeError("whoops! we encountered an error").into())
}

/// A callback and an errback.
pub(crate) fn simple() {
    fn behind_the_scenes(mut result: Result<Text, Failure>) {
        result = match result {
            Ok(value) => handle_result(value), // ---- callback
            Err(failure) => Err(failure),
        };
        let _ = match result {
            Ok(value) => Ok(value),
            Err(failure) => handle_failure(failure), // ---- errback
        };
    }

    fn deferred() {
        let (trigger, d) = Deferred::new();
        d.add_callback(handle_result).add_errback(handle_failure).detach();
        trigger.callback("success");
    }

    show(|| behind_the_scenes(Ok("success")), deferred);
}

/// The failure comes first: no callback sees it.
pub(crate) fn fails_at_once() {
    fn behind_the_scenes(mut result: Result<Text, Failure>) {
        result = match result {
            Ok(value) => handle_result(value), // ---- callback
            Err(failure) => Err(failure),
        };
        let _ = match result {
            Ok(value) => Ok(value),
            Err(failure) => handle_failure(failure), // ---- errback
        };
    }

    fn deferred(failure: Failure) {
        let (trigger, d) = Deferred::new();
        let d = d.add_callback(handle_result);
        let d = d.add_callback(fail_at_handling_result);
        d.add_errback(handle_failure).detach();
        trigger.errback(failure);
    }

    let failure = Failure::new(RuntimeError("*doh*! failure!"));
    let the_same = failure.clone();
    show(|| behind_the_scenes(Err(failure)), || deferred(the_same));
}

/// The next errback gets what a callback raises.
pub(crate) fn callback_raises() {
    fn behind_the_scenes(mut result: Result<Text, Failure>) {
        result = match result {
            Ok(value) => handle_result(value), // ---- callback
            Err(failure) => Err(failure),
        };
        result = match result {
            Ok(value) => fail_at_handling_result(value), // ---- callback
            Err(failure) => Err(failure),
        };
        let _ = match result {
            Ok(value) => Ok(value),
            Err(failure) => handle_failure(failure), // ---- errback
        };
    }

    fn deferred() {
        let (trigger, d) = Deferred::new();
        let d = d.add_callback(handle_result);
        let d = d.add_callback(fail_at_handling_result);
        d.add_errback(handle_failure).detach();
        trigger.callback("success");
    }

    show(|| behind_the_scenes(Ok("success")), deferred);
}

/// The callback between the error and the errback is passed by.
pub(crate) fn only_errbacks() {
    fn behind_the_scenes(mut result: Result<Text, Failure>) {
        result = match result {
            Ok(value) => fail_at_handling_result(value), // ---- callback
            Err(failure) => Err(failure),
        };
        // Passed by: the result is a failure.
        result = match result {
            Ok(value) => handle_result(value), // ---- callback
            Err(failure) => Err(failure),
        };
        let _ = match result {
            Ok(value) => Ok(value),
            Err(failure) => handle_failure(failure), // ---- errback
        };
    }

    fn deferred() {
        let (trigger, d) = Deferred::new();
        let d = d.add_callback(fail_at_handling_result);
        let d = d.add_callback(handle_result);
        d.add_errback(handle_failure).detach();
        trigger.callback("success");
    }

    show(|| behind_the_scenes(Ok("success")), deferred);
}

/// What an errback gives back is the value for the next callback.
pub(crate) fn carries_on() {
    fn callback_after_errback(result: Text) {
        println!("callback {}", count());
        println!("\tgot result: {result}");
    }

    fn behind_the_scenes(mut result: Result<Text, Failure>) {
        result = match result {
            Ok(value) => handle_result(value), // ---- callback
            Err(failure) => Err(failure),
        };
        result = match result {
            Ok(value) => fail_at_handling_result(value), // ---- callback
            Err(failure) => Err(failure),
        };
        result = match result {
            Ok(value) => Ok(value),
            Err(failure) => handle_failure(failure), // ---- errback
        };
        if let Ok(value) = result {
            callback_after_errback(value); // ---- callback
        }
    }

    fn deferred() {
        let (trigger, d) = Deferred::new();
        let d = d.add_callback(handle_result);
        let d = d.add_callback(fail_at_handling_result);
        let d = d.add_errback(handle_failure);
        d.add_callback(callback_after_errback).detach();
        trigger.callback("success");
    }

    show(|| behind_the_scenes(Ok("success")), deferred);
}

/// One function for both sides, which hands on what it got.
pub(crate) fn both() {
    fn do_this_no_matter_what(result: Result<Text, Failure>) -> Result<Text, Failure> {
        println!("both {}", count());
        match &result {
            Ok(value) => println!("\tgot argument {value:?}"),
            Err(failure) => println!("\tgot argument {failure:?}"),
        }
        println!("\tdoing something very important");
        result
    }

    fn behind_the_scenes(mut result: Result<Text, Failure>) {
        result = match result {
            Ok(value) => handle_result(value), // ---- callback
            Err(failure) => Err(failure),
        };
        result = match result {
            Ok(value) => fail_at_handling_result(value), // ---- callback
            Err(failure) => Err(failure),
        };
        result = do_this_no_matter_what(result); // ---- both
        let _ = match result {
            Ok(value) => Ok(value),
            Err(failure) => handle_failure(failure), // ---- errback
        };
    }

    fn deferred() {
        let (trigger, d) = Deferred::new();
        let d = d.add_callback(handle_result);
        let d = d.add_callback(fail_at_handling_result);
        let d = d.add_both(do_this_no_matter_what);
        d.add_errback(handle_failure).detach();
        trigger.callback("success");
    }

    show(|| behind_the_scenes(Ok("success")), deferred);
}

fn yes_decision(_result: Text) -> Result<Text, Failure> {
    println!("yes decision {}", count());
    println!("\twasn't a failure, so we can plow ahead");
    Ok("go ahead!")
}

fn no_decision(failure: Failure) -> Result<Text, Failure> {
    let number = count();
    failure.trap::<RuntimeError>()?;
    println!("no decision {number}");
    println!("\t*doh*! a failure! quick! damage control!");
    Ok("damage control successful!")
}

fn no_decision_passthru(failure: Failure) -> Result<Text, Failure> {
    println!("no decision {}", count());
    println!("\t*doh*! a failure! don't know what to do, returning failure!");
    failure.raise()
}

/// A pair: one of the two runs.
pub(crate) fn yes_no() {
    fn behind_the_scenes(mut result: Result<Text, Failure>) {
        result = match result {
            Ok(value) => fail_at_handling_result(value), // ---- callback
            Err(failure) => Err(failure),
        };
        result = match result {
            Ok(value) => yes_decision(value), // ---- callbacks
            Err(failure) => no_decision(failure),
        };
        result = match result {
            Ok(value) => handle_result(value), // ---- callback
            Err(failure) => Err(failure),
        };
        result = match result {
            Ok(value) => yes_decision(value), // ---- callbacks
            Err(failure) => no_decision(failure),
        };
        result = match result {
            Ok(value) => handle_result(value), // ---- callback
            Err(failure) => Err(failure),
        };
        let _ = match result {
            Ok(value) => Ok(value),
            Err(failure) => handle_failure(failure), // ---- errback
        };
    }

    fn deferred() {
        let (trigger, d) = Deferred::new();
        let d = d.add_callback(fail_at_handling_result);
        let d = d.add_callbacks(yes_decision, no_decision); // no_decision will be called
        let d = d.add_callback(handle_result); // - A -
        let d = d.add_callbacks(yes_decision, no_decision); // yes_decision will be called
        let d = d.add_callback(handle_result);
        d.add_errback(handle_failure).detach();
        trigger.callback("success");
    }

    show(|| behind_the_scenes(Ok("success")), deferred);
}

/// A pair whose errback looks at the failure and gives it back.
pub(crate) fn yes_no_passthru() {
    fn behind_the_scenes(mut result: Result<Text, Failure>) {
        result = match result {
            Ok(value) => fail_at_handling_result(value), // ---- callback
            Err(failure) => Err(failure),
        };
        result = match result {
            Ok(value) => yes_decision(value), // ---- callbacks
            Err(failure) => no_decision_passthru(failure),
        };
        result = match result {
            Ok(value) => handle_result(value), // ---- callback
            Err(failure) => Err(failure),
        };
        result = match result {
            Ok(value) => yes_decision(value), // ---- callbacks
            Err(failure) => no_decision(failure),
        };
        result = match result {
            Ok(value) => handle_result(value), // ---- callback
            Err(failure) => Err(failure),
        };
        let _ = match result {
            Ok(value) => Ok(value),
            Err(failure) => handle_failure(failure), // ---- errback
        };
    }

    fn deferred() {
        let (trigger, d) = Deferred::new();
        let d = d.add_callback(fail_at_handling_result);
        // no_decision_passthru will be called
        let d = d.add_callbacks(yes_decision, no_decision_passthru);
        let d = d.add_callback(handle_result); // - A -
        // no_decision will be called
        let d = d.add_callbacks(yes_decision, no_decision);
        let d = d.add_callback(handle_result); // - B -
        d.add_errback(handle_failure).detach();
        trigger.callback("success");
    }

    show(|| behind_the_scenes(Ok("success")), deferred);
}

/// A chain may be there before the result, or the result before the chain.
pub(crate) fn stateful() {
    fn chain_first() {
        let (trigger, d) = Deferred::new();
        d.add_callback(fail_at_handling_result)
            .add_callback(handle_result)
            .add_errback(handle_failure)
            .detach();
        trigger.callback("success");
    }

    fn result_first() {
        let (trigger, d) = Deferred::new();
        trigger.callback("success");
        let d = d.add_callback(fail_at_handling_result); // called here
        let d = d.add_callback(handle_result);
        d.add_errback(handle_failure).detach(); // and here
    }

    show(chain_first, result_first);
}

/// The chain waits for the deferred that a callback gives back.
pub(crate) fn beautiful() {
    thread_local! {
        static LETTER: Cell<char> = const { Cell::new('a') };
    }

    fn next_letter() -> char {
        let letter = LETTER.get();
        LETTER.set(char::from_u32(u32::from(letter) + 1).unwrap_or('?'));
        letter
    }

    fn sub_callback(result: &str, more: &str) -> String {
        println!("sub-callback {}", next_letter());
        println!("\tadding '{more}' to result");
        format!("{result}{more}")
    }

    fn main_callback_1(result: String) -> Deferred<String> {
        println!("callback {}", count());
        println!("\tgot result: {result}");

        let (trigger, d) = Deferred::<String>::new();
        let d = d
            .map(|result| sub_callback(&result, " are "))
            .map(|result| sub_callback(&result, " beautiful!"));
        trigger.callback(result + " Deferreds ");
        d
    }

    fn main_callback_2(result: String) {
        println!("callback {}", count());
        println!("\tgot result: {result}");
    }

    NUM.set(0);
    LETTER.set('a');
    let (trigger, d) = Deferred::new();
    d.add_callback(main_callback_1).add_callback(main_callback_2).detach();
    trigger.callback("I hope you'll agree: ".to_owned());
}
