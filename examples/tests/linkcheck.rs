//! Runs the built `linkcheck` against sites that behave and sites that do not.

mod program;
mod server;

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use program::example;
use serde_json::Value;
use server::{Answer, Server, closed_port, self_signed_tls};

fn linkcheck() -> Command {
    let mut command = example("linkcheck");
    // Whoever runs the tests may have set these.
    command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").stdin(Stdio::null());
    command
}

/// Short pauses, for tests.
const HASTY: &[&str] = &["--json", "--backoff", "0.01"];

fn run(arguments: &[&str]) -> Output {
    linkcheck().args(arguments).output().unwrap()
}

/// Runs with `--json`; the exit code and the report.
fn check(url: &str, more: &[&str]) -> (i32, Value) {
    let output = run(&[HASTY, more, &[url]].concat());
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {output:?}");
    });
    (output.status.code().unwrap(), report)
}

/// The row about `url` of that kind.
#[track_caller]
fn row<'a>(report: &'a Value, kind: &str, url: &str) -> &'a Value {
    let rows = report["rows"].as_array().unwrap();
    rows.iter()
        .find(|row| row["kind"] == kind && row["url"] == url)
        .unwrap_or_else(|| panic!("no row {kind} for {url} in {report:#}"))
}

fn page(links: &[&str]) -> Answer {
    let links: Vec<_> = links.iter().map(|link| format!("<a href='{link}'>x</a>")).collect();
    Answer::Html(format!("<!doctype html>\n{}", links.join("\n")))
}

#[test]
fn a_site_in_order_is_found_so() {
    let site = Server::start([
        ("/", page(&["a.html", "a.html#there", "mailto:a@b.test", "#top", "/picture.png"])),
        ("/a.html", Answer::html("<h1 id=there>x</h1><img src=picture.png><a href='/'>")),
        ("/picture.png", Answer::text("image/png", "not really")),
    ]);
    let (code, report) = check(&site.url("/"), &[]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["schema"], 1);
    assert_eq!(report["complete"], true);
    assert_eq!(report["rows"], Value::Array(vec![]));
    let summary = &report["summary"];
    assert_eq!((&summary["pages"], &summary["checked"]), (&2.into(), &3.into()));
    assert_eq!(summary["skipped"]["mailto"], 1);
    assert_eq!(summary["unchecked"], 0);
    assert_eq!(site.asked("GET /"), 1);
    assert_eq!(site.asked("GET /a.html"), 1);
    assert_eq!(site.asked("GET /robots.txt"), 1);
}

