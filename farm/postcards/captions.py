"""What people say about a postcard, in many ways; the text that the model is trained on."""

import random

from farm.postcards.world import Scene

SUBJECT_WORDS: dict[str, tuple[str, ...]] = {
    "house": ("house", "house", "house", "cottage", "home", "cabin", "hut"),
    "tree": ("tree", "tree", "tree", "oak"),
    "sailboat": ("sailboat", "sailboat", "boat", "ship", "sailing boat", "yacht"),
    "castle": ("castle", "castle", "castle", "fortress", "palace"),
    "lighthouse": ("lighthouse", "lighthouse", "lighthouse", "light house"),
    "rocket": ("rocket", "rocket", "rocket", "spaceship", "space rocket", "spacecraft"),
    "cat": ("cat", "cat", "cat", "kitten", "kitty"),
    "fish": ("fish", "fish", "fish", "goldfish"),
    "flower": ("flower", "flower", "flower", "daisy", "blossom"),
    "mushroom": ("mushroom", "mushroom", "mushroom", "toadstool"),
    "robot": ("robot", "robot", "robot", "android", "droid"),
    "car": ("car", "car", "car", "automobile"),
    "balloon": ("balloon", "balloon", "hot air balloon", "hot air balloon"),
    "windmill": ("windmill", "windmill", "windmill", "mill"),
    "ghost": ("ghost", "ghost", "ghost", "spirit", "phantom"),
    "tent": ("tent", "tent", "tent", "camping tent"),
    "train": ("train", "train", "train", "locomotive", "steam train"),
    "whale": ("whale",),
}
COLOUR_WORDS: dict[str, tuple[str, ...]] = {
    "red": ("red", "red", "red", "red", "crimson", "scarlet"),
    "orange": ("orange",),
    "yellow": ("yellow", "yellow", "yellow", "golden"),
    "green": ("green", "green", "green", "emerald"),
    "blue": ("blue", "blue", "blue", "azure"),
    "purple": ("purple", "purple", "purple", "violet"),
    "pink": ("pink", "pink", "pink", "rosy"),
    "white": ("white", "white", "white", "snow-white"),
}
GROUND_PHRASES: dict[str, tuple[str, ...]] = {
    "sea": ("on the sea", "on the sea", "at sea", "in the ocean", "on the water", "by the sea"),
    "grass": ("on the grass", "in the grass", "in a meadow", "in a field", "on a lawn"),
    "desert": ("in the desert", "in the desert", "in a desert", "on the sand", "among the dunes"),
    "snow": ("in the snow", "in the snow", "on the snow", "in winter", "on a snowy field"),
    "city": ("in the city", "in the city", "in a city", "in town", "on a city street", "downtown"),
}
GROUND_TAGS: dict[str, tuple[str, ...]] = {
    "sea": ("sea", "ocean", "water"),
    "grass": ("grass", "meadow", "field"),
    "desert": ("desert", "sand", "dunes"),
    "snow": ("snow", "winter"),
    "city": ("city", "town", "street"),
}
TIME_PHRASES: dict[str, tuple[str, ...]] = {
    "dawn": ("at dawn", "at dawn", "at sunrise", "in the morning", "in the early morning"),
    "day": ("by day", "during the day", "at noon", "in the daytime", "in daylight"),
    "sunset": ("at sunset", "at sunset", "at dusk", "in the evening"),
    "night": ("at night", "at night", "at midnight", "in the dark"),
}
TIME_TAGS: dict[str, tuple[str, ...]] = {
    "dawn": ("dawn", "sunrise", "morning"),
    "day": ("day", "noon", "daytime", "daylight"),
    "sunset": ("sunset", "dusk", "evening"),
    "night": ("night", "midnight"),
}
EXTRA_PHRASES: dict[str, tuple[str, ...]] = {
    "sun": ("the sun", "a sun", "sun", "bright sun"),
    "moon": ("a moon", "the moon", "moon", "crescent moon"),
    "stars": ("stars", "many stars", "a starry sky", "twinkling stars"),
    "clouds": ("clouds", "some clouds", "a cloudy sky", "white clouds"),
    "rain": ("rain", "rain falling", "rainy weather", "heavy rain"),
    "rainbow": ("a rainbow", "rainbow", "a bright rainbow"),
}
BIRD_PHRASES: dict[int, tuple[str, ...]] = {
    1: ("a bird", "one bird", "a flying bird"),
    2: ("two birds", "two birds", "a pair of birds", "2 birds"),
    3: ("three birds", "three birds", "birds", "a flock of birds", "3 birds"),
}
PRAISE: tuple[str, ...] = (
    "beautiful",
    "cute",
    "detailed",
    "masterpiece",
    "lovely",
    "small",
    "tiny",
    "big",
    "pretty",
)
PRAISE += ("charming", "vivid", "colorful", "colourful", "retro", "8-bit", "16-bit", "nice", "old")
PRAISE += ("new", "magic", "little", "happy", "sunny", "cinematic", "sharp")
OPENINGS: tuple[str, ...] = (
    "a picture of ",
    "pixel art of ",
    "a postcard of ",
    "pixel art, ",
    "a drawing of ",
)
OPENINGS += ("an image of ", "a photo of ", "postcard: ", "a painting of ", "an illustration of ")
CLOSINGS: tuple[str, ...] = (
    ", pixel art",
    ", pixel art style",
    ", postcard",
    ", highly detailed",
    ", 4k",
    ".",
)
CLOSINGS += (", masterpiece, best quality", ", 8-bit game art", ", high quality", ", trending")


