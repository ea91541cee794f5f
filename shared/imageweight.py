"""How much of a picture in the prompt stays: from --iw to the share of the steps that redraw it. Pure."""

LEAST_BLENDED = 0.5  # less shows all pictures of a blend through each other


def strength_of(weight: float, *, pictures: int = 1) -> float:
    """`weight` as Midjourney's --iw, 0 (the picture says nothing) to 3; 1 redraws two thirds."""
    strength = 1 / (1 + weight / 2)
    return strength if pictures == 1 else max(LEAST_BLENDED, strength)
