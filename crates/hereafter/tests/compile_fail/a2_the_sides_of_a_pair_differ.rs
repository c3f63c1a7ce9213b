use hereafter::{Deferred, Failure};

fn add(d: Deferred<u32>) {
    let _d = d.add_callbacks(|n| Ok::<u32, Failure>(n), |_| Ok::<String, Failure>(String::new()));
}

fn main() {}
