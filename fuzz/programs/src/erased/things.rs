//! Values and captures on both sides of every boundary: nothing at all, what just fits into the
//! room in the cell, a word more, and what wants a larger alignment than the room has.

use crate::tokens::{OnDrop, Sizeless, Token, wrong};
use arbitrary::Arbitrary;

/// Something of a size and an alignment.
pub trait Thing: 'static {
    /// Makes one that does this when it is dropped, if it has room for saying so.
    fn new(on_drop: OnDrop) -> Self;
    /// Notes it if this is not what `new` made, or not where it may be.
    fn check(&self);
}

/// What a result or a capture can be.
#[derive(Arbitrary, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No bytes.
    Nothing,
    /// No bytes, aligned to 64.
    AlignedNothing,
    /// 24 bytes: just fits for a result.
    Fits,
    /// 32 bytes: a word too many.
    Large,
    /// 192 bytes, aligned to 64.
    Aligned,
}

/// What a closure can capture.
#[derive(Arbitrary, Debug, Clone, Copy)]
pub enum Capture {
    /// No bytes.
    Nothing,
    /// 8 bytes.
    Word,
    /// 32 bytes.
    Some,
    /// 192 bytes, aligned to 64: is boxed.
    Aligned,
    /// 1 KiB: more than all the room that there is at first.
    Huge,
}

impl Thing for Sizeless {
    fn new(_: OnDrop) -> Self {
        Self::default()
    }

    fn check(&self) {}
}

/// No bytes, aligned.
#[repr(align(64))]
#[derive(Debug)]
pub struct AlignedNothing(Sizeless);

impl Thing for AlignedNothing {
    fn new(_: OnDrop) -> Self {
        Self(Sizeless::default())
    }

    fn check(&self) {
        if !std::ptr::from_ref(&self.0).addr().is_multiple_of(64) {
            wrong("something without a size is not aligned".to_owned());
        }
    }
}

/// A token and so many words.
#[derive(Debug)]
pub struct Words<const WORDS: usize> {
    token: Token,
    words: [usize; WORDS],
}

const PATTERN: usize = 0xa5a5_0000;

impl<const WORDS: usize> Thing for Words<WORDS> {
    fn new(on_drop: OnDrop) -> Self {
        let words = std::array::from_fn(|place| PATTERN + place);
        Self { token: Token::new(on_drop), words }
    }

    fn check(&self) {
        self.token.check();
        if self.words.iter().enumerate().any(|(place, word)| *word != PATTERN + place) {
            wrong(format!("the words of something have changed: {:x?}", self.words));
        }
    }
}

impl<const WORDS: usize> Drop for Words<WORDS> {
    fn drop(&mut self) {
        self.check();
    }
}

/// The same, aligned.
#[repr(align(64))]
#[derive(Debug)]
pub struct Aligned(Words<17>);

impl Thing for Aligned {
    fn new(on_drop: OnDrop) -> Self {
        Self(Words::new(on_drop))
    }

    fn check(&self) {
        if !std::ptr::from_ref(self).addr().is_multiple_of(64) {
            wrong("something is not aligned".to_owned());
        }
        self.0.check();
    }
}

/// Just fits for a result.
pub type Fits = Words<2>;
/// A word too many.
pub type Large = Words<3>;
/// What a closure captures at least.
pub type Word = Words<0>;
/// More than all the room that there is at first.
pub type Huge = Words<127>;

const _: () = {
    assert!(size_of::<AlignedNothing>() == 0 && size_of::<Fits>() == 24);
    assert!(size_of::<Large>() == 32 && size_of::<Huge>() == 1024 && size_of::<Aligned>() == 192);
};
