"""The parts that an endpoint may use: the world, the tokens, the certificate authority, the clock."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.simulator.authority import Authority
    from agent.simulator.clock import Clock
    from agent.simulator.tokens import Tokens
    from agent.simulator.world import World


@dataclass
class Platform:
    """Everything behind the HTTP surface; `lock` is held while any of it is used."""

    clock: Clock
    world: World
    tokens: Tokens
    authority: Authority
    lock: threading.RLock = field(default_factory=threading.RLock)
