"""Commands of the official CLI that change what the simulator has: what each must leave behind."""

from __future__ import annotations

from tests.harness.official_rows import (
    DOMAIN,
    GRACE,
    ON_STAGING,
    ORG,
    Row,
    backup,
    domain,
    inactive,
    is_gone,
    key,
    live,
    own_certificate,
    paused,
    permissions,
    place,
    project_variable,
    public_key,
    request_log,
    restored,
    running,
    source,
    staged,
    status,
    value,
    variable,
)

CHANGING = {
    "auth:api-token-login": Row(
        "auth:api-token-login",
        ("update-bot@example.invalid",),
        stdin="simulated-token\nsimulated-token\n",
        environment=(("UPSUN_CLI_TOKEN", None), ("SHELL_INTERACTIVE", "1")),
    ),
    "activity:cancel": Row(
        "activity:cancel {activity} -e staging --yes",
        ("cancelled",),
        running,
        lambda cli, names: cli.simulator.state.by_id[names["activity"]].state == "cancelled",
    ),
    "backup:create": Row(
        "backup:create --yes --wait", ("Backup name: ",), left=lambda cli, _: len(request_log(cli, "backups")) == 1
    ),
    "backup:restore": Row("backup:restore --yes --wait", ("succeeded",), backup, restored("main")),
    "backup:restore to another": Row(
        "backup:restore {backup} --target=staging --yes --wait", ("succeeded",), backup, restored("staging")
    ),
    "backup:restore to a new one": Row(
        "backup:restore --target=rescue --branch-from=main --yes --wait", ("succeeded",), backup, restored("rescue")
    ),
    "backup:delete": Row(
        "backup:delete {backup} --yes --wait", ("deleted",), backup, lambda cli, _: request_log(cli, "backups") == []
    ),
    "domain:add": Row(
        f"domain:add {DOMAIN} --yes --wait",
        (DOMAIN, "succeeded"),
        left=lambda cli, _: cli.simulator.state.domains.default("main").name == DOMAIN,
        owner=True,
    ),
    "domain:update": Row(
        "domain:update {domain} --cert={folder}/cert.pem --key={folder}/key.pem --yes --wait",
        ("succeeded",),
        own_certificate,
        lambda cli, names: cli.simulator.state.domains.named(names["domain"]).certificate is not None,
        owner=True,
    ),
    "domain:delete": Row(
        "domain:delete {domain} --yes --wait",
        (DOMAIN,),
        domain,
        lambda cli, _: cli.simulator.state.domains.of("main") == [],
        owner=True,
    ),
    "environment:info a title": Row(
        "environment:info title Shop --wait", ("set to: Shop",), left=lambda cli, _: live(cli, "title") == "Shop"
    ),
    "environment:info of robots": Row(
        "environment:info restrict_robots true --wait",
        ("succeeded",),
        left=lambda cli, _: live(cli, "restrict_robots") is True,
    ),
    "environment:branch": Row(
        "environment:branch sale main --no-checkout --yes --wait", ("succeeded",), left=status("sale", "active")
    ),
    "environment:activate": Row(
        "environment:activate --yes --wait",
        ("succeeded",),
        inactive,
        status("staging", "active"),
        environment=ON_STAGING,
    ),
    "environment:delete": Row(
        "environment:delete feature/login --delete-branch --yes --wait", ("Deleting",), left=is_gone("feature/login")
    ),
    "environment:delete without its branch": Row(
        "environment:delete feature/login --no-delete-branch --yes --wait",
        ("Deleting",),
        left=status("feature/login", "inactive"),
    ),
    "environment:pause": Row(
        "environment:pause --yes --wait", ("succeeded",), left=status("staging", "paused"), environment=ON_STAGING
    ),
    "environment:resume": Row(
        "environment:resume --yes --wait", ("succeeded",), paused, status("staging", "active"), environment=ON_STAGING
    ),
    "environment:redeploy": Row(
        "environment:redeploy --yes --wait", ("succeeded",), left=lambda cli, _: len(live(cli, "deployments")) == 2
    ),
    "environment:deploy": Row(
        "environment:deploy --yes --wait",
        ("succeeded",),
        staged,
        lambda cli, names: live(cli, "deployed") == names["head"],
    ),
    "environment:merge": Row(
        "environment:merge --yes --wait",
        ("succeeded",),
        lambda cli: {"head": cli.simulator.push("staging").commit or ""},
        lambda cli, names: live(cli, "head") == names["head"],
        environment=ON_STAGING,
    ),
    "environment:synchronize": Row(
        "environment:synchronize data --yes --wait",
        ("succeeded",),
        left=lambda cli, _: place(cli, "staging").data_from.source == "main",
        environment=ON_STAGING,
    ),
    "environment:http-access set": Row(
        "environment:http-access --auth me:secret-word --access allow:192.0.2.1 --wait",
        ("succeeded", "192.0.2.1/32"),
        left=lambda cli, _: live(cli, "guarded").basic_auth == {"me": "secret-word"},
    ),
    "environment:deploy:type manual": Row(
        "environment:deploy:type manual",
        ("updated successfully to: manual",),
        left=lambda cli, _: cli.simulator.state.deploys_manually(place(cli)),
    ),
    "integration:add": Row(
        "integration:add --type=health.email --from-address=a@example.com --recipients=b@example.com --yes",
        ("Created integration", "b@example.com"),
        left=lambda cli, _: [one.type for one in cli.simulator.state.integrations] == ["health.email"],
        owner=True,
    ),
    "integration:update": Row(
        "integration:update {integration} --fetch-branches=0",
        ("updated",),
        source,
        lambda cli, _: cli.simulator.state.integrations.source.fields["fetch_branches"] is False,
        owner=True,
    ),
    "integration:delete": Row(
        "integration:delete {integration} --yes",
        ("Deleted integration",),
        source,
        lambda cli, _: cli.simulator.scenario.source_integration is False,
        owner=True,
    ),
    "operation:run": Row(
        "operation:run clear-cache --yes --wait",
        ("succeeded",),
        left=lambda cli, _: request_log(cli, "activities")[-1]["type"] == "environment.operation",
    ),
    "organization:info a label": Row(
        f"organization:info {ORG} label Shops",
        ("set to: Shops",),
        left=lambda cli, _: cli.simulator.state.organization["label"] == "Shops",
        owner=True,
    ),
    "project:info a title": Row(
        "project:info title Shop",
        ("set to: Shop",),
        left=lambda cli, _: cli.simulator.state.title == "Shop",
        owner=True,
    ),
    "project:clear-build-cache": Row("project:clear-build-cache", ("build cache",), owner=True),
    "resources:set": Row(
        "resources:set --size app:1 --count app:2 --yes --wait",
        ("succeeded",),
        left=lambda cli, _: live(cli, "sized") == {"app": {"profile_size": "1", "instance_count": 2}},
    ),
    "source-operation:run": Row(
        "source-operation:run update --wait",
        ("succeeded",),
        lambda cli: {"head": place(cli).head},
        lambda cli, names: live(cli, "head") != names["head"],
    ),
    "ssh-cert:load": Row(
        "ssh-cert:load --yes", ("certificate",), left=lambda cli, _: len(request_log(cli, "certificates")) == 1
    ),
    "ssh-key:add": Row(
        "ssh-key:add {folder}/id.pub --name laptop --yes",
        ("successfully added",),
        public_key,
        lambda cli, _: [one.title for one in cli.simulator.state.ssh_keys] == ["laptop"],
    ),
    "ssh-key:delete": Row("ssh-key:delete {key}", ("deleted",), key, lambda cli, _: cli.simulator.state.ssh_keys == []),
    "task:run": Row(
        "task:run migrate --yes --wait",
        ("succeeded",),
        left=lambda cli, _: request_log(cli, "activities")[-1]["type"] == "environment.task",
    ),
    "user:add": Row(
        "user:add new@example.com -r viewer -r development:contributor --yes",
        ("invitation",),
        left=lambda cli, _: [one["to"] for one in request_log(cli, "mails")] == ["new@example.com"],
        owner=True,
    ),
    "user:update": Row(
        f"user:update {GRACE} -r development:viewer --yes",
        ("viewer",),
        left=permissions(GRACE, "viewer", "development:viewer"),
        owner=True,
    ),
    "user:delete": Row(f"user:delete {GRACE} --yes", ("deleted",), left=permissions(GRACE), owner=True),
    "variable:create": Row(
        "variable:create -l environment --prefix env: --name NEW --value x --yes --wait",
        ("succeeded",),
        left=value("env:NEW", "x"),
    ),
    "variable:create of the project": Row(
        "variable:create -l project --prefix env: --name NEW --value x --yes",
        ("env:NEW",),
        left=value("env:NEW", "x", project=True),
        owner=True,
    ),
    "variable:update": Row(
        "variable:update env:OLD -l environment --value two --yes --wait",
        ("succeeded",),
        variable,
        value("env:OLD", "two"),
    ),
    "variable:update of the project": Row(
        "variable:update env:OLD -l project --value two --yes",
        ("env:OLD",),
        project_variable,
        value("env:OLD", "two", project=True),
        owner=True,
    ),
    "variable:delete": Row(
        "variable:delete env:OLD -l environment --yes --wait", ("Deleted",), variable, value("env:OLD", None)
    ),
}
