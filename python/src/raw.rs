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

use pyo3::impl_::trampoline;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};
use pyo3::{Borrowed, PyClass, ffi};
use smallvec::SmallVec;
use std::cell::{Cell, UnsafeCell};
use std::ffi::CStr;
use std::sync::atomic::{AtomicU32, Ordering};

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
#[derive(Default)]
pub(crate) struct Slot(Cell<Option<Py<PyAny>>>);

impl Slot {
    #[inline]
    pub(crate) fn get<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
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
    pub(crate) fn set(&self, object: Option<Bound<'_, PyAny>>) {
        drop(self.0.replace(object.map(Bound::unbind)));
    }

    #[inline]
    pub(crate) fn take(&self) -> Option<Py<PyAny>> {
        self.0.take()
    }

    pub(crate) fn visit(&self, visit: &pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        // SAFETY: the visitor runs none of our code.
        unsafe { (*self.0.as_ptr()).as_ref().map_or(Ok(()), |object| visit.call(object)) }
    }
}

/// A queue whose first few items lie in place.
pub(crate) struct Queue<T, const N: usize> {
    items: UnsafeCell<SmallVec<[T; N]>>,
    head: Cell<u32>,
}

impl<T: Default, const N: usize> Queue<T, N> {
    pub(crate) fn new() -> Self {
        Self { items: UnsafeCell::new(SmallVec::new()), head: Cell::new(0) }
    }

    #[inline]
    pub(crate) fn push(&self, item: T) {
        // SAFETY: rule 2: the borrow ends with this call, and pushing runs no other code.
        unsafe { (*self.items.get()).push(item) };
    }

    #[inline]
    pub(crate) fn pop(&self) -> Option<T> {
        let head = self.head.get() as usize;
        // SAFETY: rule 2. What is left in the place drops to nothing.
        let items = unsafe { &mut *self.items.get() };
        let item = std::mem::take(items.get_mut(head)?);
        if head + 1 == items.len() {
            items.clear();
            self.head.set(0);
        } else if head >= 64 && head * 2 >= items.len() {
            items.drain(..=head);
            self.head.set(0);
        } else {
            self.head.set(u32::try_from(head + 1).expect("fewer links than four thousand million"));
        }
        Some(item)
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        // SAFETY: rule 2.
        unsafe { (*self.items.get()).is_empty() }
    }

    /// Puts an item before all others.
    pub(crate) fn push_front(&self, item: T) {
        let head = self.head.get() as usize;
        // SAFETY: rule 2.
        unsafe { (*self.items.get()).insert(head, item) };
    }

    /// Takes all items out.
    pub(crate) fn take(&self) -> SmallVec<[T; N]> {
        self.head.set(0);
        // SAFETY: rule 2.
        unsafe { std::mem::take(&mut *self.items.get()) }
    }

