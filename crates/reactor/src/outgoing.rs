//! What waits to be sent, in its order.
//!
//! Many small pieces become few large ones, so that a protocol may write as it likes; a large piece
//! is kept as it is, and not copied.
//!
//! What a piece is made of may be somebody else's ([`Bytes::from_owner`]), and its drop their code.
//! So none is dropped in here, where the queue is borrowed: see [`Outgoing::take_sent`].

use crate::stream::Stream;
use bytes::{Buf, Bytes, BytesMut};
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, ready};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use tokio::io::AsyncWriteExt;

/// From this length on a piece is not copied.
const LARGE: usize = 4 * 1024;

/// Pieces to be sent.
#[derive(Default)]
pub(crate) struct Outgoing {
    /// Before what is in `tail`. None of them is empty.
    pieces: VecDeque<Bytes>,
    /// Where small pieces are gathered.
    tail: BytesMut,
    length: usize,
    /// Pieces that are through, and wait to be dropped.
    sent: Vec<Bytes>,
}

impl Outgoing {
    pub(crate) fn push(&mut self, piece: &Bytes) {
        self.length += piece.len();
        if piece.len() < LARGE {
            self.tail.extend_from_slice(piece);
        } else {
            if !self.tail.is_empty() {
                self.pieces.push_back(self.tail.split().freeze());
            }
            self.pieces.push_back(piece.clone());
        }
    }

    /// Has the stream take some of it.
    pub(crate) fn poll_write(
        &mut self,
        stream: &mut Box<dyn Stream>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let chunk = self.chunk();
        if chunk.len() < self.length {
            return pin!(stream.write_buf(self)).poll(context);
        }
        // There is one piece, as most of the time; that is a cheaper call than one for several.
        let written = ready!(pin!(stream.write(chunk)).poll(context))?;
        self.advance(written);
        Poll::Ready(Ok(written))
    }

    /// What is through, to be dropped where nothing is borrowed.
    pub(crate) fn take_sent(&mut self) -> Vec<Bytes> {
        core::mem::take(&mut self.sent)
    }

    /// Every piece that is somebody's, to be dropped where nothing is borrowed.
    pub(crate) fn into_pieces(self) -> impl Iterator<Item = Bytes> {
        self.sent.into_iter().chain(self.pieces)
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }
}

impl Buf for Outgoing {
    fn remaining(&self) -> usize {
        self.length
    }

    fn chunk(&self) -> &[u8] {
        self.pieces.front().map_or(&self.tail, Bytes::as_ref)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let tail = (!self.tail.is_empty()).then_some(&*self.tail);
        let pieces = self.pieces.iter().map(Bytes::as_ref).chain(tail);
        slices.iter_mut().zip(pieces).map(|(slice, piece)| *slice = IoSlice::new(piece)).count()
    }

    fn advance(&mut self, mut count: usize) {
        self.length -= count;
        while let Some(piece) = self.pieces.front_mut() {
            if count < piece.len() {
                piece.advance(count);
                return;
            }
            count -= piece.len();
            self.sent.extend(self.pieces.pop_front());
        }
        self.tail.advance(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(pieces: &[usize]) -> (Outgoing, Vec<u8>) {
        let (mut outgoing, mut all) = (Outgoing::default(), Vec::new());
        for (n, length) in pieces.iter().enumerate() {
            let piece = vec![u8::try_from(n).unwrap(); *length];
            all.extend_from_slice(&piece);
            outgoing.push(&piece.into());
        }
        (outgoing, all)
    }

    #[test]
    fn pieces_come_out_in_their_order_whatever_their_size() {
        let sizes = [1, LARGE, 2, 3, LARGE + 1, LARGE - 1, 0, LARGE];
        for step in [1, 7, LARGE - 1, LARGE, LARGE + 1, 100_000] {
            let (mut outgoing, all) = filled(&sizes);
            let mut seen = Vec::new();
            while outgoing.has_remaining() {
                let count = step.min(outgoing.chunk().len());
                seen.extend_from_slice(&outgoing.chunk()[..count]);
                outgoing.advance(count);
                assert_eq!(outgoing.len(), all.len() - seen.len());
            }
            assert_eq!(seen, all);
        }
    }

    #[test]
    fn an_advance_goes_over_pieces() {
        let (mut outgoing, all) = filled(&[1, LARGE, 2, LARGE, 5]);
        outgoing.advance(LARGE + 2);
        let rest: Vec<u8> = outgoing.copy_to_bytes(outgoing.len()).to_vec();
        assert_eq!(rest, all[LARGE + 2..]);
    }

    #[test]
    fn small_pieces_go_out_together() {
        let (outgoing, all) = filled(&[1, 2, 3, LARGE, 4]);
        let mut slices = [IoSlice::new(&[]); 8];
        let count = outgoing.chunks_vectored(&mut slices);
        assert_eq!(count, 3);
        assert_eq!(
            slices[..count].iter().flat_map(|slice| slice.to_vec()).collect::<Vec<_>>(),
            all
        );
    }
}
