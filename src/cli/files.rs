//! Texts of the files that a command is given.

use std::{
    fs,
    io::{Read, stdin},
    path::{Path, PathBuf},
};

/// Endings of the files that are taken from a folder.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// Text with the name of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Path, as a person would write it.
    pub name: String,
    /// Content.
    pub text: String,
}

/// Texts of files, of the files in folders, and of the standard input (`-`).
///
/// # Errors
/// Which path cannot be read, or has nothing to read.
pub fn texts(paths: &[PathBuf]) -> Result<Vec<File>, String> {
    let mut files = Vec::new();
    for path in paths {
        let before = files.len();
        match path.to_str() {
            Some("-") => files.push(from_stdin()?),
            _ => add(path, true, &mut files)?,
        }
        if files.len() == before {
            let path = path.display();
            return Err(format!(
                "{path}: no file that ends with .yaml, .yml or .json: give the path of manifests"
            ));
        }
    }
    Ok(files)
}

/// Text of one file.
///
/// # Errors
/// Why it cannot be read.
pub fn text(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| unreadable(path, &error))
}

fn add(path: &Path, named: bool, files: &mut Vec<File>) -> Result<(), String> {
    if path.is_dir() {
        let entries = fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut inner: Vec<_> = entries
            .map_err(|error| unreadable(path, &error))?
            .iter()
            .map(|entry| entry.path())
            .collect();
        inner.sort();
        // A folder that a link leads to may be one that is being walked.
        inner.retain(|path| !path.is_symlink() || path.is_file());
        return inner.iter().try_for_each(|path| add(path, false, files));
    }
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    if named || ENDINGS.contains(&ending) {
        files.push(File {
            name: path.display().to_string(),
            text: text(path)?,
        });
    }
    Ok(())
}

fn from_stdin() -> Result<File, String> {
    let mut text = String::new();
    let read = stdin().read_to_string(&mut text);
    read.map_err(|error| format!("the standard input cannot be read: {error}; give a text"))?;
    Ok(File { name: "-".into(), text })
}

fn unreadable(path: &Path, error: &std::io::Error) -> String {
    let path = path.display();
    format!("{path}: cannot be read: {error}; give the path of a text file")
}
