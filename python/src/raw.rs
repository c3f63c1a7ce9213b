//! The unsafe room: what the rest of the crate needs from the interpreter and `PyO3` has no safe name for.
//!
//! # Why this is sound
//!
//! 1. [`Attached`] holds state that only a thread attached to the interpreter touches. Every safe way
//!    to it takes a [`Python`] token, and the module asks for the global interpreter lock, so that only
//!    one thread has a token at a time. A thread that detaches cannot carry a `&T` out, for `T` is not
//!    `Sync`, and `Python::detach` takes nothing that is not `Send`.
//! 2. [`Queue`] lends nothing: its methods move links in and out, and run no code of anybody else's.
//! 3. The calls below pass on pointers that live longer than the call, and turn each owned pointer
//!    into a `Bound` at once.

#![allow(unsafe_code)]

use pyo3::exceptions::{PyBaseException, PyTypeError};
use pyo3::impl_::trampoline;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};
use pyo3::{Borrowed, PyClass, PyTypeInfo, ffi};
use smallvec::SmallVec;
use std::cell::{Cell, UnsafeCell};
use std::collections::VecDeque;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// State that is touched by attached threads only.
pub(crate) struct Attached<T>(T);

// SAFETY: see rule 1 at the head of this module.
unsafe impl<T> Sync for Attached<T> {}
// SAFETY: see rule 1; the state is dropped by an attached thread, which is what frees objects.
unsafe impl<T> Send for Attached<T> {}

impl<T> Attached<T> {
    pub(crate) const fn new(state: T) -> Self {
        Self(state)
    }

    #[inline]
    pub(crate) fn get(&self, _attached: Python<'_>) -> &T {
        &self.0
    }

    /// For the cycle collector, which has no token to show, but holds the lock.
    pub(crate) fn in_collector(&self) -> &T {
        &self.0
    }
}

/// A place for an object, or for none.
pub(crate) struct Slot<T = PyAny>(Cell<Option<Py<T>>>);

impl<T> Default for Slot<T> {
    #[inline]
    fn default() -> Self {
        Self(Cell::new(None))
    }
}

impl<T> Slot<T> {
    /// The place of this object.
    #[inline]
    pub(crate) fn of(object: Bound<'_, T>) -> Self {
        Self(Cell::new(Some(object.unbind())))
    }

    #[inline]
    pub(crate) fn get<'py>(&self, py: Python<'py>) -> Option<Bound<'py, T>> {
        // SAFETY: nothing else has a reference into the cell while this one lives.
        unsafe { (*self.0.as_ptr()).as_ref().map(|object| object.bind(py).clone()) }
    }

    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        // SAFETY: as above.
        unsafe { (*self.0.as_ptr()).is_some() }
    }

    /// The object's address and type, to compare and test only.
    #[inline]
    pub(crate) fn peek(&self) -> Option<(*mut ffi::PyObject, *mut ffi::PyTypeObject)> {
        // SAFETY: as above; an object in the slot is alive, and so has a type.
        unsafe {
            (*self.0.as_ptr())
                .as_ref()
                .map(|object| (object.as_ptr(), ffi::Py_TYPE(object.as_ptr())))
        }
    }

    /// Puts another object in place; the former is dropped when the place is in order again.
    #[inline]
    pub(crate) fn set(&self, object: Option<Bound<'_, T>>) {
        if let Some(former) = self.0.replace(object.map(Bound::unbind)) {
            release(former);
        }
    }

    #[inline]
    pub(crate) fn take(&self) -> Option<Py<T>> {
        self.0.take()
    }

    pub(crate) fn visit(&self, visit: &pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        // SAFETY: the visitor runs none of our code.
        unsafe { (*self.0.as_ptr()).as_ref().map_or(Ok(()), |object| visit.call(object)) }
    }
}

impl<T> Drop for Slot<T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(object) = self.take() {
            release(object);
        }
    }
}

/// Drops an object without a look at whether this thread may, which `PyO3` takes at every drop.
#[inline]
pub(crate) fn release<T>(object: Py<T>) {
    // SAFETY: rule 1: whoever holds the state that it comes from is attached.
    drop(object.into_bound(unsafe { Python::assume_attached() }));
}

/// A queue whose first few items lie in place.
///
/// Those in place come first: `head..end` of them are there. Once they have been too many, all that
/// are added go to `more`, until the queue is empty again.
#[allow(clippy::box_collection, reason = "one pointer is enough for what is hardly ever there")]
pub(crate) struct Queue<T, const N: usize> {
    place: UnsafeCell<[MaybeUninit<T>; N]>,
    head: Cell<u32>,
    end: Cell<u32>,
    more: UnsafeCell<Option<Box<VecDeque<T>>>>,
}

impl<T, const N: usize> Default for Queue<T, N> {
    #[inline]
    fn default() -> Self {
        Self {
            place: UnsafeCell::new([const { MaybeUninit::uninit() }; N]),
            head: Cell::new(0),
            end: Cell::new(0),
            more: UnsafeCell::new(None),
        }
    }
}

impl<T, const N: usize> Queue<T, N> {
    #[inline]
    pub(crate) fn push(&self, item: T) {
        let end = self.end.get();
        // SAFETY: rule 2: the borrows end with this call, which runs no other code.
        unsafe {
            if (*self.more.get()).is_none()
                && let Some(place) = (*self.place.get()).get_mut(end as usize)
            {
                place.write(item);
                self.end.set(end + 1);
                return;
            }
        }
        self.more(|more| more.push_back(item));
    }

    #[inline]
    pub(crate) fn pop(&self) -> Option<T> {
        let head = self.head.get();
        if head == self.end.get() {
            // SAFETY: rule 2.
            return if unsafe { (*self.more.get()).is_some() } { self.pop_more() } else { None };
        }
        if head + 1 == self.end.get() {
            self.head.set(0);
            self.end.set(0);
        } else {
            self.head.set(head + 1);
        }
        // SAFETY: rule 2; what lies before the end was written, and what lies before the head is left alone.
        Some(unsafe { (&(*self.place.get()))[head as usize].assume_init_read() })
    }

    #[cold]
    #[inline(never)]
    fn pop_more(&self) -> Option<T> {
        // SAFETY: rule 2.
        let place = unsafe { &mut *self.more.get() };
        let more = place.as_mut()?;
        let item = more.pop_front();
        if more.is_empty() {
            *place = None;
        }
        item
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        // SAFETY: rule 2. Where there is more, it is not empty.
        self.head.get() == self.end.get() && unsafe { (*self.more.get()).is_none() }
    }

