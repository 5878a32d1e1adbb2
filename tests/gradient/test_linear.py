"""Derivatives of matrix products and convolutions."""

import pytest

from gradient.differences import Case, assert_derivative, batch, case, fixed, free
from versions import release

CASES = [
    case("MatMul", batch(3), free(3, 4)),
    case("MatMul", batch(3), fixed(3, 4)),
    case("MatMul", batch(2, 5, 3), free(3, 4)),
    case("MatMul", batch(1, 5, 3), batch(2, 3, 4)),
    case("MatMul", free(3), batch(3, 4)),
    case("MatMul", batch(2, 3), free(3)),
    case("MatMul", free(3), free(3)),
    case("Gemm", batch(3), free(3, 4), free(4), alpha=0.5, beta=2.0),
    case("Gemm", batch(3), fixed(4, 3), None, transB=1),
    case("Gemm", free(3, 2), free(3, 4), free(2, 1), transA=1),
    case("Gemm", free(3, 2), free(4, 3), free(), transA=1, transB=1),
    case("Einsum", batch(3, 4), free(4, 5), equation="nij,jk->nik"),
    case("Einsum", batch(3, 4), batch(5, 4), equation="nid, njd -> nij"),
    case("Einsum", batch(3, 4), equation="nij->n"),
    case("Einsum", batch(3, 4), free(4), equation="...j,j->..."),
    case("Einsum", batch(3, 4), equation="n...j->n..."),
    case("Einsum", batch(3, 4), free(4, 5), equation="...ij,jk->...ik"),
    case("Einsum", batch(3), free(3), equation="bi,i"),
    case("Conv", batch(2, 6), fixed(3, 2, 3)),
    case("Conv", batch(2, 6, 5), fixed(3, 2, 3, 3), pads=[1, 1, 1, 1]),
    case("Conv", batch(2, 6, 5), free(3, 2, 3, 3), free(3), pads=[1, 1, 1, 1]),
    case("Conv", batch(2, 6, 5), fixed(3, 2, 3, 2), fixed(3), pads=[2, 0, 0, 1]),
    case("Conv", batch(2, 6, 5), fixed(3, 2, 1, 1)),
    case("Conv", batch(2, 5, 5), fixed(3, 2, 1, 1), strides=[2, 2]),
    case("Conv", batch(2, 5, 5), fixed(3, 2, 1, 1), pads=[1, 1, 1, 1]),
    case("Conv", batch(2, 7, 6), free(3, 2, 3, 3), strides=[2, 3], pads=[1, 1, 1, 1]),
    case("Conv", batch(2, 8, 8), free(3, 2, 3, 2), strides=[2, 1], dilations=[2, 3], pads=[1, 2, 0, 1]),
    case("Conv", batch(4, 6, 5), fixed(6, 2, 3, 3), group=2, dilations=[2, 1]),
    case("Conv", batch(4, 6, 5), free(6, 2, 3, 3), group=2, strides=[2, 2]),
    case("Conv", batch(4, 6, 5), fixed(8, 1, 3, 3), group=4, pads=[1, 1, 1, 1]),
    case("Conv", batch(2, 6, 5), fixed(3, 2, 4, 3), auto_pad="SAME_UPPER"),
    case("Conv", batch(2, 7, 6), fixed(3, 2, 4, 3), auto_pad="SAME_LOWER", strides=[2, 3]),
    case("Conv", batch(2, 6, 5), fixed(3, 2, 4, 3), auto_pad="VALID"),
    case("Conv", batch(2, 6, 5), fixed(3, 2, 6, 5), fixed(3)),
    case("Conv", batch(4, 6, 5), fixed(6, 2, 5, 5), group=2),
    case("Conv", batch(2, 9), fixed(3, 2, 5), dilations=[2]),
    case("Conv", batch(2, 4, 4, 3), free(3, 2, 2, 3, 1), pads=[1, 0, 0, 0, 1, 0]),
    case("Conv", batch(2, 4, 4, 3), fixed(3, 2, 2, 3, 1), strides=[1, 2, 1]),
    case("ConvTranspose", batch(3, 4), free(3, 2, 3), free(2), strides=[2]),
    case("ConvTranspose", batch(3, 4, 5), fixed(3, 2, 3, 3), pads=[1, 1, 1, 1], linear=True),
    case(
        "ConvTranspose", batch(4, 4, 3), fixed(4, 3, 3, 2), group=2, strides=[2, 3], output_padding=[1, 1], linear=True
    ),
    case(
        "ConvTranspose",
        fixed(1, 4, 4, 3),
        free(4, 3, 3, 2),
        group=2,
        strides=[2, 3],
        output_padding=[1, 1],
        linear=True,
    ),
    case("ConvTranspose", batch(2, 4, 3), free(2, 3, 3, 2), dilations=[2, 1], pads=[0, 1, 2, 0]),
    case("ConvTranspose", batch(2, 4, 3), fixed(2, 3, 3, 3), strides=[2, 2], auto_pad="SAME_UPPER", linear=True),
    case("ConvTranspose", batch(2, 4, 3), fixed(2, 3, 3, 3), strides=[2, 2], output_shape=[8, 6], linear=True),
    case("ConvTranspose", batch(2, 5), fixed(2, 3, 4), strides=[3], output_shape=[14], output_padding=[1], linear=True),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_derivative(case: Case) -> None:
    if release("onnx") < (1, 23) and str(case).startswith(("Conv 4x4 auto_pad=SAME_LOWER", "Conv 4x4 auto_pad=VALID")):
        pytest.skip("this version's reference evaluator pads where it should not")
    assert_derivative(case)
