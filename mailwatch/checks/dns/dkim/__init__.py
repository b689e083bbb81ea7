"""DKIM (RFC 6376): whether the keys that mail is signed with are published, and any good."""
