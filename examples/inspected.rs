//! `inspected`: a program with mistakes in it, and the page on which they are seen.
//!
//! ```text
//! cargo run --example inspected                      # prints where the page is
//! cargo run --example inspected -- --pending 100000  # has that many more to look at
//! ```
//!
//! Every one of these leaves somebody waiting, or wondering:
//!
//! * a callback begins something and forgets to give it back;
//! * a trigger is let go of before it has fired;
//! * a Deferred is paused and never unpaused;
//! * a Deferred comes to wait on itself;
//! * an errback swallows every error there is.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use clap::Parser as _;
use hereafter::{Deferred, Failure, PauseGuard, Trigger};
use hereafter_reactor::Reactor;
use hereafter_reactor::task::{LoopingCall, defer_later, react};

/// A program with mistakes in it, and the page on which they are seen
#[derive(clap::Parser)]
struct Arguments {
    /// Where the page is served; port 0 is any that is free.
    #[arg(default_value = "127.0.0.1:0")]
    address: SocketAddr,
    /// How many Deferreds are pending beside the mistakes.
    #[arg(long, default_value_t = 0)]
    pending: usize,
}

fn main() -> ExitCode {
    let Arguments { address, pending } = Arguments::parse();
    react(move |reactor| {
        let page = match hereafter_inspector::serve(reactor, address) {
            Ok(page) => page,
            Err(error) => return Deferred::fail(error),
        };
        let mut kept = Kept::default();
        forgotten_return(reactor);
        lost_trigger();
        left_paused(&mut kept);
        waits_on_itself();
        swallowed_error();
        wait_in_line(&mut kept);
        something_slow();
        for _ in 0..pending {
            kept.wait_for_an_answer();
        }
        println!("{}", page.url());
        // Until Ctrl-C; meanwhile, there is something to see of rates.
        let clock = reactor.clone();
        let ticks = LoopingCall::new(reactor, move || {
            defer_later(&clock, Duration::ZERO, || Ok(1)).map(|_| ())
        });
        ticks.start(Duration::from_millis(50), true).add_both(move |_| {
            drop(kept);
            Ok(())
        })
    })
}

/// What the program holds on to while it runs.
#[derive(Default)]
struct Kept {
    pauses: Vec<PauseGuard>,
    triggers: Vec<Trigger<u32>>,
}

impl Kept {
    fn wait_for_an_answer(&mut self) {
        let (trigger, answer) = Deferred::<u32>::new();
        answer.map(|n| println!("the answer is {n}")).detach();
        self.triggers.push(trigger);
    }
}

/// The user is looked up; that the greeting takes time, too, was forgotten.
fn forgotten_return(reactor: &Reactor) {
    let clock = reactor.clone();
    let look_up = defer_later(reactor, Duration::from_millis(1), || Ok("Ada"));
    look_up
        .map(move |user| {
            // Given back, this would be waited for.
            let greet = move || {
                println!("Hello {user}");
                Ok(())
            };
            defer_later(&clock, Duration::from_hours(1), greet).detach();
        })
        .detach();
}

/// Nobody will ever answer the question: whoever could has let go of the trigger.
fn lost_trigger() {
    let (trigger, answer) = Deferred::<u32>::new();
    answer.map(|n| println!("the answer is {n}")).add_errback(|_| Ok(())).detach();
    drop(trigger);
}

/// The pause was meant to be short.
fn left_paused(kept: &mut Kept) {
    let (trigger, mut upload) = Deferred::<u32>::new();
    kept.pauses.push(upload.pause());
    upload.map(|n| println!("{n} bytes were sent")).detach();
    trigger.callback(4096);
}

/// Who asks is told what he has asked for: himself.
fn waits_on_itself() {
    let slot = Rc::new(RefCell::new(None));
    let (trigger, d) = Deferred::<u32>::new();
    let own = slot.clone();
    *slot.borrow_mut() =
        Some(d.add_callback(move |n| {
            own.borrow_mut().take().unwrap_or_else(|| Deferred::succeed(n))
        }));
    trigger.callback(1);
}

/// "Something went wrong" is all that anybody will know of it.
fn swallowed_error() {
    let (trigger, settings) = Deferred::<&str>::new();
    settings
        .add_callback(|text| Ok(text.parse::<u32>()?))
        .add_errback(|_: Failure| Ok(0))
        .map(|port| debug_assert_eq!(port, 0))
        .detach();
    trigger.callback("80 80");
}

/// A page waits for a query, and that for a connection: no mistake, but worth a picture.
fn wait_in_line(kept: &mut Kept) {
    let (dialled, connection) = Deferred::<u32>::new();
    let (asked, query) = Deferred::<u32>::new();
    let (requested, page) = Deferred::<u32>::new();
    let query = query.add_callback(move |_| connection).map(|rows| rows + 1);
    let page = page.add_callback(move |_| query).map(|rows| println!("{rows} rows"));
    page.detach();
    requested.callback(1);
    asked.callback(1);
    kept.triggers.push(dialled);
}

/// While it runs, nothing else does.
fn something_slow() {
    fn fibonacci(n: u64) -> u64 {
        if n < 2 { n } else { fibonacci(n - 1) + fibonacci(n - 2) }
    }
    let (trigger, d) = Deferred::<u64>::new();
    d.map(|n| println!("fibonacci({n}) is {}", fibonacci(n))).detach();
    trigger.callback(30);
}
