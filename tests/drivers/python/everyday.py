"""What a web application does all day, by several clients at once; prints what each has seen.

Each has a schema of its own, named in its search_path alone: whoever gets another's settings,
statements, sequence values or locks prints something else.
"""

import sys
import threading

import psycopg
from psycopg.pq import TransactionStatus

CLIENTS, ROUNDS = 8, 12


class Client:
    def __init__(self, number: int) -> None:
        self.number = number
        self.said = []
        self.failure = None

    def say(self, what: str, *values) -> None:
        self.said.append(f"client {self.number}: {what}: {values}")

    def run(self) -> None:
        try:
            # Every statement is prepared on the server, from its first use on.
            with psycopg.connect("", autocommit=True, prepare_threshold=0) as connection:
                self.connection = connection
                self.set_up()
                for turn in range(ROUNDS):
                    self.request(turn)
                self.tear_down()
        except Exception as error:  # pylint: disable=broad-except
            self.failure = f"client {self.number}: {type(error).__name__}: {error}"

    def set_up(self) -> None:
        execute = self.connection.execute
        execute(f"drop schema if exists web{self.number} cascade")
        execute(f"create schema web{self.number}")
        execute(f"set search_path = web{self.number}")
        execute("set application_name = 'web %s'" % self.number)
        execute("create table orders (id serial primary key, item text, paid bool default false)")
        execute("create table log (id serial, line text)")
        execute(f"select setval('log_id_seq', {1000 * (self.number + 1)})")

    def request(self, turn: int) -> None:
        connection, execute = self.connection, self.connection.execute
        with connection.transaction():
            execute("insert into orders (item) values (%s)", (f"item {turn}",))
            self.say("lastval", execute("select lastval()").fetchone())
            execute("select set_config('app.user', %s, true)", (f"user {self.number}",))
            try:
                with connection.transaction():  # a savepoint
                    execute("set local statement_timeout = '1min'")
                    execute("insert into log (line) values ('undone')")
                    execute("select 1 / 0")
            except psycopg.errors.DivisionByZero as error:
                self.say("savepoint", error.sqlstate)
            self.say("timeout", execute("show statement_timeout").fetchone())
            self.say("user", execute("select current_setting('app.user')").fetchone())
            execute("insert into log (line) values (%s)", (f"turn {turn}",))
        assert connection.info.transaction_status == TransactionStatus.IDLE
        # Once used, such a setting is '' where it is not set, and NULL before: of the connection.
        left = execute("select coalesce(current_setting('app.user', true), '')").fetchone()
        self.say("user after", left)
        key = 77_000 + self.number
        self.say("lock", execute("select pg_try_advisory_lock(%s)", (key,)).fetchone())
        self.say("orders", execute("select count(*), max(id) from orders").fetchone())
        self.say("unlock", execute("select pg_advisory_unlock(%s)", (key,)).fetchone())
        with connection.transaction(), connection.cursor(name="page") as cursor:
            cursor.itersize = 3
            cursor.execute("select item from orders order by id")
            self.say("page", sum(1 for _ in cursor))
        with connection.cursor() as cursor:
            cursor.executemany("update orders set paid = %s where id = %s",
                               [(True, turn + 1), (False, 10_000)])
            with cursor.copy("copy log (line) from stdin") as copy:
                copy.write_row((f"copied {turn}",))
        try:
            execute("insert into orders (id) values (1)")
        except psycopg.errors.UniqueViolation as error:
            self.say("unique", error.diag.schema_name, error.diag.constraint_name)
        if turn % 4 == 3:
            execute("alter table orders add column if not exists extra%s int" % turn)
            self.say("columns", len(execute("select * from orders limit 1").description))
        self.say("name", execute("show application_name").fetchone())

    def tear_down(self) -> None:
        rows = self.connection.execute("select id, line from log order by id").fetchall()
        self.say("log", len(rows), rows[0], rows[-1])
        self.connection.execute(f"drop schema web{self.number} cascade")


def main() -> int:
    clients = [Client(number) for number in range(CLIENTS)]
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client in clients:
        print(*client.said, sep="\n")
    failures = [client.failure for client in clients if client.failure]
    print(*failures, sep="\n", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
