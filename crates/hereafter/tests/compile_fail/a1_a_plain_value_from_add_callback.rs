fn add(d: hereafter::Deferred<u32>) {
    let _d = d.add_callback(|n| n + 1);
}

fn main() {}
