"""DMARC (RFC 9989): which record is in force for a domain, what it says, and whether mail from here passes by it."""
