from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from upsun_simulator import ManualClock, Scenario, Server, Simulator, serve

from tests.harness.simulator_client import FORM, MAIN, PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 5


class Line:
    """A client over one kept-alive connection."""

    def __init__(self, server: Server) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        form = {"client_id": "upsun-cli", "grant_type": "api_token", "api_token": "simulated-token"}
        self.headers = {"Content-Type": FORM}
        answer = self.ask("POST", "/oauth2/token", urlencode(form))
        self.headers = {"Content-Type": "application/json"}
        self.headers["Simulator-Secret"] = server.simulator.control_secret
        self.headers["Authorization"] = "Bearer " + json.loads(answer.read())["access_token"]

    def ask(self, method: str, path: str, body: str | None = None) -> http.client.HTTPResponse:
        self.connection.request(method, path, body, self.headers)
        return self.connection.getresponse()

    def read(self, method: str, path: str, body: str | None = None) -> Any:
        return json.loads(self.ask(method, path, body).read())

    def close(self) -> None:
        self.connection.close()


@contextmanager
def raw(server: Server) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
        yield connection


def everything(connection: socket.socket) -> bytes:
    found = b""
    while part := connection.recv(65536):
        found += part
    return found


def request(method: str, path: str, line: Line, body: str = "", *more: str) -> bytes:
    head = [
        f"{method} {path} HTTP/1.1",
        f"Host: 127.0.0.1:{line.connection.port}",
        f"Authorization: {line.headers['Authorization']}",
    ]
    return "\r\n".join([*head, f"Content-Length: {len(body)}", *more, "", body]).encode()


@pytest.fixture
def sim() -> Simulator:
    return Simulator(clock=ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC)))


@pytest.fixture
def server(sim: Simulator) -> Iterator[Server]:
    with serve(sim) as started:
        yield started


@pytest.fixture
def line(server: Server) -> Iterator[Line]:
    with closing(Line(server)) as client:
        yield client


def test_one_connection_carries_many_requests(sim: Simulator, line: Line) -> None:
    before = line.connection.sock
    for _ in range(3):
        assert line.read("GET", "/users/me")["username"] == "update-bot"
    assert line.read("POST", f"{MAIN}/backup", '{"safe": true}')["code"] == 202
    assert line.connection.sock is before is not None
    assert len(sim.requests) == 5


def test_a_body_that_nobody_wanted_does_not_spoil_the_next_request(server: Server, line: Line) -> None:
    ignored = request("GET", "/nothing", line, '{"unread": "body"}' * 100)
    chunked = request("POST", f"{MAIN}/backup", line).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    last = request("GET", "/users/me", line, "", "Connection: close")
    with raw(server) as connection:
        connection.sendall(ignored + chunked + b'd\r\n{"safe":false\r\n1\r\n}\r\n0\r\n\r\n' + last)
        found = everything(connection)
    assert [found.count(status) for status in (b" 404 ", b" 202 ", b" 200 ")] == [1, 1, 1]


def test_the_date_on_the_wire_is_the_simulators(line: Line) -> None:
    answer = line.ask("GET", "/users/me")
    assert answer.headers.get_all("Date") == ["Sun, 01 Mar 2026 12:00:00 GMT"]
    answer.read()


def test_a_head_request_gets_no_body(line: Line) -> None:
    answer = line.ask("HEAD", "/users/me")
    assert (answer.status, answer.read()) == (200, b"")
    assert line.read("GET", "/users/me")["id"]


