//! One request, done with care: at most so many at once on a host, none longer than the timeout,
//! no body larger than the limit, and another attempt where that may help.
//!
//! Each of these is a link in a chain of callbacks around reqwest's future. Cancelling the chain
//! cancels whatever it waits for at the time: a place in the semaphore's queue, the request itself
//! (its future is dropped, which closes the connection), or the pause before the next attempt.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use hereafter::errors::TimeoutError;
use hereafter::{Deferred, DeferredLock, DeferredSemaphore, Failure};
use hereafter_reactor::Reactor;
use reqwest::header::{
    CONTENT_TYPE, ETAG, HeaderMap, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION,
    RETRY_AFTER,
};
use reqwest::{Client, ClientBuilder, Method, Request, Response};
use url::{Host, Url};

use crate::problem::Problem;
use crate::retry::{Patience, retry};

/// What is wanted of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ask {
    /// Whether it is there.
    Head,
    /// The body if it is HTML.
    Page,
    /// The body, whatever it is.
    Text,
}

/// An answer that is not an error: a document, or a redirect to one.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The status: 2xx or 3xx.
    pub(crate) status: u16,
    /// Where a redirect leads, as the server wrote it.
    pub(crate) location: Option<String>,
    /// The `charset` of the content type.
    pub(crate) charset: Option<String>,
    /// The body, if it was asked for.
    pub(crate) body: Option<Vec<u8>>,
    /// By what the server can tell whether it has changed when it is asked the next time.
    pub(crate) validators: Validators,
}

impl Reply {
    /// Whether the document is the one whose validators were sent.
    pub(crate) fn is_unchanged(&self) -> bool {
        self.status == 304
    }
}

/// What a server says of a document, so as to be asked whether it has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Validators {
    pub(crate) etag: Option<String>,
    pub(crate) modified: Option<String>,
}

/// How far to go for an answer.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) per_host: usize,
    pub(crate) timeout: Duration,
    pub(crate) max_body: u64,
    pub(crate) patience: Patience,
}

/// Makes requests. A clone is another handle on the same one.
#[derive(Clone)]
pub(crate) struct Fetcher(Rc<Inner>);

struct Inner {
    reactor: Reactor,
    limits: Limits,
    client: Client,
    /// No proxy can reach what is on this machine.
    loopback_client: Client,
    hosts: RefCell<HashMap<String, Rc<Lane>>>,
    requests: Cell<usize>,
}

/// The way to one host.
struct Lane {
    /// One permit for each request in flight.
    in_flight: DeferredSemaphore,
    /// Held from the start of a request until the next may start, if the host asks for a pause.
    turn: DeferredLock,
    pause: Cell<Option<Duration>>,
}

impl Fetcher {
    pub(crate) fn new(reactor: Reactor, limits: Limits, user_agent: &str) -> reqwest::Result<Self> {
        let client = || {
            Client::builder()
                .user_agent(user_agent)
                // Redirects are followed hop by hop in `follow.rs`, to be able to tell about them.
                .redirect(reqwest::redirect::Policy::none())
                .pool_max_idle_per_host(limits.per_host)
        };
        let build = |client: &dyn Fn() -> ClientBuilder| {
            // A bare container has no certificates of any authority. That is no reason not to
            // start: each https link will say so in its row.
            client().build().or_else(|_| client().tls_certs_only([]).build())
        };
        Ok(Self(Rc::new(Inner {
            client: build(&client)?,
            loopback_client: build(&|| client().no_proxy())?,
            reactor,
            limits,
            hosts: RefCell::default(),
            requests: Cell::new(0),
        })))
    }

    /// How many requests were made so far.
    pub(crate) fn requests(&self) -> usize {
        self.0.requests.get()
    }

    /// Spaces the requests to the host of `url` by `pause`.
    pub(crate) fn set_pause(&self, url: &Url, pause: Duration) {
        self.lane(url).pause.set(Some(pause));
    }

