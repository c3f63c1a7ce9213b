//! What is alive and has a number, the oldest first.
//!
//! Numbers grow, and most of what is made goes soon, or in its turn. So entries lie in the order of their
//! numbers: the next goes to the end, and those at both ends go from there. One that goes from between leaves
//! a gap, and gaps are closed when they are half of it all.

use std::collections::VecDeque;

/// Entries by number.
///
/// # Examples
///
/// ```
/// use hereafter_insight::Roll;
///
/// let mut roll = Roll::new();
/// roll.enter(3, "three");
/// roll.enter(5, "five");
/// assert_eq!(roll.get(3), Some(&"three"));
/// assert_eq!(roll.strike(3), Some("three"));
/// assert_eq!(roll.iter().collect::<Vec<_>>(), [(5, &"five")]);
/// ```
#[derive(Debug)]
pub struct Roll<T> {
    /// Neither the first nor the last is a gap.
    entries: VecDeque<(u64, Option<T>)>,
    gaps: usize,
}

/// Not worth closing.
const FEW: usize = 32;

impl<T> Roll<T> {
    /// One with nothing in it.
    ///
    /// # Examples
    ///
    /// See [`Roll`].
    pub const fn new() -> Self {
        Self { entries: VecDeque::new(), gaps: 0 }
    }

    /// Enters something under a number that nothing has been entered under.
    ///
    /// That takes longer where the number is not the largest of all, as it may be for one of several
    /// threads that share a roll.
    ///
    /// # Examples
    ///
    /// See [`Roll`].
    #[inline]
    pub fn enter(&mut self, number: u64, entry: T) {
        match self.entries.back() {
            Some((last, _)) if *last > number => self.put_between(number, entry),
            _ => self.entries.push_back((number, Some(entry))),
        }
    }

    #[cold]
    fn put_between(&mut self, number: u64, entry: T) {
        let place = self.entries.partition_point(|(before, _)| *before < number);
        self.entries.insert(place, (number, Some(entry)));
    }

    /// Takes something out.
    ///
    /// # Examples
    ///
    /// See [`Roll`].
    #[inline]
    pub fn strike(&mut self, number: u64) -> Option<T> {
        // Mostly the last one goes, and there is nothing else to do.
        if self.gaps == 0
            && let Some((_, entry)) = self.entries.pop_back_if(|(last, _)| *last == number)
        {
            return entry;
        }
        self.strike_between(number)
    }

    #[inline(never)]
    fn strike_between(&mut self, number: u64) -> Option<T> {
        let place = self.place(number)?;
        let entry = self.entries[place].1.take()?;
        self.gaps += 1;
        while self.entries.pop_back_if(|(_, entry)| entry.is_none()).is_some() {
            self.gaps -= 1;
        }
        while self.entries.pop_front_if(|(_, entry)| entry.is_none()).is_some() {
            self.gaps -= 1;
        }
        if self.gaps > FEW && self.gaps > self.entries.len() / 2 {
            self.entries.retain(|(_, entry)| entry.is_some());
            self.gaps = 0;
        }
        Some(entry)
    }

    /// What has that number.
    ///
    /// # Examples
    ///
    /// See [`Roll`].
    pub fn get(&self, number: u64) -> Option<&T> {
        self.entries[self.place(number)?].1.as_ref()
    }

    /// All that there is, with its numbers, in their order.
    ///
    /// # Examples
    ///
    /// See [`Roll`].
    pub fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.entries.iter().filter_map(|(number, entry)| Some((*number, entry.as_ref()?)))
    }

    fn place(&self, number: u64) -> Option<usize> {
        // Where no gap was closed behind it, it lies as far before the last one as it is smaller. Those
        // that stay are old, so gaps are closed before it.
        let behind = usize::try_from(self.entries.back()?.0.checked_sub(number)?).ok()?;
        if let Some(place) = (self.entries.len() - 1).checked_sub(behind)
            && self.entries[place].0 == number
        {
            return Some(place);
        }
        self.entries.binary_search_by_key(&number, |(number, _)| *number).ok()
    }
}

impl<T> Default for Roll<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::Roll;
    use std::collections::BTreeMap;

    #[test]
    fn it_has_what_was_entered_and_not_struck_in_order() {
        let (mut roll, mut model) = (Roll::new(), BTreeMap::new());
        for turn in 0..1_000_u64 {
            // Of each two, the larger one comes first.
            let number = turn ^ 1;
            roll.enter(number, number);
            model.insert(number, number);
            // One that may be the last, one from between, and one that may not be there any more.
            let own = if number % 3 == 0 { number } else { number / 3 };
            for gone in &[own, number / 2, number * 7 % 500] {
                assert_eq!(roll.strike(*gone), model.remove(gone));
                assert_eq!(roll.get(*gone), None);
            }
            assert!(roll.iter().eq(model.iter().map(|(n, entry)| (*n, entry))), "{number}");
            assert_eq!(roll.entries.len() - roll.gaps, model.len());
            assert!(roll.gaps <= super::FEW.max(roll.entries.len() / 2));
        }
        for number in model.keys() {
            assert_eq!(roll.get(*number), Some(number));
        }
        assert!(!model.is_empty());
    }
}
