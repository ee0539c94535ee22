"""Row I: notifications reach who listens, and nobody else."""

from typing import List, Tuple

from semantics.case import Case, add, case
from semantics.client import Client
from semantics.stage import Stage
from semantics.ways import (ALONE, EXTENDED, KEPT, PROTOCOL, ROLLED_BACK, SIMPLE, WAYS, Place, Way)

HELLO = [("chat", "hello")]
SILENCE_SECONDS = 0.06


def _told(said) -> List[Tuple[str, str]]:
    """Channel and payload of the notifications in an answer."""
    return [each[1][1:] for each in said if each[0] == "A"]


def _got_nothing(stage: Stage, client: Client, seconds: float = SILENCE_SECONDS / 4) -> None:
    """Nothing while idle, and nothing that would come with the next answer."""
    stage.must(client.silent(seconds), f"{client.name} is told nothing while idle")
    said = client.simple("SELECT 'fence'")
    stage.equal([each for each in said if each[0] == "A"], [], f"{client.name}'s notifications")


def _listens(way: Way, place: Place):
    def play(stage: Stage) -> None:
        a, b = stage.clients("a", "b")
        place.play(a, way, ["LISTEN chat"])
        if place.moves:
            stage.move()
        b.simple("NOTIFY chat, 'hello'")
        if place.undone:
            _got_nothing(stage, a, SILENCE_SECONDS)
        else:
            stage.equal(a.notified(), HELLO, "a's notifications")
        _got_nothing(stage, b)
    return play


def _notifies(way: Way, place: Place):
    def play(stage: Stage) -> None:
        a, b = stage.clients("a", "b")
        a.simple("LISTEN chat")
        place.play(b, way, ["NOTIFY chat, 'hello'"])
        if place.undone:
            _got_nothing(stage, a, SILENCE_SECONDS)
        else:
            stage.equal(a.notified(), HELLO, "a's notifications")
        _got_nothing(stage, b)
    return play


for _way in WAYS:
    for _place in KEPT + ROLLED_BACK:
        add(Case("I", f"LISTEN, {_way.name}, {_place.name}", _listens(_way, _place), made=True,
                 pool=2 if _place.moves or _way.name == "SQL-level" else 1))
        if not _place.moves:
            add(Case("I", f"NOTIFY, {_way.name}, {_place.name}", _notifies(_way, _place),
                     made=True))


