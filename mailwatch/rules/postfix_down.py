"""Fires when Postfix does not run. Whether it runs is unknown where it could not be asked: that is own_health's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.firing import RAISE, Firing, unknown

if TYPE_CHECKING:
    from mailwatch.options import PostfixDown
    from mailwatch.view import View

NAME: Final = "postfix_down"


def evaluate(view: View, options: PostfixDown, /) -> list[Firing]:
    """One firing, with the instances that are down."""
    newest = view.instances()
    down = [sample for sample in newest if sample.up is False]
    if not down:
        return [] if newest and all(sample.up for sample in newest) else unknown(NAME, view.now)
    names = sorted(sample.instance for sample in down)
    return [
        Firing(
            rule=NAME,
            cause="postfix-down",
            scope="local",
            severity=options.severity or "page",
            level=RAISE,
            since=min(_since(view, name) for name in names),
            evidence={"instances": ", ".join(names), **({"trouble": trouble} if (trouble := down[0].trouble) else {})},
        )
    ]


def _since(view: View, instance: str) -> float:
    """When the instance was first seen down, without being seen up after it."""
    since = view.now
    for sample in reversed([each for each in view.samples(9000) if each.instance == instance]):
        if sample.up is not False:
            break
        since = sample.at
    return since
