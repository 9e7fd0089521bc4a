"""Which child a job goes to."""

from dataclasses import replace

from app.engine.placing import Room, place, with_all
from tests.engine.test_contract import REQUEST

FREE = Room(most=4, largest_side=2048)
BUSY = Room(most=4, largest_side=2048, running=(REQUEST,))
OTHER_SIZE = replace(REQUEST, width=512)


def test_a_child_with_nothing_to_do_comes_first_and_then_one_whose_steps_can_be_shared() -> None:
    assert place([BUSY, FREE], REQUEST) == 1
    assert place([BUSY, BUSY], REQUEST) == 0
    assert place([BUSY, BUSY], OTHER_SIZE) is None


def test_a_large_picture_goes_where_it_fits_and_else_to_the_largest() -> None:
    small = Room(largest_side=256)
    large = replace(REQUEST, width=1024, height=1024)
    assert place([small, FREE], large) == 1
    assert place([small, BUSY], large) is None
    assert place([small, Room(largest_side=512)], large) == 1


def test_one_under_which_a_child_was_lost_has_a_child_to_itself() -> None:
    suspect = replace(REQUEST, alone=True)
    assert place([BUSY, FREE], suspect) == 1
    assert place([BUSY], suspect) is None
    assert place([Room(most=4, largest_side=2048, running=(suspect,)), FREE], REQUEST) == 1
    assert place([Room(most=4, largest_side=2048, running=(suspect,))], REQUEST) is None


def test_what_was_claimed_and_has_not_begun_counts() -> None:
    assert place(with_all([FREE, FREE], [REQUEST]), OTHER_SIZE) == 1
    assert place(with_all([FREE, FREE], [REQUEST, OTHER_SIZE]), replace(REQUEST, height=512)) is None
    assert [len(room.running) for room in with_all([FREE], [REQUEST, OTHER_SIZE])] == [2]
