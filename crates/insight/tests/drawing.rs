//! Pictures: what is in them, and that others can read them.

use hereafter_insight::{End, Kind, Now, Story, Told};
use roxmltree::Document;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

fn told(kind: Kind, line: u32, end: Option<End>) -> Told {
    let took = end.is_some().then_some(Duration::from_micros(3));
    Told { kind, added: Some(format!("app.rs:{line}:9")), end, took, waited: None, kept: None }
}

/// One that has gone back and forth, and waits.
fn story() -> Story {
    let mut story = Story::new("Deferred at 0x1", Now::Waits);
    story.made = Some("app.rs:3:5".to_owned());
    story.fired_after = Some(Duration::from_millis(2));
    story.links = vec![
        told(Kind::Callback, 4, Some(End::Failed("KeyError: <b> & \"c\"".into()))),
        told(Kind::Callback, 5, Some(End::Passed)),
        told(Kind::Errback, 6, Some(End::Value)),
        told(Kind::Both, 7, Some(End::Value)),
        told(Kind::Callback, 8, Some(End::Returned("Deferred at 0x2".into()))),
        told(Kind::Callback, 9, None),
        told(Kind::Errback, 10, None),
    ];
    let mut inner =
        Story::new("Deferred at 0x2", Now::Unfired { by: "its trigger is there".to_owned() });
    inner.links = vec![told(Kind::Callback, 11, None)];
    story.waits_on = vec![inner];
    story
}

/// All that can be read in it.
fn texts<'a>(document: &'a Document<'_>) -> Vec<&'a str> {
    let texts = document
        .descendants()
        .filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "text")));
    texts.filter_map(|node| node.text()).collect()
}

fn count(
    document: &Document<'_>,
    tag: &str,
    holds: impl Fn(&roxmltree::Node<'_, '_>) -> bool,
) -> usize {
    document.descendants().filter(|node| node.tag_name().name() == tag && holds(node)).count()
}

#[test]
fn every_link_has_a_box_and_the_result_goes_from_one_to_the_next() {
    let text = story().to_svg();
    let document = Document::parse(&text).unwrap();
    let said = texts(&document);
    for line in 4..=11 {
        assert!(said.contains(&format!("app.rs:{line}:9").as_str()), "{line}: {said:?}");
    }
    assert!(said.iter().any(|line| line.contains("KeyError: <b> & \"c\"")), "{said:?}");
    let arrows = |name: &str| {
        let end = format!("url(#{name})");
        count(&document, "path", |node| node.attribute("marker-end") == Some(&end))
    };
    // To the first callback, to the pair, and to the callback behind it.
    assert_eq!(arrows("Value"), 3);
    // Past the second callback, and to the errback.
    assert_eq!(arrows("Failure"), 2);
    assert_eq!(arrows("Waiting"), 1);
    let dashed = count(&document, "rect", |node| node.has_attribute("stroke-dasharray"));
    // One that was passed, three to come, and the inner deferred, which has not fired.
    assert_eq!(dashed, 5);
}

#[test]
fn callbacks_stand_on_the_left_and_errbacks_on_the_right() {
    let text = story().to_svg();
    let document = Document::parse(&text).unwrap();
    let left_of = |place: &str| -> i32 {
        let mut nodes = document.descendants();
        let node = nodes.find(|node| node.is_element() && node.text() == Some(place)).unwrap();
        node.attribute("x").unwrap().parse().unwrap()
    };
    assert_eq!(left_of("app.rs:4:9"), left_of("app.rs:8:9"));
    assert_eq!(left_of("app.rs:6:9"), left_of("app.rs:10:9"));
    assert!(left_of("app.rs:4:9") < left_of("app.rs:6:9"));
    assert!(left_of("app.rs:6:9") < left_of("app.rs:11:9"));
}

#[test]
fn what_an_error_says_cannot_break_a_picture() {
    let mut story = Story::new(
        "a \"name\" <&> \u{0}\u{1b}[31m\u{ffff}",
        Now::Failed("]]> \\N {x|y}".to_owned()),
    );
    story.links = vec![told(Kind::Errback, 1, Some(End::Failed("-->\n\\l\u{7}".into())))];
    let text = story.to_svg();
    let document = Document::parse(&text).unwrap();
    assert!(texts(&document).contains(&"]]> \\N {x|y}"), "{text}");
    reads(&story.to_dot());
}

#[test]
fn a_long_chain_is_drawn_in_part() {
    let mut story =
        Story::new("Deferred at 0x1", Now::Unfired { by: "its trigger is there".to_owned() });
    story.links = (0..100_000).map(|line| told(Kind::Callback, line, None)).collect();
    let text = story.to_svg();
    let document = Document::parse(&text).unwrap();
    assert!(texts(&document).contains(&"(99960 more links are still to come)"));
    assert!(text.len() < 50_000 && story.to_dot().len() < 50_000);
}

#[test]
fn graphviz_can_read_the_graph() {
    let graph = story().to_dot();
    reads(&graph);
    for line in 4..=11 {
        assert!(graph.contains(&format!("app.rs:{line}:9")), "{graph}");
    }
    assert!(graph.contains("d0_4 -> d1 "), "{graph}");
    reads(&Story::new("Deferred", Now::Value).to_dot());
}

/// It is in Graphviz' language: a parser says so, and Graphviz itself where the machine has it.
fn reads(graph: &str) {
    if let Err(error) = graphviz_rust::parse(graph) {
        panic!("{error}\n{graph}");
    }
    let dot = Command::new("dot")
        .arg("-Tsvg")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut dot) = dot else {
        eprintln!("note: `dot` is not installed, so only the parser has read the graph");
        return;
    };
    dot.stdin.take().unwrap().write_all(graph.as_bytes()).unwrap();
    let output = dot.wait_with_output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{complaints}\n{graph}");
}
