//! What a page is answered, of a made-up program.

use hereafter_insight::page::{
    Admitted, Doing, Door, Fate, Gate, Hint, Journal, Row, Rows, answer,
};
use hereafter_insight::{End, Kind, Moment, Now, Story, Told};
use serde_json::Value;
use std::time::{Duration, Instant};

/// A program with these rows.
struct Program {
    rows: Rows<&'static str>,
    journal: Journal<&'static str>,
    /// The story of all of them, if it is another than the shortest.
    story: Option<Story>,
}

impl Program {
    fn new(rows: Vec<Row<&'static str>>, waits: &[(u64, u64)]) -> Self {
        Self { rows: Rows { rows, waits: waits.to_vec() }, journal: Journal::new(), story: None }
    }

    /// The answer, which must be one.
    fn ask(&self, asked: &str) -> Value {
        let answer = answer(self, asked);
        assert_eq!((answer.status, answer.content_type), (200, "application/json"), "{asked}");
        serde_json::from_str(&answer.body).unwrap()
    }

    /// The numbers of the rows that are answered.
    fn numbers(&self, asked: &str) -> Vec<u64> {
        let rows = self.ask(asked)["rows"].take();
        rows.as_array().unwrap().iter().map(|row| row["number"].as_u64().unwrap()).collect()
    }
}

impl Door for Program {
    type Place = &'static str;

    fn rows(&self) -> Rows<&'static str> {
        self.rows.clone()
    }

    fn place(&self, place: &&'static str) -> String {
        (*place).to_owned()
    }

    fn story(&self, number: u64) -> Option<Story> {
        let row = self.rows.rows.iter().find(|row| row.number == number)?;
        let mut story = Story::new(format!("#{number}"), Now::Waits);
        story.made = Some(row.made.to_owned());
        Some(self.story.clone().unwrap_or(story))
    }

    fn journal(&self) -> Journal<&'static str> {
        self.journal.clone()
    }
}

