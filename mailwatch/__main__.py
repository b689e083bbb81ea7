"""``python -m mailwatch``."""

from mailwatch.commands import main

main()
