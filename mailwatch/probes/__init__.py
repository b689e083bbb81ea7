"""Looks at this host, and at the domains it sends for, again and again, beside the work loop."""

from mailwatch.probes.domains import domain_jobs
from mailwatch.probes.examiner import PROGRAM, examined
from mailwatch.probes.host import host_jobs
from mailwatch.probes.job import Job
from mailwatch.probes.probes import Probes, Unready

__all__ = ["PROGRAM", "Job", "Probes", "Unready", "domain_jobs", "examined", "host_jobs"]
