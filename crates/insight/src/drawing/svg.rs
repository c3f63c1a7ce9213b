//! The picture in SVG.

use super::{Chain, Link, Look, Row, Side, clipped, escaped};
use core::fmt::Write as _;

// All measures are in pixels.
const MARGIN: i32 = 20;
/// The width of a column, and what lies between the two.
const COLUMN: i32 = 260;
const BETWEEN: i32 = 24;
const WIDTH: i32 = 2 * COLUMN + BETWEEN;
/// What lies between a chain and the one that it waits on.
const APART: i32 = 80;
/// The height of a link's box, and of the way to the next.
const BOX: i32 = 58;
const WAY: i32 = 32;
/// How far before its end an arrow goes straight.
const TIP: i32 = 8;
const LINE: i32 = 17;
/// Letters in a line of a box in one column, and in one of both.
const ROOM: usize = 38;
const WIDE_ROOM: usize = 82;

const ABOVE: &str = "<style>\
    text{font:12px system-ui,sans-serif;fill:#1f2328}\
    .p{font-family:ui-monospace,monospace;font-size:11px;fill:#57606a}\
    .h{font-weight:600}\
    .c{font-size:11px;fill:#8a8f98}\
    .w{fill:none;stroke-width:2}\
    </style>";

pub(super) fn picture(chains: &[Chain]) -> String {
    let mut canvas = Canvas::default();
    let (mut left, mut top) = (MARGIN, MARGIN);
    for (n, chain) in chains.iter().enumerate() {
        let place = Place { left, top };
        let waits_at = place.draw(&mut canvas, chain);
        if n + 1 < chains.len() {
            (left, top) = (left + WIDTH + APART, waits_at);
            // To the middle of the next one's first line.
            let (from, ends, middle) = (top + BOX / 2, top + LINE, left - APART / 2);
            canvas.way(
                Look::Waiting,
                &format!(
                    "M{},{from} C{middle},{from} {middle},{ends} {},{ends}",
                    left - APART,
                    left - 2
                ),
                Some((left - APART, from)),
            );
            canvas.text(left - APART + 16, ends - 8, "c", "waits on");
        }
    }
    let (width, height) = (canvas.right + MARGIN, canvas.bottom + MARGIN);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         width=\"{width}\" height=\"{height}\">{ABOVE}<defs>"
    );
    // Writing to a `String` cannot fail, here and below.
    for look in [Look::Value, Look::Failure, Look::Waiting] {
        let _ = write!(
            text,
            "<marker id=\"{look:?}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"5\" \
             markerHeight=\"5\" orient=\"auto\"><path d=\"M0,0 L8,4 L0,8 z\" fill=\"{}\"/></marker>",
            look.colours().1
        );
    }
    let _ = writeln!(
        text,
        "</defs><rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>{}</svg>",
        canvas.body
    );
    text
}

/// What has been drawn, and how far it reaches.
#[derive(Default)]
struct Canvas {
    body: String,
    right: i32,
    bottom: i32,
}

impl Canvas {
    fn frame(&mut self, (left, top): (i32, i32), (width, height): (i32, i32), look: Look) {
        let (ground, line) = look.colours();
        let dashes = if look.is_dashed() { " stroke-dasharray=\"5 4\"" } else { "" };
        let _ = write!(
            self.body,
            "<rect x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" rx=\"6\" \
             fill=\"{ground}\" stroke=\"{line}\"{dashes}/>"
        );
        self.right = self.right.max(left + width);
        self.bottom = self.bottom.max(top + height);
    }

    fn text(&mut self, left: i32, base: i32, class: &str, text: &str) {
        let _ = write!(
            self.body,
            "<text x=\"{left}\" y=\"{base}\" class=\"{class}\">{}</text>",
            escaped(text)
        );
    }

    /// A curve with an arrow at its end; `start`, where given, gets a dot.
    fn way(&mut self, look: Look, path: &str, start: Option<(i32, i32)>) {
        let line = look.colours().1;
        if let Some((x, y)) = start {
            let _ = write!(self.body, "<circle cx=\"{x}\" cy=\"{y}\" r=\"3\" fill=\"{line}\"/>");
        }
        let _ = write!(
            self.body,
            "<path class=\"w\" d=\"{path}\" stroke=\"{line}\" marker-end=\"url(#{look:?})\"/>"
        );
    }

    /// The way of a result, from above to the height of a row, and down to `end`.
    fn result(&mut self, side: Side, (x, y): (i32, i32), (to, row): (i32, i32), end: i32) {
        let look = if side == Side::Left { Look::Value } else { Look::Failure };
        let middle = y + (row - y) / 2;
        let way = format!("M{x},{y} C{x},{middle} {to},{middle} {to},{row} V{}", end - 1);
        self.way(look, &way, None);
    }
}

/// Where a chain is drawn.
#[derive(Clone, Copy)]
struct Place {
    left: i32,
    top: i32,
}

impl Place {
    fn column(self, side: Side) -> i32 {
        self.left + if side == Side::Left { 0 } else { COLUMN + BETWEEN }
    }

    fn middle(self, side: Side) -> i32 {
        self.column(side) + COLUMN / 2
    }

