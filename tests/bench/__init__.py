"""Benchmarks: how fast and how light the agent is, as ratios in one run. ``python -m tests.bench`` runs all."""
