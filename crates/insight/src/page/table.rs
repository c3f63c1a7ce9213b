//! What a door has laid before the page, put in order for questions.

use super::{Doing, Door, Hint, Row};
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

pub(super) struct Table {
    /// In the order of their numbers.
    pub(super) entries: Vec<Entry>,
    pub(super) places: Vec<String>,
    /// Who waits, on whom; in that order.
    waits: Vec<(u64, u64)>,
    /// On whom is waited, by whom; in that order.
    waiters: Vec<(u64, u64)>,
}

impl Table {
    pub(super) fn of<D: Door>(door: &D) -> Self {
        let laid = door.rows();
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
        let mut entries: Vec<_> = laid.rows.into_iter().map(&mut entry).collect();
        entries.sort_unstable_by_key(|entry| entry.number);
        let mut waits = laid.waits;
        waits.sort_unstable();
        waits.dedup();
        let mut waiters: Vec<_> = waits.iter().map(|(who, on)| (*on, *who)).collect();
        waiters.sort_unstable();
        let mut table = Self { entries, places: places.texts, waits, waiters };
        table.find_circles();
        table
    }

    /// Gives those a hint that wait on themselves, or on such ones.
    fn find_circles(&mut self) {
        // Who waits on nothing is taken away, then who waits on nothing else, and so on.
        let mut left: HashMap<u64, usize> = HashMap::new();
        for (who, on) in &self.waits {
            if self.find(*on).is_some() {
                *left.entry(*who).or_default() += 1;
            }
        }
        let ends = self.entries.iter().map(|entry| entry.number);
        let mut queue: Vec<_> = ends.filter(|number| !left.contains_key(number)).collect();
        while let Some(next) = queue.pop() {
            for waiter in self.waiters(next) {
                if let Some(count) = left.get_mut(&waiter) {
                    *count -= 1;
                    if *count == 0 {
                        left.remove(&waiter);
                        queue.push(waiter);
                    }
                }
            }
        }
        for entry in &mut self.entries {
            if left.contains_key(&entry.number) {
                entry.hint = Some(Hint::WaitsOnItself);
            }
        }
    }

    pub(super) fn find(&self, number: u64) -> Option<&Entry> {
        let at = self.entries.binary_search_by_key(&number, |entry| entry.number).ok()?;
        self.entries.get(at)
    }

    pub(super) fn place(&self, entry: &Entry) -> &str {
        &self.places[entry.place]
    }

    /// What `number` waits on.
    pub(super) fn waits(&self, number: u64) -> impl ExactSizeIterator<Item = u64> {
        seconds_of(&self.waits, number)
    }

    /// What waits on `number`.
    pub(super) fn waiters(&self, number: u64) -> impl ExactSizeIterator<Item = u64> {
        seconds_of(&self.waiters, number)
    }
}

fn seconds_of(pairs: &[(u64, u64)], first: u64) -> impl ExactSizeIterator<Item = u64> {
    let begin = pairs.partition_point(|pair| pair.0 < first);
    let count = pairs[begin..].partition_point(|pair| pair.0 == first);
    pairs[begin..begin + count].iter().map(|pair| pair.1)
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
