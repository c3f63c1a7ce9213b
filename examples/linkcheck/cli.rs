//! The command line: what is checked, and how hard.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use url::Url;

/// Checks every link of a site.
///
/// Reads the pages under each start address, follows their links, and reports every link that leads
/// nowhere together with the pages that hold it. Without an argument it serves Hereafter's own
/// documentation on loopback and checks that.
#[derive(Debug, Parser)]
#[command(
    name = "linkcheck",
    version,
    args_override_self = true,
    after_help = "Exit code: 0 every link is fine; 1 broken links were found (with --strict: or \
        warnings); 2 the check did not happen or did not finish (bad argument, failure to start, \
        Ctrl-C). Ctrl-C cancels what is in flight and prints the report so far; a second one ends \
        the program at once."
)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
pub(crate) struct Options {
    /// Web addresses (http, https), folders or HTML files; folders and files are served on loopback.
    #[arg(value_name = "URL|PATH", value_parser = parse_target)]
    pub(crate) targets: Vec<Target>,

    /// Print the report as JSON; its schema is described in examples/linkcheck/report.rs.
    #[arg(long)]
    pub(crate) json: bool,

    /// Check links to other hosts even when checking the built-in documentation.
    #[arg(long, conflicts_with = "no_external")]
    external: bool,

    /// Keep what was found in this file, an SQLite database. The next check with it reads only what
    /// has changed, and says what broke since.
    #[arg(long, value_name = "FILE")]
    pub(crate) db: Option<PathBuf>,

    /// With --db: seconds for which a link to another host that was fine is left alone.
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400, requires = "db")]
    pub(crate) leave_alone: u64,

    /// Leave links to other hosts unchecked.
    #[arg(long)]
    no_external: bool,

    /// Leave out every link that starts with this address; can be given several times.
    #[arg(long, value_name = "PREFIX")]
    pub(crate) exclude: Vec<String>,

    /// Fetch what robots.txt forbids as well, and ignore its Crawl-delay.
    #[arg(long)]
    pub(crate) ignore_robots: bool,

    /// Count warnings (such as invalid HTML) as broken in the exit code.
    #[arg(long)]
    pub(crate) strict: bool,

    /// Requests in flight at once on one host.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = at_least_one)]
    pub(crate) per_host: usize,

    /// Links being checked at once over all hosts.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = at_least_one)]
    pub(crate) concurrency: usize,

    /// Seconds that one request may take, from connecting to the last byte.
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = parse_seconds)]
    pub(crate) timeout: Duration,

    /// Further attempts after a lost connection, a 5xx or a 429.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) retries: u32,

    /// Seconds before the first retry; doubled for each further one.
    #[arg(long, value_name = "SECONDS", default_value = "0.5", value_parser = parse_seconds)]
    pub(crate) backoff: Duration,

    /// Redirects to follow before giving up on a link.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) max_redirects: usize,

    /// Bytes to read of one page; K, M and G may follow the number.
    #[arg(long, value_name = "SIZE", default_value = "10M", value_parser = parse_size)]
    pub(crate) max_body: u64,

    /// How to introduce ourselves; robots.txt is read for this name.
    #[arg(long, value_name = "NAME", default_value = concat!("hereafter-linkcheck/", env!("CARGO_PKG_VERSION")))]
    pub(crate) user_agent: String,

    /// Show neither the progress bar nor notes (such as permanent redirects).
    #[arg(long, short)]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) color: colorchoice_clap::Color,
}

impl Options {
    /// Whether links to other hosts are checked. The built-in documentation keeps to this machine
    /// unless told otherwise, so that it can be tried anywhere.
    pub(crate) fn checks_external(&self) -> bool {
        self.external || !(self.no_external || self.targets.is_empty())
    }
}

/// Where a check starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A site on the web.
    Web(Url),
    /// A folder, to be served; and the one page to start from, if a file was named.
    Folder { root: PathBuf, page: Option<String> },
}

fn parse_target(text: &str) -> Result<Target, String> {
    if let Ok(mut url) = Url::parse(text)
        && matches!(url.scheme(), "http" | "https")
    {
        url.set_fragment(None);
        return Ok(Target::Web(url));
    }
    let path = PathBuf::from(text);
    if path.is_dir() {
        return Ok(Target::Folder { root: path, page: None });
    }
    if path.is_file() {
        let page = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let root = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        return Ok(Target::Folder { root: root.unwrap_or(".".as_ref()).to_owned(), page });
    }
    if text.starts_with("http://") || text.starts_with("https://") {
        let reason = Url::parse(text).map_or_else(|error| error.to_string(), |_| String::new());
        return Err(format!("not a usable web address: {reason}"));
    }
    Err(format!("no such folder or file; if it is a web address, write https://{text}"))
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err("not a whole number".to_owned()),
    }
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("must be a number of seconds above 0".to_owned()),
    }
}

fn parse_size(text: &str) -> Result<u64, String> {
    let (number, unit) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 1 << 10),
        Some((at, 'm' | 'M')) => (&text[..at], 1 << 20),
        Some((at, 'g' | 'G')) => (&text[..at], 1 << 30),
        _ => (text, 1),
    };
    let number: u64 = number.parse().map_err(|_| "not a size such as 500K or 10M".to_owned())?;
    match number.checked_mul(unit) {
        Some(0) => Err("must be above 0".to_owned()),
        Some(bytes) => Ok(bytes),
        None => Err("too large".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Options::command().debug_assert();
    }

    #[test]
    fn targets_are_addresses_or_what_lies_on_disk() {
        let web = Target::Web(Url::parse("https://x.test/a").unwrap());
        assert_eq!(parse_target("https://x.test/a#b"), Ok(web));
        let here = env!("CARGO_MANIFEST_DIR");
        assert!(matches!(parse_target(here), Ok(Target::Folder { page: None, .. })));
        let file = format!("{here}/Cargo.toml");
        assert!(
            matches!(parse_target(&file), Ok(Target::Folder { page: Some(p), .. }) if p == "Cargo.toml")
        );
    }

    #[test]
    fn a_bad_target_says_the_way_out() {
        assert!(parse_target("x.test").unwrap_err().contains("https://x.test"));
        assert!(parse_target("http://a b").unwrap_err().contains("not a usable web address"));
    }

    #[test]
    fn numbers_are_checked() {
        assert_eq!(parse_size("10M"), Ok(10 << 20));
        assert_eq!(parse_size("7"), Ok(7));
        for wrong in ["", "M", "0", "-1", "1.5M", "99999999999G"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse_seconds("0.25"), Ok(Duration::from_millis(250)));
        for wrong in ["", "0", "-1", "nan", "inf", "1e30", "x"] {
            assert!(parse_seconds(wrong).is_err(), "{wrong}");
        }
        assert!(at_least_one("0").is_err());
    }

    #[test]
    fn the_built_in_documentation_keeps_to_this_machine() {
        let external = |line: &str| Options::parse_from(line.split(' ')).checks_external();
        assert!(!external("linkcheck"));
        assert!(external("linkcheck --external"));
        assert!(external("linkcheck http://x.test"));
        assert!(!external("linkcheck http://x.test --no-external"));
    }
}
