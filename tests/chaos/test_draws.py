"""A seed is a schedule."""

from draws import Draws


def play(draws: Draws) -> list:
    return [draws.uniform(0, 1), draws.choice("abcdefgh"), draws.happens(0.5), draws.uniform(2, 3)]


def test_the_same_seed_draws_the_same() -> None:
    first, again = Draws(7, "SIGKILL"), Draws(7, "SIGKILL")
    assert play(first) == play(again)
    assert first.fingerprint() == again.fingerprint()


def test_another_seed_or_another_fault_draws_something_else() -> None:
    fingerprints = set()
    for draws in (Draws(7, "SIGKILL"), Draws(8, "SIGKILL"), Draws(7, "SIGTERM")):
        play(draws)
        fingerprints.add(draws.fingerprint())
    assert len(fingerprints) == 3


def test_one_draw_more_is_another_schedule() -> None:
    shorter, longer = Draws(7, "SIGKILL"), Draws(7, "SIGKILL")
    play(shorter)
    play(longer)
    longer.uniform(0, 1)
    assert shorter.fingerprint() != longer.fingerprint()
