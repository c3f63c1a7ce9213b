//! How what is noted of a Deferred is put into words.

use super::{Noted, Spot, class_of, find, links_to_come, name_of, page, places};
use crate::awaiter::Awaiter;
use crate::deferred::{Deferred, as_deferred};
use crate::failure;
use crate::inline::Driver;
use crate::list::DeferredList;
use crate::names::name;
use crate::raw;
use crate::twisted::twisted;
use crate::world::{Link, PyWorld, State, state};
use hereafter_engine::World;
use hereafter_insight::{End, History, Name, Now, Story, Told};
use pyo3::prelude::*;
use pyo3::types::PyList;
use std::convert::Infallible;

/// How many Deferreds, each waiting on the next, a story tells of.
const DEPTH: usize = 50;

/// How many coroutines, each awaiting the next, are told of.
const FRAMES: usize = 8;

/// How much of what an error says of itself is told.
const SAID: usize = 200;

/// The story of a Deferred, and of what it waits on.
pub(crate) fn story(deferred: &Bound<'_, Deferred>) -> Story {
    with_what_it_waits_on(deferred, false)
}

/// The same, where `alone` says that nobody else has it but who has it anyway, and this.
pub(super) fn with_what_it_waits_on(deferred: &Bound<'_, Deferred>, alone: bool) -> Story {
    let mut whole = of_one(deferred, alone);
    let mut told = vec![deferred.clone()];
    while let Some(inner) = told.last().and_then(source) {
        if told.iter().any(|known| known.is(&inner)) {
            whole.waits_on.push(Story::new(name_of(&inner), Now::Circle));
            break;
        }
        if whole.waits_on.len() == DEPTH {
            whole.waits_on.push(Story::new("and so on, to", Now::Waits));
            break;
        }
        whole.waits_on.push(of_one(&inner, true));
        told.push(inner);
    }
    whole
}

/// The Deferred that this one's result will come from.
pub(super) fn source<'py>(deferred: &Bound<'py, Deferred>) -> Option<Bound<'py, Deferred>> {
    let py = deferred.py();
    let its = state(deferred);
    if let Some(inner) = PyWorld::waiting_on(deferred) {
        return Some(inner);
    }
    if its.chain.is_fired() {
        return None;
    }
    if let Some(driver) = driver(deferred) {
        return as_deferred(&Driver::awaited(&driver)?).cloned();
    }
    if let Ok(list) = deferred.cast::<DeferredList>() {
        return awaited(list).next();
    }
    as_deferred(&its.chained_to.get(py)?).cloned()
}

/// The members of a list whose results it waits for.
pub(super) fn awaited<'py>(
    list: &Bound<'py, DeferredList>,
) -> impl Iterator<Item = Bound<'py, Deferred>> + use<'py> {
    let (list, members) = (list.clone(), DeferredList::members_of(list));
    members.into_iter().filter(move |member| {
        let looked = state(member).links.each(|link| match link {
            Link::Member(of, _) if of.is(&list) => Err(()),
            _ => Ok(()),
        });
        looked.is_err()
    })
}

/// What runs the generator whose result is to be this one's.
fn driver<'py>(deferred: &Bound<'py, Deferred>) -> Option<Bound<'py, Driver>> {
    let canceller = state(deferred).canceller.get(deferred.py())?;
    canceller.cast_into::<Driver>().ok()
}

/// The story of one Deferred, without what it waits on.
fn of_one(deferred: &Bound<'_, Deferred>, alone: bool) -> Story {
    let its = state(deferred);
    let by = if its.chain.is_fired() { String::new() } else { who_fires(deferred, alone) };
    of_state(deferred.py(), its, name_of(deferred), by, said)
}

