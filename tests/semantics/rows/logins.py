"""Rows R, S2, S3, S4, S5: what a client asks for at login is its own, and what RESET means."""

from lib import pgwire
from lib.pgwire import Wire
from semantics.case import case
from semantics.client import Answer
from semantics.stage import Stage
from semantics.ways import PROTOCOL, UNDONE, WAYS, Way

# -- R: RESET goes back to this client's startup values -------------------------------------------

FORMS = {
    "parameter": lambda name, value: [(name, value)],
    "options": lambda name, value: [("options", f"-c {name}={value}")],
    "options with --": lambda name, value: [("options", f"--{name.replace('_', '-')}={value}")],
}
RESETTABLE = {"work_mem": ("5MB", "6MB"), "search_path": ("north", "south")}


def _resets(way: Way, form: str, name: str, statement: str, moved: bool = False):
    mine, other = RESETTABLE[name]

    def play(stage: Stage) -> None:
        a = stage.client("a", FORMS[form](name, mine))
        b = stage.client("b")
        for client in (b, a):
            way.run(client, f"SET {name} = '{other}'")
            way.run(client, statement.format(name=name))
        if moved:
            stage.move()
        shown = f"SELECT current_setting('{name}')"
        stage.equal(way.run(a, shown).value, mine, f"a's {name}")
        stage.must(way.run(b, shown).value not in (mine, other), f"b's {name} is the server's")
    return play


STATEMENTS = ("RESET {name}", "RESET ALL", "DISCARD ALL", "SET {name} TO DEFAULT")
for _way in PROTOCOL:
    for _form in ("parameter", "options"):
        for _name in RESETTABLE:
            for _statement in STATEMENTS:
                _title = _statement.format(name=_name)
                case("R", f"{_title} after {_name} as startup {_form}, {_way.name}")(
                    _resets(_way, _form, _name, _statement))
    case("R", f"RESET ALL after startup options with --, {_way.name}")(
        _resets(_way, "options with --", "work_mem", "RESET ALL"))
    for _statement in STATEMENTS[:3]:
        case("R", f"{_statement.format(name='work_mem')}, moved, {_way.name}", pool=2)(
            _resets(_way, "parameter", "work_mem", _statement, moved=True))


def _one_string(stage: Stage, statement: str) -> None:
    a = stage.client("a", [("work_mem", "5MB")])
    stage.client("b").simple("SELECT 1")
    said = a.simple(f"SET work_mem = '6MB'; SHOW work_mem; {statement}; SHOW work_mem")
    stage.equal(said.values, ["6MB", "5MB"], "values inside the string")
    stage.equal(a.simple("SHOW work_mem").value, "5MB", "the value afterwards")


for _statement in ("RESET work_mem", "RESET ALL", "SET work_mem TO DEFAULT"):
    case("R", f"{_statement} inside one Query string")(
        lambda stage, statement=_statement: _one_string(stage, statement))


@case("R", "RESET of a ParameterStatus setting tells the client its startup value")
def _reported(stage: Stage) -> None:
    a, b = stage.client("a", [("application_name", "mine")]), stage.client("b")
    a.simple("SET application_name = 'other'")
    b.simple("SHOW application_name")
    said = a.simple("RESET application_name")
    stage.must(("S", ("application_name", "mine")) in said, "ParameterStatus of the startup value")
    stage.equal(a.simple("SHOW application_name").value, "mine", "a's application_name")


@case("R", "RESET in a block that is rolled back")
def _reset_undone(stage: Stage) -> None:
    a, b = stage.client("a", [("work_mem", "5MB")]), stage.client("b")
    a.simple("SET work_mem = '6MB'")
    UNDONE.play(a, PROTOCOL[0], ["RESET work_mem"])
    b.simple("SHOW work_mem")
    stage.equal(a.simple("SHOW work_mem").value, "6MB", "a's work_mem")


