"""Does the agent count every line exactly once? Rotates its log, kills it, fills its disk, and compares with what was written."""
