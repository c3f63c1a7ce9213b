//! Addresses: what a `href` means, which of them are looked at, and how deep.

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::problem::Problem;

/// Schemes that are fine in a page and that nobody can check by fetching.
const UNCHECKED_SCHEMES: &[&str] = &[
    "about",
    "blob",
    "bitcoin",
    "callto",
    "cid",
    "data",
    "facetime",
    "feed",
    "file",
    "ftp",
    "ftps",
    "geo",
    "git",
    "intent",
    "irc",
    "ircs",
    "javascript",
    "magnet",
    "mailto",
    "market",
    "matrix",
    "mid",
    "news",
    "nntp",
    "sftp",
    "sip",
    "sips",
    "skype",
    "sms",
    "ssh",
    "svn",
    "tel",
    "urn",
    "view-source",
    "whatsapp",
    "ws",
    "wss",
    "xmpp",
];

/// What a `href` turned out to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Address {
    /// Something to fetch: the URL without its fragment, and the fragment if it names an anchor.
    Web(Url, Option<String>),
    /// A scheme that is left alone, such as `mailto`.
    Unchecked(String),
    /// An address that cannot be followed, as the page has it, and what is wrong with it.
    Bad(String, Problem),
}

/// Reads a `href` as a browser would: relative to `base`, surrounding white space ignored.
pub(crate) fn resolve(base: &Url, href: &str) -> Address {
    let mut url = match base.join(href) {
        Ok(url) => url,
        Err(error) => return bad(href, Problem::BadUrl(error.to_string())),
    };
    match url.scheme() {
        "http" | "https" => {}
        scheme if UNCHECKED_SCHEMES.contains(&scheme) || scheme.starts_with("web+") => {
            return Address::Unchecked(scheme.to_owned());
        }
        // Nobody has heard of it: most likely a typing error.
        scheme => return bad(href, Problem::UnknownScheme(scheme.to_owned())),
    }
    let fragment = url.fragment().and_then(anchor_of);
    url.set_fragment(None);
    Address::Web(url, fragment)
}

/// An address that is wrong, quoted as the page has it.
pub(crate) fn bad(href: &str, problem: Problem) -> Address {
    Address::Bad(href.trim().to_owned(), problem)
}

/// The anchor that a fragment names. None for those that every page has: the empty one, `top`, and
/// a text directive (`#:~:text=`), which names no element. None either for what is meant for the
/// page's script: `#/route` and `#!route`.
fn anchor_of(fragment: &str) -> Option<String> {
    let fragment = fragment.split_once(":~:").map_or(fragment, |(anchor, _)| anchor);
    let is_anchor = !fragment.is_empty()
        && !fragment.eq_ignore_ascii_case("top")
        && !fragment.starts_with(['/', '!']);
    is_anchor.then(|| fragment.to_owned())
}

/// Where the start URLs and whatever lies beneath them are: the pages that are read for links.
/// Anything else is only checked for being there.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    roots: Vec<Url>,
}

impl Scope {
    /// Adds the folder in which `start` lies: `https://host/docs/index.html` takes in all of
    /// `https://host/docs/`.
    pub(crate) fn add(&mut self, start: &Url) {
        let root = start.join(".").expect("an http URL can be a base");
        if !self.contains(&root) {
            self.roots.push(root);
        }
    }

    /// Whether pages at this URL are read for links.
    pub(crate) fn contains(&self, url: &Url) -> bool {
        self.roots.iter().any(|root| same_origin(root, url) && url.path().starts_with(root.path()))
    }

    /// Whether this URL is on a host that has a start URL.
    pub(crate) fn is_own_host(&self, url: &Url) -> bool {
        self.roots.iter().any(|root| same_origin(root, url))
    }
}

fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme()
        && a.host() == b.host()
        && a.port_or_known_default() == b.port_or_known_default()
}

/// The anchors of one page, kept as sorted hashes: a page's share of the memory is eight bytes for
/// each of its anchors, however long their names are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Anchors(Box<[u64]>);

