"""How long a silent engine is believed to be at work."""

from dataclasses import replace

from app.domain.ports import PictureOrder, StepDone
from app.engine import wire
from app.engine.runs import LEAST_PATIENCE, TOLERANCE, RunTable
from tests.engine.test_contract import REQUEST


def test_nothing_is_known_before_the_first_event_and_then_the_longest_silence_counts() -> None:
    moment = [0.0]
    runs = RunTable(lambda: moment[0])
    run = runs.begin(REQUEST)
    assert runs.patience() is None
    for seconds in (1.0, 30.0, 2.0):
        moment[0] += seconds
        runs.happened(wire.Happened(run.run_id, StepDone(index=0, step=1)))
    assert runs.patience() == TOLERANCE * 30.0
    runs.ended(wire.RunDone(run.run_id))
    runs.begin(replace(REQUEST, width=1024, height=1024))
    assert runs.patience() == TOLERANCE * 30.0 * 16


def test_a_quick_engine_is_given_two_minutes_all_the_same() -> None:
    moment = [0.0]
    runs = RunTable(lambda: moment[0])
    run = runs.begin(REQUEST)
    moment[0] += 0.01
    runs.happened(wire.Happened(run.run_id, StepDone(index=0, step=1)))
    assert runs.patience() == LEAST_PATIENCE


def test_what_comes_for_a_run_that_ended_teaches_nothing() -> None:
    moment = [0.0]
    runs = RunTable(lambda: moment[0])
    run = runs.begin(REQUEST)
    runs.lose_all()
    moment[0] += 500
    runs.happened(wire.Happened(run.run_id, StepDone(index=0, step=1)))
    assert runs.patience() is None


def test_a_run_whose_steps_are_done_is_in_flight_and_in_nobodys_way() -> None:
    runs = RunTable()
    run = runs.begin(replace(REQUEST, steps=2, pictures=(PictureOrder(index=0, seed=1), PictureOrder(index=1, seed=2))))
    for index, step in ((0, 1), (0, 2), (1, 1)):
        runs.happened(wire.Happened(run.run_id, StepDone(index=index, step=step)))
        assert runs.at_work() == runs.requests() == (run.request,)
    runs.happened(wire.Happened(run.run_id, StepDone(index=1, step=2)))
    assert (runs.at_work(), runs.requests()) == ((), (run.request,))
