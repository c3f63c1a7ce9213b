//! The unit tests of `linkcheck`'s modules.
//!
//! They are here, and not run with the example itself, because cargo builds an example either as a
//! program, which `tests/linkcheck.rs` needs, or as its own tests.

#![allow(dead_code, reason = "what joins the modules is `main`, which is not here")]

#[path = "../linkcheck/address.rs"]
mod address;
#[path = "../linkcheck/cli.rs"]
mod cli;
#[path = "../linkcheck/crawl.rs"]
mod crawl;
#[path = "../linkcheck/docs.rs"]
mod docs;
#[path = "../linkcheck/fetch.rs"]
mod fetch;
#[path = "../linkcheck/follow.rs"]
mod follow;
#[path = "../linkcheck/history.rs"]
mod history;
#[path = "../linkcheck/page.rs"]
mod page;
#[path = "../linkcheck/problem.rs"]
mod problem;
#[path = "../linkcheck/progress.rs"]
mod progress;
#[path = "../linkcheck/report.rs"]
mod report;
#[path = "../linkcheck/retry.rs"]
mod retry;
#[path = "../linkcheck/robots.rs"]
mod robots;
#[path = "../linkcheck/serve.rs"]
mod serve;
#[path = "../linkcheck/targets.rs"]
mod targets;
