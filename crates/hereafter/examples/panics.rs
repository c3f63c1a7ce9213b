//! What a panic in a callback comes to depends on how the program is built.
//!
//! With `panic = "unwind"`, which is the default, it is a failure for the next errback. With
//! `panic = "abort"` there is nothing to catch: it ends the process.

use hereafter::Deferred;
use hereafter::errors::Panicked;

fn main() {
    let way = if cfg!(panic = "unwind") { "are failures" } else { "end the process" };
    println!("Built so that panics {way}.");
    let d = Deferred::succeed(1).map(|_| -> u32 { panic!("on purpose") }).add_errback(|failure| {
        failure.trap::<Panicked>()?;
        println!("The next errback has it: {failure}.");
        Ok(0)
    });
    assert!(d.has_result());
}