    /// Puts an item before all others.
    pub(crate) fn push_front(&self, item: T) {
        if let Some(before) = self.head.get().checked_sub(1) {
            // SAFETY: rule 2; what lies there has been taken out.
            unsafe { (&mut (*self.place.get()))[before as usize].write(item) };
            self.head.set(before);
            return;
        }
        if self.is_empty() {
            return self.push(item);
        }
        let all = self.take();
        self.push(item);
        for item in all {
            self.push(item);
        }
    }

    /// Takes all items out.
    pub(crate) fn take(&self) -> VecDeque<T> {
        std::iter::from_fn(|| self.pop()).collect()
    }

    #[cold]
    fn more(&self, add: impl FnOnce(&mut VecDeque<T>)) {
        // SAFETY: rule 2: the callers are in this module, and add what they have at hand.
        add(unsafe { &mut *self.more.get() }.get_or_insert_default());
    }

    /// Looks at each item; `look` must not touch the queue.
    pub(crate) fn each<E>(&self, mut look: impl FnMut(&T) -> Result<(), E>) -> Result<(), E> {
        // SAFETY: the callers in this crate collect or visit, which runs no code that could reach the
        // queue. What lies between head and end was written.
        unsafe {
            for place in &(&(*self.place.get()))[self.head.get() as usize..self.end.get() as usize]
            {
                look(place.assume_init_ref())?;
            }
            (*self.more.get()).iter().flat_map(|more| more.iter()).try_for_each(look)
        }
    }
}

impl<T, const N: usize> Drop for Queue<T, N> {
    #[inline]
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}

#[inline]
fn owned(py: Python<'_>, pointer: *mut ffi::PyObject) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: every caller hands in what a call of the interpreter has just returned as owned.
    unsafe { Bound::from_owned_ptr_or_err(py, pointer) }
}

/// The exception that a call raised, and its traceback.
pub(crate) struct Raised<'py> {
    pub(crate) value: Bound<'py, PyAny>,
    pub(crate) traceback: Option<Bound<'py, PyAny>>,
}

impl<'py> Raised<'py> {
    /// The same of an error that went through `PyErr`.
    pub(crate) fn from_error(py: Python<'py>, error: PyErr) -> Self {
        let traceback = error.traceback(py).map(Bound::into_any);
        Self { value: error.into_value(py).into_bound(py).into_any(), traceback }
    }

    /// Takes what the interpreter has noted.
    #[cfg(Py_3_12)]
    fn take(py: Python<'py>) -> Self {
        // SAFETY: rule 3: what is fetched is owned by us, and is an exception.
        match unsafe { Bound::from_owned_ptr_or_opt(py, ffi::PyErr_GetRaisedException()) } {
            Some(value) => {
                // SAFETY: rule 3.
                let traceback = unsafe {
                    Bound::from_owned_ptr_or_opt(py, ffi::PyException_GetTraceback(value.as_ptr()))
                };
                Self { value, traceback }
            }
            None => Self::nothing(py),
        }
    }

    /// Takes what the interpreter has noted.
    #[cfg(not(Py_3_12))]
    fn take(py: Python<'py>) -> Self {
        let (mut kind, mut value, mut traceback) =
            (std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: rule 3: what is fetched is owned by us, the value is an exception once it is normal.
        unsafe {
            ffi::PyErr_Fetch(&raw mut kind, &raw mut value, &raw mut traceback);
            ffi::PyErr_NormalizeException(&raw mut kind, &raw mut value, &raw mut traceback);
            drop(Bound::from_owned_ptr_or_opt(py, kind));
            let traceback = Bound::from_owned_ptr_or_opt(py, traceback);
            match Bound::from_owned_ptr_or_opt(py, value) {
                Some(value) => {
                    if let Some(traceback) = &traceback {
                        ffi::PyException_SetTraceback(value.as_ptr(), traceback.as_ptr());
                    }
                    Self { value, traceback }
                }
                None => Self::nothing(py),
            }
        }
    }

    /// What is raised for a call that failed without an exception.
    #[cold]
    fn nothing(py: Python<'py>) -> Self {
        let text = "a call failed and noted no exception";
        Self::from_error(py, pyo3::exceptions::PySystemError::new_err(text))
    }
}

/// How much of the machine's stack must be left for Python code to be run: how deep it goes cannot be told.
const STACK_RESERVE: usize = 128 * 1024;

std::thread_local! {
    /// Where this thread's stack ends, and from where on nothing is to be called; not known at first.
    static STACK: Cell<(usize, usize)> = const { Cell::new((0, usize::MAX)) };
}

/// Refuses to go deeper when the machine's stack is nearly used up, which no recursion limit knows of.
#[inline]
pub(crate) fn room_on_the_stack() -> PyResult<()> {
    let mark = 0_u8;
    let here = (&raw const mark).addr();
    if here > STACK.get().1 { Ok(()) } else { look_at_the_stack(here) }
}

#[cold]
fn look_at_the_stack(here: usize) -> PyResult<()> {
    if STACK.get().1 == usize::MAX {
        let left = stacker::remaining_stack().unwrap_or(here);
        let end = here.saturating_sub(left);
        // A thread may have been given less than the whole reserve.
        STACK.set((end, end.saturating_add(STACK_RESERVE.min(left / 4))));
    }
    let (end, floor) = STACK.get();
    // What is beyond the end is another stack, of which nothing is known.
    if here > floor || here < end {
        return Ok(());
    }
    Err(pyo3::exceptions::PyRecursionError::new_err(
        "Deferreds are nested too deeply for the stack of this thread",
    ))
}

/// Runs `inside` as an `except` clause that handles this exception would.
pub(crate) fn handling<'py, R>(
    value: &Bound<'py, PyAny>,
    traceback: Option<&Bound<'py, PyAny>>,
    inside: impl FnOnce() -> R,
) -> R {
    /// What was handled before; handled again, also when `inside` unwinds.
    struct Former([*mut ffi::PyObject; 3]);
    impl Drop for Former {
        fn drop(&mut self) {
            let [kind, value, traceback] = self.0;
            // SAFETY: attached, as the caller of the function is; it takes over what was lent to us.
            unsafe { ffi::PyErr_SetExcInfo(kind, value, traceback) };
        }
    }
    let mut former = Former([std::ptr::null_mut(); 3]);
    let [kind, old, trace] = &mut former.0;
    // SAFETY: rule 3; what is set is given away, and what is got is owned until it is set again.
    unsafe {
        ffi::PyErr_GetExcInfo(kind, old, trace);
        ffi::PyErr_SetExcInfo(
            value.get_type().into_ptr(),
            value.clone().into_ptr(),
            traceback.map_or(std::ptr::null_mut(), |traceback| traceback.clone().into_ptr()),
        );
    }
    inside()
}

/// What a call of Python code came to.
pub(crate) type Called<'py> = Result<Bound<'py, PyAny>, Raised<'py>>;