@case("I", "pg_notify()")
def _function(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.extended("LISTEN chat")
    b.extended("SELECT pg_notify('chat', $1)", ["hello"])
    stage.equal(a.notified(), HELLO, "a's notifications")
    _got_nothing(stage, b)


def _self(way: Way):
    def play(stage: Stage) -> None:
        a, b = stage.clients("a", "b")
        a.simple("LISTEN chat")
        said = way.run(a, "NOTIFY chat, 'hello'")
        stage.equal(_told(said), HELLO, "a's own notification, before ReadyForQuery")
        _got_nothing(stage, b)
        _got_nothing(stage, a)
    return play


for _way in PROTOCOL:
    case("I", f"a client that notifies itself, {_way.name}")(_self(_way))


@case("I", "two listeners, two channels")
def _two(stage: Stage) -> None:
    a, b, c = stage.clients("a", "b", "c")
    a.simple("LISTEN chat; LISTEN news")
    b.simple("LISTEN news")
    c.simple("NOTIFY chat, 'one'")
    c.simple("NOTIFY news, 'two'")
    stage.equal(a.notified(2), [("chat", "one"), ("news", "two")], "a's notifications")
    stage.equal(b.notified(), [("news", "two")], "b's notifications")
    _got_nothing(stage, c)


def _unlisten(statement: str, left: list, row: str = "I"):
    @case(row, f"{statement} of a, b listens on")
    def _play(stage: Stage) -> None:
        a, b, c = stage.clients("a", "b", "c")
        for client in (a, b):
            client.simple("LISTEN chat; LISTEN news")
        a.simple(statement)
        c.simple("NOTIFY chat; NOTIFY news")
        stage.equal(b.notified(2), [("chat", ""), ("news", "")], "b's notifications")
        stage.equal(a.notified(len(left)), left, "a's notifications")
        _got_nothing(stage, a)


for _statement, _left in (("UNLISTEN chat", [("news", "")]), ("UNLISTEN *", []),
                          ("DISCARD ALL", [])):
    _unlisten(_statement, _left)


@case("I", "UNLISTEN in a block rolled back goes on listening")
def _unlisten_undone(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.simple("LISTEN chat")
    a.simple("BEGIN")
    a.simple("UNLISTEN chat")
    a.simple("ROLLBACK")
    b.simple("NOTIFY chat, 'hello'")
    stage.equal(a.notified(), HELLO, "a's notifications")


# With a text that listens, what the client has sent itself in the transaction that it ends.
_OWN = {
    "sent by itself before it listened, in one text with the LISTEN":
        (["BEGIN; NOTIFY chat, 'before'", "COMMIT; LISTEN chat; NOTIFY chat, 'hello'"], HELLO),
    "sent by itself between UNLISTEN and LISTEN, in one text with the LISTEN":
        (["LISTEN chat", "BEGIN; UNLISTEN chat; NOTIFY chat, 'between'",
          "COMMIT; LISTEN chat; NOTIFY chat, 'hello'"], HELLO),
    "the same twice, before and after it listened":
        (["BEGIN; NOTIFY chat, 'hello'", "COMMIT; LISTEN chat; NOTIFY chat, 'hello'"], HELLO),
    "sent by itself before it listened, and nothing since":
        (["BEGIN; NOTIFY chat, 'before'", "COMMIT; LISTEN chat"], []),
    "sent by itself before it listened, while it listened to something else":
        (["LISTEN news", "BEGIN; NOTIFY chat, 'hello'", "COMMIT; LISTEN chat"], HELLO),
}


def _own(texts: List[str], expected: List[Tuple[str, str]]):
    def play(stage: Stage) -> None:
        a = stage.client("a")
        for text in texts:
            said = a.simple(text)
        stage.equal(_told(said), expected, "a's notifications")
        _got_nothing(stage, a)
    return play


for _title, (_texts, _expected) in _OWN.items():
    add(Case("I", _title, _own(_texts, _expected)))


@case("I", "equal notifications of one transaction are one, different ones keep their order")
def _order(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.simple("LISTEN chat")
    b.simple("BEGIN; NOTIFY chat, '2'; NOTIFY chat, '1'; NOTIFY chat, '2'; COMMIT")
    stage.equal(a.notified(2), [("chat", "2"), ("chat", "1")], "a's notifications")
    _got_nothing(stage, a)


@case("I", "delivered after the transaction of the listener, before ReadyForQuery", pool=2)
def _not_inside(stage: Stage) -> None:
    a, b, c = stage.clients("a", "b", "c")
    for client in (a, c):
        client.simple("LISTEN chat")
    a.simple("BEGIN")
    b.simple("NOTIFY chat, 'hello'")
    stage.equal(c.notified(), HELLO, "c's notifications")  # so a's has come, too
    stage.must(a.silent(SILENCE_SECONDS), "nothing inside the transaction")
    stage.equal(a.simple("SELECT 1").types, "TDCZ", "an answer inside the transaction")
    stage.equal(a.simple("COMMIT").types, "CAZ", "the answer to COMMIT")


@case("I", "a block that notifies and then fails in its last statement")
def _late_failure(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.simple("LISTEN chat")
    b.simple("BEGIN; NOTIFY chat, 'lost'")
    b.simple("SELECT 1/0")
    b.simple("COMMIT")
    b.simple("NOTIFY chat, 'hello'")
    stage.equal(a.notified(), HELLO, "a's notifications")


@case("I", "pg_listening_channels() shows the client's own")
def _channels(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.simple("LISTEN chat")
    b.simple("LISTEN news")
    for client, channel in ((a, "chat"), (b, "news")):
        stage.equal(client.simple("SELECT * FROM pg_listening_channels()").values, [channel],
                    f"{client.name}'s channels")


@case("I", "names are folded, quoted and cut as PostgreSQL does")
def _names(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.simple('LISTEN Chat; LISTEN "Chat"')
    b.simple('NOTIFY CHAT, \'folded\'; NOTIFY "Chat", \'quoted\'')
    stage.equal(a.notified(2), [("chat", "folded"), ("Chat", "quoted")], "a's notifications")


@case("I", "a hundred notifications arrive in order, none twice")
def _hundred(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    ALONE.play(a, EXTENDED, ["LISTEN chat"])
    for number in range(100):
        (SIMPLE if number % 2 else EXTENDED).run(b, f"NOTIFY chat, '{number}'")
    stage.equal(a.notified(100), [("chat", str(number)) for number in range(100)],
                "a's notifications")
    _got_nothing(stage, a)


@case("I", "a listener that goes away is forgotten")
def _gone(stage: Stage) -> None:
    a, b = stage.clients("a", "b")
    a.simple("LISTEN chat")
    a.vanish("terminate")
    b.simple("NOTIFY chat, 'nobody'")
    _got_nothing(stage, b)
    c = stage.client("c")
    c.simple("LISTEN chat")
    b.simple("NOTIFY chat, 'hello'")
    stage.equal(c.notified(), HELLO, "c's notifications")
