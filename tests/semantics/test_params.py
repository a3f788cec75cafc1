"""A parameter of a saga has its value from the definition, for all of a commitment (section 2)."""

from tests.semantics.language import given, put, saga, sleep


def test_an_expression_reads_the_value_a_parameter_has() -> None:
    limit = {"limit": {"schema": {"type": "integer"}, "default": 3}}
    declared = {"n": {"schema": {"type": "integer"}, "initial": 0}}
    document = saga(put("set", n="params.limit + 1"), sleep("rest", "1d"), vars=declared)
    given(document | {"params": limit}).then(vars={"n": 4})
