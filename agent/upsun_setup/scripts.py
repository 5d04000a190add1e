"""The scripts of a checkout that a command starts, and what they call. Pure but for looking at them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from upsun_agent.platform.shell_text import commands

from upsun_setup.app import App, Files

SCRIPTS_MOST = 20  # files that are looked at for one command
#: Where an app's directory is, as commands write it.
HOMES = ("/app/", "$PLATFORM_APP_DIR/", "${PLATFORM_APP_DIR}/", "$HOME/", "${HOME}/", "~/", "./")
#: Programs that run what a file of their own defines.
RUNNERS = {
    "make": ("Makefile", "makefile", "GNUmakefile"),
    "composer": ("composer.json",),
    "npm": ("package.json",),
    "yarn": ("package.json",),
    "pnpm": ("package.json",),
    "bun": ("package.json",),
    "just": ("justfile", "Justfile"),
    "task": ("Taskfile.yml", "Taskfile.yaml"),
}


def scripts_of(files: Files, app: App, command: str) -> Iterator[tuple[str, str]]:
    """Yield path and text of each file of the app that a command names, and of those that these name.

    Args:
        files: the checkout.
        app: the app in whose directory the command runs.
        command: the command, a shell script.
    """
    seen = set[str]()
    queue = [command]
    while queue and len(seen) < SCRIPTS_MOST:
        for name in _named(queue.pop(0)):
            path = posixpath.normpath(app.file(name))
            if path in seen or path.startswith(("..", "/")) or len(seen) >= SCRIPTS_MOST:
                continue
            text = files.peek(path) if files.has(path) else None
            if text is not None:
                seen.add(path)
                queue.append(text)
                yield path, text


def _named(text: str) -> Iterator[str]:
    """Yield what could be the name of a file of the app, for every word of a script."""
    folder = ""
    for words in commands(text):
        own = [_own(word) for word in words]
        for name in RUNNERS.get(words[0].rsplit("/", 1)[-1], ()):
            yield from (posixpath.join(folder, each, name) for each in ["", *own[1:]])  # `make -C FOLDER`
        if words[0] == "cd" and len(words) > 1:
            folder = posixpath.join(folder, own[1])
            continue
        for word in own:
            if word and not word.startswith("-") and len(word) < 200:  # noqa: PLR2004  no file has a longer path here
                yield posixpath.join(folder, word)
                if folder:
                    yield word


def _own(word: str) -> str:
    """Return a path without the name of the app's directory in front."""
    for home in HOMES:
        if word.startswith(home):
            return word[len(home) :]
    return "" if f"{word}/" in HOMES else word
