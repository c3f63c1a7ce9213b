//! What threads share: the standard library's, or loom's while its models run (`cargo xtask loom`).

#[cfg(not(all(test, loom)))]
pub(crate) use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread::{ThreadId, current},
};

#[cfg(all(test, loom))]
pub(crate) use loom::{
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread::{ThreadId, current},
};
