#!/usr/bin/env python3
"""Checks README.md and docs/ against themselves and against the code. Standard library only.

    check.py              all checks, and whether each of them notices a fault that is planted for it; figures in target/figures/install.json
    check.py --write      makes docs/reference/crd.md and api.md anew
    check.py --pools DIR  writes each manifest of a pool into a file of its own: tests/contract/served.py has them applied
"""

import fcntl
import json
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import api
import crd
import planted
from checklist import checklist, count
from conventions import conventions

ROOT = pathlib.Path(__file__).resolve().parents[2]
MOST_LINES, MOST_WORDS = 130, 1000
SHELL = ("sh", "bash", "shell", "console")
# Words of ours for which Kubernetes and Celery have words of their own: drain, stop consuming, heartbeat, is removed, suspended.
NOT_OURS = re.compile(r"\bworks? (\w+ )?off\b|\bfetch(es)? no more\b|\bbeats\b|\bhands off\b", re.I)
# Capital words between quotes in the files below that are no reasons: types of conditions come from the code itself.
NO_REASONS = {"True", "False", "References", "Deployment", "TaskWorkerPool", "Scale", "ProgressDeadlineExceeded", "Progressing",
              "ReplicaFailure", "Celery", "Taskiq", "Unknown"}


# Their links are checked, too.
OTHER_PAGES = ("charts/twp-operator/README.md", "deploy/examples/README.md", "tests/testbed/README.md", "tests/traces/README.md")
# Of a Deployment and its pods, and a file.
OTHERS_FIELDS = {"spec.replicas", "spec.hostname", "celery.py"}


class Tree:
    """Files of the repository, some of them perhaps changed."""

    def __init__(self, changed=()):
        self.changed = dict(changed)

    def read(self, path):
        return self.changed[path] if path in self.changed else (ROOT / path).read_text()

    def exists(self, path):
        return path in self.changed or (ROOT / path).exists()

    def files(self, *patterns):
        found = {str(path.relative_to(ROOT)) for pattern in patterns for path in ROOT.glob(pattern)}
        return sorted(found | {path for path in self.changed if any(pathlib.PurePath(path).match(p) for p in patterns)})

    def sources(self, *patterns):
        """Rust code without its tests."""
        for path in self.files(*patterns):
            if not re.search(r"(^|/)(tests?|fixture|properties|testdata)(/|\.rs$)", path):
                yield path, self.read(path).split("#[cfg(test)]\nmod tests {")[0]

    def pages(self):
        return self.files("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/*.md", "docs/*/*.md")


class Block:
    """A fenced block: its language, its lines, the line above it and where it begins."""

    def __init__(self, page, number, language, above):
        self.page, self.number, self.language, self.above, self.lines = page, number, language, above, []

    def where(self):
        return f"{self.page}:{self.number}"


def split(page, text):
    """The prose, line by line (blocks left empty), and the blocks."""
    prose, blocks, fence, above = [], [], None, ""
    for number, line in enumerate(text.splitlines(), 1):
        mark = re.match(r"\s*(`{3,}|~{3,})\s*(\S*)", line)
        if fence and mark and mark[1].startswith(fence) and not mark[2]:
            fence = None
        elif fence:
            blocks[-1].lines.append(line)
        elif mark:
            fence = mark[1]
            blocks.append(Block(page, number, mark[2], above))
        else:
            prose.append(line)
            above = line.strip() or above
            continue
        prose.append("")
        above = ""
    return prose, blocks


def blocks(tree):
    return [block for page in tree.pages() for block in split(page, tree.read(page))[1]]


def anchors(text):
    """The anchors of a page's headings, as GitHub and mdBook make them, and those that it names itself."""
    found, seen = set(re.findall(r'<a (?:id|name)="([^"]+)"', text)), {}
    for line in split("", text)[0]:
        if heading := re.match(r"#{1,6} +(.*?)#* *$", line):
            title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).replace("`", "").strip().lower()
            slug = re.sub(r"[^\w\- ]", "", title).replace(" ", "-")
            count = seen.get(slug, 0)
            seen[slug] = count + 1
            found.add(f"{slug}-{count}" if count else slug)
    return found


