struct Service;

impl Service {
    #[hereafter::inline_callbacks]
    async fn call(&self) -> Result<u32, hereafter::Failure> {
        Ok(1)
    }
}

fn main() {}