@case("R", "pg_settings knows the startup value as reset_val")
def _reset_value(stage: Stage) -> None:
    a, b = stage.client("a", [("DateStyle", "German")]), stage.client("b")
    b.simple("SELECT 1")
    stage.equal(a.simple("SHOW DateStyle").value, "German, DMY", "a's DateStyle")
    a.simple("SET DateStyle = 'ISO'")
    a.simple("RESET DateStyle")
    stage.equal(a.simple("SELECT date '2020-02-01'").value, "01.02.2020", "a's date")


# -- S2: startup settings -------------------------------------------------------------------------

GOOD = {
    "search_path": [("search_path", "north")],
    "work_mem in kilobytes": [("work_mem", "5120kB")],
    "extra_float_digits": [("extra_float_digits", "0")],
    "statement_timeout with a unit": [("statement_timeout", "90s")],
    "a boolean spelt yes": [("enable_seqscan", "yes")],
    "standard_conforming_strings off": [("standard_conforming_strings", "off")],
    "DateStyle german": [("DateStyle", "german")],
    "DateStyle in two words": [("datestyle", "sql, dmy")],
    "TimeZone in small letters": [("timezone", "europe/berlin")],
    "IntervalStyle": [("IntervalStyle", "ISO_8601")],
    "client_encoding utf-8": [("client_encoding", "utf-8")],
    "client_encoding latin1": [("client_encoding", "latin1")],
    "application_name with odd characters": [("application_name", "ä\tb")],
    "a long application_name": [("application_name", "x" * 100)],
    "a custom setting": [("my.tenant", "42")],
    "options with two settings": [("options", "-c work_mem=5MB -c geqo=off")],
    "options with an escaped space": [("options", "-c search_path=north,\\ south")],
    "options and a parameter": [("options", "-c work_mem=5MB"), ("work_mem", "6MB")],
    "default_transaction_isolation": [("default_transaction_isolation", "serializable")],
    "a name in capitals": [("WORK_MEM", "5MB")],
    "a parameter twice": [("work_mem", "5MB"), ("work_mem", "6MB")],
    "an empty value": [("application_name", "")],
}
BAD = {
    "an unknown setting": ([("no_such_setting", "1")], "42704"),
    "a malformed number": ([("work_mem", "much")], "22023"),
    "a number out of range": ([("work_mem", "1kB")], "22023"),
    "a malformed boolean": ([("enable_seqscan", "maybe")], "22023"),
    "an unknown encoding": ([("client_encoding", "klingon")], "22023"),
    "an unknown time zone": ([("timezone", "Moon/Sea")], "22023"),
    "an unknown setting in options": ([("options", "-c no_such_setting=1")], "42704"),
    "malformed options": ([("options", "-c work_mem")], "42601"),
    "an unknown switch": ([("options", "-Q")], "42601"),
    "a setting of the postmaster": ([("max_connections", "5")], "55P02"),
    "a setting of SIGHUP": ([("fsync", "off")], "55P02"),
    "a setting of superusers": ([("log_statement", "all")], "42501"),
}
SETTINGS = ("SELECT name, setting FROM pg_settings WHERE name IN ('search_path', 'work_mem', "
            "'extra_float_digits', 'statement_timeout', 'enable_seqscan', 'DateStyle', 'TimeZone', "
            "'IntervalStyle', 'client_encoding', 'application_name', 'geqo', "
            "'default_transaction_isolation', 'standard_conforming_strings') ORDER BY name")


def _settings(stage: Stage, said: Answer, client) -> None:
    stage.equal(said.errors, [], "the login")
    client.simple(SETTINGS)
    client.simple("SELECT current_setting('my.tenant', true)")


for _name, _parameters in GOOD.items():
    @case("S2", _name)
    def _accepted(stage: Stage, parameters=_parameters) -> None:
        a, b = (stage.client(name, login=False) for name in "ab")
        _settings(stage, a.try_login(parameters), a)
        _settings(stage, b.try_login(), b)
        a.simple(SETTINGS)

