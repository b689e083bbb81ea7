"""What this host says of itself, each fact with where it stands: how mail leaves, who sends, who signs.

Never blocks longer than its deadlines, needs no root, and raises nothing: a file that may not be read, or that is
not what it should be, is a fact less. Files are read to a limit, whoever wrote them.
"""

from __future__ import annotations
