"""The judge: every promise as a function from evidence to what breaks it. No code of the product.

`judge` returns the broken sentences by rule; a run has passed when every list is empty.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

from tests.chaos.checkmail import duplicates, unanswered
from tests.chaos.checkmoney import double_entries, money_of_jobs, pots
from tests.chaos.checkpixels import missing_files, stray_files, wrong_bytes, wrong_pixels
from tests.chaos.evidence import Evidence, Row

MAX_CRASHES, EXIT_WITHIN_S = 5, 25.0
TERMINAL = {"succeeded", "failed", "blocked", "cancelled"}
MOVES: dict[str | None, set[str]] = {
    None: {"waiting"},
    "waiting": {"dispatched", "cancelled", "failed"},
    "dispatched": {"running", "waiting", "cancelled", "failed"},
    "running": {"waiting", *TERMINAL},
    **{state: set() for state in TERMINAL},
}
# What may become of each kind of wish.
ENDS = {
    "boat": {"succeeded"},
    "kraken": {"failed"},
    "veiled": {"blocked"},
    "cracked": {"failed"},
    "cancelled": {"cancelled", "succeeded"},
}
Broken = Iterator[str]
SERVER_BLOWS = {"postgres_kill", "frozen_line", "cut_commit"}


def judge(evidence: Evidence) -> dict[str, list[str]]:
    return {name: list(rule(evidence)) for name, rule in RULES.items()}


# --- jobs ------------------------------------------------------------------------------------


def lost(evidence: Evidence) -> Broken:
    """Accepted, by the word of the one who asked, and not there."""
    known = evidence.jobs
    accepted = [line for line in evidence.client if line["event"] == "accepted"]
    for line in accepted:
        row = known.get(line["job"])
        if row is None or row["submission_key"] != line["key"]:
            yield f"job {line['job']} was accepted as {line['key']} and has no row"
    keys = {line["key"] for line in accepted}
    for wish in evidence.wished:
        if wish["key"] not in keys:
            yield f"{wish['key']} was never accepted"


def stuck(evidence: Evidence) -> Broken:
    for id, row in evidence.jobs.items():
        if row["state"] not in TERMINAL:
            yield f"job {id} is {row['state']} (attempt {row['attempt']}, {row['crashes']} crashes)"


def illegal_moves(evidence: Evidence) -> Broken:
    told = evidence.of_jobs("transitions")
    for id, row in evidence.jobs.items():
        story = told.get(id, [])
        for before, move in zip([None, *story], story, strict=False):
            if wrong := _wrong_move(before, move):
                yield f"job {id}: {move['source']} -> {move['target']}: {wrong}"
        if not story or story[-1]["target"] != row["state"]:
            yield f"job {id} is {row['state']}, which no move led to"


def _wrong_move(before: Row | None, move: Row) -> str:
    attempt, crashes = (before["attempt"], before["crashes"]) if before else (0, 0)
    if move["source"] != (before["target"] if before else None):
        return "it was not in that state"
    if move["target"] not in MOVES[move["source"]]:
        return "no such move"
    if move["attempt"] != attempt + (move["target"] == "dispatched"):
        return f"attempt {attempt} became {move['attempt']}"
    lost_worker = move["source"] == "running" and move["target"] in ("waiting", "failed")
    if not crashes <= move["crashes"] <= crashes + lost_worker:
        return f"{crashes} crashes became {move['crashes']}"
    return ""


def terminal_changes(evidence: Evidence) -> Broken:
    """A finished row that a witness saw, and that looks different now."""
    now = evidence.jobs
    for seen in evidence.witness:
        row = now.get(seen["id"])
        if row is None or row["mark"] != seen["mark"]:
            yield f"job {seen['id']} was finished and has changed since"


def zombie_commits(evidence: Evidence) -> Broken:
    """Whoever ended an attempt must be the one to whom it was given, and so for all it left."""
    told, verdicts = evidence.of_jobs("transitions"), _by_id(evidence)
    for id, story in told.items():
        yield from (f"job {id}: {what}" for what in _strangers(story))
    for asset in evidence.tables["assets"]:
        attempt = evidence.jobs[asset["job_id"]]["attempt"]
        if not asset["key"].startswith(f"{asset['job_id']}/{attempt}/"):
            yield f"asset {asset['key']} is not of attempt {attempt}, which succeeded"
    for id, row in evidence.jobs.items():
        verdict = verdicts.get(row["passed_verdict"])
        if verdict is not None and verdict["attempt"] != row["attempt"]:
            yield f"job {id} of attempt {row['attempt']} passed by attempt {verdict['attempt']}"


def _strangers(story: list[Row]) -> Broken:
    holder: dict[int, str] = {}
    for move in story:
        if move["target"] == "dispatched":
            holder[move["attempt"]] = move["worker"]
            continue
        held = holder.get(move["attempt"])
        sent = move["source"] in ("dispatched", "running") and move["target"] != "cancelled"
        if sent and move["worker"] != held:
            yield f"{move['worker']} moved it to {move['target']}; {held} held it"


def _by_id(evidence: Evidence) -> dict[int, Row]:
    return {row["id"]: row for row in evidence.tables["verdicts"]}


# --- crashes ---------------------------------------------------------------------------------


def poison(evidence: Evidence) -> Broken:
    kinds = evidence.kinds()
    for id, row in evidence.jobs.items():
        ended = (row["state"], row["crashes"])
        if kinds[id] == "kraken" and ended != ("failed", MAX_CRASHES):
            yield f"poison {id} ended as {ended[0]} after {ended[1]} crashes"


def innocent_failures(evidence: Evidence) -> Broken:
    kinds = evidence.kinds()
    for id, row in evidence.jobs.items():
        allowed = ENDS[kinds[id]]
        if row["state"] in TERMINAL and row["state"] not in allowed:
            yield f"job {id} ({kinds[id]}) is {row['state']}: {row['error_code']}"
        elif kinds[id] == "cracked" and row["error_code"] != "cracked":
            yield f"job {id} failed of {row['error_code']}, not of itself"
    called_off = {line["job"] for line in evidence.client if line["event"] == "cancelled"}
    for id, row in evidence.jobs.items():
        if id in called_off and row["state"] != "cancelled":
            yield f"job {id} was cancelled and is {row['state']}"


def deploys(evidence: Evidence) -> Broken:
    """A worker that is asked to go leaves in time, and none of its jobs counts a crash."""
    told = evidence.of_jobs("transitions")
    for blow in evidence.blows:
        if blow["kind"] != "deploy" or blow.get("code") == -9:  # another blow met it on its way
            continue
        took = blow["until"] - blow["at"]
        if blow.get("code") != 0 or took > EXIT_WITHIN_S:
            yield f"{blow['target']} left with {blow.get('code')} after {took:.1f} s"
        if not _disturbed(blow, evidence):
            yield from _crashed_by(blow, told)


def _crashed_by(blow: Row, told: dict[str, list[Row]]) -> Broken:
    for id, story in told.items():
        for before, move in pairwise(story):
            held = before["target"] == "running" and before["worker"] == blow["target"]
            during = before["at"] < blow["at"] < move["at"]
            if held and during and move["crashes"] > before["crashes"]:
                yield f"job {id} counted a crash when {blow['target']} was deployed"


def _disturbed(blow: Row, evidence: Evidence) -> bool:
    """A server that was away, or a poison that had just killed the child, is no fault of a deploy."""
    began, ended = blow["at"] - 3.0, blow["until"] + 0.5
    others = [one for one in evidence.blows if one is not blow]
    if any(began < death["at"] < ended for death in evidence.deaths):
        return True
    return any(
        one["at"] < ended
        and one["until"] > began
        and (one["target"] == blow["target"] or one["kind"] in SERVER_BLOWS)
        for one in others
    )


RULES: dict[str, Callable[[Evidence], Broken]] = {
    "lost": lost,
    "stuck": stuck,
    "illegal moves": illegal_moves,
    "terminal rows changed": terminal_changes,
    "zombie commits": zombie_commits,
    "double-settled": double_entries,
    "money of jobs": money_of_jobs,
    "pots": pots,
    "poison": poison,
    "innocent failures": innocent_failures,
    "deploys": deploys,
    "wrong pixels": wrong_pixels,
    "assets missing": missing_files,
    "assets damaged": wrong_bytes,
    "assets unreferenced": stray_files,
    "messages not final": unanswered,
    "messages doubled": duplicates,
}
