"""MTA-STS: a domain says that mail to it is to be delivered by TLS, and to which hosts (RFC 8461)."""
