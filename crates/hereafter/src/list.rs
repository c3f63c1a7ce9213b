//! Several deferreds at once.

#[cfg(feature = "inspect")]
use crate::cell::CellRef;
use crate::cell::{Canceller, Members};
use crate::deferred::{CancelHandle, Deferred, Repr};
use crate::errors::{CancelledError, FailureGroup, FirstError};
use crate::failure::Failure;
use crate::report;
use crate::trigger::Trigger;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::panic::Location;
use std::rc::Rc;

/// Waits for all of several deferreds, whatever becomes of each (Twisted's `DeferredList`).
///
/// A builder: say how it is to fire, and get the deferred. Members are moved in. Results are in the
/// order of the members. The list fires once; a failure that nobody will see, because it is not
/// among what the list fires with, is reported, unless
/// [`consume_errors`](DeferredList::consume_errors) was said.
///
/// Cancelling the list cancels every member, and the list then fires as they do.
///
/// # Examples
///
/// ```
/// use hereafter::{Deferred, DeferredList, Failure};
///
/// let (one, first) = Deferred::new();
/// let (two, second) = Deferred::new();
/// let list = DeferredList::new([first, second]).wait();
/// two.errback(Failure::msg("bang!"));
/// one.callback("one");
/// let results = list.take_result().unwrap().unwrap();
/// assert_eq!(results[0].as_ref().unwrap(), &"one");
/// assert_eq!(results[1].as_ref().unwrap_err().to_string(), "bang!");
/// ```
#[must_use = "a list does nothing until it is told how to fire"]
pub struct DeferredList<T: 'static> {
    members: Vec<Member<T>>,
    consume_errors: bool,
}

