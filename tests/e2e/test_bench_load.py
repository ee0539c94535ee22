"""The benchmark's clients say what PostgreSQL understands, and its report counts limits right."""

import json
import subprocess
import sys

import pytest

from lib.postgres import REPOSITORY
from lib.trunkline import binary

LOAD = binary().parent / "bench/bench_load"
needs_load = pytest.mark.skipif(not LOAD.exists(), reason="not built under sanitizers")


@pytest.fixture(name="target", scope="module")
def fixture_target(pg15):
    pg15.execute("create table product as select 1234567 as id, 'product 1234'::text as name", "app")
    pg15.execute("grant select on product to public", "app")
    yield ["--target", f"127.0.0.1:{pg15.port}", "--user", "trusty", "--database", "app"]
    pg15.execute("drop table product", "app")


def load(target, *options, said=None):
    done = subprocess.run([LOAD, *target, *options], input=said, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout
    return [json.loads(line) for line in done.stdout.splitlines()]


@needs_load
@pytest.mark.parametrize("own_settings", ["none", "session", "transaction"])
@pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
def test_postgresql_understands_the_load(target, mode, own_settings):
    found = load(target, "--mode", mode, "--own-settings", own_settings, "--clients", "4",
                 "--warm-up", "0.05", "--seconds", "1")
    assert found[-1]["requests"] > 0


@needs_load
def test_idle_clients_prepare_when_they_are_told(target):
    found = load(target, "--mode", "idle", "--clients", "5", said="prepare\nprepared\n")
    assert found == [{"ready": 5}, {"ready": 5}]


@pytest.fixture(name="bench", scope="module")
def fixture_bench():
    """Its modules, which are scripts in a folder and no package."""
    sys.path.insert(0, str(REPOSITORY / "bench"))
    try:
        import pool_scenarios
        import report
        yield {each.name: each for each in pool_scenarios.POOL_SCENARIOS}, report
    finally:
        sys.path.remove(str(REPOSITORY / "bench"))


def test_each_limit_is_met_or_not(bench):
    scenarios, report = bench
    simple = scenarios["pool-simple"]
    samples = {"trunkline": [{"cost": 9}], "pgbouncer": [{"cost": 10}],
               "trunkline, own settings": [{"cost": 18}]}
    assert report.verdicts(simple, samples) == [
        "trunkline: 0.9 (0.9–0.9) of pgbouncer; at most 1: met",
        "trunkline, own settings: 2 (2–2) of trunkline; at most 1.3: NOT met"]
    del samples["pgbouncer"]
    assert len(report.verdicts(simple, samples)) == 1


def test_a_figure_that_one_proxy_lacks_is_left_empty(bench):
    scenarios, report = bench
    memory = scenarios["pool-memory"]
    idle = {"cost": 1.0, "pss_before_kb": 1, "pss_after_kb": 2}
    result = {"samples": {"trunkline": [idle | {"prepared_kb": 2.0}], "pgbouncer": [idle]},
              "system_calls": {}}
    assert report.table(memory, result).splitlines()[-1].endswith("|  |")
    assert "2 (2–2) kB/session more with 20 prepared statements; at most 1.5: NOT met" in "".join(
        report.verdicts(memory, result["samples"]))


def test_every_variant_has_a_proxy_and_a_limit_only_what_is_measured(bench):
    for scenario in bench[0].values():
        variants = scenario.variants()
        assert {scenario.proxy_of(each)[0] for each in variants} <= {"trunkline", "pgbouncer"}
        for limit in scenario.limits():
            assert {limit.variant or variants[0], limit.reference or variants[0]} <= set(variants)
            assert limit.key == "cost" or limit.key in dict(scenario.columns)
