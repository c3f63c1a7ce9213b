//! The progress bar: on stderr, and only if that is a terminal.

use std::fmt;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// Shows how far the check is.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A bar that is drawn only if `visible`, and then only on a terminal.
    pub(crate) fn new(visible: bool) -> Self {
        let target =
            if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} links, {rate}, {msg}")
            .expect("the template is well-formed")
            .with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
                let _ = write!(out, "{:.0}/s", state.per_sec());
            })
            .progress_chars("=> ");
        Self(ProgressBar::with_draw_target(Some(0), target).with_style(style))
    }

    /// `known` links are known by now, `checked` of them done; `broken` rows were found.
    pub(crate) fn show(&self, known: usize, checked: usize, broken: usize) {
        // A message is text made for each call: not worth it where nobody looks.
        if !self.0.is_hidden() {
            self.0.set_message(format!("{broken} broken"));
        }
        self.0.set_length(known as u64);
        self.0.set_position(checked as u64);
    }

    /// Takes the bar away, so that the report starts on a clean line.
    pub(crate) fn clear(&self) {
        self.0.finish_and_clear();
    }
}
