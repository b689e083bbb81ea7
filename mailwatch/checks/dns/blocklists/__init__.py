"""Blocklists by DNS (RFC 5782): which there are, what their answers mean, and whether host and domain are on them."""
