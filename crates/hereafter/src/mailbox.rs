//! How other threads, and wake-ups from outside, reach the thread that deferreds live on.

use crate::driver;
use crate::erased::LocalTask;
use crate::report;
use crate::sync::{Arc, Condvar, Mutex, MutexGuard, ThreadId, current};
use core::cell::OnceCell;
use std::collections::VecDeque;
use std::sync::PoisonError;

/// What is called whenever something arrives.
type Notify = std::sync::Arc<dyn Fn() + Send + Sync>;

/// The inbox of one thread.
///
/// Deferreds stay on the thread that made them. What has to reach them from elsewhere is posted
/// here: the firing of a [`RemoteTrigger`](crate::RemoteTrigger), a coroutine woken by a timer or
/// a socket, or any closure by [`post`](Mailbox::post). The owner thread runs what has arrived:
/// a reactor does so by itself; a program without one calls [`run_pending`](Mailbox::run_pending)
/// or [`wait`](Mailbox::wait).
///
/// A handle is cheap to clone, and is `Send` and `Sync`. It is what stands behind Twisted's
/// `reactor.callFromThread`.
///
/// # Examples
///
/// ```
/// use hereafter::mailbox::Mailbox;
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// static SEEN: AtomicU32 = AtomicU32::new(0);
///
/// let mailbox = Mailbox::current();
/// let remote = mailbox.clone();
/// std::thread::spawn(move || remote.post(|| SEEN.store(42, Ordering::SeqCst)));
/// mailbox.wait();
/// assert_eq!(SEEN.load(Ordering::SeqCst), 42);
/// ```
#[derive(Clone)]
pub struct Mailbox(Arc<Inbox>);

struct Inbox {
    owner: ThreadId,
    state: Mutex<State>,
    arrived: Condvar,
}

struct State {
    letters: VecDeque<Letter>,
    notify: Option<Notify>,
    /// The owner thread has ended.
    closed: bool,
}

enum Letter {
    Call(Box<dyn FnOnce() + Send>),
    Task(LocalTask),
}

/// Drops what will not be run.
fn give_up(letter: Letter) {
    report::guard("a call posted to a mailbox, when it was dropped", || drop(letter));
}

impl core::fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Mailbox").field("owner", &self.0.owner).finish_non_exhaustive()
    }
}

/// Closes the mailbox when its thread ends.
struct Owner(OnceCell<Mailbox>);

impl Drop for Owner {
    fn drop(&mut self) {
        if let Some(mailbox) = self.0.get() {
            let (left, notify) = {
                let mut state = mailbox.state();
                state.closed = true;
                (core::mem::take(&mut state.letters), state.notify.take())
            };
            // All of it is user code, and this drop must not unwind.
            report::guard("what notifies of a mailbox, when it was dropped", || drop(notify));
            left.into_iter().for_each(give_up);
        }
    }
}

#[cfg(not(all(test, loom)))]
thread_local! {
    static MAILBOX: Owner = const { Owner(OnceCell::new()) };
}

#[cfg(all(test, loom))]
loom::thread_local! {
    static MAILBOX: Owner = Owner(OnceCell::new());
}

impl Mailbox {
    /// The mailbox of the current thread.
    ///
    /// # Panics
    ///
    /// While the thread is being torn down.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::mailbox::Mailbox;
    /// let mailbox = Mailbox::current();
    /// assert_eq!(mailbox.run_pending(), 0);
    /// ```
    pub fn current() -> Self {
        MAILBOX.with(|owner| owner.0.get_or_init(Self::new).clone())
    }

