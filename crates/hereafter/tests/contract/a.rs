//! The chain.

use crate::common::{Drops, Log, Oops, Stash, failure, oops, quietly, value, with_small_stack};
use hereafter::errors::{AlreadyCalledError, Panicked};
use hereafter::{Deferred, Failure, execute, fail, maybe_deferred, passthru, report, succeed};
use hereafter_testing::{plain_test, test};
use std::cell::RefCell;
use std::rc::Rc;

/// Where a failure's error lies in memory: the same for the same failure.
fn place(failure: &Failure) -> *const () {
    std::ptr::from_ref(failure.error()).cast()
}

#[test]
fn a1_the_result_of_each_callback_is_the_argument_of_the_next() {
    let log = Log::new();
    let (first, second, third) = (log.clone(), log.clone(), log.clone());
    let (trigger, d) = Deferred::<u32>::new();
    let d = d
        .map(move |n| {
            first.note(n);
            n + 1
        })
        .add_callback(move |n| {
            second.note(n);
            Ok(format!("<{n}>"))
        })
        .map(move |text| {
            third.note(&text);
            text.len()
        });
    assert_eq!(log.take(), "");
    trigger.callback(41);
    assert_eq!(log.take(), "41, 42, <42>");
    assert_eq!(value(d), 4);
}

#[test]
fn a1_fires_with_a_failure() {
    let (trigger, d) = Deferred::<u32>::new();
    let seen = Log::new();
    let note = seen.clone();
    let d = d.add_errback(move |failure| {
        note.note(&failure);
        Ok(7)
    });
    trigger.errback(Oops(1));
    assert_eq!(seen.take(), "oops 1");
    assert_eq!(value(d), 7);
}

#[test]
fn a1_every_callback_is_called_once_and_dropped_once() {
    let drops = Drops::new();
    let calls = Log::new();
    let (trigger, mut d) = Deferred::<u32>::new();
    for n in 0..20 {
        let (token, calls) = (drops.token(), calls.clone());
        d = d.map(move |sum| {
            token.hold();
            calls.note(n);
            sum + 1
        });
    }
    assert_eq!(drops.dropped(), 0);
    trigger.callback(0);
    assert_eq!(drops.alive(), 0);
    assert_eq!(calls.take(), (0..20).map(|n| n.to_string()).collect::<Vec<_>>().join(", "));
    assert_eq!(value(d), 20);
}

#[test]
fn a1_values_go_through_and_are_dropped_once() {
    let drops = Drops::new();
    let (trigger, d) = Deferred::new();
    let d = d.map(|token| token).add_both(passthru).add_errback(Err);
    trigger.callback((drops.token(), [0_u64; 8]));
    assert_eq!(drops.alive(), 1);
    drop(d);
    assert_eq!((drops.alive(), drops.dropped()), (0, 1));
}

#[test]
fn a2_a_value_goes_past_an_errback_unchanged() {
    for ready in [false, true] {
        let boxed = Box::new(5);
        let at = std::ptr::from_ref(&*boxed);
        let (trigger, d) = Deferred::new();
        let mut waiting = Some(trigger);
        if ready {
            waiting.take().unwrap().callback(boxed);
            let d = d.add_errback(|_| -> Result<_, Failure> { unreachable!() });
            assert!(std::ptr::eq(&raw const *value(d), at));
        } else {
            let d = d.add_errback(|_| -> Result<_, Failure> { unreachable!() });
            waiting.take().unwrap().callback(boxed);
            assert!(std::ptr::eq(&raw const *value(d), at));
        }
    }
}

#[test]
fn a2_a_failure_goes_past_callbacks_unchanged() {
    let original = Failure::new(Oops(1));
    let (trigger, d) = Deferred::<u32>::new();
    let d = d
        .map(|_| -> String { unreachable!() })
        .add_callback(|_| -> Result<u8, Failure> { unreachable!() });
    trigger.errback(original.clone());
    let d = d.map(|_| -> u64 { unreachable!() });
    let seen = failure(d);
    assert_eq!(place(&seen), place(&original));
    assert!(seen.trail().is_empty(), "nothing handled it");
}