for _name, (_parameters, _code) in BAD.items():
    @case("S2", f"{_name} is FATAL")
    def _refused(stage: Stage, parameters=_parameters, code=_code) -> None:
        b = stage.client("b")
        for name in ("a", "again"):
            said = stage.client(name, login=False).try_login(parameters)
            stage.equal(said.error, code, "the login")
        stage.equal(b.simple("SELECT 'served'").value, "served", "b")


# -- S3: settings only a new backend can take -----------------------------------------------------

INDEXES, DELAY = "SHOW ignore_system_indexes", "SHOW post_auth_delay"
for _form in ("parameter", "options"):
    @case("S3", f"ignore_system_indexes as startup {_form}", pool=2)
    def _backend(stage: Stage, form=_form) -> None:
        a = stage.client("a", FORMS[form]("ignore_system_indexes", "on"))
        b = stage.client("b")
        for _ in range(2):
            stage.equal(a.simple(INDEXES).value, "on", "a's setting")
            stage.equal(b.simple(INDEXES).value, "off", "b's setting")

    @case("S3", f"log_disconnections of a superuser as startup {_form}", pool=2)
    def _superuser(stage: Stage, form=_form) -> None:
        a = stage.client("a", FORMS[form]("log_disconnections", "on"), user=stage.lab.admin)
        b = stage.client("b", user=stage.lab.admin)
        for _ in range(2):
            stage.equal(a.simple("SHOW log_disconnections").value, "on", "a's setting")
            stage.equal(b.simple("SHOW log_disconnections").value, "off", "b's setting")


for _way in WAYS:
    @case("S3", f"SET of one is 55P02, {_way.name}")
    def _too_late(stage: Stage, way=_way) -> None:
        a, b = stage.clients("a", "b")
        for client in (a, b):
            stage.equal(way.run(client, "SET ignore_system_indexes = on").error, "55P02",
                        client.name)
            stage.equal(way.run(client, INDEXES).value, "off", client.name)


@case("S3", "two of them, and two clients that agree", pool=2)
def _two(stage: Stage) -> None:
    wish = [("ignore_system_indexes", "on"), ("post_auth_delay", "0")]
    a, b = stage.client("a", wish), stage.client("b", wish)
    for client in (a, b):
        stage.equal(client.simple(INDEXES).value, "on", client.name)


@case("S3", "one that only superusers may give is refused")
def _not_allowed(stage: Stage) -> None:
    said = stage.client("a", login=False).try_login([("log_disconnections", "on")])
    stage.equal(said.error, "42501", "the login")
    stage.equal(stage.client("b").simple("SELECT 'served'").value, "served", "b")


# -- S4: ALTER ROLE and ALTER DATABASE ------------------------------------------------------------

ALTERED = {
    "ALTER ROLE": "ALTER ROLE {user} {set}",
    "ALTER DATABASE": "ALTER DATABASE {database} {set}",
    "ALTER ROLE IN DATABASE": "ALTER ROLE {user} IN DATABASE {database} {set}",
}
SHOWN = "SELECT current_setting('work_mem')"


def _alter(stage: Stage, template: str, change: str) -> None:
    stage.admin(template.format(user=stage.lab.user, database=stage.lab.database, set=change))


def _login_shows(stage: Stage, setting: str, value: str) -> None:
    """A login asks the server only if a connection is idle within 20 ms: on a busy machine the
    first one may not, so others try."""
    def shown() -> bool:
        with Wire(*stage.address) as wire:
            wire.login(stage.lab.user, stage.lab.database)
            return wire.scalar(f"SHOW {setting}") == value

    stage.wait(shown, f"a login gets {setting} = {value}")