/// Each sort of trouble is one row, which names the page with the link.
#[test]
fn every_sort_of_trouble_is_a_row_with_its_page() {
    let refused = format!("http://127.0.0.1:{}/", closed_port());
    let tls = format!("https://127.0.0.1:{}/", self_signed_tls());
    let links = [
        "/gone.html",
        "/fine.html#nowhere",
        "http://",
        "htp://typo.test/",
        &refused,
        &tls,
        "/silent",
        "/circle-1",
        "/narcissus",
        "/far/0",
        "/no-location",
        "/nonsense-location",
        "/sick",
        "/garbage",
        "/teapot",
    ];
    let far: Vec<_> = (0..12).map(|n| (format!("/far/{n}"), format!("/far/{}", n + 1))).collect();
    let far = far.iter().map(|(from, to)| (from.as_str(), Answer::redirect("302 Found", to)));
    let site = Server::start(
        [
            ("/start/", page(&["../page.html", "/start/page.html"])),
            ("/page.html", Answer::html("never read: outside of /start/ <a href=unseen>")),
            ("/start/page.html", page(&links)),
            ("/fine.html", Answer::html("<p id=somewhere>")),
            ("/silent", Answer::Silence),
            ("/circle-1", Answer::redirect("302 Found", "/circle-2")),
            ("/circle-2", Answer::redirect("301 Moved Permanently", "/circle-1")),
            ("/narcissus", Answer::redirect("307 Temporary Redirect", "narcissus")),
            ("/no-location", Answer::status("302 Found")),
            ("/nonsense-location", Answer::redirect("302 Found", "http://[")),
            ("/sick", Answer::status("500 Internal Server Error")),
            ("/garbage", Answer::Raw("this is no HTTP\r\n\r\n".into())),
            ("/teapot", Answer::status("418 I'm a teapot")),
        ]
        .into_iter()
        .chain(far),
    );
    let (code, report) = check(&site.url("/start/"), &["--timeout", "3"]);
    assert_eq!(code, 1);
    assert_eq!(report["complete"], true);
    for (kind, url) in [
        ("http-status", site.url("/gone.html")),
        ("missing-anchor", site.url("/fine.html#nowhere")),
        ("bad-url", "http://".to_owned()),
        ("unknown-scheme", "htp://typo.test/".to_owned()),
        ("connection-refused", refused.clone()),
        ("tls", tls.clone()),
        ("timeout", site.url("/silent")),
        ("redirect-loop", site.url("/circle-1")),
        ("redirect-loop", site.url("/narcissus")),
        ("too-many-redirects", site.url("/far/0")),
        ("bad-redirect", site.url("/no-location")),
        ("bad-redirect", site.url("/nonsense-location")),
        ("http-status", site.url("/sick")),
        ("protocol", site.url("/garbage")),
        ("http-status", site.url("/teapot")),
    ] {
        let row = row(&report, kind, &url);
        let from = &row["linked_from"][0];
        assert_eq!(from["page"], site.url("/start/page.html"), "{row:#}");
        let line = usize::try_from(from["line"].as_u64().unwrap()).unwrap();
        assert!(url.ends_with(links[line - 2]), "line {line} has {}, not {url}", links[line - 2]);
        assert_eq!(row["linked_from_total"], 1);
        assert_eq!(row["given"], false);
    }
    assert_eq!(row(&report, "http-status", &site.url("/gone.html"))["status"], 404);
    let hops = &row(&report, "redirect-loop", &site.url("/circle-1"))["redirects"];
    assert_eq!(hops[0]["status"], 302);
    assert_eq!(hops[1]["to"], site.url("/circle-1"));
    assert_eq!(site.asked("HEAD /sick"), 3, "tried again twice");
    assert_eq!(site.asked("HEAD /teapot"), 1, "not tried again");
    assert_eq!(site.asked("GET /unseen"), 0);
}

#[test]
fn pages_that_never_end_or_break_off_are_rows_too() {
    let site = Server::start([
        ("/", page(&["endless", "broken-off", "invalid.html"])),
        ("/endless", Answer::Endless),
        ("/broken-off", Answer::BreakOff),
        ("/invalid.html", Answer::html("<p>\n<a href=/ href=x>twice</a><img src='")),
    ]);
    let (code, report) = check(&site.url("/"), &["--max-body", "1M", "--retries", "1"]);
    assert_eq!(code, 1);
    row(&report, "body-too-large", &site.url("/endless"));
    row(&report, "connection-lost", &site.url("/broken-off"));
    assert_eq!(site.asked("GET /broken-off"), 2);
    let invalid = row(&report, "invalid-html", &site.url("/invalid.html"));
    assert_eq!(invalid["severity"], "warning");
    assert_eq!(invalid["linked_from"][0]["page"], site.url("/"));
    assert!(invalid["message"].as_str().unwrap().contains("line 2: duplicate-attribute"));
}

#[test]
fn an_endless_body_within_the_size_limit_ends_with_the_timeout() {
    let site = Server::start([("/", page(&["drip"])), ("/drip", Answer::Drip)]);
    let (_, report) = check(&site.url("/"), &["--timeout", "2"]);
    row(&report, "timeout", &site.url("/drip"));
}

#[test]
fn warnings_break_the_check_only_if_asked_to() {
    let site = Server::start([("/", Answer::html("<p class=a class=b>"))]);
    let (code, report) = check(&site.url("/"), &[]);
    assert_eq!((code, &report["summary"]["warnings"]), (0, &1.into()));
    assert_eq!(row(&report, "invalid-html", &site.url("/"))["given"], true);
    assert_eq!(check(&site.url("/"), &["--strict"]).0, 1);
}

