//! Debug mode: every deferred keeps the stacks of its making and of its first firing.
//!
//! They appear in the report of an unhandled failure and in
//! [`AlreadyCalledError`](crate::errors::AlreadyCalledError). Capturing a stack takes microseconds,
//! so it is off unless the environment variable `HEREAFTER_DEBUG` is set to `1`, or [`enable`] was
//! called (Twisted's `setDebugging`).
//!
//! What costs less and tells more of what happened in between is inspection, the feature `inspect`.

use crate::cell::CellRef;
use core::cell::Cell;
use core::fmt::Write as _;
use core::sync::atomic::{AtomicU8, Ordering};
use std::backtrace::Backtrace;

/// The environment has not been looked at.
const UNKNOWN: u8 = 0;
/// It has; with nothing beside it, nothing is noted.
const KNOWN: u8 = 1;
const STACKS: u8 = 2;
#[cfg(feature = "inspect")]
pub(crate) const HISTORIES: u8 = 4;
/// Beside them, a trace file is being written.
#[cfg(feature = "inspect")]
pub(crate) const TRACES: u8 = 8;
/// Beside them, a journal is kept for the page.
#[cfg(feature = "page")]
pub(crate) const JOURNALS: u8 = 16;
/// Some have, or had, a span.
#[cfg(all(feature = "inspect", feature = "tracing"))]
pub(crate) const SPANS: u8 = 32;
/// Somebody is told what is noted.
#[cfg(feature = "inspect")]
pub(crate) const WATCHED: u8 = {
    #[allow(unused_mut, reason = "there may be more")]
    let mut watched = TRACES;
    #[cfg(feature = "page")]
    {
        watched |= JOURNALS;
    }
    #[cfg(feature = "tracing")]
    {
        watched |= SPANS;
    }
    watched
};

static MODE: AtomicU8 = AtomicU8::new(UNKNOWN);

/// What is noted of one deferred beside its state.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) stacks: Option<Box<Stacks>>,
    #[cfg(feature = "inspect")]
    pub(crate) history: Option<crate::inspect::Noted>,
    #[cfg(all(feature = "inspect", feature = "tracing"))]
    pub(crate) in_span: crate::inspect::spans::InSpan,
}

/// The stacks of one deferred.
pub(crate) struct Stacks {
    made: Backtrace,
    fired: Option<Backtrace>,
}

/// Turns debug mode on, for deferreds made from now on.
///
/// # Examples
///
/// ```
/// use hereafter::{Deferred, debug};
/// debug::enable();
/// let (trigger, _d) = Deferred::<u32>::new();
/// let trigger = trigger.shared();
/// trigger.callback(1).unwrap();
/// let error = trigger.callback(2).unwrap_err();
/// assert!(error.to_string().contains("Deferred was created:"));
/// debug::disable();
/// ```
pub fn enable() {
    switch(STACKS, true);
}

/// Turns debug mode off.
///
/// # Examples
///
/// ```
/// use hereafter::debug;
/// debug::disable();
/// assert!(!debug::enabled());
/// ```
pub fn disable() {
    switch(STACKS, false);
}

/// Whether debug mode is on (Twisted's `getDebugging`).
///
/// # Examples
///
/// ```
/// hereafter::debug::enable();
/// assert!(hereafter::debug::enabled());
/// ```
#[inline]
pub fn enabled() -> bool {
    is_on(STACKS)
}

#[inline]
pub(crate) fn is_on(bit: u8) -> bool {
    notes_anything() && MODE.load(Ordering::Relaxed) & bit != 0
}

/// Whether anything at all is noted.
#[inline]
pub(crate) fn notes_anything() -> bool {
    match MODE.load(Ordering::Relaxed) {
        KNOWN => false,
        UNKNOWN => look_at_environment() != KNOWN,
        _ => true,
    }
}

/// Whether one of `bits` is on: for those who know a deferred, since the environment was looked at
/// when that was made.
#[inline]
pub(crate) fn is_any_on(bits: u8) -> bool {
    MODE.load(Ordering::Relaxed) & bits != 0
}

