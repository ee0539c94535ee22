"""Row H3: SET inside blocks and savepoints, SET LOCAL, set_config(), roles, characteristics."""

from semantics.case import case
from semantics.product import State, product
from semantics.stage import Stage
from semantics.ways import (ALONE, BATCH, BLOCK, KEPT, MOVED, PIPELINE, PROTOCOL, ROLLED_BACK,
                            WAYS, Way)

SEQSCAN = "SELECT current_setting('enable_seqscan')"
USER, HIMSELF = "SELECT current_user", "SELECT current_user = session_user"
FEW = (ALONE, BLOCK, PIPELINE, BATCH, MOVED)
OFF, ON = [(SEQSCAN, "off")], [(SEQSCAN, "on")]

product("H3", "set_config()", State(
    ["SELECT set_config('enable_seqscan', 'off', false)"], own=OFF, other=ON),
    places=KEPT + ROLLED_BACK)
product("H3", "local set_config()", State(
    ["SELECT set_config('enable_seqscan', 'off', true)"], own=ON, other=ON), places=FEW)
product("H3", "SET LOCAL", State(
    ["SET LOCAL enable_seqscan = off", SEQSCAN], own=ON, other=ON), places=FEW)
product("H3", "a function that sets for its caller", State(
    ["SELECT quiet_set('enable_seqscan', 'off')"], own=OFF, other=ON))
product("H3", "SET ROLE", State(
    ["SET ROLE semantics_other"], own=[(USER, "semantics_other")], other=[(HIMSELF, "t")]),
    places=KEPT + ROLLED_BACK)
product("H3", "SET SESSION CHARACTERISTICS", State(
    ["SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"],
    own=[("INSERT INTO notes VALUES (1)", "!25006")],
    other=[("SHOW transaction_read_only", "off")]), places=FEW)
product("H3", "SET TRANSACTION", State(
    ["SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"],
    own=[("SHOW transaction_isolation", "read committed")],
    other=[("SHOW transaction_isolation", "read committed")]), ways=PROTOCOL, places=FEW)
product("H3", "a SET that fails", State(
    ["SET work_mem = '5MB'", "SET work_mem = 'much'"],
    own=[("SELECT current_setting('work_mem')", "5MB")],
    other=[("SELECT current_setting('work_mem')", "4MB")]), ways=PROTOCOL,
    places=(ALONE, PIPELINE, MOVED))