#[test]
fn what_passes_is_tried_again() {
    let fine = || Box::new(Answer::html("fine"));
    let site = Server::start([
        ("/", page(&["flaky", "busy", "/outside-busy-long"])),
        (
            "/flaky",
            Answer::InTurn(vec![
                Answer::status("503 Service Unavailable"),
                Answer::BreakOff,
                Answer::Html("fine".into()),
            ]),
        ),
        ("/busy", Answer::InTurn(vec![Answer::busy("429 Too Many Requests", "0"), *fine()])),
        ("/outside-busy-long", Answer::busy("503 Service Unavailable", "7200")),
    ]);
    let (code, report) = check(&site.url("/"), &[]);
    assert_eq!(code, 1);
    assert_eq!(report["rows"].as_array().unwrap().len(), 1, "{report:#}");
    let long = row(&report, "http-status", &site.url("/outside-busy-long"));
    assert!(long["message"].as_str().unwrap().contains("7200 s"), "{long:#}");
    assert_eq!(site.asked("GET /flaky"), 3);
    assert_eq!(site.asked("GET /busy"), 2);
    assert_eq!(site.asked("GET /outside-busy-long"), 1);
}

#[test]
fn who_knows_no_head_is_asked_with_get() {
    let get_only =
        |status| Answer::GetOnly(status, Box::new(Answer::text("image/png", "a picture")));
    let site = Server::start([
        ("/", Answer::html("<img src=a><img src=b><img src=c>")),
        ("/a", get_only("405 Method Not Allowed")),
        ("/b", get_only("501 Not Implemented")),
        ("/c", get_only("404 Not Found")),
    ]);
    let (_, report) = check(&site.url("/"), &[]);
    assert_eq!(report["rows"].as_array().unwrap().len(), 1, "{report:#}");
    row(&report, "http-status", &site.url("/c"));
    assert_eq!((site.asked("GET /a"), site.asked("GET /b"), site.asked("GET /c")), (1, 1, 0));
}

#[test]
fn redirects_lead_on_and_permanent_ones_are_noted() {
    let site = Server::start([
        ("/", page(&["old", "old#there", "old#missing", "temporary"])),
        ("/old", Answer::redirect("301 Moved Permanently", "/new")),
        ("/temporary", Answer::redirect("302 Found", "/other")),
        ("/new", Answer::html("<p id=there><a href=/found-behind-it>")),
        ("/other", Answer::html("<a href=/also-found>")),
    ]);
    let (code, report) = check(&site.url("/"), &[]);
    assert_eq!(code, 1);
    let note = row(&report, "moved-permanently", &site.url("/old"));
    assert_eq!((&note["severity"], &note["linked_from_total"]), (&"note".into(), &3.into()));
    row(&report, "missing-anchor", &site.url("/old#missing"));
    let behind = row(&report, "http-status", &site.url("/found-behind-it"));
    assert_eq!(behind["linked_from"][0]["page"], site.url("/new"));
    let also = row(&report, "http-status", &site.url("/also-found"));
    assert_eq!(also["linked_from"][0]["page"], site.url("/other"));
    assert_eq!(report["rows"].as_array().unwrap().len(), 4, "{report:#}");
}

#[test]
fn a_start_page_may_send_us_to_another_host() {
    let real = Server::start([("/", page(&["gone"]))]);
    let site = Server::start([("/", Answer::redirect("301 Moved Permanently", &real.url("/")))]);
    let (_, report) = check(&site.url("/"), &["--no-external"]);
    row(&report, "http-status", &real.url("/gone"));
}

#[test]
fn robots_are_respected_unless_told_not_to() {
    let robots = "User-agent: *\nDisallow: /private/\nCrawl-delay: 0.02\n";
    let site = Server::start([
        ("/robots.txt", Answer::text("text/plain", robots)),
        ("/", page(&["private/x.html"])),
        ("/private/x.html", page(&["gone"])),
    ]);
    let (code, report) = check(&site.url("/"), &[]);
    assert_eq!(code, 0);
    let note = row(&report, "robots", &site.url("/private/x.html"));
    assert_eq!(note["severity"], "note");
    assert_eq!(site.asked("GET /private/x.html"), 0);

    let (code, report) = check(&site.url("/"), &["--ignore-robots"]);
    assert_eq!(code, 1);
    row(&report, "http-status", &site.url("/private/gone"));
    assert_eq!(site.asked("GET /robots.txt"), 1, "not even read the second time");
}

