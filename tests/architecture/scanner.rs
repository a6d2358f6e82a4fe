//! Reads the sources, and sees whom they name.

use super::table::{FRAMEWORKS, PURE, TABLE};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

/// A source file without its tests.
pub struct File {
    /// Below `src/`.
    pub path: String,
    /// Its lines, comments left out.
    pub lines: Vec<(usize, String)>,
    /// All lines, tests left out.
    pub length: usize,
    pub text: String,
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The source files of the library, without those that are compiled for tests only.
pub fn sources() -> Vec<File> {
    let files: Vec<_> = files("src")
        .iter()
        .filter(|path| !is_apart(path))
        .map(|path| read(path))
        .collect();
    assert!(files.len() > 50, "only {} files were found", files.len());
    files
}

/// All others: tests, what they need, and the programs; each with its number of lines.
pub fn tests() -> Vec<(String, usize)> {
    let apart = files("src").into_iter().filter(|path| is_apart(path));
    let length = |path: PathBuf| {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        (below("", &path), lines)
    };
    apart.chain(files("tests")).map(length).collect()
}

/// Not a part of the library as it is shipped. Fixtures and properties are declared under `#[cfg(test)]` like `tests`.
fn is_apart(path: &Path) -> bool {
    let apart = ["tests", "testdata", "fixture", "properties", "bin"];
    below("src", path)
        .split('/')
        .any(|name| apart.contains(&name.trim_end_matches(".rs")))
}

/// All Rust files below a folder.
fn files(folder: &str) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    found
}

/// The path as seen from a folder of the repository.
fn below(folder: &str, path: &Path) -> String {
    let inner = path.strip_prefix(root().join(folder)).unwrap();
    inner.to_str().unwrap().to_owned()
}

fn read(path: &Path) -> File {
    let text = fs::read_to_string(path).unwrap();
    let shipped = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    File {
        path: below("src", path),
        lines: joined(shipped),
        length: shipped.lines().count(),
        text: text.clone(),
    }
}

/// Lines without comments; a `use` that goes over several lines becomes one.
fn joined(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (at, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        // A URL in a string is no comment.
        let code = if line.contains("://") && !line.trim_start().starts_with("//") {
            line
        } else {
            code
        };
        match lines.last_mut() {
            Some((_, last)) if open => last.push_str(code.trim()),
            _ => lines.push((at + 1, code.to_owned())),
        }
        let last = lines
            .last()
            .map(|(_, last)| last.trim_start().to_owned())
            .unwrap_or_default();
        open = (last.starts_with("use ") || last.starts_with("pub use ") || last.starts_with("pub("))
            && last.contains("use ")
            && !last.contains(';');
    }
    lines
}

/// The first folder or file below `src/`; `lib.rs` is none.
pub fn module(path: &str) -> Option<&str> {
    let first = path.split('/').next()?;
    (first != "lib.rs").then(|| first.trim_end_matches(".rs"))
}

pub fn row(path: &str) -> Option<(&'static str, &'static [&'static str], &'static [&'static str])> {
    let own = module(path)?;
    TABLE.iter().find(|(name, ..)| *name == own).copied()
}

/// It must be pure.
pub fn must_be_pure(path: &str) -> bool {
    PURE.iter()
        .any(|pure| path == *pure || path.starts_with(&format!("{}/", pure.trim_end_matches(".rs"))))
}

/// It says that it is pure: the lint is switched on in the file, or in a module around it.
pub fn is_pure(path: &str) -> bool {
    static SAYS_SO: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let says_so = |file: &File| file.text.contains("\n#![deny(clippy::disallowed_methods)]");
        sources().into_iter().filter(says_so).map(|file| file.path).collect()
    });
    let mut around: Vec<String> = vec![path.to_owned()];
    let mut folder = Path::new(path).parent();
    while let Some(here) = folder.filter(|here| !here.as_os_str().is_empty()) {
        let here_text = here.to_str().unwrap();
        around.extend([format!("{here_text}/mod.rs"), format!("{here_text}.rs")]);
        folder = here.parent();
    }
    around.iter().any(|path| SAYS_SO.contains(path))
}

/// The own modules that a line names.
pub fn modules_in(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for prefix in ["crate::", "taskworkerpool::"] {
        for (at, _) in line.match_indices(prefix) {
            let rest = &line[at + prefix.len()..];
            match rest.strip_prefix('{') {
                Some(group) => found.extend(heads(group)),
                None => found.extend(head(rest)),
            }
        }
    }
    found
}

/// The first names of the items of a group, whatever is nested in them.
fn heads(group: &str) -> Vec<String> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, sign) in group.char_indices() {
        match sign {
            '{' => depth += 1,
            '}' if depth == 0 => {
                found.extend(head(&group[start..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.extend(head(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    found
}

/// The name at the beginning of a path, if it is a module's.
fn head(path: &str) -> Option<String> {
    let name: String = path
        .trim()
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    name.starts_with(|c: char| c.is_lowercase()).then_some(name)
}

/// The framework, or the library of one, that a line names as a word.
pub fn framework_in(line: &str) -> Option<&'static str> {
    let words = line.split(|sign: char| !sign.is_alphanumeric());
    let name = |word: &str| FRAMEWORKS.iter().find(|name| word.eq_ignore_ascii_case(name)).copied();
    words.filter_map(name).next()
}

/// The line has a path that begins with this crate's name. What is used of this house may have the same name.
pub fn names(line: &str, name: &str) -> bool {
    if ["use crate::", "use super::", "use self::"]
        .iter()
        .any(|own| line.contains(own))
    {
        return false;
    }
    line.match_indices(&format!("{name}::")).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    }) || line.trim() == format!("use {name};")
}
