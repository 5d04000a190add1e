"""Which product a project is on, by the product's own marks only."""

from __future__ import annotations

from pathlib import Path

import pytest
from upsun_agent.platform.product import product_here, product_of, product_words

MARKS = {
    "flex": [".upsun/config.yaml"],
    "flex in another file": [".upsun/services.yml"],
    "fixed": [".platform.app.yaml"],
    "fixed below the top": ["api/.platform.app.yaml"],
    "fixed by its apps": [".platform/applications.yaml"],
    "fixed by its routes": [".platform/routes.yaml"],
    "both": [".upsun/config.yaml", ".platform/services.yaml"],
}


@pytest.mark.parametrize("name", MARKS)
def test_files_tell_the_product(name: str) -> None:
    assert product_of(MARKS[name]) == name.split(" ", maxsplit=1)[0]


@pytest.mark.parametrize(
    "name",
    [
        ".upsun/agent.toml",
        "upsun-agent.toml",
        ".platform/local/project.yaml",
        ".upsun/local/x.yaml",
        "api/.platform/routes.yaml",
        "docs/.upsun/config.yaml",
        "x.platform.app.yaml",
    ],
)
def test_other_files_are_no_marks(name: str) -> None:
    assert product_of([name]) is None


def test_settings_decide_and_mounts_come_last() -> None:
    assert product_of([".upsun/config.yaml"], ["storage"], "platformsh") == "fixed"
    assert product_of([".platform.app.yaml"], ["local"], "upsun") == "flex"
    assert product_of([".platform.app.yaml"], ["storage"], "another") == "fixed"
    assert product_of([], ["tmp", "local"]) == "fixed"
    assert product_of([], ["tmp", "storage"]) == "flex"
    assert product_of([], ["service", "tmp"]) is None
    assert product_of([], ["local", "storage"]) is None
    assert product_of(code=7) is None


def test_a_container_is_looked_at_in_its_own_folder(tmp_path: Path) -> None:
    variables = {"PLATFORM_APP_DIR": str(tmp_path), "PLATFORM_APPLICATION": "no base64 §"}
    assert product_here(variables) is None
    (tmp_path / ".platform.app.yaml").write_text("name: app\n")
    assert product_here(variables) == "fixed"
    (tmp_path / ".upsun").mkdir()
    (tmp_path / ".upsun" / "config.yaml").write_text("applications: {}\n")
    assert product_here(variables) == "both"


TEXT = "upsun ssh, then upsun backup:list --all; upsun-agent run; see upsun.com; upsun source-operation:run x"


def test_messages_name_the_cli_of_the_product() -> None:
    assert product_words(TEXT, "flex") == TEXT
    assert product_words(TEXT, None) == TEXT
    assert product_words(TEXT, "fixed") == (
        "platform ssh, then platform backup:list --all; upsun-agent run; see upsun.com; platform source-operation:run x"
    )
    assert product_words("a mount of source 'storage' in .upsun/config.yaml", "fixed") == (
        "a mount of source 'local' in .platform.app.yaml"
    )
