import pytest
from prometheus_client import Counter, Gauge, Histogram, generate_latest

from pipeline.adapters.telemetry import metrics

DECLARED = {name: metric for name, metric in vars(metrics).items() if isinstance(metric, (Counter, Gauge, Histogram))}
HISTOGRAMS = {name: metric for name, metric in DECLARED.items() if isinstance(metric, Histogram)}


@pytest.mark.parametrize("metric", DECLARED.values(), ids=DECLARED)
def test_a_scrape_shows_every_metric_with_its_help(metric: Counter | Gauge | Histogram) -> None:
    name = metric._name + ("_total" if isinstance(metric, Counter) else "")

    assert f"# HELP {name} {metric._documentation}" in generate_latest().decode()
    assert metric._documentation.endswith(".")


@pytest.mark.parametrize("metric", HISTOGRAMS.values(), ids=HISTOGRAMS)
def test_the_buckets_of_a_histogram_ascend_to_infinity(metric: Histogram) -> None:
    bounds = metric._kwargs["buckets"]

    assert list(bounds) == sorted(set(bounds))


def test_a_promised_close_within_a_second_can_be_read_off() -> None:
    assert 1 in metrics.STREAM_CLOSE_DELAY_SECONDS._kwargs["buckets"]


def test_a_name_says_its_stage_like_its_constant() -> None:
    for name, metric in DECLARED.items():
        assert metric._name.startswith(f"threadline_{name.split('_')[0].lower()}")
