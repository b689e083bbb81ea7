"""What findings refer to is there: each RFC that is named, with the sections that are, by their titles."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

CHECKS: Final = Path(__file__).parent.parent / "mailwatch" / "checks" / "dns"
SECTIONS: Final = {
    1034: {"4.1": "Introduction (name servers)", "3.6.2": "Aliases and canonical names", "4.2.1": "Technical considerations", "4.3.5": "Zone maintenance and transfers"},
    1035: {"2.3.4": "Size limits", "3.3": "Standard RRs", "3.5": "IN-ADDR.ARPA domain", "5.1": "Format", "7.4": "Using the cache"},
    1912: {"2.1": "Inconsistent, Missing, or Bad Data", "2.8": "Authority and Delegation Errors (NS records)"},
    2181: {"10.3": "MX and NS records"},
    2182: {"5": "How many secondaries?"},
    3596: {"2.5": "IP6.ARPA Domain"},
    4034: {"2": "The DNSKEY Resource Record", "2.1.1": "The Flags Field", "5": "The DS Resource Record"},
    4035: {
        "4.3": "Determining Security Status of Data", "4.9.3": "Handling of the AD Bit", "5.2": "Authenticating Referrals",
        "5.3.1": "Checking the RRSIG RR Validity", "5.5": "Resolver Behavior When Signatures Do Not Validate",
    },
    4291: {"2.4": "Address Type Identification"},
    4592: {
        "2.1.1": "Wildcard Domain Name and Asterisk Label", "2.2.1": "An Example", "2.2.2": "Empty Non-terminals",
    },
    5321: {
        "2.3.5": "Domain Names", "4.1.1.1": "Extended HELLO (EHLO) or HELLO (HELO)", "4.1.3": "Address Literals",
        "4.1.4": "Order of Commands", "5.1": "Locating the Target Host",
    },
    5782: {
        "2.1": "IP Address DNSxL", "2.4": "IPv6 DNSxLs", "3": "Domain Name DNSxLs", "5": "Test and Contact Addresses",
    },
    6376: {
        "3.1": "Selectors", "3.2": "Tag=Value Lists", "3.6": "Key Management and Representation",
        "3.6.1": "Textual Representation", "3.6.2": "DNS Binding", "3.6.2.2": "Resource Record Types for Key Storage",
        "E": "Changes since RFC 4871",
    },
    6781: {"4.4.2": "Signature Validity Periods"},
    6890: {},
    7208: {
        "2.4": 'The "MAIL FROM" Identity', "2.6.6": "Temperror", "3": "SPF Records", "3.1": "DNS Resource Records",
        "3.3": "Multiple Strings in a Single DNS Record", "3.4": "Record Size", "4": "The check_host() Function",
        "4.1": "Arguments", "4.3": "Initial Processing", "4.4": "Record Lookup", "4.5": "Selecting Records", "4.6": "Record Evaluation",
        "4.6.2": "Mechanisms", "4.6.4": "DNS Lookup Limits", "4.7": "Default Result", "5": "Mechanism Definitions",
        "5.1": "all", "5.2": "include", "5.5": "ptr (do not use)", "5.6": "ip4 and ip6", "6": "Modifier Definitions",
        "6.1": "redirect: Redirected Query", "7": "Macros", "7.1": "Formal Specification", "8.1": "None",
        "8.2": "Neutral", "8.3": "Pass", "8.4": "Fail", "8.5": "Softfail", "8.6": "Temperror", "8.7": "Permerror", "12": "Collected ABNF",
    },
    7489: {},
    7505: {"3": "MX Resource Records Specifying Null MX", "4.2": "Sending Mail from Domains That Publish Null MX"},
    7671: {"7": "TLSA Base Domain and CNAMEs"},
    7672: {
        "2.1.2": "DNS Error Handling", "2.1.3": "Stub Resolver Considerations", "2.2": "TLS Discovery",
        "2.2.1": "MX Resolution", "2.2.3": "TLSA Record Lookup", "3.1": "TLSA Certificate Usages",
    },
    8017: {"A.1.1": "RSA Public Key Syntax"},
    8020: {"2": "Rules"},
    8301: {"3.1": "Signing and Verification Algorithms", "3.2": "Key Sizes"},
    8460: {"3": "Reporting Policy"},
    8461: {
        "3.1": "MTA-STS TXT Records", "3.2": "MTA-STS Policies", "3.3": "HTTPS Policy Fetching",
        "4.1": "MX Host Validation", "5": "Policy Application",
    },
    8463: {"6": "Transition Considerations"},
    8616: {"4": "Internationalized Domain Names and SPF"},
    8659: {
        "3": "Relevant Resource Record Set", "4": "Mechanism", "4.1": "Syntax", "4.2": "CAA issue Property",
        "4.4": "CAA iodef Property", "4.5": "Critical Flag",
    },
    9276: {"3.1": "Best Practice for Zone Publishers"},
    9905: {"2": "Deprecating SHA-1 Algorithms in DNSSEC"},
    9906: {"2": "Deprecating ECC-GOST Algorithms in DNSSEC"},
    9989: {
        "4.4": "Identifier Alignment Explained", "4.5": "DMARC Policy Record Explained", "4.6": "DMARC Reporting URIs",
        "4.7": "DMARC Policy Record Format", "4.8": "Formal Definition", "4.10": "DNS Tree Walk",
        "4.10.1": "DMARC Policy Discovery", "4.10.2": "Identifier Alignment Evaluation",
        "5.1.3": "Set Up a Mailbox to Receive Aggregate Reports", "5.1.4": "Publish a DMARC Policy Record",
        "C.4": "Reporting", "C.5.2": "Tags Removed",
    },
    9990: {"4": "Verifying External Destinations"},
    9991: {"5": "Verifying External Destinations"},
}  # fmt: skip
"""By the number of the RFC. Sections of RFC 9989, as all others, are those of the RFC itself."""
NAMED: Final = re.compile(r"RFC (\d+),? (?:sections?|appendix) ([0-9A-Z.]+)((?: (?:and|to) [0-9]+(?:\.[0-9]+)*)*)")
OF_SPF: Final = re.compile(r'reference="([0-9.]+)"')


def references() -> list[tuple[int, str]]:
    found: set[tuple[int, str]] = set()
    for path in CHECKS.rglob("*.py"):
        text = path.read_text()
        for number, section, more in NAMED.findall(text):
            found |= {(int(number), each.rstrip(".")) for each in (section, *re.findall(r"[0-9.]+", more))}
        if path.parent.name == "spf":
            found |= {(7208, section) for section in OF_SPF.findall(text)}
    return sorted(found)


@pytest.mark.parametrize(("number", "section"), references())
def test_a_section_that_is_referred_to_is_there(number: int, section: str) -> None:
    assert section in SECTIONS.get(number, {}), f"RFC {number} section {section}: look it up, and add it with its title"
