//! "Introduction to Deferreds": code that says in which order things happen.

use std::time::Duration;

use hereafter::clock::{Clock, ManualClock};
use hereafter::{Deferred, gather_results};

const SECOND: Duration = Duration::from_secs(1);

/// `pod_bay_doors.open()`, then `pod.launch()`.
pub(crate) fn pod_bay_doors() {
    struct PodBayDoors(ManualClock);

    impl PodBayDoors {
        /// Starts to open the doors; the deferred fires when they are open.
        fn open(&self) -> Deferred<()> {
            println!("the pod bay doors begin to open");
            let (trigger, d) = Deferred::new();
            self.0.call_later(5 * SECOND, || {
                println!("the pod bay doors are open");
                trigger.callback(());
            });
            d
        }
    }

    struct Pod {
        name: &'static str,
    }

    impl Pod {
        fn launch(&self) {
            println!("{} is launched", self.name);
        }
    }

    let (clock, pod) = (ManualClock::new(), Pod { name: "the pod" });
    let pod_bay_doors = PodBayDoors(clock.clone());

    let d = pod_bay_doors.open();
    d.add_callback(move |()| pod.launch()).detach();

    println!("open() has returned, and nothing is launched yet");
    clock.advance(5 * SECOND);
}

/// `pprint(sorted(x.get_names()))`, where each step takes its time.
pub(crate) fn names() {
    type Names = Vec<&'static str>;

    fn later<T: 'static>(clock: &ManualClock, value: T) -> Deferred<T> {
        let (trigger, d) = Deferred::new();
        clock.call_later(SECOND, || trigger.callback(value));
        d
    }

    fn get_names(clock: &ManualClock) -> Deferred<Names> {
        later(clock, vec!["Carol", "Alice", "Bob"])
    }

    fn sorted(clock: &ManualClock, mut names: Names) -> Deferred<Names> {
        names.sort_unstable();
        later(clock, names)
    }

    fn pprint(names: Names) {
        println!("{names:?}");
    }

    let clock = ManualClock::new();
    let sorting = clock.clone();
    get_names(&clock)
        .add_callback(move |names| sorted(&sorting, names))
        .add_callback(pprint)
        .detach();
    clock.pump([SECOND, SECOND]);
}

/// The sum of the balances of all accounts, whichever comes in first.
pub(crate) fn balances() {
    struct Account {
        balance: u32,
        takes: u32,
    }

    impl Account {
        fn get_balance(&self, clock: &ManualClock) -> Deferred<u32> {
            let (trigger, d) = Deferred::new();
            let balance = self.balance;
            clock.call_later(self.takes * SECOND, move || {
                println!("got ${balance}");
                trigger.callback(balance);
            });
            d
        }
    }

    let accounts = [
        Account { balance: 1, takes: 3 },
        Account { balance: 20, takes: 1 },
        Account { balance: 300, takes: 2 },
    ];

    let clock = ManualClock::new();
    let balances = accounts.iter().map(|account| account.get_balance(&clock));
    let total = gather_results(balances).map(|balances| balances.iter().sum::<u32>());
    total.map(|total| println!("Total balance ${total}")).detach();
    clock.pump([SECOND; 3]);
}