for _name, _template in ALTERED.items():
    for _way in PROTOCOL:
        @case("S4", f"{_name}, {_way.name}")
        def _seen(stage: Stage, template=_template, way=_way) -> None:
            a = stage.client("a")
            stage.equal(way.run(a, SHOWN).value, "4MB", "a before")
            try:
                _alter(stage, template, "SET work_mem = '9MB'")
                _login_shows(stage, "work_mem", "9MB")
                b = stage.client("b")
                stage.equal(way.run(b, SHOWN).value, "9MB", "b, which logged in after")
                stage.equal(way.run(a, SHOWN).value, "4MB", "a, which logged in before")
                way.run(b, "SET work_mem = '1MB'")
                way.run(b, "RESET work_mem")
                stage.equal(way.run(b, SHOWN).value, "9MB", "b after RESET")
            finally:
                _alter(stage, template, "RESET work_mem")
            _login_shows(stage, "work_mem", "4MB")
            c = stage.client("c")
            stage.equal(way.run(c, SHOWN).value, "4MB", "c, which logged in after RESET")

    @case("S4", f"{_name}: ParameterStatus at login")
    def _told(stage: Stage, template=_template) -> None:
        stage.client("a").simple("SELECT 1")
        try:
            _alter(stage, template, "SET DateStyle = 'German'")
            _login_shows(stage, "DateStyle", "German, DMY")
            said = stage.client("b", login=False).try_login()
            stage.must(("S", ("DateStyle", "German, DMY")) in said, "b is told its DateStyle")
        finally:
            _alter(stage, template, "RESET DateStyle")


# -- S5: one text under two search paths ----------------------------------------------------------

TEXT = "SELECT * FROM whose"
WANTED = {"north": [["north"]], "south": [["south", "7"]], "public": [["public"]]}


def _paths(by_startup: bool, statement: str, moved: bool, block: bool):
    def play(stage: Stage) -> None:
        clients = {}
        for name, path in (("a", "north"), ("b", "south"), ("c", "public")):
            wish = [("search_path", path)] if by_startup else []
            clients[path] = stage.client(name, wish)
            if not by_startup:
                clients[path].simple(f"SET search_path = {path}")
            clients[path].parse(statement, TEXT)
        if moved:
            stage.move()
        for path, client in [*clients.items()] * 2:
            before = pgwire.parse("", "BEGIN") if block and statement else b""
            if before:
                client.send(before + pgwire.bind() + pgwire.execute() + pgwire.sync(), note="BEGIN")
                client.ready()
            stage.equal(client.execute(statement).rows(), WANTED[path], f"rows under {path}")
            if before:
                client.simple("COMMIT")
    return play


for _by_startup in (False, True):
    _by = "startup" if _by_startup else "SET"
    for _statement in ("s1", ""):
        _kind = "named" if _statement else "unnamed"
        case("S5", f"search_path by {_by}, {_kind}")(_paths(_by_startup, _statement, False, False))
        case("S5", f"search_path by {_by}, {_kind}, moved", pool=2)(
            _paths(_by_startup, _statement, True, False))
    case("S5", f"search_path by {_by}, in a block")(_paths(_by_startup, "s1", False, True))


@case("S5", "SQL PREPARE of one text under two search paths")
def _sql_prepare(stage: Stage) -> None:
    clients = dict(zip(("north", "south"), stage.clients("a", "b")))
    for path, client in clients.items():
        client.simple(f"SET search_path = {path}")
        client.simple(f"PREPARE sp AS {TEXT}")
    for path, client in [*clients.items()] * 2:
        stage.equal(client.simple("EXECUTE sp").rows(), WANTED[path], f"rows under {path}")


@case("S5", "a client that changes its search_path: PostgreSQL's answer")
def _changes(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.simple("SET search_path = north")
    a.parse("s1", "SELECT name FROM whose")
    stage.equal(a.execute("s1").value, "north", "the first path")
    b.simple("SET search_path = south")
    b.parse("s1", "SELECT name FROM whose")
    a.simple("SET search_path = south")
    stage.equal(a.execute("s1").value, "south", "PostgreSQL plans anew under the second path")


@case("S5", "one text under two roles", pool=1)
def _roles(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.simple("SET ROLE semantics_other")
    for client, user in ((a, "semantics_other"), (b, stage.lab.user)):
        client.parse("s1", "SELECT current_user::text")
        stage.equal(client.execute("s1").value, user, client.name)
    stage.equal(a.execute("s1").value, "semantics_other", "a again")

