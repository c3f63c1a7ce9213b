//! What waits on what, as much of it as can be looked at.

use super::table::{Entry, Table};
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
    /// What `number` waits on, and what waits on it, and so on.
    pub(super) fn around(table: &'a Table, number: u64) -> Self {
        let mut drawn = Drawn::new(table);
        drawn.grow(number, NODES);
        let group = group_of(table, number, &mut HashSet::new());
        drawn.finish(group.len())
    }

    /// The biggest groups that wait on each other.
    pub(super) fn biggest(table: &'a Table) -> Self {
        let mut seen = HashSet::new();
        let mut groups = Vec::new();
        for entry in &table.entries {
            let is_alone =
                table.waits(entry.number).len() == 0 && table.waiters(entry.number).len() == 0;
            if !is_alone && !seen.contains(&entry.number) {
                let group = group_of(table, entry.number, &mut seen);
                // Begun with one that waits on nothing, for that is what all of them wait for.
                let innermost = group.iter().find(|number| table.waits(**number).len() == 0);
                let first = innermost.or(group.first()).copied().unwrap_or(entry.number);
                groups.push((group.len(), first));
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

/// All that wait on `number`, or that it waits on, and so on.
fn group_of(table: &Table, number: u64, seen: &mut HashSet<u64>) -> Vec<u64> {
    let mut group = Vec::new();
    let mut queue = VecDeque::from([number]);
    while let Some(next) = queue.pop_front() {
        if table.find(next).is_some() && seen.insert(next) {
            group.push(next);
            queue.extend(table.waits(next).chain(table.waiters(next)));
        }
    }
    group
}

struct Drawn<'a> {
    table: &'a Table,
    nodes: BTreeMap<u64, Node<'a>>,
    /// Members of a node that stands for several.
    members: usize,
}

impl<'a> Drawn<'a> {
    fn new(table: &'a Table) -> Self {
        Self { table, nodes: BTreeMap::new(), members: 0 }
    }

    /// Draws `first` and what is near it, in `room` nodes.
    fn grow(&mut self, first: u64, room: usize) {
        let full = self.nodes.len() + room;
        let mut queue = VecDeque::from([first]);
        let mut grouped = HashSet::new();
        while let Some(number) = queue.pop_front() {
            if self.nodes.len() >= full {
                return;
            }
            let Some(entry) = self.table.find(number) else { continue };
            if self.nodes.contains_key(&number) || grouped.contains(&number) {
                continue;
            }
            self.draw(entry, 1);
            queue.extend(self.table.waits(number));
            for alike in self.waiters_alike(number) {
                let is_shown =
                    alike.iter().any(|one| *one == first || self.nodes.contains_key(one));
                if alike.len() <= ALIKE || is_shown {
                    queue.extend(alike);
                } else if let Some(entry) = self.table.find(alike[0])
                    && self.nodes.len() < full
                {
                    self.draw(entry, alike.len());
                    grouped.extend(alike);
                }
            }
        }
    }

    fn draw(&mut self, entry: &Entry, count: usize) {
        self.members += count;
        let node = Node {
            number: entry.number,
            made: self.table.place(entry),
            state: entry.doing,
            hint: entry.hint,
            age: entry.age.as_secs_f64(),
            count,
        };
        self.nodes.insert(entry.number, node);
    }

    /// Who waits on `number`: those together that can be told apart by nothing but their number.
    fn waiters_alike(&self, number: u64) -> Vec<Vec<u64>> {
        let table = self.table;
        let mut alike: BTreeMap<_, Vec<u64>> = BTreeMap::new();
        for waiter in table.waiters(number) {
            let Some(entry) = table.find(waiter) else { continue };
            let is_leaf = table.waiters(waiter).len() == 0 && table.waits(waiter).len() == 1;
            // A number of its own keeps it apart.
            let own = if is_leaf { None } else { Some(waiter) };
            alike.entry((own, entry.place, entry.hint)).or_default().push(waiter);
        }
        alike.into_values().collect()
    }

    fn finish(self, total: usize) -> Graph<'a> {
        let edges = self.nodes.keys().flat_map(|from| {
            let shown = self.table.waits(*from).filter(|to| self.nodes.contains_key(to));
            shown.map(move |to| (*from, to))
        });
        let edges = edges.collect();
        Graph {
            edges,
            left_out: total.saturating_sub(self.members),
            nodes: self.nodes.into_values().collect(),
        }
    }
}
