use hereafter::Deferred;

fn main() {
    let (_trigger, inner) = Deferred::<u32>::new();
    let _outer = Deferred::succeed(()).add_callback(move |()| inner);
    inner.cancel();
}