impl<T: 'static> DeferredList<T> {
    /// A list of these deferreds.
    ///
    /// # Examples
    ///
    /// ```
    /// let list = hereafter::DeferredList::<u32>::new([]).wait();
    /// assert!(list.take_result().unwrap().unwrap().is_empty());
    /// ```
    pub fn new(members: impl IntoIterator<Item = Deferred<T>>) -> Self {
        Self { members: members.into_iter().map(Member::given).collect(), consume_errors: false }
    }

    /// Adds one deferred.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::{Deferred, DeferredList};
    /// let mut list = DeferredList::new([]);
    /// list.push(Deferred::succeed(1));
    /// assert_eq!(list.wait().take_result().unwrap().unwrap().len(), 1);
    /// ```
    pub fn push(&mut self, member: Deferred<T>) {
        self.members.push(Member::given(member));
    }

    /// Adds one deferred, and gives it back: its result goes on down its own chain too.
    ///
    /// The list sees the result as it is here. What is added to the deferred from now on, it does
    /// not see.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::{Deferred, DeferredList};
    ///
    /// let (trigger, d) = Deferred::new();
    /// let mut list = DeferredList::new([]);
    /// let d = list.watch(d).map(|text: &str| format!("{text} ten"));
    /// let list = list.wait();
    /// trigger.callback("one");
    /// assert_eq!(list.take_result().unwrap().unwrap()[0].as_ref().unwrap(), &"one");
    /// assert_eq!(d.take_result().unwrap().unwrap(), "one ten");
    /// ```
    #[track_caller]
    pub fn watch(&mut self, member: Deferred<T>) -> Deferred<T>
    where
        T: Clone,
    {
        let mut member = member;
        let watched = Some(member.cancel_handle());
        let (trigger, deferred) = Deferred::new();
        self.members.push(Member { deferred, watched });
        member.add_both(move |result| {
            trigger.fire(result.clone());
            result
        })
    }

    /// Drops failures that are not among what the list fires with, instead of reporting them.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::{Deferred, DeferredList, report};
    ///
    /// let collector = report::collect();
    /// let members = [Deferred::succeed(1), Deferred::fail(std::fmt::Error)];
    /// let first = DeferredList::new(members).consume_errors().fire_on_one_callback();
    /// assert_eq!(first.take_result().unwrap().unwrap(), (1, 0));
    /// assert!(collector.take().is_empty());
    /// ```
    pub fn consume_errors(mut self) -> Self {
        self.consume_errors = true;
        self
    }

    /// Fires when all have: with the results in the order of the members.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::{Deferred, DeferredList};
    /// let list = DeferredList::new([Deferred::succeed(1), Deferred::succeed(2)]).wait();
    /// let values: Result<Vec<_>, _> = list.take_result().unwrap().unwrap().into_iter().collect();
    /// assert_eq!(values.unwrap(), [1, 2]);
    /// ```
    #[track_caller]
    pub fn wait(self) -> Deferred<Vec<Result<T, Failure>>> {
        let rule = Rule { on_value: false, on_failure: false, cancel_losers: false };
        self.start(rule, |ending, _| match ending {
            Ending::All(results) => Ok(results),
            Ending::Value(..) | Ending::Failure(..) => unreachable!("the rule says all"),
        })
    }

    /// Fires with the first value, and which member it is of (Twisted's `fireOnOneCallback`).
    ///
    /// If all fail it fails, with a [`FailureGroup`]. A list without members fails with
    /// [`Abandoned`](crate::errors::Abandoned).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::{Deferred, DeferredList};
    /// let (_trigger, pending) = Deferred::new();
    /// let first = DeferredList::new([pending, Deferred::succeed("b")]).fire_on_one_callback();
    /// assert_eq!(first.take_result().unwrap().unwrap(), ("b", 1));
    /// ```
    #[track_caller]
    pub fn fire_on_one_callback(self) -> Deferred<(T, usize)> {
        let rule = Rule { on_value: true, on_failure: false, cancel_losers: false };
        self.start(rule, |ending, made| match ending {
            Ending::Value(value, index) => Ok((value, index)),
            Ending::All(results) => Err(group(results, made)),
            Ending::Failure(failure, _) => Err(failure),
        })
    }

    /// Fires with all values, or as soon as one fails with its [`FirstError`] (Twisted's
    /// `fireOnOneErrback`).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::{Deferred, DeferredList, errors::FirstError};
    /// let (_trigger, pending) = Deferred::<u32>::new();
    /// let list = DeferredList::new([pending, Deferred::fail(std::fmt::Error)]);
    /// let failure = list.fire_on_one_errback().take_result().unwrap().unwrap_err();
    /// assert_eq!(failure.check::<FirstError>().unwrap().index, 1);
    /// ```
    #[track_caller]
    pub fn fire_on_one_errback(self) -> Deferred<Vec<T>> {
        let rule = Rule { on_value: false, on_failure: true, cancel_losers: false };
        self.start(rule, |ending, made| match ending {
            Ending::All(results) => results.into_iter().collect(),
            Ending::Failure(failure, index) => Err(first(failure, index, made)),
            Ending::Value(..) => unreachable!("the rule says all values"),
        })
    }

    /// Fires with the first that has a result, a value or a failure (both of Twisted's switches).
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::{Deferred, DeferredList};
    /// let (_trigger, pending) = Deferred::new();
    /// let first = DeferredList::new([pending, Deferred::succeed("b")]).fire_on_first();
    /// assert_eq!(first.take_result().unwrap().unwrap(), ("b", 1));
    /// ```
    #[track_caller]
    pub fn fire_on_first(self) -> Deferred<(T, usize)> {
        let rule = Rule { on_value: true, on_failure: true, cancel_losers: false };
        self.start(rule, |ending, made| match ending {
            Ending::Value(value, index) => Ok((value, index)),
            Ending::Failure(failure, index) => Err(first(failure, index, made)),
            Ending::All(results) => Err(group(results, made)),
        })
    }

    /// Adds a link to each member that is pending, and fires as `rule` and `conclude` say.
    #[track_caller]
    fn start<O: 'static>(self, rule: Rule, conclude: Conclude<T, O>) -> Deferred<O> {
        let (trigger, list) = Deferred::new();
        let count = self.members.len();
        let gathering = Rc::new(Gathering {
            results: RefCell::new(Vec::new()),
            left: Cell::new(count),
            rule,
            consume_errors: self.consume_errors,
            trigger: Cell::new(Some(trigger)),
            conclude,
            made: Location::caller(),
            cancelled: Cell::new(false),
            cancelling: Cell::new(false),
            handles: RefCell::new(Vec::new()),
        });
        if count == 0 {
            if !rule.on_value {
                gathering.end(Ending::All(Vec::new()));
            }
            return list;
        }
        gathering.results.borrow_mut().resize_with(count, || None);
        if let Repr::Pending(out) = &list.repr {
            let members: Rc<dyn Members> = gathering.clone();
            out.cell().set_canceller(Canceller::Members(members));
        }
        for (index, member) in self.members.into_iter().enumerate() {
            Gathering::watch(&gathering, index, member);
        }
        list
    }
}