    /// Asks for `url`. Fails with a [`Problem`]; an error status is one too. If the document is
    /// `known`, it is only sent when it has changed.
    pub(crate) fn fetch(&self, url: Url, ask: Ask, known: Option<Validators>) -> Deferred<Reply> {
        if ask != Ask::Head {
            let mut request = Request::new(Method::GET, url);
            if let Some(known) = known {
                known.add_to(request.headers_mut());
            }
            return self.persist(request, ask);
        }
        let this = self.clone();
        self.persist(Request::new(Method::HEAD, url.clone()), ask).add_errback(move |failure| {
            match failure.check::<Problem>() {
                // Not everyone knows HEAD, or grants it. Ask as a browser would.
                Some(Problem::Status(403 | 405 | 501)) => {
                    this.persist(Request::new(Method::GET, url), ask)
                }
                _ => Deferred::fail(failure),
            }
        })
    }

    /// Asks, and asks again after a pause where that may help. No permit is held meanwhile.
    fn persist(&self, request: Request, ask: Ask) -> Deferred<Reply> {
        let Inner { reactor, limits, .. } = &*self.0;
        let this = self.clone();
        let attempt = move || {
            let again = request.try_clone().expect("a request without a body can be made again");
            this.attempt(again, ask)
        };
        retry(reactor.clone(), limits.patience, attempt)
    }

    /// Asks once, when it is our turn. The timeout runs from then on.
    fn attempt(&self, request: Request, ask: Ask) -> Deferred<Reply> {
        let this = self.clone();
        let lane = self.lane(request.url());
        self.wait_for_turn(&lane).add_callback(move |()| {
            lane.in_flight.run(move || {
                let Inner { reactor, limits, requests, .. } = &*this.0;
                let timeout = limits.timeout;
                requests.set(requests.get() + 1);
                let client = this.client_for(request.url()).clone();
                let exchange = exchange(client, request, ask, limits.max_body);
                Deferred::from_future(exchange).add_timeout(timeout, reactor).add_errback(
                    move |failure| -> Result<Reply, Failure> {
                        failure.trap::<TimeoutError>()?;
                        Err(Problem::Timeout(timeout).into())
                    },
                )
            })
        })
    }

    /// Fires at once, unless the host asked for a pause between requests.
    fn wait_for_turn(&self, lane: &Lane) -> Deferred<()> {
        let Some(pause) = lane.pause.get() else { return Deferred::succeed(()) };
        let reactor = self.0.reactor.clone();
        lane.turn.acquire().map(move |turn| {
            reactor.call_later(pause, move || drop(turn));
        })
    }

    fn lane(&self, url: &Url) -> Rc<Lane> {
        let new = || Lane {
            in_flight: DeferredSemaphore::new(self.0.limits.per_host),
            turn: DeferredLock::new(),
            pause: Cell::new(None),
        };
        let mut hosts = self.0.hosts.borrow_mut();
        Rc::clone(hosts.entry(origin_of(url)).or_insert_with(|| Rc::new(new())))
    }

    fn client_for(&self, url: &Url) -> &Client {
        let is_loopback = match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        if is_loopback { &self.0.loopback_client } else { &self.0.client }
    }
}

/// Scheme, host and port.
pub(crate) fn origin_of(url: &Url) -> String {
    url.origin().ascii_serialization()
}

impl Validators {
    /// What an answer says. A time of change that is only just past is left out: within the same
    /// second there could be another change.
    fn of(headers: &HeaderMap, now: SystemTime) -> Self {
        let is_past = |time: &String| {
            let age = httpdate::parse_http_date(time).map(|time| now.duration_since(time));
            age.is_ok_and(|age| age.is_ok_and(|age| age > Duration::from_secs(2)))
        };
        Self {
            etag: header(headers, ETAG.as_str()),
            modified: header(headers, LAST_MODIFIED.as_str()).filter(is_past),
        }
    }

    /// Asks for a document only if it is not the one with these.
    fn add_to(self, headers: &mut HeaderMap) {
        let conditions = [(IF_NONE_MATCH, self.etag), (IF_MODIFIED_SINCE, self.modified)];
        for (name, value) in conditions {
            if let Some(Ok(value)) = value.map(|value| value.parse()) {
                headers.insert(name, value);
            }
        }
    }
}

