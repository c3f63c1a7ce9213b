//! `linkcheck`: checks every link of a site.
//!
//! ```text
//! cargo run --release --example linkcheck                        # Hereafter's own documentation
//! cargo run --release --example linkcheck -- https://example.org # a site
//! cargo run --release --example linkcheck -- target/doc          # a folder, served on loopback
//! cargo run --release --example linkcheck -- --db site.db https://example.org   # and what broke since
//! cargo run --release --example linkcheck -- --help
//! ```
//!
//! The rooms, from the ground up:
//!
//! | module | what it does |
//! |---|---|
//! | `cli`, `problem`, `address`, `page` | plain code: options, what can be wrong, what a `href` means, what a page holds |
//! | `docs`, `serve` | a site to check: the embedded documentation, or a folder |
//! | `retry`, `fetch` | one request as a chain of callbacks: semaphore, timeout, further attempts |
//! | `follow`, `robots` | redirects as a coroutine; `robots.txt`, read once and shared |
//! | `history` | what earlier checks have found, in an SQLite database |
//! | `targets`, `crawl` | every address and its verdict; the queue and its workers |
//! | `report`, `progress` | what is shown |

use std::cell::Cell;
use std::io::{self, Write};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use clap::Parser;
use hereafter::errors::CancelledError;
use hereafter::{Deferred, Failure};
use hereafter_reactor::{Phase, Reactor, SystemEvent};
use indexmap::IndexSet;

#[path = "linkcheck/address.rs"]
mod address;
#[path = "linkcheck/cli.rs"]
mod cli;
#[path = "linkcheck/crawl.rs"]
mod crawl;
#[path = "linkcheck/docs.rs"]
mod docs;
#[path = "linkcheck/fetch.rs"]
mod fetch;
#[path = "linkcheck/follow.rs"]
mod follow;
#[path = "linkcheck/history.rs"]
mod history;
#[path = "linkcheck/page.rs"]
mod page;
#[path = "linkcheck/problem.rs"]
mod problem;
#[path = "linkcheck/progress.rs"]
mod progress;
#[path = "linkcheck/report.rs"]
mod report;
#[path = "linkcheck/retry.rs"]
mod retry;
#[path = "linkcheck/robots.rs"]
mod robots;
#[path = "linkcheck/serve.rs"]
mod serve;
#[path = "linkcheck/targets.rs"]
mod targets;

use cli::{Options, Target};
use crawl::{Crawl, Plan};
use fetch::{Fetcher, Limits};
use history::{History, Names};
use progress::Progress;
use report::Report;
use retry::Patience;
use robots::Robots;

fn main() -> ExitCode {
    let options = Rc::new(Options::parse());
    options.color.write_global();
    let outcome = run(Rc::clone(&options)).and_then(|report| {
        print(&report, &options)?;
        Ok(report.exit_code(options.strict))
    });
    outcome.map_or_else(
        |failure| {
            eprintln!("linkcheck: {failure}");
            ExitCode::from(2)
        },
        ExitCode::from,
    )
}

/// Runs the reactor for as long as the check takes.
fn run(options: Rc<Options>) -> Result<Report, Failure> {
    // reqwest leaves the choice of the cryptography to us. It fails only if somebody was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let reactor = Reactor::new()?;
    let outcome = Rc::new(Cell::new(None));
    let (the_reactor, the_outcome) = (reactor.clone(), Rc::clone(&outcome));
    reactor.call_when_running(move || {
        let mut report = check(the_reactor.clone(), options);
        // Ctrl-C stops the reactor, which first waits until we have come to an end.
        let cancel = report.cancel_handle();
        let (ended, end) = Deferred::new();
        the_reactor.add_system_event_trigger(Phase::Before, SystemEvent::Shutdown, move || {
            cancel.cancel();
            end
        });
        drop(report.add_both(move |result| {
            the_outcome.set(Some(result));
            ended.callback(());
            // After Ctrl-C it is stopping already.
            let _ = the_reactor.stop();
        }));
    });
    reactor.run()?;
    outcome.take().unwrap_or_else(|| Err(Failure::msg("stopped before the check had begun")))
}

/// The whole check, as one deferred. Cancelling it cancels the crawl, and still gives a report.
fn check(reactor: Reactor, options: Rc<Options>) -> Deferred<Report> {
    Deferred::from_coroutine(async move {
        let limits = Limits {
            per_host: options.per_host,
            timeout: options.timeout,
            max_body: options.max_body,
            patience: Patience { retries: options.retries, backoff: options.backoff },
        };
        let fetcher = Fetcher::new(reactor.clone(), limits, &options.user_agent)?;
        let robots =
            (!options.ignore_robots).then(|| Robots::new(fetcher.clone(), &options.user_agent));
        let progress = Progress::new(!options.quiet);
        let (plan, names) = plan(&options)?;
        let history = match &options.db {
            Some(file) => {
                let leave_alone = Duration::from_secs(options.leave_alone);
                Some(History::open(file, names, leave_alone).await?)
            }
            None => None,
        };
        let crawl = Crawl::new(reactor, fetcher, robots.clone(), history.clone(), plan, progress);
        let complete = match crawl.run().await {
            Ok(()) => true,
            Err(failure) => {
                failure.trap::<CancelledError>()?;
                false
            }
        };
        let mut report = crawl.report(complete);
        if let Some(robots) = robots {
            robots.cancel();
        }
        if let Some(history) = history {
            report.since = history.enter(&report).await?;
        }
        Ok::<_, Failure>(report)
    })
}

/// What the command line asks for, and lasting names for what is served; starts the servers that
/// takes.
fn plan(options: &Options) -> Result<(Plan, Names), Failure> {
    let (mut start, mut named, mut lasting) = (IndexSet::new(), Vec::new(), Vec::new());
    let mut serve = |served: serve::Served| {
        named.push(served.root.to_string());
        lasting.push((served.root.to_string(), served.name));
        start.extend(served.start);
    };
    if options.targets.is_empty() {
        serve(serve::documentation()?);
    }
    for target in &options.targets {
        match target {
            Target::Folder { root, page } => serve(serve::folder(root, page.as_deref())?),
            Target::Web(url) => {
                let name = url.to_string();
                serve(serve::Served { root: url.clone(), name, start: vec![url.clone()] });
            }
        }
    }
    let plan = Plan {
        start: start.into_iter().collect(),
        named,
        workers: options.concurrency,
        external: options.checks_external(),
        exclude: options.exclude.clone(),
        max_redirects: options.max_redirects,
    };
    Ok((plan, Names(lasting)))
}

/// Prints the report. Whoever reads it may stop reading; that is no failure.
fn print(report: &Report, options: &Options) -> Result<(), Failure> {
    let mut out = io::BufWriter::new(anstream::stdout());
    let printed = if options.json {
        report.write_json(&mut out)
    } else {
        report.write_text(&mut out, !options.quiet)
    };
    match printed.and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
