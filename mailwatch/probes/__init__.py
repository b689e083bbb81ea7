"""Looks at this host again and again, beside the work loop."""

from mailwatch.probes.host import host_jobs
from mailwatch.probes.job import Job
from mailwatch.probes.probes import Probes, Unready

__all__ = ["Job", "Probes", "Unready", "host_jobs"]
