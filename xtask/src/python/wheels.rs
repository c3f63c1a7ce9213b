//! `cargo xtask wheels`: a wheel for every Python that is here, and the source distribution.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::python::interpreters::{Python, VERSIONS, written};
use crate::python::{self, Environment};
use crate::step::{self, Steps};

/// What to do beside building them.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Also install each in an environment of its own, and have it say that it works there.
    #[arg(long)]
    check: bool,
}

/// One of the files that are to be published.
struct Built {
    file: PathBuf,
    /// The Python that it is built for; none for what is built where it is installed.
    python: Option<Python>,
}

/// Builds them into `target/python/dist`.
///
/// # Errors
///
/// Fails with the first that does not build, or that does not work where it was installed.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    ensure!(python::is_there(), "there is no wheel to build in this checkout");
    let mut steps = Steps::new("cargo xtask wheels");
    let pythons = Python::all();
    let tools = Environment::for_building(&mut steps)?;
    let folder = step::target().join("python/dist");
    if folder.exists() {
        fs::remove_dir_all(&folder).context("removing what an earlier run has built")?;
    }

    let mut built: Vec<Built> = Vec::new();
    for python in pythons {
        let mut command = tools.maturin("build", &folder);
        command.args(["--release", "--interpreter"]).arg(&python.program);
        steps.run(format!("the wheel for {}", python.named), &mut command)?;
        built.push(Built { file: new_file(&folder, &built)?, python: Some(python) });
    }
    steps.run("the source distribution", &mut tools.maturin("sdist", &folder))?;
    built.push(Built { file: new_file(&folder, &built)?, python: None });

    if arguments.check {
        for one in &built {
            check(&mut steps, one)?;
        }
    }
    steps.summarize();
    print_table(&built)
}

/// The file that a step has added to the folder.
fn new_file(folder: &Path, known: &[Built]) -> Result<PathBuf> {
    let files = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    files
        .map(|file| Ok(file?.path()))
        .find(|file| !matches!(file, Ok(file) if known.iter().any(|built| built.file == *file)))
        .context("the step built no file of its own")?
}

/// Installs one of them where nothing else is, with all that it asks for, and runs its own check.
fn check(steps: &mut Steps, built: &Built) -> Result<()> {
    let python = built.python.clone().map_or_else(Python::find, Ok)?;
    let name = file_name(&built.file);
    let environment = Environment::empty(steps, &python, "check")?;
    let mut install = environment.pip(["install", "--quiet"]);
    // Away from the checkout, which a source distribution has to do without.
    install.current_dir(step::target()).env_remove("CARGO_TARGET_DIR").arg(&built.file);
    steps.run(format!("{name} is installed"), &mut install)?;
    let mut check = environment.python(["-m", "hereafter", "--check"]);
    steps.run(format!("{name} works"), check.current_dir(step::target()))
}

fn print_table(built: &[Built]) -> Result<()> {
    println!("\n{:<60} {:>9}  for", "in target/python/dist", "KiB");
    for one in built {
        let size = fs::metadata(&one.file).context("asking for the size of what was built")?.len();
        let name = file_name(&one.file);
        let python = one.python.as_ref().map_or("any of them, with Rust", |python| &python.named);
        println!("{name:<60} {:>9}  {python}", size.div_ceil(1024));
    }
    let has = |version: &str| {
        built.iter().flat_map(|one| &one.python).any(|python| python.version() == version)
    };
    for version in VERSIONS.map(written).iter().filter(|version| !has(version)) {
        println!(
            "No wheel for CPython {version}: it is not here. It is found as `python{version}` in \
             PATH, or when pyenv has it (`pyenv install {version}`)."
        );
    }
    Ok(())
}

fn file_name(file: &Path) -> String {
    file.file_name().unwrap_or(file.as_os_str()).display().to_string()
}