    fn new() -> Self {
        let state = State { letters: VecDeque::new(), notify: None, closed: false };
        Self(Arc::new(Inbox {
            owner: current().id(),
            state: Mutex::new(state),
            arrived: Condvar::new(),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_of_this_thread(&self) -> bool {
        MAILBOX
            .try_with(|owner| owner.0.get().is_some_and(|own| Arc::ptr_eq(&own.0, &self.0)))
            .unwrap_or(false)
    }

    /// Has `call` called by the owner thread, after what was posted before.
    ///
    /// Returns at once, from any thread. When the owner thread has ended, `call` is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::mailbox::Mailbox;
    /// let mailbox = Mailbox::current();
    /// mailbox.post(|| println!("printed by run_pending"));
    /// assert_eq!(mailbox.run_pending(), 1);
    /// ```
    pub fn post(&self, call: impl FnOnce() + Send + 'static) {
        // A call may be dropped on this thread; it is `Send`.
        self.deliver(Letter::Call(Box::new(call))).unwrap_or_else(give_up);
    }

    pub(crate) fn post_task(&self, task: LocalTask) {
        // Where the owner thread has ended, the drop leaves the coroutine where it is.
        self.deliver(Letter::Task(task)).unwrap_or_else(give_up);
    }

    /// Puts a letter into the box and rings the bell; gives it back when the box is closed.
    fn deliver(&self, letter: Letter) -> Result<(), Letter> {
        let notify = {
            let mut state = self.state();
            if state.closed {
                return Err(letter);
            }
            state.letters.push_back(letter);
            state.notify.clone()
        };
        self.0.arrived.notify_all();
        if let Some(notify) = notify {
            report::guard("what notifies of a mailbox", || notify());
        }
        Ok(())
    }

    /// Sets what is called, on the posting thread, whenever something arrives; `None` for nothing.
    ///
    /// A reactor uses it to be woken. A panic in it is reported, and the post is there all the same.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::mailbox::Mailbox;
    /// use std::sync::Arc;
    /// Mailbox::current().set_notify(Some(Arc::new(|| println!("there is post"))));
    /// ```
    pub fn set_notify(&self, notify: Option<std::sync::Arc<dyn Fn() + Send + Sync>>) {
        // What it replaces is dropped when nothing is locked any more.
        let _before = core::mem::replace(&mut self.state().notify, notify);
    }

    /// Runs what has arrived, in the order of arrival; how many there were.
    ///
    /// What is posted meanwhile waits for the next call.
    ///
    /// # Panics
    ///
    /// When called on a thread that does not own this mailbox.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::mailbox::Mailbox;
    /// let mailbox = Mailbox::current();
    /// mailbox.post(|| ());
    /// mailbox.post(|| ());
    /// assert_eq!(mailbox.run_pending(), 2);
    /// ```
    #[track_caller]
    pub fn run_pending(&self) -> usize {
        assert!(self.is_of_this_thread(), "a mailbox is emptied by the thread that owns it");
        let letters = core::mem::take(&mut self.state().letters);
        let count = letters.len();
        for letter in letters {
            match letter {
                Letter::Call(call) => report::guard("a call posted to a mailbox", call),
                Letter::Task(task) => driver::run(task),
            }
        }
        count
    }

    /// Drops the coroutines that have been woken and not gone on yet, and with them what they
    /// waited for; how many there were. Calls that were posted stay.
    ///
    /// A reactor at its end uses it, whose end has woken them.
    ///
    /// # Panics
    ///
    /// When called on a thread that does not own this mailbox.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(hereafter::mailbox::Mailbox::current().drop_woken(), 0);
    /// ```
    #[track_caller]
    pub fn drop_woken(&self) -> usize {
        assert!(self.is_of_this_thread(), "a mailbox is emptied by the thread that owns it");
        let woken = {
            let mut state = self.state();
            let is_task = |letter: &Letter| matches!(letter, Letter::Task(_));
            let (woken, rest): (VecDeque<_>, _) = state.letters.drain(..).partition(is_task);
            state.letters = rest;
            woken
        };
        let count = woken.len();
        woken.into_iter().for_each(give_up);
        count
    }

    /// Blocks until something arrives, and runs it; how many there were.
    ///
    /// # Panics
    ///
    /// When called on a thread that does not own this mailbox.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter::mailbox::Mailbox;
    /// let mailbox = Mailbox::current();
    /// let remote = mailbox.clone();
    /// std::thread::spawn(move || remote.post(|| ()));
    /// assert_eq!(mailbox.wait(), 1);
    /// ```
    #[track_caller]
    pub fn wait(&self) -> usize {
        let mut state = self.state();
        while state.letters.is_empty() {
            state = self.0.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        self.run_pending()
    }
}
