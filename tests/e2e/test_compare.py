"""Direct against proxied: the same client bytes must bring the same server messages.

Each script of tests/scripts runs twice on one server, straight and through the proxy, and the two
streams are compared message by message and field by field. With TRUNKLINE_BINARY=relay a plain TCP
relay takes the proxy's place: then what differs is the script's own fault.
"""

import os
from pathlib import Path
from typing import Dict, Iterator, List

import pytest

from conftest import Proxy, upstream_of
from lib.postgres import Cluster
from lib.pgwire import Wire
from lib.relay import PlainRelay
from lib.script import Runner, Script, load
from lib.transcript import normalise
from lib.trunkline import base_config, client_tls

SCRIPTS = load(Path(__file__).resolve().parents[1] / "scripts")
MINIMUM = 300

SCHEMA = """
CREATE TABLE items (id int PRIMARY KEY, name text NOT NULL, price numeric(10,2) CHECK (price >= 0),
                    made date DEFAULT '2020-01-01');
INSERT INTO items SELECT n, 'item ' || n, n * 1.5 FROM generate_series(1, 10) n;
CREATE TABLE owned (id int REFERENCES items DEFERRABLE INITIALLY DEFERRED);
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN even AS int CHECK (VALUE % 2 = 0);
CREATE FUNCTION say(level text, words text) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  CASE level
    WHEN 'debug' THEN RAISE DEBUG '%', words;
    WHEN 'log' THEN RAISE LOG '%', words;
    WHEN 'info' THEN RAISE INFO '%', words;
    WHEN 'notice' THEN RAISE NOTICE '%', words USING HINT = 'a hint', DETAIL = 'a detail';
    WHEN 'warning' THEN RAISE WARNING '%', words USING ERRCODE = '01XYZ';
    ELSE RAISE EXCEPTION '%', words USING ERRCODE = 'ZZ123', TABLE = 'items', COLUMN = 'name';
  END CASE;
  RETURN 1;
END $$;
GRANT ALL ON items, owned TO PUBLIC;
"""


@pytest.fixture(scope="session")
def compared(clusters, session_folder, certificates) -> Iterator[Dict[int, tuple]]:
    """For each version: the server, and the proxy (or relay) in front of it."""
    found: Dict[int, tuple] = {}
    started: List[object] = []
    for version in (15, 18):
        cluster = clusters.shared(version)
        cluster.execute(SCHEMA, "app")
        if os.environ.get("TRUNKLINE_BINARY") == "relay":
            front = PlainRelay((cluster.host, cluster.port))
            started.append(front.close)
        else:
            config = base_config(upstreams={"main": upstream_of(cluster)},
                                 routes=[{"upstream": "main"}],
                                 authentication=[{"method": "trust"}])
            config["listen"]["tls"] = {"mode": "allow", "certificates": [
                {"cert": str(certificates.front.cert), "key": str(certificates.front.key)}]}
            front = Proxy(session_folder, config, f"compare-{version}").start()
            started.append(front.stop)
        found[version] = (cluster, front)
    yield found
    for stop in started:
        stop()


def play(script: Script, where: object, cluster: Cluster) -> List[tuple]:
    with Wire(where.host, where.port) as wire:
        runner = Runner(wire, lambda statement: cluster.execute(statement, "app"),
                        lambda each: each.wrap(client_tls(), "localhost"))
        return runner.run(script)


def difference(direct: List[tuple], proxied: List[tuple]) -> str:
    """The first place where they part, with what went before."""
    for index in range(max(len(direct), len(proxied))):
        one = direct[index] if index < len(direct) else "nothing more"
        two = proxied[index] if index < len(proxied) else "nothing more"
        if one != two:
            before = "\n".join(f"    {each!r}"[:300] for each in direct[max(0, index - 3):index])
            return (f"message {index} differs after\n{before}\n  direct:  {one!r}"[:1500] +
                    f"\n  proxied: {two!r}"[:1500])
    return ""


def test_there_are_enough_scripts():
    for version in (15, 18):
        count = sum(script.runs_on(version) for script in SCRIPTS)
        assert count >= MINIMUM, f"only {count} scripts on {version}"


CASES = [pytest.param(script, version, id=f"pg{version}-{script.name.replace(' ', '_')}")
         for version in (15, 18) for script in SCRIPTS if script.runs_on(version)]


@pytest.mark.parametrize("script,version", CASES)
def test_script(script: Script, version: int, compared):
    cluster, front = compared[version]
    direct = play(script, cluster, cluster)
    assert ("timeout",) not in direct, f"the script waits in vain: {direct[-3:]}"
    proxied = play(script, front, cluster)
    found = difference(normalise(script, direct), normalise(script, proxied))
    assert not found, found