def links(tree):
    for page in [*tree.pages(), *OTHER_PAGES]:
        prose = "\n".join(split(page, tree.read(page))[0])
        prose = re.sub(r"<!--.*?-->", "", re.sub(r"`[^`]*`", "", prose), flags=re.S)
        for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", prose):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            file = pathlib.PurePosixPath(page).parent / path if path else pathlib.PurePosixPath(page)
            parts = []
            for part in file.parts:
                parts = parts[:-1] if part == ".." else [*parts, part]
            file = "/".join(parts)
            if not tree.exists(file):
                yield f"{page}: the link {target} leads nowhere"
            elif anchor and anchor not in anchors(tree.read(file)):
                yield f"{page}: {file} has no heading #{anchor}"


def paths(tree):
    """Files that are named exist, also those that the operator names in its messages."""
    for path, text in tree.sources("src/**/*.rs"):
        yield from (f"{path}: there is no {page}" for page in re.findall(r"\bdocs/[\w./-]+\.md\b", text) if not tree.exists(page))
    for page in tree.pages():
        for path in re.findall(r"`((?:tests|src|docs|charts|crds|deploy)/[\w./-]*)`", "\n".join(split(page, tree.read(page))[0])):
            if not tree.exists(path.rstrip("/")) and not re.search(r"NAME", path):
                yield f"{page}: there is no {path}"


def summary(tree):
    """The book has every page, once."""
    listed = [f"docs/{path}" for path in re.findall(r"\]\(([^)]+)\)", tree.read("docs/SUMMARY.md"))]
    pages = set(tree.files("docs/*.md", "docs/*/*.md")) - {"docs/SUMMARY.md"}
    yield from (f"docs/SUMMARY.md does not list {page}" for page in sorted(pages - set(listed)))
    yield from (f"docs/SUMMARY.md lists {page} twice" for page in sorted({p for p in listed if listed.count(p) > 1}))


def commands(tree):
    """Each block of commands is run by a test, or says why not."""
    for block in blocks(tree):
        run = re.fullmatch(r"<!-- run: (\S+) -->", block.above)
        reason = re.fullmatch(r"<!-- not run: \S.* -->", block.above)
        if run and not tree.exists(run[1]):
            yield f"{block.where()}: there is no test {run[1]}"
        elif run and block.page not in tree.read(run[1]):
            yield f"{block.where()}: {run[1]} does not read {block.page}"
        elif block.language in SHELL and not run and not reason:
            yield f"{block.where()}: neither `<!-- run: PATH OF THE TEST -->` nor `<!-- not run: WHY -->` stands above it"


def syntax(tree):
    """The shell can read what it is given."""
    for block in blocks(tree):
        if block.language == "sh":
            shell = subprocess.run(["bash", "-n"], input="\n".join(block.lines), capture_output=True, text=True, check=False)
            if shell.returncode:
                yield f"{block.where()}: {shell.stderr.strip()}"


def code_words(tree):
    """What stands between backquotes in prose, with its page."""
    for page in tree.pages():
        text = re.sub(r"<!--.*?-->", "", "\n".join(split(page, tree.read(page))[0]), flags=re.S)
        yield from ((page, word) for word in re.findall(r"`([^`\n]+)`", text))


def names(tree):
    """Fields of a pool, and values of the chart, that are named by their path exist."""
    fields = crd.schema(tree)
    paths = {path for kind in ("spec", "status") for path in crd.paths(fields[kind])}
    paths |= {f"{kind}.{path}" for kind in ("spec", "status") for path in crd.paths(fields[kind])}
    # Below some values the chart's schema leaves all to Kubernetes; the page of the values is made from values.yaml.
    values = set(crd.paths(json.loads(tree.read("charts/twp-operator/values.schema.json"))))
    values |= set(re.findall(r"^\| `([\w.]+)` \|", tree.read("docs/reference/values.md"), re.M)) | {"resources.limits.memory"}
    for known, what, others in ((paths, "field", OTHERS_FIELDS), (values, "value of the chart", set())):
        first = {path.split(".")[0] for path in known}
        for page, word in code_words(tree):
            path = re.match(r"([a-z]\w*(?:\.[a-z]\w*)+)(?=$|[:= ])", word)
            if path and path[1].split(".")[0] in first and path[1] not in known and path[1] not in others:
                yield f"{page}: there is no {what} `{path[1]}`"
    for page in tree.pages():
        for path in re.findall(r"--set(?:-string)? '?([\w.]+)=", tree.read(page)):
            if path not in values:
                yield f"{page}: there is no value of the chart `{path}`"


