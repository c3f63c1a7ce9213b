fn remote(trigger: hereafter::Trigger<std::rc::Rc<u32>>) {
    let _remote = trigger.remote();
}

fn main() {}
