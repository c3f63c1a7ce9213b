//! "Introduction to Deferreds": coroutines, and `inlineCallbacks`.

use std::fmt;
use std::time::Duration;

use hereafter::clock::{Clock, ManualClock};
use hereafter::{Deferred, Failure, inline_callbacks, report};

use crate::log;

/// Why a request got no answer.
#[derive(Debug)]
struct ConnectionError;

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody answers")
    }
}

impl std::error::Error for ConnectionError {}

/// A server that answers, or does not, after a second.
#[derive(Clone)]
struct Server {
    clock: ManualClock,
    answers: bool,
}

impl Server {
    fn make_request(&self, method: &str, path: &str) -> Deferred<String> {
        println!("{method} {path}");
        let answer = if self.answers {
            Ok(r#"["Alice", "Bob"]"#.to_owned())
        } else {
            Err(Failure::new(ConnectionError))
        };
        let (trigger, d) = Deferred::new();
        self.clock.call_later(Duration::from_secs(1), || trigger.fire(answer));
        d
    }
}

type Users = Vec<String>;

/// Prints what `get_users` gives back, with a server that answers and with one that does not.
fn show(get_users: impl Fn(Server) -> Deferred<Users>) {
    log::in_short_on_stdout(|| {
        for answers in [true, false] {
            let server = Server { clock: ManualClock::new(), answers };
            get_users(server.clone()).map(|users| println!("{users:?}")).detach();
            server.clock.advance(Duration::from_secs(1));
        }
    });
}

/// Coroutines with `async` and `await`.
pub(crate) fn coroutines() {
    async fn get_users(server: Server) -> Result<Users, Failure> {
        match server.make_request("GET", "/users").await {
            Ok(body) => Ok(serde_json::from_str(&body)?),
            Err(failure) => {
                failure.trap::<ConnectionError>()?;
                report::failure("makeRequest failed due to connection error", failure);
                Ok(Vec::new())
            }
        }
    }

    async fn foo(server: &Server) -> Result<usize, Failure> {
        Ok(server.make_request("GET", "/foo").await?.len())
    }

    async fn bar(server: Server) -> Result<usize, Failure> {
        let baz_result = server.make_request("GET", "/baz").await?.len();
        let foo_result = foo(&server).await?;
        Ok(baz_result + foo_result)
    }

    show(|server| Deferred::from_coroutine(get_users(server)));

    // A coroutine may await others; only the outermost is made into a deferred.
    let clock = ManualClock::new();
    let d = Deferred::from_coroutine(bar(Server { clock: clock.clone(), answers: true }));
    d.map(|sum| println!("baz and foo are {sum} bytes long")).detach();
    clock.pump([Duration::from_secs(1); 2]);
}

/// The same function as callbacks, and with `#[inline_callbacks]`.
pub(crate) fn inline_callbacks() {
    mod with_callbacks {
        use super::{ConnectionError, Deferred, Failure, Server, Users, report};

        pub(super) fn get_users(server: Server) -> Deferred<Users> {
            fn connection_error(failure: Failure) -> Result<Users, Failure> {
                failure.trap::<ConnectionError>()?;
                report::failure("makeRequest failed due to connection error", failure);
                Ok(Vec::new())
            }

            let d = server.make_request("GET", "/users");
            d.add_callbacks(|body| Ok(serde_json::from_str(&body)?), connection_error)
        }
    }

    mod inline {
        use super::{ConnectionError, Failure, Server, Users, inline_callbacks, report};

        #[inline_callbacks]
        pub(super) async fn get_users(server: Server) -> Result<Users, Failure> {
            let response_body = match server.make_request("GET", "/users").await {
                Ok(body) => body,
                Err(failure) => {
                    failure.trap::<ConnectionError>()?;
                    report::failure("makeRequest failed due to connection error", failure);
                    return Ok(Vec::new());
                }
            };
            Ok(serde_json::from_str(&response_body)?)
        }
    }

    println!("With callbacks");
    show(with_callbacks::get_users);
    println!("With #[inline_callbacks]");
    show(inline::get_users);
}
