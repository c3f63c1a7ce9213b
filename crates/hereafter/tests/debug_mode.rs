//! Debug mode, which is on for the whole of this process.

mod common;

use common::{Oops, failure, value};
use hereafter::{Deferred, Failure, debug, report};
use hereafter_testing::test;

/// Where a stack must lead to: a function with a name of its own.
#[inline(never)]
fn make_it_here() -> (hereafter::Trigger<u32>, Deferred<u32>) {
    Deferred::new()
}

#[inline(never)]
fn fire_it_here(trigger: &hereafter::SharedTrigger<u32>) {
    trigger.callback(1).unwrap();
}

#[test]
fn c6_already_called_tells_who_made_it_and_who_fired_it_first() {
    debug::enable();
    assert!(debug::enabled());
    let (trigger, d) = make_it_here();
    let trigger = trigger.shared();
    fire_it_here(&trigger);
    let text = trigger.callback(2).unwrap_err().to_string();
    let (made, fired) = text.split_once("First Invoker was:\n").expect("both stacks");
    assert!(made.contains("Deferred was created:\n"), "{text}");
    assert!(made.contains("make_it_here"), "{text}");
    assert!(fired.contains("fire_it_here"), "{text}");
    value(d);
}

#[test]
fn c6_already_called_from_inside_the_first_firing_tells_too() {
    debug::enable();
    let (trigger, d) = make_it_here();
    let trigger = trigger.shared();
    let again = trigger.clone();
    let d = d.map(move |n| again.callback(n).unwrap_err().to_string());
    fire_it_here(&trigger);
    let text = value(d);
    assert!(text.contains("First Invoker was:\n") && text.contains("fire_it_here"), "{text}");
}

#[test]
fn c6_an_unhandled_report_tells_who_made_it_and_who_fired_it() {
    debug::enable();
    let collector = report::collect();
    let (trigger, d) = make_it_here();
    let trigger = trigger.shared();
    let d = d.add_callback(|n| -> Result<u32, Failure> { Err(Oops(n).into()) });
    fire_it_here(&trigger);
    drop(d);
    let report = collector.take().remove(0).to_string();
    assert!(report.contains("Deferred was created:\n") && report.contains("make_it_here"));
    assert!(report.contains("First Invoker was:\n") && report.contains("fire_it_here"));
}

#[test]
fn c6_a_report_from_inside_the_firing_tells_both_too() {
    debug::enable();
    let collector = report::collect();
    let (trigger, d) = make_it_here();
    drop(d.add_callback(|n| -> Result<u32, Failure> { Err(Oops(n).into()) }));
    let trigger = trigger.shared();
    fire_it_here(&trigger);
    let report = collector.take().remove(0).to_string();
    assert!(report.contains("First Invoker was:\n") && report.contains("fire_it_here"), "{report}");
}

#[test]
fn c6_one_that_another_fires_tells_too() {
    debug::enable();
    let collector = report::collect();
    let (trigger, d) = make_it_here();
    let (first, source) = make_it_here();
    source.chain_to(trigger);
    drop(d.add_callback(|n| -> Result<u32, Failure> { Err(Oops(n).into()) }));
    fire_it_here(&first.shared());
    let report = collector.take().remove(0).to_string();
    assert!(report.contains("First Invoker was:\n") && report.contains("fire_it_here"), "{report}");
}

#[test]
fn c6_a_failure_keeps_a_backtrace() {
    debug::enable();
    let (trigger, d) = make_it_here();
    let d = d.add_callback(|_| -> Result<u32, Failure> { fail_here() });
    trigger.callback(1);
    let text = failure(d).traceback();
    assert!(text.contains("fail_here"), "{text}");
    assert!(text.ends_with("Oops: oops 7\n"), "{text}");
}

#[inline(never)]
fn fail_here() -> Result<u32, Failure> {
    Err(Oops(7))?
}
