"""Certificates and archives that nobody made: each is read or refused by name, within bounds of memory and CPU time.

The readers run in a process that the system limits; see ``file_reader.py``. With ``UPSUN_SOAK=1`` ten times as many,
and other ones each time.
"""

from __future__ import annotations

import base64
import io
import json
import os
import random
import re
import subprocess
import sys
import tarfile
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization.ssh import SSHCertificateBuilder, SSHCertificateType

from tests.harness.sources import REPOSITORY, SOURCES

SOAK = os.environ.get("UPSUN_SOAK") == "1"
SEED = random.SystemRandom().randrange(2**32) if SOAK else 20261128
MANY = 10 if SOAK else 1
MEMORY_MOST = 64 * 1024 * 1024
TOP = "upsun-agent-1.0"


def spoiled(data: bytes, dice: random.Random) -> bytes:
    """Return the bytes with one to four mistakes: bits, bytes, lengths, pieces that are gone, doubled or moved."""
    found = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(found) or 1)
        piece = found[at : at + dice.choice((1, 4, 32, 512))]
        match dice.randrange(6):
            case 0 if found:
                found[at] ^= 1 << dice.randrange(8)
            case 1:
                found[at : at + 4] = dice.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\1"))
            case 2:
                del found[at : at + len(piece)]
            case 3:
                found[at:at] = piece
            case 4:
                del found[at:]
            case _:
                found[at : at + len(piece)] = dice.randbytes(len(piece))
    return bytes(found)


def read(kind: str, order: dict[str, Any]) -> list[str]:
    """Return what came of each of the order's inputs, of which the first one is good."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.harness.file_reader", kind],
        input=json.dumps(order),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": SOURCES},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"seed {SEED}: {done.stderr[-2000:]}"
    found = json.loads(done.stdout)
    assert found["memory"] < MEMORY_MOST, f"seed {SEED}"
    said: list[str] = found["said"]
    return said


def certificate() -> bytes:
    """Return a certificate as the platform signs them, in its binary form."""
    builder = SSHCertificateBuilder().public_key(Ed25519PrivateKey.generate().public_key()).serial(7)
    builder = builder.type(SSHCertificateType.USER).key_id(b"user-1").valid_after(0).valid_before(2**40)
    signed = builder.valid_principals([b"main-bvxea6i", b"all"]).sign(Ed25519PrivateKey.generate())
    return base64.b64decode(signed.public_bytes().split()[1])


def test_a_spoiled_certificate_is_read_or_refused_by_name() -> None:
    dice, good = random.Random(SEED), certificate()
    kind = "ssh-ed25519-cert-v01@openssh.com"
    binary = [f"{kind} {base64.b64encode(spoiled(good, dice)).decode()}" for _ in range(400 * MANY)]
    line = f"{kind} {base64.b64encode(good).decode()}".encode()
    written = [spoiled(line, dice).decode("latin-1") for _ in range(200 * MANY)]
    said = read("certificates", {"texts": [line.decode(), *binary, *written]})
    assert len(said) == 1 + 600 * MANY
    assert said[0].startswith("read: ")
    assert all(re.match(r"read: ssh-ed25519-cert-v01@openssh\.com \S+\n\Z|refused: [^\n]+\Z", each) for each in said), (
        f"seed {SEED}"
    )
    assert sum(each.startswith("refused") for each in said) > 300 * MANY


def archive() -> bytes:
    """Return an archive as a release has it: some directories and files."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as made:
        for name in ("hooks/build.sh", "hooks/other.sh", f"agent/{'long' * 30}.py", "README.md"):
            entry = tarfile.TarInfo(f"{TOP}/{name}")
            entry.size = 700
            made.addfile(entry, io.BytesIO(b"#" * 700))
    return output.getvalue()


def mended(data: bytes) -> bytes:
    """Return the archive with the right checksum in every block that looks like a header, so that it is looked at."""
    found = bytearray(data)
    for at in range(0, len(found) - 511, 512):
        if found[at + 257 : at + 262] == b"ustar":
            block = found[at : at + 148] + b" " * 8 + found[at + 156 : at + 512]
            found[at + 148 : at + 156] = b"%06o\0 " % sum(block)
    return bytes(found)


def test_a_spoiled_archive_is_unpacked_or_refused_and_nothing_gets_out() -> None:
    text = (REPOSITORY / "hooks" / "install.sh").read_text()
    (program,) = re.findall(r"^unpack\(\) \{\n.*?<<'PYTHON'\n(.*?)^PYTHON$", text, flags=re.DOTALL | re.MULTILINE)
    dice, good = random.Random(SEED), archive()
    odd = [mended(spoiled(good, dice)) if dice.random() < 0.8 else spoiled(good, dice) for _ in range(300 * MANY)]
    said = read("archives", {"program": program, "top": TOP, "archives": [each.hex() for each in (good, *odd)]})
    assert len(said) == 1 + 300 * MANY
    assert said[0] == "unpacked"
    assert [each for each in said if not each.startswith(("unpacked", "refused: "))] == [], f"seed {SEED}"
    assert sum(each.startswith("refused") for each in said) > 50 * MANY
