//! Any tokio future is a deferred, wherever it is made; and the loop is fair to them.

mod common;

use hereafter::errors::CancelledError;
use hereafter::{Deferred, Failure};
use hereafter_reactor::task::defer_later;
use hereafter_reactor::{Reactor, RunOptions};
use std::cell::Cell;
use std::error::Error;
use std::io;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

type TestResult = Result<(), Box<dyn Error>>;

/// A pause by tokio's own timer.
fn pause(millis: u64) -> Deferred<()> {
    let sleeping = sleep(Duration::from_millis(millis));
    Deferred::from_future(async move {
        sleeping.await;
        Ok::<_, Failure>(())
    })
}

/// Runs the reactor until `d` has fired, and gives back its result.
fn run<T: 'static>(reactor: &Reactor, d: Deferred<T>) -> Result<T, Failure> {
    common::run_until(reactor, RunOptions::default(), d)
}

#[test]
fn a_future_may_be_made_before_run() -> TestResult {
    let reactor = Reactor::new()?;
    let d = pause(1);
    assert!(!d.has_result());
    run(&reactor, d)?;
    Ok(())
}

#[test]
fn a_future_may_be_made_in_callbacks_coroutines_and_mailbox_tasks() -> TestResult {
    let reactor = Reactor::new()?;
    let in_callback = pause(1).add_callback(|()| pause(1));
    let in_coroutine = Deferred::from_coroutine(async {
        pause(1).await?;
        sleep(Duration::from_millis(1)).await;
        pause(1).await
    });
    let (trigger, in_mailbox) = Deferred::new();
    let trigger = trigger.remote();
    reactor
        .remote()
        .call_from_thread(move || pause(1).map(move |()| trigger.callback(())).detach());
    let all = Deferred::from_coroutine(async {
        in_callback.await?;
        in_coroutine.await?;
        in_mailbox.await
    });
    run(&reactor, all)?;
    Ok(())
}

#[test]
fn cancelling_drops_the_future() -> TestResult {
    let reactor = Reactor::new()?;
    let alive = Rc::new(());
    let held = alive.clone();
    let d = Deferred::from_future(async move {
        sleep(Duration::from_hours(1)).await;
        drop(held);
        Ok::<_, Failure>(())
    });
    assert_eq!(Rc::strong_count(&alive), 2);
    d.cancel();
    assert_eq!(Rc::strong_count(&alive), 1);
    assert!(run(&reactor, d).unwrap_err().is::<CancelledError>());
    Ok(())
}

#[test]
fn sockets_work() -> TestResult {
    async fn serve(listener: TcpListener) -> io::Result<()> {
        let (mut stream, _) = listener.accept().await?;
        let mut text = [0; 5];
        stream.read_exact(&mut text).await?;
        stream.write_all(&text).await
    }
    let reactor = Reactor::new()?;
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let served = Deferred::from_future(serve(TcpListener::from_std(listener)?));
    let answer = Deferred::from_coroutine(async move {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"hello").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        served.await?;
        Ok(answer)
    });
    assert_eq!(run(&reactor, answer)?, "hello");
    Ok(())
}

#[test]
fn tokio_spawn_and_spawn_local_work_before_run_and_in_it() -> TestResult {
    let reactor = Reactor::new()?;
    let before = tokio::spawn(async { 1 });
    let local = tokio::task::spawn_local(async { Rc::new(2) });
    let d = Deferred::from_coroutine(async move {
        let inside = tokio::spawn(async { 3 });
        let local_inside = tokio::task::spawn_local(async { Rc::new(4) });
        Ok(before.await? + *local.await? + inside.await? + *local_inside.await?)
    });
    assert_eq!(run(&reactor, d)?, 10);
    Ok(())
}

#[test]
fn busy_timed_calls_do_not_starve_tokio() -> TestResult {
    fn again(reactor: &Reactor) {
        let inside = reactor.clone();
        reactor.call_later(Duration::ZERO, move || again(&inside));
    }
    let reactor = Reactor::new()?;
    again(&reactor);
    run(&reactor, pause(1))?;
    Ok(())
}

#[test]
fn a_busy_coroutine_does_not_starve_tokio() -> TestResult {
    let reactor = Reactor::new()?;
    let done = Rc::new(Cell::new(false));
    let seen = done.clone();
    reactor.call_when_running(move || {
        Deferred::from_coroutine(async move {
            while !seen.get() {
                tokio::task::yield_now().await;
            }
        })
        .detach();
    });
    // Both have their turn beside it: the reactor's timer, and tokio's.
    let later = defer_later(&reactor, Duration::from_millis(1), || pause(1));
    run(&reactor, later.map(move |()| done.set(true)))?;
    Ok(())
}

#[test]
fn what_lives_on_tokio_goes_at_the_end_of_run() -> TestResult {
    let reactor = Reactor::new()?;
    let alive = Rc::new(());
    let held = alive.clone();
    tokio::task::spawn_local(async move {
        std::future::pending::<()>().await;
        drop(held);
    });
    run(&reactor, pause(1))?;
    assert_eq!(Rc::strong_count(&alive), 1);
    assert!(tokio::runtime::Handle::try_current().is_err());
    Ok(())
}
