"""The work of ``upsun-agent-setup upgrade``: move the pin of a checkout, and show the changes before writing them."""

from __future__ import annotations

import os

from upsun_agent import __version__
from upsun_agent.cli.answer import Answer
from upsun_agent.cli.context import Context
from upsun_agent.errors import ConfigInvalid

from upsun_setup.app_choice import app_of, project_of
from upsun_setup.build_hook import BuildHook
from upsun_setup.checkout import Checkout, top_of
from upsun_setup.delivery import FOLDER
from upsun_setup.hook import block_of, upgraded
from upsun_setup.plan_record import Plan, changes_of
from upsun_setup.preview import apply, path, staged, tell_written, view
from upsun_setup.release_folder import delivery_of, release_changes, submodule_command, tell_versions
from upsun_setup.submodules import Submodule


def run(context: Context) -> Answer:
    """Show how the pin would move, and move it where that is wanted."""
    checkout = Checkout(top_of(context.options.dir))
    project = project_of(context, checkout)
    app = app_of(context, project)
    texts: dict[str, tuple[str | None, str]] = {}

    def write(name: str, old: str | None, new: str) -> None:
        texts[name] = (old, new)

    hook = BuildHook(project, app, write)
    block = block_of(hook.text)
    if block is None:
        text = f"{hook.name} of the app {app.name} does not install the agent with lines that init wrote"
        raise ConfigInvalid(text, remedy="run upsun-agent-setup init first, or change the lines by hand")
    delivery = delivery_of(vars(context.options), block)
    plan = Plan(app.name, product=project.product)
    lines = [line.strip() for line in hook.text.split("\n")]
    if [lines[number] for number in block.lines] != [line.strip() for line in delivery.lines]:
        hook.edit(upgraded(block, delivery.lines))
        plan.done.append(f"{hook.name} installs the release {delivery.told}")
    plan.changes = changes_of({**project.changed(), **texts})
    plan.files = release_changes(checkout, app, delivery, plan)
    submodule = None
    if delivery.way == "submodule" and block.way == "submodule":
        submodule = Submodule(checkout.top, app.file(FOLDER), os.environ)
        plan.move = submodule.move(context.options.commit or f"v{__version__}")
    tell_versions(checkout, app, block, plan)
    left = _next(checkout, plan, submodule_command(checkout, app, delivery, context.options.submodule or "", plan))
    nothing = f"Nothing to do: the app {app.name} is at this version."
    done = apply(context, checkout, plan, nothing, submodule.apply if submodule else None)

    def said() -> None:
        tell_written(context.terminal, plan)
        for text in left:
            context.terminal.say(text)

    return Answer(view(checkout, plan, left, written=done), said if done else None)


def _next(checkout: Checkout, plan: Plan, added: str) -> list[str]:
    names = " ".join(map(path, staged(checkout, plan)))
    first = [f"Add the agent's repository, at the release that you want: {added}"] if added else []
    push = f"git add {names} && git commit -m 'Upgrade upsun-agent'"
    return [*first, f"Push it to a development environment first: {push}"]
