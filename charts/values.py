#!/usr/bin/env python3
"""Prints docs/reference/values.md: the values of the chart, each with the comment above it in values.yaml. charts/render.sh writes the
file. Standard library only."""
import pathlib
import re

HEAD = """# Values of the chart

Made by `charts/render.sh` from `charts/twp-operator/values.yaml`; do not edit. A misspelt value is refused, and so is one of the wrong kind.

| value | default | what |
|---|---|---|
"""


def rows(text):
    """Value, default and explanation of each value, and of each group that has a comment."""
    path, comment = [], []
    for line in text.splitlines():
        found = re.match(r"( *)([A-Za-z]+):(?: +(.*))?$", line)
        if line.lstrip().startswith("#"):
            comment.append(line.strip().removeprefix("#").strip())
        elif found:
            path = [*path[: len(found[1]) // 2], found[2]]
            if found[3] is None:
                if comment:
                    yield ".".join(path), "", " ".join(comment)
            else:
                yield ".".join(path), f"`{found[3]}`", " ".join(comment)
            comment = []
        elif not line.strip():
            comment = []


def main():
    text = (pathlib.Path(__file__).parent / "twp-operator/values.yaml").read_text()
    for row in rows(text):
        assert "|" not in "".join(row), f"a table cannot hold {row}"
    print(HEAD + "\n".join(f"| `{value}` | {default} | {what} |" for value, default, what in rows(text)))


if __name__ == "__main__":
    main()
