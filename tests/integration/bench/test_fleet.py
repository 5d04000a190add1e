"""The simulated fleet runs, and no tick of it fails: with a tenth of the environments of docs/how-to/scale.md."""

from __future__ import annotations

import json
import subprocess
import sys

from bench import fleet
from tests.harness.needs import database
from tests.harness.sources import REPOSITORY
from tools.databases import Postgres

COMMAND = ("-m", "bench.fleet", "--environments", "1000", "--seconds", "4", "--json")


def test_a_small_fleet_ticks_on_a_real_server_and_the_table_tells_of_it() -> None:
    database(Postgres, "a fleet on one server")
    done = subprocess.run([sys.executable, *COMMAND], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["environments"] == 1000
    for pace in ("paced", "full"):
        assert found[pace]["ticks"] > 0
        assert found[pace]["failed"] == 0
    assert found["full"]["ticks"] > found["paced"]["ticks"], "as fast as it goes is faster"
    at_once = found["at_once"]
    assert 0 <= at_once["refused"] < at_once["ticks"], "how many get a connection depends on the machine"
    assert found["megabytes"]["events"][0] > 0
    told = fleet.table(found)
    assert "1,000 environments" in told
    assert "| ticks that could not be had | 0 | 0 |" in told
