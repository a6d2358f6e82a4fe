//! `kubectl twp` as a person runs it: its codes and its forms; what `simulate` says of a small trace, and of what it cannot use.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "cli/convert.rs"]
mod convert;
#[path = "cli/docs.rs"]
mod docs;
#[expect(dead_code, reason = "the figures of the main job are not measured here")]
#[path = "support/figures.rs"]
mod figures;
#[path = "cli/init.rs"]
mod init;
#[path = "cli/krew.rs"]
mod krew;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

const POOL: &str = "\
apiVersion: taskworkerpool.dev/v1alpha1
kind: TaskWorkerPool
metadata:
  name: mail
spec:
  targetRef: {name: mail-worker}
  broker: {url: \"redis://redis:6379/0\"}
  target: {backlogPerReplica: 2}
  worker: {concurrency: 2}
  minReplicas: 2
  maxReplicas: 2
";

/// A folder of its own for each test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli").join(name);
        fs::create_dir_all(&path).unwrap();
        let folder = Self(path);
        folder.write("pool.yaml", POOL);
        // Eight tasks at once, for two replicas of two slots.
        folder.write(
            "trace.csv",
            &format!("arrival_seconds,duration_seconds\n{}", "100,10\n".repeat(8)),
        );
        folder
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }

    fn simulate(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_kubectl-twp"))
            .arg("simulate")
            .args(args)
            .current_dir(&self.0)
            .output()
            .unwrap()
    }

    fn says(&self, args: &[&str]) -> String {
        let output = self.simulate(args);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn complains(&self, args: &[&str]) -> String {
        let output = self.simulate(args);
        assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

/// The figures beside a name.
fn row<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let line = line.unwrap_or_else(|| panic!("no `{name}` in\n{text}"));
    line.split_whitespace().collect()
}

#[test]
fn a_small_trace_gives_the_figures_that_one_can_work_out() {
    let folder = Folder::new("figures");
    let text = folder.says(&["pool.yaml", "--trace", "trace.csv", "--late-after-seconds", "5"]);
    assert!(
        text.contains("mail on trace.csv: 8 tasks in 0 s, 10.00 s each"),
        "{text}"
    );
    assert!(text.contains("2 to 2 replicas with 2 slots"), "{text}");
    assert_eq!(row(&text, "tasks done"), ["8"]);
    // Two pods from the first arrival until ten minutes later.
    assert_eq!(row(&text, "pod-hours"), ["0.33"]);
    assert_eq!(row(&text, "wait p50, s"), ["10.0"]);
    assert_eq!(row(&text, "wait max, s"), ["10.0"]);
    assert_eq!(row(&text, "waited > 5 s, %"), ["50.00"]);
    assert_eq!(row(&text, "scaling actions"), ["0"]);
    assert_eq!(row(&text, "tasks killed"), ["0"]);
    // No replica can come or go, so no target costs another price.
    for target in ["15 s", "30 s", "60 s", "120 s", "300 s"] {
        assert_eq!(row(&text, target)[..3], ["0.33", "0.00", "10.0"], "{target}");
    }
}

#[test]
fn keda_stands_beside_the_pool_with_its_setting() {
    let folder = Folder::new("keda");
    folder.write(
        "pool.yaml",
        &POOL
            .replace("maxReplicas: 2", "maxReplicas: 9")
            .replace("minReplicas: 2", "minReplicas: 1"),
    );
    let args = [
        "pool.yaml",
        "--trace",
        "trace.csv",
        "--compare",
        "keda",
        "--html",
        "report.html",
    ];
    let text = folder.says(&args);
    assert!(text.contains("KEDA target 2 stock, 300 s: its target counts"), "{text}");
    assert_eq!(row(&text, "tasks done"), ["8", "8"]);
    assert_eq!(folder.says(&args), text, "the same seed gives the same answer");
    let html = fs::read_to_string(folder.0.join("report.html")).unwrap();
    assert_eq!(
        (html.matches("<figure>").count(), html.matches("<table>").count()),
        (3, 2)
    );
    assert!(html.contains("KEDA target 2 stock"), "{html}");
}

#[test]
fn a_maximum_that_is_too_low_is_told() {
    let folder = Folder::new("maximum");
    folder.write("trace.csv", "interval_start_seconds,count\n0,60\n60,60\n");
    let args = ["pool.yaml", "--trace", "trace.csv", "--mean-task-seconds", "30"];
    let text = folder.says(&args);
    assert!(text.contains("but `maxReplicas` is 2: raise it"), "{text}");
}

#[test]
fn counts_of_a_metrics_system_will_do() {
    let folder = Folder::new("counts");
    folder.write(
        "trace.csv",
        "interval_start_seconds,count\n1700000000,6\n1700000060,0\n",
    );
    let text = folder.says(&["pool.yaml", "--trace", "trace.csv", "--mean-task-seconds", "3"]);
    assert!(text.contains("6 tasks in 50 s, 3.00 s each"), "{text}");
}

#[test]
fn errors_name_file_line_and_fix() {
    let folder = Folder::new("errors");
    folder.write("bad.csv", "arrival_seconds,duration_seconds\n1,2\nsoon,2\n");
    folder.write("counts.csv", "arrival_seconds\n1\n");
    folder.write("limits.yaml", &POOL.replace("minReplicas: 2", "minReplicas: 3"));
    folder.write("broken.yaml", &POOL.replace("minReplicas: 2", "minReplicas: two"));
    folder.write("other.yaml", &POOL.replace("kind: TaskWorkerPool", "kind: Deployment"));
    folder.write("unknown.yaml", &POOL.replace("minReplicas: 2", "minReplica: 2"));
    let table: [(&[&str], &str); 14] = [
        (&["pool.yaml"], "--trace <FILE>"),
        (&["--trace", "trace.csv"], "<POOL.yaml>"),
        (
            &["pool.yaml", "--from-cluster", "mail"],
            "'[POOL.yaml]' cannot be used with '--from-cluster <POOL>'",
        ),
        (
            &["pool.yaml", "--trace", "trace.csv", "-n", "shop"],
            "--context, --namespace and --operator-namespace are for --from-cluster",
        ),
        (&["gone.yaml", "--trace", "trace.csv"], "gone.yaml: cannot be read: "),
        (&["pool.yaml", "--trace", "gone.csv"], "gone.csv: cannot be read: "),
        (
            &["pool.yaml", "--trace", "bad.csv"],
            "bad.csv: line 3, column `arrival_seconds`: `soon` is not a number",
        ),
        (
            &["pool.yaml", "--trace", "counts.csv"],
            "or give their mean duration with --mean-task-seconds",
        ),
        (
            &["limits.yaml", "--trace", "trace.csv"],
            "limits.yaml: line 10: `minReplicas` must be less than or equal to",
        ),
        (
            &["unknown.yaml", "--trace", "trace.csv"],
            "unknown.yaml: line 10: `spec.minReplica` is no field of a TaskWorkerPool",
        ),
        (&["broken.yaml", "--trace", "trace.csv"], "broken.yaml: "),
        (&["other.yaml", "--trace", "trace.csv"], "other.yaml: 0 objects"),
        (
            &["pool.yaml", "--trace", "trace.csv", "--start-up-seconds", "soon"],
            "give a number of seconds",
        ),
        (
            &["pool.yaml", "--trace", "trace.csv", "--html", "no/where.html"],
            "no/where.html: cannot be written",
        ),
    ];
    for (args, expected) in table {
        let found = folder.complains(args);
        assert!(found.contains(expected), "{args:?}: {found}");
    }
    assert!(
        folder
            .complains(&["broken.yaml", "--trace", "trace.csv"])
            .contains("line 10")
    );
}

/// Without a cluster there is no hour, and nothing is made up.
#[test]
fn the_hour_of_a_cluster_takes_a_cluster() {
    let folder = Folder::new("hour");
    folder.write("kubeconfig", "apiVersion: v1\nkind: Config\n");
    let output = Command::new(env!("CARGO_BIN_EXE_kubectl-twp"))
        .args(["simulate", "--from-cluster", "mail", "--context", "gone"])
        .env("KUBECONFIG", folder.0.join("kubeconfig"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("`--context gone` cannot be used") && output.stdout.is_empty(),
        "{text}"
    );
}

#[test]
fn what_the_docs_show_is_what_comes() {
    let page = include_str!("../docs/simulate.md");
    let after = |begin: &str| page.split_once(begin).unwrap().1.split_once("```").unwrap().0;
    let traces = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/traces");
    let folder = Folder::new("docs");
    folder.write("pool.yaml", after("```yaml\n"));
    let recorded = fs::read_to_string(traces.join("azure_llm_2023_code.csv")).unwrap();
    folder.write("arrivals.csv", &recorded);
    let (command, shown) = after("```console\n$ kubectl twp simulate ").split_once('\n').unwrap();
    let text = folder.says(&command.split(' ').collect::<Vec<_>>());
    // The page shows the program without the solver.
    let text = match text.split_once("Nobody starts") {
        Some((before, rest)) => format!("{before}{}", rest.split_once("\n\n").unwrap().1),
        None => text,
    };
    assert_eq!(text, shown);
    let command = after("```sh\nkubectl twp simulate ").trim();
    for trace in [after("```\narrival_seconds,"), after("```\ninterval_start_seconds,")] {
        let header = if trace.starts_with("duration") {
            "arrival"
        } else {
            "interval_start"
        };
        folder.write("arrivals.csv", &format!("{header}_seconds,{trace}"));
        folder.says(&command.split(' ').collect::<Vec<_>>());
    }
}

#[test]
fn the_long_help_shows_the_format_of_a_trace() {
    let folder = Folder::new("help");
    let text = folder.says(&["--help"]);
    for part in [
        "arrival_seconds,duration_seconds",
        "interval_start_seconds,count",
        "kubectl twp simulate",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
}

/// The program with these arguments.
fn plugin(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kubectl-twp"))
        .args(args)
        .output()
        .unwrap()
}

#[test]
fn a_mistake_ends_with_1_and_names_what_was_meant() {
    for (args, said) in [
        (&["simulat"][..], "'simulate'"),
        (&["simulate", "pool.yaml", "--trase", "x"], "'--trace'"),
        (&[], "Usage: kubectl twp"),
        (&["completions", "bsh"], "'bash'"),
        (&["man", "simulat"], "there is no command `simulat`"),
    ] {
        let output = plugin(args);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {text}");
        assert!(text.contains(said) && output.stdout.is_empty(), "{args:?}: {text}");
    }
}

#[test]
fn help_has_the_codes_and_examples() {
    let output = plugin(&["--help"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        text.contains("Ends with 0") && text.contains("Examples:\n  kubectl twp convert"),
        "{text}"
    );
    assert!(!text.contains("  man "), "{text}");
}

#[test]
fn a_shell_takes_the_completions() {
    let script = String::from_utf8(plugin(&["completions", "bash"]).stdout).unwrap();
    // Bash itself reads the script, and completes by it.
    let asks = "COMP_WORDS=(kubectl-twp sim); COMP_CWORD=1; _kubectl__twp kubectl-twp sim kubectl-twp; echo \"${COMPREPLY[@]}\"";
    let output = Command::new("bash")
        .args(["--norc", "-c", &format!("{script}\n{asks}")])
        .output()
        .unwrap();
    assert_eq!(
        (
            String::from_utf8(output.stdout).unwrap().trim(),
            String::from_utf8(output.stderr).unwrap().trim()
        ),
        ("simulate", "")
    );
    for shell in ["zsh", "fish", "powershell", "elvish"] {
        let script = String::from_utf8(plugin(&["completions", shell]).stdout).unwrap();
        assert!(
            script.contains("kubectl-twp") && script.contains("late-after-seconds"),
            "{shell}"
        );
    }
}

#[test]
fn there_is_a_manual_page_for_the_program_and_for_a_command() {
    for (args, parts) in [
        (&["man"][..], [".TH kubectl-twp 1", "simulate"]),
        (
            &["man", "simulate"],
            [".TH kubectl-twp-simulate 1", "arrival_seconds,duration_seconds"],
        ),
    ] {
        let page = String::from_utf8(plugin(args).stdout).unwrap();
        assert!(parts.iter().all(|part| page.contains(part)), "{args:?}: {page}");
    }
}

#[test]
fn a_program_gets_the_numbers_of_the_report() {
    let folder = Folder::new("values");
    let args = ["pool.yaml", "--trace", "trace.csv", "--late-after-seconds", "5", "-o"];
    let said = |form: &str| folder.says(&[&args[..], &[form]].concat());
    let value: Value = serde_json::from_str(&said("json")).unwrap();
    assert_eq!(value["pool"], "mail");
    assert_eq!(
        value["trace"],
        json!({"file": "trace.csv", "tasks": 8, "meanTaskSeconds": 10.0, "lastArrivalSeconds": 0.0})
    );
    let figures = &value["runs"][0]["figures"];
    assert_eq!((&figures["tasksDone"], &figures["lateShare"]), (&json!(8), &json!(0.5)));
    assert_eq!(figures["waitSeconds"]["max"], 10.0);
    assert_eq!(value["waitTargets"].as_array().map(Vec::len), Some(5));
    assert_eq!(serde_saphyr::from_str::<Value>(&said("yaml")).unwrap(), value);
}

/// The program in a folder: code, standard output, standard error.
fn run_in(folder: &Path, args: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kubectl-twp"))
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn lint_ends_with_2_for_errors_and_strictly_for_warnings() {
    let folder = Folder::new("lint");
    let run = |args: &[&str], input: &str| run_in(&folder.0, args, input);
    let good = POOL.replace("minReplicas: 2", "minReplicas: 1");
    let bad = POOL.replace("minReplicas: 2", "minReplicas: 3");
    // The pool of the other tests never changes its replicas, which makes its target idle.
    let told = "pool.yaml:8: warning: TaskWorkerPool/mail: `target` has no effect";
    let (code, text, _) = run(&["lint", "pool.yaml"], "");
    assert!(
        code == Some(0) && text.starts_with(told) && text.ends_with("\n1 pool: 0 errors, 1 warning\n"),
        "{code:?} {text}"
    );
    assert_eq!(run(&["lint", "pool.yaml", "--strict"], "").0, Some(2));
    assert_eq!(
        run(&["lint", "-", "--strict"], &good),
        (Some(0), "1 pool: 0 errors, 0 warnings\n".into(), String::new())
    );
    let (code, text, _) = run(&["lint", "-"], &bad);
    assert!(
        code == Some(2) && text.starts_with("-:10: error: TaskWorkerPool/mail: `minReplicas` must be less"),
        "{text}"
    );
    // Of a folder the manifests alone are taken.
    fs::create_dir_all(folder.0.join("deploy/deep")).unwrap();
    folder.write("deploy/deep/a.yml", &bad);
    folder.write(
        "deploy/b.json",
        &good
            .replace("name: mail", "name: post")
            .replace("mail-worker", "post-worker"),
    );
    folder.write("deploy/notes.txt", &bad);
    let (code, text, _) = run(&["lint", "deploy", "-o", "json"], "");
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (code, &value["pools"], &value["errors"]),
        (Some(2), &json!(2), &json!(1))
    );
    let first = &value["findings"][0];
    assert_eq!(
        (
            &first["file"],
            &first["line"],
            &first["field"],
            &first["severity"],
            &first["origin"]
        ),
        (
            &json!("deploy/deep/a.yml"),
            &json!(10),
            &json!("spec.minReplicas"),
            &json!("error"),
            &json!("apiServer")
        )
    );
    for (args, said) in [
        (&["lint"][..], "<FILE>..."),
        (&["lint", "gone.yaml"], "gone.yaml: cannot be read"),
        (&["lint", "empty"], "empty: no file that ends with .yaml"),
    ] {
        fs::create_dir_all(folder.0.join("empty")).unwrap();
        let (code, text, why) = run(args, "");
        assert!(
            code == Some(1) && text.is_empty() && why.contains(said),
            "{args:?}: {code:?} {why}"
        );
    }
}

#[test]
fn top_needs_a_terminal_and_names_what_does_not() {
    let folder = Folder::new("top");
    let (code, text, why) = run_in(&folder.0, &["top", "-A"], "");
    assert!(
        code == Some(1) && text.is_empty() && why.contains("needs a terminal") && why.contains("kubectl twp status"),
        "{code:?} {why}"
    );
    // It is no answer for a program, and neither is it one for all namespaces and for one.
    for args in [
        &["top", "-o", "json"][..],
        &["top", "mail", "-A"],
        &["top", "-A", "-n", "shop"],
        &["top", "--every", "0"],
    ] {
        assert_eq!(run_in(&folder.0, args, "").0, Some(1), "{args:?}");
    }
}
