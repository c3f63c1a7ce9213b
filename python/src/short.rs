//! The methods of `Deferred` that are called most, which take their arguments where the interpreter laid them.

use crate::deferred::{Deferred, LAYOUT};
use crate::inline::Driver;
use crate::inspect;
use crate::names::name;
use crate::raw::{self, Arguments, Awaits, Call, Fast, Layout};
use crate::twisted::twisted;
use crate::world::{Added, Link, Pair, state};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyType;

/// `Deferred(canceller)`.
struct Construct;

impl Fast for Construct {
    type Receiver = PyType;

    #[inline]
    fn quick<'py>(
        class: &Bound<'py, PyType>,
        arguments: &Arguments<'_, 'py>,
    ) -> Option<Bound<'py, PyAny>> {
        if arguments.len() + arguments.named() == 0 && LAYOUT.has_own_init(class) {
            return Deferred::make_quickly(class.py()).map(Bound::into_any);
        }
        None
    }

    fn call<'py>(
        class: &Bound<'py, PyType>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let few = match (arguments.len(), arguments.named()) {
            (0 | 1, 0) => true,
            (0, 1) => arguments.is_only_name(name!(class.py(), canceller)),
            _ => false,
        };
        if !LAYOUT.has_own_init(class) {
            return raw::construct(class, arguments);
        }
        if !few {
            return Err(arguments.other_than_at_most_one("Deferred.__init__()", "canceller"));
        }
        let new = Deferred::make(class.py())?;
        if arguments.len() + arguments.named() == 1 {
            let canceller = arguments.get(0);
            state(&new).canceller.set((!canceller.is_none()).then_some(canceller));
        }
        Ok(new.into_any())
    }
}

/// What takes a result, and what it is given beside it, and pushes a link.
struct Add<const KIND: u8>;

const CALLBACK: u8 = 0;
const ERRBACK: u8 = 1;
const BOTH: u8 = 2;

impl<const KIND: u8> Add<KIND> {
    /// The same as `quick`, where something was added before.
    #[cold]
    #[inline(never)]
    fn quick_noted<'py>(
        deferred: &Bound<'py, Deferred>,
        arguments: &Arguments<'_, 'py>,
    ) -> Option<Bound<'py, PyAny>> {
        let added = inspect::here_again(deferred.py())?;
        state(deferred).links.push(Self::link(arguments, Some(added))?);
        Some(deferred.clone().into_any())
    }

    /// The link, if the function is the first of the arguments.
    #[inline]
    fn link(arguments: &Arguments<'_, '_>, added: Added) -> Option<Link> {
        if arguments.len() == 1 && arguments.named() == 0 {
            let function = arguments.get(0).unbind();
            return Some(match KIND {
                CALLBACK => Link::Callback(function, added),
                ERRBACK => Link::Errback(function, added),
                _ => Link::Both(function, added),
            });
        }
        (arguments.len() > 0).then(|| Self::pair(Call::of_first(arguments), added))
    }

    fn pair(call: Call, added: Added) -> Link {
        let pair = match KIND {
            CALLBACK => Pair::Callback(call),
            ERRBACK => Pair::Errback(call),
            _ => Pair::Both(call),
        };
        Link::Pair(Box::new(pair), added)
    }

    /// The link, if the function is given by its name.
    #[cold]
    fn link_by_name(arguments: &Arguments<'_, '_>) -> PyResult<Link> {
        let (method, name) =
            [("addCallback", "callback"), ("addErrback", "errback"), ("addBoth", "callback")]
                [usize::from(KIND)];
        let py = arguments.py();
        let missing = || {
            raw::error::<PyTypeError>(
                py,
                format!("Deferred.{method}() missing 1 required positional argument: '{name}'"),
            )
        };
        let keywords = arguments.keywords()?.ok_or_else(missing)?;
        let name = raw::text(py, name)?;
        let function = keywords.get_item(&name)?.ok_or_else(missing)?;
        keywords.del_item(name)?;
        Call::new(function, Vec::new(), Some(&keywords)).map(|call| Self::pair(call, None))
    }
}

