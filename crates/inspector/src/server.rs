//! The thread that speaks HTTP.

use crate::reach::Reach;
use core::convert::Infallible;
use hereafter_insight::page::{Admitted, Answer, Gate, HEADERS};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};
use tokio::sync::{Semaphore, watch};

/// How many connections are served at once: each takes a descriptor of the program's.
const CONNECTIONS: usize = 32;

/// How long a connection may take for a request, or be idle.
const PATIENCE: Duration = Duration::from_secs(10);

/// Has a thread of its own serve the page until `stopped` says so.
pub(crate) fn start(
    listener: TcpListener,
    gate: Gate,
    reach: Reach,
    mut stopped: watch::Receiver<()>,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = {
        let _inside = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    let serve = move || {
        runtime.spawn(accept(listener, Arc::new(gate), reach));
        // It changes, or everybody who could change it goes; and with the runtime go all connections.
        let _ = runtime.block_on(stopped.changed());
    };
    thread::Builder::new().name("hereafter-inspector".to_owned()).spawn(serve)?;
    Ok(())
}

async fn accept(listener: tokio::net::TcpListener, gate: Arc<Gate>, reach: Reach) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: some will be given back.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (gate, reach) = (gate.clone(), reach.clone());
        let service = service_fn(move |request| {
            let (gate, reach) = (gate.clone(), reach.clone());
            async move { Ok::<_, Infallible>(response(respond(&gate, &reach, &request).await)) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            // A client that goes away, or sends nonsense, is no concern of the others.
            let _ = connection.await;
            drop(permit);
        });
    }
}

async fn respond(gate: &Gate, reach: &Reach, request: &Request<Incoming>) -> Answer {
    let target = request.uri().path_and_query().map_or("", |target| target.as_str());
    match gate.admit(request.method().as_str(), target, host(request)) {
        Ok(Admitted::Page) => Answer::page(),
        Ok(Admitted::Data(question)) => reach.ask(question.to_owned()).await,
        Err(refusal) => refusal,
    }
}

/// The host that a request names, if it names one.
fn host(request: &Request<Incoming>) -> Option<&str> {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (request.uri().authority(), hosts.next(), hosts.next()) {
        (Some(authority), _, None) => Some(authority.as_str()),
        (None, Some(host), None) => host.to_str().ok(),
        _ => None,
    }
}

fn response(answer: Answer) -> Response<String> {
    let mut response = Response::new(answer.body.into_owned());
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
