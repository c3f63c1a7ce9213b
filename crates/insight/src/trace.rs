//! A program's deferreds as a trace file, for Perfetto and Chrome.
//!
//! The form is Chrome's "Trace Event Format", as an array of events: <https://ui.perfetto.dev> and
//! `chrome://tracing` open it. Every time that events have been written the array is closed, and what
//! comes next is written over its end; so the file is whole at any time, also when the process is killed.

use crate::history::{Before, History, Ran, Stage};
use crate::moment::Moment;
use crate::story::{End, Kind};
use core::fmt::{self, Display, Write as _};
use std::cell::Cell;
use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// So many bytes are gathered before they are written.
const GATHERED: usize = 64 * 1024;
/// They are written after this time all the same, by the next event.
const GATHERING: Duration = Duration::from_secs(1);

const BEGIN: &str = "[\n";
const END: &str = "\n]\n";

/// A trace file that is being written.
///
/// Each deferred is a slice on a track of its own, named after the place where it was made, with an
/// instant where it fired and where it was cancelled, and a slice in it for each wait. Each link is a
/// slice on the track of the thread that ran it, named after the place where it was added; an arrow goes
/// from one that gave a deferred back to the link that ran when that was through. Failures are instants
/// on the thread's track.
///
/// It takes no more memory than a buffer. Where the file cannot be written any more, because the disk is
/// full say, that is said once on stderr, and nothing more is written.
///
/// # Examples
///
/// ```
/// use hereafter_insight::{Before, End, History, Kind, Trace};
///
/// let folder = tempfile::tempdir()?;
/// let trace = Trace::create(folder.path().join("out.json"))?;
///
/// let place = |place: &&str| place.to_string();
/// let mut history = History::new("app.rs:3");
/// trace.made(&history, place);
/// history.runs(Kind::Callback, Some("app.rs:4"));
/// let before = Before::of(&history);
/// history.ran(End::Value);
/// trace.noted(before, &history, place);
/// trace.gone(&history, place);
/// trace.end();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Trace {
    /// Among the traces of this process.
    id: u64,
    started: Moment,
    out: Mutex<Out>,
}

/// The file, and what is not in it yet.
#[derive(Debug)]
struct Out {
    file: File,
    path: PathBuf,
    gathered: String,
    written: Moment,
    /// How far the file holds whole events.
    length: u64,
    /// It can be written over. What cannot, a pipe say, gets no end before the last.
    is_seekable: bool,
    is_broken: bool,
    /// The process that writes it.
    process: u32,
    threads: u32,
}

thread_local! {
    /// The trace that this thread was entered in, and its number there.
    static THREAD: Cell<(u64, u32)> = const { Cell::new((0, 0)) };
}

