"""DNSSEC of the domain's zone: the chain from the parent, the keys, the signatures (RFC 4033 to 4035)."""
