"""Fires when Postfix does not run. Whether it runs is unknown where it could not be asked: that is own_health's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from mailwatch.firing import RAISE, Firing, unknown

if TYPE_CHECKING:
    from mailwatch.options import PostfixDown
    from mailwatch.view import View

NAME: Final = "postfix_down"
PROBE: Final = "postfix"


class Seen(NamedTuple):
    """Whether an instance was up, when that was seen, and what was said."""

    at: float
    up: bool | None
    trouble: str | None


def evaluate(view: View, options: PostfixDown, /) -> list[Firing]:
    """One firing, with the instances that are down."""
    newest = seen(view)
    down = {name: each for name, each in newest.items() if each.up is False}
    if not down:
        return [] if newest and all(each.up for each in newest.values()) else unknown(NAME, view.now)
    trouble = next((each.trouble for _, each in sorted(down.items()) if each.trouble), None)
    return [
        Firing(
            rule=NAME,
            cause="postfix-down",
            scope="local",
            severity=options.severity or "page",
            level=RAISE,
            since=min(_since(view, name, each.at) for name, each in down.items()),
            evidence={"instances": ", ".join(sorted(down)), **({"trouble": trouble} if trouble else {})},
        )
    ]


def seen(view: View) -> dict[str, Seen]:
    """How each instance was seen last: by a probe of it, or by a sample of its queue, whichever is newer and knows."""
    looks = [(sample.instance, Seen(sample.at, sample.up, sample.trouble)) for sample in view.instances()]
    for probe in view.probes(PROBE):
        up = probe.values.get("up")
        looks.append((probe.instance, Seen(probe.at, None if up is None else bool(up), probe.trouble)))
    # what is known stands behind what is not, and the newest last
    return dict(sorted(looks, key=lambda each: (each[1].up is not None, each[1].at)))


def _since(view: View, instance: str, at: float) -> float:
    """When the instance was first seen down, without being seen up after it."""
    since = at
    for sample in reversed([each for each in view.samples(9000) if each.instance == instance]):
        if sample.up is not False:
            break
        since = min(since, sample.at)
    return since
