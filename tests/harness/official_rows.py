"""Rows of the table of commands of the official CLI: what each needs before, and what it leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID
from upsun_simulator.documents.domain import certificate_id
from upsun_simulator.integration import SOURCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness.official_cli import Cli

    Names = dict[str, str]

PROJECT = "abcdefgh1234z"
DOMAIN = "www.example.com"


def nothing(_: Cli) -> Names:
    return {}


def anything(_: Cli, __: Names) -> bool:
    return True


@dataclass(frozen=True)
class Row:
    """A call of the CLI that must end with 0.

    `{names}` in `words` and `shows` are filled with what `arrange` made; `shows` must be in what the CLI prints, and
    `left` be true afterwards. With `owner` the owner's token is used, else the machine user's.
    """

    words: str
    shows: tuple[str, ...]
    arrange: Callable[[Cli], Names] = nothing
    left: Callable[[Cli, Names], bool] = anything
    owner: bool = False
    stdin: str = ""
    environment: tuple[tuple[str, str | None], ...] = ()


def place(cli: Cli, name: str = "main") -> Any:
    return cli.simulator.state.environments[name]


def request_log(cli: Cli, kind: str) -> Any:
    return cli.simulator.request_log()[kind]


def backup(cli: Cli) -> Names:
    return {"backup": cli.simulator.add_backup(age=60).id, "head": place(cli).head}


def activity(cli: Cli) -> Names:
    return {"activity": cli.simulator.start_activity(type="environment.backup", seconds=0).id}


def running(cli: Cli) -> Names:
    return {"activity": cli.simulator.start_activity("staging", seconds=None).id}


def updated(cli: Cli) -> Names:
    cli.simulator.change(source_operation_seconds=0)
    old = place(cli).head
    cli.simulator.start_activity(type="environment.source-operation", seconds=0)
    return {"old": old, "head": place(cli).head}


def domain(cli: Cli) -> Names:
    return {"domain": cli.simulator.add_domain(DOMAIN).name}


def certificate(cli: Cli) -> Names:
    return {"certificate": certificate_id(cli.simulator.add_domain(DOMAIN))}


def own_certificate(cli: Cli) -> Names:
    """A certificate of the user's own, with its key, beside the CLI."""
    folder, key = Path(cli.environment["HOME"]), ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, DOMAIN)]), datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = builder.not_valid_before(now).not_valid_after(now + timedelta(days=30)).sign(key, hashes.SHA256())
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    return {**domain(cli), "folder": str(folder)}


def variable(cli: Cli) -> Names:
    return {"variable": cli.simulator.add_variable("env:OLD", "one").name}


def project_variable(cli: Cli) -> Names:
    return {"variable": cli.simulator.add_variable("env:OLD", "one", project=True).name}


def source(cli: Cli) -> Names:
    cli.simulator.change(source_integration=True)
    kind = "integration.github.fetch"
    activity = cli.simulator.start_activity(type=kind, seconds=0, parameters={"integration": SOURCE})
    return {"integration": SOURCE, "activity": activity.id}


def paused(cli: Cli) -> Names:
    cli.simulator.pause("staging")
    return {}


def inactive(cli: Cli) -> Names:
    cli.simulator.set_status("inactive", "staging")
    return {}


def staged(cli: Cli) -> Names:
    cli.simulator.change(manual_deployment=True)
    cli.simulator.push()
    return {"head": place(cli).head}


def team(cli: Cli) -> Names:
    made = cli.simulator.add_team("Operators", ["viewer", "staging:admin"], ["grace", "update-bot"])
    return {"team": made.id}


def public_key(cli: Cli) -> Names:
    folder, key = Path(cli.environment["HOME"]), ed25519.Ed25519PrivateKey.generate().public_key()
    line = key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    (folder / "id.pub").write_bytes(line + b" me\n")
    return {"folder": str(folder)}


def key(cli: Cli) -> Names:
    names = public_key(cli)
    cli("ssh-key:add", f"{names['folder']}/id.pub", "--name", "laptop", "--yes")
    return {"key": str(cli.simulator.state.ssh_keys[0].id)}


def machine(cli: Cli) -> Names:
    return {"machine": place(cli).machine_name}


def live(cli: Cli, field: str) -> Any:
    return getattr(place(cli), field)


def status(name: str, status: str) -> Callable[[Cli, Names], bool]:
    return lambda cli, _: cli.simulator.state.status_of(place(cli, name)) == status


def restored(name: str) -> Callable[[Cli, Names], bool]:
    return lambda cli, names: place(cli, name).data_restored_from.source == names["backup"]


def is_gone(name: str) -> Callable[[Cli, Names], bool]:
    return lambda cli, _: name not in cli.simulator.state.environments


def value(name: str, value: str | None, *, project: bool = False) -> Callable[[Cli, Names], bool]:
    def right(cli: Cli, _: Names) -> bool:
        found = cli.simulator.variable(name, project=project)
        return (None if found is None else found.value) == value

    return right


def permissions(email: str, *wanted: str) -> Callable[[Cli, Names], bool]:
    def right(cli: Cli, _: Names) -> bool:
        found = [set(one["permissions"]) for one in request_log(cli, "members") if one["email"] == email]
        return found == ([set(wanted)] if wanted else [])

    return right


GRACE = "grace@example.invalid"
PLAIN = "--format=plain --no-header"
ON_STAGING = (("PLATFORM_BRANCH", "staging"),)
ORG = "-o simulated"
