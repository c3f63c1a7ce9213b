fn add(d: hereafter::Deferred<u32>, text: &str) {
    let _d = d.map(|_| text.len());
}

fn main() {}
