"""Push metrics once to an OpenTelemetry collector, by OTLP over HTTP. Needs the extra ``otel``.

The exporter honours the standard variables (``OTEL_EXPORTER_OTLP_ENDPOINT``, ``…_HEADERS``, ``…_TIMEOUT``,
``…_COMPRESSION``, ``…_CERTIFICATE``, each also as ``…_METRICS_…``; ``OTEL_RESOURCE_ATTRIBUTES``,
``OTEL_SERVICE_NAME``). Redirects are not followed.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from urllib.parse import urlsplit

import requests
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from upsun_agent import __version__
from upsun_agent.api.http import NoAnswer, bounded
from upsun_agent.errors import ConfigInvalid, Unreachable
from upsun_agent.limits import OTLP_TIMEOUT_MOST, TEXT_MOST
from upsun_agent.log.foreign_text import one_line
from upsun_agent.report.html import shown
from upsun_agent.report.metrics import Family, Measures

PATH = "/v1/metrics"
TIMEOUT_USUAL = 10.0  # seconds: the default of the standard
REMEDY = "check that a collector with OTLP over HTTP listens there"
ANSWER_MOST_BYTES = 4096  # of a body on the wire, which is not used
TIMEOUTS = ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")


def push(measures: Measures, endpoint: str | None) -> str:
    """Send the metrics, and return the host and port of the collector.

    Args:
        measures: what to send.
        endpoint: the collector's URL, with or without the path; None for the one in the standard variables.

    Raises:
        Unreachable: the collector did not accept them.
        ConfigInvalid: the variables are not valid.
    """
    whole, seconds = _whole(endpoint) if endpoint else None, _timeout()
    with _listening() as heard:
        place = "the collector"
        try:
            exporter = OTLPMetricExporter(endpoint=whole, timeout=seconds, session=_session())
            place = _host(str(getattr(exporter, "_endpoint", "")))
            try:
                with bounded(seconds + 1):  # the exporter's own timeout limits single reads
                    result = exporter.export(metrics_data(measures))
            finally:
                exporter.shutdown()
        except NoAnswer as error:
            raise Unreachable(f"{place} did not accept the metrics: {error}", remedy=REMEDY) from None
        except (OSError, ValueError) as error:
            remedy = "check the OTEL_EXPORTER_OTLP_* variables"
            raise ConfigInvalid(f"metrics cannot be sent ({type(error).__name__})", remedy=remedy) from None
    if result is not MetricExportResult.SUCCESS:
        why = f": {heard[-1]}" if heard else ""
        raise Unreachable(f"{place} did not accept the metrics{why}", remedy=REMEDY)
    return place


class Redirected(requests.RequestException):
    """The collector answered with a redirect, which the exporter would count as success."""


def _session() -> requests.Session:
    """Return a session that follows no redirects, since headers may hold a key, and reads no body."""

    def look(response: requests.Response, *_: object, **__: object) -> None:
        # The body is neither decompressed nor read to its end, since it may be endless or compressed many times.
        response._content = response.raw.read(ANSWER_MOST_BYTES, decode_content=False)  # noqa: SLF001  no other way
        response.close()
        if response.is_redirect:
            raise Redirected(response=response)

    session = requests.Session()
    session.stream = True
    session.hooks["response"].append(look)
    return session


def _whole(endpoint: str) -> str:
    return endpoint if urlsplit(endpoint).path.endswith(PATH) else endpoint.rstrip("/") + PATH


def _host(endpoint: str) -> str:
    """Return host and port of a URL, the only parts that may be shown."""
    parts = urlsplit(endpoint)
    return f"{parts.hostname or 'the collector'}{f':{parts.port}' if parts.port else ''}"


def _timeout() -> float:
    for name in TIMEOUTS:
        try:
            seconds = float(os.environ.get(name) or "nan")
        except ValueError:
            continue
        if seconds > 0:
            return min(seconds, OTLP_TIMEOUT_MOST)
    return TIMEOUT_USUAL


@contextmanager
def _listening() -> Iterator[list[str]]:
    """Collect the exporter's log, only the classes of its errors, instead of letting it write to standard error."""
    heard: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            words = [type(each).__name__ if isinstance(each, Exception) else str(each) for each in record.args or ()]
            if record.levelno >= logging.WARNING:
                heard.append(one_line(", ".join(words), TEXT_MOST))

    logger, listener = logging.getLogger("opentelemetry"), Listener()
    before = logger.propagate
    logger.addHandler(listener)
    logger.propagate = False
    try:
        yield heard
    finally:
        logger.removeHandler(listener)
        logger.propagate = before


# --- the metrics as OpenTelemetry data ------------------------------------------------------------------------


def metrics_data(measures: Measures) -> MetricsData:
    """Return the metrics as OpenTelemetry data of one resource."""
    scope = ScopeMetrics(
        scope=InstrumentationScope("upsun-agent", __version__),
        metrics=[_metric(family, measures) for family in measures.families],
        schema_url="",
    )
    return MetricsData([ResourceMetrics(resource=_resource(measures), scope_metrics=[scope], schema_url="")])


def _resource(measures: Measures) -> Resource:
    resource = Resource.create({f"upsun.{name}": shown(value) for name, value in measures.owner if value})
    if str(resource.attributes.get(SERVICE_NAME, "unknown_service")).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: "upsun-agent"}))
    return resource


def _metric(family: Family, measures: Measures) -> Metric:
    start = _nanoseconds(measures.since)
    points = [
        NumberDataPoint(
            attributes={name: shown(value) for name, value in sample.labels},
            start_time_unix_nano=start if family.kind == "counter" else 0,
            time_unix_nano=_nanoseconds(measures.at),
            value=sample.value,
        )
        for sample in family.samples
    ]
    data: Sum | Gauge = Gauge(points)
    if family.kind == "counter":
        data = Sum(points, aggregation_temporality=AggregationTemporality.CUMULATIVE, is_monotonic=True)
    return Metric(family.name.removesuffix("_total"), family.doc, family.unit, data)


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1000
