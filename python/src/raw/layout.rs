//! How objects of ours are made, awaited, finalized and freed, each by the shortest way.

use super::{Sent, between_errors};
use pyo3::impl_::trampoline;
use pyo3::prelude::*;
use pyo3::types::PyType;
use pyo3::{Borrowed, PyClass, PyTypeInfo, ffi};
use std::sync::OnceLock;

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
    fn spend(&mut self) -> bool;
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

/// A class whose objects have something to do before the cycle collector takes them apart.
pub(crate) trait Finalized:
    PyClass<Frozen = pyo3::pyclass::boolean_struct::True> + Sync
{
    /// What there is to do, with all that the object refers to still whole; `Drop` comes after it, or alone.
    fn finalize(&self, py: Python<'_>);
}

/// Whether an object may come to its end without its `finalize`: that was called before, or its class has another.
pub(crate) fn is_past_finalizing<T: Finalized>(object: &Bound<'_, T>) -> bool {
    // SAFETY: an object that somebody holds is alive, and so is its class.
    unsafe {
        let address = |class: *mut ffi::PyTypeObject| {
            (*class).tp_finalize.map_or(0, |finalize| finalize as usize)
        };
        let class = T::type_object_raw(object.py());
        ffi::PyObject_GC_IsFinalized(object.as_ptr()) != 0
            || address(object.as_any().get_type_ptr()) != address(class)
    }
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
