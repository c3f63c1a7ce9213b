//! "Deferred Reference": several deferreds at once, and one after the other.

use hereafter::{Deferred, DeferredList, Failure, gather_results};

use crate::log;

/// The results of a list, written as the document writes them.
fn pairs(results: &[Result<String, Failure>]) -> String {
    let pair = |result: &Result<String, Failure>| match result {
        Ok(value) => format!("(True, '{value}')"),
        Err(failure) => format!("(False, {failure:?})"),
    };
    format!("[{}]", results.iter().map(pair).collect::<Vec<_>>().join(", "))
}

/// `DeferredList`.
pub(crate) fn deferred_list() {
    fn print_result(result: Vec<Result<&str, Failure>>) {
        for result in result {
            match result {
                Ok(value) => println!("Success: {value}"),
                Err(failure) => println!("Failure: {failure}"),
            }
        }
    }

    // Create three deferreds.
    let (trigger1, deferred1) = Deferred::new();
    let (trigger2, deferred2) = Deferred::new();
    let (trigger3, deferred3) = Deferred::new();

    // Pack them into a list.
    let dl = DeferredList::new([deferred1, deferred2, deferred3]).consume_errors().wait();

    // Add our callback.
    dl.add_callback(print_result).detach();

    // Fire the three with various results.
    trigger1.callback("one");
    trigger2.errback(Failure::msg("bang!"));
    trigger3.callback("three");
}

/// What a list sees of its members.
pub(crate) fn before_and_after() {
    fn print_result(result: Vec<Result<String, Failure>>) {
        println!("{}", pairs(&result));
    }

    fn add_ten(result: String) -> String {
        result + " ten"
    }

    // The callback is there before the list is: the list sees what it gave back.
    let (trigger1, deferred1) = Deferred::new();
    let (trigger2, deferred2) = Deferred::new();
    let deferred1 = deferred1.map(add_ten);
    let dl = DeferredList::new([deferred1, deferred2]).wait();
    dl.add_callback(print_result).detach();
    trigger1.callback("one".to_owned()); // calls add_ten; the list takes "one ten"
    trigger2.callback("two".to_owned());

    // The list is there before the callback is. A list takes its members in, so that nobody does
    // this by mistake; `watch` gives the member back.
    let (trigger1, deferred1) = Deferred::new();
    let (trigger2, deferred2) = Deferred::new();
    let mut members = DeferredList::new([]);
    let deferred1 = members.watch(deferred1);
    members.push(deferred2);
    let dl = members.wait();
    deferred1.map(add_ten).detach(); // runs after the list has its value
    dl.add_callback(print_result).detach();
    trigger1.callback("one".to_owned()); // the list takes "one"; then add_ten is called
    trigger2.callback("two".to_owned());
}

/// `fireOnOneCallback`, `fireOnOneErrback` and `consumeErrors`.
pub(crate) fn options() {
    // The first value ends it; what comes later is ignored.
    let (trigger1, deferred1) = Deferred::new();
    let (trigger2, deferred2) = Deferred::new();
    let dl = DeferredList::new([deferred1, deferred2]).fire_on_one_callback();
    dl.map(|(value, index)| println!("fireOnOneCallback: ('{value}', {index})")).detach();
    trigger2.callback("two");
    trigger1.callback("one");

    // All the values; or the first failure ends it.
    let (trigger1, deferred1) = Deferred::new();
    let (trigger2, deferred2) = Deferred::<&str>::new();
    let dl = DeferredList::new([deferred1, deferred2]).fire_on_one_errback();
    dl.add_callbacks(
        |values| println!("fireOnOneErrback: {values:?}"),
        |failure| println!("fireOnOneErrback: {failure}"),
    )
    .detach();
    trigger2.errback(Failure::msg("bang!"));
    trigger1.callback("one");

    // A failure that comes too late is one that nobody handles; or it is consumed.
    log::in_short_on_stdout(|| {
        for consume_errors in [false, true] {
            let (trigger1, deferred1) = Deferred::<&str>::new();
            let (trigger2, deferred2) = Deferred::new();
            println!("consumeErrors: {consume_errors}");
            let mut dl = DeferredList::new([deferred1, deferred2]);
            if consume_errors {
                dl = dl.consume_errors();
            }
            dl.fire_on_one_callback().detach();
            trigger2.callback("two");
            trigger1.errback(Failure::msg("bang!"));
        }
    });
}

/// `gatherResults`.
pub(crate) fn gather() {
    fn print_result(result: Vec<&str>) {
        println!("{result:?}");
    }

    let (trigger1, d1) = Deferred::new();
    let (trigger2, d2) = Deferred::new();
    let d = gather_results([d1, d2]);
    d.add_callback(print_result).detach();

    trigger1.callback("one");
    println!("nothing is printed yet: d2 is still awaited");
    trigger2.callback("two");
}

/// `chainDeferred`. See `beautiful` for a callback that gives back a deferred.
pub(crate) fn chain_by_hand() {
    let (trigger1, d1) = Deferred::new();
    let (trigger2, d2) = Deferred::new();
    d2.add_callback(|result: &str| println!("d2 got {result:?}, which was the result of d1"))
        .detach();

    d1.chain_to(trigger2);
    trigger1.callback("a result");
}
