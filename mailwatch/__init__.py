"""mailwatch: know that mail is failing, say why, and tell a person by another way."""

__version__ = "0.1.0"
