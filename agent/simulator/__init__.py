"""A stand-in Upsun API with state, time and faults, on a socket or in process.

It shares no code with the rest of the agent: what proves a client must not be built from it.
"""

from agent.simulator.books import RecordedRequest
from agent.simulator.clock import Clock, ManualClock, SystemClock
from agent.simulator.faults import ConnectionCut, Fault
from agent.simulator.scenario import Scenario
from agent.simulator.server import Server, serve
from agent.simulator.simulator import Simulator

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