impl<T: 'static> fmt::Debug for DeferredList<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeferredList").field("members", &self.members.len()).finish_non_exhaustive()
    }
}

/// A member, or the copy of one that goes on down its own chain; that one is cancelled from here.
struct Member<T: 'static> {
    deferred: Deferred<T>,
    watched: Option<CancelHandle>,
}

impl<T: 'static> Member<T> {
    fn given(deferred: Deferred<T>) -> Self {
        Self { deferred, watched: None }
    }
}

/// When a list fires before all its members have.
#[derive(Clone, Copy)]
struct Rule {
    on_value: bool,
    on_failure: bool,
    /// Whether the members that are still pending then are cancelled.
    cancel_losers: bool,
}

/// How a list came to its end.
enum Ending<T> {
    All(Vec<Result<T, Failure>>),
    Value(T, usize),
    Failure(Failure, usize),
}

/// What the end of a list, made at the place given, makes of it.
type Conclude<T, O> = fn(Ending<T>, &'static Location<'static>) -> Result<O, Failure>;

/// What the links on the members of a list share.
struct Gathering<T: 'static, O: 'static> {
    results: RefCell<Vec<Option<Result<T, Failure>>>>,
    left: Cell<usize>,
    rule: Rule,
    consume_errors: bool,
    trigger: Cell<Option<Trigger<O>>>,
    conclude: Conclude<T, O>,
    made: &'static Location<'static>,
    /// The members have been cancelled from here.
    cancelled: Cell<bool>,
    /// The list is being cancelled.
    cancelling: Cell<bool>,
    /// The members that can be cancelled. One that is watched can be when it has a result, too: its
    /// own chain may wait for another.
    handles: RefCell<Vec<(usize, CancelHandle)>>,
}

impl<T: 'static, O: 'static> Gathering<T, O> {
    /// Has the result of a member arrive here: now, if it is there.
    fn watch(this: &Rc<Self>, index: usize, member: Member<T>) {
        let Member { deferred, watched } = member;
        let handle = match deferred.take_result() {
            Ok(result) => {
                this.arrive(index, result);
                watched
            }
            Err(mut deferred) => {
                let handle = watched.unwrap_or_else(|| deferred.cancel_handle());
                let gathering = this.clone();
                deferred.hand_over(move |result| gathering.arrive(index, result), this.made);
                if this.is_over() && this.rule.cancel_losers {
                    handle.cancel();
                }
                Some(handle)
            }
        };
        if !this.is_over() {
            this.handles.borrow_mut().extend(handle.map(|handle| (index, handle)));
        }
    }

    /// Whether the list has fired.
    fn is_over(&self) -> bool {
        let trigger = self.trigger.take();
        let over = trigger.is_none();
        self.trigger.set(trigger);
        over
    }

    /// Nobody will see this result.
    fn discard(&self, result: Result<T, Failure>) {
        if let Err(failure) = &result {
            // What our own cancel has led to is no news.
            let asked_for = self.cancelled.get() && failure.is::<CancelledError>();
            if !self.consume_errors && !asked_for {
                report::failure("Unhandled error in Deferred", failure.clone());
            }
        }
        report::unwanted(|| drop(result));
    }

