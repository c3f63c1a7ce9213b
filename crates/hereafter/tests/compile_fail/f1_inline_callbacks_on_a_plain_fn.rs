#[hereafter::inline_callbacks]
fn plain() -> Result<u32, hereafter::Failure> {
    Ok(1)
}

fn main() {}