impl Trace {
    /// Begins a trace file. One that is there already is written over.
    ///
    /// # Errors
    ///
    /// Fails when the file cannot be made or written; the error names it.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_insight::Trace;
    /// let error = Trace::create("/no/such/folder/out.json").unwrap_err();
    /// assert!(error.to_string().contains("/no/such/folder/out.json"));
    /// ```
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let path = path.as_ref();
        let mut file = File::create(path).map_err(|error| named(path, &error))?;
        let started = Moment::now();
        let process = std::process::id();
        let gathered = format!(
            "{BEGIN}{{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":{process},\"tid\":0,\"args\":{{\"name\":\"Deferreds\"}}}}"
        );
        let is_seekable = file.stream_position().is_ok();
        let mut out = Out {
            file,
            path: path.to_owned(),
            gathered,
            written: started,
            length: 0,
            is_seekable,
            is_broken: false,
            process,
            threads: 0,
        };
        out.write(false).map_err(|error| named(path, &error))?;
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Self { id, started, out: Mutex::new(out) })
    }

    /// A deferred was made; `place` says where it was.
    ///
    /// # Examples
    ///
    /// See [`Trace`].
    pub fn made<P: Clone>(&self, history: &History<P>, place: impl FnOnce(&P) -> String) {
        if self.covers(history) {
            self.on_deferred("b", history.number(), &place(history.made()), history.born());
        }
    }

    /// Something has been noted of a deferred, which was like `before` until then. `place` says where
    /// something is.
    ///
    /// # Examples
    ///
    /// See [`Trace`].
    pub fn noted<P: Clone>(
        &self,
        before: Before,
        history: &History<P>,
        place: impl FnOnce(&P) -> String,
    ) {
        if !self.covers(history) {
            return;
        }
        let (number, now) = (history.number(), Before::of(history));
        if now.fired && !before.fired {
            self.on_deferred("n", number, &"fired", Moment::now());
        }
        if now.cancelled && !before.cancelled {
            self.on_deferred("n", number, &"cancelled", Moment::now());
        }
        match before.stage {
            Stage::Runs if now.stage != Stage::Runs => {
                if let Some(ran) = history.latest() {
                    let added = ran.added.as_ref().map(place);
                    self.ran(number, &ran, added.as_deref());
                }
            }
            Stage::Waits if now.stage != Stage::Waits => self.resumed(number),
            _ => {}
        }
    }

    /// A deferred is no more; `place` says where it was made.
    ///
    /// # Examples
    ///
    /// See [`Trace`].
    pub fn gone<P: Clone>(&self, history: &History<P>, place: impl FnOnce(&P) -> String) {
        if self.covers(history) {
            if history.stage() == Stage::Waits {
                self.resumed(history.number());
            }
            self.on_deferred("e", history.number(), &place(history.made()), Moment::now());
        }
    }

    /// Whether a deferred is in the trace: not one that is older.
    fn covers<P: Clone>(&self, history: &History<P>) -> bool {
        history.born() >= self.started
    }

    fn resumed(&self, number: u64) {
        self.on_deferred("e", number, &"waits", Moment::now());
    }

    /// A link is through, which was added there.
    fn ran<P>(&self, number: u64, ran: &Ran<P>, added: Option<&str>) {
        let (begin, end) = (self.stamp(ran.began), self.stamp(ran.ended));
        let took = end.saturating_sub(begin);
        self.write(ran.ended, |text, thread| {
            let name = Link(ran.kind, added);
            open(text, "X", "link", &name, begin, thread)?;
            write!(text, ",\"dur\":{},\"args\":{{\"deferred\":{number},\"end\":\"", Micros(took))?;
            write!(Escaped(text), "{}", ran.end)?;
            text.push_str("\"}}");
            if ran.after_wait {
                text.push_str(",\n");
                open(text, "f", "wait", &"wait", begin, thread)?;
                write!(text, ",\"bp\":\"e\",\"id\":{number}}}")?;
            }
            match &ran.end {
                End::Returned(inner) => {
                    text.push_str(",\n");
                    // An arrow belongs to the slice that it begins in, whose end is no more in it.
                    let inside = end.saturating_sub(Duration::from_nanos(1)).max(begin);
                    open(text, "s", "wait", &"wait", inside, thread)?;
                    writeln!(text, ",\"id\":{number}}},")?;
                    open(text, "b", "deferred", &"waits", end, thread)?;
                    write!(text, ",\"id\":\"{number:#x}\",\"args\":{{\"on\":\"")?;
                    write!(Escaped(text), "{inner}")?;
                    text.push_str("\"}}");
                }
                End::Failed(failure) => {
                    text.push_str(",\n");
                    open(text, "i", "failure", &Named("failed: ", failure), end, thread)?;
                    write!(text, ",\"s\":\"t\",\"args\":{{\"deferred\":{number}}}}}")?;
                }
                _ => {}
            }
            Ok(())
        });
    }

    /// Writes what was gathered.
    ///
    /// # Examples
    ///
    /// See [`Trace`].
    pub fn flush(&self) {
        self.out().flush(false);
    }

    /// Writes what was gathered, and the end. Nothing more is written.
    ///
    /// # Examples
    ///
    /// ```
    /// use hereafter_insight::Trace;
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("out.json");
    /// Trace::create(&path)?.end();
    /// assert!(std::fs::read_to_string(&path)?.ends_with("]\n"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn end(&self) {
        let mut out = self.out();
        out.flush(true);
        out.is_broken = true;
    }

    /// An event on the track of a deferred.
    fn on_deferred(&self, phase: &str, number: u64, name: &dyn Display, at: Moment) {
        let stamp = self.stamp(at);
        self.write(at, |text, thread| {
            open(text, phase, "deferred", name, stamp, thread)?;
            write!(text, ",\"id\":\"{number:#x}\",\"args\":{{\"deferred\":{number}}}}}")
        });
    }

    fn stamp(&self, at: Moment) -> Duration {
        at.since(self.started)
    }

    fn out(&self) -> MutexGuard<'_, Out> {
        // What a panic leaves is whole events and the beginning of one at worst, which is cut off.
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gathers events, which `put` writes.
    fn write(&self, at: Moment, put: impl FnOnce(&mut String, u32) -> fmt::Result) {
        let mut out = self.out();
        if out.is_over() {
            return;
        }
        let thread = out.thread(self.id);
        let before = out.gathered.len();
        out.gathered.push_str(",\n");
        if put(&mut out.gathered, thread).is_err() {
            // What was to be displayed cannot be.
            out.gathered.truncate(before);
        }
        if out.gathered.len() >= GATHERED || at.since(out.written) >= GATHERING {
            out.flush(false);
            out.written = at;
        }
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        self.end();
    }
}

