//! Functions and methods that take their arguments where the interpreter laid them.

use super::stack::room_on_the_stack;
use super::{ending, owned};
use pyo3::exceptions::PyTypeError;
use pyo3::impl_::trampoline;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};
use pyo3::{Borrowed, PyClass, ffi};
use smallvec::SmallVec;
use std::ffi::CStr;

/// The arguments of a call, where the interpreter laid them.
pub(crate) struct Arguments<'a, 'py> {
    py: Python<'py>,
    first: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
    call: std::marker::PhantomData<&'a ()>,
}

impl<'py> Arguments<'_, 'py> {
    #[inline]
    pub(crate) fn py(&self) -> Python<'py> {
        self.py
    }

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
        super::tuple(self.py, &some)
    }

    /// The error of a function that takes one argument of this name, and was not given just that; a
    /// method's receiver is counted too, as it is for a method in Python.
    #[cold]
    pub(crate) fn other_than_one(&self, function: &str, wanted: &str) -> PyErr {
        let receivers = usize::from(function.contains('.'));
        let other = (0..self.named())
            .map(|index| self.name(index).to_string())
            .find(|name| name != wanted || self.count > 0);
        super::error::<PyTypeError>(
            self.py,
            match (self.count, other) {
                (0 | 1, Some(name)) if name == wanted => {
                    format!("{function} got multiple values for argument '{name}'")
                }
                (0 | 1, Some(name)) => {
                    format!("{function} got an unexpected keyword argument '{name}'")
                }
                (0, None) => {
                    format!("{function} missing 1 required positional argument: '{wanted}'")
                }
                _ if receivers == 0 => {
                    format!("{function} takes 1 positional argument but {} were given", self.count)
                }
                _ => format!(
                    "{function} takes 2 positional arguments but {} were given",
                    self.count + receivers
                ),
            },
        )
    }

    /// The same of a method that can do without.
    #[cold]
    pub(crate) fn other_than_at_most_one(&self, method: &str, wanted: &str) -> PyErr {
        let mut names = (0..self.named()).map(|index| self.name(index).to_string());
        super::error::<PyTypeError>(
            self.py,
            match names.find(|name| name != wanted || self.count > 0) {
                Some(name) if name == wanted => {
                    format!("{method} got multiple values for argument '{name}'")
                }
                Some(name) => format!("{method} got an unexpected keyword argument '{name}'"),
                None => {
                    let given = self.count + 1;
                    format!(
                        "{method} takes from 1 to 2 positional arguments but {given} were given"
                    )
                }
            },
        )
    }

    /// Calls `function` with all of them.
    #[inline]
    pub(crate) fn call(&self, function: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        // SAFETY: rule 3; the arguments are lent as they were lent to us.
        owned(self.py, unsafe {
            ending::vectorcall(function.as_ptr(), self.first, self.count, self.names)
        })
    }

    /// Calls the first of them with all others.
    #[inline]
    pub(crate) fn call_first(&self) -> PyResult<Bound<'py, PyAny>> {
        let Some(count) = self.count.checked_sub(1) else {
            return Err(super::error::<PyTypeError>(
                self.py,
                "missing 1 required positional argument: a callable",
            ));
        };
        room_on_the_stack(self.py)?;
        // SAFETY: rule 3; the arguments lie behind the function, and are lent as they were lent to us.
        owned(self.py, unsafe {
            ending::vectorcall(*self.first, self.first.add(1), count, self.names)
        })
    }

    /// Those with names.
    pub(crate) fn keywords(&self) -> PyResult<Option<Bound<'py, PyDict>>> {
        if self.named() == 0 {
            return Ok(None);
        }
        let keywords = super::dict(self.py)?;
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
            return Err(super::error::<PyTypeError>(class.py(), "classes cannot be called"));
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
