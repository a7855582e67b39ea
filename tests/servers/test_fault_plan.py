import pytest

from tests.servers.fault_plan import Fault, Plan, Rule


def chosen(plan, labels):
    return [number for number, label in enumerate(labels) if plan.choose(label)]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"match": "^commit$"}, [1]),
        ({"match": "^commit$", "count": 2}, [1, 3]),
        ({"match": "^commit$", "skip": 2}, [5]),
        ({"match": "^commit$", "skip": 1, "count": None}, [3, 5, 7]),
        ({"count": None}, list(range(8))),
        ({"match": "rollback", "count": None}, []),
        ({"count": 0}, []),
    ],
)
def test_a_rule_chooses_what_it_matches_after_those_it_skips_and_so_many(rule, expected):
    plan = Plan([Rule(fault=Fault.CUT_REPLY, **rule)])

    assert chosen(plan, ["BEGIN", "COMMIT"] * 4) == expected
    assert plan.is_done == (rule.get("count", 1) is None or len(expected) == rule.get("count", 1))


def test_the_seed_decides_about_chance():
    rule = Rule(fault=Fault.CUT_REPLY, count=None, probability=0.3)
    drawn = {seed: chosen(Plan([rule], seed=seed), ["x"] * 1000) for seed in (1, 2)}

    assert drawn[1] == chosen(Plan([rule], seed=1), ["x"] * 1000)
    assert drawn[1] != drawn[2]
    assert all(200 < len(numbers) < 400 for numbers in drawn.values())


def test_the_first_rule_that_applies_wins_and_a_cleared_plan_chooses_nothing():
    first, second = Rule(fault=Fault.CUT_REPLY), Rule(fault=Fault.CUT_REQUEST, count=None)
    plan = Plan([first])
    plan.add(second)

    assert [plan.choose("x"), plan.choose("x"), plan.choose("x")] == [first, second, second]
    plan.clear()
    assert plan.choose("x") is None
