"""What each format of lock files holds: as its tool wrote it, and in forms that few projects have."""

from __future__ import annotations

from pathlib import Path

import pytest
from upsun_agent.model.packages import Change
from upsun_agent.packages.compare import LockFile, compare, read
from upsun_agent.packages.formats import FORMATS, format_of

from tests.harness.locked import SAMPLES, Sample

TOLD = {True: "direct", False: "transitive", None: "unknown"}


def expected() -> dict[str, list[str]]:
    """The changes of every sample, by ``TOOL/FILE``: kind, name, before, after, and whether it is direct."""
    found: dict[str, list[str]] = {}
    for block in (Path(__file__).parent / "changes.txt").read_text().split("\n\n"):
        head, *lines = block.strip().splitlines()
        found |= dict.fromkeys(head.removeprefix("# ").split(" "), lines)
    return found


def shown(change: Change) -> str:
    kind = f"{change.kind}(lower)" if change.downgrade else change.kind
    return f"{kind} {change.name} {change.before or '-'} {change.after or '-'} {TOLD[change.direct]}"


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{sample.tool}/{sample.file}")
def test_what_changed_is_told_as_the_tool_did_it(sample: Sample) -> None:
    found = compare(sample.read("old"), sample.read("new"))
    assert [shown(each) for each in found.changes] == expected()[f"{sample.tool}/{sample.file}"]
    assert {each.ecosystem for each in found.changes} == {format_of(sample.file).ecosystem}
    assert compare(sample.read("new"), sample.read("new")).changes == ()


def test_every_format_has_a_sample() -> None:
    tools = {format_of(sample.file).name for sample in SAMPLES}
    assert tools == {each.name for each in FORMATS.values()} | {"pip"}
    assert set(expected()) == {f"{sample.tool}/{sample.file}" for sample in SAMPLES}


@pytest.mark.parametrize(
    "path",
    ["requirements.txt", "a/requirements-dev.txt", "dev-requirements.txt", "requirements/prod.txt", "Requirements.txt"],
)
def test_a_requirements_file_is_known_by_its_name_or_folder(path: str) -> None:
    assert format_of(path).name == "pip"


@pytest.mark.parametrize("path", ["composer.json", "lock", "requirements.in", "readme.txt", "composer.lock.bak", ""])
def test_other_files_are_no_lock_files(path: str) -> None:
    assert format_of(path) is None
    with pytest.raises(ValueError, match="no known lock file"):
        read(path, b"")


# --- one format at a time ---------------------------------------------------------------------------------------


def packages(path: str, text: str, manifest: str | None = None) -> set[str]:
    """The packages of a file as ``NAME VERSION DIRECT``; it must be readable."""
    found = whole(path, text, manifest)
    assert found.fault is None
    return {f"{each.name} {each.shown} {TOLD[each.direct]}" for each in found.packages}


def whole(path: str, text: str, manifest: str | None = None) -> LockFile:
    return read(path, text.encode(), None if manifest is None else manifest.encode())


def test_composer_knows_nothing_of_direct_packages_without_its_manifest() -> None:
    lock = '{"packages": [{"name": "Psr/Log", "version": "3.0.0"}], "packages-dev": null}'
    assert packages("composer.lock", lock) == {"psr/log 3.0.0 unknown"}
    assert packages("composer.lock", lock, '{"require": {"PSR/log": "^3"}, "require-dev": []}') == {
        "psr/log 3.0.0 direct"
    }
    assert packages("composer.lock", lock, "{}") == {"psr/log 3.0.0 transitive"}


def test_a_branch_of_composer_is_locked_to_the_commit_of_its_source_or_archive() -> None:
    lock = '{"packages": [{"name": "a/b", "version": "2.x-dev", "source": null, "dist": {"reference": "%s"}}]}'
    assert packages("composer.lock", lock % ("ab" * 20)) == {"a/b 2.x-dev#abababababab unknown"}
    assert packages("composer.lock", lock % "not a commit") == {"a/b 2.x-dev unknown"}


def test_a_manifest_that_cannot_be_read_is_noted_and_the_lock_file_is_read() -> None:
    found = whole("composer.lock", '{"packages": [{"name": "a/b", "version": "1"}]}', "{")
    assert [each.direct for each in found.packages] == [None]
    assert "composer.json cannot be read" in found.notes[0]