#[test]
fn a2_of_a_pair_one_side_runs() {
    let log = Log::new();
    for (good, expected) in [(true, "callback 1"), (false, "errback oops 1")] {
        for ready in [false, true] {
            let (on_value, on_failure) = (log.clone(), log.clone());
            let result = if good { Ok(1) } else { Err(Oops(1).into()) };
            let add = move |d: Deferred<u32>| {
                d.add_callbacks(
                    move |n| on_value.note(format!("callback {n}")),
                    move |failure| on_failure.note(format!("errback {failure}")),
                )
            };
            let d = if ready {
                add(Deferred::ready(result))
            } else {
                let (trigger, d) = Deferred::new();
                let d = add(d);
                trigger.fire(result);
                d
            };
            value(d);
            assert_eq!(log.take(), expected);
        }
    }
}

/// Adds an errback to a deferred before or after it is made to fire with 1, by what `add` adds.
fn caught_by_the_next(add: impl Fn(Deferred<u32>) -> Deferred<u32>) {
    quietly(|| {
        let (trigger, d) = Deferred::new();
        let d = add(d).add_errback(|failure| {
            assert!(failure.is::<Oops>() || failure.is::<Panicked>());
            Ok(100)
        });
        trigger.callback(1);
        assert_eq!(value(d), 100);
        let d = add(Deferred::succeed(1));
        assert!(d.has_result());
        assert_eq!(value(d.add_errback(|_| Ok(100))), 100);
    });
}

#[test]
fn a3_an_err_in_a_callback_goes_to_the_next_errback() {
    caught_by_the_next(|d| d.add_callback(|_| Err(Oops(1).into())));
}

#[test]
fn a3_a_question_mark_in_a_callback_goes_to_the_next_errback() {
    caught_by_the_next(|d| {
        d.add_callback(|n| {
            let n = if n == 1 { Err(Oops(1)) } else { Ok(n) };
            Ok(n?)
        })
    });
}

#[test]
fn a3_a_panic_in_a_callback_goes_to_the_next_errback() {
    caught_by_the_next(|d| d.map(|_| panic!("on purpose")));
    caught_by_the_next(|d| d.add_callback(|_| -> Result<u32, Failure> { panic!("on purpose") }));
    caught_by_the_next(|d| d.add_both(|_| -> Result<u32, Failure> { panic!("on purpose") }));
}

#[test]
fn a3_an_err_in_an_errback_goes_to_the_next_errback() {
    caught_by_the_next(|d| {
        d.add_callback(|_| Err(Oops(1).into())).add_errback(|_| Err(Oops(2).into()))
    });
}

#[test]
fn a3_a_panic_in_an_errback_goes_to_the_next_errback() {
    caught_by_the_next(|d| {
        d.add_callback(|_| Err(Oops(1).into()))
            .add_errback(|_| -> Result<u32, Failure> { panic!("on purpose") })
    });
}

#[test]
fn a3_a_failed_deferred_given_back_goes_to_the_next_errback() {
    caught_by_the_next(|d| d.add_callback(|_| Deferred::fail(Oops(1))));
}

#[test]
fn a3_the_errback_of_the_same_pair_does_not_see_what_its_callback_raises() {
    caught_by_the_next(|d| {
        d.add_callbacks(
            |_| -> Result<u32, Failure> { Err(Oops(1).into()) },
            |_| -> Result<u32, Failure> { unreachable!("it belongs to the same pair") },
        )
    });
    caught_by_the_next(|d| {
        d.add_callbacks(
            |_| -> Result<u32, Failure> { panic!("on purpose") },
            |_| -> Result<u32, Failure> { unreachable!("it belongs to the same pair") },
        )
    });
}

#[test]
fn a3_callbacks_differ_from_callback_then_errback() {
    let pair = Deferred::succeed(1).add_callbacks(|_| Err(Oops(1).into()), |_| Ok("handled"));
    assert_eq!(oops(pair), 1);
    let two =
        Deferred::succeed(1).add_callback(|_| Err(Oops(1).into())).add_errback(|_| Ok("handled"));
    assert_eq!(value(two), "handled");
}