#[test]
fn a_site_that_shuts_us_out_is_not_called_fine() {
    let forbidden = Answer::text("text/plain", "User-agent: *\nDisallow: /\n");
    let unavailable = Answer::status("500 Internal Server Error");
    for (kind, robots) in [("robots", forbidden), ("robots-unavailable", unavailable)] {
        let site = Server::start([("/robots.txt", robots), ("/", page(&["gone"]))]);
        let (code, report) = check(&site.url("/"), &[]);
        assert_eq!(code, 1);
        let row = row(&report, kind, &site.url("/"));
        assert_eq!(row["severity"], "broken");
        assert!(row["message"].as_str().unwrap().contains("--ignore-robots"), "{row:#}");
        assert_eq!(site.asked("GET /"), 0);
    }
}

#[test]
fn a_host_gets_no_more_requests_at_once_than_allowed() {
    let names: Vec<String> = (0..30).map(|n| format!("/{n}")).collect();
    let links: Vec<&str> = names.iter().map(String::as_str).collect();
    let late = Answer::Late(Duration::from_millis(20), Box::new(Answer::html("fine")));
    let pages = names.iter().map(|name| (name.as_str(), late.clone()));
    let site = Server::start(pages.chain([("/", page(&links))]));
    let (code, _) = check(&site.url("/"), &["--per-host", "3"]);
    assert_eq!((code, site.most_at_once()), (0, 3));
}

#[test]
fn other_hosts_are_checked_but_not_read() {
    let other = Server::start([
        ("/", page(&["gone"])),
        ("/page", Answer::html("<p id=here><a href=gone>")),
    ]);
    let links = [other.url("/"), other.url("/page#here"), other.url("/page#not"), other.url("/no")];
    let site = Server::start([("/", page(&links.each_ref().map(String::as_str)))]);
    let (code, report) = check(&site.url("/"), &[]);
    assert_eq!(code, 1);
    row(&report, "missing-anchor", &other.url("/page#not"));
    row(&report, "http-status", &other.url("/no"));
    assert_eq!((other.asked("HEAD /"), other.asked("GET /page")), (1, 1));
    assert_eq!(other.asked("GET /gone") + other.asked("HEAD /gone"), 0);

    let (code, report) = check(&site.url("/"), &["--no-external"]);
    assert_eq!((code, &report["summary"]["skipped"]["external"]), (0, &4.into()));
    let (code, _) = check(&site.url("/"), &["--exclude", &other.url("/")]);
    assert_eq!(code, 0);
}