    /// Looks at each item; `look` must not touch the queue.
    pub(crate) fn each<E>(&self, mut look: impl FnMut(&T) -> Result<(), E>) -> Result<(), E> {
        // SAFETY: the callers in this crate collect or visit, which runs no code that could reach the queue.
        unsafe { (*self.items.get()).iter().skip(self.head.get() as usize).try_for_each(&mut look) }
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

/// Calls `function` with `first`, and then what is in `more` and `keywords`.
pub(crate) fn call_more<'py>(
    function: &Bound<'py, PyAny>,
    first: &Bound<'py, PyAny>,
    more: Option<&Bound<'py, PyTuple>>,
    keywords: Option<&Bound<'py, PyDict>>,
) -> Called<'py> {
    room_on_the_stack().map_err(|error| Raised::from_error(function.py(), error))?;
    let mut room: SmallVec<[*mut ffi::PyObject; 8]> = SmallVec::new();
    room.push(std::ptr::null_mut());
    room.push(first.as_ptr());
    if let Some(more) = more {
        room.extend(more.iter_borrowed().map(pyo3::Borrowed::as_ptr));
    }
    // SAFETY: as in `call_one`; the tuple outlives the call, and cannot change.
    let result = unsafe {
        ffi::PyObject_VectorcallDict(
            function.as_ptr(),
            room.as_mut_ptr().add(1),
            (room.len() - 1) | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET,
            keywords.map_or(std::ptr::null_mut(), Bound::as_ptr),
        )
    };
    called(function.py(), result)
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

/// Runs `inside` with the call of a Python function that does nothing else, and that of the native function
/// which it calls, not counted towards the recursion limit: with what they call, they count as one.
///
/// From `CPython` 3.12 on calls of Python functions are counted elsewhere, and [`call_by`] spares that one.
pub(crate) fn as_one_call<R>(_attached: Python<'_>, inside: impl FnOnce() -> R) -> R {
    /// How many calls have been counted; from 3.11 on the interpreter makes native calls without.
    const COUNTED: usize = if cfg!(Py_3_12) {
        0
    } else if cfg!(Py_3_11) {
        1
    } else {
        2
    };
    /// Counts the calls again, also when `inside` unwinds.
    struct Again;
    impl Drop for Again {
        fn drop(&mut self) {
            for _ in 0..COUNTED {
                // SAFETY: attached; it cannot fail, for there is the room that was made below.
                unsafe { ffi::Py_EnterRecursiveCall(c"".as_ptr()) };
            }
        }
    }
    for _ in 0..COUNTED {
        // SAFETY: these calls are counted until they return.
        unsafe { ffi::Py_LeaveRecursiveCall() };
    }
    let _again = Again;
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

/// Remembers what was found out about a class, for as long as the class is not changed.
pub(crate) struct Watch {
    plain: AtomicU32,
    other: AtomicU32,
}

impl Watch {
    pub(crate) const fn new() -> Self {
        Self { plain: AtomicU32::new(0), other: AtomicU32::new(0) }
    }

    /// Whether `check` finds the class as it should be; asks again only after a change.
    #[inline]
    pub(crate) fn is_plain(
        &self,
        kind: *mut ffi::PyTypeObject,
        check: impl FnOnce() -> bool,
    ) -> bool {
        let now = version(kind);
        if now != 0 && now == self.plain.load(Ordering::Relaxed) {
            return true;
        }
        if now != 0 && now == self.other.load(Ordering::Relaxed) {
            return false;
        }
        let plain = check();
        let kept = if plain { &self.plain } else { &self.other };
        kept.store(version(kind), Ordering::Relaxed);
        plain
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

/// A bare instance of an exception class whose `__new__` is that of `BaseException`, with these attributes.
pub(crate) fn new_exception<'py>(
    class: &Bound<'py, PyType>,
    attributes: Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = class.py();
    let none = PyTuple::empty(py);
    // SAFETY: a class has `tp_new`; an instance of an exception class begins as `PyBaseExceptionObject`,
    // whose dictionary is not there yet.
    unsafe {
        let kind = class.as_type_ptr();
        let Some(new) = (*kind).tp_new else {
            return Err(pyo3::exceptions::PyTypeError::new_err(
                "a class that cannot be instantiated",
            ));
        };
        let made = owned(py, new(kind, none.as_ptr(), std::ptr::null_mut()))?;
        let head = made.as_ptr().cast::<ffi::PyBaseExceptionObject>();
        let former = std::mem::replace(&mut (*head).dict, attributes.into_ptr());
        ffi::Py_XDECREF(former);
        Ok(made)
    }
}

/// Where the value of a class lies in its objects, once that is known; 0 when objects have to be made `PyO3`'s way.
pub(crate) struct Layout {
    offset: std::sync::atomic::AtomicUsize,
    init: std::sync::atomic::AtomicUsize,
}

impl Layout {
    pub(crate) const fn new() -> Self {
        Self {
            offset: std::sync::atomic::AtomicUsize::new(0),
            init: std::sync::atomic::AtomicUsize::new(0),
        }
    }

    /// Learns the layout from an object that `PyO3` made.
    ///
    /// `PyO3` makes objects by `object.__new__`, which on `CPython` 3.11 and 3.12 gives each a dictionary
    /// at once, at the cost of as much time and memory as all the rest of it.
    pub(crate) fn learn<T: PyClass<Frozen = pyo3::pyclass::boolean_struct::True> + Sync>(
        &self,
        probe: &Bound<'_, T>,
    ) {
        let value: *const T = probe.get();
        let offset = value.addr() - probe.as_ptr().addr();
        let kind = probe.as_any().get_type_ptr();
        // SAFETY: an object's class is alive. What the arithmetic proves: beside the value there are the
        // dictionary and the list of weak references, which begin as null, and nothing else.
        unsafe {
            let whole = offset + size_of::<T>() + 2 * size_of::<*mut ffi::PyObject>();
            if usize::try_from((*kind).tp_basicsize) == Ok(whole) {
                self.offset.store(offset, Ordering::Relaxed);
                self.init.store((*kind).tp_init.map_or(0, |init| init as usize), Ordering::Relaxed);
            }
        }
    }

    /// A new object of exactly the class that was learnt.
    #[inline]
    pub(crate) fn make<'py, T: PyClass + Into<pyo3::PyClassInitializer<T>>>(
        &self,
        py: Python<'py>,
        value: T,
    ) -> PyResult<Bound<'py, T>> {
        let offset = self.offset.load(Ordering::Relaxed);
        if offset == 0 {
            return Bound::new(py, value);
        }
        // SAFETY: the allocation is zeroed, as long as `learn` found, and of the class whose layout this is;
        // the value is written before anything else can see the object.
        unsafe {
            let made = owned(py, ffi::PyType_GenericAlloc(T::type_object_raw(py), 0))?;
            made.as_ptr().byte_add(offset).cast::<T>().write(value);
            Ok(made.cast_into_unchecked())
        }
    }

    /// Whether the class is still initialised as it was made to be.
    pub(crate) fn has_own_init(&self, class: &Bound<'_, PyAny>) -> bool {
        // SAFETY: the caller says that it is a class.
        unsafe {
            (*class.as_ptr().cast::<ffi::PyTypeObject>()).tp_init.map_or(0, |init| init as usize)
                == self.init.load(Ordering::Relaxed)
        }
    }
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
    pub(crate) fn is_only_name(&self, name: &Bound<'py, pyo3::types::PyString>) -> bool {
        self.named() == 1 && self.name(0).is(name)
    }

    /// Those without names, from this one on.
    pub(crate) fn tuple(&self, from: usize) -> PyResult<Bound<'py, PyTuple>> {
        let some: SmallVec<[Bound<'py, PyAny>; 8]> =
            (from..self.count).map(|index| self.get(index)).collect();
        PyTuple::new(self.py, some)
    }

    /// The error of a method that takes one argument of this name, and was not given just that.
    #[cold]
    pub(crate) fn other_than_one(&self, method: &str, wanted: &str) -> PyErr {
        let other = (0..self.named())
            .map(|index| self.name(index).to_string())
            .find(|name| name != wanted || self.count > 0);
        pyo3::exceptions::PyTypeError::new_err(match (self.count, other) {
            (0 | 1, Some(name)) if name == wanted => {
                format!("{method} got multiple values for argument '{name}'")
            }
            (0 | 1, Some(name)) => format!("{method} got an unexpected keyword argument '{name}'"),
            (0, None) => format!("{method} missing 1 required positional argument: '{wanted}'"),
            // The receiver is counted too, as it is for a method in Python.
            _ => format!("{method} takes 2 positional arguments but {} were given", self.count + 1),
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
            return Err(pyo3::exceptions::PyTypeError::new_err(
                "missing 1 required positional argument: a callable",
            ));
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
    fn call<'py>(
        receiver: &Bound<'py, PyAny>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>>;
}

struct Entry<F>(std::marker::PhantomData<F>);

impl<F: Fast> trampoline::MethodDef<trampoline::fastcall_kw::Func> for Entry<F> {
    const METH: trampoline::fastcall_kw::Func = enter::<F>;
}

/// # Safety
///
/// To be called by the interpreter, as one of its functions that take arguments in place.
unsafe fn enter<F: Fast>(
    py: Python<'_>,
    receiver: *mut ffi::PyObject,
    first: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> PyResult<*mut ffi::PyObject> {
    // The flag that a vectorcall sets in the count is masked out.
    // SAFETY: it only masks.
    let count =
        usize::try_from(unsafe { ffi::PyVectorcall_NARGS(count.cast_unsigned()) }).unwrap_or(0);
    let arguments = Arguments { py, first, count, names, call: std::marker::PhantomData };
    // SAFETY: the receiver lives for as long as the call, and so do the arguments.
    let receiver = unsafe { Borrowed::from_ptr(py, receiver) };
    F::call(&receiver, &arguments).map(Bound::into_ptr)
}

/// What the interpreter is told of a fast method or function, for good.
fn definition<F: Fast>(name: &'static CStr, doc: &'static CStr) -> &'static mut ffi::PyMethodDef {
    Box::leak(Box::new(ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer {
            PyCFunctionFastWithKeywords: trampoline::fastcall_kw::<Entry<F>>,
        },
        ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
        ml_doc: doc.as_ptr(),
    }))
}

/// Puts a method in a class.
pub(crate) fn add_method<F: Fast>(
    class: &Bound<'_, PyType>,
    name: &'static CStr,
    doc: &'static CStr,
) -> PyResult<()> {
    let definition = definition::<F>(name, doc);
    // SAFETY: the definition lives forever, and says of its function what it is.
    let method =
        owned(class.py(), unsafe { ffi::PyDescr_NewMethod(class.as_type_ptr(), definition) })?;
    class.setattr(name.to_string_lossy().as_ref(), method)
}

/// Puts a function in a module.
pub(crate) fn add_function<F: Fast>(
    module: &Bound<'_, PyModule>,
    name: &'static CStr,
    doc: &'static CStr,
) -> PyResult<()> {
    let definition = definition::<F>(name, doc);
    // SAFETY: the definition lives forever, and says of its function what it is.
    let function =
        unsafe { ffi::PyCFunction_NewEx(definition, module.as_ptr(), std::ptr::null_mut()) };
    module.add(name.to_string_lossy().as_ref(), owned(module.py(), function)?)
}

/// The function as the interpreter calls it.
fn vectorcall<F: Fast>() -> ffi::vectorcallfunc {
    let function: unsafe extern "C" fn(_, _, ffi::Py_ssize_t, _) -> _ =
        trampoline::fastcall_kw::<Entry<F>>;
    // SAFETY: the two types differ in the sign of the count, which is masked before it is read.
    unsafe {
        std::mem::transmute::<
            unsafe extern "C" fn(_, _, ffi::Py_ssize_t, _) -> _,
            ffi::vectorcallfunc,
        >(function)
    }
}

/// Has a class be called by this function, rather than by `__new__` and `__init__`.
pub(crate) fn construct_by<F: Fast>(class: &Bound<'_, PyType>) {
    // SAFETY: the class is one of ours, and its subclasses do not inherit the function.
    unsafe { (*class.as_type_ptr()).tp_vectorcall = Some(vectorcall::<F>()) };
}

/// Calls a class as it is called when nothing shortens that.
pub(crate) fn construct<'py>(
    class: &Bound<'py, PyAny>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let (tuple, keywords) = (arguments.tuple(0)?, arguments.keywords()?);
    // SAFETY: rule 3.
    unsafe {
        let Some(call) = ffi::PyType_Type.tp_call else {
            return Err(pyo3::exceptions::PyTypeError::new_err("classes cannot be called"));
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
