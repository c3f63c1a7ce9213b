//! The client's protocol: one request, one answer, and the end.

use crate::response::{Incomplete, Parser, Response};
use bytes::Bytes;
use hereafter::{Deferred, Failure, Trigger};
use hereafter_reactor::endpoints::{
    ClientEndpoint, client_from_string, connect_protocol, quote_string_argument,
};
use hereafter_reactor::errors::ConnectionDone;
use hereafter_reactor::{Protocol, Reactor, Transport};
use std::cell::{Cell, RefCell};
use std::path::Path;
use url::{Host, Url};

/// Fetches a page.
///
/// Cancelling the deferred closes the connection, or gives up making it.
pub(crate) fn get(reactor: &Reactor, url: &Url, trust_roots: Option<&Path>) -> Deferred<Response> {
    let endpoint = match endpoint(reactor, url, trust_roots) {
        Ok(endpoint) => endpoint,
        Err(failure) => return Deferred::fail(failure),
    };
    let request = format!(
        "GET {}{} HTTP/1.1\r\n\
         Host: {}\r\n\
         User-Agent: hereafter-example\r\n\
         Accept-Encoding: identity\r\n\
         Connection: close\r\n\r\n",
        url.path(),
        url.query().map(|query| format!("?{query}")).unwrap_or_default(),
        &url[url::Position::BeforeHost..url::Position::AfterPort],
    );
    connect_protocol(&endpoint, HttpClient::default())
        .add_callback(move |client| client.request(request))
}

/// Where a URL leads.
fn endpoint(
    reactor: &Reactor,
    url: &Url,
    trust_roots: Option<&Path>,
) -> Result<ClientEndpoint, Failure> {
    let kind = match url.scheme() {
        "http" => "tcp",
        "https" => "tls",
        other => {
            return Err(Failure::msg(format!(
                "{url}: cannot fetch by {other}, only by http and https"
            )));
        }
    };
    let host = match url.host() {
        Some(Host::Ipv6(address)) => address.to_string(),
        Some(host) => host.to_string(),
        None => return Err(Failure::msg(format!("{url}: there is no host in it"))),
    };
    let port = url.port_or_known_default().unwrap_or(80);
    let mut description = format!("{kind}:host={}:port={port}", quote_string_argument(&host));
    if let ("tls", Some(folder)) = (kind, trust_roots) {
        description += ":trustRoots=";
        description += &quote_string_argument(&folder.to_string_lossy());
    }
    Ok(client_from_string(reactor, &description)?)
}

/// Sends a request, and gathers the answer.
#[derive(Default)]
struct HttpClient {
    transport: RefCell<Option<Transport>>,
    parser: RefCell<Parser>,
    answered: Cell<Option<Trigger<Response>>>,
}

impl HttpClient {
    fn request(&self, request: String) -> Deferred<Response> {
        let Some(transport) = self.transport.borrow().clone() else {
            return Deferred::fail(Failure::msg("a request needs a connection"));
        };
        transport.write(request);
        let (trigger, answered) = Deferred::with_canceller(move || {
            transport.abort_connection();
            None
        });
        self.answered.set(Some(trigger));
        answered
    }

    /// There is an answer, or never will be.
    fn finish(&self, result: Result<Response, Failure>) {
        if let Some(answered) = self.answered.take() {
            answered.fire(result);
        }
    }
}

impl Protocol for HttpClient {
    fn connection_made(&self, transport: &Transport) {
        *self.transport.borrow_mut() = Some(transport.clone());
    }

    fn data_received(&self, transport: &Transport, data: Bytes) {
        let parsed = self.parser.borrow_mut().push(&data);
        match parsed {
            Ok(None) => {}
            Ok(Some(response)) => {
                transport.lose_connection();
                self.finish(Ok(response));
            }
            Err(error) => {
                transport.abort_connection();
                self.finish(Err(error.into()));
            }
        }
    }

    fn connection_lost(&self, reason: Failure) {
        // The end of the connection may be the end of the answer.
        let result = if reason.is::<ConnectionDone>() {
            self.parser.borrow_mut().end().ok_or_else(|| Failure::new(Incomplete))
        } else {
            Err(reason)
        };
        self.finish(result);
    }
}