impl Anchors {
    /// A number that is another one if names come to other hashes, as the standard library may have
    /// it from one version to the next.
    pub(crate) fn fingerprint() -> u16 {
        let [low, high, ..] = hash(b"fingerprint").to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    /// Whether a link's fragment finds its element. As in browsers, the fragment counts as it
    /// stands first and percent-decoded second. A range of lines (`#12-20`), as rustdoc links into
    /// source code, finds what it seeks if both of its ends do.
    pub(crate) fn has(&self, fragment: &str) -> bool {
        let is_line = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        self.has_name(fragment.as_bytes())
            || self.has_name(&percent_decode_str(fragment).collect::<Vec<u8>>())
            || fragment.split_once('-').is_some_and(|(first, last)| {
                let ends = [first, last];
                ends.iter().all(|end| is_line(end) && self.has_name(end.as_bytes()))
            })
    }

    fn has_name(&self, name: &[u8]) -> bool {
        self.0.binary_search(&hash(name)).is_ok()
    }
}

impl<'a> FromIterator<&'a [u8]> for Anchors {
    fn from_iter<I: IntoIterator<Item = &'a [u8]>>(names: I) -> Self {
        let mut hashes: Vec<u64> = names.into_iter().map(hash).collect();
        hashes.sort_unstable();
        hashes.dedup();
        Self(hashes.into_boxed_slice())
    }
}

fn hash(name: &[u8]) -> u64 {
    use std::hash::Hasher;
    // The keys of a `DefaultHasher::new()` are fixed, so hashes made on different threads agree.
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(name);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Url {
        Url::parse("http://example.test/docs/guide/index.html").unwrap()
    }

    fn web(href: &str) -> (String, Option<String>) {
        match resolve(&base(), href) {
            Address::Web(url, fragment) => (url.to_string(), fragment),
            other => panic!("{href} is {other:?}"),
        }
    }

    #[test]
    fn relative_addresses_are_normalised() {
        assert_eq!(web("../a/./b.html?x#y").0, "http://example.test/docs/a/b.html?x");
        assert_eq!(web(" HTTP://Example.TEST:80/%7Ea ").0, "http://example.test/%7Ea");
        assert_eq!(web("//other.test").0, "http://other.test/");
        assert_eq!(web("").0, base().to_string());
    }

    #[test]
    fn fragments_that_every_page_has_are_dropped() {
        assert_eq!(web("#Install").1.as_deref(), Some("Install"));
        for always_there in ["#", "#top", "#TOP", "#:~:text=hello", "#/route", "#!route", "x"] {
            assert_eq!(web(always_there).1, None, "{always_there}");
        }
    }

    #[test]
    fn schemes_are_told_apart() {
        assert_eq!(resolve(&base(), "mailto:a@b.test"), Address::Unchecked("mailto".into()));
        assert_eq!(resolve(&base(), "web+mastodon://x"), Address::Unchecked("web+mastodon".into()));
        let mistyped = Address::Bad("htp://x/".into(), Problem::UnknownScheme("htp".into()));
        assert_eq!(resolve(&base(), " htp://x/"), mistyped);
    }

    #[test]
    fn nonsense_is_called_bad_with_a_reason() {
        for nonsense in ["http://", "http://[::1", "http://a b/", "http://x.test:99999/"] {
            assert!(
                matches!(resolve(&base(), nonsense), Address::Bad(_, Problem::BadUrl(_))),
                "{nonsense}"
            );
        }
    }

    #[test]
    fn the_scope_is_the_folder_of_the_start_url() {
        let mut scope = Scope::default();
        scope.add(&Url::parse("http://example.test/docs/index.html").unwrap());
        let inside = |url: &str| scope.contains(&Url::parse(url).unwrap());
        assert!(inside("http://example.test/docs/"));
        assert!(inside("http://example.test:80/docs/deep/page.html?x"));
        assert!(!inside("http://example.test/docsearch"));
        assert!(!inside("https://example.test/docs/"));
        assert!(!inside("http://example.test:81/docs/"));
        assert!(scope.is_own_host(&Url::parse("http://example.test/other").unwrap()));
        assert!(!scope.is_own_host(&Url::parse("http://other.test/docs/").unwrap()));
    }

    #[test]
    fn a_range_of_lines_needs_both_ends() {
        let anchors: Anchors = ["12", "20", "a", "b"].map(str::as_bytes).into_iter().collect();
        assert!(anchors.has("12-20"));
        for missing in ["12-21", "11-20", "a-b", "-", "12-"] {
            assert!(!anchors.has(missing), "{missing}");
        }
    }

    #[test]
    fn anchors_match_raw_and_decoded() {
        let anchors: Anchors = ["café", "50%25", "plain"].map(str::as_bytes).into_iter().collect();
        assert!(anchors.has("plain"));
        assert!(anchors.has("caf%C3%A9"));
        assert!(anchors.has("50%25"), "the name as it stands comes first");
        assert!(!anchors.has("Plain"), "anchors are case-sensitive");
        assert!(!anchors.has("other"));
    }
}
