//! Twisted's own suites, run unmodified, and how many tests each must have run.
//!
//! A suite that is green because half of it was not found proves nothing, so the number of tests
//! is read from trial's closing lines and compared.

use anyhow::{Context, Result, ensure};

/// Some of Twisted's test modules, and how many tests they have in the version we install.
pub(crate) struct Suite {
    pub(crate) name: &'static str,
    pub(crate) modules: &'static [&'static str],
    /// Fewer than these fail the step.
    tests: u32,
}

/// What is about Deferreds and Failures themselves.
pub(crate) const CORE: Suite = Suite {
    name: "Twisted's tests of Deferred and Failure",
    modules: &[
        "twisted.test.test_defer",
        "twisted.internet.test.test_inlinecb",
        "twisted.internet.test.test_defer_await",
        "twisted.internet.test.test_defer_yieldfrom",
        "twisted.test.test_failure",
    ],
    tests: 306,
};

/// What leans on Deferreds most.
pub(crate) const AROUND: Suite = Suite {
    name: "Twisted's tests of what stands on Deferreds",
    modules: &[
        "twisted.test.test_task",
        "twisted.test.test_cooperator",
        "twisted.test.test_threads",
        "twisted.test.test_log",
        "twisted.test.test_adbapi",
        "twisted.test.test_amp",
        "twisted.internet.test.test_endpoints",
        "twisted.internet.test.test_asyncioreactor",
        "twisted.logger",
        "twisted.spread",
        "twisted.trial",
        "twisted.web.test.test_flatten",
        "twisted.web.test.test_template",
        "twisted.conch.test.test_manhole",
    ],
    tests: 1906,
};

impl Suite {
    /// Looks at what trial printed.
    ///
    /// # Errors
    ///
    /// Fails when trial did not come to its end, or ran fewer tests than the suite has.
    pub(crate) fn check(&self, output: &str) -> Result<()> {
        let closing = Closing::read(output)
            .with_context(|| format!("{}: trial printed no closing lines", self.name))?;
        ensure!(closing.passed, "{}: trial does not say that they passed", self.name);
        ensure!(
            closing.ran >= self.tests,
            "{}: {} tests ran, but there should be {}",
            self.name,
            closing.ran,
            self.tests,
        );
        Ok(())
    }
}

/// The end of what trial prints: `Ran 306 tests in 0.2s`, and then `PASSED (successes=306)`.
struct Closing {
    ran: u32,
    passed: bool,
}

impl Closing {
    fn read(output: &str) -> Option<Self> {
        // The last of them, as tests of trial itself print such lines too.
        let lines: Vec<&str> = output.lines().collect();
        let at = lines.iter().rposition(|line| Self::ran(line).is_some())?;
        let passed = lines[at..].iter().any(|line| line.starts_with("PASSED"));
        Some(Self { ran: Self::ran(lines[at])?, passed })
    }

    fn ran(line: &str) -> Option<u32> {
        let (number, _) = line.strip_prefix("Ran ")?.split_once(" tests in ")?;
        number.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_the_core_must_have_run() {
        let whole = "...\nRan 306 tests in 0.209s\n\nPASSED (successes=306)\n";
        CORE.check(whole).unwrap();
        let error = CORE.check(&whole.replace("306", "305")).unwrap_err();
        assert!(error.to_string().ends_with("305 tests ran, but there should be 306"), "{error}");
    }

    #[test]
    fn a_run_without_its_end_is_none() {
        assert!(CORE.check("twisted.test.test_defer\n").is_err());
        assert!(CORE.check("Ran 306 tests in 0.209s\n\nFAILED (failures=1)\n").is_err());
    }

    #[test]
    fn the_last_closing_lines_count() {
        let output = "Ran 1 tests in 0.1s\nPASSED\nRan 306 tests in 2s\nFAILED (errors=1)\n";
        assert!(CORE.check(output).is_err());
    }
}
