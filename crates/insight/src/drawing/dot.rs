//! The picture as a graph for Graphviz.

use super::{Chain, Link, Look, Row, Side, clipped, escaped};
use core::fmt::Write as _;

/// Letters in a line.
const ROOM: usize = 60;

pub(super) fn graph(chains: &[Chain]) -> String {
    let mut text = String::from(
        "digraph deferred {\n  \
         graph [rankdir=TB, fontname=\"sans-serif\", bgcolor=\"white\"];\n  \
         node [shape=plain, fontname=\"sans-serif\", fontsize=11];\n  \
         edge [color=\"#8a8f98\", arrowsize=0.7];\n",
    );
    // Writing to a `String` cannot fail, here and below.
    for (n, chain) in chains.iter().enumerate() {
        let _ = writeln!(text, "  subgraph cluster_{n} {{");
        text.push_str("    style=\"rounded\"; color=\"#d0d3d9\";\n");
        write_nodes(&mut text, n, chain);
        write_edges(&mut text, n, chain);
        text.push_str("  }\n");
        if n + 1 < chains.len() {
            let from = chain.waits_in.map_or(format!("d{n}"), |row| format!("d{n}_{row}"));
            let _ = writeln!(
                text,
                "  {from} -> d{} [color=\"{}\", penwidth=1.6, label=\" waits on\", fontsize=10];",
                n + 1,
                Look::Waiting.colours().1
            );
        }
    }
    text.push_str("}\n");
    text
}

fn write_nodes(text: &mut String, n: usize, chain: &Chain) {
    let head: Vec<_> = chain.head.iter().map(|line| line_of(line, false)).collect();
    let _ = writeln!(text, "    d{n} [label=<{}>];", table(&cell("", chain.look, 2, &head)));
    for (place, row) in chain.rows.iter().enumerate() {
        let cells = match row {
            Row::Gap(said) => cell("", Look::ToCome, 2, &[escaped(&format!("({said})"))]),
            Row::Link(link) => cells(link),
        };
        let _ = writeln!(text, "    d{n}_{place} [label=<{}>];", table(&cells));
    }
    if let Some((side, said)) = &chain.result {
        let look = if *side == Side::Left { Look::Value } else { Look::Failure };
        let said = [line_of(said, false)];
        let _ = writeln!(text, "    d{n}_end [label=<{}>];", table(&cell("", look, 1, &said)));
    }
}

/// Both columns of a link, the side that is missing as an empty cell.
fn cells(link: &Link) -> String {
    let [what, place, said] = &link.text;
    let mut lines = vec![line_of(what, false)];
    if !place.is_empty() {
        lines.push(line_of(place, true));
    }
    lines.push(line_of(said, false));
    let none = |port| cell(port, Look::ToCome, 1, &[String::from(" ")]);
    match link.column {
        None => cell("", link.look, 2, &lines),
        Some(Side::Left) => cell("l", link.look, 1, &lines) + &none("r"),
        Some(Side::Right) => none("l") + &cell("r", link.look, 1, &lines),
    }
}

fn write_edges(text: &mut String, n: usize, chain: &Chain) {
    let port = |row: &Row, side: Option<Side>| match row {
        Row::Link(Link { column: Some(_), .. }) if side == Some(Side::Left) => ":l",
        Row::Link(Link { column: Some(_), .. }) if side == Some(Side::Right) => ":r",
        _ => "",
    };
    let mut from = format!("d{n}");
    // The side on which the result has left the row above.
    let mut last: Option<Side> = None;
    for (place, row) in chain.rows.iter().enumerate() {
        let (came, went) = match row {
            Row::Link(link) => (link.came, link.went),
            Row::Gap(_) => (last, last),
        };
        let to = format!("d{n}_{place}{}", port(row, came));
        let _ = writeln!(text, "    {from} -> {to} [{}];", style(came));
        // Out of the box that ran, or of the empty cell beside the one that was passed.
        let out = match row {
            Row::Link(link) if !link.is_passed() => link.column,
            _ => came,
        };
        from = format!("d{n}_{place}{}", port(row, out));
        last = went;
    }
    if let Some((side, _)) = &chain.result {
        let _ = writeln!(text, "    {from} -> d{n}_end [{}];", style(Some(*side)));
    }
}

/// The line that a result takes on this side; dashed where none has come.
fn style(side: Option<Side>) -> String {
    let look = match side {
        None => return "style=dashed, arrowhead=none".to_owned(),
        Some(Side::Left) => Look::Value,
        Some(Side::Right) => Look::Failure,
    };
    format!("color=\"{}\", penwidth=1.6", look.colours().1)
}

fn line_of(text: &str, keeps_end: bool) -> String {
    escaped(&clipped(text, ROOM, keeps_end))
}

fn cell(port: &str, look: Look, columns: u8, lines: &[String]) -> String {
    let (ground, line) = look.colours();
    let port = if port.is_empty() { String::new() } else { format!(" PORT=\"{port}\"") };
    let style = if look.is_dashed() { " STYLE=\"dashed\"" } else { "" };
    let lines = lines.join("<BR ALIGN=\"LEFT\"/>");
    format!(
        "<TD{port} COLSPAN=\"{columns}\" BGCOLOR=\"{ground}\" COLOR=\"{line}\"{style} \
         CELLPADDING=\"5\" WIDTH=\"220\">{lines}<BR ALIGN=\"LEFT\"/></TD>"
    )
}

fn table(cells: &str) -> String {
    format!("<TABLE BORDER=\"0\" CELLBORDER=\"1\" CELLSPACING=\"6\"><TR>{cells}</TR></TABLE>")
}