def test_npm_reads_workspaces_nested_packages_links_and_commits() -> None:
    commit = "c" * 40
    lock = f"""{{"lockfileVersion": 3, "packages": {{
        "": {{"workspaces": ["packages/*"], "dependencies": {{"a": "^1"}}}},
        "packages/web": {{"name": "web", "version": "1.0.0", "devDependencies": {{"b": "2", "c": "3"}}}},
        "node_modules/web": {{"resolved": "packages/web", "link": true}},
        "node_modules/a": {{"version": "1.0.0"}},
        "node_modules/a/node_modules/b": {{"version": "1.9.0"}},
        "node_modules/b": {{"version": "2.0.0"}},
        "packages/web/node_modules/c": {{"version": "3.0.0"}},
        "node_modules/@s/alias": {{"name": "@s/real", "version": "1.2.3"}},
        "node_modules/g": {{"version": "0.1.0", "resolved": "git+ssh://git@git.example/g.git#{commit}"}}
    }}}}"""
    assert packages("package-lock.json", lock) == {
        "a 1.0.0 direct",
        "b 1.9.0 transitive",
        "b 2.0.0 direct",
        "c 3.0.0 direct",
        "@s/real 1.2.3 transitive",
        "g 0.1.0#cccccccccccc transitive",
    }


def test_of_two_entries_of_the_same_package_the_last_one_counts_as_in_npm() -> None:
    entries = '"node_modules/a": {"version": "1.0.0"}, "node_modules/a": {"version": "2.0.0"}'
    assert packages("package-lock.json", f'{{"lockfileVersion": 3, "packages": {{{entries}}}}}') == {
        "a 2.0.0 transitive"
    }


def test_npm_of_version_1_reads_nested_packages_folders_and_commits() -> None:
    lock = f"""{{"dependencies": {{
        "a": {{"version": "1.0.0", "dependencies": {{"a": {{"version": "0.9.0"}}, "z": {{"version": "npm:y@3.0.0"}}}}}},
        "g": {{"version": "git+https://git.example/g.git#{"d" * 40}"}},
        "here": {{"version": "file:here"}}
    }}}}"""
    found = packages("npm-shrinkwrap.json", lock, '{"dependencies": {"a": "*"}}')
    assert found == {"a 1.0.0 direct", "a 0.9.0 transitive", "y 3.0.0 transitive", "g #dddddddddddd transitive"}
    assert packages("npm-shrinkwrap.json", "{}") == set()


def test_yarn_1_reads_commits_aliases_and_several_descriptors() -> None:
    lock = f"""\
# yarn lockfile v1


"@s/a@^1.0.0", "@s/a@^1.1.0":
  version "1.2.0"
  resolved "https://packages.example/@s/a/-/a-1.2.0.tgz#{"e" * 40}"

"g@git+https://git.example/g.git#main":
  version "0.1.0"
  resolved "git+https://git.example/g.git#{"f" * 40}"

"local@file:./local":
  version "0.0.0"
"""
    assert packages("yarn.lock", lock, '{"dependencies": {"@s/a": "^1.1.0"}}') == {
        "@s/a 1.2.0 direct",
        "g 0.1.0#ffffffffffff transitive",
    }
    assert packages("yarn.lock", "# THIS IS AN AUTOGENERATED FILE.\n# yarn lockfile v1\n\n\n") == set()


def test_yarn_2_reads_patches_commits_and_the_workspaces() -> None:
    lock = f"""\
__metadata:
  version: 6

"a@npm:^1.0.0, a@npm:^1.1.0":
  version: 1.2.0
  resolution: "a@npm:1.2.0"

"g@https://git.example/g.git":
  version: 0.1.0
  resolution: "g@https://git.example/g.git#commit={"a" * 40}"

"typescript@patch:typescript@^5.0.0#~builtin<compat/typescript>":
  version: 5.0.4
  resolution: "typescript@patch:typescript@npm%3A5.0.4#~builtin<compat/typescript>::version=5.0.4&hash=b5f058"

"app@workspace:.":
  version: 0.0.0-use.local
  resolution: "app@workspace:."
  dependencies:
    a: ^1.1.0
"""
    assert packages("yarn.lock", lock) == {
        "a 1.2.0 direct",
        "g 0.1.0#aaaaaaaaaaaa transitive",
        "typescript 5.0.4 transitive",
    }


@pytest.mark.parametrize(
    ("version", "key", "value"),
    [
        ("5.3", "/@s/a/1.0.0_react@17.0.2", "1.0.0_react@17.0.2"),
        ("5.4", "packages.example/@s/a/1.0.0", "packages.example/@s/a/1.0.0"),
        ("'6.0'", "/@s/a@1.0.0(react@17.0.2)", "1.0.0(react@17.0.2)"),
        ("'9.0'", "'@s/a@1.0.0'", "1.0.0(react@17.0.2)"),
        ("'9.0'", "? '@s/a@1.0.0(x@1)'\n  ", "1.0.0(x@1)"),
    ],
)
def test_pnpm_of_every_version_reads_names_without_their_peers(version: str, key: str, value: str) -> None:
    lock = f"lockfileVersion: {version}\n\nimporters:\n\n  packages/web:\n    dependencies:\n      '@s/a':\n"
    lock += f"        specifier: ^1.0.0\n        version: {value}\n\npackages:\n\n  {key}:"
    lock += " {resolution: {integrity: x}}\n" if key.startswith("?") else "\n    resolution: {integrity: x}\n"
    assert packages("pnpm-lock.yaml", lock) == {"@s/a 1.0.0 direct"}


