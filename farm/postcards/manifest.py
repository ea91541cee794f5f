"""Where the postcards' own weights lie; their manifests are the engine's."""

import sys
from pathlib import Path

from farm.engine.weights.manifest import NAME as NAME
from farm.engine.weights.manifest import main as main
from farm.engine.weights.manifest import verify as verify
from farm.engine.weights.manifest import write as write

WEIGHTS = Path(__file__).parent / "weights"


def weights_folder(name: str) -> Path:
    return WEIGHTS / name


if __name__ == "__main__":
    main(sys.argv[1:])
