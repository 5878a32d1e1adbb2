"""Derivatives of normalizations."""

import pytest
from gradient.differences import Case, assert_derivative, batch, case, fixed, free

CASES = [
    case("BatchNormalization", batch(3, 4, 5), free(3), free(3), free(3), free(3, low=0.5)),
    case("BatchNormalization", batch(3, 4, 5), fixed(3), fixed(3), fixed(3), fixed(3, low=0.5), epsilon=0.1),
    case("BatchNormalization", batch(3), free(3), fixed(3), fixed(3), fixed(3, low=0.5)),
    case("InstanceNormalization", batch(3, 4, 5), free(3), free(3), epsilon=0.1),
    case("InstanceNormalization", batch(3, 4), free(3), free(3)),
    case("LayerNormalization", batch(3, 4), free(4), free(4)),
    case("LayerNormalization", batch(3, 4), free(3, 4), None, axis=1, epsilon=0.1),
    case("GroupNormalization", batch(6, 4, 3), free(2), free(2), num_groups=2),
    case("GroupNormalization", batch(4, 5), fixed(2), fixed(2), num_groups=2, epsilon=0.1),
    case("LpNormalization", batch(3, 4), p=1),
    case("LpNormalization", batch(3, 4), p=2, axis=1),
    case("LRN", batch(6, 2, 3), size=3, alpha=0.5, beta=0.6, bias=1.5),
    case("LRN", batch(5, 2, 2), size=4, alpha=0.5),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_derivative(case: Case) -> None:
    assert_derivative(case)
