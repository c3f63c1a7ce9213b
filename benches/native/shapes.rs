//! What is measured. The names are the keys of the JSON file.

/// One thing that every system is asked to do.
pub(crate) struct Shape {
    /// The key in the JSON file.
    pub(crate) name: &'static str,
    /// One line for the head of its table.
    pub(crate) about: &'static str,
}

const fn shape(name: &'static str, about: &'static str) -> Shape {
    Shape { name, about }
}

/// Every shape, in the order of the report.
pub(crate) const ALL: &[Shape] = &[
    shape("fire3", "create, add 3 callbacks that capture nothing, fire, take the result"),
    shape("fire3_capturing", "create, add 3 callbacks that capture 8 or 16 bytes, fire, take"),
    shape("fire3_result", "create, add 3 callbacks that return a Result, fire, take"),
    shape("next_link", "each further callback: (19 callbacks - 3 callbacks) / 16"),
    shape("ready3", "a ready value, 3 callbacks, take the result"),
    shape("ready_returned", "extra cost of a callback that returns a ready one, not a value"),
    shape("failing_link", "each errback that hands its failure on: (19 errbacks - 3) / 16"),
    shape(
        "new_failure",
        "create, a callback that fails anew, an errback that recovers, fire, take",
    ),
    shape("cancel", "create, add an errback that recovers, cancel, take, drop the firing end"),
    shape("gather100_item", "gather 100 ready ones; per item"),
    shape("gather100_pending_item", "create and gather 100, fire them in order; per item"),
    shape("waiting_item", "1000, each waiting on the next, the innermost fired; per item"),
    shape("coroutine_ready", "an async block with 2 ready awaits"),
    shape("coroutine_pending", "an async block that waits once and is then resumed"),
    shape("adbapi_query", "a query for one row of an SQLite database in memory, and its values"),
    shape("adbapi_query100", "a query for a hundred rows, and their values"),
    shape("adbapi_interaction", "a transaction with a query and an update, committed"),
    shape("adbapi_postgres", "a query for one row of a PostgreSQL server, and its values"),
];

/// Links in the shorter chain of a slope.
pub(crate) const SHORT: usize = 3;
/// Links in the longer chain of a slope.
pub(crate) const LONG: usize = 19;
/// What a slope is divided by.
pub(crate) const EXTRA_LINKS: u32 = 16;
/// Callbacks in a chain of [`ready_returned`](ALL), which is divided by them.
pub(crate) const RETURNED: u32 = 4;
/// Items that are gathered.
pub(crate) const GATHERED: u32 = 100;
/// Length of the chain of waiters.
pub(crate) const WAITERS: u32 = 1000;

const _: () = assert!(LONG - SHORT == EXTRA_LINKS as usize);