    /// Draws a chain; the height of the row that waits.
    fn draw(self, canvas: &mut Canvas, chain: &Chain) -> i32 {
        let mut y = self.draw_head(canvas, chain);
        let bottom_of_head = y;
        y += WAY + LINE;
        for (side, name) in [(Side::Left, "callbacks"), (Side::Right, "errbacks")] {
            if !chain.rows.is_empty() {
                canvas.text(self.column(side) + 4, y - 8, "c", name);
            }
        }
        self.draw_rails(canvas, chain, bottom_of_head);
        let mut waits_at = self.top;
        // Where the result has left what is above, and on which side.
        let mut last: Option<(i32, i32, Side)> = None;
        for (n, row) in chain.rows.iter().enumerate() {
            match row {
                Row::Gap(said) => {
                    canvas.text(self.left + 12, y + BOX / 2 + 4, "c", &format!("({said})"));
                    if let Some((x, from, side)) = last {
                        canvas.result(side, (x, from), (self.middle(side), y), y + BOX);
                        last = Some((self.middle(side), y + BOX, side));
                    }
                }
                Row::Link(link) => {
                    self.draw_link(canvas, link, y);
                    if let Some(side) = link.came {
                        let (x, from, _) =
                            last.unwrap_or((self.middle(side), bottom_of_head, side));
                        let down = if link.is_passed() { y + BOX } else { y };
                        canvas.result(side, (x, from), (self.middle(side), y - TIP), down);
                    }
                    last = link.went.map(|side| {
                        let out = if link.is_passed() { side } else { link.column.unwrap_or(side) };
                        (self.middle(out), y + BOX, side)
                    });
                    if chain.waits_in == Some(n) {
                        waits_at = y;
                        canvas.way_along(self, link, y);
                    }
                }
            }
            y += BOX + WAY;
        }
        if let Some((side, said)) = &chain.result {
            let look = if *side == Side::Left { Look::Value } else { Look::Failure };
            let (x, from) =
                last.map_or((self.middle(*side), bottom_of_head), |(x, from, _)| (x, from));
            canvas.result(*side, (x, from), (self.middle(*side), y - TIP), y);
            canvas.frame((self.column(*side), y), (COLUMN, 30), look);
            canvas.text(self.column(*side) + 10, y + 20, "h", &clipped(said, ROOM, false));
        }
        waits_at
    }

    /// What is said of the deferred as a whole; where that ends.
    fn draw_head(self, canvas: &mut Canvas, chain: &Chain) -> i32 {
        let lines = i32::try_from(chain.head.len()).unwrap_or(i32::MAX / LINE / 2);
        let height = lines * LINE + 14;
        canvas.frame((self.left, self.top), (WIDTH, height), chain.look);
        let mut base = self.top + LINE + 3;
        for (n, line) in chain.head.iter().enumerate() {
            let class = if n == 0 { "h" } else { "t" };
            canvas.titled(self.left + 12, base, class, line, WIDE_ROOM, false);
            base += LINE;
        }
        self.top + height
    }

    /// The way that a result would go if nothing were in it.
    fn draw_rails(self, canvas: &mut Canvas, chain: &Chain, from: i32) {
        let rows = i32::try_from(chain.rows.len()).unwrap_or(0);
        if rows == 0 {
            return;
        }
        let to = from + WAY + LINE + rows * (BOX + WAY) - WAY;
        for side in [Side::Left, Side::Right] {
            let x = self.middle(side);
            let _ = write!(
                canvas.body,
                "<path class=\"w\" d=\"M{x},{from} V{to}\" stroke=\"#d8dbe0\" stroke-dasharray=\"2 5\"/>"
            );
        }
        canvas.bottom = canvas.bottom.max(to);
    }

    fn draw_link(self, canvas: &mut Canvas, link: &Link, y: i32) {
        let (left, width, room) = match link.column {
            Some(side) => (self.column(side), COLUMN, ROOM),
            None => (self.left, WIDTH, WIDE_ROOM),
        };
        canvas.frame((left, y), (width, BOX), link.look);
        let [what, place, said] = &link.text;
        canvas.titled(left + 10, y + 17, "h", what, room, false);
        canvas.titled(left + 10, y + 33, "p", place, room - 3, true);
        canvas.titled(left + 10, y + 49, "t", said, room, false);
    }
}

impl Canvas {
    /// A text in so much room; whole as a tip where it does not fit.
    fn titled(&mut self, left: i32, base: i32, class: &str, text: &str, room: usize, end: bool) {
        let shown = clipped(text, room, end);
        if shown == text {
            self.text(left, base, class, text);
        } else {
            let _ = write!(
                self.body,
                "<text x=\"{left}\" y=\"{base}\" class=\"{class}\">{}<title>{}</title></text>",
                escaped(&shown),
                escaped(text)
            );
        }
    }

    /// From the link that waits to the right edge of its chain.
    fn way_along(&mut self, place: Place, link: &Link, y: i32) {
        if link.column == Some(Side::Left) {
            let (from, to) = (place.column(Side::Left) + COLUMN, place.left + WIDTH);
            let _ = write!(
                self.body,
                "<path class=\"w\" d=\"M{from},{0} H{to}\" stroke=\"{1}\"/>",
                y + BOX / 2,
                Look::Waiting.colours().1
            );
        }
    }
}
