"""Row H3 once more: texts that set something, and texts that only look as if they did."""

from lib import pgwire
from semantics.case import case
from semantics.client import batch
from semantics.stage import Stage
from semantics.ways import PROTOCOL, SIMPLE

SEQSCAN = "SELECT current_setting('enable_seqscan')"
OFF = "SET enable_seqscan = off"
LONG = "x" * 300_000  # longer than any proxy should keep to look at

# What a runs, in bytes; afterwards enable_seqscan is on or off. SJIS: a second byte may be \.
TEXTS = {
    "SET in a string": ([f"SELECT '; {OFF}; '"], "on"),
    "SET in a string with doubled quotes": ([f"SELECT 'it''s; {OFF}; '''"], "on"),
    "SET in a string with backslashes": ([f"SELECT E'it\\'s; {OFF}; '"], "on"),
    "SET after a string that ends in a backslash": ([f"SELECT 'x\\'; {OFF}"], "off"),
    "the same with standard_conforming_strings off": (
        ["SET standard_conforming_strings = off", "SET escape_string_warning = off",
         f"SELECT 'it\\'; {OFF}; '"], "on"),
    "standard_conforming_strings off and on again": (
        ["SET standard_conforming_strings = off", "RESET standard_conforming_strings",
         f"SELECT 'x\\'; {OFF}"], "off"),
    "SET in dollar quotes": ([f"SELECT $q$; {OFF}; $q$ || $$; {OFF}$$"], "on"),
    "SET after a dollar that quotes nothing": ([f"SELECT 1 AS a$b; {OFF}; SELECT 2 AS a$b"],
                                               "off"),
    "SET in a comment": ([f"SELECT 1 /* ; {OFF}; */"], "on"),
    "SET in a nested comment": ([f"SELECT 1 /* /* */ ; {OFF}; */"], "on"),
    "SET after a line comment": ([f"SELECT 1 -- ' /*\n; {OFF}"], "off"),
    "SET in a quoted name": ([f'SELECT 1 AS "; {OFF}; "'], "on"),
    "SET in a Unicode string": ([f"SELECT U&'\\0041; {OFF}; '"], "on"),
    "SET after a bit string": ([f"SELECT B'01', X'1F'; {OFF}"], "off"),
    "SET in a string in two parts": ([f"SELECT 'one'\n'; {OFF}; '"], "on"),
    "SET after empty statements": ([f";;  ; {OFF};;"], "off"),
    "SET of a name with a schema-like prefix": ([f"SET my.enable_seqscan = off; SELECT 1"], "on"),
    "an alias called set": (["SELECT 1 AS set", "SELECT n AS \"SET\" FROM numbers LIMIT 1"], "on"),
    "UPDATE SET": (["UPDATE notes SET note = 'off' WHERE note = 'enable_seqscan'"], "on"),
    "ALTER ROLE SET is for later logins": (
        [f"ALTER ROLE CURRENT_USER {OFF}", "ALTER ROLE CURRENT_USER RESET enable_seqscan"], "on"),
    "a function with a SET of its own": (["SELECT sets_inside()"], "on"),
    "SET in SJIS after a second byte that is a backslash": (
        ["SET client_encoding = 'SJIS'", b"SELECT E'\x83\x5c', 'b'; SET enable_seqscan = off"],
        "off"),
    "no SET in SJIS": (
        ["SET client_encoding = 'SJIS'", b"SELECT E'\x83\x5c\\'; SET enable_seqscan = off; '"],
        "on"),
    "GBK, the same": (
        ["SET client_encoding = 'GBK'", b"SELECT E'\x81\x5c', 'b'; SET enable_seqscan = off"],
        "off"),
    "SET before a long comment": ([f"{OFF} /* {LONG} */"], "off"),
    "SET after a long comment": ([f"/* {LONG} */ {OFF}"], "off"),
    "SET after a long string": ([f"SELECT length('{LONG}'); {OFF}"], "off"),
    "SET inside a long string": ([f"SELECT length('{LONG}; {OFF}; ')"], "on"),
    "BEGIN, SET and ROLLBACK in one text": ([f"BEGIN; {OFF}; ROLLBACK"], "on"),
    "BEGIN, SET, COMMIT, an error in one text": ([f"BEGIN; {OFF}; COMMIT; SELECT 1/0"], "off"),
    "SET, BEGIN, ROLLBACK in one text": ([f"{OFF}; BEGIN; ROLLBACK"], "on"),
    "SET, COMMIT, SET, an error in one text": (
        [f"{OFF}; COMMIT; SET enable_seqscan = on; SELECT 1/0"], "off"),
    "a COMMIT that fails by a deferred constraint": (
        ["BEGIN", OFF, "INSERT INTO late VALUES (1), (1)", "COMMIT"], "on"),
    "START TRANSACTION, END": (["START TRANSACTION", OFF, "END"], "off"),
    "BEGIN WORK, ABORT WORK": (["BEGIN WORK", OFF, "ABORT WORK"], "on"),
}
SETUP = """
CREATE TABLE late (n int UNIQUE DEFERRABLE INITIALLY DEFERRED);
GRANT ALL ON late TO PUBLIC;
CREATE FUNCTION sets_inside() RETURNS text LANGUAGE sql SET enable_seqscan = off
  AS 'SELECT current_setting(''enable_seqscan'')';
"""
TEARDOWN = "DROP TABLE late; DROP FUNCTION sets_inside()"

