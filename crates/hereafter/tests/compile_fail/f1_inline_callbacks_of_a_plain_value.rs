#[hereafter::inline_callbacks]
async fn call() -> u32 {
    1
}

fn main() {}