def samples(tree):
    """What `kubectl get twp` is said to print has the columns of the CRD, and sentences that a test expects of the code or that
    kubectl has shown."""
    custom = crd.parse(tree.read("crds/taskworkerpools.taskworkerpool.dev.yaml"))
    columns = custom["spec"]["versions"][0]["additionalPrinterColumns"]
    head = ["NAME", *(column["name"].upper() for column in columns if "priority" not in column)]
    sources = tree.files("src/**/tests.rs", "src/**/tests/*.rs", "tests/contract/golden/get.txt")
    expected = "\n".join(tree.read(path) for path in sources).replace('\\"', '"')
    for block in blocks(tree):
        if not block.lines or block.lines[0] != "$ kubectl get twp":
            continue
        if block.lines[1].split() != head:
            yield f"{block.where()}: the columns are {' '.join(head)}"
        at = block.lines[1].rfind(" WHY") + 1
        yield from (f"{block.where()}: no test expects the sentence \"{line[at:]}\"" for line in block.lines[2:] if line[at:] not in expected)


def keys(text):
    """The keys of YAML, block or flow."""
    bare = re.sub(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'", '""', text)
    bare = re.sub(r"(^|\s)#.*", "", bare)
    return re.findall(r"(?:^|[{,\s])([A-Za-z][A-Za-z0-9]*):(?=\s|$)", bare, re.M)


def pools(tree):
    """Each manifest of a pool, with the block that it stands in."""
    for block in blocks(tree):
        if block.language == "yaml":
            for document in "\n".join(block.lines).split("\n---\n"):
                if re.search(r"^kind: TaskWorkerPool$", document, re.M):
                    yield block, document + "\n"


def manifests(tree):
    """Pools are whole, and their fields exist."""
    known = set(crd.names({"properties": crd.schema(tree)})) | {"apiVersion", "kind", "metadata", "name", "namespace", "labels", "spec"}
    whole = set()
    for block, document in pools(tree):
        whole.add(block.where())
        for wanted in ("apiVersion: taskworkerpool.dev/v1alpha1", "kind: TaskWorkerPool", "  name: ", "  targetRef: ", "  broker:"):
            if not re.search("^" + re.escape(wanted), document, re.M):
                yield f"{block.where()}: the pool has no `{wanted.strip()}`"
    for block in blocks(tree):
        text = "\n".join(block.lines)
        if block.language == "yaml" and (block.where() in whole or text.startswith("spec:")):
            yield from (f"{block.where()}: the field `{key}` does not exist" for key in keys(text) if key not in known)


def readme(tree):
    text = tree.read("README.md")
    lines, words = len(text.splitlines()), len(text.split())
    if lines > MOST_LINES or words > MOST_WORDS:
        yield f"README.md: {lines} lines and {words} words, {MOST_LINES} and {MOST_WORDS} are allowed: move something to docs/"


def wording(tree):
    for page in tree.pages():
        for number, line in enumerate(split(page, tree.read(page))[0], 1):
            if found := NOT_OURS.search(re.sub(r"`[^`]*`", "", line)):
                yield f"{page}:{number}: \"{found[0]}\": say drain, stop consuming, heartbeat, is removed, suspended"


def condition_types(tree):
    listed = re.search(r"pub fn fixed\(.*?\[(.*?)\]", tree.read("src/controller/report.rs"), re.S)
    return set(re.findall(r'"(\w+)"', listed[1])) if listed else set()


def conditions(tree):
    types = condition_types(tree)
    rows = set(re.findall(r"^\| `(\w+)` \|", tree.read("docs/reference/conditions.md"), re.M))
    if not types:
        yield "src/controller/report.rs: `fixed`, the list of conditions, was not found"
    yield from (f"docs/reference/conditions.md has no row for `{name}`" for name in sorted(types - rows))
    yield from (f"docs/reference/conditions.md: the condition `{name}` does not exist" for name in sorted(rows - types))


def reasons(tree):
    """Each reason of a condition has a heading in docs/troubleshooting.md, and each heading there is a reason."""
    files = ("src/controller/*.rs", "src/controller/*/*.rs", "src/framework/*.rs", "src/framework/*/*.rs",
             "src/model/error.rs", "src/scaling/trouble.rs")
    none = NO_REASONS | condition_types(tree)
    found = {}
    for path, text in tree.sources(*files):
        # `Suspended` is a type as well; what follows a status is a reason in any case.
        certain = re.findall(r'\b(?:True|False|Unknown),\s*"([A-Z]\w+)"', text)
        for word in [*certain, *re.findall(r'"([A-Z][a-z]+(?:[A-Z][A-Za-z]*)*)"', text)]:
            if word in certain or word not in none:
                found.setdefault(word, path)
    # Limits of the replicas: the rules that `limited` names by themselves.
    found.setdefault("Behavior", "src/scaling/mod.rs")
    page = tree.read("docs/troubleshooting.md")
    headings = set(re.findall(r"^### (\w+)$", page, re.M))
    yield from (f"docs/troubleshooting.md has no heading for `{word}` ({found[word]})" for word in sorted(set(found) - headings))
    yield from (f"docs/troubleshooting.md: the reason `{word}` does not exist" for word in sorted(headings - set(found)))
    named = set(re.findall(r"`([A-Z]\w+)`", tree.read("docs/reference/conditions.md")))
    sources = page.split("## SourceAvailable")[1].split("## ScalingActive")[0] if "## ScalingActive" in page else ""
    causes = set(re.findall(r"^### (\w+)$", sources, re.M))
    yield from (f"docs/reference/conditions.md does not name `{word}`" for word in sorted(headings - named - causes))


def decision_rules(tree):
    code = set(re.findall(r'Self::\w+ => "(\w+)"', tree.read("src/scaling/mod.rs")))
    rows = set(re.findall(r"^\| `(\w+)` \|", tree.read("docs/on-call.md"), re.M))
    yield from (f"docs/on-call.md has no row for the rule `{rule}`" for rule in sorted(code - rows))
    yield from (f"docs/on-call.md: the rule `{rule}` does not exist" for rule in sorted(rows - code))


def metrics(tree):
    code = set()
    for _, text in tree.sources("src/telemetry/*.rs", "src/telemetry/*/*.rs"):
        code |= set(re.findall(r'\.(?:register|number|maybe|write)\(\s*"([a-z_]+)"', text))
        # The counters of the pools: a table of names and helps.
        for table in re.findall(r"\bCOUNTERS: [^=]*= \[(.*?)\n\];", text, re.S):
            code |= set(re.findall(r'\(\s*"([a-z_]+)",', table))
    page = tree.read("docs/reference/metrics.md")
    rows = set(re.findall(r"^\| `([a-z_]+)` \|", page, re.M))
    bare = {row.removesuffix("_total") for row in rows}
    yield from (f"docs/reference/metrics.md has no row for `{name}`" for name in sorted(code - bare))
    yield from (f"docs/reference/metrics.md: the metric `{name}` does not exist" for name in sorted(bare - code))
    used = {page: set(re.findall(r"\btwp_[a-z_]+", tree.read(page))) for page in tree.pages()}
    for page, names in used.items():
        yield from (f"{page}: the metric `{name}` does not exist" for name in sorted(names - rows))


def flags(tree):
    code = {}
    for path in ("src/bin/twp-operator.rs", "src/controller/mod.rs"):
        for variable, field in re.findall(r'#\[arg\([^\]]*?\benv = "(\w+)".*?\)\]\s*(?:pub )?(\w+):', tree.read(path), re.S):
            code[f"--{field.replace('_', '-')}"] = variable
    rows = dict(re.findall(r"^\| `(--[\w-]+)` \| `(\w+)` \|", tree.read("docs/reference/flags.md"), re.M))
    yield from (f"docs/reference/flags.md has no row for `{flag}`, `{code[flag]}`" for flag in sorted(code) if rows.get(flag) != code[flag])
    yield from (f"docs/reference/flags.md: the flag `{flag}` does not exist" for flag in sorted(set(rows) - set(code)))


def rights(tree):
    rules = tree.read("charts/twp-operator/templates/rbac.yaml").split("{{- if .Values.rbac.create }}")[0]
    code, rows = {}, {}
    for resources, verbs in re.findall(r"resources: \[(.*?)\]\n(?:\s+resourceNames:.*\n)?\s+verbs: \[(.*?)\]", rules):
        for resource in resources.split(", "):
            code.setdefault(resource, set()).update(verbs.split(", "))
    for resources, verbs in re.findall(r"^\| [^|]+ \| `([^`|]+)` \| ([a-z, ]+) \|", tree.read("docs/reference/rbac.md"), re.M):
        for resource in resources.split(", "):
            rows.setdefault(resource, set()).update(verbs.split(", "))
    for resource in sorted(set(code) | set(rows)):
        if code.get(resource) != rows.get(resource):
            says, has = (sorted(side.get(resource, ())) for side in (rows, code))
            yield f"docs/reference/rbac.md: {resource}: the page says {says}, the chart has {has}"


def events(tree):
    code = set(re.findall(r'=> "([A-Z]\w+)"\.to_owned\(\)', tree.read("src/telemetry/events/words.rs").split("pub fn note")[0]))
    rows = set(re.findall(r"^\| `(\w+)` \|", tree.read("docs/reference/events.md"), re.M))
    yield from (f"docs/reference/events.md has no row for `{name}`" for name in sorted(code - rows))
    yield from (f"docs/reference/events.md: the Event `{name}` does not exist" for name in sorted(rows - code))


def fields(tree):
    if tree.read("docs/reference/crd.md") != crd.page(tree):
        yield "docs/reference/crd.md is not made from crds/: run `python3 tests/docs/check.py --write`"


def answers(tree):
    """The page of the read API is made from its types."""
    if tree.read("docs/reference/api.md") != api.page(tree):
        yield "docs/reference/api.md is not made from tests/view/schema.json: run `python3 tests/docs/check.py --write`"


CHECKS = [links, paths, summary, commands, syntax, names, samples, manifests, readme, wording, conditions, reasons, decision_rules, metrics, flags, rights, events, fields, answers,
          conventions, checklist]


def record(figures):
    """Beside what other tests record, under the same lock."""
    path = ROOT / "target/figures/install.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        known = json.loads(file.read() or "{}")
        file.truncate(0)
        json.dump(known | figures, file, indent=2)


def main():
    tree = Tree()
    match sys.argv[1:]:
        case []:
            pass
        case ["--write"]:
            (ROOT / "docs/reference/crd.md").write_text(crd.page(tree))
            (ROOT / "docs/reference/api.md").write_text(api.page(tree))
            return 0
        case ["--pools", directory]:
            pathlib.Path(directory).mkdir(parents=True, exist_ok=True)
            for block, document in pools(tree):
                name = f"{pathlib.PurePath(block.page).stem}-{block.number}.yaml"
                (pathlib.Path(directory) / name).write_text(document)
            return 0
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    wrong = [complaint for check in CHECKS for complaint in check(tree)]
    unnoticed = planted.unnoticed(tree, Tree, {check.__name__: check for check in CHECKS})
    for line in wrong + unnoticed:
        print(line)
    shell = [block for block in blocks(tree) if block.language in SHELL or "run: " in block.above]
    run = [block for block in shell if block.above.startswith("<!-- run: ")]
    text = tree.read("README.md")
    ticked, promises = count(tree)
    record({"readme_lines": len(text.splitlines()), "doc_blocks_run": [len(run), len(shell)], "checklist_rows": [ticked, promises]})
    print(f"docs: {len(tree.pages())} pages, README {len(text.splitlines())} lines and {len(text.split())} words, {len(run)} of {len(shell)} "
          f"blocks of commands are run by a test, {len(list(pools(tree)))} pools, {ticked} of {promises} rows of the checklist, {len(planted.FAULTS)} planted faults, {len(wrong)} wrong")
    return 1 if wrong or unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
