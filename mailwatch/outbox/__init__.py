"""The outbox: what people are to be told, remembered until a channel has it."""

from mailwatch.outbox.outbox import Outbox

__all__ = ["Outbox"]
