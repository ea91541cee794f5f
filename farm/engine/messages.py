"""What crosses the pipe between a worker's parent and its GPU child. Frozen, named, one codec (msgpack)."""

import msgspec


class Picture(msgspec.Struct, frozen=True):
    """Native pixels, 8-bit RGB, row by row: `len(rgb) == width * height * 3`. `sha256` is of `rgb`."""

    index: int
    width: int
    height: int
    rgb: bytes
    sha256: str
    seed: int


class Finding(msgspec.Struct, frozen=True):
    """The image filter's answer for one picture, bound to its pixels."""

    sha256: str
    decision: str  # allow | review | block
    category: str
    score: float
    rule: str
    policy: str


# --- parent -> child -------------------------------------------------------------------------


class Input(msgspec.Struct, frozen=True):
    """A picture that a spec names: 8-bit RGB, row by row. `sha256` is of the stored file, as there."""

    sha256: str
    width: int
    height: int
    rgb: bytes


class Garment(msgspec.Struct, frozen=True):
    """A LoRA that somebody brought: the file at `path` is the one of this `sha256`."""

    name: str
    family: str
    path: str
    sha256: str


class Render(msgspec.Struct, frozen=True, tag=True):
    """`spec` is RenderSpec.as_dict(); `rank` orders rows under pressure (turbo 0, fast 1, relax 2).

    `strict` for a prompt from the grey zone: whatever is doubtful in its pictures is blocked.
    """

    job_id: str
    attempt: int
    spec: dict[str, object]
    rank: int = 1
    snapshot_every: int = 10
    preview_every: int = 0
    inputs: list[Input] = []
    strict: bool = False
    garments: list[Garment] = []


class Inspect(msgspec.Struct, frozen=True, tag=True):
    """Ask the image filter about pictures the engine did not draw in this job (upscale of a tile).

    The filter is the one of `checkpoint`, which drew them; "" for the default one.
    """

    job_id: str
    pictures: list[Picture]
    checkpoint: str = ""
    rank: int = 1
    strict: bool = False


class Drop(msgspec.Struct, frozen=True, tag=True):
    """Cancelled, lost or delivered: stop at the next step, and delete its snapshots when `forget`."""

    job_id: str
    forget: bool = True


class Expect(msgspec.Struct, frozen=True, tag=True):
    """Checkpoints that the queue will need next, in order: read them ahead."""

    checkpoints: list[str]


class Stock(msgspec.Struct, frozen=True, tag=True):
    """Have this `checkpoint` or `lora` at hand, or, not `there`, let it go. Answered by a Stocked."""

    id: str
    kind: str
    name: str
    there: bool
    garment: Garment | None = None


class Drain(msgspec.Struct, frozen=True, tag=True):
    """Deploy: snapshot every trajectory now, answer GivenBack for each job, then exit."""


# --- child -> parent -------------------------------------------------------------------------


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The child is up: device, and the checkpoints that are warm.

    `vram_bytes` is what checkpoints may take on the device, `free_bytes` what of it a newcomer could
    have now; 0 where that is not known.
    """

    device: str
    device_name: str
    checkpoints: list[str]
    vram_bytes: int = 0
    free_bytes: int = 0


class Loading(msgspec.Struct, frozen=True, tag=True):
    job_id: str
    checkpoint: str


class Stepped(msgspec.Struct, frozen=True, tag=True):
    """Slowest trajectory of the job is at `step` of `steps`; `resumed_from` > 0 after a snapshot."""

    job_id: str
    step: int
    steps: int
    steps_per_s: float
    resumed_from: int = 0


class Paused(msgspec.Struct, frozen=True, tag=True):
    """The whole job waits for rows, at `step` of `steps`: a faster job has them, or one that came
    before it. It loses nothing; the next Stepped says that it goes on."""

    job_id: str
    step: int
    steps: int
    faster: bool = True


class Preview(msgspec.Struct, frozen=True, tag=True):
    """Rough pictures of the running job with the filter's findings: publish none that is not allowed."""

    job_id: str
    step: int
    pictures: list[Picture]
    findings: list[Finding]


class Rendered(msgspec.Struct, frozen=True, tag=True):
    """Times in milliseconds; `gpu_ms` is the job's measured share of every step its rows ran in."""

    job_id: str
    attempt: int
    pictures: list[Picture]
    findings: list[Finding]
    gpu_ms: int
    load_ms: int
    denoise_ms: int
    decode_ms: int
    filter_ms: int
    resumed_from: int


class Inspected(msgspec.Struct, frozen=True, tag=True):
    job_id: str
    findings: list[Finding]
    filter_ms: int


class Failed(msgspec.Struct, frozen=True, tag=True):
    job_id: str
    attempt: int
    code: str
    sentence: str
    retryable: bool


class GivenBack(msgspec.Struct, frozen=True, tag=True):
    """The job was snapshotted and left: its next worker resumes at `step`."""

    job_id: str
    attempt: int
    step: int


class Stocked(msgspec.Struct, frozen=True, tag=True):
    """Of the Stock with this `id`; `detail` is why it was not done."""

    id: str
    done: bool
    detail: str = ""


class Loads(msgspec.Struct, frozen=True):
    """Of checkpoints from one place, since the start; `seconds` and `bytes` are sums."""

    count: int
    seconds: float
    bytes: int


class Tier(msgspec.Struct, frozen=True):
    """Where checkpoints are kept, in bytes, now; `free` is what a newcomer could have of the `budget`
    if all that may leave left for it."""

    used: int
    budget: int
    evictions: int
    free: int = 0


class Report(msgspec.Struct, frozen=True, tag=True):
    """What the engine did since it started, and what it has at hand now. It is about no job.

    `loads` by where from (`ahead`: before anybody asked), `tiers` by where to; `redrawn` pictures
    had broken and were begun again in higher precision; `rung` is the ladder's, 0 = all is well.
    """

    checkpoints: list[str]
    forwards: int
    rows: int
    redrawn: int
    out_of_memory: int
    rung: int
    snapshots_failed: int
    snapshots_passed_over: dict[str, int]
    hits: int
    warm_hits: int
    misses: int
    failures: int
    loads: dict[str, Loads]
    tiers: dict[str, Tier]


ToChild = Render | Inspect | Drop | Expect | Stock | Drain
ToParent = (
    Ready
    | Loading
    | Stepped
    | Paused
    | Preview
    | Rendered
    | Inspected
    | Failed
    | GivenBack
    | Stocked
    | Report
)

encode = msgspec.msgpack.Encoder().encode
decode_to_child = msgspec.msgpack.Decoder(ToChild).decode
decode_to_parent = msgspec.msgpack.Decoder(ToParent).decode
