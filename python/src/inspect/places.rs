//! Where something was done: places in the program's code, each of which has a number.
//!
//! A place is noted for each Deferred and for each link, and hardly one is ever told. So it is put into words when it
//! is first seen, and is a number from then on, which is found by the instruction that the program is at. Numbers can
//! be copied and dropped without running anybody's code, or keeping any.
//!
//! The code of what has a number is kept, since nothing else could lie where it lies then. A program that makes code
//! all the time has no other use for most of it: from time to time, what nobody else has is let go of.

use crate::names::name;
use crate::raw::{self, Attached, Instruction, Place, Slot};
use crate::twisted::{Twisted, twisted};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::rc::Rc;

/// A place, by its number; two in the same line have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Spot(NonZeroU32);

impl Spot {
    /// No Python code of the program's.
    pub(super) const NOWHERE: Self = Self(NonZeroU32::MIN);

    /// One more than there were numbers for.
    const ELSEWHERE: Self = Self(NonZeroU32::MAX);

    /// The number of the first that is in the list.
    const FIRST: usize = 2;

    /// That of the text with this index.
    fn of(index: usize) -> Self {
        let number = u32::try_from(index + Self::FIRST).ok().and_then(NonZeroU32::new);
        number.map_or(Self::ELSEWHERE, Self)
    }

    /// The place in words, as `file:line in function`; none where that was no Python code.
    pub(super) fn text(self, py: Python<'_>) -> Option<String> {
        if self == Self::ELSEWHERE {
            return Some("elsewhere".to_owned());
        }
        let index = (self.0.get() as usize).checked_sub(Self::FIRST)?;
        Some(PLACES.get(py).borrow().texts.get(index)?.to_string())
    }
}

/// How many different lines of code are told apart.
const MOST: usize = 1 << 16;

/// How many codes there are at least before some are let go of.
const MANY: usize = 1 << 10;

struct Places {
    texts: Vec<Rc<str>>,
    by_text: BTreeMap<Rc<str>, Spot>,
    /// By address.
    codes: BTreeMap<usize, Code>,
    /// With so many codes, it is time to see which are in use.
    full: usize,
}

/// Code of which places are known.
struct Code {
    code: Slot,
    spots: Vec<(Instruction, Spot)>,
}

/// Nothing of anybody else's is called, or let go of, while it is borrowed.
static PLACES: Attached<RefCell<Places>> = Attached::new(RefCell::new(Places {
    texts: Vec::new(),
    by_text: BTreeMap::new(),
    codes: BTreeMap::new(),
    full: MANY,
}));

/// Whose an instruction is, by the globals of its frame.
#[derive(Clone, Copy)]
enum Whose {
    /// Of what acts for us.
    Ours,
    Twisted(Spot),
    Program(Spot),
}

/// What was found out last: each where its instruction says. The code is kept by [`PLACES`].
static RECENT: Attached<[Cell<Recent>; 1 << RECENT_BITS]> =
    Attached::new([const { Cell::new(Recent::NONE) }; 1 << RECENT_BITS]);

const RECENT_BITS: u32 = 11;

#[derive(Clone, Copy)]
struct Recent {
    at: Instruction,
    whose: Whose,
}

impl Recent {
    const NONE: Self = Self { at: Instruction { code: 0, offset: 0 }, whose: Whose::Ours };

    /// Where that of an instruction lies.
    #[inline]
    fn cell(py: Python<'_>, at: Instruction) -> &Cell<Self> {
        /// That of Fibonacci hashing: spreads what lies close together.
        const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
        let hash = (at.code as u64).wrapping_add(at.offset.cast_unsigned().into());
        &RECENT.get(py)[(hash.wrapping_mul(SPREAD) >> (u64::BITS - RECENT_BITS)) as usize]
    }

    #[inline]
    fn whose(py: Python<'_>, at: Instruction) -> Option<Whose> {
        let recent = Self::cell(py, at).get();
        (recent.at == at).then_some(recent.whose)
    }
}

/// How many frames of Twisted's are looked at for one of the program's further out.
const FURTHER: usize = 5;

/// The place of the first that does not act for us; none if one is not known.
#[inline]
fn user(frames: impl Iterator<Item = Option<Whose>>) -> Option<Spot> {
    for whose in frames {
        match whose? {
            Whose::Ours => {}
            Whose::Twisted(spot) | Whose::Program(spot) => return Some(spot),
        }
    }
    None
}

/// The same of who makes a Deferred: Twisted itself only where none of the program's code has just called that, as it
/// calls `deferLater`.
#[inline]
fn maker(frames: impl Iterator<Item = Option<Whose>>) -> Option<Spot> {
    let (mut perhaps, mut looked_at) = (None, 0);
    for whose in frames {
        match whose? {
            Whose::Ours => {}
            Whose::Program(spot) => return Some(spot),
            Whose::Twisted(spot) => {
                perhaps.get_or_insert(spot);
                looked_at += 1;
                if looked_at == FURTHER {
                    break;
                }
            }
        }
    }
    perhaps
}