#[inline]
fn called(py: Python<'_>, pointer: *mut ffi::PyObject) -> Called<'_> {
    // SAFETY: as in `owned`.
    unsafe { Bound::from_owned_ptr_or_opt(py, pointer) }.ok_or_else(|| Raised::take(py))
}

/// Calls `function` with one argument.
#[inline]
pub(crate) fn call_one<'py>(
    function: &Bound<'py, PyAny>,
    argument: &Bound<'py, PyAny>,
) -> Called<'py> {
    room_on_the_stack().map_err(|error| Raised::from_error(function.py(), error))?;
    let mut room = [std::ptr::null_mut(), argument.as_ptr()];
    // SAFETY: rule 3; the place before the arguments is ours to lend, as the offset flag says.
    let result = unsafe {
        ffi::PyObject_Vectorcall(
            function.as_ptr(),
            room.as_mut_ptr().add(1),
            1 | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET,
            std::ptr::null_mut(),
        )
    };
    called(function.py(), result)
}

/// A callable, and what it is given beside the result, laid out as the interpreter wants it for a call.
pub(crate) struct Call {
    pub(crate) function: Py<PyAny>,
    /// The names of those that have one, which come last.
    names: Option<Py<PyTuple>>,
    /// A place that what is called may use, the place of the result, and what is given beside it.
    room: SmallVec<[Option<Py<PyAny>>; 4]>,
}

impl Call {
    /// How many places come before what is given beside the result.
    const BEFORE: usize = 2;

    fn with(
        function: Py<PyAny>,
        names: Option<Py<PyTuple>>,
        given: impl Iterator<Item = Py<PyAny>>,
    ) -> Self {
        let mut room = SmallVec::from_buf_and_len([const { None }; 4], Self::BEFORE);
        room.extend(given.map(Some));
        Self { function, names, room }
    }

    /// A call of the first of these with all others beside the result.
    pub(crate) fn of_first(arguments: &Arguments<'_, '_>) -> Self {
        let all = arguments.len() + arguments.named();
        Self::with(
            arguments.get(0).unbind(),
            arguments.names().map(Bound::unbind),
            (1..all).map(|index| arguments.get(index).unbind()),
        )
    }

    pub(crate) fn new(
        function: Bound<'_, PyAny>,
        arguments: Vec<Bound<'_, PyAny>>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let arguments = arguments.into_iter().map(Bound::unbind);
        let Some(keywords) = keywords.filter(|keywords| !keywords.is_empty()) else {
            return Ok(Self::with(function.unbind(), None, arguments));
        };
        let names = keywords.keys().to_tuple();
        if names.iter_borrowed().any(|name| !name.is_instance_of::<PyString>()) {
            return Err(PyTypeError::new_err("keywords must be strings"));
        }
        let given = arguments.chain(keywords.values().into_iter().map(Bound::unbind));
        Ok(Self::with(function.unbind(), Some(names.unbind()), given))
    }

    /// Whether nothing is given beside the result.
    pub(crate) fn is_bare(&self) -> bool {
        self.room.len() == Self::BEFORE
    }

    /// Hands out all that it holds.
    pub(crate) fn take_apart(self, take: impl FnMut(Py<PyAny>)) {
        let names = self.names.map(Py::into_any);
        self.room.into_iter().flatten().chain(names).chain([self.function]).for_each(take);
    }

    /// Calls it with the result first.
    pub(crate) fn call<'py>(&mut self, result: &Bound<'py, PyAny>) -> Called<'py> {
        let py = result.py();
        room_on_the_stack().map_err(|error| Raised::from_error(py, error))?;
        self.room[Self::BEFORE - 1] = Some(result.clone().unbind());
        let names = self.names.as_ref().map(|names| names.bind(py));
        let count = self.room.len() - 1 - names.map_or(0, PyTupleMethods::len);
        // SAFETY: as in `call_one`. A `Py` is a pointer to an object, and where there is none it is null; nobody
        // else has the room, and what is called leaves it as it was.
        let called = unsafe {
            ffi::PyObject_Vectorcall(
                self.function.as_ptr(),
                self.room.as_mut_ptr().add(1).cast(),
                count | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET,
                names.map_or(std::ptr::null_mut(), Bound::as_ptr),
            )
        };
        self::called(py, called)
    }

    fn given<'a, 'py>(&'a self, py: Python<'py>) -> impl Iterator<Item = Bound<'py, PyAny>> + 'a
    where
        'py: 'a,
    {
        self.room[Self::BEFORE..].iter().flatten().map(move |given| given.bind(py).clone())
    }

    /// What is given beside the result without a name.
    pub(crate) fn arguments<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let named = self.names.as_ref().map_or(0, |names| names.bind(py).len());
        let given: Vec<_> = self.given(py).collect();
        PyTuple::new(py, &given[..given.len() - named])
    }

    /// What is given by name.
    pub(crate) fn keywords<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let keywords = PyDict::new(py);
        if let Some(names) = self.names.as_ref().map(|names| names.bind(py)) {
            let given: Vec<_> = self.given(py).collect();
            let values = &given[given.len() - names.len()..];
            for (name, value) in names.iter().zip(values) {
                keywords.set_item(name, value)?;
            }
        }
        Ok(keywords)
    }

    /// The same call once more; runs no code of anybody else's.
    pub(crate) fn copy(&self, py: Python<'_>) -> Self {
        let names = self.names.as_ref().map(|names| names.clone_ref(py));
        Self::with(self.function.clone_ref(py), names, self.given(py).map(Bound::unbind))
    }

    pub(crate) fn visit(&self, visit: &pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        visit.call(&self.function)?;
        visit.call(&self.names)?;
        self.room.iter().flatten().try_for_each(|object| visit.call(object))
    }
}

