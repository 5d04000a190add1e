"""What `check` says of the interpreter: whose it is, and whether the table of images says the same."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

import pytest
from upsun_agent.doctor.interpreter import interpreter

VERSION = ".".join(str(part) for part in sys.version_info[:3])


def application(kind: str) -> dict[str, str]:
    return {"PLATFORM_APPLICATION": base64.b64encode(json.dumps({"type": kind}).encode()).decode()}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An install whose own interpreter runs this."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "python"))
    return tmp_path


def noted(install: Path, image: str) -> Path:
    (install / "installed").write_text(f"archive x\npython x Python 3.13.1\nextra \nimage {image}\n")
    return install


def test_the_images_own_is_named_by_its_path(tmp_path: Path) -> None:
    assert interpreter(application("php:8.2"), tmp_path).message == f"{VERSION} ({sys.executable})"


@pytest.mark.parametrize(
    ("environ", "image", "said"),
    [
        (application("php:8.2"), "Python 3.9", "the image has Python 3.9, as is inferred of php:8.2"),
        (application("php:8.1"), "Python 3.7", "the image has Python 3.7, as is known of php:8.1"),
        (application("php:8.4"), "Python 3.9", "the agent's table of images says 3.11 (known) for php:8.4"),
        (application("nodejs:24"), "no python3", "the agent's table of images says 3.11 (inferred) for nodejs:24"),
        (application("cobol:1"), "no python3", "the agent's own; the image has no python3"),
        ({}, "Python 3.9", "the agent's own; the image has Python 3.9"),
        ({"PLATFORM_APPLICATION": "%%%"}, "Python 3.9", "the agent's own; the image has Python 3.9"),
        (application(""), "Python 3.9", "the agent's own; the image has Python 3.9"),
    ],
)
def test_the_agents_own_is_said_with_what_the_image_has(
    own: Path, environ: dict[str, str], image: str, said: str
) -> None:
    found = interpreter(environ, noted(own, image))
    assert found.level == "ok"
    assert found.message.startswith(f"{VERSION}, the agent's own")
    assert said in found.message


def test_what_was_not_noted_is_not_said(own: Path) -> None:
    assert interpreter({}, own).message == f"{VERSION}, the agent's own"
