use hereafter::Deferred;

fn main() {
    let d = Deferred::succeed(1);
    let _text = d.map(|n: i32| n.to_string());
    let _more = d.map(|n| n + 1);
}
