"""A stand-in Upsun API with state, time and faults, on a socket or in process.

It shares no code with the rest of the agent: what proves a client must not be built from it.
"""

from upsun_simulator.clock import Clock, ManualClock, SystemClock
from upsun_simulator.faults import ConnectionCut, Fault
from upsun_simulator.request_log import RecordedRequest
from upsun_simulator.scenario import Scenario
from upsun_simulator.server import Server, serve
from upsun_simulator.simulator import Simulator

__all__ = [
    "Clock",
    "ConnectionCut",
    "Fault",
    "ManualClock",
    "RecordedRequest",
    "Scenario",
    "Server",
    "Simulator",
    "SystemClock",
    "serve",
]
