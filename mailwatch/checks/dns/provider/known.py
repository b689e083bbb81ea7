"""The providers that are known, from their own instructions; as of 2026.

Where a region has an include of its own all of them are named, and which one the relay of a region asks for: any one
authorises that region's hosts only. The tree of SPF tells the rest.
"""

from __future__ import annotations

from typing import Final

from mailwatch.checks.dns.provider.provider import (
    REPLACES,
    SIGNS_AS_DOMAIN,
    Bounce,
    Provider,
    in_region,
    is_relay_of,
    relay_host,
)

USUAL: Final = ("bounce", "bounces", "mail", "email", "send", "ses", "mailer", "mta", "notify", "em", "mg")
"""Names that people give to the subdomain of the envelope."""

PROVIDERS: Final = (
    Provider(
        name="Amazon SES",
        relays=("email-smtp.*.amazonaws.com", "email-smtp-fips.*.amazonaws.com", "**.mail-manager-smtp.amazonaws.com"),
        includes=("amazonses.com",),
        envelope=REPLACES,
        bounce=Bounce(labels=USUAL, mx=("feedback-smtp.*.amazonses.com",), include="amazonses.com"),
        dkim="three CNAME records of Easy DKIM, with names and targets that SES gives",
    ),
    Provider(
        name="SendGrid",
        relays=("smtp.sendgrid.net", "smtp.eu.sendgrid.net"),
        includes=("sendgrid.net",),
        envelope=REPLACES,
        asks_for_include=True,  # with Automated Security switched off
        bounce=Bounce(labels=("em", "mail", "email", "bounce", "bounces"), cname=("**.sendgrid.net",)),
        selectors=("s1", "s2"),
        dkim="CNAME records s1._domainkey and s2._domainkey to sendgrid.net",
    ),
    Provider(
        name="Mailgun",
        relays=("smtp.mailgun.org", "smtp.eu.mailgun.org"),
        includes=("mailgun.org", "eu.mailgun.org"),
        envelope=SIGNS_AS_DOMAIN,
        bounce=Bounce(
            labels=("mg", "mail", "email", "mailgun", "m", "send", "notify"),
            mx=("mxa.mailgun.org", "mxb.mailgun.org", "mxa.eu.mailgun.org", "mxb.eu.mailgun.org"),
            include="mailgun.org",
        ),
        selectors=("pic", "mx", "smtp", "mailo", "krs", "k1", "pdk1", "pdk2"),
        dkim="a TXT record, or CNAME records pdk1 and pdk2, with names that Mailgun shows",
    ),
    Provider(
        name="Postmark",
        relays=("smtp.postmarkapp.com", "smtp-broadcasts.postmarkapp.com"),
        includes=("spf.mtasv.net",),
        envelope=REPLACES,
        bounce=Bounce(labels=("pm-bounces", "pm_bounces", "bounces", "bounce"), cname=("pm.mtasv.net",)),
        dkim="a TXT record whose selector begins with a date and ends with pm",
    ),
    Provider(
        name="Resend",
        relays=("smtp.resend.com",),
        includes=("amazonses.com",),
        envelope=REPLACES,
        bounce=Bounce(
            labels=("send", "outbound", "bounce", "bounces"),
            mx=("feedback-smtp.*.amazonses.com",),
            include="amazonses.com",
        ),
        selectors=("resend",),
        dkim="a TXT record resend._domainkey",
    ),
    Provider(
        name="Mailjet",
        relays=("in-v3.mailjet.com", "in.mailjet.com"),
        includes=("spf.mailjet.com",),
        envelope=REPLACES,
        asks_for_include=True,
        bounce=Bounce(labels=("bnc3", "bnc", "bounce", "bounces"), cname=("bnc3.mailjet.com",)),
        selectors=("mailjet",),
        dkim="a TXT record mailjet._domainkey",
    ),
    Provider(
        name="Brevo",
        relays=("smtp-relay.brevo.com", "smtp-relay.sendinblue.com"),
        includes=("spf.brevo.com", "spf.sendinblue.com"),
        envelope=REPLACES,
        asks_for_include=True,  # with an address of one's own
        selectors=("mail", "brevo1", "brevo2", "sendinblue"),
        dkim="CNAME records brevo1._domainkey and brevo2._domainkey, or a TXT record mail._domainkey",
    ),
    Provider(
        name="SparkPost",
        relays=("smtp.sparkpostmail.com", "smtp.eu.sparkpostmail.com"),
        includes=("sparkpostmail.com", "_spf.sparkpostmail.com", "_spf.eu.sparkpostmail.com"),
        envelope=REPLACES,
        asks_for_include=True,
        bounce=Bounce(
            labels=("bounce", "bounces", "sp", "sparkpost", "mail", "email"),
            cname=("sparkpostmail.com", "eu.sparkpostmail.com"),
        ),
        dkim="a TXT record whose selector begins with scph and a month",
    ),
    Provider(
        name="Mailchimp Transactional (Mandrill)",
        relays=("smtp.mandrillapp.com", "smtp.us-east-1.mandrillapp.com"),
        includes=("spf.mandrillapp.com",),
        envelope=REPLACES,
        bounce=Bounce(labels=("bounce", "bounces", "mandrill", "mail", "return"), cname=("mandrillapp.com",)),
        selectors=("mte1", "mte2", "mandrill"),
        dkim="CNAME records mte1._domainkey and mte2._domainkey to dkim1 and dkim2.mandrillapp.com",
    ),
    Provider(
        name="SMTP2GO",
        relays=("mail.smtp2go.com", "mail-eu.smtp2go.com", "mail-us.smtp2go.com", "mail-au.smtp2go.com"),
        includes=("spf.smtp2go.com",),
        envelope=REPLACES,
        asks_for_include=True,
        bounce=Bounce(labels=("em", "bounce", "bounces", "mail"), cname=("return.smtp2go.net",)),
        dkim="a CNAME record to dkim.smtp2go.net, with a name that SMTP2GO shows",
    ),
    Provider(
        name="Zoho ZeptoMail",
        relays=("smtp.zeptomail.com", "smtp.zeptomail.eu", "smtp.zeptomail.in"),
        envelope=REPLACES,
        bounce=Bounce(
            labels=("bounce", "bounce-zem", "bounces"), cname=("**.zeptomail.com", "**.zeptomail.eu", "**.zeptomail.in")
        ),
        dkim="a TXT record with a name that ZeptoMail shows",
    ),
    Provider(
        name="Google Workspace",
        relays=("smtp-relay.gmail.com", "smtp.gmail.com", "smtp.google.com", "**.l.google.com"),
        includes=("_spf.google.com",),
        selectors=("google",),
        dkim="a TXT record google._domainkey, switched on in the admin console",
    ),
    Provider(
        name="Microsoft 365",
        relays=("smtp.office365.com", "**.mail.protection.outlook.com", "**.mx.microsoft"),
        includes=("spf.protection.outlook.com",),
        selectors=("selector1", "selector2"),
        dkim="CNAME records selector1._domainkey and selector2._domainkey, switched on in Defender",
    ),
    Provider(
        name="Zoho Mail",
        relays=("smtp.zoho.*", "smtppro.zoho.*", "smtp.zoho.com.*", "smtppro.zoho.com.*"),
        includes=(
            "zohomail.com",
            "zoho.com",
            "one.zoho.com",
            "zohomail.eu",
            "zoho.eu",
            "zohomail.in",
            "zoho.in",
            "zohomail.com.au",
            "zoho.com.au",
            "zohomail.jp",
            "zoho.jp",
        ),
        regions=(
            ("smtp*.zoho.eu", "zohomail.eu"),
            ("smtp*.zoho.in", "zohomail.in"),
            ("smtp*.zoho.com.au", "zoho.com.au"),
            ("smtp*.zoho.jp", "zoho.jp"),
        ),
        selectors=("zmail", "zoho"),
        dkim="a TXT record with a selector that you choose",
    ),
    Provider(
        name="Fastmail",
        relays=("smtp.fastmail.com", "smtp.messagingengine.com"),
        includes=("spf.messagingengine.com",),
        selectors=("fm1", "fm2", "fm3"),
        dkim="CNAME records fm1, fm2 and fm3._domainkey to dkim.fmhosted.com",
    ),
    Provider(
        name="OVHcloud",
        relays=("ssl0.ovh.net", "smtp.mail.ovh.net", "pro*.mail.ovh.net", "ex*.mail.ovh.net"),
        includes=("mx.ovh.com",),
        dkim="CNAME records that OVHcloud shows",
    ),
    Provider(
        name="Gandi",
        relays=("mail.gandi.net",),
        includes=("_mailcust.gandi.net",),
        selectors=("gm1", "gm2", "gm3"),
        dkim="CNAME records gm1, gm2 and gm3._domainkey to gandimail.net",
    ),
    Provider(
        name="IONOS",
        relays=("smtp.ionos.*", "smtp.ionos.co.uk", "smtp.1und1.de", "smtp.1and1.com", "smtp.1and1.co.uk"),
        includes=("_spf-eu.ionos.com", "_spf-us.ionos.com", "_spf.kundenserver.de", "_spf.perfora.net"),
        regions=(
            ("smtp.ionos.com", "_spf-us.ionos.com"),
            ("smtp.ionos.ca", "_spf-us.ionos.com"),
            ("smtp.ionos.mx", "_spf-us.ionos.com"),
            ("smtp.1and1.com", "_spf-us.ionos.com"),
        ),
        selectors=("s1-ionos", "s2-ionos", "s42582890"),
        dkim="CNAME records s1-ionos, s2-ionos and s42582890._domainkey to dkim.ionos.com",
    ),
    Provider(
        name="Infomaniak",
        relays=("mail.infomaniak.com",),
        includes=("spf.infomaniak.ch",),
        dkim="a TXT record that Infomaniak shows",
    ),
    Provider(
        name="mailbox.org",
        relays=("smtp.mailbox.org",),
        includes=("mailbox.org",),
        dkim="CNAME records that mailbox.org shows",
    ),
    Provider(
        name="Migadu",
        relays=("smtp.migadu.com",),
        includes=("spf.migadu.com",),
        selectors=("key1", "key2", "key3"),
        dkim="CNAME records key1, key2 and key3._domainkey to migadu.com",
    ),
)

OLD: Final = {
    "spf.sendinblue.com": ("Brevo", "spf.brevo.com"),
    "_spf.kundenserver.de": ("IONOS", "_spf-eu.ionos.com"),
    "_spf.perfora.net": ("IONOS", "_spf-us.ionos.com"),
    "servers.mcsv.net": ("Mailchimp", None),
    "aspmx.googlemail.com": ("Google Workspace", "_spf.google.com"),
    "support.zendesk.com": ("Zendesk", "mail.zendesk.com"),
    "smtp.zendesk.com": ("Zendesk", "mail.zendesk.com"),
    "spf.messaging.microsoft.com": ("Microsoft 365", "spf.protection.outlook.com"),
}
"""Includes that providers once asked for: whose they are, and what is asked for now; None: nothing, mail from there
bears an envelope of the provider."""


def behind(relay: str) -> Provider | None:
    """The provider that relays at a host as Postfix writes it, as it is in that host's region; None: nobody known."""
    host = relay_host(relay)
    found = next((each for each in PROVIDERS if is_relay_of(host, each)), None)
    return None if found is None else in_region(found, host)
