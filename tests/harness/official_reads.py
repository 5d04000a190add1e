"""Commands of the official CLI that read what the simulator has: what each must show."""

from __future__ import annotations

from upsun_simulator.integration import SOURCE

from tests.harness.official_cli import Cli
from tests.harness.official_rows import (
    DOMAIN,
    GRACE,
    ORG,
    PLAIN,
    PROJECT,
    Row,
    activity,
    backup,
    certificate,
    domain,
    key,
    machine,
    project_variable,
    source,
    team,
    updated,
    variable,
)


def without_tasks(cli: Cli) -> dict[str, str]:
    """Take the app's tasks away."""
    cli.simulator.change(tasks=())
    return {}


def with_certificate(cli: Cli) -> dict[str, str]:
    """Have a certificate for SSH made."""
    cli("ssh-cert:load", "--yes")
    return {}


READING = {
    "version": Row("--version", ("5.11.1",)),
    "list": Row("list", ("backup:create", "route:list")),
    "help": Row("help backup:create", ("--live",)),
    "auth:info": Row(f"auth:info --refresh {PLAIN}", ("update-bot@example.invalid",)),
    "activity:list": Row(f"activity:list {PLAIN}", ("{activity}", "success"), activity),
    "activity:get": Row(f"activity:get {{activity}} {PLAIN}", ("environment.backup", "complete"), activity),
    "activity:log": Row("activity:log {activity}", ("Finished: success",), activity),
    "app:list": Row(f"app:list {PLAIN}", ("app\tpython:3.13",)),
    "app:config-get": Row("app:config-get", ("name: app", "service: db", "HIGH_CPU")),
    "backup:list": Row(f"backup:list {PLAIN}", ("{backup}",), backup),
    "backup:get": Row("backup:get {backup}", ("{backup}", "CREATED", "{head}"), backup),
    "certificate:list": Row(f"certificate:list {PLAIN}", ("{certificate}", DOMAIN), certificate),
    "certificate:get": Row("certificate:get {certificate}", (DOMAIN, "Let's Encrypt"), certificate),
    "commit:get": Row(
        "commit:get", ("sha: {head}", "name: 'Grace Colleague'", "Auto dependency updates", "- {old}"), updated
    ),
    "commit:list": Row(f"commit:list {PLAIN}", ("{head}\tGrace Colleague\tAuto dependency", "{old}\tAda"), updated),
    "domain:list": Row(f"domain:list {PLAIN}", (DOMAIN,), domain),
    "domain:list of an environment": Row(f"domain:list -e main {PLAIN}", (DOMAIN,), domain),
    "domain:get": Row(f"domain:get {{domain}} {PLAIN}", (DOMAIN, "has_certificate: true"), domain),
    "environment:list": Row(f"environment:list {PLAIN}", ("main\t", "feature/login\tLogin\tActive")),
    "environment:info": Row(f"environment:info {PLAIN}", ("machine_name\tmain-", "deployment_type\tautomatic")),
    "environment:relationships": Row(
        "environment:relationships -P database.0.host",
        ("db.internal",),
        environment=(("PLATFORM_RELATIONSHIPS", "eyJkYXRhYmFzZSI6IFt7Imhvc3QiOiAiZGIuaW50ZXJuYWwifV19"),),
    ),
    "environment:url": Row("environment:url --primary --pipe", ("https://www.example.com/",), domain),
    "environment:http-access": Row("environment:http-access", ("is_enabled: true",)),
    "environment:deploy:type": Row("environment:deploy:type --pipe", ("automatic",)),
    "environment:ssh to all containers": Row("environment:ssh --all", ("--app@ssh.", "--app--queue@ssh.")),
    "environment:ssh": Row(
        "environment:ssh --pipe --app app", (f"{PROJECT}-{{machine}}--app@ssh.eu-5.platform.sh",), machine
    ),
    "integration:list": Row(f"integration:list {PLAIN}", (SOURCE, "github", "simulated/project"), source, owner=True),
    "integration:get": Row("integration:get {integration}", ("simulated/project", "token_type"), source, owner=True),
    "integration:validate": Row("integration:validate {integration}", ("is valid",), source, owner=True),
    "integration:activity:list": Row(
        f"integration:activity:list {{integration}} {PLAIN}", ("{activity}",), source, owner=True
    ),
    "integration:activity:get": Row(
        "integration:activity:get {integration} {activity}", ("integration.github.fetch",), source, owner=True
    ),
    "integration:activity:log": Row(
        "integration:activity:log {integration} {activity}", ("Finished: success",), source, owner=True
    ),
    "mount:list": Row(f"mount:list {PLAIN}", ("var/agent", "storage")),
    "operation:list": Row(f"operation:list {PLAIN}", ("clear-cache", "./operate.sh clear-cache")),
    "organization:info": Row(f"organization:info -p {PROJECT} {PLAIN}", ("simulated", "ada@example.invalid", "FR")),
    "organization:list": Row(f"organization:list {PLAIN}", ("simulated\tSimulated organization\tflexible\tada@",)),
    "organization:user:list": Row(f"organization:user:list {ORG} {PLAIN}", ("ada@", GRACE), owner=True),
    "organization:user:get": Row(f"organization:user:get {GRACE} {ORG} {PLAIN}", (GRACE,), owner=True),
    "organization:user:projects": Row(
        f"organization:user:projects ada@example.invalid {ORG} {PLAIN}", (PROJECT,), owner=True
    ),
    "organization:subscription:list": Row(
        f"organization:subscription:list {ORG} {PLAIN}", ("1234567", PROJECT), owner=True
    ),
    "organization:billing:address": Row(f"organization:billing:address {ORG}", ("Paris",), owner=True),
    "organization:billing:profile": Row(f"organization:billing:profile {ORG}", ("EUR",), owner=True),
    "project:info": Row(f"project:info {PLAIN}", ("Simulated project", f"{PROJECT}@git.eu-5.platform.sh")),
    "project:info with an integration": Row(
        "project:info repository.url", ("git@github.com:simulated/project.git",), source
    ),
    "project:list": Row(f"project:list {PLAIN}", (f"{PROJECT}\tSimulated project",)),
    "repo:ls": Row("repo:ls", (".upsun/", "composer.lock")),
    "repo:cat": Row("repo:cat .upsun/config.yaml", ("type: postgresql:16",)),
    "repo:read": Row("repo:read .upsun", ("config.yaml",)),
    "resources:get": Row(f"resources:get {PLAIN}", ("app\t0.5\tshared\t0.5\t192", "db\t0.5\tshared\t0.5\t1408\t1024")),
    "resources:size:list": Row(
        f"resources:size:list -s app {PLAIN}",
        ("0.25", "1280"),
        without_tasks,
    ),
    "resources:build:get": Row(f"resources:build:get {PLAIN}", ("2\t3072",)),
    "route:list": Row(f"route:list {PLAIN}", ("https://{default}/\tupstream\tapp:http",)),
    "route:get": Row("route:get https://{default}/ -P url", ("https://main-",)),
    "service:list": Row(f"service:list {PLAIN}", ("db\tpostgresql:16", "cache\tredis:7.2")),
    "source-operation:list": Row(f"source-operation:list {PLAIN}", ("update\tapp",)),
    "ssh-cert:info": Row("ssh-cert:info", ("access-id@platform.sh",), with_certificate),
    "subscription:info": Row(f"subscription:info {PLAIN}", ("upsun/flexible", "eu-5.platform.sh"), owner=True),
    "task:list": Row(f"task:list {PLAIN}", ("migrate",)),
    "task:list without tasks": Row("task:list", ("No tasks were found",), without_tasks),
    "ssh-key:list": Row(f"ssh-key:list {PLAIN}", ("{key}\tlaptop",), key),
    "team:list": Row(f"team:list {ORG} {PLAIN}", ("Operators", "staging:admin"), team, owner=True),
    "team:get": Row(f"team:get -t {{team}} {PLAIN}", ("Operators",), team, owner=True),
    "team:user:list": Row(f"team:user:list -t {{team}} {PLAIN}", (GRACE,), team, owner=True),
    "team:project:list": Row(f"team:project:list -t {{team}} {PLAIN}", (PROJECT,), team, owner=True),
    "user:list": Row(f"user:list {PLAIN}", ("ada@example.invalid\tAda Owner\tadmin (owner)", GRACE), owner=True),
    "user:get": Row(f"user:get {GRACE}", ("development: contributor",), owner=True),
    "variable:list": Row(f"variable:list {PLAIN}", ("env:OLD\tenvironment\tone",), variable),
    "variable:get": Row("variable:get env:OLD -l environment -P value", ("one",), variable),
    "variable:get of the project": Row("variable:get env:OLD -l project -P value", ("one",), project_variable),
    "worker:list": Row(f"worker:list {PLAIN}", ("app--queue\tpython:3.13", "./work.sh")),
}