def test_pnpm_reads_commits_and_leaves_folders_out() -> None:
    commit = "b" * 40
    lock = f"""\
lockfileVersion: '9.0'
importers:
  .:
    dependencies:
      g:
        specifier: github:x/g
        version: https://git.example/g/tar.gz/{commit}
      local:
        specifier: link:../local
        version: link:../local
packages:
  g@https://git.example/g/tar.gz/{commit}:
    resolution: {{tarball: https://git.example/g/tar.gz/{commit}}}
    version: 0.1.0
  h@file:h:
    resolution: {{directory: h, type: directory}}
snapshots:
  g@https://git.example/g/tar.gz/{commit}: {{}}
"""
    assert packages("pnpm-lock.yaml", lock) == {"g 0.1.0#bbbbbbbbbbbb direct"}
    old = f"lockfileVersion: 5.4\npackages:\n  git.example/x/g/{commit}:\n    name: g\n    version: 0.1.0\n"
    assert packages("pnpm-lock.yaml", old) == {"g 0.1.0#bbbbbbbbbbbb transitive"}


def test_bun_reads_comments_commas_workspaces_and_commits() -> None:
    lock = """\
// a comment, with "quotes"
{
  "lockfileVersion": 1, /* another, ] */
  "workspaces": { "": { "dependencies": { "a": "^1", }, }, "web": { "devDependencies": { "b": "2" } } },
  "packages": {
    "a": ["a@1.0.0", "", {"note": "// no comment, ] \\\\"}, "sha512-x"],
    "b": ["b@2.0.0", "", {}, ""],
    "a/b": ["b@1.0.0", "", {}, "",],
    "web": ["web@workspace:web"],
    "g": ["g@github:x/g#0123abc", {}, "x-g-0123abc"],
  },
}
"""
    assert packages("bun.lock", lock) == {
        "a 1.0.0 direct",
        "b 2.0.0 direct",
        "b 1.0.0 transitive",
        "g #0123abc transitive",
    }


def test_requirements_are_read_as_pip_reads_them() -> None:
    lock = f"""\
--index-url https://packages.example/simple  # options say nothing of packages
-r base.txt
--constraint=limits.txt
Django[argon2] == 4.2.1 ; python_version >= "3.8"  # a comment
zope.interface===6.0 --hash=sha256:00
Foo__Bar==1.0 \\
    --hash=sha256:00 \\
    --hash=sha256:11
    # via
    #   -r requirements.in
    #   django
sqlparse==0.4.4  # via django
asgiref==3.7.2
    # via django
uv-made==1.0
    # via app (pyproject.toml)
reports @ git+https://git.example/reports.git@{"9" * 40}#egg=reports
plain
loose>=1,<2
some==1.*
archive @ https://packages.example/archive.zip
-e ./local
./other.whl
https://packages.example/x.whl
last==1.0 \\"""
    found = whole("requirements.txt", lock)
    assert packages("requirements.txt", lock) == {
        "django 4.2.1 unknown",
        "zope-interface 6.0 unknown",
        "foo-bar 1.0 direct",
        "sqlparse 0.4.4 transitive",
        "asgiref 3.7.2 transitive",
        "uv-made 1.0 direct",
        "reports #999999999999 unknown",
        "last 1.0 unknown",
    }
    assert found.notes == (
        "what it includes is not read: base.txt, limits.txt",
        "without == there is no version to compare: plain, loose, some and 1 more",
    )
    assert "without ==" in (compare(None, found).warning or "")


def test_pipenv_reads_every_category_and_commits() -> None:
    lock = f"""{{"_meta": {{"pipfile-spec": 6}}, "default": {{"A.b": {{"version": "==1.0"}}, "here": {{"path": "."}}}},
        "docs": {{"g": {{"git": "https://git.example/g.git", "ref": "{"7" * 40}"}}}}, "develop": {{}}}}"""
    assert packages("Pipfile.lock", lock, '[packages]\n"a_b" = "*"\n[docs]\n') == {
        "a-b 1.0 direct",
        "g #777777777777 transitive",
    }


