#!/usr/bin/env python3
"""Fails when a source file is longer than 600 lines; names those longer than 400."""
import pathlib
import sys

WANTED_LINES = 400
MOST_LINES = 600


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    sources = [
        path
        for folder in ("src", "fuzz", "bench", "tests", "tools")
        for suffix in ("*.h", "*.cc", "*.py", "*.sh")
        for path in (root / folder).rglob(suffix)
        if "node_modules" not in path.parts
    ]
    lengths = sorted(
        ((len(path.read_bytes().splitlines()), path.relative_to(root)) for path in sources),
        reverse=True,
    )
    for lines, path in lengths:
        if lines > WANTED_LINES:
            print(f"{path}: {lines} lines, {'too long' if lines > MOST_LINES else 'long'}")
    too_long = sum(lines > MOST_LINES for lines, _ in lengths)
    print(f"{len(lengths)} files, {too_long} longer than {MOST_LINES} lines")
    return 1 if too_long or not lengths else 0


if __name__ == "__main__":
    sys.exit(main())
