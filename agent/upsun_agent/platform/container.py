"""The container as ``PLATFORM_*`` describes it, read into one value.

``PLATFORM_ENVIRONMENT_TYPE`` does not exist at build, so nothing about the type is decided there: built apps are
reused by other environments (https://developer.upsun.com/docs/development/variables/use-variables).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote

from msgspec import Struct, field

from upsun_agent.errors import ConfigInvalid
from upsun_agent.limits import ID_MOST
from upsun_agent.model.ids import id_fault
from upsun_agent.platform.variables import decoded

Phase = Literal["build", "runtime", "ci", "laptop"]

#: Set by the platform while it builds, and never later.
BUILD_ONLY = ("PLATFORM_OUTPUT_DIR", "PLATFORM_CACHE_DIR", "PLATFORM_SOURCE_DIR")
#: Set by the platform in every container. No marks are the project, the branch, the environment and its type, which
#: people set elsewhere to say which one they mean, and relationships, routes and variables, which local development
#: sets.
CONTAINER = ("PLATFORM_APP_DIR", "PLATFORM_APPLICATION", "PLATFORM_TREE_ID", "PLATFORM_PROJECT_ENTROPY", *BUILD_ONLY)
#: Set in containers, and by people on CI now and then: no mark there.
CONTAINER_OR_CI = ("PLATFORM_APPLICATION_NAME",)
#: Tell a running container from a build.
SELECTING = ("PLATFORM_BRANCH", "PLATFORM_ENVIRONMENT", "PLATFORM_ENVIRONMENT_TYPE")
#: Local development environments that set what containers have.
IMITATIONS = ("IS_DDEV_PROJECT", "LANDO")
FALSE = frozenset({"", "0", "false", "no", "off"})


class Container(Struct, frozen=True):
    """Where the agent runs. What the platform did not say is None or empty.

    ``environment`` is the id that API paths take (``PLATFORM_BRANCH``); ``machine_name`` is ``PLATFORM_ENVIRONMENT``.
    """

    #: Whether this is a build, a running container, or neither.
    phase: Phase
    #: The id of the project; None outside of containers.
    project: str | None = None
    #: The id of the environment (``PLATFORM_BRANCH``); None if it is not known.
    environment: str | None = None
    #: The machine name of the environment (``PLATFORM_ENVIRONMENT``); None if it is not known.
    machine_name: str | None = None
    #: The type of the environment; None if it is not known.
    environment_type: str | None = None
    #: The name of the app; None if it is not known.
    app: str | None = None
    #: The directory of the app; None if it is not known.
    app_dir: str | None = None
    #: The services of the app by relationship, with their passwords.
    relationships: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Return it without the relationships: they hold passwords."""
        shown = [f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name != "relationships"]
        return f"Container({', '.join(shown)})"

    @property
    def is_one(self) -> bool:
        """Whether this is a container of the platform, not CI or a person's machine."""
        return self.phase in {"build", "runtime"}

    @property
    def environment_path(self) -> str:
        """The environment id as a path segment: ids may hold slashes."""
        return quote(self.environment or "", safe="")

    @property
    def identity(self) -> tuple[str, str, str]:
        """The owner of the state: project, environment, app. A journal with another owner is foreign."""
        return (self.project or "", self.environment or "", self.app or "")


def phase_of(environ: Mapping[str, str]) -> Phase:
    """Return where these variables are set: a build, a running container, CI, or somebody's own machine.

    A container has the project and at least one mark that only the platform sets. ``CI`` decides nothing by itself: the
    platform sets it in builds too.
    """
    on_ci = _said(environ, "CI")
    marks = CONTAINER if on_ci else (*CONTAINER, *CONTAINER_OR_CI)
    if not any(_said(environ, name) for name in IMITATIONS):
        if environ.get("PLATFORM_PROJECT") and any(environ.get(name) for name in marks):
            return "runtime" if any(environ.get(name) for name in SELECTING) else "build"
        if any(environ.get(name) for name in BUILD_ONLY):
            return "build"
    return "ci" if on_ci else "laptop"


def _said(environ: Mapping[str, str], name: str) -> bool:
    """Return whether the variable is set and neither false nor 0."""
    return environ.get(name, "").strip().lower() not in FALSE


def read_container(
    environ: Mapping[str, str], *, project: str | None = None, environment: str | None = None
) -> Container:
    """Return the container these variables describe; ``project`` and ``environment`` (from options) win over them.

    Args:
        environ: the environment variables of this process.
        project: the id of the project from an option; None: the variables say it.
        environment: the id of the environment from an option; None: the variables say it.

    Raises:
        ConfigInvalid: a variable holds broken base64 or JSON, or an id that cannot be one.
    """
    return Container(
        phase=phase_of(environ),
        project=_identifier("--project", project) or _identifier("PLATFORM_PROJECT", environ.get("PLATFORM_PROJECT")),
        environment=_identifier("--environment", environment)
        or _identifier("PLATFORM_BRANCH", environ.get("PLATFORM_BRANCH")),
        machine_name=_identifier("PLATFORM_ENVIRONMENT", environ.get("PLATFORM_ENVIRONMENT")),
        # The type is the container's own: it says nothing about an environment named by an option.
        environment_type=None
        if environment
        else _identifier("PLATFORM_ENVIRONMENT_TYPE", environ.get("PLATFORM_ENVIRONMENT_TYPE")),
        app=_identifier("PLATFORM_APPLICATION_NAME", environ.get("PLATFORM_APPLICATION_NAME")),
        app_dir=environ.get("PLATFORM_APP_DIR") or None,
        relationships=decoded(environ, "PLATFORM_RELATIONSHIPS"),
    )


def _identifier(source: str, value: str | None) -> str | None:
    if not value:
        return None
    fault = f"must not be longer than {ID_MOST} characters" if len(value) > ID_MOST else id_fault(value)
    if fault is not None:
        raise ConfigInvalid(f"{source} is not a valid id: {value[:40]!r}", remedy=f"it {fault}")
    return value
