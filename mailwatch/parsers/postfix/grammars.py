"""Which program says what: one grammar for each, of the shapes in this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.event import Event, Other
from mailwatch.parsers.postfix import client, postscreen, queue, server, system, tls
from mailwatch.parsers.postfix.delivery import DELIVERY, in_any_order
from mailwatch.parsers.postfix.terms import Grammar, unread

if TYPE_CHECKING:
    from mailwatch.event import Origin

ANY_PROGRAM: Final = (system.COMPLAINT, system.TABLE_CHANGED, *system.STATISTICS)
"""Any daemon may warn, count, and end because a table has changed."""

AGENT: Final = Grammar(common=(DELIVERY,), rare=(*ANY_PROGRAM, *client.SHAPES, *tls.OUR_CLIENT), last=in_any_order)
QMGR: Final = Grammar(
    common=(queue.QUEUED_OR_REMOVED,), rare=(queue.EXPIRED, *ANY_PROGRAM, DELIVERY), last=in_any_order
)
SMTPD: Final = Grammar(
    common=(server.CONNECT, server.DISCONNECT, server.RECEIVED),
    rare=(
        server.BROKEN_OFF,
        server.RESTRICTION,
        server.PASSED_ON,
        server.PROXIED,
        server.PASSWORD_REFUSED,
        *ANY_PROGRAM,
        server.MISBEHAVED,
        *tls.OUR_SERVERS,
    ),
)
CLEANUP: Final = Grammar(
    common=(queue.MESSAGE_ID,), rare=(server.CONTENT, server.RESTRICTION, *ANY_PROGRAM, DELIVERY), last=in_any_order
)
PICKUP: Final = Grammar(common=(queue.PICKED_UP,), rare=ANY_PROGRAM)
BOUNCE: Final = Grammar(common=(queue.BOUNCE_NOTICE,), rare=(*ANY_PROGRAM, DELIVERY), last=in_any_order)
POSTSUPER: Final = Grammar(rare=(*queue.BY_HAND, *ANY_PROGRAM))
POSTSCREEN: Final = Grammar(rare=(*postscreen.SHAPES, server.RESTRICTION, *ANY_PROGRAM))
DNSBLOG: Final = Grammar(rare=(postscreen.LISTED, *ANY_PROGRAM))
TLSPROXY: Final = Grammar(rare=(*tls.PROXY, *tls.OUR_SERVERS, *ANY_PROGRAM))
SYSTEM: Final = Grammar(rare=(*system.LIFECYCLE, *ANY_PROGRAM))
ANOTHER: Final = Grammar(rare=ANY_PROGRAM)

GRAMMARS: Final[dict[str, Grammar]] = {
    **dict.fromkeys(("smtp", "lmtp", "error", "retry", "local", "virtual", "pipe", "discard", "verify"), AGENT),
    "qmgr": QMGR,
    "oqmgr": QMGR,
    "nqmgr": QMGR,
    "smtpd": SMTPD,
    "qmqpd": SMTPD,
    "cleanup": CLEANUP,
    "pickup": PICKUP,
    "bounce": BOUNCE,
    "defer": BOUNCE,
    "trace": BOUNCE,
    "postsuper": POSTSUPER,
    "postscreen": POSTSCREEN,
    "dnsblog": DNSBLOG,
    "tlsproxy": TLSPROXY,
    "master": SYSTEM,
    "postfix-script": SYSTEM,
}
"""By the last part of the tag. A program that is not here may be a new one: it is heard as far as any program is."""

UNNAMED: Final = (QMGR, SMTPD, CLEANUP, PICKUP, BOUNCE, AGENT, POSTSCREEN, DNSBLOG, POSTSUPER, SYSTEM)


def unnamed(at: float, origin: Origin, message: str) -> Event:
    """A line whose program the log does not name: its shape tells, where one shape is one program's."""
    for grammar in UNNAMED:
        event = grammar.read(at, origin, message)
        if type(event) is not Other:
            return event
    return unread(at, origin, message)
