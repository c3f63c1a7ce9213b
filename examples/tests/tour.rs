//! Runs the built `tour` and compares what it prints with `tour.stdout.txt`, and with the output
//! that the documents themselves give.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test -p hereafter-examples --test tour` writes the file anew.

mod program;

use std::path::Path;
use std::process::Output;
use std::{env, fs};

use program::example;
use similar::TextDiff;

/// Runs the program.
fn tour(arguments: &[&str]) -> Output {
    example("tour").args(arguments).env_remove("HEREAFTER_DEBUG").output().unwrap()
}

/// What a run prints, which must go well.
#[track_caller]
fn printed(arguments: &[&str]) -> String {
    let output = tour(arguments);
    assert!(output.status.success(), "{output:?}");
    without_places(&String::from_utf8(output.stdout).unwrap())
}

/// The names of all sections.
fn names() -> Vec<String> {
    let list = printed(&["--list"]);
    // The titles of the documents are not indented.
    let rows = list.lines().filter_map(|line| line.strip_prefix("  "));
    rows.map(|row| row.split_whitespace().next().unwrap().to_owned()).collect()
}

/// Source places change with every edit: `at examples/tour/tutorial.rs:62:57` becomes `at <place>`.
fn without_places(text: &str) -> String {
    let is_source = |path: &str| Path::new(path).extension().is_some_and(|end| end == "rs");
    let is_place = |word: &str| {
        let mut parts = word.rsplitn(3, ':');
        let mut is_number = || parts.next().is_some_and(|part| part.parse::<u32>().is_ok());
        is_number() && is_number() && parts.next().is_some_and(is_source)
    };
    let line = |line: &str| match line.rsplit_once(" at ") {
        Some((before, place)) if is_place(place.trim_end_matches(')')) => {
            let end = if place.ends_with(')') { ")" } else { "" };
            format!("{before} at <place>{end}\n")
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn the_tour_prints_what_it_always_has() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tour.stdout.txt");
    let now = printed(&[]);
    if env::var_os("UPDATE_SNAPSHOTS").is_some_and(|value| value == "1") {
        fs::write(path, &now).unwrap();
    }
    // A checkout may have put carriage returns in.
    let before = fs::read_to_string(path).unwrap_or_default().replace("\r\n", "\n");
    let diff = TextDiff::from_lines(&before, &now);
    assert!(
        before == now,
        "the tour does not print what is in {path}; if that is meant, run again with \
         UPDATE_SNAPSHOTS=1\n\n{}",
        diff.unified_diff().header("tour.stdout.txt", "the tour now")
    );
}

#[test]
fn sections_do_not_depend_on_one_another() {
    let alone: String = names().iter().map(|name| printed(&[name])).collect();
    assert_eq!(alone, printed(&[]));
}

#[test]
fn several_sections_come_in_their_own_order() {
    let text = printed(&["beautiful", "names"]);
    let headings: Vec<_> = text.lines().filter(|line| line.starts_with("== ")).collect();
    assert_eq!(
        headings,
        [
            "== names: One thing, then another, then another",
            "== beautiful: Callbacks can return deferreds",
        ]
    );
}

#[test]
fn a_wrong_name_is_an_error_that_says_which_are_right() {
    let output = tour(&["bad-name"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("invalid value 'bad-name'"), "{error}");
    assert!(error.contains("dummy-data"), "{error}");
}

/// Each of the documents' lines is a line of the section, in this order; others may lie between.
#[track_caller]
fn assert_prints(section: &str, lines: &[&str]) {
    let text = printed(&[section]);
    let mut rest = text.lines();
    for line in lines {
        assert!(rest.any(|printed| printed == *line), "{line:?} is missing, or late, in:\n{text}");
    }
}

/// As [`assert_prints`], for a section that shows the same thing in two ways.
#[track_caller]
fn assert_prints_twice(section: &str, lines: &[&str]) {
    let dashes = "-------------------------------------------------";
    assert_prints(section, &[lines, &["", dashes, ""], lines].concat());
}

#[test]
fn reference_callbacks() {
    assert_prints(
        "dummy-data",
        &["getDummyData called", "Starting the reactor", "Result received: 9"],
    );
}

#[test]
fn reference_multiple_callbacks() {
    let output = tour(&["odd-even"]);
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "You used an odd number!\n");
    assert_prints("odd-even", &["Result: 12"]);
}

#[test]
fn reference_errbacks() {
    assert_prints(
        "two-cases",
        &[
            "Case 1",
            "  errback1 handles: callback1 failed",
            "Case 2",
            "  errback2 handles: callback1 failed",
        ],
    );
}

#[test]
fn reference_synchronous_and_asynchronous_results() {
    let (yes, no) = ("User is authenticated", "User is not authenticated");
    assert_prints("authenticate", &[yes, yes, no, no]);
}

#[test]
fn reference_cancellation() {
    assert_prints("default-cancel", &["Hooray, a result:\"completed\""]);
}

#[test]
fn reference_deferred_list() {
    assert_prints("deferred-list", &["Success: one", "Failure: bang!", "Success: three"]);
    assert_prints(
        "list-callbacks",
        &["[(True, 'one ten'), (True, 'two')]", "[(True, 'one'), (True, 'two')]"],
    );
    assert_prints(
        "list-options",
        &[
            "fireOnOneCallback: ('two', 1)",
            "fireOnOneErrback: deferred #1 failed first: bang!",
            "consumeErrors: false",
            "Unhandled error in Deferred: bang!",
            "consumeErrors: true",
        ],
    );
    assert_prints("gather-results", &["[\"one\", \"two\"]"]);
}

#[test]
fn tutorial_simple() {
    assert_prints_twice("simple", &["callback 1", "\tgot result: success"]);
}

#[test]
fn tutorial_errbacks() {
    assert_prints_twice("fails-at-once", &["errback", "RuntimeError: *doh*! failure!"]);
    let whoops = "RuntimeError: whoops! we encountered an error";
    assert_prints_twice(
        "callback-raises",
        &[
            "callback 1",
            "\tgot result: success",
            "callback 2",
            "\tgot result: yay! handleResult was successful!",
            "\tabout to raise exception",
            "errback",
            whoops,
        ],
    );
    let lines =
        ["callback 1", "\tgot result: success", "\tabout to raise exception", "errback", whoops];
    assert_prints_twice("only-errbacks", &lines);
    // What the document gives for `carries-on` lacks the second callback, which its code has.
    assert_prints_twice("carries-on", &lines);
    assert_prints_twice("stateful", &lines);
}

#[test]
fn tutorial_both() {
    assert_prints_twice(
        "both",
        &[
            "callback 1",
            "\tgot result: success",
            "callback 2",
            "\tgot result: yay! handleResult was successful!",
            "\tabout to raise exception",
            "both 3",
            "\tgot argument <Failure RuntimeError: whoops! we encountered an error>",
            "\tdoing something very important",
            "errback",
            "RuntimeError: whoops! we encountered an error",
        ],
    );
}

#[test]
fn tutorial_callbacks_in_pairs() {
    assert_prints_twice(
        "yes-no",
        &[
            "callback 1",
            "\tgot result: success",
            "\tabout to raise exception",
            "no decision 2",
            "\t*doh*! a failure! quick! damage control!",
            "callback 3",
            "\tgot result: damage control successful!",
            "yes decision 4",
            "\twasn't a failure, so we can plow ahead",
            "callback 5",
            "\tgot result: go ahead!",
        ],
    );
    assert_prints_twice(
        "yes-no-passthru",
        &[
            "callback 1",
            "\tgot result: success",
            "\tabout to raise exception",
            "no decision 2",
            "\t*doh*! a failure! don't know what to do, returning failure!",
            "no decision 3",
            "\t*doh*! a failure! quick! damage control!",
            "callback 4",
            "\tgot result: damage control successful!",
        ],
    );
}

#[test]
fn tutorial_callbacks_can_return_deferreds() {
    assert_prints(
        "beautiful",
        &[
            "callback 1",
            "\tgot result: I hope you'll agree: ",
            "sub-callback a",
            "\tadding ' are ' to result",
            "sub-callback b",
            "\tadding ' beautiful!' to result",
            "callback 2",
            "\tgot result: I hope you'll agree:  Deferreds  are  beautiful!",
        ],
    );
}
