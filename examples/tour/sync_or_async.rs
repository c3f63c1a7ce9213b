//! "Deferred Reference": functions that have their result at once, and functions that do not.

use std::time::Duration;

use hereafter::clock::{Clock, ManualClock};
use hereafter::{Deferred, Failure, Outcome, maybe_deferred};

const USERS: [&str; 3] = ["Alice", "Angus", "Agnes"];

/// The answer is here when this returns.
fn synchronous_is_valid_user(user: &str) -> Result<bool, Failure> {
    Ok(USERS.contains(&user))
}

/// The answer comes two seconds later.
fn asynchronous_is_valid_user(clock: &ManualClock, user: &str) -> Deferred<bool> {
    let (trigger, d) = Deferred::new();
    let is_valid = USERS.contains(&user);
    clock.call_later(Duration::from_secs(2), move || trigger.callback(is_valid));
    d
}

/// Takes either kind of function.
fn authenticate_user<R>(is_valid_user: impl FnOnce(&str) -> R, user: &str)
where
    R: Outcome<Value = bool>,
{
    fn print_result(result: bool) {
        if result {
            println!("User is authenticated");
        } else {
            println!("User is not authenticated");
        }
    }

    let d = maybe_deferred(|| is_valid_user(user));
    d.add_callback(print_result).detach();
}

/// Handling possible deferreds in library code.
pub(crate) fn authenticate() {
    let clock = ManualClock::new();
    for user in ["Alice", "Mallory"] {
        println!("{user}, synchronously");
        authenticate_user(synchronous_is_valid_user, user);
        println!("{user}, asynchronously");
        authenticate_user(|user| asynchronous_is_valid_user(&clock, user), user);
        println!("(two seconds later)");
        clock.advance(Duration::from_secs(2));
    }
}
