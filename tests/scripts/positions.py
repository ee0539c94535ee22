"""An error at each position of a pipeline, in each transaction state, with each way to go on."""

GOOD = ["parse s | select $1::int + 1 | 23", "bind p | s | 41", "describe P p", "execute p",
        "close P p", "close S s", "flush"]
BAD = {0: "parse s | selekt", 1: "bind p | s | not a number", 2: "describe P missing",
       3: "execute missing", 4: "close Z p", 5: "message C | S", 6: "message H | body"}
STATES = {"idle": [], "in a transaction": ["query begin"],
          "in a failed transaction": ["query begin", "query select 1/0"]}
ENDINGS = {"sync": ["sync"], "two syncs": ["sync", "sync"],
           "query then sync": ["query select 'skipped or not'", "sync"]}


def blocks():
    for state, before in STATES.items():
        for position, bad in BAD.items():
            for ending, after in ENDINGS.items():
                if ending != "sync" and state != "idle":
                    continue
                steps = GOOD[:position] + [bad] + GOOD[position + 1:]
                # Outside the skipped stretch a simple query has a ReadyForQuery of its own, but
                # the error makes the server skip it: the count is that of Syncs only.
                syncs = after.count("sync")
                yield f"[{state}, error at {position}, {ending}]"
                yield from before
                if before:
                    yield f"ready {len(before)}"
                yield from steps + after
                yield f"ready {syncs}"
                yield "query rollback"
                yield "ready"
    for state, before in STATES.items():
        yield f"[{state}, no error]"
        yield from before
        yield from GOOD + ["sync", "query rollback"]
        yield f"ready {len(before) + 2}"
