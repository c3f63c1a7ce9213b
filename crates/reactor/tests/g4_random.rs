//! Row G4 of the contract: conversations of no plan. Both sides write pieces of any size whenever
//! they like, and rest now and then; whatever they do, all arrives, in its order, and the end is a
//! good one.

mod common;

use bytes::Bytes;
use common::{Pair, Record, Recorder, TestResult, run};
use fastrand::Rng;
use hereafter::{Deferred, Failure, gather_results};
use hereafter_reactor::Transport;
use hereafter_reactor::errors::ConnectionDone;
use std::cell::RefCell;

/// Rests after some pieces, for some turns.
fn resting(recorder: Recorder, seed: u64) -> Recorder {
    let rng = RefCell::new(Rng::with_seed(seed));
    recorder.half_closeable().on_data(move |transport, _| {
        let turns = rng.borrow_mut().u32(0..8);
        if turns > 4 {
            transport.pause_producing();
            let transport = transport.clone();
            tokio::task::spawn_local(async move {
                for _ in 4..turns {
                    tokio::task::yield_now().await;
                }
                transport.resume_producing();
            });
        }
    })
}

/// A piece of any size, mostly small.
fn piece(rng: &mut Rng) -> Bytes {
    let limit = *rng.choice(&[2, 100, 5_000, 200_000]).expect("there are some");
    let length = rng.usize(0..limit);
    Bytes::from((0..length).map(|_| rng.u8(..)).collect::<Vec<_>>())
}

/// Writes this and that; all that it has written.
async fn write(transport: Transport, seed: u64) -> Vec<u8> {
    let (mut rng, mut all) = (Rng::with_seed(seed), Vec::new());
    for _ in 0..rng.u32(0..40) {
        match rng.u32(0..4) {
            0 => {
                let pieces = [piece(&mut rng), piece(&mut rng), piece(&mut rng)];
                all.extend_from_slice(&pieces.concat());
                transport.write_sequence(pieces);
            }
            1 => tokio::task::yield_now().await,
            _ => {
                let piece = piece(&mut rng);
                all.extend_from_slice(&piece);
                transport.write(piece);
            }
        }
    }
    all
}

/// Writes, and closes this direction; what was written.
fn speak(record: &Record, seed: u64) -> Deferred<Vec<u8>> {
    let transport = record.transport();
    Deferred::from_coroutine(async move {
        let written = write(transport.clone(), seed).await;
        transport.lose_write_connection();
        Ok(written)
    })
}

async fn converse(reactor: hereafter_reactor::Reactor, seed: u64) -> Result<(), Failure> {
    let client = move |client| resting(client, seed);
    let server = move |server| resting(server, !seed);
    let pair = Pair::with(&reactor, client, server).await?;
    let (client, server) = (pair.client.clone(), pair.server.clone());
    let written = gather_results([speak(&client, seed + 1), speak(&server, seed + 2)]).await?;
    let (client_end, server_end) = pair.over().await?;
    assert!(client_end.is::<ConnectionDone>(), "{seed}: {client_end:?}");
    assert!(server_end.is::<ConnectionDone>(), "{seed}: {server_end:?}");
    assert!(server.received.take() == written[0], "{seed}: what the client wrote");
    assert!(client.received.take() == written[1], "{seed}: what the server wrote");
    for side in [client, server] {
        let mut events = side.events.take();
        events.sort_unstable();
        assert_eq!(events, ["lost", "made", "read closed", "write closed"], "{seed}");
    }
    Ok(())
}

#[test]
fn g4_conversations_of_no_plan_lose_nothing() -> TestResult {
    run(|reactor| async move {
        let talks = (0..30).map(|seed| {
            let reactor = reactor.clone();
            Deferred::from_coroutine(converse(reactor, seed * 1_000))
        });
        gather_results(talks.collect::<Vec<_>>()).await?;
        Ok(())
    })?;
    Ok(())
}