    fn arrive(&self, index: usize, result: Result<T, Failure>) {
        if self.is_over() {
            if result.is_ok() && self.rule.cancel_losers {
                // It has won a race that was cancelled: whatever the others wait for by now is in vain.
                self.cancel_members(Some(index));
                self.handles.take();
            }
            return self.discard(result);
        }
        self.left.set(self.left.get() - 1);
        match result {
            Ok(value) if self.rule.on_value => self.end(Ending::Value(value, index)),
            Err(failure) if self.rule.on_failure => self.end(Ending::Failure(failure, index)),
            result => {
                self.results.borrow_mut()[index] = Some(result);
                if self.left.get() == 0 {
                    let results = self.results.take().into_iter().flatten().collect();
                    self.end(Ending::All(results));
                }
            }
        }
    }

    fn end(&self, ending: Ending<T>) {
        let Some(trigger) = self.trigger.take() else { return };
        if self.rule.cancel_losers {
            let winner = match &ending {
                Ending::Value(_, index) | Ending::Failure(_, index) => Some(*index),
                Ending::All(_) => None,
            };
            self.cancel_members(winner);
        }
        self.handles.take();
        let others = self.results.take();
        trigger.fire((self.conclude)(ending, self.made));
        others.into_iter().flatten().for_each(|result| self.discard(result));
    }

    /// A race that is cancelled does not wait for those that take their time.
    fn give_up(&self) {
        if let Some(trigger) = self.trigger.take() {
            trigger.fire(Err(Failure::made_at(CancelledError, self.made)));
        }
    }

    /// Cancels the members, save one.
    fn cancel_members(&self, except: Option<usize>) {
        self.cancelled.set(true);
        let handles = self.handles.borrow().clone();
        for (index, handle) in handles {
            if Some(index) != except {
                handle.cancel();
            }
        }
    }
}

impl<T: 'static, O: 'static> Members for Gathering<T, O> {
    fn cancel(&self) {
        // A member may wait for the list: what it is cancelled with comes back here.
        if !self.cancelling.replace(true) {
            self.cancel_members(None);
            self.cancelling.set(false);
        }
        if self.rule.cancel_losers {
            self.give_up();
        }
    }

    #[cfg(feature = "inspect")]
    fn count(&self) -> usize {
        self.results.borrow().len()
    }

    #[cfg(feature = "inspect")]
    fn awaited(&self) -> Vec<CellRef> {
        let results = self.results.borrow();
        let is_awaited = |index: usize| results.get(index).is_some_and(Option::is_none);
        let handles = self.handles.borrow();
        let awaited = handles.iter().filter(|(index, _)| is_awaited(*index));
        awaited.map(|(_, handle)| handle.cell().clone()).collect()
    }
}

/// All of them failed.
fn group<T>(results: Vec<Result<T, Failure>>, made: &'static Location<'static>) -> Failure {
    let failures = results.into_iter().filter_map(Result::err).collect();
    Failure::made_at(FailureGroup { failures }, made)
}

/// One of them failed first.
fn first(failure: Failure, index: usize, made: &'static Location<'static>) -> Failure {
    Failure::made_at(FirstError { failure, index }, made)
}

