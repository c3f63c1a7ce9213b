fn fail(trigger: hereafter::Trigger<u32>) {
    trigger.errback("a text is no error");
}

fn main() {}
