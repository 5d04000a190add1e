"""OTLP: what a real receiver on loopback gets, decoded, and what is said where there is none that takes it."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from upsun_agent.errors import Unreachable
from upsun_agent.report.metrics import Measures, measure
from upsun_agent.report.otlp import push

from tests.harness.past_runs import NOW, Ledger, months

CANARY = "canary-collector-key-1234567890"


@dataclass
class Collector:
    """A receiver of OTLP over HTTP: what it got, and what it answers."""

    url: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    @property
    def metrics(self) -> dict[str, Any]:
        """The metrics of the last request by name, with the resource's attributes under an empty name."""
        _, headers, body = self.requests[-1]
        found = ExportMetricsServiceRequest()
        found.ParseFromString(gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body)
        (resource,) = found.resource_metrics
        (scope,) = resource.scope_metrics
        assert scope.scope.name == "upsun-agent"
        attributes = {each.key: each.value.string_value for each in resource.resource.attributes}
        return {"": attributes, **{metric.name: metric for metric in scope.metrics}}


@pytest.fixture
def collector() -> Iterator[Collector]:
    state = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            state.requests.append((self.path, {key.lower(): each for key, each in self.headers.items()}, body))
            self.send_response(state.status)
            for name, each in state.headers.items():
                self.send_header(name, each)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def measures(tmp_path: Path) -> Measures:
    ledger = months(Ledger(str(tmp_path)))
    return measure(ledger.context, ledger.journal)


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("OTEL_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def points(metric: Any) -> dict[tuple[tuple[str, str], ...], float]:
    kind = metric.WhichOneof("data")
    return {
        tuple((each.key, each.value.string_value) for each in point.attributes): (
            point.as_double if point.WhichOneof("value") == "as_double" else point.as_int
        )
        for point in getattr(metric, kind).data_points
    }


def test_a_collector_gets_every_value_once_with_kinds_units_and_whose_they_are(
    collector: Collector, measures: Measures
) -> None:
    assert push(measures, collector.url) == collector.url.removeprefix("http://")
    ((path, headers, _),) = collector.requests
    assert path == "/v1/metrics"
    assert headers["content-type"] == "application/x-protobuf"
    found = collector.metrics
    assert found[""]["service.name"] == "upsun-agent"
    assert found[""]["upsun.project"] == "abcdefgh1234z"
    assert found[""]["upsun.environment"] == "main"
    for family in measures.families:
        metric = found[family.name.removesuffix("_total")]
        assert metric.unit == family.unit
        assert metric.description == family.doc
        assert points(metric) == {sample.labels: pytest.approx(sample.value) for sample in family.samples}
        assert metric.WhichOneof("data") == ("sum" if family.kind == "counter" else "gauge")
    runs = found["upsun_agent_runs"].sum
    assert runs.is_monotonic
    assert runs.aggregation_temporality == 2, "cumulative"
    assert {point.start_time_unix_nano for point in runs.data_points} == {int(measures.since.timestamp()) * 10**9}
    assert {point.time_unix_nano for point in runs.data_points} == {int(NOW.timestamp()) * 10**9}


def test_a_counter_begins_where_it_began_the_last_time(collector: Collector, tmp_path: Path) -> None:
    ledger = months(Ledger(str(tmp_path / "one")), 10)
    starts = []
    for _ in range(2):
        push(measure(ledger.context, ledger.journal), collector.url)
        starts.append(collector.metrics["upsun_agent_runs"].sum.data_points[0].start_time_unix_nano)
        ledger.journal.prune(NOW, 2)
    assert starts[0] == starts[1], "another beginning would mean that it was reset"


@pytest.mark.parametrize("path", ["/v1/metrics", "/", "", "/otlp", "/otlp/v1/metrics"])
def test_an_endpoint_may_have_a_path_and_may_name_the_signal(
    collector: Collector, measures: Measures, path: str
) -> None:
    push(measures, collector.url + path)
    assert collector.requests[0][0] == f"{path.removesuffix('/v1/metrics').rstrip('/')}/v1/metrics"


def test_the_standard_variables_are_honoured(
    collector: Collector, measures: Measures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"api-key={CANARY}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "team=ops,service.name=mine")
    push(measures, None)
    _, headers, _ = collector.requests[0]
    assert headers["api-key"] == CANARY
    assert headers["content-encoding"] == "gzip"
    assert collector.metrics[""]["team"] == "ops"
    assert collector.metrics[""]["service.name"] == "mine"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", f"{collector.url}/elsewhere")
    push(measures, None)
    assert collector.requests[-1][0] == "/elsewhere"


@pytest.mark.parametrize("status", [400, 401, 404])
def test_a_collector_that_refuses_is_unreachable_and_says_why_without_a_secret(
    collector: Collector,
    measures: Measures,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"api-key={CANARY}")
    collector.status = status
    with pytest.raises(Unreachable, match=str(status)) as caught:
        push(measures, collector.url)
    assert len(collector.requests) == 1
    assert CANARY not in str(caught.value)
    assert capsys.readouterr() == ("", ""), "the exporter's own log is not for standard error"


def test_a_redirect_is_not_followed(collector: Collector, measures: Measures) -> None:
    collector.status, collector.headers = 307, {"Location": f"{collector.url}/taken"}
    with pytest.raises(Unreachable, match="Redirected"):
        push(measures, collector.url)
    assert [path for path, _, _ in collector.requests] == ["/v1/metrics"]


def test_nobody_there_is_unreachable_within_the_timeout(measures: Measures, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        with pytest.raises(Unreachable, match=r"127\.0\.0\.1:\d+ did not accept the metrics"):
            push(measures, f"http://127.0.0.1:{taken.getsockname()[1]}")


# --- answers without end --------------------------------------------------------------------------------------------

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
#: What is sent once, what is sent again and again, and whether the metrics count as taken.
ENDLESS = {
    "a body": (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536, True),
    "a packed body": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", gzip.compress(bytes(1 << 20)), True),
    "the body of a refusal": (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"x" * 65536, False),
    "a packed body of a refusal": (
        b"HTTP/1.1 400 Bad Request\r\nContent-Encoding: gzip\r\n\r\n", gzip.compress(bytes(1 << 20)), False,
    ),
    "answers that only say go on": (CONTINUE, CONTINUE, False),
}  # fmt: skip


@pytest.mark.parametrize("kind", ENDLESS)
def test_an_answer_without_end_is_not_read_to_its_end(
    kind: str, measures: Measures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    first, again, is_taken = ENDLESS[kind]
    sent: list[int] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            client, _ = listening.accept()
            with client, contextlib.suppress(OSError):
                client.recv(65536)
                client.sendall(first)
                while True:
                    sent.append(client.send(again))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    try:
        with contextlib.nullcontext() if is_taken else pytest.raises(Unreachable):
            push(measures, url)
    finally:
        listening.close()
        thread.join(10)
    assert not thread.is_alive(), "the connection was closed"
    if again is not CONTINUE:
        assert sum(sent) < 16 * 1024 * 1024, "what is not read stays in the sockets"
