"""The project and the app that a command is about: those that are named, the only likely ones, or those asked for."""

from __future__ import annotations

from upsun_agent.cli.change import answered
from upsun_agent.cli.context import Context
from upsun_agent.errors import UsageError
from upsun_agent.platform.product import Product, product_of

from upsun_setup.app import App
from upsun_setup.checkout import Checkout
from upsun_setup.preview import is_asking
from upsun_setup.project import Project, chosen
from upsun_setup.replaced_crons import ReplacedCrons


def project_of(context: Context, checkout: Checkout) -> Project:
    """Return the configuration of the product named; ask where the checkout has that of both."""
    return Project(checkout).read(_product(context, checkout))


def _product(context: Context, checkout: Checkout) -> Product | None:
    named: Product | None = context.options.product
    if named is not None or product_of(checkout.configurations()) != "both" or not is_asking(context):
        return named
    say = context.terminal.say
    say("The configuration of Upsun Fixed (.platform.app.yaml, .platform/) and of Upsun Flex (.upsun/) are both here.")
    say("A deployment with both fails: delete the files of the product that this project is not on.")
    answer = answered("Which product is this project on, flex or fixed? ").lower()
    if answer not in {"flex", "fixed"}:
        raise UsageError(f"there is no product '{answer[:80]}'", remedy="name one: --product flex or --product fixed")
    return "flex" if answer == "flex" else "fixed"


def app_of(context: Context, project: Project) -> App:
    """Return the app named, the only one, the one with the agent or a CLI cron; else ask."""
    replaced = {name: ReplacedCrons(project, app) for name, app in project.apps.items()}
    ticking = [name for name in replaced if replaced[name].ticking() is not None]
    likely = ticking or [name for name, cli_cron in replaced.items() if cli_cron.known]
    app = chosen(project, context.options.app, likely)
    if app is not None:
        return app
    names = list(project.apps)
    if not is_asking(context):
        raise UsageError("several apps are defined here", remedy=f"name one with --app: {', '.join(names)}")
    context.terminal.say(f"Which app should run the agent? {', '.join(names)}")
    answer = answered("app: ")
    if answer not in project.apps:
        raise UsageError(f"there is no app '{answer[:80]}'", remedy=f"name one with --app: {', '.join(names)}")
    return project.apps[answer]
