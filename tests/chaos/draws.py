"""What a case draws at random: for one seed the same in every run, whatever the machine's pace. The
fingerprint of all draws shows that two runs had one schedule.
"""

import hashlib
import random
from typing import Sequence, TypeVar

Option = TypeVar("Option")


class Draws:
    def __init__(self, seed: int, name: str):
        self.random = random.Random(f"{seed} {name}")
        self.drawn = hashlib.sha256()

    def uniform(self, least: float, most: float) -> float:
        value = self.random.uniform(least, most)
        self.drawn.update(f"{value:.6f} ".encode())
        return value

    def choice(self, options: Sequence[Option]) -> Option:
        index = self.random.randrange(len(options))
        self.drawn.update(f"{index} of {len(options)} ".encode())
        return options[index]

    def happens(self, probability: float) -> bool:
        return self.uniform(0, 1) < probability

    def fingerprint(self) -> str:
        return self.drawn.hexdigest()[:12]