#[test]
fn a3_a_panic_keeps_its_message_and_its_payload() {
    quietly(|| {
        let text = failure(Deferred::succeed(7).map(|n| -> u32 { panic!("number {n}") }));
        assert_eq!(text.check::<Panicked>().unwrap().message(), "number 7");
        let d = Deferred::succeed(()).map(|()| -> u32 { std::panic::panic_any(Oops(3)) });
        let failure = failure(d);
        let payload = failure.check::<Panicked>().unwrap().take_payload().unwrap();
        assert_eq!(payload.downcast_ref::<Oops>(), Some(&Oops(3)));
        assert!(failure.check::<Panicked>().unwrap().take_payload().is_none());
    });
}

#[test]
fn a3_a_callback_that_panics_drops_what_it_holds() {
    quietly(|| {
        let drops = Drops::new();
        let (trigger, d) = Deferred::new();
        let token = drops.token();
        let d = d.map(move |value: crate::common::Token| -> u32 {
            token.hold();
            value.hold();
            panic!("on purpose")
        });
        trigger.callback(drops.token());
        assert_eq!((drops.alive(), drops.dropped()), (0, 2));
        assert!(failure(d).is::<Panicked>());
    });
}

#[test]
fn a4_an_errback_that_gives_back_a_value_resumes_the_callback_side() {
    for ready in [false, true] {
        let (trigger, d) = Deferred::<u32>::new();
        let mut trigger = Some(trigger);
        if ready {
            trigger.take().unwrap().errback(Oops(1));
        }
        let d = d
            .add_errback(|_| Ok(1))
            .map(|n| n + 1)
            .add_errback(|_| -> Result<u32, Failure> { unreachable!() })
            .map(|n| n * 10);
        if let Some(trigger) = trigger {
            trigger.errback(Oops(1));
        }
        assert_eq!(value(d), 20);
    }
}

#[test]
fn a4_an_errback_may_give_back_a_deferred() {
    let (late, inner) = Deferred::new();
    let d = Deferred::<u32>::fail(Oops(1)).add_errback(move |_| inner).map(|n| n + 1);
    assert!(!d.has_result());
    late.callback(1);
    assert_eq!(value(d), 2);
}

#[test]
fn a4_an_errback_of_a_deferred_of_nothing_may_give_back_nothing() {
    let d = Deferred::<()>::fail(Oops(1)).add_errback(|_| {}).map(|()| 3);
    assert_eq!(value(d), 3);
}

#[test]
fn a5_both_sees_a_value_and_a_failure_alike() {
    for ready in [false, true] {
        for result in [Ok(1), Err(Failure::new(Oops(2)))] {
            let (trigger, d) = Deferred::<u32>::new();
            let (mut late, mut result) = (Some(trigger), Some(result));
            if ready {
                late.take().unwrap().fire(result.take().unwrap());
            }
            let d = d.add_both(|result| match result {
                Ok(n) => Ok(format!("value {n}")),
                Err(failure) => Ok(format!("failure {failure}")),
            });
            if let (Some(late), Some(result)) = (late, result.take()) {
                late.fire(result);
            }
            let text = value(d);
            assert!(text == "value 1" || text == "failure oops 2", "{text}");
        }
    }
}

#[test]
fn a6_links_added_after_firing_run_inside_the_call_that_adds_them() {
    let log = Log::new();
    let (trigger, d) = Deferred::new();
    trigger.callback(1);
    let note = log.clone();
    log.note("before");
    let d = d.map(move |n: u32| note.note(n));
    log.note("after");
    assert_eq!(log.take(), "before, 1, after");
    value(d);
}