/// Waits for all, and gives their values in order (Twisted's `gatherResults`).
///
/// As soon as one fails it fails, with a [`FirstError`]. Failures of others that come later are
/// reported; see [`DeferredList`] for a way to drop them. Cancelling it cancels every member, and
/// it then ends as they do: as a rule with the [`FirstError`] of a
/// [`CancelledError`], and without a word on those of the others.
///
/// # Examples
///
/// ```
/// use hereafter::{Deferred, gather_results};
///
/// let (one, first) = Deferred::new();
/// let (two, second) = Deferred::new();
/// let d = gather_results([first, second]);
/// two.callback("two");
/// one.callback("one");
/// assert_eq!(d.take_result().unwrap().unwrap(), ["one", "two"]);
/// ```
#[track_caller]
pub fn gather_results<T: 'static>(
    members: impl IntoIterator<Item = Deferred<T>>,
) -> Deferred<Vec<T>> {
    let mut members = members.into_iter();
    // As long as the values are there, they need no list to wait in.
    let mut values = Vec::with_capacity(members.size_hint().0);
    let odd = loop {
        match members.next().map(Deferred::take_result) {
            None => return Deferred::succeed(values),
            Some(Ok(Ok(value))) => values.push(value),
            Some(Ok(Err(failure))) => break Deferred::fail(failure),
            Some(Err(pending)) => break pending,
        }
    };
    let ready = values.into_iter().map(Deferred::succeed);
    DeferredList::new(ready.chain([odd]).chain(members)).fire_on_one_errback()
}

/// Waits for the first that succeeds: its place and its value (Twisted's `race`).
///
/// The others are cancelled then. If all fail it fails, with a [`FailureGroup`]; with no deferred at
/// all, with [`Abandoned`](crate::errors::Abandoned). Cancelling it cancels all.
///
/// # Examples
///
/// ```
/// use hereafter::{Deferred, race};
///
/// let (_slow, first) = Deferred::new();
/// let (quick, second) = Deferred::new();
/// let d = race([first, second]);
/// quick.callback("quick");
/// assert_eq!(d.take_result().unwrap().unwrap(), (1, "quick"));
/// ```
#[track_caller]
pub fn race<T: 'static>(members: impl IntoIterator<Item = Deferred<T>>) -> Deferred<(usize, T)> {
    let rule = Rule { on_value: true, on_failure: false, cancel_losers: true };
    DeferredList::new(members).consume_errors().start(rule, |ending, made| match ending {
        Ending::Value(value, index) => Ok((index, value)),
        Ending::All(results) => Err(group(results, made)),
        Ending::Failure(failure, _) => Err(failure),
    })
}

/// Waits for all of a tuple of deferreds of different types; see [`gather`].
pub trait Gather {
    /// The tuple of their values.
    type Values: 'static;
    /// What [`gather`] does.
    fn gather(self) -> Deferred<Self::Values>;
}

/// Waits for all of a tuple of up to eight deferreds, which may be of different types.
///
/// It fails and is cancelled as [`gather_results`].
///
/// # Examples
///
/// ```
/// use hereafter::{Deferred, gather};
/// let d = gather((Deferred::succeed(1), Deferred::succeed("two")));
/// assert_eq!(d.take_result().unwrap().unwrap(), (1, "two"));
/// ```
#[track_caller]
pub fn gather<G: Gather>(members: G) -> Deferred<G::Values> {
    members.gather()
}

macro_rules! gather_tuple {
    ($($name:ident)+) => {
        impl<$($name: 'static),+> Gather for ($(Deferred<$name>,)+) {
            type Values = ($($name,)+);

            #[allow(non_snake_case, reason = "the type parameters name the members")]
            #[track_caller]
            fn gather(self) -> Deferred<Self::Values> {
                let ($($name,)+) = self;
                // Each value waits in a place of its own type; the list knows only that it came.
                let mut arrivals = Vec::new();
                $(
                    let place = Rc::new(Cell::new(None));
                    let arrived = place.clone();
                    arrivals.push($name.map(move |value| arrived.set(Some(value))));
                    let $name = place;
                )+
                gather_results(arrivals).map(move |_| {
                    ($($name.take().expect("all have arrived"),)+)
                })
            }
        }
    };
}

gather_tuple!(A);
gather_tuple!(A B);
gather_tuple!(A B C);
gather_tuple!(A B C D);
gather_tuple!(A B C D E);
gather_tuple!(A B C D E F);
gather_tuple!(A B C D E F G);
gather_tuple!(A B C D E F G H);
