"""How layers (convolutions, pools, norms, attention, arithmetic) change footprints."""

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from marey.network.footprints.call import Call, Result, Rule
from marey.network.footprints.footprint import blank, bounded, broadcast, contracted, join, permuted, project
from marey.network.footprints.places import gathered, stretched, window


def pointwise(call: Call) -> Result:
    """Every element sees what the elements at its place see."""
    return join([call.of(tensor) for tensor in call.tensors], call.shape, cause=call.name)


def _same(call: Call) -> Result:
    return call.subject


def nothing(call: Call) -> Result:
    """The shape of a tensor is taken, not its values."""
    return blank(call.shape)


def written(call: Call) -> Result:
    """Copy and fill: what was there is gone."""
    value = call.get("src") if "src" in call.arguments else call.get("value")
    return broadcast(call.of(value), call.shape) if isinstance(value, Tensor) else blank(call.shape)


def _convolution(call: Call) -> Result:
    if call.tracked("weight", "bias"):
        return None
    seen = call.of(call["input"])
    count = len(seen.dims) - 2
    mixed = contracted(seen, [1], size=call.shape[1])
    if call["groups"] > 1 and any(factor.steps or factor.loose for factor in seen.dims[1]):
        mixed = bounded(mixed, {p for f in seen.dims[1] for p in (*f.steps, *f.loose)}, call.name)
    kernel = call["weight"].shape[2:]
    stride, padding, dilation = (call.each(name, count) for name in ("stride", "padding", "dilation"))
    for k in range(count):
        reach = dilation[k] * (kernel[k] - 1)
        size = call.shape[2 + k]
        if call["transposed"]:
            place = np.arange(size) + padding[k]
            lows, highs = -((reach - place) // stride[k]), place // stride[k]
            last = seen.shape[2 + k] - 1
            lows, highs = lows.clip(0, last), highs.clip(0, last)
            lows, highs = np.minimum(lows, highs), np.maximum(lows, highs)
            mixed = stretched(mixed, 2 + k, lows, highs, cause=call.name)
        else:
            mixed = window(mixed, 2 + k, offset=-padding[k], stride=stride[k], reach=reach, size=size, cause=call.name)
    return mixed


def _pool(call: Call) -> Result:
    seen = call.subject
    count = int(call.name.split("d")[0][-1]) if "d" in call.name else 1
    kernel = call.each("kernel_size", count)
    stride = call.each("stride", count, kernel)
    padding = call.each("padding", count, 0)
    dilation = call.each("dilation", count, 1)
    for k in range(count):
        dim = len(seen.dims) - count + k
        seen = window(
            seen,
            dim,
            offset=-padding[k],
            stride=stride[k],
            reach=dilation[k] * (kernel[k] - 1),
            size=call.shape[dim],
            cause=call.name,
        )
    return seen


def _adaptive_pool(call: Call) -> Result:
    seen = call.subject
    count = len(call.each("output_size", 1))
    for dim in range(len(seen.dims) - count, len(seen.dims)):
        before, after = seen.shape[dim], call.shape[dim]
        if after == before:
            continue
        if after == 1:
            seen = contracted(seen, [dim])
        elif before % after == 0:
            ratio = before // after
            seen = window(seen, dim, offset=0, stride=ratio, reach=ratio - 1, size=after, cause=call.name)
        else:
            index = np.arange(after)
            seen = stretched(seen, dim, index * before // after, -(-(index + 1) * before // after) - 1, cause=call.name)
    return seen


def _upsample(call: Call) -> Result:
    seen = call.subject
    linear = "linear" in call.name
    for dim in range(2, len(seen.dims)):
        before, after = seen.shape[dim], call.shape[dim]
        if before == after:
            continue
        if linear:
            if call["align_corners"]:
                center = np.arange(after) * ((before - 1) / max(1, after - 1))
            else:
                center = (np.arange(after) + 0.5) * (before / after) - 0.5
            lows = np.floor(center - 1e-6).astype(np.int64).clip(0, before - 1)
            highs = np.ceil(center + 1e-6).astype(np.int64).clip(0, before - 1)
            seen = stretched(seen, dim, lows, highs, cause=call.name)
        else:
            seen = gathered(seen, dim, np.arange(after) * before // after, cause=call.name)
    return seen


def _batch_norm(call: Call) -> Result:
    seen = call.subject
    training = call.get("training")
    if training is None:
        training = "training" not in call.name and "no_update" not in call.name
    if training:
        seen = project(seen, [dim for dim in range(len(seen.dims)) if dim != 1])
    return [seen]


def _layer_norm(call: Call) -> Result:
    count = len(call["normalized_shape"])
    return [project(call.subject, range(len(call.subject.dims) - count, len(call.subject.dims)))]


def _group_norm(call: Call) -> Result:
    return [project(call.subject, range(1, len(call.subject.dims)))]


def _softmax(call: Call) -> Result:
    return project(call.subject, [call["dim"]])


def _scan(call: Call) -> Result:
    """Cumulative and sorting operations, which mix one dimension in an order that is not followed."""
    dim = call.get("dim")
    if dim is None:
        dim = -1
    seen = project(call.subject, [dim], cause=call.name)
    if seen.shape != call.shape:
        seen = contracted(seen, [dim], size=call.shape[dim])
        seen = bounded(seen, seen.spans, call.name)
    return seen


def _reduction(call: Call) -> Result:
    seen = call.subject
    count = len(seen.dims)
    dims = call.get("dim")
    if dims is None or dims == []:
        dims = range(count)
    chosen = {d % count for d in ([dims] if isinstance(dims, int) else dims)} if count else set()
    seen = contracted(seen, chosen)
    if len(call.shape) != count:
        seen = permuted(seen, [d for d in range(count) if d not in chosen])
    return seen


def _glu(call: Call) -> Result:
    dim = call["dim"]
    halves = np.arange(call.subject.shape[dim])
    middle = len(halves) // 2
    dim %= len(call.subject.dims)
    parts = [gathered(call.subject, dim, half, cause=call.name) for half in (halves[:middle], halves[middle:])]
    return join(parts, call.shape, cause=call.name)


def _product(call: Call) -> Result:
    """mm, bmm, addmm and the like: the last dimension of one with the last but one of the other."""
    *added, left, right = (call.of(value) for value in call.arguments.values() if isinstance(value, Tensor))
    if len(left.dims) < 2 or len(right.dims) < 2:
        return None
    return join([contracted(left, [-1]), contracted(right, [-2]), *added], call.shape, cause=call.name)


def _linear(call: Call) -> Result:
    if call.tracked("weight", "bias"):
        return None
    seen = call.of(call["input"])
    return contracted(seen, [len(seen.dims) - 1], size=call.shape[-1])


def _attention(call: Call) -> Result:
    query, key, value = (call.of(call[name]) for name in ("query", "key", "value"))
    size = call.shape[-1]
    parts = [contracted(query, [-1], size=size)]
    parts += [contracted(contracted(part, [-2]), [-1], size=size) for part in (key, value)]
    mask = call.get("attn_mask")
    mask = call.get("attn_bias") if mask is None else mask
    seen = join(parts, call.shape, cause=call.name)
    if mask is not None or call.get("is_causal"):
        seen = bounded(seen, seen.spans, f"{call.name} with a mask")
    return [seen]


def _encoder_layer(call: Call) -> Result:
    """The fused attention of torch, whose tensors are (clip, token, channel)."""
    names = ("query", "key", "value") if "query" in call.arguments else ("src",)
    parts = [contracted(contracted(call.of(call[name]), [-2]), [-1]) for name in names]
    seen = join([contracted(call.subject, [-1], size=call.shape[-1]), *parts], call.shape, cause=call.name)
    if call.get("mask") is not None:
        seen = bounded(seen, seen.spans, f"{call.name} with a mask")
    return [seen]


LAYERS: Mapping[str, Rule] = {
    name: rule
    for rule, names in (
        (
            pointwise,
            "clone _to_copy detach alias contiguous lift_fresh lift where dropout hardswish hardsigmoid hardtanh "
            "relu6 mish softplus threshold elu celu selu native_dropout positive masked_fill nan_to_num",
        ),
        (_same, "_prelu_kernel prelu rrelu rrelu_with_noise _conj_physical"),
        (
            nothing,
            "zeros_like ones_like full_like empty_like rand_like randn_like randint_like new_zeros new_ones new_full "
            "new_empty new_empty_strided zero uniform normal bernoulli random exponential",
        ),
        (written, "copy fill"),
        (_convolution, "convolution _convolution convolution_overrideable"),
        (
            _pool,
            "max_pool1d max_pool2d max_pool3d max_pool2d_with_indices max_pool3d_with_indices "
            "avg_pool1d avg_pool2d avg_pool3d",
        ),
        (
            _adaptive_pool,
            "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d _adaptive_avg_pool2d _adaptive_avg_pool3d "
            "adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d",
        ),
        (
            _upsample,
            "upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_linear1d upsample_bilinear2d "
            "upsample_trilinear3d",
        ),
        (
            _batch_norm,
            "native_batch_norm cudnn_batch_norm miopen_batch_norm batch_norm _native_batch_norm_legit "
            "_native_batch_norm_legit_no_training _batch_norm_with_update _batch_norm_no_update",
        ),
        (_layer_norm, "native_layer_norm layer_norm _fused_rms_norm rms_norm"),
        (_group_norm, "native_group_norm group_norm"),
        (_softmax, "_softmax softmax _log_softmax log_softmax _safe_softmax"),
        (_scan, "cumsum cumprod cummax cummin logcumsumexp sort topk"),
        (
            _reduction,
            "mean sum amax amin max min var std var_mean std_mean logsumexp prod linalg_vector_norm norm median nansum "
            "nanmean any all argmax argmin",
        ),
        (_glu, "glu"),
        (_product, "mm bmm addmm baddbmm matmul _addmm_activation mv dot"),
        (_linear, "linear"),
        (
            _attention,
            "scaled_dot_product_attention _scaled_dot_product_flash_attention "
            "_scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_efficient_attention "
            "_scaled_dot_product_cudnn_attention _scaled_dot_product_attention_math",
        ),
        (_encoder_layer, "_native_multi_head_attention _transformer_encoder_layer_fwd"),
    )
    for name in names.split()
}
"""Rule by name of the operation."""
