"""The benchmark's server says what PostgreSQL says to a pooler; else a pooler is not measured."""

import re

import pytest

from lib import pgwire
from lib.pgwire import Wire
from lib.processes import Program, free_port, wait_until
from lib.trunkline import REPOSITORY, binary


def source_text(path, before):
    """A text that Trunkline sends: the literal that follows `before` in its source."""
    source = (REPOSITORY / "src/pool" / path).read_text(encoding="utf-8")
    pieces = re.search(re.escape(before) + r'((?:\s*"[^"\n]*")+)', source)[1]
    return "".join(re.findall(r'"([^"\n]*)"', pieces))


SET = source_text("guard.cc", '"trunkline_set",')
NAMES = source_text("plain_names.cc", "kQuestion =").format("none_of_this_name")
ROW = "select 1234567 as id, 'product 1234'::text as name"


def run(name, text="", values=()):
    """Prepared under this name if there is a text, else known already."""
    parse = pgwire.parse(name, text) if text else b""
    return parse + pgwire.bind("", name, values) + pgwire.execute()


def guard(names, values, known=False):
    """What Trunkline sends ahead of a client's own bytes, without a Sync."""
    begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY"
    return (run("b", "" if known else begin) + run("s", "" if known else SET, [names, values])
            + run("c", "" if known else "COMMIT"))


CONVERSATIONS = {
    "a setting that is not reported": [guard("{work_mem}", '{"+8MB"}') + pgwire.query(ROW)],
    "two at once, one of them reported": [
        guard('{"application_name","work_mem"}', '{"+a \\"b\\" \\\\ c","+8MB"}') + pgwire.query(ROW)],
    "the same again, which is no news": [
        guard("{timezone}", "{+UTC}") + pgwire.sync(),
        guard("{application_name}", "{+x}", known=True) + pgwire.sync(),
        run("", SET, ["{application_name}", "{+x}"]) + pgwire.sync()],
    "back to what the login said": [
        guard("{application_name}", "{+x}") + pgwire.query(ROW),
        guard("{application_name}", "{-}", known=True) + pgwire.query(ROW)],
    "a whole cleansing": [
        guard("{application_name}", "{+x}") + pgwire.query(ROW),
        b"".join(run("", text) for text in (
            "BEGIN", "RESET ALL", "DISCARD SEQUENCES", "UNLISTEN *", "CLOSE ALL", "DISCARD TEMP",
            "COMMIT"))
        + pgwire.query(ROW)],
    "transactions of simple queries": [
        pgwire.query("begin; set local work_mem = '4100kB'"), pgwire.query(f"{ROW}; commit"),
        pgwire.query("begin"), pgwire.query("rollback"), pgwire.query("")],
    "whether names are those of plain tables": [pgwire.query(NAMES)],
    "statements of the same session": [
        pgwire.parse("s1", ROW) + pgwire.sync(),
        pgwire.query("begin") + run("s1") + run("", "commit") + pgwire.sync()],
}


@pytest.fixture(name="bench_server", scope="module")
def fixture_bench_server(tmp_path_factory):
    port = free_port()
    program = Program([binary().parent / "bench/bench_fake_server", "--listen", f"127.0.0.1:{port}"],
                      tmp_path_factory.mktemp("bench") / "log")
    where = ("127.0.0.1", port)
    wait_until(lambda: answers(where), "the benchmark's server answers")
    yield where
    program.kill()


def answers(where):
    try:
        Wire(*where).close()
        return True
    except OSError:
        return False


def requests_to_answer(piece):
    """How many of its messages end with ReadyForQuery."""
    count = 0
    while piece:
        count += piece[:1] in b"QS"
        piece = piece[1 + int.from_bytes(piece[1:5], "big"):]
    return count


def told(where, pieces):
    """Every answer but the descriptions of rows, and who the login said we are."""
    with Wire(*where) as wire:
        wire.login(user="trusty", database="app", parameters=[("application_name", "at login")])
        found = [wire.session.parameters[name]
                 for name in ("application_name", "session_authorization")]
        for piece in pieces:
            wire.send(piece)
            found += [(each.type, each.body)
                      for each in wire.read_until("Z", requests_to_answer(piece)) if each.type != "T"]
        return found


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_the_benchmarks_server_answers_as_postgresql_does(pg15, bench_server, name):
    expected = told((pg15.host, pg15.port), CONVERSATIONS[name])
    assert told(bench_server, CONVERSATIONS[name]) == expected
