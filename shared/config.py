"""Settings, read once in a `__main__` from the environment (`PICTOR_...`) or `.env`. Frozen, nested."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

SHARED = Path(__file__).parent
ROOT = SHARED.parent


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DatabaseSettings(Part):
    url: SecretStr | None = None  # postgresql+asyncpg://user:password@host/name
    pool_size: int = Field(default=5, ge=1)
    statement_timeout_ms: int = Field(default=5_000, ge=100)
    lock_timeout_ms: int = Field(default=2_000, ge=100)


class RedisSettings(Part):
    url: SecretStr | None = None  # redis://:password@host:6379/0
    socket_timeout_s: float = Field(default=2.0, gt=0)


class StorageSettings(Part):
    kind: Literal["local", "s3"] = "local"
    folder: Path = Path("var/assets")
    public_url: str = "http://127.0.0.1:8701/assets"
    bucket: str = "pictor"
    endpoint_url: str | None = None
    region: str = "us-east-1"
    access_key: SecretStr | None = None
    secret_key: SecretStr | None = None


class DiscordSettings(Part):
    token: SecretStr | None = None
    api_base: str = "https://discord.com/api/v10"
    gateway_url: str = "wss://gateway.discord.gg/"
    edit_interval_s: float = Field(default=3.0, gt=0)
    # name of a Discord role -> plan, so that a server can sell plans with its own roles
    plan_roles: dict[str, str] = {"Paid": "paid", "Pro": "pro"}


class WorkerSettings(Part):
    name: str = "worker-1"
    device: str = "cpu"
    slots: int = Field(default=4, ge=1)
    rows: int = Field(default=32, ge=1)  # of one forward, at most: how many pay is measured
    vram_gb: float = Field(default=0, ge=0)  # GiB for checkpoints on the device; 0 = measured
    host_gb: float = Field(default=0, ge=0)  # GiB for copies on the host; 0 = measured
    threads: int = Field(default=0, ge=0)  # torch threads; 0 = every core
    snapshots: Path = Path("var/snapshots")
    loras: Path = Path("var/loras")  # files of LoRAs that people brought, as jobs ask for them
    detectors: Path | None = None  # image detectors beside the built-in one (docs/catalog.md)
    hashes: Path | None = None  # list of pictures that must never be used or shown
    snapshot_every: int = Field(default=10, ge=1)
    preview_every: int = Field(default=4, ge=0)
    lease_s: float = Field(default=15.0, gt=0)
    heartbeat_s: float = Field(default=5.0, gt=0)
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=0, ge=0, le=65_535)  # 0 = no metrics


class FarmSettings(Part):
    max_crashes: int = Field(default=5, ge=1)
    rescue_every_s: float = Field(default=0.5, gt=0)
    scan_every_s: float = Field(default=1.0, gt=0)
    worker_silent_s: float = Field(default=15.0, gt=0)
    standby_every_s: float = Field(default=1.0, gt=0)
    outage_grace_s: float = Field(default=10.0, ge=0)
    longest_wait_s: float = Field(default=172_800.0, gt=0)
    longest_stranded_s: float = Field(default=3_600.0, gt=0)
    reconcile_every_s: float = Field(default=3_600.0, gt=0)
    purge_every_s: float = Field(default=3600.0, gt=0)
    purge_grace_s: float = Field(default=900.0, ge=0)
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=0, ge=0, le=65_535)  # 0 = no metrics


class SafetySettings(Part):
    """Weights of strikes add up; at each threshold something follows (shared.moderation.strikes)."""

    # A worker that cannot check this many pictures in a row, or so many of its last jobs, pauses the farm
    # until its filter has passed its tests for `filter_heal_s` seconds.
    filter_failures_in_a_row: int = Field(default=5, ge=1)
    filter_failures: int = Field(default=10, ge=1)
    filter_failures_of: int = Field(default=20, ge=1)
    filter_heal_s: float = Field(default=60.0, gt=0)
    strike_days: float = Field(default=90, gt=0)
    warn_at: int = Field(default=3, ge=1)
    suspend_day_at: int = Field(default=6, ge=1)
    suspend_week_at: int = Field(default=10, ge=1)
    propose_ban_at: int = Field(default=15, ge=1)
    prompt_retention_days: float = Field(default=30, ge=0)
    # The operator's own server: its admins may pause everything, its channel hears what has no server.
    home_guild: str | None = None
    pepper: SecretStr | None = None  # of what is kept of banned people who had themselves deleted
    sample_share: float = Field(default=0.05, ge=0, le=1)  # of grey-zone jobs, looked at by people


class ApiSettings(Part):
    host: str = "127.0.0.1"
    port: int = 8701
    public_url: str = "http://127.0.0.1:8701"  # how people reach it: links in answers begin so
    # Of API keys and webhook secrets: 32 random bytes or more. Without it no key is given, and none is good.
    pepper: SecretStr | None = Field(default=None, min_length=32)
    key_days: int = Field(default=90, ge=1, le=3_650)  # a new key is good so long, unless told
    huggingface_url: str | None = None  # https://huggingface.co: people may sign in with its tokens
    requests_per_minute: int = Field(default=120, ge=1)  # of one key
    account_requests_per_minute: int = Field(default=240, ge=1)  # of all keys of one account
    address_requests_per_minute: int = Field(default=60, ge=1)  # of one address without a key
    max_body_bytes: int = Field(default=2**20, ge=2**10)
    max_upload_bytes: int = Field(default=25 * 2**20, ge=2**20)
    max_lora_bytes: int = Field(default=384 * 2**20, ge=2**20)  # from who may bring one; in memory
    cors_origins: tuple[str, ...] = ()  # pages of other origins that may ask with a key
    hook_origins: tuple[str, ...] = ()  # webhooks' origins that may be private or plain http
    hook_hours: float = Field(default=24.0, gt=0)  # how long a webhook is tried
    page: bool = True  # the web client at /


class ProvenanceSettings(Part):
    enabled: bool = (
        True  # off: no mark, no manifest, and nobody can prove where a picture came from
    )
    keys: Path = Path("var/keys")  # of `pictor keys init`
    # Reads bytes from stdin and prints their signature, for a key that lives in a safe; no shell.
    sign_command: str | None = None
    claim_generator: str = Field(default="Pictor", min_length=1, max_length=80)
    tell_prompt: bool = False  # whether the manifest of a picture says what was typed
    # Origins that /verify may fetch a link from although they are private or plain http.
    link_origins: tuple[str, ...] = ()


class TextSettings(Part):
    """Of the text service behind /describe, /shorten and --enhance: any endpoint that speaks OpenAI's chat
    completions (vLLM, llama.cpp, `pictor text`). Without a URL there is none, and people are told so."""

    url: str | None = None  # http://127.0.0.1:8000/v1
    api_key: SecretStr | None = None
    model: str = "default"
    sees: bool = True  # whether it takes pictures; /describe needs that
    timeout_s: float = Field(default=30.0, gt=0)
    folder: Path | None = None  # of a local model, which `pictor text` serves


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="PICTOR_",
        env_nested_delimiter="__",
        env_file=".env",
        frozen=True,
        extra="ignore",
    )

    database: DatabaseSettings = DatabaseSettings()
    redis: RedisSettings = RedisSettings()
    storage: StorageSettings = StorageSettings()
    discord: DiscordSettings = DiscordSettings()
    worker: WorkerSettings = WorkerSettings()
    farm: FarmSettings = FarmSettings()
    api: ApiSettings = ApiSettings()
    safety: SafetySettings = SafetySettings()
    provenance: ProvenanceSettings = ProvenanceSettings()
    text: TextSettings = TextSettings()
    plans_file: Path = SHARED / "plans.toml"
    catalog_file: Path = SHARED / "catalog.toml"
    blocklist_file: Path = SHARED / "safety" / "blocklist.toml"
    policy_file: Path = SHARED / "safety" / "policy.toml"
    public_figures_file: Path | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
