use hereafter::{Deferred, Failure};

fn main() {
    let (trigger, _d) = Deferred::<u32>::new();
    trigger.errback(Failure::msg("broken"));
    trigger.callback(2);
}
