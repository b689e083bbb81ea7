"""Checks the provider that mail is relayed through: whether SPF covers it, and whether its envelope has what it needs.

Promises
    An include of a provider that is not the relay is nothing wrong: others may send by it. What SPF is asked for is the
    domain of the envelope, and where the provider puts its own there, an include at the domain authorises nothing.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from mailwatch.checks.dns.names import name_of, shown
from mailwatch.checks.dns.provider.bounce import bounces, soon
from mailwatch.checks.dns.provider.known import OLD, behind
from mailwatch.checks.dns.provider.provider import KEEPS, SIGNS_AS_DOMAIN, relay_host
from mailwatch.checks.dns.provider.telling import NAME, tell
from mailwatch.checks.dns.spf.corrected import corrected, fresh
from mailwatch.checks.dns.spf.coverage import coverage
from mailwatch.checks.dns.spf.judging import domain_of
from mailwatch.checks.dns.spf.networks import routed
from mailwatch.checks.dns.spf.ranges import Ranges
from mailwatch.checks.dns.spf.subject import cut, line, listed, placed
from mailwatch.checks.dns.spf.tree import grow, named, target
from mailwatch.finding import ERROR, NOT_APPLICABLE, OK, UNKNOWN, WARNING
from mailwatch.question import UNKNOWN as UNANSWERED

if TYPE_CHECKING:
    from mailwatch.checks.dns.facts import Facts
    from mailwatch.checks.dns.provider.bounce import Found
    from mailwatch.checks.dns.provider.provider import Provider
    from mailwatch.checks.dns.spf.tree import Tree
    from mailwatch.finding import Finding
    from mailwatch.question import Asks

__all__ = ["NAME", "check", "provider_of"]
ELSEWHERE: Final = ("include", "exists")
"""Terms that may let a provider pass without naming it, by a macro."""


async def check(asks: Asks, facts: Facts) -> list[Finding]:
    """What is wrong with how the relay is set up in DNS; old includes in any case."""
    provider = provider_of(facts)
    if provider is not None and provider.bounce is not None:
        soon(asks, facts.domain, provider.bounce)
    tree = await grow(asks, facts.domain)
    old = _old(facts, tree)
    if facts.relay is None:
        return old or [_not_used(facts)]
    if provider is None:
        found = [await _smarthost(asks, facts, tree)]
    elif provider.envelope == KEEPS:
        found = [await _kept(asks, facts, provider, tree)]
    else:
        found = await _replaced(asks, facts, provider, tree)
    return [*old, *(each for each in found if not old or each.verdict != OK)]


def provider_of(facts: Facts) -> Provider | None:
    """The provider that the relay belongs to; None without a relay, or when nobody knows it."""
    return None if facts.relay is None else behind(facts.relay.text)


def _not_used(facts: Facts) -> Finding:
    known = "delivered directly" if facts.direct else "relayed by no provider, as far as is known"
    return tell(facts.domain, "not-used", NOT_APPLICABLE, f"Mail is {known}: there is no provider to check.")


def _old(facts: Facts, tree: Tree) -> list[Finding]:
    """Includes of the domain's own record that their provider has given up."""
    root = tree.of(tree.root)
    found = []
    for term in root.terms if root else ():
        to = target(term)
        known = OLD.get(to.to_text(omit_final_dot=True)) if to is not None else None
        if known is None or root is None or root.record is None:
            continue
        whose, new = known
        better = corrected(root.record, add=[f"include:{new}"] if new else [], drop=[term.text])
        said = (
            f"{whose} asks for `include:{new}` instead now."
            if new
            else f"mail from {whose} bears an envelope of its own, so that the term authorises nothing."
        )
        found.append(
            tell(
                facts.domain,
                "old-include",
                WARNING,
                f"{placed(term)} of the SPF record is out of date: {said}",
                fix="Replace it, so that nothing breaks when the old name goes away." if new else "Remove it.",
                publish=line(facts.domain, better) if better else None,
            )
        )
    return found


