"""Providers that mail is relayed through: what each needs in DNS, and what it needs not."""
