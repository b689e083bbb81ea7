"""Asks the DNS: a resolver of one's own, made of dnspython's messages and asyncio."""

from mailwatch.resolver.resolver import Resolver

__all__ = ["Resolver"]
