"""Postfix's grammar: who tried to deliver what to whom, how it ended, and everything else its programs log.

terms.py says how a line's form is written down; the other files have the forms, by what they are about; grammars.py
says which program uses which; parser.py reads.
"""

from __future__ import annotations

from mailwatch.parsers.postfix.parser import PostfixParser

__all__ = ["PostfixParser"]
