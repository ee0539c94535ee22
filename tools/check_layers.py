#!/usr/bin/env python3
"""Fails when a module includes from a module that is not on a lower layer.

The table is src/CMakeLists.txt itself: `trunkline_module(NAME LAYER N DEPS ...)`. A module may
include its own headers and those of lower layers, and must link what it includes, directly or
through its dependencies.
"""
import pathlib
import re
import sys

MODULE = re.compile(r"^trunkline_module\(\s*(\w+)\s+LAYER\s+(\d+)(?:\s+DEPS\s+([^)]*))?\)", re.M)
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def read_modules(text):
    """Returns {module: (layer, set of modules it links)}."""
    modules = {}
    for name, layer, libraries in MODULE.findall(text):
        linked = re.findall(r"\btrunkline_(\w+)", libraries)
        modules[name] = (int(layer), set(linked))
    return modules


def reachable(modules, name):
    seen, todo = set(), [name]
    while todo:
        for linked in modules.get(todo.pop(), (0, set()))[1]:
            if linked not in seen:
                seen.add(linked)
                todo.append(linked)
    return seen


def problems_of(modules, module, path, text):
    """The sentences to print about one source file of `module`."""
    found = []
    layer = modules[module][0]
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        header = match.group(1)
        target = header.split("/")[0] if "/" in header else None
        if target is None:
            found.append(f'{path}:{number}: write the full path of "{header}"')
        elif target not in modules:
            found.append(f'{path}:{number}: "{header}" is of no module in src/CMakeLists.txt')
        elif target != module and modules[target][0] >= layer:
            found.append(
                f'{path}:{number}: {module} (layer {layer}) includes "{header}" '
                f"(layer {modules[target][0]}), which is not below it"
            )
        elif target != module and target not in reachable(modules, module):
            found.append(
                f'{path}:{number}: {module} includes "{header}" but does not link trunkline_{target}'
            )
    return found


def check(source_root):
    modules = read_modules((source_root / "CMakeLists.txt").read_text())
    problems = []
    for name, (layer, linked) in modules.items():
        for other in linked:
            if other not in modules or modules[other][0] >= layer:
                problems.append(f"CMakeLists.txt: {name} links trunkline_{other}, which is not below it")
    files = 0
    for folder in sorted(path for path in source_root.iterdir() if path.is_dir()):
        if folder.name not in modules:
            problems.append(f"{folder.name}/ is not in the table of src/CMakeLists.txt")
            continue
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".h", ".cc"):
                files += 1
                problems += problems_of(
                    modules, folder.name, path.relative_to(source_root), path.read_text()
                )
    return modules, files, problems


def main():
    source_root = pathlib.Path(__file__).resolve().parent.parent / "src"
    modules, files, problems = check(source_root)
    for problem in problems:
        print(problem)
    print(f"{files} files of {len(modules)} modules, {len(problems)} problems")
    return 1 if problems or not modules or not files else 0


if __name__ == "__main__":
    sys.exit(main())
