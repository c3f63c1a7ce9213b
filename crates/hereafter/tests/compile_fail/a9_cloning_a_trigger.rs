fn both(trigger: hereafter::Trigger<u32>) {
    trigger.clone().callback(1);
}

fn main() {}
