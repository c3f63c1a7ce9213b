//! `robots.txt`: read once for each host, and asked before each request.
//!
//! The first request to a host starts the reading; all others share its result. What counts is
//! RFC 9309: no `robots.txt` (a 4xx) allows everything, a server error forbids everything. A host
//! that cannot be reached at all is not silenced here, for then the link's own row will say so.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use hereafter::{Deferred, Failure, Shared};
use texting_robots::Robot;
use url::Url;

use crate::fetch::{Ask, Fetcher, origin_of};
use crate::follow::{Trip, follow};
use crate::problem::Problem;

/// The redirects that RFC 9309 wants followed.
const MAX_HOPS: usize = 5;

/// A `Crawl-delay` above this is taken for a mistake, and cut down to it.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// The rules of all hosts. A clone is another handle on the same.
#[derive(Clone)]
pub(crate) struct Robots(Rc<Inner>);

struct Inner {
    fetcher: Fetcher,
    user_agent: String,
    hosts: RefCell<HashMap<String, Shared<Rules>>>,
}

/// The rules of one host.
#[derive(Clone)]
enum Rules {
    Everything,
    Listed(Rc<Robot>),
    Unavailable(String),
}

impl Robots {
    pub(crate) fn new(fetcher: Fetcher, user_agent: &str) -> Self {
        // Rules are written for the bare name.
        let name = user_agent.split(['/', ' ']).next().unwrap_or_default().to_owned();
        Self(Rc::new(Inner { fetcher, user_agent: name, hosts: RefCell::default() }))
    }

    /// Fires if `url` may be fetched; fails with a [`Problem`] if not.
    pub(crate) fn permit(&self, url: &Url) -> Deferred<()> {
        let known = self.0.hosts.borrow().get(&origin_of(url)).cloned();
        let rules = known.unwrap_or_else(|| {
            // Nothing is borrowed while the request starts, for starting it may come back here.
            let rules = self.load(url).share();
            self.0.hosts.borrow_mut().insert(origin_of(url), rules.clone());
            rules
        });
        let url = url.clone();
        rules.wait().add_callback(move |rules| -> Result<(), Failure> {
            match rules {
                Rules::Everything => Ok(()),
                Rules::Listed(robot) if robot.allowed(url.as_str()) => Ok(()),
                Rules::Listed(_) => Err(Problem::Robots.into()),
                Rules::Unavailable(why) => Err(Problem::RobotsUnavailable(why).into()),
            }
        })
    }

    /// Ends all reading. Whoever waits for its result may be cancelled without any effect on it.
    pub(crate) fn cancel(&self) {
        let all: Vec<_> = self.0.hosts.borrow().values().cloned().collect();
        all.iter().for_each(Shared::cancel);
    }

    fn load(&self, url: &Url) -> Deferred<Rules> {
        let this = self.clone();
        let mut address = url.clone();
        address.set_path("/robots.txt");
        address.set_query(None);
        let host = address.clone();
        follow(self.0.fetcher.clone(), None, None, MAX_HOPS, address, Ask::Text).map(move |trip| {
            let rules = rules_of(trip, &this.0.user_agent);
            if let Rules::Listed(robot) = &rules
                && let Some(delay) = robot.delay
                && let Ok(delay) = Duration::try_from_secs_f32(delay)
            {
                this.0.fetcher.set_pause(&host, delay.min(LONGEST_DELAY));
            }
            rules
        })
    }
}

/// What the answer to `/robots.txt` means.
fn rules_of(trip: Trip, user_agent: &str) -> Rules {
    let body = match trip.end {
        Ok((_, reply)) => reply.body.unwrap_or_default(),
        Err(failure) => {
            return match failure.check::<Problem>() {
                Some(problem) if !matches!(problem.status(), Some(429 | 500..)) => {
                    Rules::Everything
                }
                // A server that is not well; or the reading was cancelled.
                _ => Rules::Unavailable(failure.to_string()),
            };
        }
    };
    match Robot::new(user_agent, &body) {
        Ok(robot) => Rules::Listed(Rc::new(robot)),
        // What is no robots.txt at all rules nothing out.
        Err(_) => Rules::Everything,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::{Reply, Validators};

    fn answer(end: Result<&str, Problem>) -> Rules {
        let url = Url::parse("http://x.test/robots.txt").unwrap();
        let reply = |body: &str| Reply {
            status: 200,
            location: None,
            charset: None,
            body: Some(body.into()),
            validators: Validators::default(),
        };
        let end = end.map(|body| (url, reply(body))).map_err(Failure::from);
        rules_of(Trip { hops: Vec::new(), end }, "hereafter-linkcheck")
    }

    fn allows(rules: &Rules, path: &str) -> bool {
        let url = format!("http://x.test{path}");
        match rules {
            Rules::Everything => true,
            Rules::Listed(robot) => robot.allowed(&url),
            Rules::Unavailable(_) => false,
        }
    }

    #[test]
    fn the_group_of_our_name_comes_before_the_one_for_all() {
        let rules = answer(Ok("User-agent: *\nDisallow: /\n\nUser-agent: Hereafter-Linkcheck\n\
            Disallow: /private/\nAllow: /private/open\nCrawl-delay: 0.5\n"));
        assert!(allows(&rules, "/"));
        assert!(allows(&rules, "/private/open"));
        assert!(!allows(&rules, "/private/x"));
    }

    #[test]
    fn no_rules_allow_and_a_sick_server_forbids_everything() {
        assert!(allows(&answer(Err(Problem::Status(404))), "/x"));
        assert!(allows(&answer(Err(Problem::Refused)), "/x"));
        assert!(!allows(&answer(Err(Problem::Status(503))), "/x"));
        assert!(allows(&answer(Ok("<html>not found</html>")), "/x"));
    }
}
