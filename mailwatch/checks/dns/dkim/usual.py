"""Selectors that providers and programs choose: asking for them finds a key; finding none says nothing."""

from __future__ import annotations

from typing import Final

WORDS: Final = """
    default dkim mail key1 key2 k1 k2 k3 s1 s2 s3 m1 dkim1 dkim2 dkim3 selector1 selector2 google 20230601
    smtp smtpapi email server main mx rsa ed25519 s1024 s2048 2024 2025 2026
    mandrill mte1 mte2 pm fm1 fm2 fm3 zoho zmail zendesk1 zendesk2 protonmail protonmail2 protonmail3 sig1
    mailjet brevo1 brevo2 sendinblue ml cm hs1 hs2 ctct1 ctct2 resend mg pic scph0922 turbo-smtp mxvault
    everlytickey1 titan1 titan2 hostingermail-a hostingermail-b hostingermail-c s1-ionos s2-ionos
    strato-dkim-0002 litesrv
"""
USUAL: Final = tuple(WORDS.split())
