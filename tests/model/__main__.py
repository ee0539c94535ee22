"""python3 -m model: random worlds against a proxy; see README.md."""

import argparse
import asyncio
import random
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, List, Tuple

from model import batch, grammar, servers
from model.cache import salt_of
from model.client import Address
from model.compare import explain
from model.shrink import shrink_in
from model.steps import World, describe_world, dump, load
from model.survey import survey


def address(text: str) -> Address:
    """HOST:PORT."""
    host, _, port = text.rpartition(":")
    return (host, int(port))


def names(text: str) -> Tuple[str, ...]:
    """Features, separated by commas."""
    found = tuple(each for each in text.split(",") if each)
    unknown = [each for each in found if each not in grammar.FEATURES]
    if unknown:
        raise argparse.ArgumentTypeError(f"no such feature: {', '.join(unknown)}")
    return found


def arguments(argv: List[str]) -> argparse.Namespace:
    features = "\n".join(f"  {name:16} {what}" for name, what in grammar.FEATURES.items())
    parser = argparse.ArgumentParser(
        prog="python3 -m model", formatter_class=argparse.RawDescriptionHelpFormatter,
        description=__doc__, epilog=f"features ({', '.join(grammar.OPTIONAL)} only by --with):\n"
        + features)
    parser.add_argument("--start", choices=servers.KINDS, help="start PostgreSQL and this")
    parser.add_argument("--pool", type=int, default=2, help="server connections with --start")
    parser.add_argument("--postgres", type=int, default=15, help="15 or 18, with --start")
    parser.add_argument("--direct", type=address, metavar="HOST:PORT", help="PostgreSQL")
    parser.add_argument("--proxy", type=address, metavar="HOST:PORT", help="in front of it")
    parser.add_argument("--sessions", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=None, help="default: by chance, printed")
    parser.add_argument("--replay", type=int, metavar="SEED", help="one world, with its scripts")
    parser.add_argument("--world", type=Path, metavar="FILE", help="one world from a file")
    parser.add_argument("--after", type=int, default=0, metavar="N",
                        help="with --replay: first the N worlds before it in its arena")
    parser.add_argument("--shrink", action="store_true",
                        help="reduce the world, or the first that shows a difference")
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the world, for --world")
    parser.add_argument("--without", type=names, default=(), metavar="FEATURE,…")
    parser.add_argument("--with", dest="extra", type=names, default=(), metavar="FEATURE,…")
    parser.add_argument("--only", type=names, default=(), metavar="FEATURE,…",
                        help="these and base, in every world")
    parser.add_argument("--clients", type=int, default=grammar.MOST_CLIENTS, help="at most, 2 to 8")
    parser.add_argument("--kill-idle", action="store_true", help="end idle server connections "
                        "now and then: nobody may notice, without features that pin them")
    parser.add_argument("--own-errors", action="store_true",
                        help="errors need not name PostgreSQL's file, line and routine")
    parser.add_argument("--timeout", type=float, default=15.0, help="seconds for one answer")
    parser.add_argument("--survey", action="store_true",
                        help="each feature by itself, until its first difference")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--arenas", type=int, default=8, help="worlds at the same time")
    parser.add_argument("--differences", type=int, default=5, help="stop after so many")
    parser.add_argument("--cache", type=Path, help="keeps direct transcripts for the next run")
    found = parser.parse_args(argv)
    if bool(found.start) == bool(found.direct and found.proxy):
        parser.error("give either --start or both of --direct and --proxy")
    return found


@contextmanager
def endpoints(options: argparse.Namespace) -> Iterator[Tuple[Address, Address]]:
    """(direct, proxy), started or given."""
    if options.start:
        with servers.start(options.start, options.pool, options.postgres) as found:
            yield found
    else:
        yield options.direct, options.proxy


def features_of(options: argparse.Namespace) -> Tuple[str, ...]:
    """In the order of FEATURES."""
    if options.only:
        return tuple(grammar.only_features(options.only))
    return tuple(grammar.default_features(options.without, options.extra))


def plan_of(options: argparse.Namespace, direct: Address, proxy: Address) -> batch.Plan:
    return batch.Plan(direct, proxy, features_of(options), bool(options.only), options.timeout,
                      options.cache, salt_of(servers.version_of(direct)), options.clients,
                      options.kill_idle, options.own_errors)


def tell(text: str) -> None:
    print(text, flush=True)


def show(world: World) -> None:
    for line in describe_world(world):
        tell(line)


def replay(options: argparse.Namespace, plan: batch.Plan) -> int:
    """One world on new server connections: its scripts and the first difference."""
    world = load(options.world.read_text(encoding="utf-8")) if options.world \
        else plan.world(options.replay)
    show(world)
    return asyncio.run(study(options, plan, world, options.after))


async def study(options: argparse.Namespace, plan: batch.Plan, world: World, after: int) -> int:
    """Look at one world closely."""
    arena = await plan.arena(0).open()
    before = [plan.world(world.seed - at * options.arenas) for at in range(after, 0, -1)]
    try:
        found = await arena.examine(world, True, before)
        if found is None:
            tell("no difference on new server connections")
        elif options.shrink:
            world = await shrink_in(arena, world, tell, before) or world
            show(world)
            found = await arena.examine(world, True, before) or found
        if found is not None:
            steady = await arena.steady(world.script(found.slot))
            tell("first difference:" if steady else "more than one transcript of a script alone:")
            tell(explain(world, found))
        if options.save:
            options.save.write_text(dump(world), encoding="utf-8")
        return int(found is not None)
    finally:
        arena.close()


def play(options: argparse.Namespace, plan: batch.Plan) -> int:
    """Many worlds; exit code 1 when there was a difference."""
    seed = random.SystemRandom().randrange(1 << 30) if options.seed is None else options.seed
    tell(f"seed {seed}, features {','.join(plan.features)}")
    if options.survey:
        lines = survey(plan, seed, options.sessions, options.jobs, options.arenas, tell)
        return int(any(each.finding != "no difference" for each in lines))
    outcome = batch.run(plan, seed, options.sessions, options.jobs, options.arenas,
                        options.differences, tell)
    for found in outcome.findings:
        tell(f"{found.replay(options.arenas)}:")
        tell(explain(plan.world(found.seed), found.difference))
    tell(f"{outcome.sessions} sessions in {outcome.worlds} worlds, {outcome.steps} steps, "
         f"{outcome.seconds:.1f} s, {outcome.rate():.0f} sessions per second, "
         f"{len(outcome.findings)} differences")
    if outcome.findings and options.shrink:
        first = outcome.findings[0]
        tell(f"shrinking {first.seed}")
        asyncio.run(study(options, plan, plan.world(first.seed), first.after or 0))
    return 1 if outcome.findings else 0


def main(argv: List[str]) -> int:
    options = arguments(argv)
    with endpoints(options) as (direct, proxy):
        single = options.replay is not None or options.world is not None
        servers.prepare(direct, 1 if single else options.arenas)
        plan = plan_of(options, direct, proxy)
        return replay(options, plan) if single else play(options, plan)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except servers.Refused as refused:
        sys.exit(f"the proxy did not start: {refused}")