def test_a_request_that_cannot_be_read_gets_a_json_error(server: Server) -> None:
    for data in (
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHOST\r\nContent-Length: -5\r\n\r\n",
        b"GET / HTTP/1.1\r\nHOST\r\nContent-Length: many\r\n\r\n",
        b"GET / HTTP/1.1\r\nHOST\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ):
        with raw(server) as connection:
            connection.sendall(data.replace(b"HOST", b"Host: 127.0.0.1:%d" % server.port))
            head, _, body = everything(connection).partition(b"\r\n\r\n")
        assert head.split()[1] in (b"400", b"505"), data
        assert json.loads(body)["error"]


def test_a_client_that_leaves_in_the_middle_harms_nobody(server: Server, line: Line) -> None:
    for data in (b"", b"GET /us", b"POST /oauth2/token HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc"):
        with raw(server) as connection:
            connection.sendall(data)
    assert line.read("GET", "/users/me")["id"]


def test_forty_clients_at_once_are_all_answered(server: Server, line: Line) -> None:
    found: list[int] = []
    ready = threading.Barrier(40, timeout=PATIENCE)

    def work() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        with closing(connection):
            connection.connect()
            ready.wait()
            for _ in range(3):
                connection.request("GET", MAIN, headers=line.headers)
                answer = connection.getresponse()
                answer.read()
                found.append(answer.status)

    threads = [threading.Thread(target=work) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [200] * 120


def test_a_taken_port_is_an_error_of_the_caller(sim: Simulator, server: Server) -> None:
    with pytest.raises(OSError, match=r"[Aa]ddress already in use"):
        serve(sim, port=server.port)


def test_a_closed_server_leaves_no_connection_and_the_state_can_be_served_again(sim: Simulator) -> None:
    first = serve(sim)
    with closing(Line(first)) as line:
        name = line.read("POST", f"{MAIN}/backup", "{}")["_embedded"]["activities"][0]["id"]
        first.close()
        first.close()
        with pytest.raises((http.client.HTTPException, OSError)):
            line.read("GET", "/users/me")
    with pytest.raises(ConnectionRefusedError), raw(first):
        pass
    with serve(sim) as second, closing(Line(second)) as line:
        assert line.read("GET", f"{PROJECT}/activities/{name}")["id"] == name


def test_the_server_speaks_only_to_who_asked_to_hear(sim: Simulator, capfd: pytest.CaptureFixture[str]) -> None:
    heard: list[str] = []
    sim.add_fault("GET /users/me cut-after")
    with (
        serve(sim, log=heard.append) as server,
        closing(Line(server)) as line,
        pytest.raises(http.client.RemoteDisconnected),
    ):
        line.ask("GET", "/users/me")
    assert heard == ["POST /oauth2/token 200 OK", "GET /users/me cut-after"]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("kind", "acted"), [("cut-before", 0), ("cut-after", 1)])
def test_a_cut_ends_the_connection_without_a_byte(server: Server, line: Line, kind: str, acted: int) -> None:
    server.simulator.add_fault(f"POST */backup {kind}")
    with raw(server) as connection:
        connection.sendall(request("POST", f"{MAIN}/backup", line, "{}"))
        assert everything(connection) == b""
    assert len(line.read("GET", f"{MAIN}/activities")) == acted


@pytest.mark.parametrize(("kind", "acted"), [("reset", 0), ("reset-after", 1)])
def test_a_reset_is_a_reset_on_the_wire(server: Server, line: Line, kind: str, acted: int) -> None:
    server.simulator.add_fault(f"POST */backup {kind}")
    with raw(server) as connection:
        connection.sendall(request("POST", f"{MAIN}/backup", line, "{}"))
        with pytest.raises(ConnectionResetError):
            everything(connection)
    assert len(line.read("GET", f"{MAIN}/activities")) == acted


def test_half_an_answer_is_half_an_answer(server: Server, line: Line) -> None:
    server.simulator.add_fault("GET /users/me half-headers")
    with raw(server) as connection:
        connection.sendall(request("GET", "/users/me", line))
        found = everything(connection)
    assert found.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\n\r\n" not in found

    server.simulator.add_fault("POST */backup half-body")
    answer = line.ask("POST", f"{MAIN}/backup", "{}")
    assert answer.status == 202
    with pytest.raises(http.client.IncompleteRead) as caught:
        answer.read()
    assert len(caught.value.partial) == int(answer.headers["Content-Length"]) // 2
    line.close()
    assert len(line.read("GET", f"{MAIN}/activities")) == 1


def test_a_drip_sends_a_byte_at_a_time(server: Server, line: Line) -> None:
    server.simulator.add_fault("GET /users/me drip seconds=0.01")
    with raw(server) as connection:
        connection.sendall(request("GET", "/users/me", line))
        began = time.monotonic()
        found = b"".join(connection.recv(1) for _ in range(20))
        assert time.monotonic() - began >= 0.1
    assert found == b"HTTP/1.1 200 OK\r\nCon"


def test_an_endless_drip_does_not_keep_the_server_from_closing(sim: Simulator) -> None:
    sim.add_fault("GET /users/me drip seconds=60")
    server = serve(sim)
    with closing(Line(server)) as line, raw(server) as connection:
        connection.sendall(request("GET", "/users/me", line))
        assert connection.recv(1) == b"H"
        began = time.monotonic()
        server.close()
        assert time.monotonic() - began < 3


def test_an_answer_of_the_wrong_kind_keeps_the_connection_usable(sim: Simulator, line: Line) -> None:
    sim.faults.clear()
    for text, status in (("503 retry-after=2", 503), ("redirect", 302), ("empty", 200), ("html", 200)):
        sim.add_fault(f"GET /users/me {text}")
        answer = line.ask("GET", "/users/me")
        assert answer.status == status
        assert int(answer.headers["Content-Length"]) == len(answer.read())
    assert line.read("GET", "/users/me")["id"]


def test_a_running_log_is_held_open_and_sealed_at_the_end(sim: Simulator, line: Line, server: Server) -> None:
    activity = line.read("POST", f"{MAIN}/backup", "{}")["_embedded"]["activities"][0]["id"]
    assert isinstance(sim.clock, ManualClock)
    with closing(Line(server)) as second:
        answer = second.ask("GET", f"{PROJECT}/activities/{activity}/log")
        assert answer.headers["Transfer-Encoding"] == "chunked"
        assert json.loads(answer.readline())["_id"] == "1"
        # Others are served while the log is held open.
        assert line.read("GET", "/users/me")["id"]
        sim.clock.advance(20)
        rest = [json.loads(text) for text in answer.read().splitlines()]
        assert rest[-1] == {"seal": True}
        # A whole stream leaves the connection usable.
        assert second.read("GET", "/users/me")["id"]


def test_an_old_client_gets_a_running_log_until_the_end_of_the_connection(server: Server, line: Line) -> None:
    activity = line.read("POST", f"{MAIN}/backup", "{}")["_embedded"]["activities"][0]["id"]
    path = f"{PROJECT}/activities/{activity}/log?max_items=1"
    with raw(server) as connection:
        connection.sendall(request("GET", path, line).replace(b"HTTP/1.1", b"HTTP/1.0"))
        head, _, body = everything(connection).partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert json.loads(body)["_id"] == "1"


def test_a_running_log_ends_unsealed_after_the_delay_or_the_items_asked_for(line: Line) -> None:
    activity = line.read("POST", f"{MAIN}/backup", "{}")["_embedded"]["activities"][0]["id"]
    path = f"{PROJECT}/activities/{activity}/log"
    for query in ("max_delay=1", "max_items=1"):
        assert b"seal" not in line.ask("GET", f"{path}?{query}").read()


def test_a_held_log_does_not_keep_the_server_from_closing(sim: Simulator) -> None:
    server = serve(sim)
    with closing(Line(server)) as line:
        activity = line.read("POST", f"{MAIN}/backup", "{}")["_embedded"]["activities"][0]["id"]
        answer = line.ask("GET", f"{PROJECT}/activities/{activity}/log")
        answer.readline()
        server.close()
        with closing(answer):
            answer.read()


def test_two_requests_at_once_still_make_one_activity_each(server: Server, line: Line) -> None:
    def ask() -> None:
        with closing(Line(server)) as client:
            client.read("POST", f"{MAIN}/backup", "{}")

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = line.read("GET", f"{MAIN}/activities?count=100")
    assert len({one["payload"]["backup_name"] for one in found}) == 8
    assert sum(one["state"] == "in_progress" for one in found) == 1


def test_a_bug_of_the_simulator_is_a_500_without_a_traceback_for_the_client(
    sim: Simulator, line: Line, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sim.platform, "state", None)
    answer = line.ask("GET", "/users/me")
    assert (answer.status, b"Traceback" in answer.read()) == (500, False)
    assert "Traceback" in capfd.readouterr().err
    monkeypatch.undo()


def test_control_reads_the_books_and_changes_the_world(sim: Simulator, line: Line) -> None:
    before = len(sim.requests)
    assert line.read("POST", "/_simulator/scenario", '{"backup_seconds": 3, "source_operations": ["a"]}') == {
        "changed": ["backup_seconds", "source_operations"]
    }
    assert (sim.scenario.backup_seconds, sim.scenario.source_operations) == (3, ("a",))
    assert line.read("POST", "/_simulator/faults", '["GET /users/me 503", "* * cut-after #99"]') == {"faults": 2}
    assert line.read("POST", "/_simulator/clock", '{"advance": 60}')["now"] == "2026-03-01T12:01:00+00:00"
    started = line.read("POST", "/_simulator/act", '{"do": "start-activity", "seconds": null, "user": "grace"}')
    assert started["result"] in sim.state.by_id
    stop = json.dumps({"do": "cancel-activity", "activity": started["result"]})
    assert line.read("POST", "/_simulator/act", stop) == {"result": None}
    for name in ("push", "redeploy", "pause", "add-backup", "expire-bearers", "revoke-token", "deploy-staged"):
        assert line.ask("POST", "/_simulator/act", json.dumps({"do": name})).read().startswith(b'{"result"')
    request_log = line.read("GET", "/_simulator/request-log")
    assert len(request_log["requests"]) == before == len(sim.requests), "control leaves no trace"
    assert request_log["activities"][0]["state"] == "cancelled"


@pytest.mark.parametrize(
    ("method", "name", "body", "status", "problem"),
    [
        ("POST", "scenario", '{"speed": 1}', 400, "no field 'speed'"),
        ("POST", "scenario", '{"status": "gone"}', 400, "status is 'gone'"),
        ("POST", "scenario", "[]", 400, "must be a JSON object"),
        ("POST", "scenario", "{", 400, "not JSON"),
        ("POST", "faults", '["boom"]', 400, "a fault is METHOD PATH KIND"),
        ("POST", "faults", "{}", 400, "must be a list"),
        ("POST", "clock", '{"advance": "1"}', 400, "must be a number"),
        ("POST", "clock", '{"advance": -1}', 400, "cannot advance"),
        ("POST", "act", '{"do": "explode"}', 400, "do is 'explode'"),
        ("POST", "act", '{"do": "push", "force": true}', 400, "force"),
        ("POST", "act", '{"do": "push", "environment": "none"}', 400, "no environment"),
        ("POST", "act", '{"do": "add-environment", "name": "main"}', 400, "already"),
        ("POST", "act", '{"do": "add-environment", "name": "x", "kind": "odd"}', 400, "'odd' is not one of"),
        ("POST", "act", '{"do": "set-crons", "status": "odd"}', 400, "'odd' is not one of"),
        ("POST", "act", '{"do": "finish-activity", "activity": "x", "result": "odd"}', 400, "'odd' is not one of"),
        ("POST", "act", '{"do": "start-activity", "seconds": -1}', 400, "nothing lasts -1"),
        ("POST", "act", '{"do": "drop-backup", "backup": "x"}', 400, "no backup"),
        ("GET", "nothing", None, 404, "GET nothing is not one of"),
    ],
)
def test_control_refuses_what_it_cannot_do(
    line: Line, method: str, name: str, body: str | None, status: int, problem: str
) -> None:
    answer = line.ask(method, f"/_simulator/{name}", body)
    assert answer.status == status
    assert problem in json.loads(answer.read())["message"]


def test_control_hears_only_its_own_machine(sim: Simulator) -> None:
    from werkzeug.test import Client

    secret, far = {"Simulator-Secret": sim.control_secret}, {"REMOTE_ADDR": "192.0.2.7"}
    with Client(sim.wsgi).get("/_simulator/request-log", headers=secret, environ_overrides=far) as answer:
        assert answer.status_code == 403


def test_the_time_of_the_machine_cannot_be_turned() -> None:
    with serve(Simulator(Scenario())) as server, closing(Line(server)) as line:
        answer = line.ask("POST", "/_simulator/clock", '{"advance": 1}')
        assert (answer.status, answer.read() == b"") == (409, False)
