//! What a door has laid before the page, put in order for questions.

use super::{Doing, Door, Hint, Row, Rows};
use crate::Moment;
use std::collections::HashMap;
use std::time::Duration;

/// One deferred, by its place's number.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) place: usize,
    pub(super) age: Duration,
    pub(super) doing: Doing,
    pub(super) ahead: u32,
    pub(super) hint: Option<Hint>,
}

/// The deferreds are known by their positions in `entries`.
pub(super) struct Table {
    /// In the order of their numbers.
    pub(super) entries: Vec<Entry>,
    pub(super) places: Vec<String>,
    /// What each of them waits on.
    pub(super) waits: Edges,
    /// What waits on each of them.
    pub(super) waiters: Edges,
}

impl Table {
    pub(super) fn of<D: Door>(door: &D) -> Self {
        let Rows { rows, waits } = door.rows();
        let now = Moment::now();
        let mut places = Places::default();
        let mut known = HashMap::new();
        let mut entry = |row: Row<D::Place>| Entry {
            number: row.number,
            place: *known
                .entry(row.made)
                .or_insert_with_key(|made| places.number(door.place(made))),
            age: now.since(row.born),
            doing: row.doing,
            ahead: row.ahead,
            hint: row.hint,
        };
        let mut entries: Vec<_> = rows.into_iter().map(&mut entry).collect();
        entries.sort_unstable_by_key(|entry| entry.number);
        let waits = by_position(&entries, by_position(&entries, waits));
        let waiters = waits.iter().map(|(who, on)| (*on, *who)).collect();
        let waiters = Edges::new(entries.len(), waiters);
        let waits = Edges::new(entries.len(), waits);
        let mut table = Self { entries, places: places.texts, waits, waiters };
        table.find_circles();
        table
    }

    /// Gives those a hint that wait on themselves, or on such ones.
    fn find_circles(&mut self) {
        // Who waits on nothing is taken away, then who waits on nothing else, and so on.
        let all = 0..self.entries.len();
        let mut left: Vec<_> = all.clone().map(|at| self.waits.of(at).len()).collect();
        let mut free: Vec<_> = all.filter(|at| left[*at] == 0).collect();
        while let Some(next) = free.pop() {
            for waiter in self.waiters.of(next) {
                left[*waiter] -= 1;
                if left[*waiter] == 0 {
                    free.push(*waiter);
                }
            }
        }
        for (entry, left) in self.entries.iter_mut().zip(left) {
            if left > 0 {
                entry.hint = Some(Hint::WaitsOnItself);
            }
        }
    }

    pub(super) fn find(&self, number: u64) -> Option<usize> {
        self.entries.binary_search_by_key(&number, |entry| entry.number).ok()
    }

    pub(super) fn place(&self, entry: &Entry) -> &str {
        &self.places[entry.place]
    }
}

/// Has positions in the place of the numbers that come first in the pairs, and puts them second:
/// done twice, it has them in the place of both. Pairs of which one is unknown go.
fn by_position<T>(entries: &[Entry], mut pairs: Vec<(u64, T)>) -> Vec<(T, usize)> {
    pairs.sort_unstable_by_key(|(number, _)| *number);
    let mut at = 0;
    let mut found = Vec::with_capacity(pairs.len());
    for (number, other) in pairs {
        while entries.get(at).is_some_and(|entry| entry.number < number) {
            at += 1;
        }
        if entries.get(at).is_some_and(|entry| entry.number == number) {
            found.push((other, at));
        }
    }
    found
}

/// Where one can get from each of many, all in one piece.
pub(super) struct Edges {
    /// Where those of each begin in `ends`, and where the last ones end.
    begins: Vec<usize>,
    ends: Vec<usize>,
}

impl Edges {
    fn new(count: usize, mut edges: Vec<(usize, usize)>) -> Self {
        edges.sort_unstable();
        edges.dedup();
        let mut begins = vec![0; count + 1];
        for (from, _) in &edges {
            begins[from + 1] += 1;
        }
        for at in 0..count {
            begins[at + 1] += begins[at];
        }
        Self { begins, ends: edges.into_iter().map(|(_, to)| to).collect() }
    }

    pub(super) fn of(&self, at: usize) -> &[usize] {
        &self.ends[self.begins[at]..self.begins[at + 1]]
    }
}

/// Places by their text: a door may know one place under several names.
#[derive(Default)]
struct Places {
    texts: Vec<String>,
    numbers: HashMap<String, usize>,
}

impl Places {
    fn number(&mut self, text: String) -> usize {
        if let Some(number) = self.numbers.get(&text) {
            return *number;
        }
        let number = self.texts.len();
        self.numbers.insert(text.clone(), number);
        self.texts.push(text);
        number
    }
}