/// What a generator or coroutine did when it was sent something.
pub(crate) enum Sent<'py> {
    Yielded(Bound<'py, PyAny>),
    Returned(Bound<'py, PyAny>),
    Raised(PyErr),
}

/// Sends `value` into `generator`.
#[inline]
pub(crate) fn send<'py>(generator: &Bound<'py, PyAny>, value: &Bound<'py, PyAny>) -> Sent<'py> {
    let py = generator.py();
    let mut result = std::ptr::null_mut();
    // SAFETY: rule 3; `result` is owned by us for all but the error.
    let how = unsafe { ffi::PyIter_Send(generator.as_ptr(), value.as_ptr(), &raw mut result) };
    match (how, owned(py, result)) {
        (ffi::PySendResult::PYGEN_NEXT, Ok(yielded)) => Sent::Yielded(yielded),
        (ffi::PySendResult::PYGEN_RETURN, Ok(returned)) => Sent::Returned(returned),
        (_, Err(error)) => Sent::Raised(error),
        (_, Ok(_)) => Sent::Raised(PyErr::fetch(py)),
    }
}

/// A class whose objects can be awaited.
pub(crate) trait Awaits: PyClass {
    /// What `__await__` gives, and a coroutine sends to until it returns.
    type Awaiter: Known;

    fn awaiter(slf: &Bound<'_, Self>) -> Self::Awaiter;

    /// Goes on if that raises nothing; it must do no more than [`Fast::quick`] may.
    fn go_on<'py>(awaiter: &Bound<'py, Self::Awaiter>) -> Option<Sent<'py>>;
}

/// Puts in the short ways of awaiting, for which `PyO3` has no names.
///
/// What awaits must raise in `__next__` where it does not go on by itself.
/// To be told that a wait is over by a returned value takes a tenth of what it takes by an exception.
pub(crate) fn await_by<T: Awaits>(py: Python<'_>) {
    unsafe extern "C" fn begin<T: Awaits>(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
        // SAFETY: the interpreter awaits objects of this class, or of one that derives from it, from an
        // attached thread.
        unsafe {
            let py = Python::assume_attached();
            let object = Borrowed::from_ptr(py, object).cast_unchecked::<T>();
            match Layout::make(py, T::awaiter(&object)) {
                Some(awaiter) => awaiter.into_ptr(),
                None => ffi::PyErr_NoMemory(),
            }
        }
    }
    unsafe extern "C" fn go_on<T: Awaits>(
        awaiter: *mut ffi::PyObject,
        _sent: *mut ffi::PyObject,
        result: *mut *mut ffi::PyObject,
    ) -> ffi::PySendResult {
        // SAFETY: as above; nothing derives from an awaiter's class. Where to put the result is lent to us.
        unsafe {
            let py = Python::assume_attached();
            let own = Borrowed::from_ptr(py, awaiter).cast_unchecked::<T::Awaiter>();
            let (how, object) = match T::go_on(&own) {
                Some(Sent::Yielded(object)) => (ffi::PySendResult::PYGEN_NEXT, object.into_ptr()),
                Some(Sent::Returned(object)) => {
                    (ffi::PySendResult::PYGEN_RETURN, object.into_ptr())
                }
                Some(Sent::Raised(_)) | None => {
                    let object = (*ffi::Py_TYPE(awaiter))
                        .tp_iternext
                        .map_or(std::ptr::null_mut(), |next| next(awaiter));
                    if object.is_null() {
                        (ffi::PySendResult::PYGEN_ERROR, object)
                    } else {
                        (ffi::PySendResult::PYGEN_NEXT, object)
                    }
                }
            };
            result.write(object);
            how
        }
    }
    if T::Awaiter::layout().0.get().is_none() {
        return;
    }
    // SAFETY: the classes are alive, and the interpreter has room for these in each class made at run time.
    unsafe {
        let slots = (*T::type_object_raw(py)).tp_as_async;
        (*slots).am_await = Some(begin::<T>);
        let slots = (*T::Awaiter::type_object_raw(py)).tp_as_async;
        (*slots).am_send = Some(go_on::<T>);
    }
}

/// Runs `inside`, which runs a frame of Python code, so that this frame and the call of the native function
/// that does no more than run it count as one towards the recursion limit; and with them the call of the
/// Python function that does no more than call that, if it is a `WRAPPED` one.
///
/// On `CPython` 3.12 and 3.13 calls of Python functions are counted apart, and [`call_by`] spares that one;
/// what native code calls has a lower limit there, and each frame that it runs counts as two. Later versions
/// look at the stack instead.
pub(crate) fn as_one_call<const WRAPPED: bool, R>(
    _attached: Python<'_>,
    inside: impl FnOnce() -> R,
) -> R {
    /// How many calls have been counted; from 3.11 on the interpreter makes native calls without.
    const fn counted(wrapped: bool) -> usize {
        if cfg!(Py_3_14) {
            0
        } else if cfg!(Py_3_12) {
            2
        } else {
            wrapped as usize + !cfg!(Py_3_11) as usize
        }
    }
    /// Counts the calls again, also when `inside` unwinds.
    struct Again<const WRAPPED: bool>;
    impl<const WRAPPED: bool> Drop for Again<WRAPPED> {
        fn drop(&mut self) {
            for _ in 0..counted(WRAPPED) {
                // SAFETY: attached; it cannot fail, for there is the room that was made below.
                unsafe { ffi::Py_EnterRecursiveCall(c"".as_ptr()) };
            }
        }
    }
    for _ in 0..counted(WRAPPED) {
        // SAFETY: these calls, or what called them, are counted until they return.
        unsafe { ffi::Py_LeaveRecursiveCall() };
    }
    let _again = Again::<WRAPPED>;
    inside()
}

/// Has a Python function be called by `F`, which is to do what the function does, without a frame of its own.
///
/// Does nothing before `CPython` 3.12, which runs the function's code whatever it is told.
pub(crate) fn call_by<F: Fast>(function: &Bound<'_, PyAny>) {
    #[cfg(Py_3_12)]
    {
        // SAFETY: declared as in the interpreter's own header.
        unsafe extern "C" {
            fn PyFunction_SetVectorcall(function: *mut ffi::PyObject, call: ffi::vectorcallfunc);
        }
        // SAFETY: the first is a function, as was just checked.
        unsafe {
            if ffi::PyFunction_Check(function.as_ptr()) != 0 {
                PyFunction_SetVectorcall(function.as_ptr(), vectorcall::<F>());
            }
        }
    }
    #[cfg(not(Py_3_12))]
    let _ = (function, std::marker::PhantomData::<F>);
}

/// What the first of the variables that a Python function closes over holds.
pub(crate) fn first_closed_over<'py>(function: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    // SAFETY: what is checked to be a function has a tuple of cells or nothing; the cell's value is owned by us.
    unsafe {
        if ffi::PyFunction_Check(function.as_ptr()) == 0 {
            return None;
        }
        let cells = ffi::PyFunction_GetClosure(function.as_ptr());
        if cells.is_null() || ffi::PyTuple_GET_SIZE(cells) == 0 {
            return None;
        }
        let value = ffi::PyCell_Get(ffi::PyTuple_GET_ITEM(cells, 0));
        Bound::from_owned_ptr_or_opt(function.py(), value)
    }
}

/// A copy of the current context.
#[inline]
pub(crate) fn copy_context(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: rule 3.
    owned(py, unsafe { ffi::PyContext_CopyCurrent() })
}

/// Runs `inside` in `context`.
#[inline]
pub(crate) fn in_context<R>(context: &Bound<'_, PyAny>, inside: impl FnOnce() -> R) -> PyResult<R> {
    let py = context.py();
    // SAFETY: the object is one that `copy_context` made.
    if unsafe { ffi::PyContext_Enter(context.as_ptr()) } != 0 {
        return Err(PyErr::fetch(py));
    }
    let result = inside();
    // SAFETY: as above.
    if unsafe { ffi::PyContext_Exit(context.as_ptr()) } != 0 {
        return Err(PyErr::fetch(py));
    }
    Ok(result)
}

