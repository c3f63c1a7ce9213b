//! What a deferred holds when things went wrong.

use crate::errors::{AlreadyTaken, Message, Panicked};
use core::any::Any;
use core::fmt::{self, Write as _};
use core::panic::Location;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::borrow::Cow;
use std::error::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};
use triomphe::Arc;

/// An error on its way through deferreds (Twisted's `Failure`).
///
/// It holds the error itself, where it became a failure, and its *trail*: the callbacks that
/// failed with it and the errbacks it passed, as places in the source. In [debug
/// mode](crate::debug) it holds a backtrace too; the environment's `RUST_BACKTRACE` is not asked,
/// since failures are everyday values here, and a backtrace makes one a hundred times dearer.
/// Nothing of this costs anything as long as nothing fails.
///
/// Any error that is `Send + Sync + 'static` becomes one by `?` or `into()`. It is one pointer
/// wide, cheap to clone, `Send` and `Sync`; clones share error and trail. As `anyhow::Error` does,
/// it leaves [`Error`] itself out, so that the conversion can be for every error; see
/// [`error`](Failure::error).
///
/// # Examples
///
/// ```
/// use hereafter::Failure;
/// use std::num::ParseIntError;
///
/// fn parse(text: &str) -> Result<u32, Failure> {
///     Ok(text.parse::<u32>()?)
/// }
///
/// let failure = parse("x").unwrap_err();
/// assert_eq!(failure.to_string(), "invalid digit found in string");
/// assert!(failure.check::<ParseIntError>().is_some());
/// ```
#[derive(Clone)]
pub struct Failure(Arc<Inner>);

struct Inner {
    error: Box<dyn Error + Send + Sync>,
    type_name: &'static str,
    made: &'static Location<'static>,
    trail: Mutex<Trail>,
    backtrace: Backtrace,
}

/// How much [`Failure::traceback_with`] tells (Twisted's `detail`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detail {
    /// One line.
    Brief,
    /// The trail, the error and its sources, and the backtrace if there is one.
    #[default]
    Default,
    /// As the default, and the `Debug` form of each error.
    Verbose,
}

/// Places a failure went through: the first ones and the last one. The ones between are counted.
#[derive(Clone, Copy, Default)]
struct Trail {
    first: [Option<&'static Location<'static>>; TRAIL],
    last: Option<&'static Location<'static>>,
    total: usize,
}

/// How many places are kept from the start of a trail.
const TRAIL: usize = 5;

impl Trail {
    #[inline]
    fn push(&mut self, place: &'static Location<'static>) {
        if self.total < TRAIL {
            self.first[self.total] = Some(place);
        } else {
            self.last = Some(place);
        }
        self.total += 1;
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    #[track_caller]
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

impl From<Failure> for Box<dyn Error + Send + Sync> {
    /// The failure as an error that keeps its text and its sources.
    fn from(failure: Failure) -> Self {
        Box::new(Wrapped(failure))
    }
}

impl From<Failure> for Box<dyn Error> {
    fn from(failure: Failure) -> Self {
        Box::new(Wrapped(failure))
    }
}

/// A failure in the clothes of an error, for signatures that ask for one.
struct Wrapped(Failure);

impl fmt::Debug for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Error for Wrapped {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl Failure {
    /// A failure of `error`. `error.into()` and `?` do the same.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Failure;
    /// assert_eq!(Failure::new(std::fmt::Error).to_string(), std::fmt::Error.to_string());
    /// ```
    #[track_caller]
    pub fn new<E: Error + Send + Sync + 'static>(error: E) -> Self {
        Self::make(Box::new(error), core::any::type_name::<E>(), Location::caller())
    }

    /// A failure of an error whose type is not known.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Failure;
    /// let error: Box<dyn std::error::Error + Send + Sync> = "broken".into();
    /// assert_eq!(Failure::from_boxed(error).to_string(), "broken");
    /// ```
    #[track_caller]
    pub fn from_boxed(error: Box<dyn Error + Send + Sync>) -> Self {
        Self::make(error, "dyn Error", Location::caller())
    }

    /// A failure that is a text for people.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Failure;
    /// let line = 3;
    /// assert_eq!(Failure::msg(format!("no value in line {line}")).to_string(), "no value in line 3");
    /// ```
    #[track_caller]
    pub fn msg(text: impl Into<Cow<'static, str>>) -> Self {
        Self::make(Box::new(Message(text.into())), "Error", Location::caller())
    }

    /// A failure of a caught panic.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::{Failure, errors::Panicked};
    /// # std::panic::set_hook(Box::new(|_| {}));
    /// let panic = std::panic::catch_unwind(|| panic!("oh no")).unwrap_err();
    /// assert!(Failure::from_panic(panic).is::<Panicked>());
    /// ```
    #[track_caller]
    #[cold]
    pub fn from_panic(payload: Box<dyn Any + Send>) -> Self {
        Self::new(Panicked::new(payload))
    }

    /// A failure of our own making: `place` is where it began for the user.
    #[cold]
    pub(crate) fn made_at<E>(error: E, place: &'static Location<'static>) -> Self
    where
        E: Error + Send + Sync + 'static,
    {
        Self::make(Box::new(error), core::any::type_name::<E>(), place)
    }

    #[cold]
    pub(crate) fn already_taken() -> Self {
        Self::new(AlreadyTaken)
    }

    fn make(
        error: Box<dyn Error + Send + Sync>,
        type_name: &'static str,
        made: &'static Location<'static>,
    ) -> Self {
        let backtrace = if crate::debug::enabled() {
            Backtrace::force_capture()
        } else {
            Backtrace::disabled()
        };
        Self(Arc::new(Inner { error, type_name, made, trail: Mutex::default(), backtrace }))
    }

    /// The error.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Failure;
    /// let failure = Failure::msg("broken");
    /// assert_eq!(failure.error().to_string(), "broken");
    /// ```
    pub fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0.error
    }

    /// The name of the error's type (Twisted's `type`), for people.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Failure;
    /// assert_eq!(Failure::new(std::fmt::Error).type_name(), "core::fmt::Error");
    /// ```
    pub fn type_name(&self) -> &'static str {
        self.0.type_name
    }

