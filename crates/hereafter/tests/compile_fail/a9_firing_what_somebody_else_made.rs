fn fire(d: hereafter::Deferred<u32>) {
    d.callback(1);
}

fn main() {}
