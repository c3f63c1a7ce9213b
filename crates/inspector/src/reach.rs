//! Asking the reactor's thread, which may be busy.

use hereafter::inspect;
use hereafter_insight::page::Answer;
use hereafter_reactor::RemoteReactor;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How long a question waits for the reactor; then the page is told that it is busy.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub(crate) struct Reach {
    reactor: RemoteReactor,
    /// Since when it has been asked and has not answered.
    asked: Arc<Mutex<Option<Instant>>>,
}

impl Reach {
    pub(crate) fn new(reactor: RemoteReactor) -> Self {
        Self { reactor, asked: Arc::default() }
    }

    fn note(&self, note: impl FnOnce(Option<Instant>) -> Option<Instant>) -> Option<Instant> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        *asked = note(*asked);
        *asked
    }

    pub(crate) async fn ask(&self, question: String) -> Answer {
        let since = self.note(|asked| asked.or_else(|| Some(Instant::now())));
        let (tell, told) = oneshot::channel();
        let this = self.clone();
        self.reactor.call_from_thread(move || {
            this.note(|_| None);
            // Who has given up asking causes no work any more, however many they are.
            if !tell.is_closed() {
                let _ = tell.send(inspect::answer(&question));
            }
        });
        match tokio::time::timeout(PATIENCE, told).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Answer::words(503, "the reactor has stopped"),
            Err(_) => {
                let seconds = since.map_or(PATIENCE, |since| since.elapsed()).as_secs_f64();
                let why = format!("the reactor has not answered for {seconds:.1} s");
                Answer::words(503, &why)
            }
        }
    }
}