    /// What caused the error, if it says so.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Failure;
    /// assert!(Failure::msg("broken").source().is_none());
    /// ```
    pub fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.error.source()
    }

    /// The error, if it is an `E` (Twisted's `check`).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Failure;
    /// let failure = Failure::new(std::fmt::Error);
    /// assert!(failure.check::<std::fmt::Error>().is_some());
    /// assert!(failure.check::<std::io::Error>().is_none());
    /// ```
    pub fn check<E: Error + 'static>(&self) -> Option<&E> {
        self.0.error.downcast_ref()
    }

    /// Whether the error is an `E`.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Failure;
    /// assert!(Failure::new(std::fmt::Error).is::<std::fmt::Error>());
    /// ```
    pub fn is<E: Error + 'static>(&self) -> bool {
        self.0.error.is::<E>()
    }

    /// The error if it is an `E`, else the failure itself as an `Err`, for `?` (Twisted's `trap`).
    ///
    /// # Errors
    ///
    /// The failure, when its error is not an `E`.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Deferred;
    /// use std::{io, num::ParseIntError};
    ///
    /// let d = Deferred::succeed("x")
    ///     .add_callback(|text| Ok(text.parse::<u32>()?))
    ///     .add_errback(|failure| { failure.trap::<io::Error>()?; Ok(1) }) // passed on
    ///     .add_errback(|failure| { failure.trap::<ParseIntError>()?; Ok(2) });
    /// assert_eq!(d.take_result().unwrap().unwrap(), 2);
    /// ```
    pub fn trap<E: Error + 'static>(&self) -> Result<&E, Failure> {
        self.check().ok_or_else(|| self.clone())
    }

    /// Which of several types the error is: its place in the tuple `E`.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Failure;
    /// use std::{fmt, io};
    /// let failure = Failure::new(fmt::Error);
    /// assert_eq!(failure.check_any::<(io::Error, fmt::Error)>(), Some(1));
    /// ```
    pub fn check_any<E: ErrorTypes>(&self) -> Option<usize> {
        E::position(self.error())
    }

    /// As [`trap`](Failure::trap), for several types: which of them it is.
    ///
    /// # Errors
    ///
    /// The failure, when its error is of none of the types.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Failure;
    /// use std::{fmt, io};
    /// let failure = Failure::msg("broken");
    /// assert!(failure.trap_any::<(io::Error, fmt::Error)>().is_err());
    /// ```
    pub fn trap_any<E: ErrorTypes>(&self) -> Result<usize, Failure> {
        self.check_any::<E>().ok_or_else(|| self.clone())
    }

    /// The error, or the first of its sources, that is an `E`.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::{Failure, errors::FirstError};
    /// let failure = Failure::new(FirstError { failure: Failure::new(std::fmt::Error), index: 0 });
    /// assert!(failure.find::<std::fmt::Error>().is_some());
    /// ```
    pub fn find<E: Error + 'static>(&self) -> Option<&E> {
        let mut next: Option<&(dyn Error + 'static)> = Some(self.error());
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            next = error.source();
        }
        None
    }

    /// Gives the failure back as an `Err` (Twisted's `raiseException`).
    ///
    /// # Errors
    ///
    /// Always: the failure.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Failure;
    /// let raised: Result<u32, Failure> = Failure::msg("broken").raise();
    /// assert!(raised.is_err());
    /// ```
    pub fn raise<T>(self) -> Result<T, Failure> {
        Err(self)
    }

    /// Where the error became a failure.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Failure;
    /// assert_eq!(Failure::msg("broken").made().line(), line!());
    /// ```
    pub fn made(&self) -> &'static Location<'static> {
        self.0.made
    }

    /// The places it went through: where each callback that failed with it, and each errback that
    /// passed it on, was added. Of a long trail, the first ones and the last.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::{Deferred, Failure};
    /// let d = Deferred::<u32>::fail(Failure::msg("broken")).add_errback(|failure| failure.raise());
    /// assert_eq!(d.take_result().unwrap().unwrap_err().trail().len(), 1);
    /// ```
    pub fn trail(&self) -> Vec<&'static Location<'static>> {
        let trail = *self.lock_trail();
        trail.first.iter().flatten().chain(&trail.last).copied().collect()
    }

    fn lock_trail(&self) -> MutexGuard<'_, Trail> {
        self.0.trail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a place to the trail.
    #[inline]
    pub(crate) fn passed(mut self, place: &'static Location<'static>) -> Self {
        // Unshared is the rule, and needs no lock.
        match Arc::get_mut(&mut self.0) {
            Some(inner) => {
                inner.trail.get_mut().unwrap_or_else(PoisonError::into_inner).push(place);
            }
            None => self.lock_trail().push(place),
        }
        self
    }

    /// The whole story as text (Twisted's `getTraceback`).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::Failure;
    /// let text = Failure::msg("broken").traceback();
    /// assert!(text.starts_with("Traceback (most recent last):\n  made at "));
    /// assert!(text.ends_with("Error: broken\n"));
    /// ```
    pub fn traceback(&self) -> String {
        self.traceback_with(Detail::Default)
    }

    /// The whole story as text, or less or more of it (`getTraceback(detail=...)`).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::{Detail, Failure};
    /// let text = Failure::msg("broken").traceback_with(Detail::Brief);
    /// assert_eq!(text, "Traceback: Error: broken\n");
    /// ```
    pub fn traceback_with(&self, detail: Detail) -> String {
        let mut text = String::new();
        // Writing to a `String` cannot fail.
        let _ = self.write_traceback(&mut text, detail);
        text
    }

    /// Writes [`traceback`](Failure::traceback) to stderr (Twisted's `printTraceback`).
    ///
    /// # Examples
    ///
    /// ```
    /// hereafter::Failure::msg("broken").print_traceback();
    /// ```
    pub fn print_traceback(&self) {
        eprint!("{}", self.traceback());
    }

    fn write_traceback(&self, out: &mut String, detail: Detail) -> fmt::Result {
        let name = short_type_name(self.type_name());
        if detail == Detail::Brief {
            return writeln!(out, "Traceback: {name}: {self}");
        }
        writeln!(out, "Traceback (most recent last):\n  made at {}", self.made())?;
        let trail = *self.lock_trail();
        for place in trail.first.iter().flatten() {
            writeln!(out, "  passed the link added at {place}")?;
        }
        if trail.total > TRAIL + 1 {
            writeln!(out, "  ... and {} more", trail.total - TRAIL - 1)?;
        }
        if let Some(place) = trail.last {
            writeln!(out, "  passed the link added at {place}")?;
        }
        if self.0.backtrace.status() == BacktraceStatus::Captured {
            write!(out, "{}", self.0.backtrace)?;
        }
        writeln!(out, "{name}: {self}")?;
        if detail == Detail::Verbose {
            writeln!(out, "  {:?}", self.error())?;
        }
        let mut source = self.source();
        while let Some(error) = source {
            writeln!(out, "caused by: {error}")?;
            if detail == Detail::Verbose {
                writeln!(out, "  {error:?}")?;
            }
            source = error.source();
        }
        Ok(())
    }
}

