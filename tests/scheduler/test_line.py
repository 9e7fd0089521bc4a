"""Places and times: the arithmetic, the cache, and what is learnt from measured pictures."""

import pytest

from app.scheduler.line import OLDEST_SECONDS, SHORT, Line, LineCache, Place, done_after
from app.scheduler.pace import Measured, Pace, Stopwatch


def test_every_job_of_the_line_has_its_place_and_a_later_one_comes_behind_those_of_the_same_turn() -> None:
    line = Line({7: 0, 9: 1, 8: 2}, [10, 10, 20], [1, 2, 1], [3.0, 6.0, None])
    assert [line.place(seq, start, 2.0) for seq, start in ((7, 10), (9, 10), (8, 20))] == [
        Place(1, 3.0),
        Place(2, 6.0),
        Place(3, None),
    ]
    assert line.place(5, 0, 2.0) == Place(1, 2.0)
    assert line.place(11, 10, 2.0) == Place(3, 8.0)
    assert line.place(11, 10, None) == Place(3, None)
    assert line.place(12, 30, 2.0) == Place(4, None)


def test_behind_what_was_read_of_a_very_long_queue_nobody_is_told_a_time() -> None:
    line = Line({1: 0}, [1], [7], [3.0], complete=False)
    assert line.place(1, 1, 1.0) == Place(1, 3.0)
    assert line.place(2, 2, 1.0) is None


@pytest.mark.parametrize(
    ("running", "waiting", "slots", "done"),
    [
        ([], [], 1, []),
        ([], [2.0, 3.0], 1, [2.0, 5.0]),
        ([4.0], [2.0, 3.0], 1, [6.0, 9.0]),
        ([4.0], [2.0, 3.0, 1.0], 2, [2.0, 5.0, 5.0]),
        ([4.0, 1.0], [2.0], 1, [6.0]),
        ([], [2.0, None, 3.0], 1, [2.0, None, None]),
        ([None], [2.0], 1, [None]),
    ],
)
def test_times_add_up_over_what_runs_and_what_is_ahead(
    running: list[float | None], waiting: list[float | None], slots: int, done: list[float | None]
) -> None:
    assert done_after(running, waiting, slots) == done


class Reading:
    """A queue of so many jobs that counts how often it was read."""

    def __init__(self, jobs: int) -> None:
        self.line, self.times = Line({n: n for n in range(jobs)}, range(jobs), [0] * jobs, [None] * jobs), 0

    def __call__(self) -> Line:
        self.times += 1
        return self.line


def test_a_short_queue_is_read_again_as_soon_as_it_changed_and_only_then() -> None:
    moment, reading = [100.0], Reading(3)
    cache = LineCache(lambda: moment[0])
    for _ in range(5):
        assert cache.get(reading) is reading.line
    assert reading.times == 1
    cache.changed()
    cache.get(reading)
    assert reading.times == 2
    moment[0] += OLDEST_SECONDS
    cache.get(reading)
    assert reading.times == 3


def test_a_long_queue_takes_a_small_part_of_the_time_to_read() -> None:
    moment, reading = [100.0], Reading(SHORT + 1)
    cache = LineCache(lambda: moment[0])

    def slowly() -> Line:
        moment[0] += 1
        return reading()

    cache.get(slowly)
    for _ in range(30):
        cache.changed()
        cache.get(slowly)
        moment[0] += 0.1
    assert reading.times == 1
    moment[0] += 2
    cache.get(slowly)
    assert reading.times == 2


