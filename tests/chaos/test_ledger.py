"""The judge of the chaos runs can say no."""

from typing import Iterable

from ledger import Note, Outage, Outcome, Ring, Rings, held_up, judge, overtaken, unrecorded


def numbers(notes: Iterable[Note]) -> list[int]:
    return [note.number for note in notes]


def test_a_message_after_the_last_accepted_ring_is_lost() -> None:
    outcome = judge(
        [Note(1, "a", sent=1, delivered=1), Note(2, "a", sent=5, delivered=5)],
        [Ring("a", begun=2, accepted=3)],
    )
    assert [note.number for note in outcome.lost] == [2]
    assert (outcome.messages, outcome.needed, outcome.delivered, outcome.duplicates) == (2, 2, 1, 0)


def test_a_ring_that_began_before_the_message_covers_nothing() -> None:
    assert judge([Note(1, "a", 5, 5)], [Ring("a", begun=4.9, accepted=7)]).lost


def test_a_ring_that_was_not_accepted_covers_nothing() -> None:
    assert judge([Note(1, "a", 1, 1)], [Ring("a", begun=2)]).lost


def test_a_ring_of_another_phone_covers_nothing() -> None:
    assert judge([Note(1, "a", 1, 1)], [Ring("b", begun=2, accepted=3)]).lost


def test_a_message_that_never_left_the_queue_is_lost() -> None:
    assert judge([Note(1, "a", 1)], [Ring("a", begun=2, accepted=3)]).lost


def test_lost_messages_of_one_phone_need_one_ring() -> None:
    outcome = judge([Note(1, "a", 1, 1), Note(2, "a", 2, 2), Note(3, "b", 2, 2)], [])
    assert (len(outcome.lost), outcome.needed) == (3, 2)


def test_messages_in_one_window_share_a_ring() -> None:
    outcome = judge([Note(1, "a", 1, 1), Note(2, "a", 2, 2)], [Ring("a", begun=3, accepted=4)])
    assert (outcome.lost, outcome.needed, outcome.duplicates) == ([], 1, 0)
    assert (outcome.worst, outcome.median) == (3, 2.5)


def test_a_ring_for_nothing_new_is_a_duplicate() -> None:
    rings = [Ring("a", begun=2, accepted=3), Ring("a", begun=4, accepted=5)]
    outcome = judge([Note(1, "a", 1, 1)], rings)
    assert (outcome.needed, outcome.delivered, outcome.duplicates) == (1, 2, 1)


def test_of_two_rings_under_way_the_one_accepted_first_counts() -> None:
    rings = [Ring("a", begun=2, accepted=9), Ring("a", begun=3, accepted=4)]
    outcome = judge([Note(1, "a", 1, 1)], rings)
    assert (outcome.worst, outcome.duplicates) == (3, 1)


def test_an_acknowledged_message_without_ring_or_debt_is_unrecorded() -> None:
    notes = [Note(1, "a", 1, 1, acked=2), Note(2, "b", 1, 1, acked=2), Note(3, "c", 1, 1)]
    assert numbers(unrecorded(notes, Rings([]), owed={"a"})) == [2]
    assert unrecorded(notes, Rings([Ring("b", begun=1.5, accepted=1.9)]), owed={"a"}) == []


def test_an_earlier_ring_is_no_record_of_a_later_message() -> None:
    earlier = Rings([Ring("a", begun=4, accepted=4.5)])
    assert unrecorded([Note(1, "a", 5, 5, acked=6)], earlier, owed=())


def test_an_outage_held_up_what_was_sent_in_it_and_rung_after_it() -> None:
    notes = [Note(1, "a", 1, 1), Note(2, "b", 3, 3), Note(3, "c", 3, 3), Note(4, "d", 3)]
    rings = [Ring("a", 1, 1.5), Ring("b", 3, 3.5), Ring("c", 3, 4.5)]
    assert numbers(held_up(notes, rings, [Outage(2, 4)])) == [3, 4]
    assert numbers(held_up(notes, rings, [Outage(2)])) == [4]
    assert held_up(notes, rings, []) == []


def test_a_message_overtakes_a_ring_that_is_under_way() -> None:
    notes = [Note(1, "a", 1, 1), Note(2, "a", 3, 3), Note(3, "a", 6, 6), Note(4, "b", 3, 3)]
    assert numbers(overtaken(notes, [Ring("a", begun=2, accepted=5)])) == [2]


def test_outcomes_add_up() -> None:
    total = Outcome()
    total.add(judge([Note(1, "a", 1, 1)], []))
    total.add(judge([Note(2, "a", 1, 1)], [Ring("a", begun=2, accepted=3)]))
    assert (total.messages, len(total.lost), total.delays) == (2, 1, [2])