def test_poetry_reads_commits_and_what_every_kind_of_manifest_requires() -> None:
    names = ("a", "b", "c", "d", "e", "f")
    lock = "".join(f'[[package]]\nname = "{name}"\nversion = "1.0"\n\n' for name in names)
    lock += '[[package]]\nname = "here"\nversion = "0"\n[package.source]\ntype = "directory"\nurl = "here"\n'
    lock += (
        f'[[package]]\nname = "g"\nversion = "1"\n[package.source]\ntype = "git"\nresolved_reference = "{"8" * 40}"\n'
    )
    lock += '[extras]\nx = ["a"]\n[metadata]\nlock-version = "2.1"\n[metadata.files]\na = []\n'
    manifest = """\
[project]
dependencies = ["A>=1"]
[project.optional-dependencies]
x = ["b[c] ; python_version > '3'"]
[dependency-groups]
dev = ["c==1", {include-group = "x"}]
[tool.poetry.dependencies]
python = "^3.11"
d = "*"
[tool.poetry.group.docs.dependencies]
e = {version = "*"}
"""
    assert packages("poetry.lock", lock, manifest) == {
        *(f"{name} 1.0 direct" for name in names[:-1]),
        "f 1.0 transitive",
        "g 1#888888888888 transitive",
    }


def test_uv_reads_workspaces_versions_that_fork_and_commits() -> None:
    lock = f"""\
version = 1
revision = 2
requires-python = ">=3.11"

[[package]]
name = "app"
source = {{ virtual = "." }}
dependencies = [{{ name = "numpy" }}]

[package.optional-dependencies]
x = [{{ name = "b" }}]

[package.metadata]
requires-dist = [{{ name = "numpy" }}]

[[package]]
name = "b"
version = "1.0"
source = {{ git = "https://git.example/b.git?rev=main#{"6" * 40}" }}

[[package]]
name = "numpy"
version = "1.26.4"
source = {{ registry = "https://packages.example/simple" }}

[[package]]
name = "numpy"
version = "2.0.0"
source = {{ registry = "https://packages.example/simple" }}
"""
    assert packages("uv.lock", lock) == {"numpy 1.26.4 direct", "numpy 2.0.0 direct", "b 1.0#666666666666 direct"}


def test_go_reads_replacements_quotes_and_comments() -> None:
    mod = """\
module "example.org/site" // a comment

require "example.org/a" v1.0.0
require (
\texample.org/b v1.1.0 // indirect
\texample.org/c v1.2.0 // indirect; for b
\texample.org/d v1.3.0 // not indirect
)
replace example.org/b v1.1.0 => example.org/fork v1.1.1
replace (
\texample.org/c => ../c
)
retract [v1.0.0, v1.9.9]
exclude ()
require(
\texample.org/e v0.1.0
)
tool example.org/d/cmd
"""
    assert packages("go.mod", mod) == {
        "example.org/a v1.0.0 direct",
        "example.org/b v1.1.1 transitive",
        "example.org/d v1.3.0 direct",
        "example.org/e v0.1.0 direct",
    }


def test_mix_reads_the_form_of_old_versions_too() -> None:
    lock = '%{"a": {:hex, :a, "1.0.0"},\n  "b": {:hex, :"b", "2.0.0"},\n'
    lock += '  "alias": {:hex, :real, "3.0.0", "x", [:mix], []}}\n'
    assert packages("mix.lock", lock) == {"a 1.0.0 unknown", "b 2.0.0 unknown", "real 3.0.0 unknown"}
    assert packages("mix.lock", "%{\n}\n") == packages("mix.lock", "%{}\n") == set()


def test_cargo_of_the_first_version_has_no_number() -> None:
    lock = '[[package]]\nname = "a"\nversion = "1.0.0"\nsource = "registry+x"\n\n'
    lock += '[metadata]\n"checksum a 1.0.0 (registry+x)" = "0"\n'
    assert packages("Cargo.lock", lock) == {"a 1.0.0 transitive"}


def test_maven_resolves_properties_within_the_file_only() -> None:
    pom = """<project><properties><a>${b}</a><b>1.0</b><loop>${loop}</loop></properties><dependencies>
      <dependency><groupId>g</groupId><artifactId>x</artifactId><version>${a}</version></dependency>
      <dependency><groupId>g</groupId><artifactId>y</artifactId><version>${loop}</version></dependency>
      <dependency><groupId>g</groupId><artifactId>z</artifactId><version>${elsewhere}</version></dependency>
    </dependencies></project>"""
    found = whole("pom.xml", pom)
    assert packages("pom.xml", pom) == {"g:x 1.0 direct"}
    assert found.notes == ("dependencies whose version another file sets: 2",)
