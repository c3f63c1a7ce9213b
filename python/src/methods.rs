//! Whether a class of ours still has the methods that it was made with.
//!
//! Where a program has put another method in a class, it is to be called as Twisted would call it;
//! where none has, which is nearly always, there is a shorter way.

use crate::raw::Watch;
use pyo3::PyTypeInfo;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;
use std::marker::PhantomData;

/// The methods of the class `T` that matter.
pub(crate) struct Methods<T, const N: usize> {
    names: [&'static str; N],
    made: PyOnceLock<Vec<(Py<PyString>, Py<PyAny>)>>,
    watch: Watch,
    class: PhantomData<fn() -> T>,
}

impl<T: PyTypeInfo, const N: usize> Methods<T, N> {
    pub(crate) const fn new(names: [&'static str; N]) -> Self {
        Self { names, made: PyOnceLock::new(), watch: Watch::new(), class: PhantomData }
    }

    /// Remembers what the class has now.
    pub(crate) fn remember(&self, py: Python<'_>) -> PyResult<()> {
        let class = py.get_type::<T>();
        let made: PyResult<Vec<_>> = self
            .names
            .iter()
            .map(|name| {
                let name = PyString::intern(py, name);
                Ok((name.clone().unbind(), class.getattr(name)?.unbind()))
            })
            .collect();
        // Set once, when the module is made.
        let _ = self.made.set(py, made?);
        Ok(())
    }

    /// Whether the class has them still.
    #[inline]
    pub(crate) fn are_as_made(&self, py: Python<'_>) -> bool {
        self.watch.of(T::type_object_raw(py), || self.look(py).into()) != 0
    }

    #[cold]
    fn look(&self, py: Python<'_>) -> bool {
        let class = py.get_type::<T>();
        let same = |(name, made): &(Py<PyString>, Py<PyAny>)| {
            class.getattr(name).is_ok_and(|method| method.is(made))
        };
        self.made.get(py).is_some_and(|made| made.iter().all(same))
    }
}