# Scripts of a, told by what enable_seqscan and work_mem are afterwards.
SCRIPTS = {
    "SET, then SET LOCAL": (["BEGIN", "SET enable_seqscan = off", "SET LOCAL enable_seqscan = on",
                             SEQSCAN, "COMMIT"], "off"),
    "SET LOCAL, then SET": (["BEGIN", "SET LOCAL enable_seqscan = on", "SET enable_seqscan = off",
                             SEQSCAN, "COMMIT"], "off"),
    "SET, then SET in a savepoint rolled back": (
        ["BEGIN", "SET enable_seqscan = off", "SAVEPOINT s", "SET enable_seqscan = on",
         "ROLLBACK TO s", SEQSCAN, "COMMIT"], "off"),
    "SET in a savepoint inside one rolled back": (
        ["BEGIN", "SAVEPOINT outside", "SAVEPOINT inside", "SET enable_seqscan = off",
         "RELEASE inside", "ROLLBACK TO outside", SEQSCAN, "COMMIT"], "on"),
    "SET after ROLLBACK TO the same savepoint twice": (
        ["BEGIN", "SAVEPOINT s", "SET enable_seqscan = off", "ROLLBACK TO s", "ROLLBACK TO s",
         "SET enable_seqscan = off", "RELEASE s", "COMMIT"], "off"),
    "savepoints of one name": (
        ["BEGIN", "SAVEPOINT s", "SET enable_seqscan = off", "SAVEPOINT s",
         "SET enable_seqscan = on", "ROLLBACK TO s", SEQSCAN, "RELEASE s", SEQSCAN, "COMMIT"],
        "off"),
    "RESET in a block rolled back": (
        ["SET enable_seqscan = off", "BEGIN", "RESET enable_seqscan", SEQSCAN, "ROLLBACK"], "off"),
    "RESET ALL in a block rolled back": (
        ["SET enable_seqscan = off", "BEGIN", "RESET ALL", SEQSCAN, "ROLLBACK"], "off"),
    "RESET ALL in a block": (
        ["SET enable_seqscan = off", "BEGIN", "RESET ALL", SEQSCAN, "COMMIT"], "on"),
    "SET in a failed block that is committed": (
        ["BEGIN", "SET enable_seqscan = off", "SELECT 1/0", "COMMIT"], "on"),
    "SET in a failed block is refused": (
        ["BEGIN", "SELECT 1/0", "SET enable_seqscan = off", "ROLLBACK"], "on"),
    "SET, COMMIT AND CHAIN, SET, ROLLBACK": (
        ["BEGIN", "SET enable_seqscan = off", "COMMIT AND CHAIN", "SET enable_seqscan = on",
         "ROLLBACK"], "off"),
    "SET x TO DEFAULT": (["SET enable_seqscan = off", "SET enable_seqscan TO DEFAULT"], "on"),
    "SET SESSION": (["SET SESSION enable_seqscan = off"], "off"),
    "SET with odd spelling": (["/* a comment */ sEt  \"enable_seqscan\"\n=\t'OFF' -- so"], "off"),
    "SET twice, the second in an error's batch": (
        ["SET enable_seqscan = off", "BEGIN", "SET enable_seqscan = on", "SELECT missing",
         "ROLLBACK"], "off"),
    "set_config() that a rolled back savepoint undoes": (
        ["BEGIN", "SAVEPOINT s", "SELECT set_config('enable_seqscan', 'off', false)",
         "ROLLBACK TO s", "COMMIT"], "on"),
    "set_config() in a row that is filtered afterwards": (
        ["SELECT n FROM numbers WHERE n = 1 AND set_config('enable_seqscan', 'off', false) = ''"],
        "off"),
    "a PREPAREd set_config()": (
        ["PREPARE sets AS SELECT set_config('enable_seqscan', $1, false)",
         "EXECUTE sets('off')"], "off"),
    "DISCARD ALL": (["SET enable_seqscan = off", "DISCARD ALL"], "on"),
    "SET LOCAL in a DO block": (
        ["BEGIN", "DO $$ BEGIN SET LOCAL enable_seqscan = off; END $$", SEQSCAN, "COMMIT"], "on"),
    "SET in a DO block that catches its error": (
        ["DO $$ BEGIN BEGIN SET enable_seqscan = off; PERFORM 1/0; "
         "EXCEPTION WHEN division_by_zero THEN NULL; END; END $$"], "on"),
}


def _script(name: str, way: Way, moved: bool) -> None:
    statements, wanted = SCRIPTS[name]
    title = f"{name}, {way.name}" + (", moved" if moved else "")

    @case("H3", title, pool=2 if moved else 1, made=True)
    def _play(stage: Stage) -> None:
        a, b = stage.clients("a", "b")
        for sql in statements:
            way.run(a, sql)
        stage.equal(b.simple(SEQSCAN).value, "on", "b's setting")
        if moved:
            stage.move()
        stage.equal(a.extended(SEQSCAN).value, wanted, "a's setting")


for _name in SCRIPTS:
    for _way in PROTOCOL:
        _script(_name, _way, moved=False)
    _script(_name, PROTOCOL[0], moved=True)


@case("H3", "SET ROLE, then RESET ROLE, SET ROLE NONE, DISCARD ALL")
def _role_back(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    for back in ("RESET ROLE", "SET ROLE NONE", "DISCARD ALL", "SET SESSION AUTHORIZATION DEFAULT"):
        a.simple("SET ROLE semantics_other")
        stage.equal(b.simple(USER).value, stage.lab.user, "b's user")
        stage.equal(a.simple(USER).value, "semantics_other", "a's user")
        a.simple(back)
        b.simple(USER)
        stage.equal(a.simple(USER).value, stage.lab.user, f"a's user after {back}")


@case("H3", "RESET ALL leaves the role alone")
def _role_reset_all(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.simple("SET ROLE semantics_other")
    a.simple("RESET ALL")
    b.simple("RESET ALL")
    stage.equal(a.simple(USER).value, "semantics_other", "a's user")


for _way in WAYS:
    def _tenant(stage: Stage, way: Way = _way) -> None:
        a, b = stage.clients("a", "b")
        for _ in range(3):
            for client in (a, b):
                send = f"SELECT quiet_set('my.tenant', 'of {client.name}', true)"
                way.run(client, "BEGIN")
                way.run(client, send)
                said = way.run(client, "SELECT current_setting('my.tenant')")
                stage.equal(said.value, f"of {client.name}", f"{client.name}'s tenant")
                way.run(client, "COMMIT")
        stage.equal(way.run(b, "SELECT current_setting('my.tenant', true)").value, "",
                    "the tenant between transactions")

    case("H3", f"a tenant set by a function, local to each transaction, {_way.name}")(_tenant)