fn row(number: u64, made: &'static str, doing: Doing) -> Row<&'static str> {
    Row::new(number, made, Moment::now(), doing)
}

/// Three requests that wait for one connection, a paused one, and one that runs.
fn small() -> Program {
    let mut rows = vec![
        row(1, "pool.rs:9", Doing::Unfired),
        row(2, "app.rs:3", Doing::Waits),
        row(3, "app.rs:3", Doing::Waits),
        row(4, "App.rs:7", Doing::Paused),
        row(5, "app.rs:8", Doing::Runs),
    ];
    rows[1].ahead = 4;
    rows[3].hint = Some(Hint::Paused);
    Program::new(rows, &[(2, 1), (3, 1)])
}

#[test]
fn an_overview_counts_states_places_and_hints() {
    let now = small().ask("now");
    assert_eq!(now["pending"], 5);
    let states = serde_json::json!([
        ["unfired", 1],
        ["waits", 2],
        ["paused", 1],
        ["runs", 1],
        ["failed", 0]
    ]);
    assert_eq!(now["states"], states);
    assert_eq!(now["hints"], serde_json::json!([["paused", 1]]));
    assert_eq!(
        (&now["sites"][0]["made"], &now["sites"][0]["count"]),
        (&"app.rs:3".into(), &2.into())
    );
    assert_eq!(now["sites"].as_array().unwrap().len(), 4);
}

#[test]
fn rows_are_filtered_by_place_text_state_and_hint() {
    let program = small();
    assert_eq!(program.numbers("deferreds?site=app.rs:3&order=asc"), [3, 2]);
    assert_eq!(program.numbers("deferreds?text=APP.rs%3A7"), [4]);
    assert_eq!(program.numbers("deferreds?text=%235"), [5]);
    assert_eq!(program.numbers("deferreds?state=unfired"), [1]);
    assert_eq!(program.numbers("deferreds?hint=paused"), [4]);
    assert_eq!(program.numbers("deferreds?hinted=true"), [4]);
    assert!(program.numbers("deferreds?site=app.rs").is_empty());
}

#[test]
fn rows_are_sorted_and_paged() {
    let program = small();
    assert_eq!(program.numbers("deferreds"), [1, 2, 3, 4, 5]);
    assert_eq!(program.numbers("deferreds?sort=age&order=asc"), [5, 4, 3, 2, 1]);
    assert_eq!(program.numbers("deferreds?sort=ahead&limit=1"), [2]);
    assert_eq!(program.numbers("deferreds?sort=waiters&limit=1"), [1]);
    assert_eq!(program.numbers("deferreds?sort=site&limit=1"), [1]);
    let page = program.ask("deferreds?offset=1&limit=2&text=app");
    assert_eq!((&page["total"], &page["matched"]), (&5.into(), &4.into()));
    assert_eq!(program.numbers("deferreds?offset=1&limit=2&text=app"), [3, 4]);
    assert!(program.numbers("deferreds?offset=18446744073709551615").is_empty());
}

#[test]
fn a_row_says_what_it_waits_on_and_what_waits_on_it() {
    let rows = small().ask("deferreds?limit=2");
    assert_eq!(
        (&rows["rows"][0]["waiters"], &rows["rows"][1]["waits_on"][0]),
        (&2.into(), &1.into())
    );
}

#[test]
fn a_story_is_told_link_by_link() {
    let story = small().ask("deferred/3");
    assert_eq!((&story["name"], &story["state"]), (&"#3".into(), &"waits".into()));
}

#[test]
fn a_story_comes_in_several_forms() {
    let program = small();
    for (form, kind, begins) in [
        ("txt", "text/plain", "#3 waits"),
        ("svg", "image/svg+xml", "<svg "),
        ("dot", "text/vnd.graphviz", "digraph "),
    ] {
        let answer = answer(&program, &format!("deferred/3.{form}"));
        assert_eq!(answer.status, 200, "{form}: {}", answer.body);
        assert!(answer.content_type.starts_with(kind), "{}", answer.content_type);
        assert!(answer.body.starts_with(begins), "{}", answer.body);
    }
}

#[test]
fn nonsense_is_answered_in_words() {
    let program = small();
    for asked in [
        "deferreds?limit=-1",
        "deferreds?limit=1001",
        "deferreds?state=asleep",
        "deferreds?colour=red",
        "deferreds?limit=1&limit=2",
        "deferreds?sort=%FF",
        "graph?around=x",
        "graph?about=1",
        "deferred/x",
        "deferred/99999999999999999999999",
        "deferred/",
        "deferred/3.png",
        "deferred/3.",
        "deferred/.svg",
    ] {
        let answer = answer(&program, asked);
        assert_eq!(answer.status, 400, "{asked}: {}", answer.body);
        assert!(answer.content_type.starts_with("text/plain"));
    }
    for asked in ["", "nowhere", "now/", "deferred/77", "graph?around=77"] {
        assert_eq!(answer(&program, asked).status, 404, "{asked}");
    }
    let said = answer(&program, "deferreds?state=asleep").body;
    assert!(said.contains("asleep") && said.contains("unfired"), "{said}");
}

#[test]
fn a_graph_has_who_waits_and_nobody_else() {
    let graph = small().ask("graph");
    assert_eq!(graph["nodes"].as_array().unwrap().len(), 3);
    assert_eq!(graph["edges"], serde_json::json!([[2, 1], [3, 1]]));
    assert_eq!(graph["left_out"], 0);
    assert_eq!(small().ask("graph?around=5")["nodes"].as_array().unwrap().len(), 1);
}

#[test]
fn those_that_wait_alike_are_drawn_as_one() {
    let count = 1_000;
    let mut rows = vec![row(0, "lock.rs:1", Doing::Unfired)];
    rows.extend((1..=count).map(|number| row(number, "app.rs:3", Doing::Waits)));
    let waits: Vec<_> = (1..=count).map(|number| (number, 0)).collect();
    let program = Program::new(rows, &waits);
    let graph = program.ask("graph");
    assert_eq!(graph["nodes"].as_array().unwrap().len(), 2);
    assert_eq!((&graph["nodes"][1]["count"], &graph["left_out"]), (&count.into(), &0.into()));
    // The one that is asked for is seen, and so are the few that it is among.
    let graph = program.ask("graph?around=500");
    let nodes = graph["nodes"].as_array().unwrap();
    assert!(nodes.len() <= 200 && nodes.iter().any(|node| node["number"] == 500));
}

#[test]
fn a_ring_and_a_long_chain_are_drawn_in_part() {
    let chain = 1_000;
    let mut rows: Vec<_> = (0..chain).map(|number| row(number, "a.rs:1", Doing::Waits)).collect();
    rows.extend((chain..chain + 2).map(|number| row(number, "b.rs:1", Doing::Waits)));
    let mut waits: Vec<_> = (1..chain).map(|number| (number, number - 1)).collect();
    waits.extend([(chain, chain + 1), (chain + 1, chain), (chain, 5_000)]);
    let graph = Program::new(rows, &waits).ask("graph");
    let nodes = graph["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 102); // a share, and the whole ring
    assert_eq!(graph["left_out"], 900);
    let ring =
        graph["edges"].as_array().unwrap().iter().filter(|edge| edge[0].as_u64() >= Some(chain));
    assert_eq!(ring.count(), 2);
    let hints: Vec<_> = nodes.iter().filter(|node| node["hint"] == "waits-on-itself").collect();
    assert_eq!(hints.len(), 2);
}

#[test]
fn a_journal_keeps_the_slowest_links() {
    let mut program = small();
    for millis in (1..=1_000_u64).rev().chain(1..=1_000) {
        program.journal.ran(
            millis,
            Kind::Callback,
            Some(&"app.rs:3"),
            Duration::from_millis(millis),
        );
    }
    assert_eq!(program.journal.counts.links, 2_000);
    let slow = program.ask("slow");
    let slow = slow.as_array().unwrap();
    assert_eq!(slow.len(), 50);
    assert_eq!((&slow[0]["number"], &slow[49]["number"]), (&1_000.into(), &976.into()));
    assert_eq!(slow[0]["added"], "app.rs:3");
}

#[test]
fn a_journal_keeps_the_last_failures_and_what_became_of_them() {
    let mut program = small();
    let journal = &mut program.journal;
    for number in 0..3 {
        assert!(journal.failed());
        journal.keep_failure(number, Story::new(format!("#{number}"), Now::Runs));
    }
    assert!(journal.is_open(1) && !journal.is_open(9));
    journal.settle(1, Fate::Handled, Story::new("#1", Now::Value));
    assert!(journal.unhandled(2));
    journal.settle(2, Fate::Unhandled, Story::new("#2", Now::Gone));
    assert!(journal.lost());
    journal.keep_lost(8, Story::new("#8", Now::Gone));
    let failures = program.ask("failures");
    let fates: Vec<_> = failures.as_array().unwrap().iter().map(|one| &one["fate"]).collect();
    assert_eq!(fates, ["unhandled", "handled", "open"]);
    assert_eq!(failures[1]["story"]["state"], "value");
    assert_eq!(program.ask("lost")[0]["number"], 8);
    let counts = &program.ask("now")["counts"];
    assert_eq!(
        (&counts["failed"], &counts["unhandled"], &counts["lost"]),
        (&3.into(), &1.into(), &1.into())
    );
}

#[test]
fn a_long_story_is_kept_and_told_in_part() {
    let link = |end: Option<End>| {
        let (kind, added) = (Kind::Callback, Some("app.rs:4".to_owned()));
        Told { kind, added, end, took: None, waited: None, kept: None }
    };
    let mut story = Story::new("#1", Now::Runs);
    story.links = vec![link(Some(End::Passed)); 99];
    story.links.push(link(Some(End::Runs)));
    story.links.resize(1_100, link(None));
    story.waits_on = vec![story.clone(); 9];
    let mut program = small();
    program.journal.keep_failure(1, story.clone());
    let kept = program.ask("failures")[0]["story"].take();
    assert_eq!((&kept["left_out"], kept["links"].as_array().unwrap().len()), (&68.into(), 64));
    assert_eq!(
        (&kept["links"][31]["state"], &kept["links"][32]["state"]),
        (&"runs".into(), &"ahead".into())
    );
    assert_eq!(kept["waits_on"].as_array().unwrap().len(), 4);
    program.journal.settle(1, Fate::Handled, story.clone());
    assert_eq!(program.ask("failures")[0]["story"], kept);
    program.story = Some(story);
    let told = program.ask("deferred/1");
    assert_eq!((&told["more"], told["links"].as_array().unwrap().len()), (&800.into(), 300));
}

#[test]
fn a_flood_of_failures_is_counted_and_not_told() {
    let mut journal = Journal::<&str>::new();
    let began = Moment::now();
    let told = (0..100_000).filter(|_| journal.failed()).count();
    let seconds = usize::try_from(Moment::now().since(began).as_secs()).unwrap();
    assert_eq!(journal.counts.failed, 100_000);
    assert!((1_000..=1_000 * (seconds + 2)).contains(&told), "{told}");
    for number in 0..1_000 {
        journal.keep_failure(number, Story::new("", Now::Runs));
    }
    assert_eq!(journal.failures().count(), 100);
    assert_eq!(journal.failures().next().unwrap().number, 999);
}

#[test]
fn a_hundred_thousand_rows_are_answered_in_a_screenful() {
    let count = 100_000;
    let places = ["a.rs:1", "b.rs:2", "c.rs:3", "d.rs:4"];
    let rows = (0..count).map(|n| row(n, places[usize::try_from(n % 4).unwrap()], Doing::Waits));
    let waits: Vec<_> = (1..count).map(|n| (n, n / 2)).collect();
    let program = Program::new(rows.collect(), &waits);
    for asked in ["now", "deferreds?text=a.rs&sort=waiters", "deferreds?limit=1000", "graph"] {
        let began = Instant::now();
        let answer = answer(&program, asked);
        eprintln!("{asked}: {:?}, {} bytes", began.elapsed(), answer.body.len());
        assert_eq!(answer.status, 200);
        assert!(answer.body.len() < 200_000, "{asked}: {} bytes", answer.body.len());
    }
    assert_eq!(program.ask("deferreds?text=a.rs")["matched"], 25_000);
}

#[test]
fn only_who_knows_the_address_is_admitted() {
    let gate = Gate::new(["127.0.0.1:80", "localhost:80"]).unwrap();
    let path = gate.path().to_owned();
    let status =
        |method, target: &str, host| gate.admit(method, target, host).map_err(|no| no.status).err();
    let here = Some("localhost:80");
    assert_eq!(gate.admit("GET", &path, here), Ok(Admitted::Page));
    assert_eq!(
        gate.admit("GET", &format!("{path}deferred/1?a=b"), here),
        Ok(Admitted::Data("deferred/1?a=b"))
    );
    let mut wrong = path.clone().into_bytes();
    wrong[7] ^= 1;
    let wrong = String::from_utf8(wrong).unwrap();
    for target in [
        "",
        "/",
        "*",
        "/now",
        &wrong,
        &path[..33],
        "/é/é/é/é/é/é/é/é/é/é/é/é/",
        &path.to_uppercase().replace('0', "O"),
    ] {
        assert_eq!(status("GET", target, here), Some(404), "{target}");
    }
    for host in [
        "evil.example",
        "evil.example:80",
        "localhost",
        "localhost:81",
        "127.0.0.1:80.evil.example",
        "",
    ] {
        assert_eq!(status("GET", &path, Some(host)), Some(421), "{host}");
    }
    assert_eq!(status("GET", &path, None), Some(400));
    assert_eq!(status("POST", &path, here), Some(405));
    assert_eq!(status("GET", &format!("{path}{}", "x".repeat(5_000)), here), Some(414));
    assert_ne!(path, Gate::new(["localhost:80"]).unwrap().path());
    assert!(!format!("{gate:?}").contains(path.trim_matches('/')));
}

#[test]
fn a_local_gate_knows_its_own_names() {
    for (address, host) in [
        ("127.0.0.1:80", "127.0.0.1"),
        ("127.0.0.1:80", "localhost"),
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("[::1]:8080", "[::1]:8080"),
        ("[::1]:8080", "LOCALHOST:8080"),
    ] {
        let gate = Gate::local(address.parse().unwrap()).unwrap();
        assert_eq!(gate.admit("GET", gate.path(), Some(host)), Ok(Admitted::Page), "{host}");
        assert!(gate.admit("GET", gate.path(), Some("localhost:1")).is_err());
    }
}
