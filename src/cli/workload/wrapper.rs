//! Programs that run another one: shells, small init processes, runners of virtual environments.
#![deny(clippy::disallowed_methods)]

use super::shell::{self, Lookup};

/// Number of wrappers around a program that are looked through.
pub(super) const DEEPEST: usize = 12;

/// Command behind all wrappers.
pub(super) struct Simple {
    pub(super) words: Vec<String>,
    /// Whether a shell has started it.
    pub(super) in_shell: bool,
    /// Whether it takes the shell's place (`exec`).
    pub(super) replaces: bool,
}

const SHELLS: [&str; 6] = ["sh", "bash", "dash", "ash", "zsh", "ksh"];

/// Wrapper: its words, the options that take a value, and the number of words of its own before the program.
struct Wrapper {
    words: &'static [&'static str],
    valued: &'static [&'static str],
    own: usize,
}

const fn wrapper(words: &'static [&'static str], valued: &'static [&'static str], own: usize) -> Wrapper {
    Wrapper { words, valued, own }
}

const WRAPPERS: &[Wrapper] = &[
    wrapper(&["tini"], &["-p", "-e"], 0),
    wrapper(&["tini-static"], &["-p", "-e"], 0),
    wrapper(&["dumb-init"], &["-r", "--rewrite"], 0),
    wrapper(&["catatonit"], &[], 0),
    wrapper(&["docker-init"], &[], 0),
    wrapper(&["su-exec"], &[], 1),
    wrapper(&["gosu"], &[], 1),
    wrapper(&["setpriv"], &["--reuid", "--regid"], 0),
    wrapper(&["nice"], &["-n", "--adjustment"], 0),
    wrapper(&["ionice"], &["-c", "-n"], 0),
    wrapper(&["nohup"], &[], 0),
    wrapper(&["stdbuf"], &["-o", "-e", "-i"], 0),
    wrapper(&["timeout"], &["-s", "-k", "--signal", "--kill-after"], 1),
    wrapper(&["env"], &["-u", "-C"], 0),
    wrapper(&["poetry", "run"], &[], 0),
    wrapper(
        &["uv", "run"],
        &[
            "--with",
            "--env-file",
            "--group",
            "--extra",
            "--package",
            "--project",
            "--directory",
            "-p",
            "--python",
        ],
        0,
    ),
    wrapper(&["pipenv", "run"], &[], 0),
    wrapper(&["pdm", "run"], &["-p", "--project"], 0),
    wrapper(&["rye", "run"], &[], 0),
    wrapper(&["hatch", "run"], &[], 0),
    wrapper(&["pixi", "run"], &["-e", "--environment"], 0),
    wrapper(&["conda", "run"], &["-n", "-p", "--name", "--prefix"], 0),
    wrapper(&["micromamba", "run"], &["-n", "-p"], 0),
    wrapper(
        &["opentelemetry-instrument"],
        &["--traces_exporter", "--metrics_exporter", "--service_name"],
        0,
    ),
    wrapper(&["newrelic-admin", "run-program"], &[], 0),
    wrapper(&["ddtrace-run"], &[], 0),
    wrapper(&["doppler", "run"], &["-p", "-c", "--project", "--config"], 0),
    wrapper(&["infisical", "run"], &["--env", "--path", "--projectId"], 0),
    wrapper(&["op", "run"], &["--env-file"], 0),
    wrapper(&["dotenv"], &["-f", "--file"], 0),
    wrapper(&["chamber", "exec"], &[], 0),
    wrapper(
        &["dockerize"],
        &["-wait", "-timeout", "-template", "-stdout", "-stderr"],
        0,
    ),
    wrapper(
        &["watchmedo", "auto-restart"],
        &["-d", "-p", "--directory", "--pattern", "--patterns", "-i"],
        0,
    ),
    wrapper(&["coverage", "run"], &["--source", "--rcfile"], 0),
    wrapper(&["bundle", "exec"], &[], 0),
    wrapper(&["npx"], &[], 0),
];

