//! Named steps that show what they run, stop at the first that fails and end in a summary.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    let xtask = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().expect("xtask lies in the root of the checkout").to_owned()
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or("target".into(), PathBuf::from);
    root().join(target)
}

/// `cargo` with these arguments, in the root of the checkout.
pub(crate) fn cargo<I>(arguments: I) -> Command
where
    I: IntoIterator<Item: AsRef<OsStr>>,
{
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(arguments).current_dir(root());
    command
}

/// A program of a toolchain, free of what the running cargo has set for its own.
pub(crate) fn of_toolchain(toolchain: &str, program: &str) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", toolchain, program]).current_dir(root());
    for name in ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN"] {
        command.env_remove(name);
    }
    command
}

/// Steps that belong together, and how long each took.
pub(crate) struct Steps {
    what: &'static str,
    done: Vec<(String, Duration)>,
}

impl Steps {
    /// Begins; `what` names them all in the summary.
    pub(crate) fn new(what: &'static str) -> Self {
        Self { what, done: Vec::new() }
    }

    /// Runs a command as the step `name`.
    ///
    /// # Errors
    ///
    /// Fails when the command cannot be started or does not succeed; the error names the step.
    pub(crate) fn run(&mut self, name: impl Into<String>, command: &mut Command) -> Result<()> {
        let name = name.into();
        println!("\n==> {name}\n    {}", line(command));
        let started = Instant::now();
        let status = command.status().with_context(|| format!("{}: starting {name}", self.what))?;
        if !status.success() {
            bail!("{}: the step \"{name}\" failed ({status}): {}", self.what, line(command));
        }
        self.done.push((name, started.elapsed()));
        Ok(())
    }

    /// Runs a command as the step `name`, and returns what it printed; it is shown only if it failed.
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run).
    pub(crate) fn run_reading(
        &mut self,
        name: impl Into<String>,
        command: &mut Command,
    ) -> Result<String> {
        let name = name.into();
        println!("\n==> {name}\n    {}", line(command));
        let started = Instant::now();
        let output = command
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("{}: starting {name}", self.what))?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            println!("{printed}{}", String::from_utf8_lossy(&output.stderr));
            let status = output.status;
            bail!("{}: the step \"{name}\" failed ({status}): {}", self.what, line(command));
        }
        self.done.push((name, started.elapsed()));
        Ok(printed)
    }

    /// Prints what was done.
    pub(crate) fn summarize(&self) {
        println!("\n{}: all of it passed", self.what);
        for (name, took) in &self.done {
            println!("  {:>6.1} s  {name}", took.as_secs_f64());
        }
    }
}

/// Runs a command that is no step of its own, and shows it.
///
/// # Errors
///
/// Fails when the command cannot be started or does not succeed.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    println!("==> {}", line(command));
    let status = command.status().with_context(|| format!("starting {}", line(command)))?;
    if !status.success() {
        bail!("it failed ({status}): {}", line(command));
    }
    Ok(())
}

/// A command as one would type it, with the variables that were set for it.
fn line(command: &Command) -> String {
    let mut words = Vec::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            words.push(format!("{}={}", name.display(), quoted(value)));
        }
    }
    let program = PathBuf::from(command.get_program());
    words.push(program.file_name().unwrap_or(program.as_os_str()).display().to_string());
    words.extend(command.get_args().map(quoted));
    words.join(" ")
}

fn quoted(word: &OsStr) -> String {
    let word = word.display().to_string();
    if word.contains(' ') { format!("\"{word}\"") } else { word }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let mut command = Command::new("/some/where/cargo");
        command.args(["miri", "test"]).env("MIRIFLAGS", "-Za -Zb").env_remove("CARGO");
        assert_eq!(line(&command), "MIRIFLAGS=\"-Za -Zb\" cargo miri test");
    }

    #[test]
    fn a_failing_step_is_named() {
        let mut steps = Steps::new("test");
        let mut fine = cargo(["--version"]);
        steps.run("fine", fine.stdout(Stdio::null())).unwrap();
        let mut broken = cargo(["no-such-command"]);
        let error = steps.run("broken", broken.stderr(Stdio::null())).unwrap_err();
        assert!(error.to_string().contains("the step \"broken\" failed"), "{error}");
        assert_eq!(steps.done.len(), 1);
    }

    #[test]
    fn what_a_step_printed_can_be_read() {
        let mut steps = Steps::new("test");
        let printed = steps.run_reading("fine", &mut cargo(["--version"])).unwrap();
        assert!(printed.starts_with("cargo "), "{printed}");
        let error = steps.run_reading("broken", &mut cargo(["no-such-command"])).unwrap_err();
        assert!(error.to_string().contains("the step \"broken\" failed"), "{error}");
    }
}
