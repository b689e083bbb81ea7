"""Asks the DNS: a resolver of one's own, made of dnspython's messages and asyncio."""

from mailwatch.resolver.resolver import Resolver
from mailwatch.resolver.servers import Chosen, NoResolver, named, of_system
from mailwatch.resolver.transport import NO_REPLY

__all__ = ["NO_REPLY", "Chosen", "NoResolver", "Resolver", "named", "of_system"]