def test_a_line_that_could_not_be_read_is_read_the_next_time() -> None:
    cache, reading = LineCache(), Reading(1)
    with pytest.raises(ZeroDivisionError):
        cache.get(lambda: 1 // 0)  # type: ignore[arg-type, return-value]
    assert cache.get(reading) is reading.line


def test_the_middle_of_the_last_measurements_counts_and_not_one_slow_step() -> None:
    pace = Pace()
    assert pace.estimate()(256 * 256, 8) is None
    pace.learn(256 * 256, Measured(30.0, 9.0))
    for _ in range(4):
        pace.learn(256 * 256, Measured(0.5, 1.0))
    assert pace.estimate()(256 * 256, 8) == 5.0


def test_a_size_that_was_never_made_takes_its_time_from_the_nearest_and_grows_as_the_known_sizes_do() -> None:
    pace = Pace()
    pace.learn(512 * 512, Measured(1.0, 0.0))
    one = pace.estimate()
    assert one(1024 * 1024, 2) == pytest.approx(2 * 4**1.2)
    pace.learn(1024 * 1024, Measured(8.0, 2.0))
    estimate = pace.estimate()
    assert (estimate(512 * 512, 1), estimate(1024 * 1024, 1)) == (1.0, 10.0)
    assert estimate(256 * 256, 1) == pytest.approx(1 / 8)
    assert estimate(2048 * 2048, 1) == pytest.approx(64.0 + 8.0)


def test_the_first_steps_of_an_unknown_size_are_better_than_any_other_size_until_a_picture_is_done() -> None:
    pace = Pace()
    pace.learn(256 * 256, Measured(0.5, 1.0))
    assert pace.suppose(1024 * 1024, 9.0)
    assert not pace.suppose(1024 * 1024, 30.0)
    assert pace.estimate()(1024 * 1024, 2) == 18.0
    pace.learn(1024 * 1024, Measured(8.0, 2.0))
    assert pace.estimate()(1024 * 1024, 2) == 18.0
    assert pace.estimate()(256 * 256, 2) == 2.0


def test_a_picture_of_one_step_says_something_only_where_nothing_else_is_known() -> None:
    pace = Pace()
    pace.learn(256 * 256, Measured(4.0, 0.0, sure=False))
    assert pace.estimate()(256 * 256, 1) == 4.0
    pace.learn(256 * 256, Measured(0.5, 1.0))
    pace.learn(256 * 256, Measured(4.0, 0.0, sure=False))
    assert pace.estimate()(256 * 256, 8) == 5.0


def test_what_others_have_measured_counts_until_something_was_measured_here() -> None:
    pace = Pace()
    assert pace.wants_history()
    pace.tell_history([(256 * 256, 4, 8.0)])
    assert not pace.wants_history()
    assert pace.estimate()(256 * 256, 4) == 8.0
    pace.learn(256 * 256, Measured(1.0, 1.0))
    pace.tell_history([(256 * 256, 4, 8.0)])
    assert pace.estimate()(256 * 256, 4) == 5.0


def test_a_stopwatch_tells_the_typical_step_and_the_rest() -> None:
    moments = iter([0.0, 3.0, 4.0, 5.0, 7.0, 9.0, 10.0])
    watch = Stopwatch(lambda: next(moments))  # at 0
    watch.step()  # at 3, which includes reading the prompt
    watch.step()
    assert watch.typical() is None
    watch.step()  # at 5
    assert watch.typical() == 1.0
    assert watch.picture() == Measured(1.0, 4.0)  # at 7
    watch.step()  # at 9: of a single step nobody can tell what belongs to it
    assert watch.picture() == Measured(3.0, 0.0, sure=False)  # at 10


def test_pictures_that_share_their_steps_are_each_answerable_for_their_part() -> None:
    moments = iter([0.0, 2.0, 2.0, 6.0, 6.0, 10.0, 10.0, 14.0, 16.0])
    watch = Stopwatch(lambda: next(moments))  # at 0
    for _ in range(3):  # at 2, 6 and 10: two of this run and two of somebody else's
        watch.step(0, 4)
        watch.step(1, 4)
    assert (watch.work(0), watch.typical(0)) == (1.0, 2.0)
    assert watch.picture(0) == Measured(1.0, 1.0)  # at 14
    assert watch.picture(1) == Measured(1.0, 1.5)  # at 16
