"""Checks the queries of the alerts and of the dashboard: that the metrics, their labels and the conditions are those that the operator
exports, that Prometheus can parse them, and that the alerts do what alerts-test.yaml says.

queries.py [PROMTOOL]
"""
import json
import pathlib
import re
import shutil
import sys
import tempfile

import yaml
from common import CHECKS, ROOT, Checks, load, record, run

ALERTS = "charts/twp-operator/files/alerts.yaml"
DASHBOARD = "charts/twp-operator/files/dashboard.json"
# Metrics that the operator exports in its next version. One that the sources have is refused here.
LANDING = set()
# Labels of a target, which Prometheus adds.
OF_THE_TARGET = {"namespace", "pod", "job", "instance"}


def exported():
    """Names of the metrics in the sources, and of labels. A counter is registered without the `_total` that it is exported with."""
    text = "".join(path.read_text() for path in (ROOT / "src/telemetry").rglob("*.rs") if "tests" not in str(path))
    names = set(re.findall(r'"((?:twp|leader)_[a-z_]+)"', text))
    return names | {f"{name}_total" for name in names}, set(re.findall(r'"([a-z]+)"', text)) | {"name"}


def conditions():
    """Types of conditions in the sources."""
    return set(re.findall(r'"([A-Z][A-Za-z]+)"', (ROOT / "src/controller/report.rs").read_text()))


def problems(query, names, labels, types):
    """Problems of one query."""
    for name in re.findall(r"\b(?:twp|leader)_[a-z_]+\b", query):
        if name not in names:
            yield f"no metric {name}: {query}"
    matchers = re.findall(r'(\w+)\s*(?:=|!=|=~|!~)\s*"([^"]*)"', query)
    grouped = [name for names in re.findall(r"\b(?:by|on|without|ignoring) \(([^)]*)\)", query) for name in names.split(",")]
    for label in {name for name, _ in matchers} | {name.strip() for name in grouped if name.strip()}:
        if label not in labels | OF_THE_TARGET:
            yield f"no label {label}: {query}"
    for name, value in matchers:
        if name == "type" and value not in types:
            yield f"no condition {value}: {query}"


def dashboard_problems(board, labels):
    """Problems of the dashboard that are not its queries'."""
    panels = board["panels"]
    if sorted({panel["id"] for panel in panels}) != sorted(panel["id"] for panel in panels):
        yield "two panels of one id"
    known = {variable["name"] for variable in board["templating"]["list"]} | {"__rate_interval", "__all"}
    for used in set(re.findall(r"\$\{?(\w+)", json.dumps(board))) - known:
        yield f"no variable {used}"
    squares = set()
    for panel in panels:
        at = panel["gridPos"]
        own = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        if own & squares or at["x"] + at["w"] > 24:
            yield f"{panel['title']} lies on another panel, or outside"
        squares |= own
        if panel["type"] != "row" and not panel.get("description"):
            yield f"{panel['title']} is not described"
        for target in panel.get("targets", []):
            for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                if label not in labels:
                    yield f"{panel['title']}: no label {label}"


def alert_problems(rules):
    """Problems of the alerts that are not their queries'."""
    for rule in rules:
        if set(rule["annotations"]) != {"summary", "description"} or rule["labels"]["severity"] not in ("warning", "critical"):
            yield f"{rule['alert']}: annotations or severity"
        if not rule["annotations"]["summary"].endswith(".") or "kubectl -n" not in rule["annotations"]["description"]:
            yield f"{rule['alert']}: it does not say where to look"


def parsed(promtool, queries):
    """Problems that Prometheus has with the queries: as rules of a file, with Grafana's variables filled in."""
    filled = [query.replace("$__rate_interval", "5m").replace("$namespace", ".*").replace("$pool", ".*") for query in queries]
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(filled)]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}, file)
        file.flush()
        good, said, why = run(promtool, "check", "rules", file.name)
    return [] if good else [said + why]


def tried(promtool):
    """Problems that the tests of the alerts show."""
    with tempfile.TemporaryDirectory() as folder:
        for path in (ROOT / ALERTS, CHECKS / "alerts-test.yaml"):
            shutil.copy(path, folder)
        good, said, why = run(promtool, "test", "rules", pathlib.Path(folder) / "alerts-test.yaml")
    return [] if good else (said + why).splitlines()


def main(promtool=""):
    checks = Checks()
    rules = [rule for group in load(ALERTS)["groups"] for rule in group["rules"]]
    board = json.loads((ROOT / DASHBOARD).read_text())
    queries = [rule["expr"] for rule in rules]
    queries += [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    variables = [variable["definition"] for variable in board["templating"]["list"] if "definition" in variable]
    names, labels = exported()
    checks.say(f"what has landed is not awaited: take it out of LANDING in {pathlib.Path(__file__).name}", sorted(LANDING & names))
    names |= LANDING
    right = 0
    for query in queries + variables:
        right += checks.say("a query", problems(query, names, labels, conditions()))
    used = {name for query in queries for name in re.findall(r"\b(?:twp|leader)_[a-z_]+\b", query)}
    checks.say("nothing is awaited that no query needs", sorted(LANDING - used))
    checks.say("the dashboard is in order", dashboard_problems(board, labels))
    checks.say("the alerts say where to look", alert_problems(rules))
    tests = load("charts/check/alerts-test.yaml")["tests"]
    expected = {test["alertname"] for group in tests for test in group["alert_rule_test"] if test.get("exp_alerts")}
    checks.say("each alert is tried", {rule["alert"] for rule in rules} - expected)
    if promtool:
        checks.say("Prometheus parses every query", parsed(promtool, queries))
        checks.say("the alerts do what their tests say", tried(promtool))
    total = len(queries + variables)
    print(f"{right} of {total} queries ask for what the operator exports ({len(used)} metrics)")
    record(queries_right=[right, total])
    checks.end()


if __name__ == "__main__":
    main(*sys.argv[1:])
