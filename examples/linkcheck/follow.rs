//! Redirects, followed one by one, so that the report can tell the way and where it went wrong.
//!
//! A loop reads best as a coroutine: `follow` awaits the deferreds of `fetch.rs` and `robots.rs`
//! and is itself a `Deferred` for whoever calls it. Cancelling that one cancels the one awaited.

use std::collections::HashSet;

use hereafter::{Deferred, Failure};
use url::Url;

use crate::fetch::{Ask, Fetcher, Reply};
use crate::history::History;
use crate::problem::Problem;
use crate::report::Hop;
use crate::robots::Robots;

/// Where following a URL has led.
pub(crate) struct Trip {
    /// The redirects on the way.
    pub(crate) hops: Vec<Hop>,
    /// The document at its end and the document's own URL, or what went wrong.
    pub(crate) end: Result<(Url, Reply), Failure>,
}

/// Asks for `url` and follows at most `max_hops` redirects. What goes wrong is part of the
/// [`Trip`]; with `robots`, each host on the way is asked for leave first; with `history`, a page
/// that is known from it is only sent when it has changed.
pub(crate) fn follow(
    fetcher: Fetcher,
    robots: Option<Robots>,
    history: Option<History>,
    max_hops: usize,
    url: Url,
    ask: Ask,
) -> Deferred<Trip> {
    Deferred::from_coroutine(async move {
        let mut hops = Vec::new();
        let end =
            walk(&fetcher, robots.as_ref(), history.as_ref(), max_hops, url, ask, &mut hops).await;
        Ok::<_, Failure>(Trip { hops, end })
    })
}

async fn walk(
    fetcher: &Fetcher,
    robots: Option<&Robots>,
    history: Option<&History>,
    max_hops: usize,
    mut url: Url,
    ask: Ask,
    hops: &mut Vec<Hop>,
) -> Result<(Url, Reply), Failure> {
    let mut visited = HashSet::new();
    loop {
        if !visited.insert(url.clone()) {
            return Err(Problem::RedirectLoop(url.into()).into());
        }
        if let Some(robots) = robots {
            robots.permit(&url).await?;
        }
        let known = match history {
            Some(history) if ask == Ask::Page => history.validators(&url).await?,
            _ => None,
        };
        let reply = fetcher.fetch(url.clone(), ask, known).await?;
        let Some(location) = &reply.location else { return Ok((url, reply)) };
        if hops.len() >= max_hops {
            return Err(Problem::TooManyRedirects(max_hops).into());
        }
        url = next(&url, location)?;
        hops.push(Hop { status: reply.status, to: url.to_string() });
    }
}

/// The address that a `Location` stands for.
fn next(url: &Url, location: &str) -> Result<Url, Problem> {
    let unusable = |reason: &str| Problem::BadRedirect(format!("{location:?} ({reason})"));
    if location.is_empty() {
        return Err(unusable("it is empty or missing"));
    }
    let mut next = url.join(location).map_err(|error| unusable(&error.to_string()))?;
    if !matches!(next.scheme(), "http" | "https") {
        return Err(unusable("neither http nor https"));
    }
    next.set_fragment(None);
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_resolved_or_refused() {
        let url = Url::parse("http://x.test/a/b").unwrap();
        assert_eq!(next(&url, "../c#d").unwrap().as_str(), "http://x.test/c");
        for unusable in ["", "http://", "mailto:a@b.test"] {
            assert!(matches!(next(&url, unusable), Err(Problem::BadRedirect(_))), "{unusable}");
        }
    }
}
