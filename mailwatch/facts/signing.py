"""With which DKIM selectors this host signs, and by which keys: as OpenDKIM, rspamd and amavis are configured.

A key that may be read is read for its public half only, by openssl(1), which is handed the open file; the private
half never comes into this process. One that may not be read leaves a selector without key.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from mailwatch.checks.dns.facts import Selector
from mailwatch.facts import amavis, opendkim, rspamd
from mailwatch.facts.plain import opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailwatch.facts.signer import Signer

READERS: Final = (opendkim.signers, rspamd.signers, amavis.signers)
MOST: Final = 32
"""So many selectors are told of."""
KEYS: Final = 8
"""So many keys are read: each takes a process."""
DEADLINE: Final = 5.0
LARGEST_FILE: Final = 64 << 10
"""Bytes of a file with a private key: openssl looks for one for seconds in what is none."""
LONGEST_NAME: Final = 253
LARGEST: Final = 16_384
"""Bytes of a public key; RSA with 16384 bits takes 2 KiB."""


class Key(NamedTuple):
    """The public half of a key, as DER, or why it is not known."""

    public: bytes | None = None
    trouble: str | None = None


def selectors(domain: str, root: Path = Path("/")) -> list[Selector]:
    """The selectors for ``domain``, for those below and above it; ``root`` is where /etc lies."""
    signers = {(each.domain, each.selector): each for reader in READERS for each in reader(domain, root)}
    near = [each for each in signers.values() if is_near(each.domain, domain) and is_name(each)][:MOST]
    return list(_with_keys(near))


def is_name(signer: Signer) -> bool:
    """Whether a key can be published at such a name at all, by its length."""
    return len(signer.selector) + len(signer.domain) <= LONGEST_NAME


def is_near(one: str, other: str) -> bool:
    """Whether two domains are the same, or one lies below the other."""
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


def _with_keys(signers: list[Signer]) -> Iterator[Selector]:
    for number, each in enumerate(signers):
        key = Key() if each.key is None or number >= KEYS else public_half(each.key)
        origin = each.origin if key.trouble is None else f"{each.origin}; its key: {key.trouble}"
        yield Selector(selector=each.selector, domain=each.domain, origin=origin, public_key=key.public)


def public_half(path: Path) -> Key:
    """The public half of the private key in a file."""
    program = shutil.which("openssl")
    if program is None:
        return Key(trouble="openssl is missing")
    try:
        with opened(path) as file:
            if os.fstat(file.fileno()).st_size > LARGEST_FILE:
                return Key(trouble=f"{path} is too large for a private key")
            done = subprocess.run(  # noqa: S603 - fixed words, no shell
                # without -passin it would ask whoever sits at the terminal for the passphrase
                [program, "pkey", "-passin", "pass:", "-pubout", "-outform", "DER"],
                stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=DEADLINE, check=False,
                start_new_session=True,
            )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Key(trouble=f"openssl did not answer within {DEADLINE:.0f} s")
    except (OSError, ValueError) as error:
        return Key(trouble=f"cannot read {path}: {getattr(error, 'strerror', None) or error}")
    if done.returncode or not 0 < len(done.stdout) <= LARGEST:
        return Key(trouble=f"{path} holds no private key that openssl can read")
    return Key(public=done.stdout)
