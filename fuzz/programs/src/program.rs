//! What a program is made of, whatever its operations are.

use arbitrary::{Arbitrary, Unstructured};
use std::fmt;

/// Operations done one after the other, and those that are done from inside.
#[derive(Debug, Clone)]
pub struct Program<Op> {
    /// What is done, in order.
    pub steps: Vec<Op>,
    /// What callbacks, cancellers and drops do when they are called; an operation names a block by
    /// its number, and may name the block that it stands in.
    pub blocks: [Vec<Op>; BLOCKS],
}

/// How many blocks a program has.
pub const BLOCKS: usize = 4;

/// How many operations are done in a run, those in blocks too: a block may call for itself.
pub const FUEL: u32 = 120;

/// Which of the things made so far: a number, taken modulo how many there are.
#[derive(Arbitrary, Clone, Copy)]
pub struct Which(u8);

impl Which {
    /// The one that is meant, of so many; none of none.
    pub fn of(self, count: usize) -> Option<usize> {
        usize::from(self.0).checked_rem(count)
    }
}

impl fmt::Debug for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// The number of a block.
#[derive(Arbitrary, Clone, Copy)]
pub struct Block(u8);

impl Block {
    /// Its place among the blocks.
    pub fn place(self) -> usize {
        usize::from(self.0) % BLOCKS
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.place())
    }
}

/// What a link of the native door is.
#[derive(Arbitrary, Debug, Clone, Copy)]
pub enum Link {
    /// `map`
    Map,
    /// `add_callback`
    Callback,
    /// `add_errback`
    Errback,
    /// `add_callbacks`
    Callbacks,
    /// `add_both`
    Both,
}

/// The program that these bytes make; every string of bytes makes one.
pub fn parse<'a, Op: Arbitrary<'a>>(bytes: &'a [u8]) -> Program<Op> {
    let mut bytes = Unstructured::new(bytes);
    let mut blocks = [const { Vec::new() }; BLOCKS];
    for block in &mut blocks {
        let length = bytes.int_in_range(0..=3).unwrap_or(0);
        block.extend((0..length).map_while(|_| operation(&mut bytes)));
    }
    let steps = std::iter::from_fn(|| operation(&mut bytes)).collect();
    Program { steps, blocks }
}

/// The next operation; none when the bytes are used up, which would go on as zeros.
fn operation<'a, Op: Arbitrary<'a>>(bytes: &mut Unstructured<'a>) -> Option<Op> {
    if bytes.is_empty() { None } else { Op::arbitrary(bytes).ok() }
}

impl<Op: fmt::Debug> fmt::Display for Program<Op> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in self.steps.iter().enumerate() {
            writeln!(f, "step {number:>3}   {step:?}")?;
        }
        for (number, block) in self.blocks.iter().enumerate().filter(|(_, ops)| !ops.is_empty()) {
            writeln!(f, "block {number}")?;
            for op in block {
                writeln!(f, "           {op:?}")?;
            }
        }
        Ok(())
    }
}