pub(crate) fn switch(bit: u8, on: bool) {
    // The environment comes first, and does not overrule this later.
    notes_anything();
    if on {
        MODE.fetch_or(bit, Ordering::Relaxed);
    } else {
        MODE.fetch_and(!bit, Ordering::Relaxed);
    }
}

#[cold]
fn look_at_environment() -> u8 {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| value == "1");
    #[allow(unused_mut, reason = "there is more to it with the feature `inspect`")]
    let mut mode = if is_set("HEREAFTER_DEBUG") { KNOWN | STACKS } else { KNOWN };
    #[cfg(feature = "inspect")]
    if is_set("HEREAFTER_INSPECT") {
        mode |= HISTORIES;
    }
    #[cfg(feature = "inspect")]
    if let Some(path) = std::env::var_os("HEREAFTER_TRACE")
        && crate::inspect::trace::begin_as_told(&path)
    {
        mode |= HISTORIES | TRACES;
    }
    MODE.fetch_or(mode, Ordering::Relaxed) | mode
}

/// The place in a cell for what is noted of it. While that is nothing, a cell pays for one look at it.
pub(crate) struct Notebook(Cell<Option<Box<Notes>>>);

impl Notebook {
    #[inline]
    pub(crate) fn new() -> Self {
        Self(Cell::new(if notes_anything() { begin() } else { None }))
    }

    /// Whether nothing is noted here.
    #[cfg(feature = "inspect")]
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        let notes = self.0.take();
        let none = notes.is_none();
        self.put(notes);
        none
    }

    /// Puts others in their place.
    #[cfg(feature = "inspect")]
    pub(crate) fn replace(&self, notes: Box<Notes>) -> Option<Box<Notes>> {
        self.0.replace(Some(notes))
    }

    /// Puts notes where there are none.
    #[inline]
    fn put(&self, notes: Option<Box<Notes>>) {
        // There is nothing to drop, and no need to find that out.
        core::mem::forget(self.0.replace(notes));
    }

    #[inline]
    pub(crate) fn with<R>(&self, look: impl FnOnce(Option<&mut Notes>) -> R) -> R {
        let mut notes = self.0.take();
        let seen = look(notes.as_deref_mut());
        self.put(notes);
        seen
    }
}

impl Drop for Notebook {
    #[inline]
    fn drop(&mut self) {
        if let Some(notes) = self.0.take() {
            put_away(notes);
        }
    }
}

/// The notes of a deferred that is being made, if it is to have any by then.
#[cold]
#[inline(never)]
fn begin() -> Option<Box<Notes>> {
    let stacks = || Stacks { made: Backtrace::force_capture(), fired: None };
    let stacks = is_any_on(STACKS).then(|| Box::new(stacks()))?;
    #[allow(clippy::needless_update, reason = "there is more in them with the feature `inspect`")]
    Some(Box::new(Notes { stacks: Some(stacks), ..Notes::default() }))
}

#[inline(never)]
fn put_away(notes: Box<Notes>) {
    #[cfg(feature = "inspect")]
    crate::inspect::put_away(notes);
    #[cfg(not(feature = "inspect"))]
    drop(notes);
}

/// Notes the first firing.
#[inline]
pub(crate) fn note_firing(cell: &CellRef) {
    if is_any_on(STACKS) {
        note_stack(cell);
    }
}

#[cold]
fn note_stack(cell: &CellRef) {
    cell.with_notes(|notes| {
        if let Some(stacks) = notes.and_then(|notes| notes.stacks.as_mut()) {
            stacks.fired.get_or_insert_with(Backtrace::force_capture);
        }
    });
}

/// What the stacks of a deferred say, in Twisted's words; and its story, if there is one.
#[cold]
pub(crate) fn history(cell: &CellRef) -> Option<String> {
    let stacks = cell.with_notes(|notes| {
        let stacks = notes?.stacks.as_ref()?;
        let mut text = format!("Deferred was created:\n{}", stacks.made);
        if let Some(fired) = &stacks.fired {
            // Writing to a `String` cannot fail.
            let _ = write!(text, "First Invoker was:\n{fired}");
        }
        Some(text)
    });
    #[cfg(feature = "inspect")]
    if let Some(story) = crate::inspect::story_if_noted(cell) {
        return Some(stacks.unwrap_or_default() + &story.to_string());
    }
    stacks
}
