"""The page, in a thread and an event loop of its own; it only reads.

pages.py has what it shows; access.py, config.py, tls.py and passwords.py who is let in and how; server.py and
guard.py bound what any client can take.
"""
