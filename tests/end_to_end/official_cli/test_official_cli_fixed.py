"""The official CLI as ``platform``, by a configuration of that product, with a project of Upsun Fixed."""

from __future__ import annotations

from pathlib import Path

import pytest
from upsun_simulator import Scenario, Simulator, serve

from tests.harness.official_cli import TOKEN, Cli, binary

pytestmark = [
    pytest.mark.official_cli,
    pytest.mark.holds_secret("file */.platformsh/*", reason="the official CLI keeps its session there"),
]
#: What makes the binary the command ``platform``: its name, the prefix of its variables, its client, its folders.
PLATFORM = """
application:
  name: Platform CLI
  slug: platformsh-cli
  version: 5.11.1
  executable: platform
  env_prefix: PLATFORMSH_CLI_
  user_config_dir: .platformsh
service:
  name: Platform.sh
  slug: platformsh
  env_prefix: PLATFORM_
  project_config_dir: .platform
  app_config_file: .platform.app.yaml
  console_url: https://console.upsun.com
  docs_url: https://docs.upsun.com
api:
  base_url: https://api.upsun.com
  auth_url: https://auth.upsun.com
  oauth2_client_id: platform-cli
  organizations: true
  user_verification: false
ssh:
  domain_wildcards: ['*.platform.sh']
detection:
  git_remote_name: platform
  git_domain: platform.sh
  site_domains: [platformsh.site]
"""


def test_the_platform_cli_backs_up_and_is_told_of_the_plan(tmp_path: Path, unpacked: Path) -> None:
    configuration = tmp_path / "platform.yaml"
    configuration.write_text(PLATFORM)
    with serve(Simulator(Scenario(product="fixed", backup_seconds=0))) as server:
        platform = Cli(binary(), server, tmp_path, unpacked)
        platform.environment |= {
            "CLI_CONFIG_FILE": str(configuration),
            "PLATFORMSH_CLI_TMP": str(unpacked),
            "PLATFORMSH_CLI_API_URL": server.url,
            "PLATFORMSH_CLI_AUTH_URL": server.url,
            "PLATFORMSH_CLI_TOKEN": TOKEN,
            "PLATFORMSH_CLI_DISABLE_CACHE": "1",
        }
        for name in [name for name in platform.environment if name.startswith("UPSUN_CLI_")]:
            del platform.environment[name]
        backed_up = platform("backup:create", "--yes", "--no-wait")
        assert backed_up.code == 0, backed_up.err
        assert backed_up.posts == ["/projects/abcdefgh1234z/environments/main/backup"]
        name = backed_up.out.strip().rpartition(" ")[2]
        assert name in platform("backup:list").out
        refused = platform("source-operation:run", "update", "--yes", "--no-wait")
        assert (refused.code, refused.posts) == (1, [])
        assert "does not support source operations" in refused.err