/// One request and the reading of its answer.
async fn exchange(
    client: Client,
    request: Request,
    ask: Ask,
    max_body: u64,
) -> Result<Reply, Problem> {
    let mut response =
        client.execute(request).await.map_err(|error| Problem::from_client_error(&error))?;
    let status = response.status();
    let pause = pause_asked_for(response.headers(), SystemTime::now());
    if let (429 | 503, Some(pause)) = (status.as_u16(), pause) {
        return Err(Problem::Busy { status: status.as_u16(), pause });
    }
    if status.is_client_error() || status.is_server_error() {
        return Err(Problem::Status(status.as_u16()));
    }
    let (is_html, charset) = content_type(response.headers());
    let wants_body = status.is_success() && (ask == Ask::Text || (ask == Ask::Page && is_html));
    let body = if wants_body { Some(read(&mut response, max_body).await?) } else { None };
    let location = match status.as_u16() {
        301 | 302 | 303 | 307 | 308 => Some(header(response.headers(), LOCATION.as_str())),
        _ => None,
    };
    Ok(Reply {
        status: status.as_u16(),
        location: location.map(Option::unwrap_or_default),
        charset,
        body,
        validators: Validators::of(response.headers(), SystemTime::now()),
    })
}

/// Reads a body piece by piece, so that one without end costs no more than the limit.
async fn read(response: &mut Response, max_body: u64) -> Result<Vec<u8>, Problem> {
    if response.content_length().is_some_and(|length| length > max_body) {
        return Err(Problem::BodyTooLarge(max_body));
    }
    let mut body = Vec::new();
    while let Some(chunk) =
        response.chunk().await.map_err(|error| Problem::from_client_error(&error))?
    {
        if (body.len() + chunk.len()) as u64 > max_body {
            return Err(Problem::BodyTooLarge(max_body));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(String::from_utf8_lossy(headers.get(name)?.as_bytes()).into_owned())
}

/// Whether the content is HTML (what is not labelled is taken for it), and its `charset`.
fn content_type(headers: &HeaderMap) -> (bool, Option<String>) {
    let Some(value) = header(headers, CONTENT_TYPE.as_str()) else { return (true, None) };
    let value = value.to_ascii_lowercase();
    let (essence, parameters) = value.split_once(';').unwrap_or((&value, ""));
    let is_html = matches!(essence.trim(), "text/html" | "application/xhtml+xml");
    let charset = parameters.split(';').find_map(|parameter| {
        Some(parameter.trim().strip_prefix("charset=")?.trim_matches('"').to_owned())
    });
    (is_html, charset)
}

/// `Retry-After`: a number of seconds or a date.
fn pause_asked_for(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = header(headers, RETRY_AFTER.as_str())?;
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(&value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
        let pause = |value: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
            pause_asked_for(&headers, now)
        };
        assert_eq!(pause("125"), Some(Duration::from_secs(125)));
        assert_eq!(pause("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::from_secs(7)));
        assert_eq!(pause("Sun, 06 Nov 1904 08:49:37 GMT"), None);
        assert_eq!(pause("soon"), None);
    }

    #[test]
    fn a_time_of_change_counts_when_it_is_past() {
        let changed = "Sun, 06 Nov 1994 08:49:37 GMT";
        let headers = HeaderMap::from_iter([
            (LAST_MODIFIED, changed.parse().unwrap()),
            (ETAG, "\"1\"".parse().unwrap()),
        ]);
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(Validators::of(&headers, then).modified, None);
        let later = Validators::of(&headers, then + Duration::from_secs(3));
        assert_eq!(later.modified.as_deref(), Some(changed));
        let mut request = HeaderMap::new();
        later.add_to(&mut request);
        assert_eq!(header(&request, "if-none-match").as_deref(), Some("\"1\""));
        assert_eq!(header(&request, "if-modified-since").as_deref(), Some(changed));
    }

    #[test]
    fn content_types_are_read() {
        let read = |value: &'static str| {
            content_type(&HeaderMap::from_iter([(CONTENT_TYPE, value.parse().unwrap())]))
        };
        assert_eq!(read("Text/HTML; Charset=\"Latin1\""), (true, Some("latin1".into())));
        assert_eq!(read("application/xhtml+xml"), (true, None));
        assert_eq!(read("image/png"), (false, None));
        assert_eq!(content_type(&HeaderMap::new()), (true, None));
    }
}