for _name in TEXTS:
    @case("H3", f"text: {_name}", setup=SETUP, teardown=TEARDOWN, made=True)
    def _text(stage: Stage, name: str = _name) -> None:
        texts, wanted = TEXTS[name]
        a, b = stage.clients("a", "b")
        for text in texts:
            a.send(pgwire.query(text), note=text[:80])
            a.ready()
        stage.equal(b.simple(SEQSCAN).value, "on", "b's setting")
        a.simple("RESET client_encoding")
        stage.equal(a.simple(SEQSCAN).value, wanted, "a's setting")


# -- the extended protocol: what was parsed sets something only when it is executed ----------------

@case("H3", "SET parsed once, executed later and again")
def _parsed(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.parse("off", OFF)
    a.parse("on", "SET enable_seqscan = on")
    stage.equal(a.simple(SEQSCAN).value, "on", "a before it is executed")
    for name in ("off", "on", "off"):
        a.execute(name)
        stage.equal(b.simple(SEQSCAN).value, "on", "b's setting")
        stage.equal(a.simple(SEQSCAN).value, name, "a's setting")


@case("H3", "SET parsed once, executed after a move", pool=2)
def _parsed_moved(stage: Stage) -> None:
    a = stage.client("a")
    a.parse("off", OFF)
    stage.move()
    a.execute("off")
    stage.equal(a.simple(SEQSCAN).value, "off", "a's setting")


@case("H3", "BEGIN and ROLLBACK as named statements around SET")
def _named_block(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    for name, text in (("b", "BEGIN"), ("s", OFF), ("r", "ROLLBACK"), ("c", "COMMIT")):
        a.parse(name, text)
    for names, wanted in (("bsr", "on"), ("bsc", "off")):
        for name in names:
            a.execute(name)
        stage.equal(b.simple(SEQSCAN).value, "on", "b's setting")
        stage.equal(a.simple(SEQSCAN).value, wanted, f"a's setting after {names}")


@case("H3", "set_config() with parameters")
def _parameters(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.extended("SELECT set_config($1, $2, false)", ["enable_seqscan", "off"])
    stage.equal(b.simple(SEQSCAN).value, "on", "b's setting")
    stage.equal(a.simple(SEQSCAN).value, "off", "a's setting")


@case("H3", "SET confirmed at Flush, undone by an error before Sync")
def _flushed(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.send(batch(OFF) + pgwire.flush(), note=f"extended: {OFF}, flush")
    a.until("C")
    a.send(batch("SELECT 1/0") + pgwire.sync(), note="extended: SELECT 1/0")
    a.ready()
    for client in (b, a):
        stage.equal(client.simple(SEQSCAN).value, "on", f"{client.name}'s setting")


@case("H3", "SET bound and never executed")
def _never(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.send(pgwire.parse("", OFF) + pgwire.bind() + pgwire.describe("P") + pgwire.sync(),
           note=f"parse, bind: {OFF}")
    a.ready()
    for client in (b, a):
        stage.equal(client.simple(SEQSCAN).value, "on", f"{client.name}'s setting")


for _way in PROTOCOL:
    @case("F", f"PREPARE with a long text, {_way.name}", pool=2)
    def _long_prepare(stage: Stage, way=_way) -> None:
        a, b = stage.clients("a", "b")
        for client in (a, b):
            way.run(client, f"PREPARE sp AS SELECT '{client.name}', length('{LONG}')")
        for client in (a, b):
            stage.equal(way.run(client, "EXECUTE sp").rows(), [[client.name, str(len(LONG))]],
                        f"{client.name}'s rows")


@case("F", "a PREPAREd name that only looks like another")
def _lookalike(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.simple("PREPARE sp AS SELECT 'EXECUTE sp; DEALLOCATE sp' /* DEALLOCATE sp */")
    b.simple("PREPARE sp AS SELECT 'of b'")
    stage.equal(SIMPLE.run(a, "/* EXECUTE other */ EXECUTE/**/sp").value,
                "EXECUTE sp; DEALLOCATE sp", "a's row")
    stage.equal(a.simple('EXECUTE U&"\\0073p"').value, "EXECUTE sp; DEALLOCATE sp", "a's row")
