//! The engine's rules, in a world made for testing.

mod tiny;

mod cancelling;
mod chain;
mod deep;
mod grave;
mod running;
mod waiting;