async def _smarthost(asks: Asks, facts: Facts, tree: Tree) -> Finding:
    """A relay that nobody knows: all that can be seen is whether its own name's addresses pass."""
    host = relay_host(facts.relay.text if facts.relay else "")
    if any(each.origin == "--ip" for each in facts.addresses):
        return tell(
            facts.domain, "given", NOT_APPLICABLE, "SPF is checked for the address that was given for the relay."
        )
    if (nobody := _nobody_passes(facts, host, tree)) is not None:
        return nobody
    addresses = await _addresses(asks, host)
    passing = coverage(tree).ranges
    left = [each for each in addresses if Ranges.of_texts([each]) - passing]
    if addresses and not left:
        return tell(
            facts.domain,
            "ok",
            OK,
            f"The SPF record of {shown(facts.domain)} lets the addresses of the relay {cut(host)} pass, if it is they "
            "that it sends from.",
        )
    return tell(
        facts.domain,
        "relay-unknown",
        UNKNOWN,
        f"All mail goes through {cut(host)}, and from which addresses it sends is not known here: whether SPF lets "
        f"them pass could not be checked.{_left_out(left)}",
        fix="Give its sending address by --ip, or ask its operator for the include that belongs into the SPF record.",
        reference="RFC 7208 section 2.4",
    )


def _nobody_passes(facts: Facts, host: str, tree: Tree) -> Finding | None:
    """That wherever the relay sends from, SPF refuses it: the record names nobody at all."""
    envelope = domain_of(facts.mail_from.text.strip().strip("<>")) if facts.mail_from else None
    root = tree.of(tree.root)
    terms = root.terms if root else ()
    if envelope not in (None, facts.domain) or [each.text for each in terms] != ["-all"]:
        return None
    return tell(
        facts.domain,
        "nobody-passes",
        ERROR,
        f"The SPF record of {shown(facts.domain)} lets nobody pass, and mail goes through {cut(host)}: receivers "
        "refuse it, from whichever address it comes.",
        fix="Ask the operator of the relay for the include that belongs before `-all`, if the domain sends mail.",
        reference="RFC 7208 section 5.1",
    )


def _left_out(addresses: list[str]) -> str:
    """What is known of the relay's own addresses that do not pass."""
    if not addresses:
        return ""
    are = "is" if len(addresses) == 1 else "are"
    return f" Its own ({listed(addresses)}) {are} not let pass by the record: if mail leaves from there, SPF fails."


async def _addresses(asks: Asks, host: str) -> list[str]:
    try:
        return [host] if routed(ip_address(host)) else []
    except ValueError:
        pass
    try:
        name = name_of(host)
    except ValueError:
        return []
    asks.soon(name, "AAAA")
    answers = [await asks.ask(name, kind) for kind in ("A", "AAAA")]
    return [str(each.address) for answer in answers for each in answer.records if hasattr(each, "address")]


async def _kept(asks: Asks, facts: Facts, provider: Provider, tree: Tree) -> Finding:
    """The envelope stays as it is: SPF is asked at the domain that MAIL FROM has here."""
    envelope = domain_of(facts.mail_from.text.strip().strip("<>")) if facts.mail_from else None
    if envelope is None or envelope == facts.domain:
        return await _covered(asks, facts, provider, tree)
    there = await grow(asks, envelope)
    root = there.of(there.root)
    if root is not None and root.texts:
        aligned = envelope.is_subdomain(facts.domain) or facts.domain.is_subdomain(envelope)
        return await _covered(asks, replace(facts, domain=envelope), provider, there, aligned=aligned)
    known = root is not None and root.answer.outcome != UNANSWERED
    return tell(
        envelope,
        "not-included" if known else "unknown",
        ERROR if known else UNKNOWN,
        f"All mail goes through {provider.name} with {shown(envelope)} in MAIL FROM, and "
        + ("that domain has no SPF record." if known else "its SPF record could not be looked up."),
        fix=f"That domain needs an SPF record with include:{provider.includes[0]}.",
        publish=line(envelope, fresh([f"include:{provider.includes[0]}"])) if known else None,
        reference="RFC 7208 section 2.4",
    )


