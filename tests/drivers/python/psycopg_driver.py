"""psycopg 3: connection settings from libpq's environment, one line for each thing that works."""

import threading
import time

import psycopg

with psycopg.connect("", autocommit=True) as connection:
    print("ok connect")
    assert connection.execute("select 'äöü'", prepare=False).fetchone() == ("äöü",)
    print("ok simple")
    for number in range(10):  # the fifth execution becomes a named statement
        row = connection.execute("select %s::int + 1", [number], prepare=True).fetchone()
        assert row == (number + 1,)
    with connection.cursor(binary=True) as cursor:
        assert cursor.execute("select %s::bytea", [b"\0\xff"]).fetchone() == (b"\0\xff",)
    print("ok prepared")
    connection.execute("create temp table t (a int, b text)")
    try:
        with connection.transaction():
            connection.execute("insert into t values (1, 'gone')")
            with connection.transaction():
                connection.execute("insert into t values (2, 'gone')")
            connection.execute("select 1/0")
    except psycopg.errors.DivisionByZero:
        pass
    assert connection.execute("select count(*) from t").fetchone() == (0,)
    print("ok transaction")
    with connection.pipeline():
        cursors = [connection.execute("select %s::int", [n]) for n in range(50)]
    assert [each.fetchone()[0] for each in cursors] == list(range(50))
    print("ok pipeline")
    with connection.cursor() as cursor:
        with cursor.copy("copy t from stdin") as copy:
            for n in range(10000):
                copy.write_row((n, "x" * 100))
        with cursor.copy("copy t to stdout") as copy:
            assert sum(1 for _ in copy.rows()) == 10000
    print("ok copy")
    ended = threading.Event()

    def cancel():
        while not ended.wait(0.3):  # one that comes before the statement is ignored
            connection.cancel()

    canceller = threading.Thread(target=cancel, daemon=True)
    canceller.start()
    begun = time.monotonic()
    try:
        connection.execute("select pg_sleep(20)")
    except psycopg.errors.QueryCanceled:
        assert time.monotonic() - begun < 10
        print("ok cancel")
    ended.set()
    canceller.join()
    connection.execute("listen psycopg_channel")
    with psycopg.connect("", autocommit=True) as other:
        other.execute("notify psycopg_channel, 'hello'")
    notification = next(connection.notifies())
    assert notification.payload == "hello"
    print("ok listen")