/// Whether `kind` is `of`, or a class that derives from it.
#[inline]
pub(crate) fn derives(kind: *mut ffi::PyTypeObject, of: *mut ffi::PyTypeObject) -> bool {
    // SAFETY: callers pass the types of living objects.
    kind == of || unsafe { ffi::PyType_IsSubtype(kind, of) != 0 }
}

/// The object as one of this class, if it is one.
#[inline]
pub(crate) fn as_instance<'a, 'py, T: PyClass>(
    object: &'a Bound<'py, PyAny>,
) -> Option<&'a Bound<'py, T>> {
    // SAFETY: the class is what was just asked for.
    derives(object.get_type_ptr(), T::type_object_raw(object.py()))
        .then(|| unsafe { object.cast_unchecked() })
}

/// Whether `kind` was made at run time, as ours and all that derive from them are; most classes of results are not.
#[inline]
pub(crate) fn is_heap_class(kind: *mut ffi::PyTypeObject) -> bool {
    // SAFETY: callers pass the types of living objects.
    unsafe { ffi::PyType_HasFeature(kind, ffi::Py_TPFLAGS_HEAPTYPE) != 0 }
}

/// Whether `kind` is a class of exceptions, as failures are.
#[inline]
pub(crate) fn is_exception_class(kind: *mut ffi::PyTypeObject) -> bool {
    // SAFETY: callers pass the types of living objects.
    unsafe { ffi::PyType_HasFeature(kind, ffi::Py_TPFLAGS_BASE_EXC_SUBCLASS) != 0 }
}

/// Whether objects of this class can be awaited.
pub(crate) fn can_be_awaited(kind: *mut ffi::PyTypeObject) -> bool {
    // SAFETY: callers pass the types of living objects.
    unsafe {
        let slots = (*kind).tp_as_async;
        !slots.is_null() && (*slots).am_await.is_some()
    }
}

/// The class that this is.
pub(crate) fn class(py: Python<'_>, kind: *mut ffi::PyTypeObject) -> Bound<'_, PyType> {
    // SAFETY: callers pass the types of living objects.
    unsafe { Bound::from_borrowed_ptr(py, kind.cast()).cast_into_unchecked() }
}

/// A number that changes whenever the class or one of its bases is changed; 0 if there is none.
#[inline]
fn version(kind: *mut ffi::PyTypeObject) -> u32 {
    // SAFETY: callers pass the types of living objects.
    unsafe {
        // Up to 3.11 a change leaves the number as it is, and only takes its flag away. From 3.12 on it
        // takes the number, and from 3.13 on the flag means nothing any more.
        if cfg!(Py_3_12) || ffi::PyType_HasFeature(kind, ffi::Py_TPFLAGS_VALID_VERSION_TAG) != 0 {
            (*kind).tp_version_tag
        } else {
            0
        }
    }
}

/// Remembers what was found out about classes, for as long as they are not changed.
///
/// The number that the interpreter gives to each state of each class it gives to no other; so what was
/// found out is kept by the number alone, and it does not matter if the class is gone.
pub(crate) struct Watch([AtomicU64; 64]);

impl Watch {
    pub(crate) const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; 64])
    }

    /// What `look` finds out about the class, in a few bits; it is asked again only after a change.
    #[inline]
    pub(crate) fn of(&self, kind: *mut ffi::PyTypeObject, look: impl FnOnce() -> u8) -> u8 {
        let now = version(kind);
        let [kept, number @ ..] = self.0[now as usize % 64].load(Ordering::Relaxed).to_le_bytes();
        if now != 0 && number[..4] == now.to_le_bytes() { kept } else { self.look(kind, look) }
    }

    #[cold]
    #[inline(never)]
    fn look(&self, kind: *mut ffi::PyTypeObject, look: impl FnOnce() -> u8) -> u8 {
        let found = look();
        // To look gives a number to a class that had none.
        let now = version(kind);
        let kept = u64::from(now) << 8 | u64::from(found);
        self.0[now as usize % 64].store(kept, Ordering::Relaxed);
        found
    }
}

/// Whether attributes of its own were ever set on `object`.
#[inline]
pub(crate) fn has_attributes(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: a positive offset lies within the object; the place holds a dictionary or nothing.
    unsafe {
        let offset = (*ffi::Py_TYPE(object.as_ptr())).tp_dictoffset;
        if offset <= 0 {
            return true;
        }
        let dictionary = *object.as_ptr().byte_offset(offset).cast::<*mut ffi::PyObject>();
        !dictionary.is_null() && ffi::PyDict_Size(dictionary) != 0
    }
}

/// The traceback of an exception.
pub(crate) fn traceback<'py>(exception: &Bound<'py, PyBaseException>) -> Option<Bound<'py, PyAny>> {
    // SAFETY: rule 3.
    unsafe {
        let traceback = ffi::PyException_GetTraceback(exception.as_ptr());
        Bound::from_owned_ptr_or_opt(exception.py(), traceback)
    }
}

/// An exception of this class without arguments.
pub(crate) fn exception<'py>(class: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyBaseException>> {
    let address = |init: Option<ffi::initproc>| init.map_or(0, |init| init as usize);
    // SAFETY: classes are alive, and so is the exception class of the interpreter's.
    let plain = unsafe {
        let ordinary = ffi::PyExc_Exception.cast::<ffi::PyTypeObject>();
        address((*class.as_type_ptr()).tp_init) == address((*ordinary).tp_init)
    };
    // What the interpreter's own initialisation does has been done by then.
    let made = if plain { bare(class)? } else { class.call0()? };
    Ok(made.cast_into()?)
}

/// What a class's `__new__` makes without arguments.
fn bare<'py>(class: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyAny>> {
    let py = class.py();
    let none = PyTuple::empty(py);
    let kind = class.as_type_ptr();
    // SAFETY: a class that somebody holds is alive; what is made is owned by us.
    unsafe {
        match (*kind).tp_new {
            Some(new) => owned(py, new(kind, none.as_ptr(), std::ptr::null_mut())),
            None => Err(PyTypeError::new_err("a class that cannot be instantiated")),
        }
    }
}

/// A bare instance of an exception class whose `__new__` is that of `BaseException`, with these attributes.
pub(crate) fn new_exception<'py>(
    class: &Bound<'py, PyType>,
    attributes: Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    let made = bare(class)?;
    // SAFETY: an instance of an exception class begins as `PyBaseExceptionObject`.
    unsafe {
        let head = made.as_ptr().cast::<ffi::PyBaseExceptionObject>();
        let former = std::mem::replace(&mut (*head).dict, attributes.into_ptr());
        ffi::Py_XDECREF(former);
    }
    Ok(made)
}

