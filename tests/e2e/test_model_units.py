"""The parts of the model-based test that need no server: normaliser, grammar, worlds, shrinker."""

import asyncio
import random
import struct

import pytest

from lib.pgdecode import Message
from lib.pgwire import cstring, message
from lib.trunkline import REPOSITORY
from model import grammar, planted
from model.cache import Transcripts
from model.compare import Difference, compare, explain
from model.normalise import messages, normalise, normalise_login, own_pid
from model.shrink import (actions_of, pieces_of, shrink, signature, switches, without_operations,
                          world_of)
from model.steps import Script, Step, World, describe_world, dump, load, step

READY = message("Z", b"I")


def key_data(pid: int, key: bytes = b"abcd") -> bytes:
    return message("K", struct.pack("!I", pid) + key)


def notification(pid: int, channel: str, payload: str) -> bytes:
    return message("A", struct.pack("!I", pid) + cstring(channel) + cstring(payload))


def description(table: int, type_: int) -> bytes:
    return message("T", struct.pack("!H", 1) + cstring("x")
                   + struct.pack("!IhIhih", table, 1, type_, 4, -1, 0))


def error(text: str, code: str = "42P01") -> bytes:
    return message("E", b"SERROR\0VERROR\0C" + cstring(code) + b"M" + cstring(text) + b"\0")


def status(name: str, value: str) -> bytes:
    return message("S", cstring(name) + cstring(value))


# -- Normaliser -----------------------------------------------------------------------------------

def test_pids_and_keys_differ_but_not_the_keys_length():
    one, two = normalise_login(key_data(7) + READY), normalise_login(key_data(8, b"wxyz") + READY)
    assert one == two
    assert one != normalise_login(key_data(7, b"long key") + READY)
    assert own_pid(status("a", "b") + key_data(7) + READY) == 7


def test_a_notification_comes_from_oneself_or_from_another():
    assert normalise(notification(7, "ch", "x"), 7) == normalise(notification(9, "ch", "x"), 9)
    assert normalise(notification(7, "ch", "x"), 7) != normalise(notification(7, "ch", "x"), 8)
    assert normalise(notification(7, "ch", "x"), 7) != normalise(notification(7, "ch", "y"), 7)


def test_oids_of_what_users_made_differ_and_those_of_initdb_do_not():
    assert normalise(description(16400, 23), None) == normalise(description(99999, 23), None)
    assert normalise(description(0, 23), None) != normalise(description(0, 25), None)
    assert normalise(description(0, 23), None) != normalise(description(16400, 23), None)
    parameters = [message("t", struct.pack("!HI", 1, each)) for each in (16400, 17000, 25)]
    assert normalise(parameters[0], None) == normalise(parameters[1], None)
    assert normalise(parameters[0], None) != normalise(parameters[2], None)


@pytest.mark.parametrize("text", ["table pg_temp_{}.x", "terminated process {}", "PID {} is gone",
                                  "transaction {} is in progress"])
def test_numbers_of_sessions_and_transactions_differ_in_errors(text):
    assert normalise(error(text.format(3)), None) == normalise(error(text.format(71)), None)


@pytest.mark.parametrize("one, two", [("relation t1", "relation t2"), ("line 3", "line 4")])
def test_other_numbers_in_errors_do_not(one, two):
    assert normalise(error(one), None) != normalise(error(two), None)


def test_parameters_are_sorted_at_login_only():
    one, two = status("a", "1") + status("b", "2"), status("b", "2") + status("a", "1")
    assert normalise_login(one + READY) == normalise_login(two + READY)
    assert normalise(one + READY, None) != normalise(two + READY, None)


def test_an_answer_that_breaks_off_says_so():
    assert messages(READY + b"D\0\0") == [("Z", ("I",)), ("half a message", b"D\0\0")]
    assert messages(READY + b"!timeout") == [("Z", ("I",)), ("!timeout",)]


def test_the_first_difference_is_found_and_told():
    script = Script(0, (), (step(("Q", "select 1")), step(("Q", "show x"), feature="settings")))
    same, login = READY, key_data(7) + READY
    assert compare(script, [login, same, same], [key_data(9) + READY, same, same]) is None
    found = compare(script, [login, same, same], [login, same, error("no")])
    assert (found.slot, found.at, found.feature) == (0, 2, "settings")
    assert compare(script, [login, same, same], [login, same]).at == 2
    told = explain(World(1, (script,), (0, 0, 0)), found)
    assert "Query 'show x'" in told and "PostgreSQL:" in told and "42P01" in told


