//! What waits on what, as much of it as can be looked at.

use super::table::Table;
use super::{Doing, Hint};
use serde::Serialize;
use std::collections::{BTreeMap, HashSet, VecDeque};

/// How many nodes are shown at most.
const NODES: usize = 200;

/// How many groups of deferreds that wait on each other share that.
const GROUPS: usize = 5;

/// How many that wait on the same one, and were made at the same place, are shown one by one.
const ALIKE: usize = 3;

#[derive(Serialize)]
pub(super) struct Graph<'a> {
    nodes: Vec<Node<'a>>,
    /// Who waits, on whom.
    edges: Vec<(u64, u64)>,
    /// How many deferreds wait or are waited for, and are not shown.
    left_out: usize,
}

/// One deferred, or several that are alike: nothing waits on them, and they wait on the same one.
#[derive(Serialize)]
struct Node<'a> {
    /// The number of the oldest of them.
    number: u64,
    made: &'a str,
    state: Doing,
    hint: Option<Hint>,
    age: f64,
    count: usize,
}

impl<'a> Graph<'a> {
    /// What the one at `centre` waits on, and what waits on it, and so on.
    pub(super) fn around(table: &'a Table, centre: usize) -> Self {
        let mut drawn = Drawn::new(table);
        drawn.grow(centre, NODES);
        let group = group_of(table, centre, &mut HashSet::new());
        drawn.finish(group.len())
    }

    /// The biggest groups that wait on each other.
    pub(super) fn biggest(table: &'a Table) -> Self {
        let mut seen = HashSet::new();
        let mut groups = Vec::new();
        for at in 0..table.entries.len() {
            let is_alone = table.waits.of(at).is_empty() && table.waiters.of(at).is_empty();
            if !is_alone && !seen.contains(&at) {
                let group = group_of(table, at, &mut seen);
                // Begun with one that waits on nothing, for that is what all of them wait for.
                let innermost = group.iter().find(|member| table.waits.of(**member).is_empty());
                groups.push((group.len(), *innermost.unwrap_or(&at)));
            }
        }
        groups.sort_by_key(|(size, first)| (core::cmp::Reverse(*size), *first));
        let total = groups.iter().map(|(size, _)| size).sum();
        let share = NODES / groups.len().clamp(1, GROUPS);
        let mut drawn = Drawn::new(table);
        for (_, first) in groups {
            let room = NODES - drawn.nodes.len();
            if room == 0 {
                break;
            }
            drawn.grow(first, share.min(room));
        }
        drawn.finish(total)
    }
}

/// All that wait on the one at `first`, or that it waits on, and so on.
fn group_of(table: &Table, first: usize, seen: &mut HashSet<usize>) -> Vec<usize> {
    let mut group = Vec::new();
    let mut queue = VecDeque::from([first]);
    while let Some(next) = queue.pop_front() {
        if seen.insert(next) {
            group.push(next);
            queue.extend(table.waits.of(next).iter().chain(table.waiters.of(next)));
        }
    }
    group
}

struct Drawn<'a> {
    table: &'a Table,
    nodes: BTreeMap<usize, Node<'a>>,
    /// How many deferreds the nodes stand for.
    members: usize,
}

impl<'a> Drawn<'a> {
    fn new(table: &'a Table) -> Self {
        Self { table, nodes: BTreeMap::new(), members: 0 }
    }

    /// Draws `first` and what is near it, in `room` nodes.
    fn grow(&mut self, first: usize, room: usize) {
        let full = self.nodes.len() + room;
        let mut queue = VecDeque::from([first]);
        let mut grouped = HashSet::new();
        while let Some(at) = queue.pop_front() {
            if self.nodes.len() >= full {
                return;
            }
            if self.nodes.contains_key(&at) || grouped.contains(&at) {
                continue;
            }
            self.draw(at, 1);
            queue.extend(self.table.waits.of(at));
            for alike in self.waiters_alike(at) {
                let is_shown = |one: &usize| *one == first || self.nodes.contains_key(one);
                if alike.len() <= ALIKE || alike.iter().any(is_shown) {
                    queue.extend(alike);
                } else if self.nodes.len() < full {
                    self.draw(alike[0], alike.len());
                    grouped.extend(alike);
                }
            }
        }
    }

    fn draw(&mut self, at: usize, count: usize) {
        let entry = &self.table.entries[at];
        let node = Node {
            number: entry.number,
            made: self.table.place(entry),
            state: entry.doing,
            hint: entry.hint,
            age: entry.age.as_secs_f64(),
            count,
        };
        self.members += count;
        self.nodes.insert(at, node);
    }

    /// Who waits on the one at `at`: those together that can be told apart by nothing but their
    /// number.
    fn waiters_alike(&self, at: usize) -> Vec<Vec<usize>> {
        let table = self.table;
        let mut alike: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for waiter in table.waiters.of(at).iter().copied() {
            let is_leaf = table.waiters.of(waiter).is_empty() && table.waits.of(waiter).len() == 1;
            // Its own position keeps one apart.
            let own = if is_leaf { None } else { Some(waiter) };
            let entry = &table.entries[waiter];
            alike.entry((own, entry.place, entry.hint)).or_default().push(waiter);
        }
        alike.into_values().collect()
    }

    fn finish(self, total: usize) -> Graph<'a> {
        let number = |at: usize| self.table.entries[at].number;
        let edges = self.nodes.keys().flat_map(|from| {
            let shown = self.table.waits.of(*from).iter().filter(|to| self.nodes.contains_key(to));
            shown.map(move |to| (number(*from), number(*to)))
        });
        let edges = edges.collect();
        Graph {
            edges,
            left_out: total.saturating_sub(self.members),
            nodes: self.nodes.into_values().collect(),
        }
    }
}
