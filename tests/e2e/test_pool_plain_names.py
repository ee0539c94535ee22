"""What a text that only reads may do to its connection: nothing, where the catalog says so.

A view or somebody's own function may set what it likes for its caller, so that the connection is
wiped before the next session has it. Plain tables cannot, and most texts name nothing else.
"""

import time

import pytest

from lib import pgwire
from lib.pgwire import connect
from lib.processes import wait_until

HOLDS = 1.0  # seconds that the catalog's answer is good for: PlainNames::kHolds
SETUP = """
drop schema if exists plain cascade;
create schema plain;
create table plain.t (id int primary key, name text);
insert into plain.t values (1, 'one');
create view plain.v as select id, name, set_config('work_mem', '1111kB', false) as s from plain.t;
create function public.shout(plain.t) returns text language sql
  as $$ select set_config('work_mem', '1111kB', false) $$;
grant all on schema plain to public;
grant all on all tables in schema plain to public;
alter schema plain owner to bob;
alter table plain.t owner to bob
"""
READ = "select id, name from plain.t where id = 1"


@pytest.fixture
def database(filled):
    """A schema of plain tables and of some that are not, straight to the server: (ask, cluster)."""
    with filled.connect("tenant") as owner:
        owner.execute(SETUP)
        yield owner
        owner.execute("drop schema plain cascade")


class Two:
    """Two clients in turn on one server connection, of which the second looks what the first left."""

    def __init__(self, front):
        self.front = front
        self.a, self.b = (connect(front, user="bob", database="tenant") for _ in range(2))

    def guards(self):
        return int(self.front.metrics().get("trunkline_pool_guards_total", 0))

    def run(self, text, times=1):
        for _ in range(times):
            assert "E" not in [each.type for each in self.a.run(text)], text
            assert self.b.scalar("show work_mem") == "4MB", text

    def is_plain(self, text):
        """Whether the other client can use the connection as it is after this."""
        before = self.guards()
        self.run(text, 5)
        return self.guards() == before


@pytest.fixture
def two(pooled, database):
    front = pooled(size=1)
    clients = Two(front)
    yield clients
    clients.a.close()
    clients.b.close()


@pytest.mark.parametrize("text", [
    READ, "table plain.t", "select x.id from plain.t x join plain.t y using (id) for update",
    "select lower(name), now() from plain.t; select id from plain.t"])
def test_a_plain_table_needs_no_wiping(two, text):
    wait_until(lambda: two.is_plain(text), "its names are known", 10)


@pytest.mark.parametrize("text", [
    "select id, name from plain.v", "table plain.v", "with v as (table plain.v) select * from v",
    "select t.shout from plain.t", "explain analyze select * from plain.v",
    "copy (select id from plain.t) to stdout; select s from plain.v"])
def test_what_may_set_something_is_never_trusted(two, text):
    for _ in range(4):
        two.run(text, 3)
        assert not two.is_plain(text)
        time.sleep(0.03)


def test_statements_that_are_prepared_are_trusted_as_well(two):
    """Also when the text is sent once and run often."""
    two.a.send(pgwire.parse("p", READ) + pgwire.sync())
    two.a.read_until("Z")

    def is_plain():
        before = two.guards()
        for _ in range(5):
            two.a.send(pgwire.bind("", "p") + pgwire.execute() + pgwire.sync())
            assert "D" in [each.type for each in two.a.read_until("Z")]
            two.b.run("select 1")
        return two.guards() == before

    wait_until(is_plain, "its names are known", 10)


def test_a_table_that_becomes_a_view_through_the_pool_is_one_at_once(two):
    wait_until(lambda: two.is_plain(READ), "its names are known", 10)
    two.b.run("begin; alter table plain.t rename to u;"
                "create view plain.t as select id, name, set_config('work_mem', '2222kB', false)"
                " from plain.u; select * from plain.t; rollback")
    two.run(READ)
    two.b.run("alter table plain.t rename to u")
    two.b.run("create view plain.t as select id, set_config('work_mem', '2222kB', false) as name"
                " from plain.u")
    two.run(READ, 20)
    assert not two.is_plain(READ)


def test_a_table_that_becomes_a_view_elsewhere_is_one_after_a_second(two, database):
    wait_until(lambda: two.is_plain(READ), "its names are known", 10)
    database.execute("begin; alter table plain.t rename to u;"
                     "create view plain.t as select id, set_config('work_mem', '2222kB', false) as"
                     " name from plain.u; grant all on plain.t to public; commit")
    time.sleep(HOLDS + 0.05)
    two.run(READ, 20)
    assert not two.is_plain(READ)


@pytest.mark.parametrize("change", [
    "alter table plain.t enable row level security",
    "create domain plain.name as text",
    "create rule r as on update to plain.t do instead nothing",
    "create function plain.id(int) returns int language sql as 'select 1'",
    "create function plain.same(int, text) returns bool language plpgsql as 'begin return true; end';"
    "create operator plain.=== (function = plain.same, leftarg = int, rightarg = text)"])
def test_what_hides_code_makes_a_text_be_suspected(two, database, change):
    wait_until(lambda: two.is_plain(READ), "its names are known", 10)
    database.execute(change)
    time.sleep(HOLDS + 0.05)
    two.run(READ, 3)
    assert not two.is_plain(READ)


def test_a_temporary_view_is_not_taken_for_the_table_of_its_name(two):
    two.a.run("set search_path to plain")
    for _ in range(4):
        two.a.run("create temp view t as select id, set_config('work_mem', '3333kB', false) as name"
                    " from plain.t")
        two.a.run("select id, name from t")
        two.a.run("drop view pg_temp.t")
        assert two.b.scalar("show work_mem") == "4MB"
        two.a.run("reset work_mem")
        two.a.run("select id, name from t")
        assert two.b.scalar("show work_mem") == "4MB"


def test_a_role_that_may_not_look_is_not_disturbed(two, database):
    """The question fails, which nobody sees; texts are suspected for good."""
    database.execute("create role blind; grant blind to bob;"
                     "revoke select on pg_catalog.pg_foreign_table from public")
    try:
        two.run(READ, 30)
        time.sleep(0.1)
        two.run(READ, 30)
        assert not two.is_plain(READ)
    finally:
        database.execute("grant select on pg_catalog.pg_foreign_table to public; drop role blind")
