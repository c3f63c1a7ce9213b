//! `cargo xtask site`: a site of linked HTML pages, the same one every time, to try a link checker on.
//!
//! Every page can be reached from `index.html`. Every link and every image leads somewhere, but for
//! the broken ones that were asked for; no link leaves the site.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// The site to write.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many pages it has, `index.html` included.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pages: u32,
    /// How many links lead nowhere: by turns to a page, an anchor and an image that is not there.
    #[arg(long, value_name = "N", default_value_t = 0)]
    broken: u32,
    /// Another number, another site of the same size.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to write it; made if it is not there. It must not hold anything yet.
    folder: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let plan = Plan { pages: arguments.pages, broken: arguments.broken, seed: arguments.seed };
    let totals = write(plan, &arguments.folder)?;
    println!(
        "{}: {} pages, {} images, {} links, {} of them broken, {} bytes",
        arguments.folder.display(),
        plan.pages,
        IMAGES,
        totals.links,
        totals.broken,
        totals.bytes
    );
    Ok(())
}

/// What the site is to be like.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) pages: u32,
    pub(crate) broken: u32,
    pub(crate) seed: u64,
}

/// What the site came to.
#[derive(Default)]
pub(crate) struct Totals {
    pub(crate) links: u32,
    pub(crate) broken: u32,
    pub(crate) bytes: usize,
}

/// Pages that one page leads to in the tree that holds the site together.
const CHILDREN: u32 = 8;
/// Links to pages anywhere on the site, beside the tree's.
const CROSS_LINKS: u32 = 10;
/// Sections of a page, each with an anchor.
const SECTIONS: u32 = 4;
/// Pages in one folder.
const PER_FOLDER: u32 = 100;
/// Images of the whole site.
const IMAGES: u32 = 20;

/// Writes the site.
///
/// # Errors
///
/// Fails when the folder holds something already or cannot be written to.
pub(crate) fn write(plan: Plan, folder: &Path) -> Result<Totals> {
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let is_empty = fs::read_dir(folder)?.next().is_none();
    ensure!(is_empty, "{} holds something already; name an empty folder", folder.display());

    for image in 0..IMAGES {
        put(folder, &image_path(image), &svg(image))?;
    }
    let mut random = fastrand::Rng::with_seed(plan.seed);
    let mut totals = Totals::default();
    for page in 0..plan.pages {
        let html = html(plan, page, &mut random, &mut totals);
        totals.bytes += html.len();
        put(folder, &page_path(page), &html)?;
    }
    Ok(totals)
}

fn put(folder: &Path, path: &str, text: &str) -> Result<()> {
    let path = folder.join(path);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
}

/// A page's path from the root of the site.
fn page_path(page: u32) -> String {
    if page == 0 {
        "index.html".to_owned()
    } else {
        format!("part{:03}/page{page:05}.html", page / PER_FOLDER)
    }
}

fn image_path(image: u32) -> String {
    format!("images/image{image:02}.svg")
}

fn svg(image: u32) -> String {
    let hue = 360 / IMAGES * image;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"64\" height=\"64\">\
         <circle cx=\"32\" cy=\"32\" r=\"30\" fill=\"hsl({hue} 60% 50%)\"/></svg>\n"
    )
}

