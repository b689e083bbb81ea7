"""Samples the queue: what waits, where, since when and why."""

from mailwatch.queue_sample.sampler import Sampler

__all__ = ["Sampler"]
