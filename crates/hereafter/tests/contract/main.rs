//! The contract, row by row: each test's name begins with the row that it proves.

#[path = "../common/mod.rs"]
mod common;

mod a;
mod b;
mod c;
mod d;
mod e;
mod f;
