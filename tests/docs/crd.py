"""The reference of the custom resource, docs/reference/crd.md, made from crds/: so that it says what the API server accepts."""

import json
import re

HEAD = """# TaskWorkerPool: all fields

Made from `crds/taskworkerpools.taskworkerpool.dev.yaml` by `python3 tests/docs/check.py --write`; do not edit. On a cluster
`kubectl explain twp.spec` and `kubectl explain twp.spec.FIELD` show the same texts.

API version `taskworkerpool.dev/v1alpha1`, kind `TaskWorkerPool`, short name `twp`, categories `autoscaling` and `twp`, namespaced.
`spec.targetRef.name` can be selected by (Kubernetes 1.31 and later: `kubectl get twp --field-selector spec.targetRef.name=mail-worker`).
"""


def parse(text):
    """YAML as the operator prints it: maps and lists by indentation, scalars plain, quoted or folded. No more than that."""
    lines = [line for line in text.splitlines() if line.strip() and line.strip() != "---"]
    value, rest = block(lines, 0)
    if rest != len(lines):
        raise ValueError(f"not understood: {lines[rest]}")
    return value


def indent(line):
    return len(line) - len(line.lstrip(" "))


def block(lines, at):
    depth = indent(lines[at])
    value = [] if is_item(lines[at]) else {}
    while at < len(lines) and indent(lines[at]) == depth and is_item(lines[at]) == isinstance(value, list):
        if isinstance(value, list):
            # An item is a block of its own, two columns further in.
            lines[at] = lines[at][:depth] + "  " + lines[at][depth + 2:]
            if KEY.match(lines[at].strip()):
                item, at = block(lines, at)
            else:
                item, at = scalar(lines[at].strip()), at + 1
            value.append(item)
            continue
        found = KEY.match(lines[at].strip())
        if not found:
            raise ValueError(f"no key: {lines[at]}")
        key, rest = scalar(found[1]), found[2].strip()
        at += 1
        if rest[:1] in ("|", ">"):
            end = at
            while end < len(lines) and indent(lines[end]) > depth:
                end += 1
            value[key] = " ".join(line.strip() for line in lines[at:end])
            at = end
        elif rest:
            value[key] = scalar(rest)
        elif at < len(lines) and (indent(lines[at]) > depth or (indent(lines[at]) == depth and is_item(lines[at]))):
            value[key], at = block(lines, at)
        else:
            value[key] = None
    return value, at


KEY = re.compile(r"""("(?:[^"\\]|\\.)*"|'[^']*'|[^\s"'#][^:]*):(\s.*|)$""")


def is_item(line):
    return line.lstrip(" ").startswith("- ")


def scalar(text):
    if text.startswith('"'):
        return json.loads(text)
    if text.startswith("'"):
        return text[1:-1].replace("''", "'")
    if text in ("{}", "[]"):
        return json.loads(text)
    if text in ("true", "false"):
        return text == "true"
    return int(text) if re.fullmatch(r"-?\d+", text) else text


def schema(tree):
    """The schema of the custom resource."""
    custom = parse(tree.read("crds/taskworkerpools.taskworkerpool.dev.yaml"))
    return custom["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]


def names(node):
    """The names of all fields."""
    for name, child in node.get("properties", {}).items():
        yield name
        yield from names(child)
    if "items" in node:
        yield from names(node["items"])


def paths(node, above=""):
    """The paths of all fields, such as `broker.tls.caFrom`."""
    for name, child in node.get("properties", {}).items():
        yield above + name
        yield from paths(child, f"{above}{name}.")
        yield from paths(child.get("items", {}), f"{above}{name}.")


def rows(node, path):
    """Path, type and description of each field below."""
    required = node.get("required", [])
    for name, child in node.get("properties", {}).items():
        at, kind = f"{path}.{name}", child.get("type", "")
        items = child.get("items", {})
        if kind == "array":
            at, kind = f"{at}[]", f"list of {items.get('type', 'object')}"
        if "enum" in child or "enum" in items:
            kind = ", ".join(f"`{word}`" for word in (child.get("enum") or items.get("enum")) if word is not None)
        if child.get("format") == "date-time":
            kind = "time"
        must = " **Required.**" if name in required and path.split(".")[0] == "spec" else ""
        text = child.get("description", "").replace("|", "\\|").strip()
        yield f"| `{at.removeprefix('status.').removeprefix('spec.')}` | {kind} | {text}{must} |"
        yield from rows(child, at)
        yield from rows(items, at)


def rules(node, path):
    """The rules that the API server checks beside types and bounds."""
    for rule in node.get("x-kubernetes-validations", []):
        where = path + rule.get("fieldPath", "")
        yield f"| `{where}` | {rule.get('message', rule.get('rule')).replace('|', chr(92) + '|')} |"
    for name, child in node.get("properties", {}).items():
        yield from rules(child, f"{path}.{name}")
    if "items" in node:
        yield from rules(node["items"], f"{path}[]")


def page(tree):
    """The whole page."""
    root = schema(tree)
    parts = [HEAD]
    for name in ("spec", "status"):
        parts += [f"## {name.capitalize()}", "", "| field | type | meaning |", "|---|---|---|"]
        parts += [*rows(root[name], name), ""]
    parts += ["## Rules between fields", "", "The API server refuses what breaks them.", "", "| field | rule |", "|---|---|"]
    parts += [*rules(root["spec"], "spec")]
    return "\n".join(parts) + "\n"