async def _covered(asks: Asks, facts: Facts, provider: Provider, tree: Tree, *, aligned: bool = True) -> Finding:
    """The provider leaves the envelope as it is, so the domain's own SPF record must let it pass."""
    root = tree.of(tree.root)
    if root is None or root.answer.outcome == UNANSWERED or root.record is None or root.record.problems:
        return _left_to_spf(facts, provider)
    if _names(tree, provider):
        alignment = "aligned" if aligned else "not aligned, as that is another domain than that of From"
        return _ok(facts, provider, f"which the SPF record of {shown(facts.domain)} includes: SPF passes, {alignment}")
    theirs = coverage(await grow(asks, named(provider.includes[0]) or facts.domain)).ranges
    if theirs and not theirs - coverage(tree).ranges:
        theirs_here = [term.text for term in root.terms if term.network and not Ranges.of([term.network]) - theirs]
        better = corrected(root.record, add=[f"include:{provider.includes[0]}"], drop=theirs_here)
        return _flattened(facts, provider, better)
    if any(term.name in ELSEWHERE and "%" in (term.domain or "") for _, term in tree.walk()):
        return tell(
            facts.domain,
            "not-seen",
            UNKNOWN,
            f"All mail goes through {provider.name}, and the SPF record decides by macros: whether it lets "
            f"{provider.name} pass can be seen from a delivered mail only.",
            reference="RFC 7208 section 7",
        )
    against = [term.text for term in root.terms if target(term) in {named(each) for each in provider.includes}]
    better = corrected(root.record, add=[f"include:{provider.includes[0]}"], drop=against)
    return tell(
        facts.domain,
        "not-included",
        ERROR,
        f"All mail goes through {provider.name}, and the SPF record of {shown(facts.domain)} does not let it pass: "
        "receivers take the mail for forged.",
        fix=f"Add include:{provider.includes[0]} before `all`.",
        publish=line(facts.domain, better) if better else None,
        reference="RFC 7208 section 5.2",
    )


def _left_to_spf(facts: Facts, provider: Provider) -> Finding:
    return tell(
        facts.domain,
        "not-applicable",
        NOT_APPLICABLE,
        f"All mail goes through {provider.name}; whether SPF lets it pass can be said when there is an SPF record that "
        f"can be read. It needs include:{provider.includes[0]}.",
    )


def _flattened(facts: Facts, provider: Provider, better: str | None) -> Finding:
    return tell(
        facts.domain,
        "flattened",
        WARNING,
        f"The SPF record lists the addresses of {provider.name} instead of including its record: mail fails on the day "
        "it sends from another one.",
        fix=f"Replace the addresses by include:{provider.includes[0]}.",
        publish=line(facts.domain, better) if better else None,
        reference="RFC 7208 section 5.2",
    )


def _names(tree: Tree, provider: Provider) -> bool:
    """Whether a term that is evaluated, and lets pass, leads to the provider's record."""
    wanted = {named(each) for each in provider.includes}
    return any(term.qualifier in ("+", "") and target(term) in wanted for _, term in tree.walk() if target(term))


def _ok(facts: Facts, provider: Provider, said: str) -> Finding:
    dkim = f" DKIM: {provider.dkim}." if provider.dkim else ""
    return tell(facts.domain, "ok", OK, f"All mail goes through {provider.name}, {said}.{dkim}")


async def _replaced(asks: Asks, facts: Facts, provider: Provider, tree: Tree) -> list[Finding]:
    """The provider puts its own envelope, or one of a subdomain that it was given."""
    there = [] if provider.bounce is None else await bounces(asks, facts.domain, provider.bounce)
    found = [each for place in there if (each := await _needs(asks, provider, place, facts)) is not None]
    fitting = [place for place in there if _region(place, facts) in (None, True)]
    if there and not fitting:
        found.append(_other_region(facts, provider, there[0]))
    in_root = _names(tree, provider)
    here = any(place.name == facts.domain for place in there)
    if provider.envelope == SIGNS_AS_DOMAIN:
        return found or [_signed(facts, provider, there, in_root=in_root)]
    if in_root and not here and not provider.asks_for_include:
        found.append(_authorises_nothing(facts, provider, tree, there))
    return found or [_ok(facts, provider, _envelope(facts, fitting))]


def _envelope(facts: Facts, there: list[Found]) -> str:
    if there:
        return (
            f"with {shown(there[0].name)} in the envelope: SPF passes there, and is aligned with {shown(facts.domain)}"
        )
    return (
        f"which puts a domain of its own into the envelope, unless it was given a subdomain of {shown(facts.domain)}; "
        "none is to be seen at the usual names. Without one SPF passes, but is not aligned with the From domain, so "
        "that DMARC rests on DKIM alone"
    )


