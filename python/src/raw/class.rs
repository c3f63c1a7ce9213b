//! What can be told of a class: what it derives from, whether it was changed, how its bare objects are made.

use super::owned;
use pyo3::exceptions::{PyBaseException, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};
use pyo3::{PyClass, ffi};
use std::ffi::CStr;
use std::sync::atomic::{AtomicU64, Ordering};

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

/// The name of a class, without its module; asks nobody, and makes no object.
pub(crate) fn class_name(class: &Bound<'_, PyType>) -> String {
    // SAFETY: a class that is alive has a name, which ends with a zero and is copied before anything else is done.
    let name = unsafe { CStr::from_ptr((*class.as_type_ptr()).tp_name) }.to_string_lossy();
    name.rsplit('.').next().unwrap_or_default().to_owned()
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

    /// Has it asked again for every class.
    pub(crate) fn forget(&self) {
        self.0.iter().for_each(|kept| kept.store(0, Ordering::Relaxed));
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

/// Whether an object is an exception that the cycle collector has taken apart. Such a one must not be asked for its
/// text: `CPython` would look at arguments that are not there.
pub(crate) fn is_taken_apart(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: objects of a class of exceptions begin like this.
    is_exception_class(object.get_type_ptr())
        && unsafe { (*object.as_ptr().cast::<ffi::PyBaseExceptionObject>()).args.is_null() }
}

/// Gives an exception a traceback, or `None` for none, whatever its class does when attributes are set.
pub(crate) fn set_traceback<'py>(
    exception: &Bound<'py, PyBaseException>,
    traceback: &Bound<'py, PyAny>,
) -> PyResult<()> {
    let py = exception.py();
    // SAFETY: rule 3; the interpreter looks whether it is a traceback.
    let set = unsafe { ffi::PyException_SetTraceback(exception.as_ptr(), traceback.as_ptr()) };
    if set == 0 { Ok(()) } else { Err(super::noted(py)) }
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
            None => Err(super::error::<PyTypeError>(py, "a class that cannot be instantiated")),
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