/// The same, where a failure is called what `say` says.
pub(super) fn of_state(
    py: Python<'_>,
    its: &State,
    name: String,
    by: String,
    say: fn(&Bound<'_, PyAny>) -> String,
) -> Story {
    let history = its.history.get().map(|noted| noted.history());
    let mut story = Story::new(name, now(py, its, history.as_ref(), by, say));
    let place = |place: &Spot| place.text(py);
    if let Some(history) = &history {
        story.tell(history, place, |number| find(py, number).is_some());
    }
    let to_come = links_to_come(its).into_iter();
    story
        .links
        .extend(to_come.map(|(kind, added)| Told::to_come(kind, added.as_ref().and_then(&place))));
    story
}

fn now(
    py: Python<'_>,
    its: &State,
    history: Option<&History<Spot>>,
    by: String,
    say: fn(&Bound<'_, PyAny>) -> String,
) -> Now {
    let chain = &its.chain;
    if chain.is_running() {
        return Now::Runs;
    }
    if !chain.is_fired() {
        return Now::Unfired { by };
    }
    let Some(result) = its.result.get(py) else { return Now::Gone };
    if as_deferred(&result).is_some() {
        Now::Waits
    } else if chain.paused() != 0 {
        Now::Paused(chain.paused())
    } else if failure::is_failure(&result) {
        Now::Failed(say(&result))
    } else if result.is_none() && history.is_some_and(has_handed_on) {
        Now::Gone
    } else {
        Now::Value
    }
}

fn has_handed_on(history: &History<Spot>) -> bool {
    history.links().last().is_some_and(|last| matches!(last.end, End::HandedOn(_)))
}

/// What an object is as text; a question mark if that cannot be had.
fn text(object: PyResult<Bound<'_, PyAny>>) -> String {
    let text = object.and_then(|object| object.str());
    text.map_or_else(|_| "?".to_owned(), |text| text.to_string_lossy().into_owned())
}

/// A failure in words, some of which are the error's own.
fn said(failure: &Bound<'_, PyAny>) -> String {
    let py = failure.py();
    let Ok(value) = failure.getattr(name!(py, value)) else { return "?".to_owned() };
    let class = raw::class_name(&value.get_type());
    if raw::is_taken_apart(&value) {
        return class;
    }
    let Ok(whole) = value.str() else {
        return format!("{class}: (it raises when it is asked what it is)");
    };
    let whole = whole.to_string_lossy();
    let line = whole.lines().next().unwrap_or_default();
    match line.char_indices().nth(SAID) {
        _ if line.is_empty() => class,
        Some((end, _)) => format!("{class}: {}...", &line[..end]),
        None => format!("{class}: {line}"),
    }
}

/// Who could fire a Deferred that has not fired.
fn who_fires(deferred: &Bound<'_, Deferred>, alone: bool) -> String {
    let py = deferred.py();
    if let Some(driver) = driver(deferred) {
        return Driver::generator_of(&driver).map_or_else(
            || "its coroutine has been taken apart".to_owned(),
            |generator| of_generator(&generator),
        );
    }
    if let Ok(list) = deferred.cast::<DeferredList>() {
        let (awaited, all) = (awaited(list).count(), DeferredList::members_of(list).len());
        return format!("it waits for {awaited} of its {all} Deferreds");
    }
    if state(deferred).chained_to.get(py).is_some_and(|source| as_deferred(&source).is_some()) {
        return "the result of another is to be its own".to_owned();
    }
    if alone && stands_alone(deferred) {
        return "nobody who could fire it has it any more".to_owned();
    }
    "whoever has it has called neither callback() nor errback()".to_owned()
}

/// Whether nobody has an unfired Deferred but those that wait on it, and who asks, by one reference. It is to be none
/// that fires by itself.
fn stands_alone(deferred: &Bound<'_, Deferred>) -> bool {
    raw::references(deferred) <= known_references(deferred) + 1
}

/// Whether nobody can fire a Deferred any more, for all that can be told from who has it; who asks has one reference.
pub(super) fn is_left(deferred: &Bound<'_, Deferred>) -> bool {
    let fires_by_itself = driver(deferred).is_some()
        || deferred.is_instance_of::<DeferredList>()
        || state(deferred).chained_to.is_set();
    !state(deferred).chain.is_fired() && !fires_by_itself && stands_alone(deferred)
}

/// How many references there are to a Deferred from those that wait on it, none of which fires it.
fn known_references(deferred: &Bound<'_, Deferred>) -> usize {
    let py = deferred.py();
    let own = deferred.as_ptr();
    let mut waiting = Vec::new();
    // A copy first: to look further may let go of what is looked at.
    let looked: Result<(), Infallible> = state(deferred).links.each(|link| {
        if let Link::Waiter(_) | Link::Resume(_) | Link::Member(..) = link {
            waiting.push(link.copy(py));
        }
        Ok(())
    });
    let Ok(()) = looked;
    let is_own = |place: &raw::Slot| place.peek().is_some_and(|(object, _)| object == own);
    let of_link = |link: &Link| match link {
        Link::Waiter(outer) => {
            let its = state(outer.bind(py));
            usize::from(is_own(&its.result)) + usize::from(is_own(&its.chained_to))
        }
        Link::Resume(driver) => references_of(driver.bind(py), deferred),
        Link::Member(..) => 1,
        _ => 0,
    };
    waiting.iter().map(of_link).sum()
}

/// The same, from a generator that awaits it, and from those that it awaits it by: none of them can fire it meanwhile.
fn references_of(driver: &Bound<'_, Driver>, deferred: &Bound<'_, Deferred>) -> usize {
    let waits = Driver::awaited(driver).is_some_and(|awaited| awaited.is(deferred));
    let mut count = usize::from(waits);
    let mut next = Driver::generator_of(driver);
    for _ in 0..DEPTH {
        let Some(generator) = next.take() else { break };
        if let Ok(awaiter) = generator.cast::<Awaiter>() {
            count += usize::from(Awaiter::awaits(awaiter, deferred));
        } else if let Some((frame, awaited)) = suspended(&generator) {
            // Its variables. Up to CPython 3.10 they are the frame's.
            count +=
                [&generator, &frame].map(|holder| held_by(holder, deferred)).iter().sum::<usize>();
            next = Some(awaited);
        }
    }
    count
}

/// How many references an object has to the Deferred, by what it tells the cycle collector.
fn held_by(holder: &Bound<'_, PyAny>, deferred: &Bound<'_, Deferred>) -> usize {
    let py = holder.py();
    let held = py
        .import(name!(py, gc))
        .and_then(|gc| gc.call_method1(name!(py, get_referents), (holder,)));
    let held = held.ok().and_then(|held| held.cast_into::<PyList>().ok());
    held.iter().flatten().filter(|object| object.is(deferred)).count()
}

/// What a coroutine or generator is and where it stands, down to the innermost that it awaits.
fn of_generator(outermost: &Bound<'_, PyAny>) -> String {
    let is_coroutine = outermost.getattr("cr_frame").is_ok();
    let kind = if is_coroutine { "coroutine" } else { "generator" };
    let runs = ["cr_running", "gi_running"].iter().any(|name| has(outermost, name));
    let does = if runs { "runs" } else { "waits" };
    let name = text(outermost.getattr("__qualname__"));
    let mut frames = Vec::new();
    let mut next = suspended(outermost);
    while let Some((frame, awaited)) = next {
        if frames.len() == FRAMES {
            frames.push("and so on".to_owned());
            break;
        }
        frames.push(frame_text(&frame));
        next = suspended(&awaited);
    }
    if frames.is_empty() {
        return format!("the {kind} {name} is through");
    }
    format!("the {kind} {name} {does} at {}", frames.join(", for "))
}

/// Whether an attribute of a generator's is there, and true.
fn has(generator: &Bound<'_, PyAny>, name: &str) -> bool {
    generator.getattr(name).and_then(|value| value.is_truthy()).unwrap_or(false)
}

/// The frame of a generator or coroutine that is not through, and what that awaits.
fn suspended<'py>(generator: &Bound<'py, PyAny>) -> Option<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    [["cr_frame", "cr_await"], ["gi_frame", "gi_yieldfrom"]].iter().find_map(|[frame, awaits]| {
        let frame = generator.getattr(frame).ok().filter(|frame| !frame.is_none())?;
        Some((frame, generator.getattr(awaits).ok()?))
    })
}