#[test]
fn a6_before_and_after_firing_are_alike() {
    // The same chain, fired after each of its links has been added.
    for split in 0..=4 {
        let log = Log::new();
        let (trigger, d) = Deferred::<u32>::new();
        let mut trigger = Some(trigger);
        let mut fire = |after| {
            if after == split
                && let Some(trigger) = trigger.take()
            {
                trigger.callback(1);
            }
        };
        fire(0);
        let [first, second, third, fourth] = [(); 4].map(|()| log.clone());
        let d = d.map(move |n| {
            first.note(format!("map {n}"));
            n + 1
        });
        fire(1);
        let d = d.add_callback(move |n| {
            second.note(format!("callback {n}"));
            Err::<String, _>(Oops(n).into())
        });
        fire(2);
        let d = d.add_errback(move |failure| {
            third.note(format!("errback {failure}"));
            Ok(String::from("fine"))
        });
        fire(3);
        let d = d.add_both(move |result| {
            fourth.note(format!("both {}", result.is_ok()));
            result
        });
        fire(4);
        assert_eq!(log.take(), "map 1, callback 2, errback oops 2, both true", "split at {split}");
        assert_eq!(value(d), "fine");
    }
}

#[test]
fn a6_not_at_once_while_paused() {
    let (trigger, mut d) = Deferred::new();
    let guard = d.pause();
    trigger.callback(1);
    let d = d.map(|n: u32| n + 1);
    assert!(!d.has_result());
    drop(guard);
    assert_eq!(value(d), 2);
}

#[test]
fn a6_not_at_once_while_waiting() {
    let (late, inner) = Deferred::new();
    let d = Deferred::succeed(()).add_callback(move |()| inner);
    let log = Log::new();
    let note = log.clone();
    let d = d.map(move |n: u32| note.note(n));
    assert_eq!(log.take(), "");
    late.callback(9);
    assert_eq!(log.take(), "9");
    value(d);
}

#[test]
fn a7_a_link_added_by_a_running_callback_runs_after_it_in_the_same_loop() {
    let log = Log::new();
    let stash = Stash::new();
    let (trigger, d) = Deferred::<u32>::new();
    let (reach, first, second) = (stash.clone(), log.clone(), log.clone());
    let d = d.map(move |n| {
        first.note(format!("first {n}"));
        let d: Deferred<u32> = reach.take();
        let note = first.clone();
        reach.put(d.map(move |n| {
            note.note(format!("added {n}"));
            n + 100
        }));
        first.note("first ends");
        n + 1
    });
    stash.put(d.map(move |n| {
        second.note(format!("second {n}"));
        n * 2
    }));
    trigger.callback(1);
    assert_eq!(log.take(), "first 1, first ends, second 2, added 4");
    assert_eq!(value(stash.take()), 104);
}

#[plain_test]
fn a7_adding_from_inside_does_not_recurse() {
    /// Adds itself to the deferred in the stash, until `left` is 0.
    fn again(stash: Stash<Deferred<usize>>, left: usize) {
        let reach = stash.clone();
        stash.put(stash.take().map(move |n| {
            if left > 0 {
                again(reach, left - 1);
            }
            n + 1
        }));
    }
    let count = crate::common::many(100_000);
    let sum = with_small_stack(move || {
        let stash = Stash::new();
        let (trigger, d) = Deferred::new();
        stash.put(d);
        again(stash.clone(), count);
        trigger.callback(0);
        value(stash.take())
    });
    assert_eq!(sum, count + 1);
}

#[test]
fn a7_a_coroutine_adds_to_a_deferred_that_is_running() {
    let log = Log::new();
    let stash = Stash::<Deferred<u32>>::new();
    let (wake, awaited) = Deferred::<()>::new();
    let (reach, note) = (stash.clone(), log.clone());
    let coroutine = Deferred::from_coroutine(async move {
        awaited.await?;
        note.note("coroutine");
        let late = note.clone();
        reach.put(reach.take().map(move |n| {
            late.note(format!("late {n}"));
            n
        }));
        Ok(())
    });
    let (trigger, d) = Deferred::new();
    let (first, second) = (log.clone(), log.clone());
    stash.put(
        d.map(move |n| {
            first.note(n);
            wake.callback(());
            first.note("end");
            n + 1_u32
        })
        .map(move |n| {
            second.note(n);
            n + 1_u32
        }),
    );
    trigger.callback(1);
    assert_eq!(log.take(), "1, coroutine, end, 2, late 3");
    value(coroutine);
    value(stash.take());
}