/// How objects of a class are laid out, once that is known.
pub(crate) struct Layout(OnceLock<Learnt>);

struct Learnt {
    /// Where the value lies in an object.
    offset: usize,
    init: Option<ffi::initproc>,
    dealloc: ffi::destructor,
}

/// A class whose objects are made and freed by what was learnt of their layout.
pub(crate) trait Known:
    PyClass<Frozen = pyo3::pyclass::boolean_struct::True> + Sync
{
    fn layout() -> &'static Layout;

    /// Lets go of what is in it, if that is next to nothing; whether it was.
    ///
    /// It must not panic, and leave nothing that would have to be dropped.
    fn spend(&self) -> bool;
}

impl Layout {
    pub(crate) const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Learns the layout from an object that `PyO3` made, and frees such objects the short way from now on.
    ///
    /// `PyO3` makes objects by `object.__new__`, which on `CPython` 3.11 and 3.12 gives each a dictionary
    /// at once, at the cost of as much time and memory as all the rest of it.
    pub(crate) fn learn<T: Known>(probe: &Bound<'_, T>) {
        let value: *const T = probe.get();
        let offset = value.addr() - probe.as_ptr().addr();
        let kind = probe.as_any().get_type_ptr();
        // SAFETY: an object's class is alive. What the arithmetic proves: beside the value there is nothing but
        // the dictionary and the list of weak references, if it has them, which begin as null.
        unsafe {
            let pointers = [(*kind).tp_dictoffset, (*kind).tp_weaklistoffset];
            let pointers = pointers.iter().filter(|offset| **offset > 0).count();
            let whole = offset + size_of::<T>() + pointers * size_of::<*mut ffi::PyObject>();
            if usize::try_from((*kind).tp_basicsize) != Ok(whole) {
                return;
            }
            let Some(dealloc) = (*kind).tp_dealloc else { return };
            let learnt = Learnt { offset, init: (*kind).tp_init, dealloc };
            if T::layout().0.set(learnt).is_ok() {
                (*kind).tp_dealloc = Some(free::<T>);
            }
        }
    }

    /// A new object of exactly the class that was learnt; none if it could not be, or if there is no room.
    #[inline]
    pub(crate) fn make<T: Known>(py: Python<'_>, value: T) -> Option<Bound<'_, T>> {
        let learnt = T::layout().0.get()?;
        // SAFETY: the allocation is zeroed, as long as `learn` found, and of the class whose layout this is;
        // the value is written before anything else can see the object.
        unsafe {
            let made = ffi::PyType_GenericAlloc(T::type_object_raw(py), 0);
            if made.is_null() {
                ffi::PyErr_Clear();
                return None;
            }
            made.byte_add(learnt.offset).cast::<T>().write(value);
            Some(Bound::from_owned_ptr(py, made).cast_into_unchecked())
        }
    }

    /// Whether the class is still initialised as it was made to be.
    #[inline]
    pub(crate) fn has_own_init(&self, class: &Bound<'_, PyType>) -> bool {
        let address = |init: Option<ffi::initproc>| init.map_or(0, |init| init as usize);
        // SAFETY: a class that somebody holds is alive.
        let now = unsafe { (*class.as_type_ptr()).tp_init };
        self.0.get().is_some_and(|learnt| address(learnt.init) == address(now))
    }
}

/// Frees an object, without telling `PyO3` if there is next to nothing in it.
unsafe extern "C" fn free<T: Known>(object: *mut ffi::PyObject) {
    let Some(learnt) = T::layout().0.get() else { return };
    // SAFETY: the interpreter frees what nobody has any more, on an attached thread. Of exactly this class is
    // what has the layout that was learnt; of one that is spent there is nothing left to drop, and one with
    // attributes or weak references is left to `PyO3`, as it is to untrack it once more.
    unsafe {
        let kind = ffi::Py_TYPE(object);
        let is_null = |offset: ffi::Py_ssize_t| {
            offset <= 0 || (*object.byte_offset(offset).cast::<*mut ffi::PyObject>()).is_null()
        };
        ffi::PyObject_GC_UnTrack(object.cast());
        if kind == T::type_object_raw(Python::assume_attached())
            && is_null((*kind).tp_dictoffset)
            && is_null((*kind).tp_weaklistoffset)
            && (*object.byte_add(learnt.offset).cast::<T>()).spend()
        {
            ffi::PyObject_GC_Del(object.cast());
            ffi::Py_DECREF(kind.cast());
        } else {
            (learnt.dealloc)(object);
        }
    }
}

/// Runs `inside` where an error may be on its way already, as there may be when an object is freed.
#[cfg_attr(Py_3_12, expect(deprecated, reason = "this way does the same on every version"))]
pub(crate) fn between_errors<R>(_attached: Python<'_>, inside: impl FnOnce() -> R) -> R {
    // SAFETY: rule 3: what is fetched is ours until it is put back.
    #[cfg(Py_3_12)]
    unsafe {
        let error = ffi::PyErr_GetRaisedException();
        let result = inside();
        ffi::PyErr_SetRaisedException(error);
        result
    }
    // SAFETY: as above.
    #[cfg(not(Py_3_12))]
    unsafe {
        let (mut kind, mut value, mut traceback) =
            (std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut());
        ffi::PyErr_Fetch(&raw mut kind, &raw mut value, &raw mut traceback);
        let result = inside();
        ffi::PyErr_Restore(kind, value, traceback);
        result
    }
}

/// A class whose objects have something to do before the cycle collector takes them apart.
pub(crate) trait Finalized:
    PyClass<Frozen = pyo3::pyclass::boolean_struct::True> + Sync
{
    /// What there is to do, with all that the object refers to still whole; `Drop` comes after it, or alone.
    fn finalize(&self, py: Python<'_>);
}

/// Tells the interpreter, which `PyO3` cannot, of a class's `finalize`. Classes that derive from it inherit it.
pub(crate) fn finalize<T: Finalized>(py: Python<'_>) {
    struct Entry<T>(std::marker::PhantomData<T>);
    impl<T: Finalized> trampoline::MethodDef<trampoline::inquiry::Func> for Entry<T> {
        const METH: trampoline::inquiry::Func = inside::<T>;
    }
    #[allow(clippy::unnecessary_wraps, reason = "what `PyO3` calls may fail")]
    unsafe fn inside<T: Finalized>(
        py: Python<'_>,
        object: *mut ffi::PyObject,
    ) -> PyResult<std::ffi::c_int> {
        // SAFETY: the interpreter finalizes objects of this class, or of one that derives from it.
        unsafe { Borrowed::from_ptr(py, object).cast_unchecked::<T>() }.get().finalize(py);
        Ok(0)
    }
    unsafe extern "C" fn enter<T: Finalized>(object: *mut ffi::PyObject) {
        // SAFETY: called by the interpreter, on an attached thread.
        unsafe {
            between_errors(Python::assume_attached(), || {
                if trampoline::inquiry::<Entry<T>>(object) != 0 {
                    ffi::PyErr_WriteUnraisable(object);
                }
            });
        }
    }
    // SAFETY: the class is alive, and nobody has derived from it yet.
    unsafe { (*T::type_object_raw(py)).tp_finalize = Some(enter::<T>) };
}

/// The arguments of a call, where the interpreter laid them.
pub(crate) struct Arguments<'a, 'py> {
    py: Python<'py>,
    first: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
    call: std::marker::PhantomData<&'a ()>,
}

impl<'py> Arguments<'_, 'py> {
    /// How many have no name.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// How many have one.
    #[inline]
    pub(crate) fn named(&self) -> usize {
        if self.names.is_null() {
            return 0;
        }
        // SAFETY: the interpreter gives a tuple, or null.
        unsafe { usize::try_from(ffi::PyTuple_GET_SIZE(self.names)).unwrap_or(0) }
    }

    /// One of them, those with names last.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> Bound<'py, PyAny> {
        assert!(index < self.count + self.named());
        // SAFETY: as many lie there as was just checked, and they live for as long as the call.
        unsafe { Bound::from_borrowed_ptr(self.py, *self.first.add(index)) }
    }

