//! Deferreds as spans of `tracing`, for tokio-console and for those who collect spans.
//!
//! tokio-console takes every span that is called `runtime.spawn` for a task, whatever runs it, and reads
//! these fields. What it asks for by itself are the targets `tokio` and `runtime`, so ours lies there.

use crate::cell::CellRef;
use crate::{debug, report};
use hereafter_engine::{Event, Step};
use tracing::Span;
use tracing::level_filters::LevelFilter;

const TARGET: &str = "runtime::deferred";

/// The span of a deferred, and whether one of its links runs in it.
#[derive(Default)]
pub(crate) struct InSpan {
    span: Option<Span>,
    is_entered: bool,
}

/// Calls what a subscriber does, which is anybody's code: nothing of the deferred may be in use, and a
/// panic stays here.
fn tell<R>(what: impl FnOnce() -> R) {
    report::guard("a subscriber of `tracing`", || drop(what()));
}

/// Begins the span of a new deferred, if a subscriber wants it.
#[inline]
pub(super) fn begin(cell: &CellRef) {
    if LevelFilter::current() == LevelFilter::TRACE {
        begin_span(cell);
    }
}

#[cold]
#[inline(never)]
fn begin_span(cell: &CellRef) {
    let Some(number) = super::number(cell) else { return };
    // Only the span itself can be asked for: tokio-console takes nothing that has another name.
    tell(|| {
        let made = cell.made();
        let span = tracing::trace_span!(
            target: TARGET,
            "runtime.spawn",
            kind = "deferred",
            task.name = made.to_string().as_str(),
            task.id = number,
            loc.file = made.file(),
            loc.line = made.line(),
            loc.col = made.column(),
        );
        if span.is_disabled() {
            return;
        }
        debug::switch(debug::SPANS, true);
        cell.with_notes(|notes| {
            if let Some(notes) = notes {
                notes.in_span = InSpan { span: Some(span), is_entered: false };
            }
        });
    });
}

/// Ends a span.
pub(super) fn end(in_span: InSpan) {
    if let Some(span) = in_span.span {
        tell(|| drop(span));
    }
}

/// Something has happened; `runs` says that a link is about to run, `failure` that it has failed.
pub(super) fn happened(cell: &CellRef, event: &Event<'_, CellRef>, runs: bool) {
    let span = cell.with_notes(|notes| {
        let in_span = &mut notes?.in_span;
        let span = in_span.span.clone()?;
        let was_entered = in_span.is_entered;
        in_span.is_entered = runs || (was_entered && !matches!(event, Event::Ran(_)));
        Some((span, was_entered))
    });
    let Some((span, was_entered)) = span else { return };
    tell(|| match event {
        Event::Fired => tracing::trace!(target: TARGET, parent: &span, "fired"),
        Event::Cancelled => tracing::trace!(target: TARGET, parent: &span, "cancelled"),
        Event::Resumed => tracing::trace!(target: TARGET, parent: &span, "resumed"),
        Event::Runs if runs => {
            span.with_subscriber(|(id, subscriber)| subscriber.enter(id));
        }
        Event::Ran(step) if was_entered => {
            if let Some(failure) = cell.body().with_failure(crate::Failure::type_name)
                && matches!(step, Step::Ran)
            {
                tracing::trace!(target: TARGET, parent: &span, failure, "failed");
            }
            span.with_subscriber(|(id, subscriber)| subscriber.exit(id));
        }
        _ => {}
    });
}