#[test]
fn a8_every_method_that_adds_gives_the_deferred_back() {
    let d: Deferred<u8> = Deferred::succeed(1_u8);
    let d: Deferred<u16> = d.map(u16::from);
    let d: Deferred<u32> = d.add_callback(|n| Ok(u32::from(n)));
    let d: Deferred<u32> = d.add_errback(|_| Ok(0));
    let d: Deferred<u64> = d.add_callbacks(|n| Ok(u64::from(n)), |_| Ok(0));
    let d: Deferred<String> = d.add_both(|result| Ok(format!("{}", result?)));
    assert_eq!(value(d), "1");
}

#[test]
fn a8_further_arguments_are_captured() {
    let (offset, name, list) = (5, String::from("sum"), vec![1, 2, 3]);
    let (trigger, d) = Deferred::new();
    let d = d.map(move |n: i32| format!("{name}: {}", n + offset + list.iter().sum::<i32>()));
    trigger.callback(1);
    assert_eq!(value(d), "sum: 12");
}

#[test]
fn a9_firing_a_shared_trigger_twice_is_already_called() {
    let log = Log::new();
    let note = log.clone();
    let (trigger, d) = Deferred::new();
    let d = d.map(move |n: u32| {
        note.note(n);
        n
    });
    let (one, two) = {
        let trigger = trigger.shared();
        (trigger.clone(), trigger)
    };
    assert_eq!(one.callback(1), Ok(()));
    assert!(two.is_done());
    let again: AlreadyCalledError = two.callback(2).unwrap_err();
    assert_eq!(again.to_string(), "the deferred has already been fired");
    assert!(one.errback(Oops(1)).is_err());
    assert!(one.fire(Ok(3)).is_err());
    assert_eq!(log.take(), "1");
    assert_eq!(value(d), 1);
}

#[test]
fn a9_what_a_second_firing_brings_is_dropped_and_nothing_is_reported() {
    let collector = report::collect();
    let drops = Drops::new();
    let (trigger, d) = Deferred::new();
    let trigger = trigger.shared();
    trigger.callback(drops.token()).unwrap();
    assert!(trigger.callback(drops.token()).is_err());
    assert_eq!(drops.alive(), 1);
    drop((d, trigger));
    assert_eq!(drops.alive(), 0);
    assert!(collector.take().is_empty());
}

#[test]
fn a9_firing_again_from_a_callback_is_already_called() {
    let (trigger, d) = Deferred::new();
    let trigger = trigger.shared();
    let again = trigger.clone();
    let d = d.map(move |n: u32| again.callback(n + 1).is_err());
    trigger.callback(1).unwrap();
    assert!(value(d));
}

#[test]
fn a10_pauses_count() {
    let log = Log::new();
    let note = log.clone();
    let (trigger, mut d) = Deferred::new();
    let (first, second, third) = (d.pause(), d.pause(), d.pause());
    let d = d.map(move |n: u32| note.note(n));
    trigger.callback(5);
    assert_eq!(log.take(), "");
    second.unpause();
    first.unpause();
    assert_eq!(log.take(), "");
    assert!(!d.has_result());
    third.unpause();
    assert_eq!(log.take(), "5");
    value(d);
}

#[test]
fn a10_unpausing_before_the_firing_runs_nothing() {
    let (trigger, mut d) = Deferred::<u32>::new();
    d.pause().unpause();
    assert!(!d.has_result());
    trigger.callback(1);
    assert_eq!(value(d), 1);
}

#[test]
fn a10_a_paused_deferred_gives_no_result() {
    let mut d = Deferred::succeed(1);
    let guard = d.pause();
    let d = d.take_result().unwrap_err();
    assert!(!d.has_result());
    drop(guard);
    assert_eq!(value(d), 1);
}

