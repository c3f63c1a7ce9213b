use hereafter::Deferred;

fn main() {
    let (trigger, _other) = Deferred::new();
    let d = Deferred::succeed(1);
    d.chain_to(trigger);
    let _more = d.map(|n| n + 1);
}