fn frame_text(frame: &Bound<'_, PyAny>) -> String {
    raw::place(frame).map_or_else(|_| "?".to_owned(), |place| places::words(frame.py(), &place))
}

/// The story of one that goes away before it fires.
pub(super) fn of_gone(py: Python<'_>, its: &State, noted: &Noted) -> Story {
    let by = "it went away, and nobody ever will".to_owned();
    of_state(py, its, name_of_gone(noted), by, class_of)
}

/// What a Deferred is called when it cannot be asked any more.
fn name_of_gone(noted: &Noted) -> String {
    Name::of_deferred(Some(noted.number()), noted.address).to_string()
}

/// Has an object of Twisted's tell the story beside what it says.
pub(crate) fn give_story(object: &Bound<'_, PyAny>, story: &Story) -> PyResult<()> {
    let py = object.py();
    object.setattr(name!(py, story), raw::text(py, story.to_string().trim_end())?)
}

/// Has Twisted's report of an unhandled failure tell the story of its Deferred.
pub(crate) fn tell_in_report(info: &Bound<'_, PyAny>, its: &State, noted: &Noted) {
    let py = info.py();
    let tell = || -> PyResult<()> {
        let names = twisted(py)?;
        let is_twisted = info.get_type().is(&names.debug_info);
        if !is_twisted || info.getattr(name!(py, failResult))?.is_none() {
            return Ok(());
        }
        let story = of_state(py, its, name_of_gone(noted), String::new(), said);
        page::unhandled(py, noted.number(), &story);
        give_story(info, &story)?;
        info.setattr(name!(py, __class__), &names.telling_info)
    };
    if let Err(error) = tell() {
        error.write_unraisable(py, Some(info));
    }
}