/// The last part of a type's path: `ParseIntError` of `core::num::error::ParseIntError`.
fn short_type_name(name: &'static str) -> &'static str {
    // A generic type's arguments have paths of their own.
    let end = name.find('<').unwrap_or(name.len());
    name[..end].rfind("::").map_or(name, |at| &name[at + 2..])
}

impl fmt::Display for Failure {
    /// The error's message (Twisted's `getErrorMessage`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.error, f)
    }
}

impl fmt::Debug for Failure {
    /// `<Failure ParseIntError: invalid digit ...>`, as Twisted's `repr`; the traceback with `{:#?}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            f.write_str(&self.traceback())
        } else {
            write!(f, "<Failure {}: {self}>", short_type_name(self.type_name()))
        }
    }
}

/// Types of errors to look for at once: a tuple of up to eight. See [`Failure::check_any`].
pub trait ErrorTypes {
    /// Which of the types the error is of.
    fn position(error: &(dyn Error + Send + Sync + 'static)) -> Option<usize>;
}

macro_rules! error_types {
    ($($name:ident)+) => {
        impl<$($name: Error + 'static),+> ErrorTypes for ($($name,)+) {
            fn position(error: &(dyn Error + Send + Sync + 'static)) -> Option<usize> {
                [$(error.is::<$name>()),+].iter().position(|is| *is)
            }
        }
    };
}

error_types!(A);
error_types!(A B);
error_types!(A B C);
error_types!(A B C D);
error_types!(A B C D E);
error_types!(A B C D E F);
error_types!(A B C D E F G);
error_types!(A B C D E F G H);
