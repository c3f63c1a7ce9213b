//! Tasks: a future of its own that an executor polls, and a handle that waits for its result.
//!
//! The executors live as long as the benchmark, and the timed loops run inside of them.

use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures::TryFutureExt;
use futures::executor::{LocalPool, LocalSpawner};
use futures::future::ready;
use futures::task::LocalSpawnExt;
use tokio::task::{LocalSet, spawn_local, yield_now};

use crate::measure::{Case, Kind, Run, System};
use crate::peers::channel::{Channel, Futures, Tokio};
use crate::shapes::WAITERS;
use crate::work::{adding, flipping, mixing, one, start, three, two};

const LOCAL_POOL: System = System::new("futures LocalPool task", Kind::Erased);
const SPAWN_LOCAL: System = System::new("tokio spawn_local task", Kind::Erased);

pub(super) fn cases() -> Vec<Case> {
    let mut cases = on_local_pool();
    cases.extend(on_local_set());
    cases
}

/// Repeats `body` with a `LocalPool` that it shares with no other case.
fn pooled<F>(mut body: F) -> Run
where
    F: FnMut(&mut LocalPool, &LocalSpawner) + 'static,
{
    let mut pool = LocalPool::new();
    let spawner = pool.spawner();
    Box::new(move |n| {
        let started = Instant::now();
        for _ in 0..n {
            body(&mut pool, &spawner);
        }
        Ok(started.elapsed())
    })
}

fn on_local_pool() -> Vec<Case> {
    vec![
        Case::timed(
            "fire3",
            LOCAL_POOL,
            pooled(|pool, spawner| {
                let (sender, receiver) = Futures::open();
                let task = spawner
                    .spawn_local_with_handle(receiver.map_ok(one).map_ok(two).map_ok(three))
                    .expect("the pool is alive");
                Futures::send(sender, start());
                black_box(pool.run_until(task).is_ok());
            }),
        ),
        Case::timed(
            "fire3_capturing",
            LOCAL_POOL,
            pooled(|pool, spawner| {
                let (sender, receiver) = Futures::open();
                let future = receiver.map_ok(adding()).map_ok(mixing()).map_ok(flipping());
                let task = spawner.spawn_local_with_handle(future).expect("the pool is alive");
                Futures::send(sender, start());
                black_box(pool.run_until(task).is_ok());
            }),
        ),
        Case::timed(
            "coroutine_ready",
            LOCAL_POOL,
            pooled(|pool, spawner| {
                let body = async { ready(start()).await + ready(start()).await };
                let task = spawner.spawn_local_with_handle(body).expect("the pool is alive");
                black_box(pool.run_until(task));
            }),
        ),
        Case::timed(
            "coroutine_pending",
            LOCAL_POOL,
            pooled(|pool, spawner| {
                let (sender, receiver) = Futures::open();
                let body = async move { receiver.await.map(one) };
                let task = spawner.spawn_local_with_handle(body).expect("the pool is alive");
                pool.run_until_stalled();
                Futures::send(sender, start());
                black_box(pool.run_until(task).is_ok());
            }),
        ),
        Case::timed(
            "waiting_item",
            LOCAL_POOL,
            pooled(|pool, spawner| {
                let (sender, receiver) = Futures::open();
                let mut task = spawner
                    .spawn_local_with_handle(receiver.unwrap_or_else(|_| 0))
                    .expect("the pool is alive");
                for _ in 0..WAITERS {
                    let inner = task;
                    task = spawner
                        .spawn_local_with_handle(async move { black_box(inner.await) })
                        .expect("the pool is alive");
                }
                pool.run_until_stalled();
                Futures::send(sender, start());
                black_box(pool.run_until(task));
            }),
        )
        .per(WAITERS),
    ]
}

/// A runtime and its set of local tasks.
struct Local {
    runtime: tokio::runtime::Runtime,
    tasks: LocalSet,
}

/// Repeats the future that `body` makes, all `n` times in one `block_on`.
fn in_local_set<B, F>(local: &Rc<RefCell<Local>>, body: B) -> Run
where
    B: Fn() -> F + 'static,
    F: Future<Output = ()>,
{
    let local = Rc::clone(local);
    Box::new(move |n| {
        let local = local.borrow();
        let took: Duration = local.tasks.block_on(&local.runtime, async {
            let started = Instant::now();
            for _ in 0..n {
                body().await;
            }
            started.elapsed()
        });
        Ok(took)
    })
}

fn local_set() -> Result<Rc<RefCell<Local>>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    Ok(Rc::new(RefCell::new(Local { runtime, tasks: LocalSet::new() })))
}

fn on_local_set() -> Vec<Case> {
    let local = local_set().expect("a runtime without drivers needs nothing of the system");
    vec![
        Case::timed(
            "fire3",
            SPAWN_LOCAL,
            in_local_set(&local, || async {
                let (sender, receiver) = Tokio::open();
                let task = spawn_local(receiver.map_ok(one).map_ok(two).map_ok(three));
                Tokio::send(sender, start());
                black_box(task.await.is_ok());
            }),
        ),
        Case::timed(
            "fire3_capturing",
            SPAWN_LOCAL,
            in_local_set(&local, || async {
                let (sender, receiver) = Tokio::open();
                let task =
                    spawn_local(receiver.map_ok(adding()).map_ok(mixing()).map_ok(flipping()));
                Tokio::send(sender, start());
                black_box(task.await.is_ok());
            }),
        ),
        Case::timed(
            "cancel",
            SPAWN_LOCAL,
            in_local_set(&local, || async {
                let (sender, receiver) = Tokio::open::<u64>();
                let task = spawn_local(receiver);
                task.abort();
                black_box(task.await.is_err());
                drop(sender);
            }),
        ),
        Case::timed(
            "coroutine_ready",
            SPAWN_LOCAL,
            in_local_set(&local, || async {
                let task = spawn_local(async { ready(start()).await + ready(start()).await });
                black_box(task.await.is_ok());
            }),
        ),
        Case::timed(
            "coroutine_pending",
            SPAWN_LOCAL,
            in_local_set(&local, || async {
                let (sender, receiver) = Tokio::open();
                let task = spawn_local(async move { receiver.await.map(one) });
                yield_now().await;
                Tokio::send(sender, start());
                black_box(task.await.is_ok());
            }),
        ),
        Case::timed(
            "waiting_item",
            SPAWN_LOCAL,
            in_local_set(&local, || async {
                let (sender, receiver) = Tokio::open();
                let mut task = spawn_local(receiver.unwrap_or_else(|_| 0));
                for _ in 0..WAITERS {
                    let inner = task;
                    task = spawn_local(async move { black_box(inner.await.unwrap_or(0)) });
                }
                yield_now().await;
                Tokio::send(sender, start());
                black_box(task.await.is_ok());
            }),
        )
        .per(WAITERS),
    ]
}
