//! The examples of Hereafter. The programs are in this folder's `*.rs` files; here are the tests of
//! the guide: every block of Rust in `docs/guide` is compiled and run by `cargo test --doc`.

#[cfg(doctest)]
macro_rules! chapters {
    ($($name:ident: $file:literal;)*) => {
        $(
            #[doc = include_str!(concat!("../../docs/guide/", $file))]
            pub mod $name {}
        )*
    };
}

#[cfg(doctest)]
chapters! {
    contents: "index.md";
    why: "01-why.md";
    first_deferred: "02-first-deferred.md";
    callbacks_and_errbacks: "03-callbacks-and-errbacks.md";
    failures: "04-failures.md";
    sync_or_async: "05-sync-or-async.md";
    waiting_and_chaining: "06-waiting-and-chaining.md";
    several_at_once: "07-several-at-once.md";
    cancelling: "08-cancelling.md";
    coroutines: "09-coroutines.md";
    locks_and_queues: "10-locks-and-queues.md";
    the_reactor: "11-the-reactor.md";
    threads_and_futures: "12-threads-and-futures.md";
    testing: "13-testing.md";
    unhandled_errors: "14-unhandled-errors-and-debugging.md";
    from_twisted: "15-from-twisted.md";
    the_network: "16-the-network.md";
    databases: "17-databases.md";
}

/// The project's front page.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub mod readme {}
