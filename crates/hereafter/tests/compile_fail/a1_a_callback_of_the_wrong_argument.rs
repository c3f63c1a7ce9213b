fn add(d: hereafter::Deferred<u32>) {
    let _d = d.map(|text: String| text.len());
}

fn main() {}
