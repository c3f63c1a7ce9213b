//! What a page says: its links, its anchors, and where its HTML is broken.
//!
//! Runs on the thread pool, so it takes bytes and gives plain data. It works on the token stream,
//! without ever building a tree: memory stays at the size of the page, and no nesting is too deep.

use std::borrow::Cow;
use std::collections::HashSet;

use encoding_rs::Encoding;
use html5gum::emitters::default::DefaultEmitter;
use html5gum::{StartTag, Token, Tokenizer};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::address::{Address, Anchors, bad, resolve};
use crate::problem::Problem;

/// What a page holds that matters here.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Page {
    /// Every distinct link, in the order of the page.
    pub(crate) links: Vec<Link>,
    /// All that a `#fragment` can point to.
    pub(crate) anchors: Anchors,
    /// The first parse error: its line and the name the HTML standard gives it.
    pub(crate) first_error: Option<(u32, Cow<'static, str>)>,
    /// How many parse errors follow the first.
    pub(crate) more_errors: u32,
}

/// One link of a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Link {
    /// What its address means.
    pub(crate) address: Address,
    /// Whether it leads to a page (as opposed to an image, a script or a style sheet).
    pub(crate) to_page: bool,
    /// The line of its tag, counted from one.
    pub(crate) line: u32,
}

/// Reads the page at `url`. `charset` is what the `Content-Type` header says, if anything.
pub(crate) fn parse(url: &Url, body: &[u8], charset: Option<&str>) -> Page {
    let text = decode(body, charset);
    let lines = LineIndex::new(&text);
    let mut emitter = DefaultEmitter::<usize>::new_with_span();
    // Without this the text of scripts and styles would be read as tags.
    emitter.naively_switch_states(true);

    let mut page = Page::default();
    let mut base: Option<Url> = None;
    let mut raw_links: Vec<RawLink> = Vec::new();
    let mut names: Vec<Vec<u8>> = Vec::new();
    for token in Tokenizer::new_with_emitter(&*text, emitter) {
        let Ok(token) = token;
        match token {
            Token::StartTag(tag) => {
                names.extend(anchors_of(&tag));
                if base.is_none() && tag.name.as_slice() == b"base" {
                    base = attribute(&tag, "href").and_then(|href| url.join(&href).ok());
                }
                let line = lines.line_of(tag.span.start);
                links_of(&tag, |href, to_page| raw_links.push(RawLink { href, to_page, line }));
            }
            Token::Error(error) if page.first_error.is_none() => {
                page.first_error =
                    Some((lines.line_of(error.span.start), error.value.as_str().into()));
            }
            Token::Error(_) => page.more_errors += 1,
            _ => {}
        }
    }

    // `<base>` counts for links above it as well, so nothing is resolved before the end.
    let base = base.as_ref().unwrap_or(url);
    let mut seen = HashSet::new();
    raw_links.retain(|link| seen.insert((link.href.clone(), link.to_page)));
    page.links = raw_links.into_iter().map(|link| link.resolve(base)).collect();
    page.anchors = names.iter().map(Vec::as_slice).collect();
    page
}

/// A link before the base of the page is known.
struct RawLink {
    href: String,
    to_page: bool,
    line: u32,
}

impl RawLink {
    fn resolve(self, base: &Url) -> Link {
        let Self { href, to_page, line } = self;
        // An empty `src` would fetch the page itself as an image; an empty `href` is the page.
        let address = if !to_page && href.trim().is_empty() {
            bad("\"\"", Problem::BadUrl("empty address".to_owned()))
        } else {
            resolve(base, &href)
        };
        Link { address, to_page, line }
    }
}

/// Hands each address in a tag to `found`, with whether it leads to a page.
fn links_of(tag: &StartTag<usize>, mut found: impl FnMut(String, bool)) {
    let mut take = |name: &str, to_page: bool| {
        if let Some(value) = attribute(tag, name) {
            found(value, to_page);
        }
    };
    match tag.name.as_slice() {
        b"a" | b"area" => take("href", true),
        b"iframe" | b"frame" => take("src", true),
        b"link" if !is_connection_hint(tag) => take("href", false),
        b"script" | b"audio" | b"track" | b"embed" => take("src", false),
        b"video" => {
            take("src", false);
            take("poster", false);
        }
        b"object" => take("data", false),
        b"use" | b"image" => {
            take("href", false);
            take("xlink:href", false);
        }
        b"input" if attribute(tag, "type").is_some_and(|t| t.eq_ignore_ascii_case("image")) => {
            take("src", false);
        }
        b"img" | b"source" => {
            take("src", false);
            for candidate in attribute(tag, "srcset").iter().flat_map(|set| srcset(set)) {
                found(candidate.to_owned(), false);
            }
        }
        b"meta" => {
            if let Some(target) = refresh_target(tag) {
                found(target, true);
            }
        }
        _ => {}
    }
}

