//! The project's own documentation as a small site: Markdown is rendered once, at the start.
//!
//! Links between documents keep working: `guide.md#install` becomes `guide.html#install`, headings
//! get the anchors that GitHub gives them, and files of the repository that a document links to are
//! served as they are. What `build.rs` did not find is not served, so a dead link stays dead.

use std::collections::{BTreeMap, HashMap};

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// How the name of a document ends.
const DOCUMENT: &str = ".md";

const HTML: &str = "text/html; charset=utf-8";

/// A page or file of the site.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
}

/// The whole site by path, the leading slash included.
pub(crate) fn site() -> BTreeMap<String, Resource> {
    let mut site = BTreeMap::new();
    for &(path, bytes) in FILES {
        let markdown = std::str::from_utf8(bytes).ok().filter(|_| path.ends_with(DOCUMENT));
        let resource = match markdown {
            Some(markdown) => page(path, &render(markdown)),
            None => Resource { content_type: content_type_of(path), body: bytes.to_vec() },
        };
        site.insert(html_path(&format!("/{path}")), resource);
    }
    for &(folder, names) in FOLDERS {
        let list = list(folder, names.iter().map(|name| escaped(name)));
        site.insert(format!("/{folder}/index.html"), page(folder, &list));
    }
    // A start page that leads to every other, for as long as there is no README to do so.
    if !site.contains_key("/index.html") {
        let pages = site.iter().filter(|(_, resource)| resource.content_type == HTML);
        let links = pages.map(|(path, _)| format!("<a href=\"{0}\">{0}</a>", escaped(path)));
        let list = list("Documentation", links);
        site.insert("/index.html".to_owned(), page("Documentation", &list));
    }
    site
}

/// A list as HTML, with a heading.
fn list(title: &str, items: impl Iterator<Item = String>) -> String {
    let items: Vec<_> = items.map(|item| format!("<li>{item}</li>")).collect();
    format!("<h1>{}</h1>\n<ul>\n{}\n</ul>\n", escaped(title), items.join("\n"))
}

fn page(title: &str, body: &str) -> Resource {
    let title = escaped(title);
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         {body}</html>\n"
    );
    Resource { content_type: HTML, body: html.into_bytes() }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

/// Turns a document into HTML.
fn render(markdown: &str) -> String {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS;
    let mut events: Vec<Event<'_>> = Parser::new_ext(markdown, options).collect();
    name_headings(&mut events);
    let events = events.into_iter().map(|event| match event {
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            let dest_url = CowStr::from(html_link(&dest_url));
            Event::Start(Tag::Link { link_type, dest_url, title, id })
        }
        other => other,
    });
    let mut out = String::new();
    html::push_html(&mut out, events);
    out
}

/// Gives each heading its anchor, which is made of the text that follows its start.
fn name_headings(events: &mut [Event<'_>]) {
    let mut used = HashMap::new();
    for start in 0..events.len() {
        if !matches!(events[start], Event::Start(Tag::Heading { .. })) {
            continue;
        }
        let text: String = events[start + 1..]
            .iter()
            .take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))))
            .filter_map(|event| match event {
                Event::Text(text) | Event::Code(text) => Some(text.as_ref()),
                _ => None,
            })
            .collect();
        if let Event::Start(Tag::Heading { id, .. }) = &mut events[start] {
            *id = Some(slug(&text, &mut used).into());
        }
    }
}

/// The anchor that GitHub gives a heading: small letters, blanks as hyphens, other punctuation
/// dropped, and a number behind a second one of the same name.
fn slug(text: &str, used: &mut HashMap<String, u32>) -> String {
    let slug: String = text
        .trim()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            _ => c.is_alphanumeric().then_some(c),
        })
        .flat_map(char::to_lowercase)
        .collect();
    let count = used.entry(slug.clone()).or_default();
    *count += 1;
    if *count == 1 { slug } else { format!("{slug}-{}", *count - 1) }
}

/// The address of the rendered page for a link between documents; any other stays as it is.
fn html_link(link: &str) -> String {
    let path_end = link.find(['#', '?']).unwrap_or(link.len());
    let (path, rest) = link.split_at(path_end);
    if path.contains(':') { link.to_owned() } else { html_path(path) + rest }
}

/// Where the rendered page of a document lies. A README stands for its folder.
fn html_path(path: &str) -> String {
    match path.strip_suffix(DOCUMENT) {
        Some(stem) => match stem.strip_suffix("README") {
            Some(folder) if folder.is_empty() || folder.ends_with('/') => {
                format!("{folder}index.html")
            }
            _ => format!("{stem}.html"),
        },
        None => path.to_owned(),
    }
}

fn content_type_of(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => HTML,
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_get_the_anchors_of_github() {
        let html = render("# Hello, `World`!\n## Setext *and* more\n\n## Setext and more\n");
        assert!(html.contains("<h1 id=\"hello-world\">"), "{html}");
        assert!(html.contains("<h2 id=\"setext-and-more\">"), "{html}");
        assert!(html.contains("<h2 id=\"setext-and-more-1\">"), "{html}");
    }

    #[test]
    fn links_between_documents_become_links_between_pages() {
        for (link, expected) in [
            ("guide.md", "guide.html"),
            ("../a/guide.md#the-end", "../a/guide.html#the-end"),
            ("docs/README.md", "docs/index.html"),
            ("README.md?x", "index.html?x"),
            ("NOT_README.md", "NOT_README.html"),
            ("src/lib.rs", "src/lib.rs"),
            ("#here", "#here"),
            ("https://x.test/README.md", "https://x.test/README.md"),
        ] {
            assert_eq!(html_link(link), expected);
        }
    }

    #[test]
    fn there_is_always_a_start_page() {
        let site = site();
        assert!(site["/index.html"].content_type.starts_with("text/html"));
    }
}
