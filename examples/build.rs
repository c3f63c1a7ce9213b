//! Embeds the project's documentation into `linkcheck`, which serves it when it is given no
//! argument: README and changelog, everything under `docs/`, and every file of the repository that
//! one of these links to, so that such links can be followed too.
//!
//! A link to a file that is not there is left as it is: finding it is the program's job.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::{env, fs, io};

use pulldown_cmark::{Event, Parser, Tag};

fn main() -> io::Result<()> {
    let package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let root = package.parent().expect("the package lies in the workspace").to_owned();

    let mut embedded = Embedded::new(root);
    for start in ["README.md", "CHANGELOG.md"] {
        embedded.rerun_if_changed(Path::new(start));
        if embedded.root.join(start).is_file() {
            embedded.add(Path::new(start))?;
        }
    }
    embedded.rerun_if_changed(Path::new("docs"));
    embedded.add_folder(Path::new("docs"))?;

    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    fs::write(out.join("embedded.rs"), embedded.to_rust())
}

/// What goes into the program. Paths are relative to the root of the workspace.
struct Embedded {
    root: PathBuf,
    files: BTreeSet<PathBuf>,
    folders: BTreeMap<PathBuf, BTreeSet<String>>,
}

impl Embedded {
    fn new(root: PathBuf) -> Self {
        Self { root, files: BTreeSet::new(), folders: BTreeMap::new() }
    }

    fn rerun_if_changed(&self, path: &Path) {
        println!("cargo::rerun-if-changed={}", self.root.join(path).display());
    }

    /// Adds everything beneath a folder.
    fn add_folder(&mut self, folder: &Path) -> io::Result<()> {
        let Ok(entries) = fs::read_dir(self.root.join(folder)) else { return Ok(()) };
        for entry in entries {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                self.add_folder(&path)?;
            } else {
                self.add(&path)?;
            }
        }
        Ok(())
    }

    /// Adds a file and, for a document, what it links to.
    fn add(&mut self, file: &Path) -> io::Result<()> {
        if !self.files.insert(file.to_owned()) {
            return Ok(());
        }
        self.rerun_if_changed(file);
        if file.extension().is_none_or(|extension| extension != "md") {
            return Ok(());
        }
        let text = fs::read_to_string(self.root.join(file))?;
        for link in links(&text) {
            let Some(target) = inside(file, &link) else { continue };
            let on_disk = self.root.join(&target);
            if on_disk.is_dir() {
                self.list(&target)?;
            } else if on_disk.is_file() {
                self.add(&target)?;
            } else {
                // Once it is there, it has to be embedded.
                self.rerun_if_changed(&target);
            }
        }
        Ok(())
    }

    /// Notes the names in a folder, for the page that stands for it.
    fn list(&mut self, folder: &Path) -> io::Result<()> {
        let readme = folder.join("README.md");
        if self.root.join(&readme).is_file() {
            return self.add(&readme);
        }
        let mut names = BTreeSet::new();
        for entry in fs::read_dir(self.root.join(folder))? {
            names.insert(entry?.file_name().to_string_lossy().into_owned());
        }
        self.folders.insert(folder.to_owned(), names);
        Ok(())
    }

    fn to_rust(&self) -> String {
        let file = |file: &PathBuf| {
            let on_disk = self.root.join(file);
            format!("({:?}, include_bytes!({:?})),", slashes(file), on_disk.to_string_lossy())
        };
        let folder = |(folder, names): (&PathBuf, &BTreeSet<String>)| {
            format!("({:?}, &{:?}),", slashes(folder), names.iter().collect::<Vec<_>>())
        };
        let files: Vec<_> = self.files.iter().map(file).collect();
        let folders: Vec<_> = self.folders.iter().map(folder).collect();
        format!(
            "const FILES: &[(&str, &[u8])] = &[{}];\n\
             const FOLDERS: &[(&str, &[&str])] = &[{}];\n",
            files.join("\n"),
            folders.join("\n")
        )
    }
}

/// The addresses that a document links to.
fn links(markdown: &str) -> Vec<String> {
    Parser::new(markdown)
        .filter_map(|event| match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                Some(dest_url.into_string())
            }
            _ => None,
        })
        .collect()
}

/// The path in the repository that a link in `file` leads to; none if it leads elsewhere.
fn inside(file: &Path, link: &str) -> Option<PathBuf> {
    let link = link.split(['#', '?']).next().unwrap_or_default();
    if link.is_empty() || link.contains(':') || link.starts_with('/') {
        return None;
    }
    let mut path = file.parent()?.to_owned();
    for part in Path::new(link).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            // Above the root of the workspace there is nothing of ours.
            Component::ParentDir => path.pop().then_some(())?,
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(path)
}

fn slashes(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}
