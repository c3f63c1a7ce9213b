//! Where this tour's log goes: to stdout, so that it can be read between the other lines.

use hereafter::report::{self, Report};

/// Runs `section` with everything that is reported meanwhile printed to stdout.
pub(crate) fn on_stdout(section: impl FnOnce()) {
    report::set_hook(Some(|report: &Report| print!("{report}")));
    section();
    report::set_hook(None::<fn(&Report)>);
}

/// As [`on_stdout`], in one line for each report and without the traceback.
pub(crate) fn in_short_on_stdout(section: impl FnOnce()) {
    report::set_hook(Some(|report: &Report| println!("{}: {}", report.headline, report.failure)));
    section();
    report::set_hook(None::<fn(&Report)>);
}