def test_an_error_may_lack_its_source_when_that_is_allowed():
    one, two = error("no")[:-1] + b"Fa.c\0L1\0Rf\0\0", error("no")
    one = message("E", one[5:])
    script = Script(0, (), (step(("Q", "select 1")),))
    login = key_data(7) + READY
    assert compare(script, [login, one], [login, two]) is not None
    assert compare(script, [login, one], [login, two], own_errors=True) is None
    assert compare(script, [login, one], [login, error("other")], own_errors=True) is not None
    other = message("E", one[5:].replace(b"a.c", b"b.c"))
    assert compare(script, [login, one], [login, other], own_errors=True) is not None


# -- Grammar --------------------------------------------------------------------------------------

def test_a_seed_gives_one_world_and_another_seed_another():
    assert grammar.world(5) == grammar.world(5) != grammar.world(6)


def test_a_world_survives_being_written_down():
    for seed in range(30):
        made = grammar.world(seed)
        assert load(dump(made)) == made


def all_worlds(**options):
    return [grammar.world(seed, **options) for seed in range(200)]


def test_every_feature_has_productions_and_comes_up():
    worlds = all_worlds()
    grammar.load_productions()
    names = {each.feature for each in grammar.TEXTS + grammar.STEPS}
    elsewhere = {"startup", "startup_any", "vanish"}
    assert names | elsewhere == set(grammar.FEATURES)
    used = {each.feature for made in worlds for script in made.scripts for each in script.steps}
    assert set(grammar.default_features()) - used <= {"multi", "extended", "startup", "startup_any"}


@pytest.mark.parametrize("feature", sorted(set(grammar.FEATURES) - {"base"}))
def test_a_feature_that_is_left_out_does_not_come_up(feature):
    enabled = grammar.default_features(without=[feature])
    for seed in range(40):
        made = grammar.world(seed, enabled)
        assert all(each.feature != feature for script in made.scripts for each in script.steps)


def test_every_client_names_only_what_is_its_own():
    for made in all_worlds():
        for script in made.scripts:
            text = str(script.steps)
            others = set(range(8)) - {script.slot}
            assert not any(f"{prefix}{n}{end}" in text for n in others
                           for prefix, end in (("into t", " "), ("from t", " "), ("('s", "'"),
                                               ("notify ch", ""), ("listen ch", "")))


def test_worlds_have_two_to_eight_clients_and_a_turn_for_every_action():
    worlds = all_worlds()
    assert {len(made.scripts) for made in worlds} == {2, 3, 4, 5, 6, 8}
    for made in worlds:
        for script in made.scripts:
            assert made.turns.count(script.slot) == len(script.steps) + 1
            assert script.ends() in ("terminate", "fin", "rst", "cut", "midway")


def test_random_numbers_are_asked_for_only_behind_a_seed_that_must_have_been_set():
    enabled = grammar.default_features()
    for seed in range(300):
        draw = grammar.script(random.Random(seed), 0, enabled, 30)
        texts = [operation[1] for each in draw.steps for operation in each.operations
                 if operation[0] == "Q"]
        first = next((at for at, text in enumerate(texts) if "random()" in text), None)
        if first is not None:
            assert any(text.startswith("select setseed") for text in texts[:first])


def test_a_step_counts_its_answers():
    assert step(("Q", "select 1"), ("P", "", ""), ("S",), ("S",)).answers() == 3
    assert step(("F", 177, "00000001", "00000002")).bytes().startswith(b"F")


# -- Shrinker -------------------------------------------------------------------------------------

def big_world() -> World:
    scripts = tuple(Script(slot, (("TimeZone", "UTC"), ("application_name", "x")), tuple(
        step(("Q", f"{slot} {at}"), ("Q", "more")) for at in range(10))) for slot in range(5))
    return World(1, scripts, grammar.interleave(random.Random(3), scripts))


def shrunk(world: World, fails) -> World:
    async def ask(candidate: World) -> bool:
        return fails(candidate)

    return asyncio.run(shrink(world, ask))


def order(world: World) -> list:
    """(slot, text) of the first messages in the order of turns."""
    return [(each.slot, each.step.operations[0][1]) for each in actions_of(world) if each.step]


def test_actions_are_a_world_and_back():
    made = big_world()
    assert world_of(made, actions_of(made)) == made
    for seed in range(20):
        made = grammar.world(seed)
        assert world_of(made, actions_of(made)) == made


