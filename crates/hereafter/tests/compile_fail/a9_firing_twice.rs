use hereafter::Deferred;

fn main() {
    let (trigger, _d) = Deferred::new();
    trigger.callback(1);
    trigger.callback(2);
}
