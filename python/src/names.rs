//! The names that we ask Python objects for, made once, when the module is.
//!
//! `PyO3` makes each at its first use, and panics if there is no memory for it then.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;

macro_rules! names {
    ($($name:ident)*) => {
        /// The names, each under itself.
        #[allow(non_snake_case, reason = "they are Python's")]
        #[cfg_attr(Py_3_11, allow(dead_code, reason = "older versions have attributes for what later ones have functions for"))]
        pub(crate) struct Names {
            $(pub(crate) $name: Py<PyString>),*
        }

        impl Names {
            fn make(py: Python<'_>) -> Self {
                Self {
                    $($name: PyString::intern(py, stringify!($name).trim_start_matches("r#")).unbind()),*
                }
            }
        }
    };
}

names! {
    __class__ __dict__ __failure__ __getstate__ __init__ __name__ __newobj__ _callbacks _cancelAcquire _cancelGet _cancelled
    _cbDeferred _chainedTo _getDebugTracebacks _releaseAndReturn _suppressAlreadyCalled acquire active addBoth
    addCallback addCallbacks append callback callbackArgs called callLater cancel canceller cancelTimeout captureVars
    cleanFailure co_filename co_name consumeErrors convertCancelled copyreg coro count creator debug errback
    errbackArgs f_globals f_lasti failResult failure finishedCount fireOnOneCallback fireOnOneErrback format_list gc r#gen get_referents invoker
    locked paused pop raiseException release remove result story tb throw throwExceptionIntoGenerator traceback trap r#type
    value
}

static NAMES: PyOnceLock<Names> = PyOnceLock::new();

/// Makes the names.
pub(crate) fn make(py: Python<'_>) {
    NAMES.get_or_init(py, || Names::make(py));
}

/// The names.
#[inline]
pub(crate) fn names(py: Python<'_>) -> &Names {
    NAMES.get(py).expect("the names are made before anything can ask for them")
}

/// One of the names, as a string of Python's.
macro_rules! name {
    ($py:expr, $name:ident) => {
        $crate::names::names($py).$name.bind($py)
    };
}
pub(crate) use name;
