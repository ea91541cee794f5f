"""An exception while rendering, as a Fault: what the parent needs to decide on a retry."""

import logging

import torch

from shared.errors import Fault, Refusal

log = logging.getLogger(__name__)

FULL = ("out of memory", "can't allocate memory", "not enough memory")


def explain(problem: Exception) -> Fault:
    match problem:
        case Fault():
            log.error("A job failed (%s): %s", problem.code, problem.sentence)
            return problem
        case Refusal():
            return Fault(problem.code, problem.sentence)
        case ArithmeticError():
            log.error("A checkpoint gives no numbers: %s", problem)
            return Fault("not_finite", "This checkpoint draws nothing that can be shown.")
        case _ if is_out_of_memory(problem):
            log.error("A job does not fit into the device's memory: %s", problem)
            sentence = "The picture does not fit into this GPU's memory."
            return Fault("out_of_memory", sentence, retryable=True)
        case _:
            log.error("A job failed unexpectedly.", exc_info=problem)
            sentence = "The renderer failed on this picture."
            return Fault("render_failed", sentence, retryable=True)


def is_out_of_memory(problem: Exception) -> bool:
    if isinstance(problem, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(problem, RuntimeError) and any(text in str(problem) for text in FULL)
