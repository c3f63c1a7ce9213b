use hereafter::{Deferred, Trigger};

fn chain(d: Deferred<u32>, trigger: Trigger<String>) {
    d.chain_to(trigger);
}

fn main() {}
