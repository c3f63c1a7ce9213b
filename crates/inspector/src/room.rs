//! Whom there is room for.
//!
//! Each connection takes a descriptor of the program's, so there are only so many. Who comes when
//! there is no room takes the place of who has been silent for longest; of those first who have
//! never shown that they know the page's address. So neither many who say nothing, nor many who ask
//! and do not read, can keep out one who does.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// How many connections are served at once.
pub(crate) const SEATS: usize = 32;

/// How long a connection may take for a request and for reading what is answered, or be idle.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The connections that there are.
#[derive(Clone, Default)]
pub(crate) struct Room(Arc<Mutex<Taken>>);

#[derive(Default)]
struct Taken {
    /// How many there have been.
    count: u64,
    seats: Vec<Seat>,
}

struct Seat {
    number: u64,
    /// It has shown that it knows the page's address.
    is_known: bool,
    /// When it sent its last request, or came.
    heard: Instant,
    connection: AbortHandle,
}

impl Room {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a connection served by a task that `serve` begins, if need be instead of another.
    pub(crate) fn admit(&self, serve: impl FnOnce(Guest) -> AbortHandle) {
        let (number, gone) = self.taken().next();
        drop(gone);
        let connection = serve(Guest { room: self.clone(), number });
        let seat = Seat { number, is_known: false, heard: Instant::now(), connection };
        self.taken().seats.push(seat);
    }

    /// Lets those go who have been silent for too long.
    pub(crate) fn clear_overdue(&self) {
        let now = Instant::now();
        let overdue: Vec<_> = self.taken().seats.extract_if(.., |seat| seat.due() <= now).collect();
        drop(overdue);
    }

    /// When it is to be seen to next.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.taken().seats.iter().map(Seat::due).min()
    }
}

impl Taken {
    /// The number of the next connection, and who has to go for it.
    fn next(&mut self) -> (u64, Option<Seat>) {
        self.count += 1;
        let all = if self.seats.len() == SEATS { 0..SEATS } else { 0..0 };
        let first = all.min_by_key(|at| (self.seats[*at].is_known, self.seats[*at].heard));
        (self.count, first.map(|at| self.seats.swap_remove(at)))
    }
}

impl Seat {
    fn due(&self) -> Instant {
        self.heard + PATIENCE
    }
}

impl Drop for Seat {
    /// The connection ends, if it has not.
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// One who has a seat, until this is dropped.
pub(crate) struct Guest {
    room: Room,
    number: u64,
}

impl Guest {
    /// It has sent a request; `is_known` says that it knows the page's address.
    pub(crate) fn is_heard(&self, is_known: bool) {
        let mut taken = self.room.taken();
        if let Some(seat) = taken.seats.iter_mut().find(|seat| seat.number == self.number) {
            seat.heard = Instant::now();
            seat.is_known |= is_known;
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut taken = self.room.taken();
        let at = taken.seats.iter().position(|seat| seat.number == self.number);
        let seat = at.map(|at| taken.seats.swap_remove(at));
        drop(taken);
        drop(seat);
    }
}
