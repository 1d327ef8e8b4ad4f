from pipeline.adapters.retry import Backoff


def test_pauses_double_up_to_a_bound() -> None:
    backoff = Backoff(seconds_max=1.0, first_seconds=0.1)

    for longest in (0.1, 0.2, 0.4, 0.8, 1.0, 1.0):
        assert longest / 2 <= backoff.pause() <= longest


def test_after_a_success_pauses_are_short_again() -> None:
    backoff = Backoff(seconds_max=1.0, first_seconds=0.1)
    for _ in range(5):
        backoff.pause()
    backoff.reset()

    assert backoff.pause() <= 0.1