impl<const KIND: u8> Fast for Add<KIND> {
    type Receiver = Deferred;

    #[inline]
    fn quick<'py>(
        deferred: &Bound<'py, Deferred>,
        arguments: &Arguments<'_, 'py>,
    ) -> Option<Bound<'py, PyAny>> {
        let its = state(deferred);
        if its.chain.is_fired() {
            return None;
        }
        if its.history.get().is_some() {
            return Self::quick_noted(deferred, arguments);
        }
        its.links.push(Self::link(arguments, None)?);
        Some(deferred.clone().into_any())
    }

    fn call<'py>(
        deferred: &Bound<'py, Deferred>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let link = Self::link(arguments, None).map_or_else(|| Self::link_by_name(arguments), Ok)?;
        Deferred::push(deferred, link);
        Ok(deferred.clone().into_any())
    }
}

/// `callback(result)`.
struct Fire;

impl Fast for Fire {
    type Receiver = Deferred;

    fn call<'py>(
        deferred: &Bound<'py, Deferred>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = deferred.py();
        let wrong = || arguments.other_than_one("Deferred.callback()", "result");
        let result = arguments.only(name!(py, result)).ok_or_else(wrong)?;
        Deferred::start(deferred, result)?;
        Ok(py.None().into_bound(py))
    }
}

/// `fromCoroutine(coro)`.
struct FromCoroutine;

impl Fast for FromCoroutine {
    type Receiver = PyType;

    fn call<'py>(
        class: &Bound<'py, PyType>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = class.py();
        let wrong = || arguments.other_than_one("Deferred.fromCoroutine()", "coro");
        let coro = arguments.only(name!(py, coro)).ok_or_else(wrong)?;
        if Driver::can_drive(&coro)? {
            let begun = raw::as_one_call::<false, _>(py, || Driver::begin(&coro));
            return begun.map(Bound::into_any);
        }
        let text = raw::text(py, &format!("{} is not a coroutine", coro.repr()?.to_str()?))?;
        Err(PyErr::from_value(twisted(py)?.not_a_coroutine.bind(py).call1((text,))?))
    }
}

/// Has the class make its objects the short way, and puts in the methods that are called most.
pub(crate) fn shorten(py: Python<'_>) -> PyResult<()> {
    let class = py.get_type::<Deferred>();
    let probe = Bound::new(py, Deferred::bare())?;
    Layout::learn(&probe);
    raw::finalize::<Deferred>(py);
    Layout::learn(&Bound::new(py, Deferred::awaiter(&probe))?);
    raw::await_by::<Deferred>(py);
    raw::construct_by::<Construct>(&class);
    raw::add_method::<Add<CALLBACK>>(
        py,
        c"addCallback",
        c"addCallback($self, callback, *args, **kwargs)\n--\n\nAdds a function that is called with the result, unless it is a failure.",
    )?;
    raw::add_method::<Add<ERRBACK>>(
        py,
        c"addErrback",
        c"addErrback($self, errback, *args, **kwargs)\n--\n\nAdds a function that is called with the result if it is a failure.",
    )?;
    raw::add_method::<Add<BOTH>>(
        py,
        c"addBoth",
        c"addBoth($self, callback, *args, **kwargs)\n--\n\nAdds a function that is called with the result, be it a failure or not.",
    )?;
    raw::add_method::<Fire>(
        py,
        c"callback",
        c"callback($self, result)\n--\n\nFires with a result: runs the callbacks.",
    )?;
    raw::add_class_method::<FromCoroutine>(
        &class,
        c"fromCoroutine",
        c"fromCoroutine($type, coro)\n--\n\nRuns a coroutine that awaits Deferreds; the Deferred fires with what it returns.",
    )
}