#[test]
fn a10_a_pause_made_by_a_running_callback_waits_for_those_that_are_queued() {
    let log = Log::new();
    let (stash, guard) = (Stash::<Deferred<u32>>::new(), Stash::new());
    let (trigger, d) = Deferred::new();
    let (reach, keep, note) = (stash.clone(), guard.clone(), log.clone());
    let d = d.map(move |n| {
        let mut d = reach.take();
        keep.put(d.pause());
        reach.put(d);
        n
    });
    stash.put(d.map(move |n: u32| {
        note.note(n);
        n
    }));
    trigger.callback(1);
    assert_eq!(log.take(), "1", "as in Twisted");
    let note = log.clone();
    stash.put(stash.take().map(move |n| {
        note.note(format!("later {n}"));
        n
    }));
    assert_eq!(log.take(), "");
    guard.take().unpause();
    assert_eq!(log.take(), "later 1");
    value(stash.take());
}

#[test]
fn a10_a_guard_outlives_its_deferred() {
    let collector = report::collect();
    let (trigger, mut d) = Deferred::<u32>::new();
    let guard = d.pause();
    trigger.errback(Oops(1));
    drop(d);
    assert!(collector.take().is_empty(), "it has not got as far as that");
    drop(guard);
    assert_eq!(collector.take().len(), 1);
}

#[test]
fn a11_an_errback_takes_an_error_a_failure_or_a_text() {
    let (trigger, d) = Deferred::<u32>::new();
    trigger.errback(Oops(1));
    assert_eq!(oops(d), 1);
    let (trigger, d) = Deferred::<u32>::new();
    let original = Failure::new(Oops(2));
    trigger.errback(original.clone());
    assert_eq!(place(&failure(d)), place(&original));
    let (trigger, d) = Deferred::<u32>::new();
    trigger.errback(Failure::msg("broken"));
    assert_eq!(failure(d).to_string(), "broken");
}

#[test]
fn a11_a_wrapped_error_says_where_it_became_a_failure() {
    let (trigger, d) = Deferred::<u32>::new();
    let line = line!() + 1;
    trigger.errback(Oops(1));
    let failure = failure(d);
    assert_eq!((failure.made().line(), failure.made().file()), (line, file!()));
}

#[test]
fn a12_succeed_fail_and_ready() {
    assert_eq!(value(succeed(1)), 1);
    assert_eq!(oops(fail::<u32>(Oops(2))), 2);
    assert_eq!(value(Deferred::ready(Ok(3))), 3);
    let line = line!() + 1;
    let failed = fail::<u32>(Oops(2));
    assert_eq!(failure(failed).made().line(), line);
}

#[test]
fn a12_execute_calls_now_and_catches() {
    let calls = Rc::new(RefCell::new(0));
    let count = calls.clone();
    let d = execute(move || {
        *count.borrow_mut() += 1;
        5
    });
    assert_eq!((*calls.borrow(), value(d)), (1, 5));
    let broken = quietly(|| execute(|| -> u32 { panic!("on purpose") }));
    assert!(failure(broken).is::<Panicked>());
}

#[test]
fn a12_maybe_deferred_takes_a_value_an_err_a_panic_a_deferred_and_a_coroutine() {
    assert_eq!(value(maybe_deferred(|| Ok(1))), 1);
    value(maybe_deferred(|| ()));
    assert_eq!(oops(maybe_deferred(|| -> Result<u32, Failure> { Err(Oops(2))? })), 2);
    let broken = quietly(|| maybe_deferred(|| -> Result<u32, Failure> { panic!("on purpose") }));
    assert_eq!(failure(broken).check::<Panicked>().unwrap().message(), "on purpose");
    let (late, inner) = Deferred::new();
    let d = maybe_deferred(move || inner);
    assert!(!d.has_result());
    late.callback(3);
    assert_eq!(value(d), 3);
    assert_eq!(value(maybe_deferred(|| Deferred::from_coroutine(async { Ok(4) }))), 4);
}

#[test]
fn a12_passthru_gives_back_what_it_gets() {
    assert_eq!(value(Deferred::succeed(1).add_both(passthru)), 1);
    assert_eq!(oops(Deferred::<u32>::fail(Oops(1)).add_both(passthru)), 1);
}
