//! The tests and scripts that there are, found in their sources.
//!
//! A Rust test is named by its target and its modules, as cargo names it: `rfc9293::open::a_test` lies below `tests/tests/`,
//! `lendwire::tcp::rtt::tests::a_test` in the stack. Modules are followed from the root of each target through their `mod`
//! lines, so a file that is not compiled holds no test. What is read is formatted code: a module ends at the brace that is
//! indented as its first line is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

/// The libraries whose unit tests may be named: the name of each, and its root below the workspace.
const LIBRARIES: [(&str, &str); 3] =
    [("lendwire", "stack/src/lib.rs"), ("lendwire_nic", "nic/src/lib.rs"), ("lendwire_tests", "tests/src/lib.rs")];

/// Where targets of tests and scripts are.
const TARGETS: &str = "tests/tests";
const PACKAGE: &str = "tests";
const SCRIPTS: &str = "scripts";

/// Everything that can show something.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// Tests, and the file of each below the workspace.
    tests: BTreeMap<String, String>,
    ignored: BTreeSet<String>,
    /// Below `tests/`.
    scripts: BTreeSet<String>,
}

/// What stands behind a name. Files are below the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A test that runs.
    Test(String),
    /// A script that passes.
    Script(String),
    /// A right script that the stack fails.
    DueScript(String),
    /// A script that is made to fail.
    WrongScript,
    /// A test that is not run.
    Ignored,
    /// Nothing, but perhaps a test of this name elsewhere.
    Nothing(Option<String>),
}

impl Evidence {
    /// Reads the sources of the workspace at `root`.
    ///
    /// # Errors
    /// When a folder or file cannot be read.
    pub fn find(root: &Path) -> io::Result<Evidence> {
        let mut evidence = Evidence::default();
        for (name, file) in LIBRARIES {
            evidence.add_target(root, name, &root.join(file))?;
        }
        for entry in fs::read_dir(root.join(TARGETS))? {
            let path = entry?.path();
            let file = if path.is_dir() { path.join("main.rs") } else { path.clone() };
            if let Some(name) = path.file_stem().and_then(|name| name.to_str()).filter(|_| file.is_file()) {
                evidence.add_target(root, name, &file)?;
            }
        }
        evidence.add_scripts(&root.join(PACKAGE), &root.join(PACKAGE).join(SCRIPTS))?;
        Ok(evidence)
    }

    /// What stands behind a name in a row.
    pub fn look_up(&self, name: &str) -> Found {
        if let Some(file) = self.tests.get(name) {
            return if self.ignored.contains(name) { Found::Ignored } else { Found::Test(file.clone()) };
        }
        if !self.scripts.contains(name) {
            return Found::Nothing(self.like(name));
        }
        let file = format!("{PACKAGE}/{name}");
        match name.split('/').nth(1) {
            Some("wrong") => Found::WrongScript,
            Some("due") => Found::DueScript(file),
            Some(_) | None => Found::Script(file),
        }
    }

    /// How many tests and scripts there are.
    pub fn count(&self) -> (usize, usize) {
        (self.tests.len(), self.scripts.len())
    }

    /// Something whose last part is the same: what moved keeps that.
    fn like(&self, name: &str) -> Option<String> {
        let last = |name: &str| name.rsplit(['/', ':']).next().map(str::to_owned);
        let all = self.tests.keys().chain(&self.scripts);
        all.filter(|other| last(other) == last(name)).map(String::clone).next()
    }

    fn add_target(&mut self, root: &Path, name: &str, file: &Path) -> io::Result<()> {
        let folder = file.parent().unwrap_or(root).to_path_buf();
        let mut todo = vec![(name.to_owned(), file.to_path_buf(), folder)];
        while let Some((module, file, folder)) = todo.pop() {
            let text = fs::read_to_string(&file)?;
            let shown = file.strip_prefix(root).unwrap_or(&file).to_string_lossy().into_owned();
            for item in items(&text) {
                match item {
                    Item::Test { path, is_ignored } => {
                        let name = format!("{module}::{path}");
                        if is_ignored {
                            self.ignored.insert(name.clone());
                        }
                        self.tests.insert(name, shown.clone());
                    }
                    Item::Module(path) => {
                        let below = folder.join(path.replace("::", "/"));
                        let candidates = [below.with_extension("rs"), below.join("mod.rs")];
                        let found = candidates.into_iter().find(|candidate| candidate.is_file());
                        todo.extend(found.map(|file| (format!("{module}::{path}"), file, below)));
                    }
                }
            }
        }
        Ok(())
    }

