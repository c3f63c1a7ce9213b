//! Things that must be dropped once, and may do something when they are.

use crate::program::Block;
use arbitrary::Arbitrary;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Once;

/// Runs a block of the program that runs.
pub type RunBlock = Rc<dyn Fn(Block)>;

/// What a thing does when it is dropped.
#[derive(Arbitrary, Debug, Clone, Copy)]
pub enum OnDrop {
    /// Nothing.
    Nothing,
    /// Panics, unless its drop is part of a panic: the process would end.
    Panics,
    /// Runs a block.
    Runs(Block),
}

thread_local! {
    /// For each token made, whether it has been dropped.
    static TOKENS: RefCell<Vec<bool>> = const { RefCell::new(Vec::new()) };
    /// How many things without a size are alive.
    static SIZELESS: Cell<isize> = const { Cell::new(0) };
    /// What was found while nobody could be told: a panic in a drop or a callback is caught.
    static WRONG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static RUN_BLOCK: RefCell<Option<RunBlock>> = const { RefCell::new(None) };
}

/// Notes that something is wrong.
pub fn wrong(what: String) {
    WRONG.with(|wrong| wrong.borrow_mut().push(what));
}

/// Begins a run, whose blocks are run by this.
pub fn begin(run_block: RunBlock) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // It may be caught by what is tested; those on purpose do not come here.
            wrong(info.to_string());
            before(info);
        }));
    });
    WRONG.take();
    TOKENS.take();
    SIZELESS.set(0);
    RUN_BLOCK.set(Some(run_block));
}

/// Ends it.
///
/// # Panics
///
/// When something is wrong, or has not been dropped.
pub fn end() {
    assert_nothing_is_wrong(&"the end");
    let alive = TOKENS.take().into_iter().enumerate().filter(|(_, gone)| !gone);
    let alive: Vec<usize> = alive.map(|(number, _)| number).collect();
    assert!(alive.is_empty(), "tokens not dropped: {alive:?}");
    assert_eq!(SIZELESS.get(), 0, "things without a size that were not dropped");
    RUN_BLOCK.set(None);
}

/// Panics if something is wrong.
///
/// # Panics
///
/// When something is wrong.
pub fn assert_nothing_is_wrong(when: &dyn fmt::Display) {
    let found = WRONG.take();
    assert!(found.is_empty(), "wrong after {when}:\n{}", found.join("\n"));
}

/// Has to be dropped once. Its number lies on the heap, where a sanitizer notices who comes late.
pub struct Token(Box<(usize, OnDrop)>);

impl Token {
    /// One that does this when it is dropped.
    pub fn new(on_drop: OnDrop) -> Self {
        TOKENS.with(|tokens| {
            let mut tokens = tokens.borrow_mut();
            tokens.push(false);
            Self(Box::new((tokens.len() - 1, on_drop)))
        })
    }

    /// Notes it if this is not alive.
    pub fn check(&self) {
        if TOKENS.with(|tokens| tokens.borrow().get(self.0.0).copied()) != Some(false) {
            wrong(format!("token {} is used after its drop", self.0.0));
        }
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.check();
        TOKENS.with(|tokens| {
            if let Some(gone) = tokens.borrow_mut().get_mut(self.0.0) {
                *gone = true;
            }
        });
        match self.0.1 {
            OnDrop::Nothing => {}
            OnDrop::Panics => panic_on_purpose(),
            OnDrop::Runs(block) => {
                let run_block = RUN_BLOCK.with_borrow(Clone::clone);
                if let Some(run_block) = run_block {
                    run_block(block);
                }
            }
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "token {}", self.0.0)
    }
}

/// Panics without the hook, which is for panics that nobody means.
pub fn panic_on_purpose() {
    if !std::thread::panicking() {
        std::panic::resume_unwind(Box::new("on purpose"));
    }
}

/// Counts the things without a size, for want of a number.
#[derive(Debug)]
pub struct Sizeless(());

impl Default for Sizeless {
    fn default() -> Self {
        SIZELESS.set(SIZELESS.get() + 1);
        Self(())
    }
}

impl Drop for Sizeless {
    fn drop(&mut self) {
        SIZELESS.set(SIZELESS.get() - 1);
        if SIZELESS.get() < 0 {
            wrong("something without a size was dropped twice".to_owned());
        }
    }
}

/// An error that holds a token.
#[derive(Debug)]
pub struct Oops(pub Token);

impl fmt::Display for Oops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("oops")
    }
}

impl std::error::Error for Oops {}
