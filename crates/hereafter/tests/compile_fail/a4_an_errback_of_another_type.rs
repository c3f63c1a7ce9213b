use hereafter::{Deferred, Failure};

fn add(d: Deferred<u32>) {
    let _d = d.add_errback(|_| Ok::<String, Failure>(String::new()));
}

fn main() {}