    /// The names of those with names, if there are any.
    pub(crate) fn names(&self) -> Option<Bound<'py, PyTuple>> {
        // SAFETY: the interpreter gives a tuple, or null.
        unsafe {
            let names = Bound::from_borrowed_ptr_or_opt(self.py, self.names)?;
            Some(names.cast_into_unchecked()).filter(|_| self.named() > 0)
        }
    }

    /// The name of one of those with names.
    fn name(&self, index: usize) -> Bound<'py, PyAny> {
        assert!(index < self.named());
        // SAFETY: as above.
        unsafe {
            Bound::from_borrowed_ptr(
                self.py,
                ffi::PyTuple_GET_ITEM(self.names, index.cast_signed()),
            )
        }
    }

    /// Whether the only name is this one, which is interned.
    pub(crate) fn is_only_name(&self, name: &Bound<'py, PyString>) -> bool {
        self.named() == 1 && self.name(0).is(name)
    }

    /// The one argument, without a name or with this one; none if they are more or others.
    #[inline]
    pub(crate) fn only(&self, name: &Bound<'py, PyString>) -> Option<Bound<'py, PyAny>> {
        let given = match self.count {
            1 => self.named() == 0,
            0 => self.is_only_name(name),
            _ => false,
        };
        given.then(|| self.get(0))
    }

    /// Those without names, from this one on.
    pub(crate) fn tuple(&self, from: usize) -> PyResult<Bound<'py, PyTuple>> {
        let some: SmallVec<[Bound<'py, PyAny>; 8]> =
            (from..self.count).map(|index| self.get(index)).collect();
        PyTuple::new(self.py, some)
    }

    /// The error of a function that takes one argument of this name, and was not given just that; a
    /// method's receiver is counted too, as it is for a method in Python.
    #[cold]
    pub(crate) fn other_than_one(&self, function: &str, wanted: &str) -> PyErr {
        let receivers = usize::from(function.contains('.'));
        let other = (0..self.named())
            .map(|index| self.name(index).to_string())
            .find(|name| name != wanted || self.count > 0);
        PyTypeError::new_err(match (self.count, other) {
            (0 | 1, Some(name)) if name == wanted => {
                format!("{function} got multiple values for argument '{name}'")
            }
            (0 | 1, Some(name)) => {
                format!("{function} got an unexpected keyword argument '{name}'")
            }
            (0, None) => format!("{function} missing 1 required positional argument: '{wanted}'"),
            _ if receivers == 0 => {
                format!("{function} takes 1 positional argument but {} were given", self.count)
            }
            _ => format!(
                "{function} takes 2 positional arguments but {} were given",
                self.count + receivers
            ),
        })
    }

    /// Calls `function` with all of them.
    #[inline]
    pub(crate) fn call(&self, function: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        // SAFETY: rule 3; the arguments are lent as they were lent to us.
        owned(self.py, unsafe {
            ffi::PyObject_Vectorcall(function.as_ptr(), self.first, self.count, self.names)
        })
    }

    /// Calls the first of them with all others.
    #[inline]
    pub(crate) fn call_first(&self) -> PyResult<Bound<'py, PyAny>> {
        let Some(count) = self.count.checked_sub(1) else {
            return Err(PyTypeError::new_err("missing 1 required positional argument: a callable"));
        };
        room_on_the_stack()?;
        // SAFETY: rule 3; the arguments lie behind the function, and are lent as they were lent to us.
        owned(self.py, unsafe {
            ffi::PyObject_Vectorcall(*self.first, self.first.add(1), count, self.names)
        })
    }

    /// Those with names.
    pub(crate) fn keywords(&self) -> PyResult<Option<Bound<'py, PyDict>>> {
        if self.named() == 0 {
            return Ok(None);
        }
        let keywords = PyDict::new(self.py);
        for index in 0..self.named() {
            keywords.set_item(self.name(index), self.get(self.count + index))?;
        }
        Ok(Some(keywords))
    }
}

/// A function that takes its arguments where the interpreter laid them.
pub(crate) trait Fast: 'static {
    /// What it is a method of: the class that it is put into, or what a function is bound to.
    type Receiver;

    /// Does it at once if there is next to nothing to do, before `PyO3` is told of the call.
    ///
    /// It must not run anybody's code, drop a `Py` or a `PyErr`, or panic.
    #[inline]
    fn quick<'py>(
        _receiver: &Bound<'py, Self::Receiver>,
        _arguments: &Arguments<'_, 'py>,
    ) -> Option<Bound<'py, PyAny>> {
        None
    }

    fn call<'py>(
        receiver: &Bound<'py, Self::Receiver>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>>;
}

/// Receiver and arguments of a call of the interpreter's.
///
/// # Safety
///
/// As they were handed to one of its functions that take arguments in place, whose receiver is a `T`.
#[inline]
unsafe fn given<'a, T>(
    py: Python<'_>,
    receiver: *mut ffi::PyObject,
    first: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> (Borrowed<'a, '_, T>, Arguments<'a, '_>) {
    // The flag that a vectorcall sets in the count is masked out.
    // SAFETY: it only masks; the rest is the caller's.
    unsafe {
        let count = ffi::PyVectorcall_NARGS(count.cast_unsigned()).cast_unsigned();
        let arguments = Arguments { py, first, count, names, call: std::marker::PhantomData };
        (Borrowed::from_ptr(py, receiver).cast_unchecked(), arguments)
    }
}