#[test]
fn the_text_report_is_readable_and_plain_in_a_pipe() {
    let site = Server::start([("/", page(&["gone.html"]))]);
    let output = run(&[&site.url("/")]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let expected = format!(
        "broken   {}\n         404 Not Found\n         linked from {}, line 2\n\nChecked 2 addresses on \
         1 page in ",
        site.url("/gone.html"),
        site.url("/")
    );
    assert!(text.starts_with(&expected), "{text}");
    assert!(text.ends_with(" s: 1 broken, 0 warnings, 0 notes.\n"), "{text}");
    assert!(output.stderr.is_empty(), "no progress bar without a terminal");

    let coloured = run(&["--color", "always", &site.url("/")]);
    assert!(String::from_utf8(coloured.stdout).unwrap().contains("\u{1b}["));
}

#[test]
fn a_bad_argument_is_named_with_the_way_out() {
    for (arguments, hint) in [
        (&["no-such-folder"][..], "no such folder or file"),
        (&["http://a b/"], "not a usable web address"),
        (&["--timeout", "0", "http://127.0.0.1/"], "must be a number of seconds above 0"),
        (&["--per-host", "0", "http://127.0.0.1/"], "must be at least 1"),
        (&["--frobnicate"], "--frobnicate"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.contains(hint), "{message}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_folder_is_served_and_checked() {
    let folder = std::env::temp_dir().join(format!("linkcheck-test-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("sub dir")).unwrap();
    std::fs::write(folder.join("index.html"), "<a href='sub dir/page.html#x'>").unwrap();
    std::fs::write(folder.join("sub dir/page.html"), "<p id=x><a href=../gone.html>").unwrap();
    std::fs::write(folder.join("orphan.html"), "\n<a href=nowhere>").unwrap();
    let (code, report) = check(folder.to_str().unwrap(), &[]);
    let (one_code, one) = check(folder.join("index.html").to_str().unwrap(), &[]);
    std::fs::write(folder.join("index.html"), "fine").unwrap();
    std::fs::remove_file(folder.join("orphan.html")).unwrap();
    std::fs::remove_dir_all(folder.join("sub dir")).unwrap();
    let (fine_code, _) = check(folder.to_str().unwrap(), &[]);
    std::fs::remove_file(folder.join("index.html")).unwrap();
    let empty = run(&[folder.to_str().unwrap()]);
    std::fs::remove_dir_all(&folder).unwrap();

    assert_eq!((code, &report["summary"]["pages"]), (1, &3.into()), "{report:#}");
    assert_eq!(report["summary"]["broken"], 2, "the page nobody links to is read as well");
    assert_eq!((one_code, &one["summary"]["broken"]), (1, &1.into()), "{one:#}");
    assert_eq!(fine_code, 0);
    assert_eq!(empty.status.code(), Some(2));
    assert!(String::from_utf8(empty.stderr).unwrap().contains("no .html file in"));
}

/// The names of what `since` lists there.
fn since(report: &Value, what: &str) -> Vec<String> {
    let changes = report["since"][what].as_array().unwrap_or_else(|| panic!("{report:#}"));
    changes.iter().map(|change| change["url"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn with_a_database_a_second_check_reads_what_has_changed_and_says_what_broke() {
    let tagged = |tag, links: &[&str]| Answer::Tagged(tag, Box::new(page(links)));
    let other = Server::start([("/", Answer::html("fine"))]);
    let gone = || Answer::status("404 Not Found");
    let site = Server::start([
        ("/", tagged("\"1\"", &["a", "b", "c", &other.url("/")])),
        ("/a", Answer::InTurn(vec![tagged("\"1\"", &["c"]), tagged("\"2\"", &["c", "d#x"])])),
        ("/b", Answer::InTurn(vec![Answer::html("fine"), gone()])),
        ("/c", Answer::InTurn(vec![gone(), Answer::html("fine")])),
        ("/d", tagged("\"1\"", &[])),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("50%? of it.db");
    let db = file.to_str().unwrap();

    let (code, first) = check(&site.url("/"), &["--db", db]);
    assert_eq!(
        (code, &first["since"], &first["summary"]["unchanged"]),
        (1, &Value::Null, &0.into())
    );
    row(&first, "http-status", &site.url("/c"));

    let (code, second) = check(&site.url("/"), &["--db", db]);
    assert_eq!((code, &second["summary"]["pages"]), (1, &4.into()), "{second:#}");
    assert_eq!(since(&second, "broke"), [site.url("/b"), site.url("/d#x")]);
    assert_eq!(since(&second, "mended"), [site.url("/c")]);
    assert_eq!((site.asked("304 /"), site.asked("304 /a")), (1, 0));
    assert_eq!(other.asked("HEAD /"), 1, "it was fine just now");
    assert_eq!(second["summary"]["unchanged"], 2);

    // What is known from the file counts as much as what was read.
    let (_, third) = check(&site.url("/"), &["--db", db, "--leave-alone", "0"]);
    assert_eq!((since(&third, "broke").len(), since(&third, "mended").len()), (0, 0));
    assert_eq!((&third["rows"], &third["summary"]["pages"]), (&second["rows"], &4.into()));
    assert_eq!((site.asked("304 /a"), site.asked("304 /d")), (1, 1));
    assert_eq!(other.asked("HEAD /"), 2);

    let text = run(&["--db", db, &site.url("/")]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains(" GMT: 0 broke, 0 mended.\n"), "{text}");
}

#[test]
fn with_a_database_a_folder_is_known_again_on_another_port() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("links.db");
    let site = folder.path().join("site");
    std::fs::create_dir(&site).unwrap();
    for (name, body) in [("index.html", "<a href=a.html>"), ("a.html", "<a href=index.html#x>")] {
        std::fs::write(site.join(name), body).unwrap();
        let file = std::fs::File::options().write(true).open(site.join(name)).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(784_111_777)).unwrap();
    }
    let arguments = ["--db", db.to_str().unwrap()];
    let (_, first) = check(site.to_str().unwrap(), &arguments);
    assert_eq!(first["summary"]["unchanged"], 0);
    let (_, second) = check(site.to_str().unwrap(), &arguments);
    assert_eq!(second["summary"]["unchanged"], first["summary"]["pages"], "{second:#}");
    assert_eq!(second["rows"].as_array().unwrap().len(), 1);
    assert_eq!((since(&second, "broke"), since(&second, "mended")), (vec![], vec![]));
    std::fs::write(site.join("index.html"), "<p id=x><a href=a.html>").unwrap();
    let (_, third) = check(site.to_str().unwrap(), &arguments);
    assert_eq!(third["summary"]["unchanged"], 1, "{third:#}");
    assert_eq!((since(&third, "broke").len(), since(&third, "mended").len()), (0, 1));
}

#[test]
fn a_database_that_is_none_of_ours_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.txt");
    std::fs::write(&file, "no database at all, but quite long enough to be looked at as one\n")
        .unwrap();
    let site = Server::start([("/", page(&[]))]);
    let output = run(&["--db", file.to_str().unwrap(), &site.url("/")]);
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("notes.txt") && message.contains("not a database"), "{message}");
    assert_eq!(site.asked("GET /"), 0);
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("no database"));

    let output = run(&["--db", folder.path().to_str().unwrap(), &site.url("/")]);
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("cannot connect to sqlite:"), "{message}");
}

#[test]
fn without_an_argument_it_checks_our_own_documentation() {
    let output = run(&[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("0 broken"), "{text}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_cancels_what_is_in_flight_and_prints_what_is_known() {
    let site = Server::start([("/", page(&["gone", "silent"])), ("/silent", Answer::Silence)]);
    // One worker: by the time it asks for the second page, it knows about the first.
    let (code, report) = interrupted(&site, "GET /silent", &["--concurrency", "1"]);
    assert_eq!(code, Some(2));
    assert_eq!((&report["complete"], &report["summary"]["unchecked"]), (&false.into(), &1.into()));
    row(&report, "http-status", &site.url("/gone"));
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_pause_and_the_wait_for_robots_too() {
    let flaky = Answer::busy("503 Service Unavailable", "50");
    let pausing = Server::start([("/", page(&["busy", "other"])), ("/other", flaky)]);
    let (code, report) = interrupted(&pausing, "GET /other", &[]);
    assert_eq!((code, &report["complete"]), (Some(2), &false.into()));

    let robots = Server::start([("/robots.txt", Answer::Silence)]);
    let (code, report) = interrupted(&robots, "GET /robots.txt", &[]);
    assert_eq!((code, &report["summary"]["unchecked"]), (Some(2), &1.into()));
}

/// The report is larger than what a pipe holds, and nobody reads it: the program hangs in printing.
#[cfg(unix)]
#[test]
fn a_second_ctrl_c_ends_the_program_at_once() {
    use std::io::Read;
    use std::os::unix::process::ExitStatusExt;

    let gone: Vec<_> = (0..600).map(|n| format!("/{}{n}", "gone".repeat(20))).collect();
    let links: Vec<_> = gone.iter().map(String::as_str).chain(["/silent"]).collect();
    let site = Server::start([("/", page(&links)), ("/silent", Answer::Silence)]);
    let mut child = linkcheck()
        .args(["--json", "--concurrency", "1", "--timeout", "600", &site.url("/")])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    site.wait_for("GET /silent");
    interrupt(&child);
    let mut first = [0; 1];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"{", "the report has begun");
    interrupt(&child);
    assert_eq!(child.wait().unwrap().signal(), Some(2));
}

/// Presses Ctrl-C when `request` has arrived; the exit code and the report.
#[cfg(unix)]
fn interrupted(site: &Server, request: &str, more: &[&str]) -> (Option<i32>, Value) {
    let started = Instant::now();
    let child = linkcheck()
        .args(["--json", "--timeout", "600", &site.url("/")])
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    site.wait_for(request);
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert!(started.elapsed() < Duration::from_secs(40));
    assert!(output.stderr.is_empty(), "{output:?}");
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

/// What Ctrl-C sends.
#[cfg(unix)]
fn interrupt(child: &std::process::Child) {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}
