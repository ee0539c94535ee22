"""asyncpg: everything binary and prepared, one line for each thing that works."""

import asyncio
import io
import os
import ssl

import asyncpg


def tls():
    if os.environ["PGSSLMODE"] == "disable":
        return False
    context = ssl.create_default_context(cafile=os.environ["PGSSLROOTCERT"])
    context.check_hostname = False
    return context


async def connect():
    return await asyncpg.connect(
        host=os.environ["PGHOST"], port=int(os.environ["PGPORT"]), user=os.environ["PGUSER"],
        password=os.environ["PGPASSWORD"], database=os.environ["PGDATABASE"], ssl=tls())


async def main():
    connection = await connect()
    print("ok connect")
    assert await connection.execute("select 1; select 2") == "SELECT 1"
    print("ok simple")
    statement = await connection.prepare("select $1::int + 1, $2::text")
    for number in range(100):
        assert tuple(await statement.fetchrow(number, "äöü")) == (number + 1, "äöü")
    print("ok prepared")
    await connection.execute("create temp table t (a int, b text)")
    try:
        async with connection.transaction():
            await connection.executemany("insert into t values ($1, $2)",
                                         [(n, "gone") for n in range(1000)])
            await connection.execute("select 1/0")
    except asyncpg.DivisionByZeroError:
        pass
    assert await connection.fetchval("select count(*) from t") == 0
    async with connection.transaction():
        rows = [row["n"] async for row in
                connection.cursor("select generate_series(1, 500) n", prefetch=50)]
    assert rows == list(range(1, 501))
    print("ok transaction")
    await connection.copy_records_to_table("t", records=[(n, "x" * 100) for n in range(10000)])
    out = io.BytesIO()
    await connection.copy_from_table("t", output=out)
    assert out.getvalue().count(b"\n") == 10000
    print("ok copy")
    try:
        await asyncio.wait_for(connection.execute("select pg_sleep(20)"), 0.3)
    except asyncio.TimeoutError:
        assert await connection.fetchval("select 1") == 1
        print("ok cancel")
    heard = asyncio.get_running_loop().create_future()
    await connection.add_listener("asyncpg_channel", lambda *args: heard.set_result(args[-1]))
    other = await connect()
    await other.execute("notify asyncpg_channel, 'hello'")
    assert await asyncio.wait_for(heard, 5) == "hello"
    print("ok listen")
    await other.close()
    await connection.close()


asyncio.run(main())
