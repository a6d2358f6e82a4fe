"""docs/checklist.md: each tick names what shows it, and that is there."""

import re

PAGE = "docs/checklist.md"
ROWS = 56
ROW = re.compile(r"^\| (\d+) \| ([^|]+) \| (\S+) ([^|]+) \| ([^|]+) \|$", re.M)
PATH = re.compile(r"[\w.-]+(/[\w.-]+)+")
# Where tests are; a Rust file is one by the functions that are named.
OF_TESTS = ("tests/", "charts/check.sh", "charts/check/", "src/")


def rows(tree):
    """Number, whether it is ticked, and the cell that says what shows it."""
    return [(int(number), word.rstrip(":") == "✓", word, shown) for number, _, word, _, shown in ROW.findall(tree.read(PAGE))]


def count(tree):
    found = rows(tree)
    return [sum(ticked for _, ticked, *_ in found), len(found)]


def named(cell):
    """Each file with the names of tests that stand behind it."""
    found = []
    for word in re.findall(r"`([^`]+)`", cell):
        if PATH.fullmatch(word):
            found.append((word, []))
        elif found:
            found[-1][1].append(word)
        else:
            found.append(("", [word]))
    return found


def has_test(path, text, name):
    if path.endswith(".rs"):
        # The attribute, perhaps others and comments, the function.
        return re.search(rf"#\[(?:tokio::)?test\b.*\]\n(?:\s*(?:#\[|//).*\n)*\s*(?:async )?fn {re.escape(name)}\(", text)
    if path.endswith(".py"):
        return re.search(rf"^def {re.escape(name)}\(", text, re.M)
    if path.endswith(".sh"):
        return re.search(rf'\bcheck "\s*{re.escape(name)}"', text)
    return re.search(rf"^{re.escape(name)}:", text, re.M)


def checklist(tree):
    """All rows are there, a tick has a test, and each test that is named exists."""
    found = rows(tree)
    if [number for number, *_ in found] != list(range(1, ROWS + 1)):
        yield f"{PAGE}: its rows are not 1 to {ROWS}, each once and in order"
    ticked, all_rows = count(tree)
    if f"{ticked} of {all_rows}" not in tree.read(PAGE):
        yield f"{PAGE}: it does not say that {ticked} of {all_rows} are ticked"
    for number, is_ticked, word, cell in found:
        if not is_ticked and word != "no:":
            yield f"{PAGE}: row {number} is neither ✓ nor no"
        tests = named(cell)
        if is_ticked and not tests:
            yield f"{PAGE}: row {number} is ticked, and nothing shows it"
        for path, names in tests:
            if not path.startswith(OF_TESTS) or not tree.exists(path):
                yield f"{PAGE}: row {number}: {path or names[0]} is no file of tests"
            elif path.endswith(".rs") and not names:
                yield f"{PAGE}: row {number} names no test in {path}"
            else:
                yield from (f"{PAGE}: row {number}: there is no {name} in {path}" for name in names if not has_test(path, tree.read(path), name))
