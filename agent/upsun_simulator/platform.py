"""The parts that an endpoint may use: the state, the tokens, the certificate authority, the clock."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upsun_simulator.authority import Authority
    from upsun_simulator.clock import Clock
    from upsun_simulator.state import PlatformState
    from upsun_simulator.tokens import Tokens


@dataclass
class Platform:
    """Everything behind the HTTP API; hold `lock` while using any of it."""

    #: The clock.
    clock: Clock
    #: The project and all that is in it.
    state: PlatformState
    #: API tokens and bearers.
    tokens: Tokens
    #: The key that signs SSH certificates.
    authority: Authority
    #: Held while any of this is used.
    lock: threading.RLock = field(default_factory=threading.RLock)
