"""Lock files before and after an update, as the tools wrote them, in ``lock_files/TOOL/old`` and ``new``."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from upsun_agent.packages.compare import LockFile, read
from upsun_agent.packages.formats import format_of

FOLDER = Path(__file__).parent / "lock_files"


class Sample(NamedTuple):
    """A lock file of a tool, before and after."""

    tool: str
    file: str

    def data(self, when: str) -> bytes:
        """The bytes of the file; ``when`` is ``old`` or ``new``."""
        return (FOLDER / self.tool / when / self.file).read_bytes()

    def manifest(self, when: str) -> bytes | None:
        """The bytes of the manifest beside it."""
        name = format_of(self.file).manifest
        path = FOLDER / self.tool / when / (name or "none")
        return path.read_bytes() if path.exists() else None

    def read(self, when: str) -> LockFile:
        """The file as it is read."""
        return read(self.file, self.data(when), self.manifest(when))


SAMPLES = tuple(
    Sample(path.parts[-3], path.name) for path in sorted(FOLDER.glob("*/new/*")) if format_of(path.name) is not None
)