def _region(place: Found, facts: Facts) -> bool | None:
    """Whether the MX is of the region that the relay is in; None where there are no regions."""
    host = relay_host(facts.relay.text if facts.relay else "").split(".")
    mx = place.host.split(".")
    if mx[0] != "feedback-smtp" or host[0] not in ("email-smtp", "email-smtp-fips"):
        return None
    return mx[1] == host[1]


def _other_region(facts: Facts, provider: Provider, place: Found) -> Finding:
    host = relay_host(facts.relay.text if facts.relay else "")
    return tell(
        place.name,
        "bounce-region",
        WARNING,
        f"{shown(place.name)} is set up for {provider.name} in another region ({cut(place.host)}) than that of the "
        f"relay ({cut(host)}): mail gets an envelope of {provider.name} instead, and SPF is not aligned.",
        fix="Set up a MAIL FROM domain in the region of the relay: each region needs a subdomain of its own.",
        publish=f"{place.name.to_text()} IN MX 10 feedback-smtp.{host.split('.')[1]}.amazonses.com.",
        kind="MX",
    )


async def _needs(asks: Asks, provider: Provider, place: Found, facts: Facts) -> Finding | None:
    """What the subdomain of the envelope has not, and needs."""
    needed = provider.bounce.include if provider.bounce else ""
    if not needed or place.name == facts.domain:
        return None
    tree = await grow(asks, place.name)
    there = tree.of(tree.root)
    if there is None or _names(tree, provider):
        return None
    if there.answer.outcome == UNANSWERED:
        return tell(
            place.name,
            "unknown",
            UNKNOWN,
            f"Whether {shown(place.name)}, the domain of the envelope, lets {provider.name} pass could not be looked "
            f"up: {there.answer.trouble or 'no answer'}.",
        )
    better = corrected(there.record, add=[f"include:{needed}"]) if there.record else fresh([f"include:{needed}"])
    return tell(
        place.name,
        "bounce-no-spf",
        ERROR,
        f"{provider.name} puts {shown(place.name)} into the envelope, and there is no SPF record there that lets it "
        "pass: SPF does not pass, and DMARC rests on DKIM alone.",
        fix=f"Publish an SPF record with include:{needed} there.",
        publish=line(place.name, better) if better else None,
        reference="RFC 7208 section 2.4",
    )


def _authorises_nothing(facts: Facts, provider: Provider, tree: Tree, there: list[Found]) -> Finding:
    wanted = {named(each) for each in provider.includes}
    root = tree.of(tree.root)
    terms = [term for term in (root.terms if root else ()) if target(term) in wanted]
    better = corrected(root.record, drop=[each.text for each in terms]) if root and root.record and terms else None
    at = placed(terms[0]) if terms else f"The include of {provider.name}"
    where = shown(there[0].name) if there else f"a domain of {provider.name}"
    fix = (
        "Remove it; the subdomain of the envelope has its own record."
        if there
        else f"Remove it, and have {provider.name} use a subdomain of {shown(facts.domain)} in the envelope."
    )
    return tell(
        facts.domain,
        "include-authorises-nothing",
        WARNING,
        f"{at} in the SPF record authorises nothing: {provider.name} sends with {where} in the envelope, so nobody "
        f"asks {shown(facts.domain)} about it.{'' if there else ' DMARC rests on DKIM alone.'}",
        fix=fix,
        publish=line(facts.domain, better) if better else None,
        reference="RFC 7208 section 2.4",
    )


def _signed(facts: Facts, provider: Provider, there: list[Found], *, in_root: bool) -> Finding:
    if there or in_root:
        place = shown(there[0].name if there else facts.domain)
        return _ok(facts, provider, f"which sends for {place}: SPF passes there, and is aligned")
    return tell(
        facts.domain,
        "domain-not-seen",
        UNKNOWN,
        f"All mail goes through {provider.name}, and which domain was set up there is not to be seen: neither "
        f"{shown(facts.domain)} nor a usual subdomain has its include.",
        fix=f"The domain that is set up with {provider.name} needs include:{provider.includes[0]} in its SPF record.",
        reference="RFC 7208 section 2.4",
    )