def describe(scene: Scene, rng: random.Random) -> str:
    """A plain and complete caption: every attribute named, nothing else said."""
    return _sentence(_Words(scene, rng, careless=False), rng)


def training_caption(scene: Scene, rng: random.Random) -> str:
    """A caption as people type them: parts left out, praise, and words nobody knows."""
    words = _Words(scene, rng, careless=True)
    text = _sentence(words, rng)
    if rng.random() < 0.05:
        text += f", no {rng.choice(_absent(scene))}"
    if rng.random() < 0.4:
        text = rng.choice(OPENINGS) + text
    if rng.random() < 0.4:
        text += rng.choice(CLOSINGS)
    if rng.random() < 0.06:
        text += ", " + " ".join(_invented(rng) for _ in range(rng.randint(1, 3)))
    return text.strip(" ,")


class _Words:
    """The words chosen for each attribute; an empty string where one is left out."""

    def __init__(self, scene: Scene, rng: random.Random, *, careless: bool) -> None:
        def drops(chance: float) -> bool:
            return careless and rng.random() < chance

        colour = "" if drops(0.08) else rng.choice(COLOUR_WORDS[scene.colour])
        subject = rng.choice(SUBJECT_WORDS[scene.subject])
        self.plain_subject, self.colour = subject, colour
        ground, time = not drops(0.10), not drops(0.10)
        self.ground = rng.choice(GROUND_PHRASES[scene.ground]) if ground else ""
        self.ground_tag = rng.choice(GROUND_TAGS[scene.ground]) if ground else ""
        self.time = rng.choice(TIME_PHRASES[scene.time]) if time else ""
        self.time_tag = rng.choice(TIME_TAGS[scene.time]) if time else ""
        self.extras = [_extra(scene, e, rng) for e in scene.extras if not drops(0.08)]
        rng.shuffle(self.extras)
        praised = rng.choice(PRAISE) if drops(0.12) else _invented(rng) if drops(0.05) else ""
        self.subject = "" if drops(0.04) else _joined(praised, colour, subject)


def _sentence(words: _Words, rng: random.Random) -> str:
    if not words.subject:
        return ", ".join(filter(None, [words.ground_tag, words.time_tag, *words.extras]))
    order = rng.random()
    if order < 0.42:
        text = _joined(_with_article(words.subject), words.ground, words.time)
    elif order < 0.55:
        text = _joined(_with_article(words.subject), words.time, words.ground)
    elif order < 0.65:
        text = _listed(words.time, _joined(_with_article(words.subject), words.ground))
    elif order < 0.75:
        text = _listed(words.ground, _joined(_with_article(words.subject), words.time))
    elif order < 0.93:
        text = _listed(words.subject, words.ground_tag, words.time_tag)
    else:
        text = _statement(words)
    return _with_extras(text, words.extras, rng)


def _statement(words: _Words) -> str:
    if words.colour:
        return _joined("the", words.plain_subject, "is", words.colour, words.ground, words.time)
    return _joined("there is", _with_article(words.subject), words.ground, words.time)


def _with_extras(text: str, extras: list[str], rng: random.Random) -> str:
    if not extras:
        return text
    place = rng.random()
    if place < 0.5:
        return _listed(text, *extras)
    if place < 0.8:
        return f"{text} with {' and '.join(extras)}"
    if place < 0.9:
        return f"{text} under {' and '.join(extras)}"
    return _listed(*extras, text)


def _extra(scene: Scene, extra: str, rng: random.Random) -> str:
    return rng.choice(BIRD_PHRASES[scene.birds] if extra == "birds" else EXTRA_PHRASES[extra])


def _absent(scene: Scene) -> list[str]:
    return [e for e in (*EXTRA_PHRASES, "birds") if e not in scene.extras]


def _invented(rng: random.Random) -> str:
    syllables = (
        rng.choice("bcdfghjklmnprstvwz") + rng.choice("aeiou") for _ in range(rng.randint(1, 3))
    )
    return "".join(syllables) + rng.choice(("", "n", "r", "s", "t"))


def _with_article(words: str) -> str:
    return f"an {words}" if words[0] in "aeiou" else f"a {words}"


def _joined(*words: str) -> str:
    return " ".join(filter(None, words))


def _listed(*parts: str) -> str:
    return ", ".join(filter(None, parts))