/// `rel=preconnect` and `dns-prefetch` name hosts, not documents.
fn is_connection_hint(tag: &StartTag<usize>) -> bool {
    attribute(tag, "rel").is_some_and(|rel| {
        rel.split_ascii_whitespace().any(|word| {
            word.eq_ignore_ascii_case("preconnect") || word.eq_ignore_ascii_case("dns-prefetch")
        })
    })
}

/// The target of `<meta http-equiv="refresh" content="5; url=next.html">`.
fn refresh_target(tag: &StartTag<usize>) -> Option<String> {
    if !attribute(tag, "http-equiv")?.trim().eq_ignore_ascii_case("refresh") {
        return None;
    }
    let content = attribute(tag, "content")?;
    let (_, target) = content.split_once([';', ','])?;
    let target = target.trim_start();
    let target = match target.get(..3) {
        Some(word) if word.eq_ignore_ascii_case("url") => {
            target[3..].trim_start().strip_prefix('=').unwrap_or(target)
        }
        _ => target,
    };
    Some(target.trim().trim_matches(['"', '\'']).to_owned())
}

/// The addresses in a `srcset`: separated by commas, each with a descriptor or none. An address may
/// itself hold commas, as long as none ends it.
fn srcset(set: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = set;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ',');
        if rest.is_empty() {
            return found;
        }
        let end = rest.find(|c: char| c.is_ascii_whitespace()).unwrap_or(rest.len());
        let (candidate, tail) = rest.split_at(end);
        let address = candidate.trim_end_matches(',');
        found.push(address);
        // Without a comma right at its end, a descriptor follows, up to the next comma.
        rest = if address.len() == candidate.len() {
            tail.find(',').map_or("", |comma| &tail[comma..])
        } else {
            tail
        };
    }
}

/// The names by which a fragment can find this element.
fn anchors_of(tag: &StartTag<usize>) -> impl Iterator<Item = Vec<u8>> + use<> {
    let value = |name: &str| tag.attributes.get(name.as_bytes()).map(|value| value.value.0.clone());
    let name = if tag.name.as_slice() == b"a" { value("name") } else { None };
    [value("id"), name].into_iter().flatten()
}

fn attribute(tag: &StartTag<usize>, name: &str) -> Option<String> {
    let value = tag.attributes.get(name.as_bytes())?;
    Some(String::from_utf8_lossy(&value.value).into_owned())
}

/// Turns the body into text: by its byte order mark, by the header, by a `<meta>` near the start,
/// and else as UTF-8.
fn decode<'a>(body: &'a [u8], charset: Option<&str>) -> std::borrow::Cow<'a, str> {
    let named = charset.and_then(|label| Encoding::for_label(label.as_bytes()));
    let encoding = named.or_else(|| meta_charset(body)).unwrap_or(encoding_rs::UTF_8);
    encoding.decode(body).0
}

/// `<meta charset>` or its older `http-equiv` form, looked for where the standard allows it: in the
/// first kilobyte.
fn meta_charset(body: &[u8]) -> Option<&'static Encoding> {
    let head = &body[..body.len().min(1024)];
    let emitter = DefaultEmitter::<usize>::new_with_span();
    Tokenizer::new_with_emitter(head, emitter)
        .filter_map(|token| match token {
            Ok(Token::StartTag(tag)) if tag.name.as_slice() == b"meta" => Some(tag),
            _ => None,
        })
        .find_map(|tag| {
            let label = attribute(&tag, "charset").or_else(|| {
                let content = attribute(&tag, "content")?.to_ascii_lowercase();
                Some(content.split_once("charset=")?.1.to_owned())
            })?;
            // A page that we could read this far is not in UTF-16, whatever it says.
            Encoding::for_label(label.as_bytes()).map(Encoding::output_encoding)
        })
}

/// Where the lines of a text start, to tell a byte's line.
struct LineIndex(Vec<usize>);

impl LineIndex {
    fn new(text: &str) -> Self {
        Self(
            text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect(),
        )
    }

