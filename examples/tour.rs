//! `tour`: every example of the three documents on Twisted's Deferreds, in Rust.
//!
//! ```text
//! cargo run --example tour                    # all of it
//! cargo run --example tour -- --list          # what there is
//! cargo run --example tour -- dummy-data trap # these two
//! ```
//!
//! | module | document |
//! |---|---|
//! | `introduction`, `translations`, `sequential` | "Introduction to Deferreds" |
//! | `callbacks`, `sync_or_async`, `cancelling`, `lists` | "Deferred Reference" |
//! | `tutorial` | the tutorial "Deferreds are beautiful!" |
//!
//! Each section prints what the document's own example prints. Where an example waits for seconds,
//! the tour has shorter ones, or a clock that it moves by hand.

#![allow(
    clippy::unnecessary_wraps,
    reason = "callbacks give back results, whether or not they can fail"
)]

use std::process::ExitCode;

use clap::Parser;
use clap::builder::PossibleValuesParser;

#[path = "tour/callbacks.rs"]
mod callbacks;
#[path = "tour/cancelling.rs"]
mod cancelling;
#[path = "tour/introduction.rs"]
mod introduction;
#[path = "tour/lists.rs"]
mod lists;
#[path = "tour/log.rs"]
mod log;
#[path = "tour/sequential.rs"]
mod sequential;
#[path = "tour/sync_or_async.rs"]
mod sync_or_async;
#[path = "tour/translations.rs"]
mod translations;
#[path = "tour/tutorial.rs"]
mod tutorial;

/// One of the three documents.
struct Document {
    title: &'static str,
    sections: &'static [Section],
}

/// One example of a document.
struct Section {
    name: &'static str,
    title: &'static str,
    run: fn(),
}

/// A row of the list of a document.
const fn section(name: &'static str, title: &'static str, run: fn()) -> Section {
    Section { name, title, run }
}

/// The tour, document by document, each in its own order.
const TOUR: [Document; 3] = [
    Document { title: "Introduction to Deferreds", sections: INTRODUCTION },
    Document { title: "Deferred Reference", sections: REFERENCE },
    Document { title: "Deferreds are beautiful!", sections: TUTORIAL },
];

const INTRODUCTION: &[Section] = &[
    section("pod-bay-doors", "First the doors, then the pod", introduction::pod_bay_doors),
    section("names", "One thing, then another, then another", introduction::names),
    section("balances", "Order where none is needed", introduction::balances),
    section("report-error", "Simple error handling", translations::report_error),
    section("try-else", "Handle an error, do something else on success", translations::try_else),
    section("handle-then-go-on", "Handle an error, then go on", translations::handle_then_go_on),
    section("whole-operation", "Handle errors of a whole operation", translations::whole_operation),
    section("finally", "Do something regardless", translations::finally),
    section("coroutines", "Coroutines with async and await", sequential::coroutines),
    section("inline-callbacks", "The same as callbacks and inline", sequential::inline_callbacks),
];

const REFERENCE: &[Section] = &[
    section("dummy-data", "A delayed result", callbacks::dummy_data),
    section("odd-even", "Several callbacks, and an error", callbacks::odd_even),
    section("trap", "Errors of several types", callbacks::trap),
    section("two-cases", "addCallback and addErrback are not addCallbacks", callbacks::two_cases),
    section("unhandled", "Errors that nobody handles are logged", callbacks::unhandled),
    section("authenticate", "Synchronous and asynchronous results", sync_or_async::authenticate),
    section("cancel-connecting", "Cancel a connection attempt", cancelling::connection_attempt),
    section("default-cancel", "What cancelling does by default", cancelling::default_behaviour),
    section("http-client", "A canceller that aborts the connection", cancelling::http_client),
    section("deferred-list", "Wait for several at once", lists::deferred_list),
    section("list-callbacks", "A callback before the list, and after", lists::before_and_after),
    section("list-options", "A list that does not wait for all", lists::options),
    section("gather-results", "All the results, or the first error", lists::gather),
    section("chain-deferred", "Chain two deferreds by hand", lists::chain_by_hand),
];

const TUTORIAL: &[Section] = &[
    section("simple", "One callback, one errback", tutorial::simple),
    section("fails-at-once", "The requested operation fails", tutorial::fails_at_once),
    section("callback-raises", "A callback raises", tutorial::callback_raises),
    section("only-errbacks", "Errors are handled by errbacks alone", tutorial::only_errbacks),
    section("carries-on", "Handle an error and carry on", tutorial::carries_on),
    section("both", "addBoth: the finally of deferreds", tutorial::both),
    section("yes-no", "addCallbacks: decide on what came before", tutorial::yes_no),
    section("yes-no-passthru", "The same, passing the failure on", tutorial::yes_no_passthru),
    section("stateful", "Callbacks before firing, and after", tutorial::stateful),
    section("beautiful", "Callbacks can return deferreds", tutorial::beautiful),
];

fn sections() -> impl Iterator<Item = &'static Section> {
    TOUR.iter().flat_map(|document| document.sections)
}

/// Every example of the three documents on Twisted's Deferreds, in Rust.
#[derive(Parser)]
#[command(name = "tour")]
struct Arguments {
    /// The sections to run, as `--list` names them: all, if none is named
    #[arg(value_name = "NAME", value_parser = names(), hide_possible_values = true)]
    names: Vec<String>,
    /// List the sections
    #[arg(long)]
    list: bool,
}

fn names() -> PossibleValuesParser {
    sections().map(|section| section.name).collect::<Vec<_>>().into()
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        for document in TOUR {
            println!("{}", document.title);
            for Section { name, title, .. } in document.sections {
                println!("  {name:20}{title}");
            }
        }
        return ExitCode::SUCCESS;
    }
    let is_wanted = |section: &&Section| {
        arguments.names.is_empty() || arguments.names.iter().any(|name| name == section.name)
    };
    for Section { name, title, run } in sections().filter(is_wanted) {
        println!("== {name}: {title}\n");
        run();
        println!();
    }
    ExitCode::SUCCESS
}