impl Out {
    /// The number of this thread, which is entered if it was not.
    fn thread(&mut self, trace: u64) -> u32 {
        let (of, number) = THREAD.try_with(Cell::get).unwrap_or_default();
        if of == trace {
            return number;
        }
        self.threads += 1;
        let number = self.threads;
        let _ = THREAD.try_with(|thread| thread.set((trace, number)));
        let current = std::thread::current();
        let text = &mut self.gathered;
        // Writing to a `String` cannot fail.
        let _ = write!(
            text,
            ",\n{{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":{},\"tid\":{number},\"args\":{{\"name\":\"",
            std::process::id()
        );
        let _ = Escaped(text).write_str(current.name().unwrap_or("thread"));
        text.push_str("\"}}");
        number
    }

    /// Whether nothing more is written: also by the copy of this that a fork leaves in another process,
    /// which would write into the same file.
    fn is_over(&mut self) -> bool {
        self.is_broken |= self.process != std::process::id();
        self.is_broken
    }

    /// Writes what was gathered; if that fails, says so and gives up.
    fn flush(&mut self, is_last: bool) {
        if self.is_over() {
            return;
        }
        if let Err(error) = self.write(is_last) {
            self.is_broken = true;
            // With what was written in part cut off, there is room for the end again.
            let repaired = self.file.set_len(self.length);
            let _ = repaired
                .and_then(|()| self.seek())
                .and_then(|()| self.file.write_all(END.as_bytes()));
            let path = self.path.display();
            let _ = writeln!(
                io::stderr(),
                "hereafter: the trace file {path} cannot be written any more, and ends here: {error}"
            );
        }
    }

    fn write(&mut self, is_last: bool) -> io::Result<()> {
        let whole = self.gathered.len();
        if self.is_seekable || is_last {
            self.gathered.push_str(END);
        }
        if self.is_seekable {
            self.seek()?;
        }
        self.file.write_all(self.gathered.as_bytes())?;
        self.length += u64::try_from(whole).unwrap_or(0);
        self.gathered.clear();
        Ok(())
    }

    fn seek(&mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.length)).map(drop)
    }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("the trace file {} cannot be written: {error}", path.display()),
    )
}

/// The beginning of an event, which is still open.
fn open(
    text: &mut String,
    phase: &str,
    category: &str,
    name: &dyn Display,
    at: Duration,
    thread: u32,
) -> fmt::Result {
    write!(text, "{{\"ph\":\"{phase}\",\"cat\":\"{category}\",\"name\":\"")?;
    write!(Escaped(text), "{name}")?;
    write!(text, "\",\"ts\":{},\"pid\":{},\"tid\":{thread}", Micros(at), std::process::id())
}

/// Something with a word before it.
struct Named<'a>(&'static str, &'a dyn Display);

impl Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0, self.1)
    }
}

/// The name of a link's slice.
struct Link<'a>(Kind, Option<&'a str>);

impl Display for Link<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Some(added) => write!(f, "{} {added}", self.0),
            None => self.0.fmt(f),
        }
    }
}

/// In microseconds, which is what the format counts in.
struct Micros(Duration);

impl Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        write!(f, "{}.{:03}", nanos / 1000, nanos % 1000)
    }
}

/// What is written through it stands inside of a JSON string.
struct Escaped<'a>(&'a mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            match letter {
                '"' | '\\' => self.0.extend(['\\', letter]),
                control if control < ' ' => write!(self.0, "\\u{:04x}", u32::from(control))?,
                other => self.0.push(other),
            }
        }
        Ok(())
    }
}
