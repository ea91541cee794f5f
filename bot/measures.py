"""How long and how dear, as people read it. Pure."""

from datetime import timedelta

from shared.jobs import Job
from shared.plans import Speed


def duration(span: timedelta) -> str:
    seconds = max(span.total_seconds(), 0.0)
    if seconds < 60:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    minutes = round(seconds) // 60
    if minutes < 60:
        return f"{minutes} min {round(seconds) % 60} s"
    return f"{minutes // 60} h {minutes % 60} min"


def price(job: Job) -> str:
    if job.speed is Speed.RELAX:
        return "no charge (relax)"
    return gpu_time(job.charged_ms) if job.charged_ms else "no charge"


def gpu_time(milliseconds: int) -> str:
    """GPU time as people read it: seconds, from ten minutes on minutes, from ten hours on hours."""
    seconds = milliseconds / 1000
    if seconds < 600:
        return f"{seconds:.1f} GPU-seconds"
    if seconds < 36_000:
        return f"{seconds / 60:.1f} GPU-minutes"
    return f"{seconds / 3600:.1f} GPU-hours"
