//! The thread that speaks HTTP.

use crate::reach::Reach;
use crate::room::{Guest, Room};
use core::convert::Infallible;
use hereafter_insight::page::{Admitted, Answer, Gate, HEADERS};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{AbortHandle, yield_now};
use tokio::time::{sleep, timeout_at};

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
    let room = Room::default();
    loop {
        room.clear_overdue();
        let accepted = match room.next_due() {
            Some(due) => timeout_at(due, listener.accept()).await,
            None => Ok(listener.accept().await),
        };
        match accepted {
            Ok(Ok((stream, _))) => {
                room.admit(|guest| serve(stream, guest, gate.clone(), reach.clone()));
                // It may have asked already, and who has lost a seat to it is to go.
                yield_now().await;
            }
            // Out of descriptors, most likely: some will be given back.
            Ok(Err(_)) => sleep(Duration::from_millis(100)).await,
            // Somebody is overdue.
            Err(_) => {}
        }
    }
}

/// Begins to serve a connection.
fn serve(stream: TcpStream, guest: Guest, gate: Arc<Gate>, reach: Reach) -> AbortHandle {
    let guest = Arc::new(guest);
    let service = service_fn(move |request| {
        let (guest, gate, reach) = (guest.clone(), gate.clone(), reach.clone());
        async move { Ok::<_, Infallible>(response(respond(&guest, &gate, &reach, &request).await)) }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let serving = tokio::spawn(async move {
        // A client that goes away, or sends nonsense, is no concern of the others.
        let _ = connection.await;
    });
    serving.abort_handle()
}

async fn respond(guest: &Guest, gate: &Gate, reach: &Reach, request: &Request<Incoming>) -> Answer {
    let target = request.uri().path_and_query().map_or("", |target| target.as_str());
    let admitted = gate.admit(request.method().as_str(), target, host(request));
    guest.is_heard(admitted.is_ok());
    match admitted {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::{PATIENCE, SEATS};
    use hereafter_reactor::Reactor;
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::runtime::Handle;
    use tokio::time::Instant;

    /// Has the page served while `visit` runs, which is told its address and its path. The clock
    /// stands still as long as there is anything to do, and jumps to what is waited for next.
    fn served<F: Future<Output = ()>>(visit: impl FnOnce(SocketAddr, String) -> F) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let gate = Gate::local(address).unwrap();
            let path = gate.path().to_owned();
            let reach = Reach::new(Reactor::new().unwrap().remote());
            tokio::spawn(accept(listener, Arc::new(gate), reach));
            visit(address, path).await;
            // All connections are given back: what accepts them is the only task that is left.
            while Handle::current().metrics().num_alive_tasks() > 1 {
                yield_now().await;
            }
        });
    }

    fn request(address: SocketAddr, path: &str) -> String {
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n")
    }

    /// Comes back when the server has closed.
    async fn is_let_go(stream: &mut TcpStream) {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }

    #[test]
    fn who_says_nothing_is_let_go() {
        served(|address, _| async move {
            let mut streams = Vec::new();
            for _ in 0..SEATS {
                streams.push(TcpStream::connect(address).await.unwrap());
            }
            let came = Instant::now();
            for stream in &mut streams {
                is_let_go(stream).await;
            }
            assert!(came.elapsed() >= PATIENCE);
        });
    }

    #[test]
    fn who_takes_too_long_for_a_request_is_let_go() {
        served(|address, path| async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let came = Instant::now();
            let request = request(address, &path);
            for byte in request.as_bytes().iter().cycle() {
                sleep(PATIENCE / 4).await;
                if stream.write_all(&[*byte]).await.is_err() {
                    break;
                }
            }
            let asked = u32::try_from(request.len()).unwrap();
            assert!(came.elapsed() < asked * (PATIENCE / 4));
        });
    }

    #[test]
    fn who_goes_on_asking_is_not_let_go() {
        served(|address, path| async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            for _ in 0..8 {
                sleep(PATIENCE / 2).await;
                let nowhere = request(address, &format!("{path}?"));
                stream.write_all(nowhere.as_bytes()).await.unwrap();
                assert_ne!(stream.read(&mut [0; 4096]).await.unwrap(), 0);
            }
            is_let_go(&mut stream).await;
        });
    }

    #[test]
    fn who_does_not_read_is_let_go() {
        served(|address, path| async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let asks = request(address, &path).repeat(200);
            stream.write_all(asks.as_bytes()).await.unwrap();
            stream.readable().await.unwrap();
            let asked = Instant::now();
            while Handle::current().metrics().num_alive_tasks() > 1 {
                sleep(PATIENCE / 100).await;
            }
            assert!(asked.elapsed() >= PATIENCE);
        });
    }
}
