#[hereafter::inline_callbacks(now)]
async fn call() -> Result<u32, hereafter::Failure> {
    Ok(1)
}

fn main() {}
