"""How a finding about a provider is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.names import shown
from mailwatch.finding import Finding

if TYPE_CHECKING:
    from dns.name import Name

NAME: Final = "provider"


def tell(  # noqa: PLR0913 - each is a field of the finding
    domain: Name,
    code: str,
    verdict: str,
    text: str,
    *,
    fix: str = "",
    publish: str | None = None,
    reference: str = "",
    kind: str = "TXT",
) -> Finding:
    """A finding of this check about a domain's record."""
    return Finding(
        check=NAME,
        code=f"{NAME}-{code}",
        verdict=verdict,
        text=text,
        where=f"{shown(domain)} {kind}",
        fix=fix,
        publish=publish,
        reference=reference,
    )
