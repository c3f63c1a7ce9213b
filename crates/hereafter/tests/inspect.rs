//! Inspection: what is told of deferreds.

use hereafter::inspect::{self, End, Kind, Now, Story};
use hereafter::{Deferred, DeferredList, Failure, gather, gather_results, race, report};

/// The tree, with every address replaced by a letter, every time by `T`, and no numbers.
fn drawn(story: &Story) -> String {
    let mut names = Vec::new();
    let mut text = story.to_string().replace(&format!("{}:", file!()), "here:");
    while let Some(at) = text.find("0x") {
        let end = text[at + 2..].find(|c: char| !c.is_ascii_hexdigit()).unwrap() + at + 2;
        let name = text[at..end].to_owned();
        let letter = names.iter().position(|known| *known == name).unwrap_or_else(|| {
            names.push(name.clone());
            names.len() - 1
        });
        text.replace_range(at..end, ["A", "B", "C", "D"][letter]);
    }
    let is_time = |word: &str| word.starts_with(|c: char| c.is_ascii_digit());
    let lines = text.lines().map(|line| {
        let mut words = line.split(' ').peekable();
        let mut kept = Vec::new();
        while let Some(word) = words.next() {
            if kept.last().is_some_and(|before| before == "Deferred") && is_time(word) {
                continue;
            }
            let unit = words.next_if(|unit| {
                is_time(word) && ["ns", "us", "ms", "s"].contains(&unit.trim_end_matches(','))
            });
            if let Some(unit) = unit {
                kept.push(format!("T{}", if unit.ends_with(',') { "," } else { "" }));
            } else {
                kept.push(word.to_owned());
            }
        }
        kept.join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_wait_is_told_down_to_the_innermost() {
    inspect::enable();
    let line = line!();
    let (_forgotten, inner) = Deferred::<u32>::new();
    let (trigger, d) = Deferred::<u32>::new();
    let d = d
        .map(|n| n + 1)
        .add_errback(|_| Ok(0))
        .add_callback(move |_| inner.map(|n| n * 2))
        .map(|n| n + 3);
    trigger.callback(1);
    let place = |n| format!("here:{}", line + n);
    let expected = format!(
        "Deferred at A waits\n\
         ├─ made at {}:24, T ago\n\
         ├─ fired after T\n\
         ├─ callback added at {}:10: a value, took T\n\
         ├─ errback added at {}:10: passed by\n\
         ├─ callback added at {}:10: gave back Deferred at B, took T\n\
         ├─ callback added at {}:10: still to come\n\
         └─ on Deferred at B has not fired; its trigger is still there\n   \
            ├─ made at {}:31, T ago\n   \
            └─ callback added at {}:38: still to come",
        place(2),
        place(4),
        place(5),
        place(6),
        place(7),
        place(1),
        place(6)
    );
    assert_eq!(drawn(&inspect::explain(&d)), expected);
}

#[test]
fn what_was_waited_for_is_told_with_its_time() {
    inspect::enable();
    let (later, inner) = Deferred::<u32>::new();
    let (trigger, d) = Deferred::<u32>::new();
    let d = d
        .add_callback(move |_| inner)
        .add_callback(|n| if n == 0 { Ok(n) } else { Err(Failure::msg("it is broken")) });
    trigger.callback(1);
    later.callback(7);
    let story = inspect::explain(&d);
    assert!(matches!(&story.now, Now::Failed(name) if name == "Error: it is broken"), "{story}");
    assert_eq!(story.links[0].end, Some(End::Value));
    assert!(story.links[0].waited.is_some());
    assert!(matches!(&story.links[1].end, Some(End::Failed(_))), "{story}");
    drop(d.add_errback(|_| Ok(0)));
}

#[test]
fn a_coroutine_waits_on_what_it_awaits() {
    inspect::enable();
    let (_trigger, inner) = Deferred::<u32>::new();
    let outer = Deferred::from_coroutine(async move { Ok(inner.await? + 1) });
    let story = inspect::explain(&outer);
    assert_eq!(story.now, Now::Waits);
    assert_eq!(story.waits_on.len(), 1);
    let asleep = Deferred::<u32>::from_coroutine(std::future::pending::<Result<u32, Failure>>());
    let story = inspect::explain(&asleep).to_string();
    assert!(story.contains("its coroutine waits for something that is no deferred"), "{story}");
}

#[test]
fn all_that_is_pending_is_listed_and_nothing_that_has_gone() {
    inspect::enable();
    let (one, first) = Deferred::<u32>::new();
    let (two, second) = Deferred::<u32>::new();
    let second = second.map(|n| n + 1);
    assert_eq!(inspect::pending().len(), 2);
    assert_eq!(inspect::pending()[1].links[0].kind, Kind::Callback);
    one.callback(1);
    assert_eq!(inspect::pending().len(), 1);
    drop(first);
    second.cancel();
    assert!(inspect::pending().is_empty());
    assert!(inspect::explain(&second).cancelled);
    drop((two, second.add_errback(|_| Ok(0))));
}

#[test]
fn a_paused_one_says_so() {
    inspect::enable();
    let (trigger, mut d) = Deferred::<u32>::new();
    let pause = d.pause();
    trigger.callback(1);
    assert_eq!(inspect::explain(&d).now, Now::Paused(1));
    drop(pause);
    assert_eq!(inspect::explain(&d).now, Now::Value);
}

#[test]
fn where_it_was_paused_is_told() {
    inspect::enable();
    let (trigger, mut d) = Deferred::<u32>::new();
    let line = line!() + 1;
    let pause = d.pause();
    trigger.callback(1);
    let story = inspect::explain(&d);
    assert_eq!(story.paused, Some(format!("{}:{line}:19", file!())));
    drop(pause);
    assert_eq!(inspect::explain(&d).paused, None);
}

#[test]
fn a_deferred_that_a_callback_has_made_and_kept_is_told() {
    inspect::enable();
    let forgotten = std::rc::Rc::new(std::cell::RefCell::new(None));
    let (trigger, d) = Deferred::<u32>::new();
    let kept = forgotten.clone();
    let d = d.map(move |n| {
        let (inner_trigger, inner) = Deferred::<u32>::new();
        *kept.borrow_mut() = Some((inner_trigger, inner.map(|n| n + 1)));
        n
    });
    trigger.callback(1);
    let inner = inspect::explain(&forgotten.borrow().as_ref().unwrap().1);
    let story = inspect::explain(&d);
    assert_eq!(inner.within, Some(format!("Deferred {}", story.number.unwrap())));
    let name = format!("Deferred {}", inner.number.unwrap());
    assert_eq!(story.links[0].kept, Some(name.clone()));
    assert!(story.to_string().contains(&format!("; made {name}, which is pending,")), "{story}");
    let (inner_trigger, _inner) = forgotten.take().unwrap();
    inner_trigger.callback(1);
    assert_eq!(inspect::explain(&d).links[0].kept, None);
}

#[test]
fn what_an_errback_has_handled_is_told() {
    inspect::enable();
    let (trigger, d) = Deferred::<u32>::new();
    let d = d.add_errback(|_| Ok(0)).map(|n| n + 1);
    trigger.errback(Failure::msg("it is broken"));
    let story = inspect::explain(&d);
    assert_eq!(story.links[0].end, Some(End::Handled("Error".into())), "{story}");
    assert_eq!(story.links[1].end, Some(End::Value));
}

#[test]
fn a_million_that_wait_are_told_in_a_few_words() {
    inspect::enable();
    let (first, mut d) = Deferred::<u32>::new();
    let count = if cfg!(miri) { 500 } else { 1_000_000 };
    for _ in 0..count {
        let (trigger, next) = Deferred::<u32>::new();
        let inner = d;
        d = next.add_callback(move |_| inner);
        trigger.callback(0);
    }
    let story = inspect::explain(&d);
    assert!(story.to_string().lines().count() < 300);
    first.callback(42);
    assert_eq!(d.take_result().unwrap().unwrap(), 42);
}

#[test]
fn a_long_history_keeps_its_ends() {
    inspect::enable();
    let (trigger, mut d) = Deferred::<u32>::new();
    let pause = d.pause();
    for _ in 0..1_000 {
        d = d.map(|n| n + 1);
    }
    assert_eq!(inspect::explain(&d).links.len(), 1_000);
    trigger.callback(0);
    drop(pause);
    let story = inspect::explain(&d);
    assert!(story.links.len() < 100 && story.left_out > 900, "{}", story.links.len());
    assert!(story.to_string().contains("more links have run)"));
}

#[test]
fn a_report_tells_the_story() {
    inspect::enable();
    let collector = report::collect();
    let (trigger, d) = Deferred::<u32>::new();
    drop(d.map(|n| n + 1).add_callback(|_| Err::<u32, _>(Failure::msg("it is broken"))));
    trigger.callback(1);
    let reports = collector.take();
    let history = reports[0].history.as_deref().unwrap();
    assert!(history.contains("callback added at") && history.contains("failed: "), "{history}");
}

#[test]
fn the_error_of_firing_twice_tells_the_story() {
    inspect::enable();
    let (trigger, d) = Deferred::<u32>::new();
    let _d = d.map(|n| n + 1);
    let trigger = trigger.shared();
    trigger.callback(1).unwrap();
    let told = trigger.callback(2).unwrap_err().to_string();
    assert!(told.starts_with("the deferred has already been fired\nDeferred "), "{told}");
    assert!(told.contains("├─ made at ") && told.contains(": a value, took "), "{told}");
}

#[test]
fn a_trigger_that_was_lost_is_reported_with_the_story_of_who_waited_for_it() {
    inspect::enable();
    let collector = report::collect();
    let (lost, answer) = Deferred::<u32>::new();
    let (trigger, d) = Deferred::<u32>::new();
    d.add_callback(move |_| answer).map(|n| println!("the answer is {n}")).detach();
    trigger.callback(1);
    drop(lost);
    let reports = collector.take();
    let history = reports[0].history.as_deref().unwrap();
    assert!(history.contains("failed: hereafter::errors::Abandoned"), "{history}");
    assert!(history.contains("then waited "), "{history}");
    assert!(reports[0].failure.to_string().contains("inspect.rs"), "{}", reports[0].failure);
}

#[test]
fn one_that_would_wait_on_itself_is_reported_with_its_story() {
    inspect::enable();
    let collector = report::collect();
    let slot = std::rc::Rc::new(std::cell::RefCell::new(None::<Deferred<u32>>));
    let (trigger, d) = Deferred::<u32>::new();
    let own = slot.clone();
    *slot.borrow_mut() = Some(d.add_callback(move |_| own.take().expect("it is there")));
    trigger.callback(1);
    let reports = collector.take();
    let history = reports[0].history.as_deref().unwrap();
    assert!(history.contains("failed: hereafter::errors::CycleError"), "{history}");
}

#[test]
fn debug_tells_the_story_where_it_may_take_several_lines() {
    inspect::enable();
    let (_trigger, d) = Deferred::<u32>::new();
    let d = d.map(|n| n + 1);
    let text = format!("{d:#?}");
    assert!(text.ends_with(": still to come") && text.lines().count() == 3, "{text}");
    assert_eq!(format!("{d:?}").lines().count(), 1);
}

#[test]
fn a_link_may_ask_for_the_story_of_its_own_deferred() {
    inspect::enable();
    let (trigger, d) = Deferred::<u32>::new();
    let d = d.map(|n| {
        let stories = inspect::pending();
        assert!(stories.iter().any(|story| story.now == Now::Runs), "{stories:?}");
        n
    });
    trigger.callback(1);
    assert_eq!(d.take_result().unwrap().unwrap(), 1);
}

#[test]
fn a_list_tells_how_many_it_waits_for_and_on_which() {
    inspect::enable();
    let (one, first) = Deferred::<u32>::new();
    let (_two, second) = Deferred::<u32>::new();
    let (_three, third) = Deferred::<u32>::new();
    let line = line!() + 1;
    let list = gather_results([Deferred::succeed(0), first, second, third]).map(|all| all.len());
    one.callback(1);
    let expected = format!(
        "Deferred at A has not fired; it waits for 2 of its 4 deferreds\n\
         ├─ made at here:{line}:16, T ago\n\
         ├─ callback added at here:{line}:77: still to come\n\
         └─ on Deferred at B has not fired; its trigger is still there\n   \
            ├─ made at here:{}:26, T ago\n   \
            └─ link added at here:{line}:16: still to come",
        line - 3
    );
    assert_eq!(drawn(&inspect::explain(&list)), expected);
}

#[test]
fn lists_of_all_kinds_tell_of_their_members() {
    fn waits<T>(list: Deferred<T>, missing: &str) {
        let story = inspect::explain(&list);
        let Now::Unfired { by } = &story.now else { panic!("{story}") };
        assert_eq!(*by, format!("it waits for {missing} deferreds"), "{story}");
        assert_eq!(story.waits_on.len(), 1, "{story}");
    }
    inspect::enable();
    let mut triggers = Vec::new();
    let mut pending = || {
        let (trigger, d) = Deferred::<u32>::new();
        triggers.push(trigger);
        d
    };
    waits(race([pending(), pending()]), "2 of its 2");
    waits(gather((pending(), Deferred::succeed("two"))), "1 of its 2");
    waits(DeferredList::new([pending()]).wait(), "1 of its 1");
    waits(DeferredList::new([pending()]).fire_on_one_callback(), "1 of its 1");
    waits(DeferredList::new([pending()]).fire_on_one_errback(), "1 of its 1");
    waits(DeferredList::new([pending()]).fire_on_first(), "1 of its 1");
    let mut list = DeferredList::new([]);
    let watched = list.watch(pending()).map(|n| n + 1);
    let list = list.wait();
    let number = inspect::explain(&watched).number;
    assert_eq!(inspect::explain(&list).waits_on[0].number, number);
    // What it does further on is its own affair.
    let (_later, other) = Deferred::<u32>::new();
    let watched = watched.add_callback(move |_| other);
    triggers.pop().unwrap().callback(1);
    assert_eq!(inspect::explain(&list).now, Now::Value);
    assert_eq!(inspect::explain(&watched).now, Now::Waits);
}

#[test]
fn a_list_that_one_of_its_members_waits_for_is_told_once() {
    inspect::enable();
    let (back, end) = Deferred::<u32>::new();
    let (trigger, member) = Deferred::<u32>::new();
    let list = gather_results([member.add_callback(move |_| end)]);
    trigger.callback(1);
    list.map(|_| 0).chain_to(back);
    let stories = inspect::pending();
    assert_eq!(stories.len(), 3);
    for story in stories {
        let told: Vec<_> = story.waits_on.iter().map(|one| &one.now).collect();
        assert_eq!((told.len(), told[2]), (3, &Now::Circle), "{story}");
        assert_eq!(story.waits_on[2].name, story.name);
    }
}
