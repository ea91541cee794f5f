"""What a farm under proof is told: the product's own settings, with leases and pictures scaled down."""

import os
import re
from pathlib import Path

from shared.config import Settings


def without_caps(plans: str) -> str:
    """The shipped plans, but one account may run and wait as much as a test likes."""
    for cap in ("max_running", "max_waiting"):
        plans = re.sub(rf"^{cap} = \d+", f"{cap} = 100000", plans, flags=re.MULTILINE)
    return plans


def as_drawn(catalog: str) -> str:
    """The shipped catalog, but pictures are delivered as small as they are drawn: encoding takes longest."""
    return re.sub(r"^scale = \d+", "scale = 1", catalog, flags=re.MULTILINE)


def told(settings: Settings, folder: Path, lease_s: float) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PICTOR_")}
    assert settings.database.url is not None
    assert settings.redis.url is not None
    return kept | {
        "PICTOR_DATABASE__URL": settings.database.url.get_secret_value(),
        "PICTOR_REDIS__URL": settings.redis.url.get_secret_value(),
        "PICTOR_STORAGE__FOLDER": str(settings.storage.folder),
        "PICTOR_PLANS_FILE": str(folder / "plans.toml"),
        "PICTOR_CATALOG_FILE": str(folder / "catalog.toml"),
        "PICTOR_WORKER__SNAPSHOTS": str(settings.worker.snapshots),
        "PICTOR_WORKER__SNAPSHOT_EVERY": "4",
        "PICTOR_WORKER__PREVIEW_EVERY": "0",
        "PICTOR_PROVENANCE__ENABLED": "false",
        "PICTOR_WORKER__LEASE_S": str(lease_s),
        "PICTOR_WORKER__HEARTBEAT_S": str(lease_s / 5),
        "PICTOR_FARM__WORKER_SILENT_S": str(lease_s),
        "PICTOR_FARM__PURGE_EVERY_S": "1",
        "PICTOR_FARM__PURGE_GRACE_S": "0",
        "PICTOR_LOG_LEVEL": "WARNING",
    }