def test_two_steps_that_need_each_other_are_all_that_is_left():
    def fails(world: World) -> bool:
        told = order(world)
        return (2, "2 3") in told and (4, "4 7") in told and \
            told.index((2, "2 3")) < told.index((4, "4 7"))

    smallest = shrunk(big_world(), fails)
    assert order(smallest) == [(2, "2 3"), (4, "4 7")]
    assert [len(each.operations) for script in smallest.scripts for each in script.steps] == [1, 1]
    assert all(not script.parameters for script in smallest.scripts)


def test_what_is_left_is_played_in_few_turns():
    made = big_world()
    assert switches(made) > 20
    def fails(world: World) -> bool:
        return {(0, "0 1"), (0, "0 8"), (1, "1 2"), (1, "1 9")} <= set(order(world))
    assert switches(shrunk(made, fails)) == 1


def test_a_startup_parameter_that_matters_stays():
    smallest = shrunk(big_world(), lambda world: any(
        ("TimeZone", "UTC") in script.parameters for script in world.scripts))
    assert [script.parameters for script in smallest.scripts] == [(("TimeZone", "UTC"),)]


def test_a_step_never_loses_its_last_answer():
    script = Script(0, (), (step(("P", "", "select 1"), ("S",)), Step(end="terminate")))
    for smaller in without_operations(World(1, (script,), (0, 0, 0))):
        assert all(each.answers() or each.end for each in smaller.scripts[0].steps)


def test_no_execute_stays_when_its_bind_goes():
    write = step(("P", "", "one"), ("B", "", ""), ("D", "P", ""), ("E", "", 0),
                 ("P", "", "two"), ("B", "", ""), ("E", "", 0), ("S",))
    for first, last in pieces_of(write):
        left = "".join(each[0] for each in write.operations[:first] + write.operations[last:])
        for part in left.split("P"):
            assert "E" not in part or "B" in left[:left.index("E")]
        assert left.count("E") <= left.count("B")


# -- Transcripts ----------------------------------------------------------------------------------

def test_transcripts_are_found_again_in_the_file_of_the_same_server(tmp_path):
    played = ([b"login", b"answer" * 100], "rows")
    one, two = (Script(0, (), (step(("Q", each)),)) for each in ("select 1", "select 2"))
    first = Transcripts(tmp_path / "cache", "15")
    first.put(one, played)
    assert first.get(one) == played and first.get(two) is None
    first.write()
    assert Transcripts(tmp_path / "cache", "15").get(one) == played
    assert Transcripts(tmp_path / "cache", "18").get(one) is None


def test_the_signature_is_the_feature_and_the_first_messages_that_differ():
    one = Difference(0, 1, "role", [("1", ()), ("C", ("SET",))],
                     [("1", ()), ("E", (("C", "42501"), ("M", "no")))])
    assert signature(one) == ("role", "C", "E42501")
    assert signature(one._replace(proxied=[("1", ())])) == ("role", "C", "nothing")


def test_a_world_is_told_in_the_order_of_its_turns():
    made = World(1, (Script(0, (), (step(("Q", "one")),)), Script(1, (), (step(("S",)),))),
                 (1, 0, 0, 1))
    assert list(describe_world(made)) == [
        "  client 1: login", "  client 0: login", "  client 0 step 1 [base]: Query 'one'",
        "  client 1 step 1 [base]: Sync"]


def test_messages_are_decoded_as_the_other_tests_decode_them():
    assert messages(error("no")) == [("E", (("C", "42P01"), ("M", "no"), ("S", "ERROR"),
                                            ("V", "ERROR")))]
    assert Message("Z", b"I").type == "Z"


# -- Planted bugs ---------------------------------------------------------------------------------

@pytest.mark.parametrize("bug", planted.bugs(), ids=lambda bug: bug.name)
def test_a_planted_bug_still_applies_to_the_sources(bug):
    """Whether it is found takes a build for each: python3 -m model.planted."""
    planted.apply(bug.path, REPOSITORY, "--check")
    assert set(bug.only) <= set(grammar.FEATURES)
    assert len(bug.path.read_text(encoding="utf-8").partition("diff --git")[0].splitlines()) > 3


def test_there_are_as_many_planted_bugs_as_were_asked_for():
    assert len(planted.bugs()) == 12
    assert [each.name for each in planted.bugs(("05", "12"))] == [
        "05_no_wait_for_cancel", "12_vanished_without_rollback"]