/// One page, as valid HTML.
fn html(plan: Plan, page: u32, random: &mut fastrand::Rng, totals: &mut Totals) -> String {
    let root = if page == 0 { "" } else { "../" };
    let mut text = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <title>Page {page}</title>\n</head>\n<body>\n<h1>Page {page}</h1>\n<ul>\n"
    );
    let mut link = |text: &mut String, to: &str| {
        totals.links += 1;
        let _ = writeln!(text, "<li><a href=\"{root}{to}\">to {to}</a></li>");
    };
    link(&mut text, "index.html");
    // The tree: page 0 leads to 1..=8, page 1 to 9..=16, and so on.
    let first = page.saturating_mul(CHILDREN).saturating_add(1);
    for child in first..first.saturating_add(CHILDREN).min(plan.pages) {
        link(&mut text, &page_path(child));
    }
    for _ in 0..CROSS_LINKS {
        let to = page_path(random.u32(..plan.pages));
        if random.bool() {
            link(&mut text, &format!("{to}#section{}", random.u32(..SECTIONS)));
        } else {
            link(&mut text, &to);
        }
    }
    for broken in broken_of(plan, page) {
        match broken % 3 {
            0 => link(&mut text, &format!("missing/page{broken}.html")),
            1 => link(&mut text, &format!("{}#missing{broken}", page_path(0))),
            _ => {
                let _ = writeln!(
                    text,
                    "<li><img src=\"{root}missing/image{broken}.svg\" alt=\"missing\"></li>"
                );
            }
        }
    }
    text.push_str("</ul>\n");
    for section in 0..SECTIONS {
        let image = image_path(random.u32(..IMAGES));
        let _ = write!(
            text,
            "<h2 id=\"section{section}\">Section {section}</h2>\n\
             <p><img src=\"{root}{image}\" alt=\"a disc\"> {}</p>\n",
            prose(random)
        );
    }
    text.push_str("</body>\n</html>\n");
    let images_missing = broken_of(plan, page).filter(|broken| broken % 3 == 2).count();
    totals.links += SECTIONS + u32::try_from(images_missing).expect("few are broken");
    totals.broken += u32::try_from(broken_of(plan, page).count()).expect("few are broken");
    text
}

/// The broken links of a page: they are spread over all pages by turns.
fn broken_of(plan: Plan, page: u32) -> impl Iterator<Item = u32> {
    (page..plan.broken).step_by(plan.pages as usize)
}

/// A paragraph that says nothing.
fn prose(random: &mut fastrand::Rng) -> String {
    const WORDS: [&str; 12] = [
        "later", "perhaps", "a", "callback", "waits", "until", "the", "result", "comes", "and",
        "then", "fires",
    ];
    let words: Vec<&str> = (0..60).map(|_| WORDS[random.usize(..WORDS.len())]).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn read(folder: &Path) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            for entry in fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(folder).unwrap().display().to_string();
                    files.insert(name, fs::read_to_string(&path).unwrap());
                }
            }
        }
        files
    }

    fn site(pages: u32, broken: u32) -> (BTreeMap<String, String>, Totals) {
        let folder = tempfile::tempdir().unwrap();
        let totals = write(Plan { pages, broken, seed: 1 }, folder.path()).unwrap();
        (read(folder.path()), totals)
    }

    /// The links of a page as paths from the root, each with its anchor if it has one.
    fn links(html: &str) -> Vec<(String, Option<String>)> {
        let attributes = ["href=\"", "src=\""];
        let found = attributes.iter().flat_map(|attribute| html.split(attribute).skip(1));
        found
            .map(|rest| rest.split('"').next().unwrap().trim_start_matches("../"))
            .map(|link| match link.split_once('#') {
                Some((path, anchor)) => (path.to_owned(), Some(anchor.to_owned())),
                None => (link.to_owned(), None),
            })
            .collect()
    }

    fn is_broken(files: &BTreeMap<String, String>, link: &(String, Option<String>)) -> bool {
        match (files.get(&link.0), &link.1) {
            (None, _) => true,
            (Some(page), Some(anchor)) => !page.contains(&format!("id=\"{anchor}\"")),
            (Some(_), None) => false,
        }
    }

    #[test]
    fn it_is_the_same_every_time() {
        assert_eq!(site(30, 4).0, site(30, 4).0);
    }

    #[test]
    fn every_page_can_be_reached_and_only_the_broken_links_lead_nowhere() {
        let (files, totals) = site(250, 7);
        let mut broken = 0;
        let mut count = 0;
        let mut reached = BTreeSet::from(["index.html".to_owned()]);
        let mut queue = vec!["index.html".to_owned()];
        while let Some(page) = queue.pop() {
            for link in links(&files[&page]) {
                count += 1;
                if is_broken(&files, &link) {
                    broken += 1;
                } else if !link.0.starts_with("images/") && reached.insert(link.0.clone()) {
                    queue.push(link.0);
                }
            }
        }
        assert_eq!((reached.len(), broken, totals.broken), (250, 7, 7));
        assert_eq!(count, totals.links);
    }

    #[test]
    fn a_folder_that_holds_something_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("precious"), "").unwrap();
        let plan = Plan { pages: 1, broken: 0, seed: 1 };
        let error = write(plan, folder.path()).err().unwrap();
        assert!(error.to_string().contains("name an empty folder"), "{error}");
    }
}
