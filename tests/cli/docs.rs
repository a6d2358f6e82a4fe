//! The pages about the plugin: `docs/plugin.md` shows what comes, and `docs/reference/plugin.md` is what the program's own
//! arguments say.

use std::{fs, path::Path, process::Command};

use clap::CommandFactory;
use taskworkerpool::cli::Args;

use super::Folder;

/// A page of `docs/`, as it is and as it ought to be; `UPDATE=1` writes it.
fn compare(page: &str, wanted: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, wanted).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        found, wanted,
        "{page} is out of date: UPDATE=1 cargo test --all-features --test cli docs::"
    );
}

#[test]
fn the_flags_on_the_page_are_the_programs() {
    let mut page = String::from(
        "# Flags of the plugin\n\nWhat [`kubectl twp`](../plugin.md) takes. `tests/cli/docs.rs` makes this page from the program's own arguments.\n",
    );
    let mut program = Args::command();
    program.build();
    for command in program
        .get_subcommands()
        .filter(|command| !command.is_hide_set() && command.get_name() != "help")
    {
        let about = command.get_about().unwrap().to_string();
        page += &format!(
            "\n## {}\n\n{about}.\n\n| | default | what |\n|---|---|---|\n",
            command.get_name()
        );
        for arg in command
            .get_arguments()
            .filter(|arg| arg.get_id() != "help" && !arg.is_hide_set())
        {
            let values: Vec<_> = arg
                .get_possible_values()
                .iter()
                .map(|value| value.get_name().to_owned())
                .collect();
            let takes = arg.get_action().takes_values();
            let value = match values.is_empty() {
                true => arg.get_value_names().unwrap_or_default().join(" "),
                false => values.join(", "),
            };
            let name = match (arg.get_short(), arg.get_long()) {
                (Some(short), Some(long)) => format!("`-{short}`, `--{long}`"),
                (_, Some(long)) => format!("`--{long}`"),
                _ => String::new(),
            };
            let value = if takes { format!("`{value}`") } else { String::new() };
            let default: Vec<_> = arg
                .get_default_values()
                .iter()
                .map(|value| format!("`{}`", value.to_string_lossy()))
                .collect();
            let default = if takes { default.join(" ") } else { String::new() };
            let name = [name, value].join(" ");
            page += &format!("| {} | {default} | {} |\n", name.trim(), arg.get_help().unwrap());
        }
    }
    compare("docs/reference/plugin.md", &page);
}

/// What stands above a block that is run here.
const RUN: &str = "<!-- run: tests/cli/docs.rs -->\n";

/// Blocks of a page, each with its language and its lines.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    let parts: Vec<_> = page.split("```").collect();
    parts
        .iter()
        .skip(1)
        .step_by(2)
        .filter_map(|block| block.split_once('\n'))
        .collect()
}

#[test]
fn what_the_page_shows_is_what_comes() {
    let path = "docs/plugin.md";
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let folder = Folder::new("plugin");
    let mut manifests = blocks(&page).into_iter().filter(|(language, _)| *language == "yaml");
    for name in ["pdf.yaml", "pool.yaml", "deployment.yaml", "scaledobject.yaml"] {
        folder.write(name, manifests.next().unwrap().1);
    }
    let mut wanted = page.clone();
    let is_run = |block: &str| page.contains(&format!("{RUN}```console\n{block}"));
    for (_, block) in blocks(&page)
        .into_iter()
        .filter(|(language, block)| *language == "console" && is_run(block))
    {
        let mut shown = String::new();
        for command in block.lines().filter_map(|line| line.strip_prefix("$ ")) {
            let program = env!("CARGO_BIN_EXE_kubectl-twp");
            let script = format!("kubectl() {{ shift; {program} \"$@\"; }}\n{command}");
            let output = Command::new("bash")
                .args(["-c", &script])
                .current_dir(&folder.0)
                .output()
                .unwrap();
            assert!(output.stderr.is_empty(), "{command}: {output:?}");
            shown += &format!("$ {command}\n{}", String::from_utf8(output.stdout).unwrap());
        }
        wanted = wanted.replacen(
            &format!("```console\n{block}```"),
            &format!("```console\n{shown}```"),
            1,
        );
    }
    compare(path, &wanted);
    // The pools that convert writes there are good, and say what the page about KEDA says.
    let yaml = fs::read_to_string(folder.0.join("pools.yaml")).unwrap();
    assert!(
        yaml.contains("idleSeconds: 120") && yaml.contains("mode: Observe"),
        "{yaml}"
    );
}
