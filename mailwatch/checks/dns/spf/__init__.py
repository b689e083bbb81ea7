"""SPF (RFC 7208): what a record says, whether all of it is right, and what it answers for this host."""
