"""OpenSSH itself reads and trusts what the simulator's authority signs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from upsun_simulator import Scenario, Simulator

from tests.harness.simulator_client import Talker

KEYGEN = shutil.which("ssh-keygen") or ""

pytestmark = pytest.mark.skipif(not KEYGEN, reason="OpenSSH is not installed")


class Bench:
    """A key pair, its certificate, and the authority, as files."""

    def __init__(self, place: Path, **scenario: object) -> None:
        self.place = place
        self.simulator = Simulator(Scenario(**scenario))  # type: ignore[arg-type]
        self.ask = Talker(self.simulator)
        self.key = place / "id_ed25519"
        self.certificate = place / "id_ed25519-cert.pub"
        self.keygen("-t", "ed25519", "-N", "", "-f", str(self.key))
        self.trust()

    def keygen(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run([KEYGEN, *words], input=stdin, capture_output=True, text=True, check=False, timeout=20)

    def trust(self) -> None:
        """Let OpenSSH trust the present authority, and nobody else."""
        (self.place / "authority.pub").write_text(self.simulator.ssh_authority)
        (self.place / "signers").write_text(f"update-bot cert-authority {self.simulator.ssh_authority}")

    def load(self) -> None:
        answer = self.ask("POST", "/ssh", {"key": (self.place / "id_ed25519.pub").read_text()})
        assert answer.status == 200, answer.text
        self.certificate.write_text(answer.content["certificate"])

    def trusted(self, *options: str) -> str | None:
        """Let the holder of the key sign something; None if OpenSSH believes the certificate, else its reason."""
        (self.place / "message").write_text("hello")
        signed = self.keygen("-Y", "sign", "-n", "test", "-f", str(self.certificate), str(self.place / "message"))
        assert signed.returncode == 0, signed.stderr
        signers, signature = str(self.place / "signers"), str(self.place / "message.sig")
        words = ("-Y", "verify", "-n", "test", "-I", "update-bot", "-f", signers, "-s", signature, *options)
        done = self.keygen(*words, stdin="hello")
        (self.place / "message.sig").unlink()
        return None if done.returncode == 0 else done.stderr + done.stdout


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_ssh_keygen_reads_all_that_the_certificate_says(bench: Bench) -> None:
    bench.load()
    read = bench.keygen("-L", "-f", str(bench.certificate))
    assert read.returncode == 0, read.stderr
    fingerprint = bench.keygen("-l", "-f", str(bench.place / "authority.pub")).stdout.split()[1]
    record = bench.simulator.request_log()["certificates"][0]
    for words in (
        "Type: ssh-ed25519-cert-v01@openssh.com user certificate",
        f"Signing CA: ED25519 {fingerprint}",
        f'Key ID: "{record["user"]}"',
        f"Serial: {record['serial']}",
        "update-bot",
        "permit-pty",
        "access-id@platform.sh",
        "token-claims@platform.sh",
    ):
        assert words in read.stdout
    assert "has-mfa@platform.sh" not in read.stdout


def test_openssh_believes_the_certificate_and_only_of_the_present_authority(bench: Bench) -> None:
    bench.load()
    assert bench.trusted() is None
    bench.simulator.rotate_authority()
    assert bench.trusted() is None, "what trusts the old key goes on trusting what it signed"
    bench.load()
    assert bench.trusted() is not None
    bench.trust()
    assert bench.trusted() is None


def test_a_changed_certificate_is_not_believed(bench: Bench) -> None:
    bench.load()
    kind, blob, comment = bench.certificate.read_text().split()
    half = len(blob) // 2
    spoiled = blob[:half] + ("A" if blob[half] != "A" else "B") + blob[half + 1 :]
    bench.certificate.write_text(f"{kind} {spoiled} {comment}\n")
    read = bench.keygen("-L", "-f", str(bench.certificate))
    assert read.returncode != 0, read.stdout


def test_an_expired_certificate_is_not_believed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ssh_certificate_seconds=0)
    bench.load()
    assert "expired" in (bench.trusted() or "")


def test_a_revoked_certificate_is_on_the_list_that_ssh_keygen_makes(bench: Bench) -> None:
    bench.load()
    assert bench.simulator.ssh_revocations == ""
    bench.simulator.revoke_certificates()
    listed, revoked = bench.place / "serials", bench.place / "revoked"
    listed.write_text(bench.simulator.ssh_revocations)
    made = bench.keygen("-k", "-f", str(revoked), "-s", str(bench.place / "authority.pub"), str(listed))
    assert made.returncode == 0, made.stderr
    assert "REVOKED" in bench.keygen("-Q", "-f", str(revoked), str(bench.certificate)).stdout
    bench.load()
    assert "REVOKED" not in bench.keygen("-Q", "-f", str(revoked), str(bench.certificate)).stdout
    serials = [one["serial"] for one in bench.simulator.request_log()["certificates"]]
    assert len(set(serials)) == 2


def test_mfa_and_more_principals_are_written_where_the_scenario_has_them(tmp_path: Path) -> None:
    bench = Bench(tmp_path, token_mfa=True, ssh_principals=("web",))
    bench.load()
    read = bench.keygen("-L", "-f", str(bench.certificate)).stdout
    assert "has-mfa@platform.sh" in read
    assert "web" in read.split()