    fn line_of(&self, offset: usize) -> u32 {
        u32::try_from(self.0.partition_point(|&end| end < offset) + 1).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(html: &str) -> Page {
        parse(&Url::parse("http://x.test/dir/page.html").unwrap(), html.as_bytes(), None)
    }

    fn urls(html: &str) -> Vec<(String, bool, u32)> {
        let url = |link: Link| match link.address {
            Address::Web(url, fragment) => {
                let fragment = fragment.map(|f| format!("#{f}")).unwrap_or_default();
                (format!("{url}{fragment}"), link.to_page, link.line)
            }
            other => (format!("{other:?}"), link.to_page, link.line),
        };
        page(html).links.into_iter().map(url).collect()
    }

    #[test]
    fn every_sort_of_link_is_found_with_its_line() {
        let html = "<a href=a.html>\n<area href=b.html><iframe src=c.html></iframe>\n\
            <img src=d.png srcset='e.png 1x, f,g.png 2x,h.png'>\n<link rel=stylesheet href=i.css>\
            <script src=j.js></script><video poster=k.png></video><object data=l.svg></object>\n\
            <meta http-equiv=Refresh content=\"0; URL='m.html'\"><use xlink:href='n.svg#o'>";
        let at = |name: &str, to_page, line| (format!("http://x.test/dir/{name}"), to_page, line);
        assert_eq!(
            urls(html),
            [
                at("a.html", true, 1),
                at("b.html", true, 2),
                at("c.html", true, 2),
                at("d.png", false, 3),
                at("e.png", false, 3),
                at("f,g.png", false, 3),
                at("h.png", false, 3),
                at("i.css", false, 4),
                at("j.js", false, 4),
                at("k.png", false, 4),
                at("l.svg", false, 4),
                at("m.html", true, 5),
                at("n.svg#o", false, 5),
            ]
        );
    }

    #[test]
    fn hosts_to_connect_to_are_no_links() {
        assert_eq!(
            urls("<link rel='preconnect' href=//a.test><link rel=dns-prefetch href=//b>"),
            []
        );
    }

    #[test]
    fn base_counts_for_the_whole_page_and_only_once() {
        let html = "<a href=a><base href=/root/><base href=/other/><a href=b>";
        let found: Vec<_> = urls(html).into_iter().map(|(url, ..)| url).collect();
        assert_eq!(found, ["http://x.test/root/a", "http://x.test/root/b"]);
    }

    #[test]
    fn scripts_styles_and_comments_hold_no_links() {
        let html = "<script>'<a href=x>'</script><style>a::after{content:'<a href=y>'}</style>\
            <!-- <a href=z> --><title><a href=t></title><textarea><a href=u></textarea>";
        assert_eq!(urls(html), []);
    }

    #[test]
    fn a_link_named_twice_counts_once() {
        assert_eq!(urls("<a href=a></a>\n<a href=a></a>").len(), 1);
    }

    #[test]
    fn entities_in_addresses_are_decoded() {
        assert_eq!(urls("<a href='?a=1&amp;b=2'>")[0].0, "http://x.test/dir/page.html?a=1&b=2");
    }

    #[test]
    fn an_empty_src_is_bad_and_an_empty_href_is_the_page() {
        assert!(urls("<img src=''>")[0].0.contains("empty address"));
        assert_eq!(urls("<a href=''>")[0].0, "http://x.test/dir/page.html");
    }

    #[test]
    fn ids_and_names_are_anchors() {
        let anchors = page("<h1 id=One><a name='two &amp; three'><input name=four>").anchors;
        assert!(anchors.has("One"));
        assert!(anchors.has("two%20&%20three"));
        assert!(!anchors.has("four"));
    }

    #[test]
    fn broken_html_is_read_to_the_end_and_said() {
        let page = page("<p>\n<a href=a href=b>x</a>\n<a href='c'\n<img src=d");
        assert_eq!(page.first_error, Some((2, "duplicate-attribute".into())));
        assert!(page.more_errors > 0);
        assert!(!page.links.is_empty());
        assert!(super::tests::page("<!doctype html><p>fine &amp; well").first_error.is_none());
    }

    #[test]
    fn bytes_that_are_no_text_do_no_harm() {
        let noise: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        let page = parse(&Url::parse("http://x.test/").unwrap(), &noise, Some("no-such-charset"));
        assert!(page.first_error.is_some());
    }

    #[test]
    fn the_charset_comes_from_the_header_or_the_page() {
        let url = Url::parse("http://x.test/").unwrap();
        let latin = b"<p id=caf\xe9>";
        assert!(parse(&url, latin, Some("ISO-8859-1")).anchors.has("caf%C3%A9"));
        let with_meta = b"<meta charset=windows-1252><p id=caf\xe9>";
        assert!(parse(&url, with_meta, None).anchors.has("caf%C3%A9"));
        let old = b"<meta http-equiv=Content-Type content='text/html; charset=latin1'><p id=\xe9>";
        assert!(parse(&url, old, None).anchors.has("%C3%A9"));
    }
}
