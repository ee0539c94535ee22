"""Sizes around the edges of buffers, both ways: one less, exactly, one more."""

EDGES = [4096, 8192, 16384, 65536, 262144]


def blocks():
    for edge in EDGES:
        for size in (edge - 6, edge - 5, edge - 1, edge, edge + 1):
            yield f"""
[query of {size} bytes]
query select length('{{{{a*{size - 24}}}}}')
query select 'next'
ready 2
[row of {size} bytes]
parse | select repeat('r', {size - 11})
bind |
execute
sync
query select 'next'
ready 2
"""
    for count in (1, 10, 100, 1000):
        yield f"""
[{count} rows in a pipeline of ten]
repeat 10 | query select n, repeat('p', 100) from generate_series(1, {count}) n
ready 10
[{count} executes without flush]
parse s | select $1::int | 23
repeat {count} | bind | s | 5
sync
ready
"""
