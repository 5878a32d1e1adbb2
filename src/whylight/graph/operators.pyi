"""The operators of ONNX's operator set 20: made by `python scripts/make_operators.py`, not by hand."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import onnx

from whylight.graph.tensor import Operand, Tensor

class Operators(ABC):
    @abstractmethod
    def node(
        self, op_type: str, operands: Sequence[Operand], outputs: int, **attributes: Any
    ) -> tuple[Tensor, ...]: ...
    def Abs(self, X: Operand, /) -> Tensor: ...
    def Acos(self, input: Operand, /) -> Tensor: ...
    def Acosh(self, input: Operand, /) -> Tensor: ...
    def Add(self, A: Operand, B: Operand, /) -> Tensor: ...
    def AffineGrid(self, theta: Operand, size: Operand, /, *, align_corners: int | None = None) -> Tensor: ...
    def And(self, A: Operand, B: Operand, /) -> Tensor: ...
    def ArgMax(
        self,
        data: Operand,
        /,
        *,
        axis: int | None = None,
        keepdims: int | None = None,
        select_last_index: int | None = None,
    ) -> Tensor: ...
    def ArgMin(
        self,
        data: Operand,
        /,
        *,
        axis: int | None = None,
        keepdims: int | None = None,
        select_last_index: int | None = None,
    ) -> Tensor: ...
    def Asin(self, input: Operand, /) -> Tensor: ...
    def Asinh(self, input: Operand, /) -> Tensor: ...
    def Atan(self, input: Operand, /) -> Tensor: ...
    def Atanh(self, input: Operand, /) -> Tensor: ...
    def AveragePool(
        self,
        X: Operand,
        /,
        *,
        auto_pad: str | None = None,
        ceil_mode: int | None = None,
        count_include_pad: int | None = None,
        dilations: Sequence[int] | None = None,
        kernel_shape: Sequence[int],
        pads: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
    ) -> Tensor: ...
    def BatchNormalization(
        self,
        X: Operand,
        scale: Operand,
        B: Operand,
        input_mean: Operand,
        input_var: Operand,
        /,
        *,
        epsilon: float | None = None,
        momentum: float | None = None,
        training_mode: int | None = None,
    ) -> Tensor: ...
    def Bernoulli(self, input: Operand, /, *, dtype: int | None = None, seed: float | None = None) -> Tensor: ...
    def BitShift(self, X: Operand, Y: Operand, /, *, direction: str) -> Tensor: ...
    def BitwiseAnd(self, A: Operand, B: Operand, /) -> Tensor: ...
    def BitwiseNot(self, X: Operand, /) -> Tensor: ...
    def BitwiseOr(self, A: Operand, B: Operand, /) -> Tensor: ...
    def BitwiseXor(self, A: Operand, B: Operand, /) -> Tensor: ...
    def BlackmanWindow(
        self,
        size: Operand,
        /,
        *,
        output_datatype: int | None = None,
        periodic: int | None = None,
    ) -> Tensor: ...
    def Cast(self, input: Operand, /, *, saturate: int | None = None, to: int) -> Tensor: ...
    def CastLike(self, input: Operand, target_type: Operand, /, *, saturate: int | None = None) -> Tensor: ...
    def Ceil(self, X: Operand, /) -> Tensor: ...
    def Celu(self, X: Operand, /, *, alpha: float | None = None) -> Tensor: ...
    def CenterCropPad(self, input_data: Operand, shape: Operand, /, *, axes: Sequence[int] | None = None) -> Tensor: ...
    def Clip(self, input: Operand, min: Operand = None, max: Operand = None, /) -> Tensor: ...
    def Col2Im(
        self,
        input: Operand,
        image_shape: Operand,
        block_shape: Operand,
        /,
        *,
        dilations: Sequence[int] | None = None,
        pads: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
    ) -> Tensor: ...
    def Compress(self, input: Operand, condition: Operand, /, *, axis: int | None = None) -> Tensor: ...
    def Concat(self, /, *inputs: Operand, axis: int) -> Tensor: ...
    def ConcatFromSequence(self, input_sequence: Operand, /, *, axis: int, new_axis: int | None = None) -> Tensor: ...
    def Constant(
        self,
        /,
        *,
        sparse_value: onnx.SparseTensorProto | None = None,
        value: onnx.TensorProto | None = None,
        value_float: float | None = None,
        value_floats: Sequence[float] | None = None,
        value_int: int | None = None,
        value_ints: Sequence[int] | None = None,
        value_string: str | None = None,
        value_strings: Sequence[str] | None = None,
    ) -> Tensor: ...
    def ConstantOfShape(self, input: Operand, /, *, value: onnx.TensorProto | None = None) -> Tensor: ...
    def Conv(
        self,
        X: Operand,
        W: Operand,
        B: Operand = None,
        /,
        *,
        auto_pad: str | None = None,
        dilations: Sequence[int] | None = None,
        group: int | None = None,
        kernel_shape: Sequence[int] | None = None,
        pads: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
    ) -> Tensor: ...
    def ConvInteger(
        self,
        x: Operand,
        w: Operand,
        x_zero_point: Operand = None,
        w_zero_point: Operand = None,
        /,
        *,
        auto_pad: str | None = None,
        dilations: Sequence[int] | None = None,
        group: int | None = None,
        kernel_shape: Sequence[int] | None = None,
        pads: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
    ) -> Tensor: ...
    def ConvTranspose(
        self,
        X: Operand,
        W: Operand,
        B: Operand = None,
        /,
        *,
        auto_pad: str | None = None,
        dilations: Sequence[int] | None = None,
        group: int | None = None,
        kernel_shape: Sequence[int] | None = None,
        output_padding: Sequence[int] | None = None,
        output_shape: Sequence[int] | None = None,
        pads: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
    ) -> Tensor: ...
    def Cos(self, input: Operand, /) -> Tensor: ...
    def Cosh(self, input: Operand, /) -> Tensor: ...
    def CumSum(
        self,
        x: Operand,
        axis: Operand,
        /,
        *,
        exclusive: int | None = None,
        reverse: int | None = None,
    ) -> Tensor: ...
    def DFT(
        self,
        input: Operand,
        dft_length: Operand = None,
        axis: Operand = None,
        /,
        *,
        inverse: int | None = None,
        onesided: int | None = None,
    ) -> Tensor: ...
    def DeformConv(
        self,
        X: Operand,
        W: Operand,
        offset: Operand,
        B: Operand = None,
        mask: Operand = None,
        /,
        *,
        dilations: Sequence[int] | None = None,
        group: int | None = None,
        kernel_shape: Sequence[int] | None = None,
        offset_group: int | None = None,
        pads: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
    ) -> Tensor: ...
    def DepthToSpace(self, input: Operand, /, *, blocksize: int, mode: str | None = None) -> Tensor: ...
    def DequantizeLinear(
        self,
        x: Operand,
        x_scale: Operand,
        x_zero_point: Operand = None,
        /,
        *,
        axis: int | None = None,
    ) -> Tensor: ...
    def Det(self, X: Operand, /) -> Tensor: ...
    def Div(self, A: Operand, B: Operand, /) -> Tensor: ...
    def Dropout(
        self,
        data: Operand,
        ratio: Operand = None,
        training_mode: Operand = None,
        /,
        *,
        seed: int | None = None,
    ) -> Tensor: ...
    def Einsum(self, /, *Inputs: Operand, equation: str) -> Tensor: ...
    def Elu(self, X: Operand, /, *, alpha: float | None = None) -> Tensor: ...
    def Equal(self, A: Operand, B: Operand, /) -> Tensor: ...
    def Erf(self, input: Operand, /) -> Tensor: ...
    def Exp(self, input: Operand, /) -> Tensor: ...
    def Expand(self, input: Operand, shape: Operand, /) -> Tensor: ...
    def EyeLike(self, input: Operand, /, *, dtype: int | None = None, k: int | None = None) -> Tensor: ...
    def Flatten(self, input: Operand, /, *, axis: int | None = None) -> Tensor: ...
    def Floor(self, X: Operand, /) -> Tensor: ...
    def GRU(
        self,
        X: Operand,
        W: Operand,
        R: Operand,
        B: Operand = None,
        sequence_lens: Operand = None,
        initial_h: Operand = None,
        /,
        *,
        activation_alpha: Sequence[float] | None = None,
        activation_beta: Sequence[float] | None = None,
        activations: Sequence[str] | None = None,
        clip: float | None = None,
        direction: str | None = None,
        hidden_size: int | None = None,
        layout: int | None = None,
        linear_before_reset: int | None = None,
    ) -> Tensor: ...
    def Gather(self, data: Operand, indices: Operand, /, *, axis: int | None = None) -> Tensor: ...
    def GatherElements(self, data: Operand, indices: Operand, /, *, axis: int | None = None) -> Tensor: ...
    def GatherND(self, data: Operand, indices: Operand, /, *, batch_dims: int | None = None) -> Tensor: ...
    def Gelu(self, X: Operand, /, *, approximate: str | None = None) -> Tensor: ...
    def Gemm(
        self,
        A: Operand,
        B: Operand,
        C: Operand = None,
        /,
        *,
        alpha: float | None = None,
        beta: float | None = None,
        transA: int | None = None,
        transB: int | None = None,
    ) -> Tensor: ...
    def GlobalAveragePool(self, X: Operand, /) -> Tensor: ...
    def GlobalLpPool(self, X: Operand, /, *, p: int | None = None) -> Tensor: ...
    def GlobalMaxPool(self, X: Operand, /) -> Tensor: ...
    def Greater(self, A: Operand, B: Operand, /) -> Tensor: ...
    def GreaterOrEqual(self, A: Operand, B: Operand, /) -> Tensor: ...
    def GridSample(
        self,
        X: Operand,
        grid: Operand,
        /,
        *,
        align_corners: int | None = None,
        mode: str | None = None,
        padding_mode: str | None = None,
    ) -> Tensor: ...
    def HammingWindow(
        self,
        size: Operand,
        /,
        *,
        output_datatype: int | None = None,
        periodic: int | None = None,
    ) -> Tensor: ...
    def HannWindow(
        self,
        size: Operand,
        /,
        *,
        output_datatype: int | None = None,
        periodic: int | None = None,
    ) -> Tensor: ...
    def HardSigmoid(self, X: Operand, /, *, alpha: float | None = None, beta: float | None = None) -> Tensor: ...
    def HardSwish(self, X: Operand, /) -> Tensor: ...
    def Hardmax(self, input: Operand, /, *, axis: int | None = None) -> Tensor: ...
    def Identity(self, input: Operand, /) -> Tensor: ...
    def If(self, cond: Operand, /, *, else_branch: onnx.GraphProto, then_branch: onnx.GraphProto) -> Tensor: ...
    def ImageDecoder(self, encoded_stream: Operand, /, *, pixel_format: str | None = None) -> Tensor: ...
    def InstanceNormalization(
        self,
        input: Operand,
        scale: Operand,
        B: Operand,
        /,
        *,
        epsilon: float | None = None,
    ) -> Tensor: ...
    def IsInf(
        self,
        X: Operand,
        /,
        *,
        detect_negative: int | None = None,
        detect_positive: int | None = None,
    ) -> Tensor: ...
    def IsNaN(self, X: Operand, /) -> Tensor: ...
    def LRN(
        self,
        X: Operand,
        /,
        *,
        alpha: float | None = None,
        beta: float | None = None,
        bias: float | None = None,
        size: int,
    ) -> Tensor: ...
    def LSTM(
        self,
        X: Operand,
        W: Operand,
        R: Operand,
        B: Operand = None,
        sequence_lens: Operand = None,
        initial_h: Operand = None,
        initial_c: Operand = None,
        P: Operand = None,
        /,
        *,
        activation_alpha: Sequence[float] | None = None,
        activation_beta: Sequence[float] | None = None,
        activations: Sequence[str] | None = None,
        clip: float | None = None,
        direction: str | None = None,
        hidden_size: int | None = None,
        input_forget: int | None = None,
        layout: int | None = None,
    ) -> Tensor: ...
    def LayerNormalization(
        self,
        X: Operand,
        Scale: Operand,
        B: Operand = None,
        /,
        *,
        axis: int | None = None,
        epsilon: float | None = None,
        stash_type: int | None = None,
    ) -> Tensor: ...
    def LeakyRelu(self, X: Operand, /, *, alpha: float | None = None) -> Tensor: ...
    def Less(self, A: Operand, B: Operand, /) -> Tensor: ...
    def LessOrEqual(self, A: Operand, B: Operand, /) -> Tensor: ...
    def Log(self, input: Operand, /) -> Tensor: ...
    def LogSoftmax(self, input: Operand, /, *, axis: int | None = None) -> Tensor: ...
    def Loop(
        self,
        M: Operand = None,
        cond: Operand = None,
        /,
        *v_initial: Operand,
        body: onnx.GraphProto,
    ) -> Tensor: ...
    def LpNormalization(self, input: Operand, /, *, axis: int | None = None, p: int | None = None) -> Tensor: ...
    def LpPool(
        self,
        X: Operand,
        /,
        *,
        auto_pad: str | None = None,
        ceil_mode: int | None = None,
        dilations: Sequence[int] | None = None,
        kernel_shape: Sequence[int],
        p: int | None = None,
        pads: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
    ) -> Tensor: ...
    def MatMul(self, A: Operand, B: Operand, /) -> Tensor: ...
    def MatMulInteger(
        self,
        A: Operand,
        B: Operand,
        a_zero_point: Operand = None,
        b_zero_point: Operand = None,
        /,
    ) -> Tensor: ...
    def Max(self, /, *data_0: Operand) -> Tensor: ...
    def MaxPool(
        self,
        X: Operand,
        /,
        *,
        auto_pad: str | None = None,
        ceil_mode: int | None = None,
        dilations: Sequence[int] | None = None,
        kernel_shape: Sequence[int],
        pads: Sequence[int] | None = None,
        storage_order: int | None = None,
        strides: Sequence[int] | None = None,
    ) -> Tensor: ...
    def MaxRoiPool(
        self,
        X: Operand,
        rois: Operand,
        /,
        *,
        pooled_shape: Sequence[int],
        spatial_scale: float | None = None,
    ) -> Tensor: ...
    def MaxUnpool(
        self,
        X: Operand,
        I: Operand,
        output_shape: Operand = None,
        /,
        *,
        kernel_shape: Sequence[int],
        pads: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
    ) -> Tensor: ...
    def Mean(self, /, *data_0: Operand) -> Tensor: ...
    def MeanVarianceNormalization(self, X: Operand, /, *, axes: Sequence[int] | None = None) -> Tensor: ...
    def MelWeightMatrix(
        self,
        num_mel_bins: Operand,
        dft_length: Operand,
        sample_rate: Operand,
        lower_edge_hertz: Operand,
        upper_edge_hertz: Operand,
        /,
        *,
        output_datatype: int | None = None,
    ) -> Tensor: ...
    def Min(self, /, *data_0: Operand) -> Tensor: ...
    def Mish(self, X: Operand, /) -> Tensor: ...
    def Mod(self, A: Operand, B: Operand, /, *, fmod: int | None = None) -> Tensor: ...
    def Mul(self, A: Operand, B: Operand, /) -> Tensor: ...
    def Multinomial(
        self,
        input: Operand,
        /,
        *,
        dtype: int | None = None,
        sample_size: int | None = None,
        seed: float | None = None,
    ) -> Tensor: ...
    def Neg(self, X: Operand, /) -> Tensor: ...
    def NegativeLogLikelihoodLoss(
        self,
        input: Operand,
        target: Operand,
        weight: Operand = None,
        /,
        *,
        ignore_index: int | None = None,
        reduction: str | None = None,
    ) -> Tensor: ...
    def NonMaxSuppression(
        self,
        boxes: Operand,
        scores: Operand,
        max_output_boxes_per_class: Operand = None,
        iou_threshold: Operand = None,
        score_threshold: Operand = None,
        /,
        *,
        center_point_box: int | None = None,
    ) -> Tensor: ...
    def NonZero(self, X: Operand, /) -> Tensor: ...
    def Not(self, X: Operand, /) -> Tensor: ...
    def OneHot(self, indices: Operand, depth: Operand, values: Operand, /, *, axis: int | None = None) -> Tensor: ...
    def Optional(self, input: Operand = None, /, *, type: onnx.TypeProto | None = None) -> Tensor: ...
    def OptionalGetElement(self, input: Operand, /) -> Tensor: ...
    def OptionalHasElement(self, input: Operand = None, /) -> Tensor: ...
    def Or(self, A: Operand, B: Operand, /) -> Tensor: ...
    def PRelu(self, X: Operand, slope: Operand, /) -> Tensor: ...
    def Pad(
        self,
        data: Operand,
        pads: Operand,
        constant_value: Operand = None,
        axes: Operand = None,
        /,
        *,
        mode: str | None = None,
    ) -> Tensor: ...
    def Pow(self, X: Operand, Y: Operand, /) -> Tensor: ...
    def QLinearConv(
        self,
        x: Operand,
        x_scale: Operand,
        x_zero_point: Operand,
        w: Operand,
        w_scale: Operand,
        w_zero_point: Operand,
        y_scale: Operand,
        y_zero_point: Operand,
        B: Operand = None,
        /,
        *,
        auto_pad: str | None = None,
        dilations: Sequence[int] | None = None,
        group: int | None = None,
        kernel_shape: Sequence[int] | None = None,
        pads: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
    ) -> Tensor: ...
    def QLinearMatMul(
        self,
        a: Operand,
        a_scale: Operand,
        a_zero_point: Operand,
        b: Operand,
        b_scale: Operand,
        b_zero_point: Operand,
        y_scale: Operand,
        y_zero_point: Operand,
        /,
    ) -> Tensor: ...
    def QuantizeLinear(
        self,
        x: Operand,
        y_scale: Operand,
        y_zero_point: Operand = None,
        /,
        *,
        axis: int | None = None,
        saturate: int | None = None,
    ) -> Tensor: ...
    def RNN(
        self,
        X: Operand,
        W: Operand,
        R: Operand,
        B: Operand = None,
        sequence_lens: Operand = None,
        initial_h: Operand = None,
        /,
        *,
        activation_alpha: Sequence[float] | None = None,
        activation_beta: Sequence[float] | None = None,
        activations: Sequence[str] | None = None,
        clip: float | None = None,
        direction: str | None = None,
        hidden_size: int | None = None,
        layout: int | None = None,
    ) -> Tensor: ...
    def RandomNormal(
        self,
        /,
        *,
        dtype: int | None = None,
        mean: float | None = None,
        scale: float | None = None,
        seed: float | None = None,
        shape: Sequence[int],
    ) -> Tensor: ...
    def RandomNormalLike(
        self,
        input: Operand,
        /,
        *,
        dtype: int | None = None,
        mean: float | None = None,
        scale: float | None = None,
        seed: float | None = None,
    ) -> Tensor: ...
    def RandomUniform(
        self,
        /,
        *,
        dtype: int | None = None,
        high: float | None = None,
        low: float | None = None,
        seed: float | None = None,
        shape: Sequence[int],
    ) -> Tensor: ...
    def RandomUniformLike(
        self,
        input: Operand,
        /,
        *,
        dtype: int | None = None,
        high: float | None = None,
        low: float | None = None,
        seed: float | None = None,
    ) -> Tensor: ...
    def Range(self, start: Operand, limit: Operand, delta: Operand, /) -> Tensor: ...
    def Reciprocal(self, X: Operand, /) -> Tensor: ...
    def ReduceL1(
        self,
        data: Operand,
        axes: Operand = None,
        /,
        *,
        keepdims: int | None = None,
        noop_with_empty_axes: int | None = None,
    ) -> Tensor: ...
    def ReduceL2(
        self,
        data: Operand,
        axes: Operand = None,
        /,
        *,
        keepdims: int | None = None,
        noop_with_empty_axes: int | None = None,
    ) -> Tensor: ...
    def ReduceLogSum(
        self,
        data: Operand,
        axes: Operand = None,
        /,
        *,
        keepdims: int | None = None,
        noop_with_empty_axes: int | None = None,
    ) -> Tensor: ...
    def ReduceLogSumExp(
        self,
        data: Operand,
        axes: Operand = None,
        /,
        *,
        keepdims: int | None = None,
        noop_with_empty_axes: int | None = None,
    ) -> Tensor: ...
    def ReduceMax(
        self,
        data: Operand,
        axes: Operand = None,
        /,
        *,
        keepdims: int | None = None,
        noop_with_empty_axes: int | None = None,
    ) -> Tensor: ...
    def ReduceMean(
        self,
        data: Operand,
        axes: Operand = None,
        /,
        *,
        keepdims: int | None = None,
        noop_with_empty_axes: int | None = None,
    ) -> Tensor: ...
    def ReduceMin(
        self,
        data: Operand,
        axes: Operand = None,
        /,
        *,
        keepdims: int | None = None,
        noop_with_empty_axes: int | None = None,
    ) -> Tensor: ...
    def ReduceProd(
        self,
        data: Operand,
        axes: Operand = None,
        /,
        *,
        keepdims: int | None = None,
        noop_with_empty_axes: int | None = None,
    ) -> Tensor: ...
    def ReduceSum(
        self,
        data: Operand,
        axes: Operand = None,
        /,
        *,
        keepdims: int | None = None,
        noop_with_empty_axes: int | None = None,
    ) -> Tensor: ...
    def ReduceSumSquare(
        self,
        data: Operand,
        axes: Operand = None,
        /,
        *,
        keepdims: int | None = None,
        noop_with_empty_axes: int | None = None,
    ) -> Tensor: ...
    def RegexFullMatch(self, X: Operand, /, *, pattern: str | None = None) -> Tensor: ...
    def Relu(self, X: Operand, /) -> Tensor: ...
    def Reshape(self, data: Operand, shape: Operand, /, *, allowzero: int | None = None) -> Tensor: ...
    def Resize(
        self,
        X: Operand,
        roi: Operand = None,
        scales: Operand = None,
        sizes: Operand = None,
        /,
        *,
        antialias: int | None = None,
        axes: Sequence[int] | None = None,
        coordinate_transformation_mode: str | None = None,
        cubic_coeff_a: float | None = None,
        exclude_outside: int | None = None,
        extrapolation_value: float | None = None,
        keep_aspect_ratio_policy: str | None = None,
        mode: str | None = None,
        nearest_mode: str | None = None,
    ) -> Tensor: ...
    def ReverseSequence(
        self,
        input: Operand,
        sequence_lens: Operand,
        /,
        *,
        batch_axis: int | None = None,
        time_axis: int | None = None,
    ) -> Tensor: ...
    def RoiAlign(
        self,
        X: Operand,
        rois: Operand,
        batch_indices: Operand,
        /,
        *,
        coordinate_transformation_mode: str | None = None,
        mode: str | None = None,
        output_height: int | None = None,
        output_width: int | None = None,
        sampling_ratio: int | None = None,
        spatial_scale: float | None = None,
    ) -> Tensor: ...
    def Round(self, X: Operand, /) -> Tensor: ...
    def STFT(
        self,
        signal: Operand,
        frame_step: Operand,
        window: Operand = None,
        frame_length: Operand = None,
        /,
        *,
        onesided: int | None = None,
    ) -> Tensor: ...
    def Scan(
        self,
        /,
        *initial_state_and_scan_inputs: Operand,
        body: onnx.GraphProto,
        num_scan_inputs: int,
        scan_input_axes: Sequence[int] | None = None,
        scan_input_directions: Sequence[int] | None = None,
        scan_output_axes: Sequence[int] | None = None,
        scan_output_directions: Sequence[int] | None = None,
    ) -> Tensor: ...
    def ScatterElements(
        self,
        data: Operand,
        indices: Operand,
        updates: Operand,
        /,
        *,
        axis: int | None = None,
        reduction: str | None = None,
    ) -> Tensor: ...
    def ScatterND(
        self,
        data: Operand,
        indices: Operand,
        updates: Operand,
        /,
        *,
        reduction: str | None = None,
    ) -> Tensor: ...
    def Selu(self, X: Operand, /, *, alpha: float | None = None, gamma: float | None = None) -> Tensor: ...
    def SequenceAt(self, input_sequence: Operand, position: Operand, /) -> Tensor: ...
    def SequenceConstruct(self, /, *inputs: Operand) -> Tensor: ...
    def SequenceEmpty(self, /, *, dtype: int | None = None) -> Tensor: ...
    def SequenceErase(self, input_sequence: Operand, position: Operand = None, /) -> Tensor: ...
    def SequenceInsert(self, input_sequence: Operand, tensor: Operand, position: Operand = None, /) -> Tensor: ...
    def SequenceLength(self, input_sequence: Operand, /) -> Tensor: ...
    def SequenceMap(self, input_sequence: Operand, /, *additional_inputs: Operand, body: onnx.GraphProto) -> Tensor: ...
    def Shape(self, data: Operand, /, *, end: int | None = None, start: int | None = None) -> Tensor: ...
    def Shrink(self, input: Operand, /, *, bias: float | None = None, lambd: float | None = None) -> Tensor: ...
    def Sigmoid(self, X: Operand, /) -> Tensor: ...
    def Sign(self, input: Operand, /) -> Tensor: ...
    def Sin(self, input: Operand, /) -> Tensor: ...
    def Sinh(self, input: Operand, /) -> Tensor: ...
    def Size(self, data: Operand, /) -> Tensor: ...
    def Slice(
        self,
        data: Operand,
        starts: Operand,
        ends: Operand,
        axes: Operand = None,
        steps: Operand = None,
        /,
    ) -> Tensor: ...
    def Softmax(self, input: Operand, /, *, axis: int | None = None) -> Tensor: ...
    def SoftmaxCrossEntropyLoss(
        self,
        scores: Operand,
        labels: Operand,
        weights: Operand = None,
        /,
        *,
        ignore_index: int | None = None,
        reduction: str | None = None,
    ) -> Tensor: ...
    def Softplus(self, X: Operand, /) -> Tensor: ...
    def Softsign(self, input: Operand, /) -> Tensor: ...
    def SpaceToDepth(self, input: Operand, /, *, blocksize: int) -> Tensor: ...
    def Split(
        self,
        input: Operand,
        split: Operand = None,
        /,
        *,
        axis: int | None = None,
        num_outputs: int | None = None,
    ) -> Tensor: ...
    def SplitToSequence(
        self,
        input: Operand,
        split: Operand = None,
        /,
        *,
        axis: int | None = None,
        keepdims: int | None = None,
    ) -> Tensor: ...
    def Sqrt(self, X: Operand, /) -> Tensor: ...
    def Squeeze(self, data: Operand, axes: Operand = None, /) -> Tensor: ...
    def StringConcat(self, X: Operand, Y: Operand, /) -> Tensor: ...
    def StringNormalizer(
        self,
        X: Operand,
        /,
        *,
        case_change_action: str | None = None,
        is_case_sensitive: int | None = None,
        locale: str | None = None,
        stopwords: Sequence[str] | None = None,
    ) -> Tensor: ...
    def Sub(self, A: Operand, B: Operand, /) -> Tensor: ...
    def Sum(self, /, *data_0: Operand) -> Tensor: ...
    def Tan(self, input: Operand, /) -> Tensor: ...
    def Tanh(self, input: Operand, /) -> Tensor: ...
    def TfIdfVectorizer(
        self,
        X: Operand,
        /,
        *,
        max_gram_length: int,
        max_skip_count: int,
        min_gram_length: int,
        mode: str,
        ngram_counts: Sequence[int],
        ngram_indexes: Sequence[int],
        pool_int64s: Sequence[int] | None = None,
        pool_strings: Sequence[str] | None = None,
        weights: Sequence[float] | None = None,
    ) -> Tensor: ...
    def ThresholdedRelu(self, X: Operand, /, *, alpha: float | None = None) -> Tensor: ...
    def Tile(self, input: Operand, repeats: Operand, /) -> Tensor: ...
    def Transpose(self, data: Operand, /, *, perm: Sequence[int] | None = None) -> Tensor: ...
    def Trilu(self, input: Operand, k: Operand = None, /, *, upper: int | None = None) -> Tensor: ...
    def Unique(self, X: Operand, /, *, axis: int | None = None, sorted: int | None = None) -> Tensor: ...
    def Unsqueeze(self, data: Operand, axes: Operand, /) -> Tensor: ...
    def Where(self, condition: Operand, X: Operand, Y: Operand, /) -> Tensor: ...
    def Xor(self, A: Operand, B: Operand, /) -> Tensor: ...