    fn add_scripts(&mut self, base: &Path, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                self.add_scripts(base, &path)?;
            } else if path.extension().is_some_and(|extension| extension == "pkt") {
                self.scripts.insert(path.strip_prefix(base).unwrap_or(&path).to_string_lossy().into_owned());
            }
        }
        Ok(())
    }
}

/// What a source has for us; paths are within the file.
#[derive(Debug, PartialEq, Eq)]
enum Item {
    Test {
        path: String,
        is_ignored: bool,
    },
    /// A module in a file of its own.
    Module(String),
}

fn items(text: &str) -> Vec<Item> {
    let mut found = Vec::new();
    // The modules we are in, and how far each is indented.
    let mut modules: Vec<(usize, &str)> = Vec::new();
    // The attributes since the last item.
    let (mut is_test, mut is_ignored) = (false, false);
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let words = line.trim();
        let path = |name: &str| modules.iter().map(|(_, module)| *module).chain([name]).collect::<Vec<_>>().join("::");
        if words == "}" && modules.last().is_some_and(|(depth, _)| *depth == indent) {
            modules.pop();
        } else if words == "#[test]" {
            is_test = true;
        } else if words.starts_with("#[ignore") {
            is_ignored = true;
        } else if let Some(name) = named(words, "fn ") {
            if is_test {
                found.push(Item::Test { path: path(name), is_ignored });
            }
            (is_test, is_ignored) = (false, false);
        } else if let Some(name) = named(words, "mod ") {
            if words.ends_with(';') {
                found.push(Item::Module(path(name)));
            } else if words.ends_with('{') {
                modules.push((indent, name));
            }
        }
    }
    found
}

/// The name behind `keyword`, if a line begins with that, after what says who may see it.
fn named<'a>(line: &'a str, keyword: &str) -> Option<&'a str> {
    let line = match line.strip_prefix("pub(") {
        Some(rest) => rest.split_once(") ")?.1,
        None => line.strip_prefix("pub ").unwrap_or(line),
    };
    let rest = line.strip_prefix(keyword)?;
    let end = rest.find(|it: char| !it.is_alphanumeric() && it != '_').unwrap_or(rest.len());
    (end > 0).then_some(&rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(path: &str) -> Item {
        Item::Test { path: path.into(), is_ignored: false }
    }

    #[test]
    fn only_functions_that_are_tests_are_found() {
        let text = "fn helper() {\n}\n\n#[test]\n#[should_panic]\nfn a_test() {\n}\n\npub fn other() {\n}\n";
        assert_eq!(items(text), [test("a_test")]);
    }

    #[test]
    fn a_test_is_named_with_the_modules_around_it() {
        let text = "mod a {\n    mod b {\n        #[test]\n        fn x() {\n        }\n    }\n    #[test]\n    fn y() {\n    }\n}\n\
                    #[test]\nfn z() {}\n";
        assert_eq!(items(text), [test("a::b::x"), test("a::y"), test("z")]);
    }

    #[test]
    fn modules_in_files_are_followed_and_comments_are_not() {
        let text = "mod a;\npub(crate) mod b;\n// mod c;\n// #[test]\nfn d() {}\n";
        assert_eq!(items(text), [Item::Module("a".into()), Item::Module("b".into())]);
    }

    #[test]
    fn what_is_ignored_is_told_apart() {
        let text = "#[test]\n#[ignore = \"slow\"]\nfn a() {}\n#[test]\nfn b() {}\n";
        assert_eq!(items(text), [Item::Test { path: "a".into(), is_ignored: true }, test("b")]);
    }
}
