//! What is allocated, and that all of it is given back.

mod common;

use common::value;
use hereafter::{Deferred, gather_results, report};
use hereafter_testing::leaves_nothing;

/// What a deferred takes where nothing is noted of it.
mod counted {
    use super::common::{Oops, oops, value};
    use hereafter::{Deferred, Failure};
    use hereafter_testing::{allocations_of, leaves_nothing};

    #[test]
    fn a_pending_deferred_with_three_small_callbacks_is_one_allocation() {
        let (one, two, three) = (1_usize, 2_usize, 3_usize);
        let (allocations, (trigger, d)) = allocations_of(|| {
            let (trigger, d) = Deferred::<usize>::new();
            let d = d
                .map(move |n| n + one + two)
                .add_callback(move |n| Ok(n + two + three))
                .add_both(move |result| result.map(|n| n + three + one));
            (trigger, d)
        });
        assert_eq!(allocations, 1);
        let (allocations, ()) = allocations_of(|| trigger.callback(1));
        assert_eq!(allocations, 0, "firing allocates nothing");
        let (allocations, n) = allocations_of(|| value(d));
        assert_eq!((allocations, n), (0, 13), "nor does taking the result");
    }

    #[test]
    fn a_ready_deferred_is_none() {
        let (allocations, n) = allocations_of(|| {
            let d = Deferred::succeed(1)
                .map(|n| n + 1)
                .add_callback(|n| Ok(n + 1))
                .add_callback(Deferred::succeed)
                .add_errback(|_| Ok(0))
                .add_both(|result| result);
            value(d)
        });
        assert_eq!((allocations, n), (0, 3));
    }

    #[test]
    fn a_large_ready_value_is_none() {
        let (allocations, last) = allocations_of(|| {
            value(Deferred::succeed([7_u64; 64]).map(|array| array[63]).add_errback(|_| Ok(0)))
        });
        assert_eq!((allocations, last), (0, 7));
    }

    #[test]
    fn a_failure_is_its_error_and_itself() {
        let (allocations, n) = allocations_of(|| oops(Deferred::<u32>::fail(Oops(3))));
        assert_eq!(n, 3);
        assert!(allocations <= 2, "{allocations}");
        let failure = Failure::new(Oops(1));
        let (allocations, clone) = allocations_of(|| failure.clone());
        assert_eq!(allocations, 0);
        drop((clone, failure));
    }

    #[test]
    fn a_failure_that_goes_down_a_chain_allocates_nothing_more() {
        let (trigger, mut d) = Deferred::<u32>::new();
        for _ in 0..10 {
            d = d.map(|n| n + 1).add_errback(Err);
        }
        let failure = Failure::new(Oops(5));
        let (allocations, ()) = allocations_of(|| trigger.errback(failure));
        assert_eq!(allocations, 0);
        assert_eq!(oops(d), 5);
    }

    #[test]
    fn waiting_on_another_deferred_allocates_nothing() {
        let (late, inner) = Deferred::<u32>::new();
        let (trigger, outer) = Deferred::<()>::new();
        let outer = outer.add_callback(move |()| inner);
        let (allocations, ()) = allocations_of(|| trigger.callback(()));
        assert_eq!(allocations, 0);
        let (allocations, ()) = allocations_of(|| late.callback(1));
        // The loop that goes from one to the other may keep a list of where to come back to.
        assert_eq!(allocations, 0);
        assert_eq!(value(outer), 1);
    }

    #[test]
    fn a_coroutine_that_never_waits_costs_no_more_than_its_task_and_its_deferred() {
        leaves_nothing(|| assert_eq!(value(Deferred::from_coroutine(async { Ok(1) })), 1));
        let (allocations, n) = allocations_of(|| value(Deferred::from_coroutine(async { Ok(1) })));
        assert_eq!(n, 1);
        assert!(allocations <= 3, "{allocations}");
    }
}

#[test]
fn chains_leave_nothing() {
    leaves_nothing(|| {
        let (trigger, mut d) = Deferred::new();
        for n in 0..100 {
            let text = n.to_string();
            d = d.map(move |sum: usize| sum + text.len()).add_errback(|_| Ok(0));
        }
        trigger.callback(0);
        assert_eq!(value(d), 190);
    });
}

#[test]
fn chains_that_never_run_leave_nothing() {
    leaves_nothing(|| {
        let collector = report::collect();
        let (trigger, mut d) = Deferred::<String>::new();
        for n in 0..100 {
            let text = n.to_string();
            d = d.map(move |all| all + &text);
        }
        drop(d);
        drop(trigger);
        assert_eq!(collector.take().len(), 1);
    });
}

#[test]
fn cancelled_ones_leave_nothing() {
    leaves_nothing(|| {
        let text = String::from("held by the canceller");
        let (trigger, d) = Deferred::with_canceller(move || Some(Ok(text)));
        let d = d.map(|text| text.len());
        d.cancel();
        drop(trigger);
        assert_eq!(value(d), 21);
        let (trigger, mut d) = Deferred::<String>::new();
        let handle = d.cancel_handle();
        drop(d.add_errback(|_| Ok(String::new())));
        handle.cancel();
        trigger.callback(String::from("too late"));
    });
}

#[test]
fn lines_of_waiting_ones_leave_nothing() {
    leaves_nothing(|| {
        let (last, mut d) = Deferred::<String>::new();
        for _ in 0..100 {
            let (trigger, outer) = Deferred::<()>::new();
            d = outer.add_callback(move |()| d).map(|text| text + "!");
            trigger.callback(());
        }
        last.callback(String::new());
        assert_eq!(value(d).len(), 100);
    });
}

#[test]
fn coroutines_leave_nothing() {
    leaves_nothing(|| {
        let (trigger, mut d) = Deferred::<String>::new();
        for _ in 0..100 {
            d = Deferred::from_coroutine(async move { Ok(d.await? + "!") });
        }
        trigger.callback(String::new());
        assert_eq!(value(d).len(), 100);
    });
}

#[test]
fn cancelled_coroutines_leave_nothing() {
    leaves_nothing(|| {
        let (_trigger, d) = Deferred::<String>::new();
        let d = Deferred::from_coroutine(async move { Ok(d.await.unwrap_or_default().len()) });
        d.cancel();
        assert_eq!(value(d), 0);
        let text = String::from("held");
        let d = Deferred::from_coroutine(async move {
            std::future::pending::<()>().await;
            Ok(text)
        });
        d.cancel();
        drop(d.add_errback(|_| Ok(String::new())));
    });
}

#[test]
fn lists_leave_nothing() {
    leaves_nothing(|| {
        let (triggers, members): (Vec<_>, Vec<_>) = (0..10).map(|_| Deferred::new()).unzip();
        let d = gather_results(members);
        for (n, trigger) in triggers.into_iter().enumerate() {
            trigger.callback(n.to_string());
        }
        assert_eq!(value(d).concat(), "0123456789");
        let (triggers, members): (Vec<_>, Vec<_>) = (0..10).map(|_| Deferred::new()).unzip();
        let d = gather_results::<String>(members);
        let collector = report::collect();
        d.cancel();
        assert!(value(d.add_errback(|_| Ok(Vec::new()))).is_empty());
        drop((triggers, collector));
    });
}

#[test]
fn triggers_that_nobody_fires_leave_nothing() {
    leaves_nothing(|| {
        let (trigger, d) = Deferred::<String>::with_canceller(|| None);
        drop(d);
        drop(trigger);
        let (trigger, d) = Deferred::<String>::new();
        let trigger = trigger.shared();
        drop((d, trigger.clone(), trigger));
    });
}
