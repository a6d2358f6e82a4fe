"""The reference of the read API, docs/reference/api.md, made from tests/view/schema.json, which the Rust types give (a unit test
compares them)."""

import json

HEAD = """# Read API

Made from the types of `src/view/types.rs` by `python3 tests/docs/check.py --write`; do not edit. How it is switched on, and who reaches it:
[Look at the pools](../view.md).

| path | 200 | else |
|---|---|---|
| `/api/v1/pools` | [Pools](#pools), the worst first | 503 [Refusal](#refusal) |
| `/api/v1/pools/NAMESPACE/NAME` | [OnePool](#onepool) | 404, 503 [Refusal](#refusal) |
| `/` | the page | |

Only GET. Only the replica that acts has live numbers; every other one answers 503 with the reason `NotLeader` and the leader's pod. A request whose `Host` is not
this one is refused with 403. The list may be a second old: all who ask within a second get the same. Fields may be added within `v1`; none changes its meaning or
goes. `null`: not known.
"""

# The answers first, then what they are made of, as it is met.
ROOTS = ("Pools", "OnePool", "Refusal")


def schema(tree):
    return json.loads(tree.read("tests/view/schema.json"))


def target(node):
    """The type that a field refers to."""
    for one in (node, node.get("items", {}), *node.get("anyOf", [])):
        if "$ref" in one:
            return one["$ref"].rsplit("/", 1)[1]
    return None


def order(all_types):
    names = list(ROOTS)
    for name in names:
        found = [target(child) for child in all_types[name].get("properties", {}).values()]
        names += [one for one in dict.fromkeys(found) if one and one not in names]
    return names


def kind(node, required):
    types = node.get("type", "")
    types = types if isinstance(types, list) else [types]
    null = "null" in types or {"type": "null"} in node.get("anyOf", [])
    bare = next((one for one in types if one != "null"), "")
    name = target(node)
    word = f"[{name}](#{name.lower()})" if name else "time" if node.get("format") == "date-time" else bare
    if bare == "array":
        items = node["items"].get("type", "")
        inner = word if name else next(one for one in (items if isinstance(items, list) else [items]) if one != "null")
        word = f"list of {inner}" + (" or null" if isinstance(items, list) else "")
    return word + (" or null" if null and required else "") + ("" if required else ", may be absent")


def cell(text):
    """Text of a table's cell, which is one line."""
    return " ".join(text.split())


def page(tree):
    all_types = schema(tree)
    parts = [HEAD]
    for name in order(all_types):
        node = all_types[name]
        parts += [f"## {name}", "", node["description"], ""]
        if "oneOf" in node:
            parts += ["| word | meaning |", "|---|---|", *(f"| `{one['const']}` | {one['description']} |" for one in node["oneOf"]), ""]
        else:
            fields = node["properties"].items()
            parts += ["| field | type | meaning |", "|---|---|---|",
                      *(f"| `{field}` | {kind(child, field in node.get('required', []))} | {cell(child['description'])} |" for field, child in fields), ""]
    return "\n".join(parts).rstrip("\n") + "\n"
