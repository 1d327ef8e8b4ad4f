from uuid import UUID

from pipeline.events.rules import RULE_DECODER, Rule, RuleEvaluator, RuleFilter, rule_deletion

RULE = Rule(
    id=UUID(int=1),
    workspace="wörk",
    project_id=UUID(int=2),
    name="daily",
    sampling_rate=0.5,
    filters=(RuleFilter("turns", ">", "3"),),
    evaluators=(RuleEvaluator("goal_words", "paid", {"words": ["paid"]}), RuleEvaluator("turns")),
    created_at_us=1,
    version_us=2,
)


def test_a_rule_is_read_back_from_its_record() -> None:
    record = RULE.record()

    assert RULE_DECODER.decode(record.value or b"") == RULE
    assert record.headers[0] == ("kind", b"rule")


def test_a_deletion_has_the_key_of_the_rule_and_no_value() -> None:
    deletion = rule_deletion("wörk", UUID(int=1))

    assert (deletion.key, deletion.value) == (RULE.record().key, None)


def test_an_evaluator_is_called_by_its_label_or_its_kind() -> None:
    assert [evaluator.called for evaluator in RULE.evaluators] == ["paid", "turns"]