/// Where the program is, if that was asked before; runs no code, and drops nothing.
#[inline]
pub(crate) fn here_again(py: Python<'_>) -> Option<Spot> {
    user(raw::instructions(py).map(|at| Recent::whose(py, at)))
}

/// Where a Deferred is made, if that was asked before; runs no code, and drops nothing.
#[inline]
pub(super) fn made_again(py: Python<'_>) -> Option<Spot> {
    maker(raw::instructions(py).map(|at| Recent::whose(py, at)))
}

/// Where the program is; none if that is no Python code.
pub(super) fn here(py: Python<'_>) -> Option<Spot> {
    here_again(py).or_else(|| user(raw::frames(py).map(|frame| look(&frame))))
}

/// Where a Deferred is made.
pub(super) fn made_here(py: Python<'_>) -> Spot {
    let found = made_again(py).or_else(|| maker(raw::frames(py).map(|frame| look(&frame))));
    found.unwrap_or(Spot::NOWHERE)
}

/// Finds out whose the instruction is that a frame is at, and keeps that in mind.
fn look(frame: &Bound<'_, PyAny>) -> Option<Whose> {
    let py = frame.py();
    let (globals, place) = (raw::globals(frame)?, raw::place(frame).ok()?);
    let spot = number(py, &place);
    let is_ours = |names: &Twisted| names.globals.iter().any(|own| own.is(&globals));
    let whose = if twisted(py).is_ok_and(is_ours) {
        Whose::Ours
    } else if is_of_twisted(&globals) {
        Whose::Twisted(spot)
    } else {
        Whose::Program(spot)
    };
    let at = place.instruction();
    Recent::cell(py, at).set(Recent { at, whose });
    Some(whose)
}

/// Whether these are the globals of a module of Twisted's.
fn is_of_twisted(globals: &Bound<'_, PyAny>) -> bool {
    let Ok(globals) = globals.cast_exact::<PyDict>() else { return false };
    let name = globals.get_item(name!(globals.py(), __name__)).ok().flatten();
    let name = name.as_ref().and_then(|name| name.cast_exact::<PyString>().ok());
    name.is_some_and(|name| name.to_str().is_ok_and(|name| name.starts_with("twisted.")))
}

/// The number of a place.
fn number(py: Python<'_>, place: &Place) -> Spot {
    let at = place.instruction();
    let known = |places: &Places| {
        let spots = &places.codes.get(&at.code)?.spots;
        spots.iter().find(|(known, _)| *known == at).map(|(_, spot)| *spot)
    };
    let places = PLACES.get(py);
    let known = known(&places.borrow());
    known.unwrap_or_else(|| {
        let text = words(py, place);
        let code = Slot::of(place.code(py));
        let (spot, is_full) = places.borrow_mut().put(at, code, text);
        if is_full {
            let_go(py);
        }
        spot
    })
}

impl Places {
    /// Puts in a place that is not there; whether there are too many codes now.
    fn put(&mut self, at: Instruction, code: Slot, text: String) -> (Spot, bool) {
        let spot = match self.by_text.get(text.as_str()) {
            Some(spot) => *spot,
            None if self.texts.len() >= MOST => Spot::ELSEWHERE,
            None => {
                let (spot, text) = (Spot::of(self.texts.len()), Rc::<str>::from(text));
                self.texts.push(text.clone());
                self.by_text.insert(text, spot);
                spot
            }
        };
        let known = self.codes.entry(at.code).or_insert_with(|| Code { code, spots: Vec::new() });
        known.spots.push((at, spot));
        (spot, self.codes.len() >= self.full)
    }
}

/// Lets go of the code that nobody else has.
fn let_go(py: Python<'_>) {
    let mut unused = Vec::new();
    let mut places = PLACES.get(py).borrow_mut();
    places.codes.retain(|_, known| {
        // One reference is ours, and one that of who looks.
        let is_used = known.code.get(py).is_none_or(|code| raw::references(&code) > 2);
        if !is_used {
            unused.push(std::mem::take(&mut known.code));
        }
        is_used
    });
    places.full = MANY.max(places.codes.len() * 2);
    drop(places);
    for recent in RECENT.get(py) {
        recent.set(Recent::NONE);
    }
    // It may be waited for by anything, which finds all of it in order.
    drop(unused);
}

/// A place in words, as `file:line in function`; runs no code of anybody else's.
pub(super) fn words(py: Python<'_>, place: &Place) -> String {
    let code = place.code(py);
    let file = text(code.getattr(name!(py, co_filename)));
    let line = place.line(py);
    match text(code.getattr(name!(py, co_name))).as_str() {
        "<module>" => format!("{file}:{line}"),
        function => format!("{file}:{line} in {function}"),
    }
}

/// A name in code; a question mark if it cannot be had.
fn text(name: PyResult<Bound<'_, PyAny>>) -> String {
    let name = name.ok().and_then(|name| name.cast_into::<PyString>().ok());
    name.map_or_else(|| "?".to_owned(), |name| name.to_string_lossy().into_owned())
}