/// What the interpreter calls.
unsafe extern "C" fn enter<F: Fast>(
    receiver: *mut ffi::PyObject,
    first: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls from attached threads. A method of a class it calls on nothing else,
    // and what it lends lives for as long as the call.
    unsafe {
        let py = Python::assume_attached();
        let (own, arguments) = given::<F::Receiver>(py, receiver, first, count, names);
        match F::quick(&own, &arguments) {
            Some(done) => done.into_ptr(),
            None => trampoline::fastcall_kw::<Entry<F>>(receiver, first, count, names),
        }
    }
}

struct Entry<F>(std::marker::PhantomData<F>);

impl<F: Fast> trampoline::MethodDef<trampoline::fastcall_kw::Func> for Entry<F> {
    const METH: trampoline::fastcall_kw::Func = enter_whole::<F>;
}

/// # Safety
///
/// As for [`given`].
unsafe fn enter_whole<F: Fast>(
    py: Python<'_>,
    receiver: *mut ffi::PyObject,
    first: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> PyResult<*mut ffi::PyObject> {
    // SAFETY: as the caller says.
    let (own, arguments) = unsafe { given::<F::Receiver>(py, receiver, first, count, names) };
    F::call(&own, &arguments).map(Bound::into_ptr)
}

/// What the interpreter is told of a fast method or function, for good.
fn definition<F: Fast>(name: &'static CStr, doc: &'static CStr) -> &'static mut ffi::PyMethodDef {
    Box::leak(Box::new(ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: enter::<F> },
        ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
        ml_doc: doc.as_ptr(),
    }))
}

/// Puts a method in the class that it is for.
pub(crate) fn add_method<F: Fast<Receiver: PyClass>>(
    py: Python<'_>,
    name: &'static CStr,
    doc: &'static CStr,
) -> PyResult<()> {
    let class = py.get_type::<F::Receiver>();
    let definition = definition::<F>(name, doc);
    // SAFETY: the definition lives forever, and says of its function what it is.
    let method = owned(py, unsafe { ffi::PyDescr_NewMethod(class.as_type_ptr(), definition) })?;
    class.setattr(name.to_string_lossy().as_ref(), method)
}

/// Puts a function in a module.
pub(crate) fn add_function<F: Fast<Receiver = PyModule>>(
    module: &Bound<'_, PyModule>,
    name: &'static CStr,
    doc: &'static CStr,
) -> PyResult<()> {
    module.add(name.to_string_lossy().as_ref(), function::<F>(module.as_any(), name, doc)?)
}

/// Puts in a class a function that gets the class, and is called on it or on what derives from it alike.
///
/// A method of the class would do too, but calls of those are counted twice towards the recursion limit.
pub(crate) fn add_class_method<F: Fast<Receiver = PyType>>(
    class: &Bound<'_, PyType>,
    name: &'static CStr,
    doc: &'static CStr,
) -> PyResult<()> {
    class.setattr(name.to_string_lossy().as_ref(), function::<F>(class.as_any(), name, doc)?)
}

/// A function that is bound to `receiver`.
fn function<'py, F: Fast>(
    receiver: &Bound<'py, PyAny>,
    name: &'static CStr,
    doc: &'static CStr,
) -> PyResult<Bound<'py, PyAny>> {
    let definition = definition::<F>(name, doc);
    // SAFETY: the definition lives forever, and says of its function what it is; the callers bind it to
    // what it takes.
    owned(receiver.py(), unsafe {
        ffi::PyCFunction_NewEx(definition, receiver.as_ptr(), std::ptr::null_mut())
    })
}

/// The function as the interpreter calls it.
fn vectorcall<F: Fast>() -> ffi::vectorcallfunc {
    let function: unsafe extern "C" fn(_, _, ffi::Py_ssize_t, _) -> _ = enter::<F>;
    // SAFETY: the two types differ in the sign of the count, which is masked before it is read.
    unsafe {
        std::mem::transmute::<
            unsafe extern "C" fn(_, _, ffi::Py_ssize_t, _) -> _,
            ffi::vectorcallfunc,
        >(function)
    }
}

/// Has a class be called by this function, rather than by `__new__` and `__init__`.
pub(crate) fn construct_by<F: Fast<Receiver = PyType>>(class: &Bound<'_, PyType>) {
    // SAFETY: the class is one of ours, and its subclasses do not inherit the function.
    unsafe { (*class.as_type_ptr()).tp_vectorcall = Some(vectorcall::<F>()) };
}

/// Calls a class as it is called when nothing shortens that.
pub(crate) fn construct<'py>(
    class: &Bound<'py, PyType>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let (tuple, keywords) = (arguments.tuple(0)?, arguments.keywords()?);
    // SAFETY: rule 3.
    unsafe {
        let Some(call) = ffi::PyType_Type.tp_call else {
            return Err(PyTypeError::new_err("classes cannot be called"));
        };
        owned(
            class.py(),
            call(
                class.as_ptr(),
                tuple.as_ptr(),
                keywords.as_ref().map_or(std::ptr::null_mut(), Bound::as_ptr),
            ),
        )
    }
}

/// A place in code that was being run.
pub(crate) struct Place {
    pub(crate) code: Py<PyAny>,
    instruction: std::ffi::c_int,
}

impl Place {
    /// The line in the source; 0 if the code does not say.
    pub(crate) fn line(&self, py: Python<'_>) -> i32 {
        // SAFETY: `stack` found the code in a frame, so that is what it is.
        unsafe { ffi::PyCode_Addr2Line(self.code.bind(py).as_ptr().cast(), self.instruction) }
            .max(0)
    }
}

/// The frames of Python code that are being run by this thread, innermost first.
///
/// The line of each is worked out when it is asked for: that takes several times as long as all this.
pub(crate) fn stack(py: Python<'_>) -> PyResult<Vec<Place>> {
    let mut places = Vec::new();
    // SAFETY: what the interpreter lends us is made our own before anything else is asked of it.
    let mut next = unsafe {
        Bound::from_borrowed_ptr_or_opt(py, ffi::PyEval_GetFrame().cast::<ffi::PyObject>())
    };
    while let Some(frame) = next {
        // SAFETY: rule 3; it is a frame, and a frame has code.
        let code = owned(py, unsafe { ffi::PyFrame_GetCode(frame.as_ptr().cast()) }.cast())?;
        // A function for it came with 3.11 only.
        let instruction = frame.getattr(pyo3::intern!(py, "f_lasti"))?.extract()?;
        places.push(Place { code: code.unbind(), instruction });
        // SAFETY: rule 3.
        next = unsafe {
            Bound::from_owned_ptr_or_opt(
                py,
                ffi::PyFrame_GetBack(frame.as_ptr().cast()).cast::<ffi::PyObject>(),
            )
        };
    }
    Ok(places)
}