/// Commands behind all wrappers around a command: several, if it is a script.
pub(super) fn unwrapped(words: &[String], lookup: Lookup, depth: usize) -> Vec<Simple> {
    let Some(name) = words.first().map(|word| base(word)).filter(|_| depth > 0) else {
        return Vec::new();
    };
    let rest = words.get(1..).unwrap_or_default();
    if name == "busybox" {
        return unwrapped(rest, lookup, depth - 1);
    }
    if SHELLS.contains(&name) {
        return in_shell(rest, lookup, depth);
    }
    if name == "exec" {
        let mut inner = unwrapped(rest, lookup, depth - 1);
        inner.iter_mut().for_each(|simple| simple.replaces = true);
        return inner;
    }
    if let Some(inner) = WRAPPERS.iter().find_map(|wrapper| behind(words, wrapper)) {
        return unwrapped(&inner, lookup, depth - 1);
    }
    if name == "watchfiles"
        && let Some(inner) = rest.iter().find(|word| word.contains(' '))
    {
        return scripted(inner, lookup, depth);
    }
    if let Some(inner) = behind_script(name, rest) {
        return unwrapped(inner, lookup, depth - 1);
    }
    vec![Simple {
        words: words.to_vec(),
        in_shell: false,
        replaces: false,
    }]
}

/// Last part of a path.
pub(super) fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// Commands of a shell: of its script, or of the file that it is given with the words after it.
fn in_shell(rest: &[String], lookup: Lookup, depth: usize) -> Vec<Simple> {
    let mut at = 0;
    let mut script = false;
    while let Some(word) = rest.get(at).filter(|word| word.starts_with(['-', '+'])) {
        let is_long = word.starts_with("--");
        script |= !is_long && word.contains('c');
        // `-o pipefail`, also as the last letter of several.
        at += 1 + usize::from(!is_long && word.ends_with('o'));
    }
    match (script, rest.get(at)) {
        (true, Some(script)) => scripted(script, lookup, depth),
        (false, Some(_)) => unwrapped(rest.get(at..).unwrap_or_default(), lookup, depth - 1),
        (_, None) => Vec::new(),
    }
}

fn scripted(script: &str, lookup: Lookup, depth: usize) -> Vec<Simple> {
    let commands = shell::commands(script, lookup).into_iter();
    commands
        .flat_map(|words| unwrapped(&words, lookup, depth - 1))
        .map(|simple| Simple {
            in_shell: true,
            ..simple
        })
        .collect()
}

/// Program behind a wrapper.
fn behind(words: &[String], wrapper: &Wrapper) -> Option<Vec<String>> {
    let (first, others) = wrapper.words.split_first()?;
    let named = base(words.first()?) == *first;
    let mut rest = words.get(1..)?;
    if !named {
        return None;
    }
    for other in others {
        // Options may stand between `poetry` and `run`.
        let at = rest.iter().position(|word| word == other)?;
        rest = rest.get(at + 1..)?;
    }
    let mut own = wrapper.own;
    let mut at = 0;
    while let Some(word) = rest.get(at) {
        let word = word.as_str();
        if word == "--" {
            at += 1;
            break;
        }
        let assigns = word.split_once('=').is_some_and(|(name, _)| shell::is_name(name));
        if word.starts_with('-') {
            at += 1 + usize::from(wrapper.valued.contains(&word));
        } else if assigns || ["run", "exec"].contains(&word) {
            at += 1;
        } else if own > 0 {
            own -= 1;
            at += 1;
        } else {
            break;
        }
    }
    // `chamber exec service -- program`.
    if let Some(end) = rest
        .iter()
        .position(|word| word == "--")
        .filter(|end| *end >= at && wrapper.words == ["chamber", "exec"])
    {
        at = end + 1;
    }
    let inner = rest.get(at..)?;
    let is_python = wrapper.words == ["coverage", "run"];
    let python = is_python.then(|| "python".to_owned());
    let module = is_python && rest.get(..at)?.iter().any(|word| word == "-m");
    let module = module.then(|| "-m".to_owned());
    Some(python.into_iter().chain(module).chain(inner.iter().cloned()).collect())
}

/// What a start script is given, if that is a command: `/entrypoint.sh celery worker`, `wait-for-it.sh db:5432 -- celery worker`.
fn behind_script<'a>(name: &str, rest: &'a [String]) -> Option<&'a [String]> {
    let starts =
        name.contains("entrypoint") || name.ends_with(".sh") || name.starts_with("wait-for") || name == "launcher";
    let after = rest.iter().position(|word| word == "--").map_or(0, |at| at + 1);
    let inner = rest.get(after..)?;
    let is_program = inner.first().is_some_and(|word| !word.starts_with('-'));
    (starts && is_program).then_some(inner)
}
