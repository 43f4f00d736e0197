# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Tiny networks as ONNX files, and the same arithmetic in NumPy."""
import json

import numpy as np

#: What the tiny networks need of their images.
DECLARED = {'bands': ['g', 'r', 'z'], 'pixel_scale': 0.262, 'normalizer': 'asinh',
            'normalizer_parameters': {'softening': 0.05}, 'score_kind': 'logit'}


def weights(n_bands=3, n_scores=1):
    """Return convolution kernels and the last layer, the same each time."""
    rng = np.random.default_rng(1)
    return (rng.normal(0, 0.5, (4, n_bands, 3, 3)).astype(np.float32),
            rng.normal(0, 9, (4, n_scores)).astype(np.float32))


def forward(images, n_scores=1):
    """Convolution, ReLU, mean over the stamp, one layer; returns scores and features."""
    kernels, last = weights(images.shape[1], n_scores)
    windows = np.lib.stride_tricks.sliding_window_view(images.astype(float), (3, 3), axis=(2, 3))
    maps = np.einsum('nbyxij,cbij->ncyx', windows, kernels.astype(float))
    features = np.maximum(maps, 0).mean(axis=(2, 3))
    return features @ last.astype(float), features


def write_network(path, *, batch='n', bands=3, size=(21, 21), n_scores=1, sigmoid=False,
                  embedding=False, kind='float', metadata=None, axes=None):
    """Write the network that `forward` computes; ``size`` may hold names for open axes."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    kernels, last = weights(3 if isinstance(bands, str) else bands, n_scores)
    tensor = {'float': TensorProto.FLOAT, 'double': TensorProto.DOUBLE}[kind]
    nodes = [helper.make_node('Cast', ['images'], ['single'], to=TensorProto.FLOAT),
             helper.make_node('Conv', ['single', 'kernels'], ['maps']),
             helper.make_node('Relu', ['maps'], ['positive']),
             helper.make_node('GlobalAveragePool', ['positive'], ['pooled']),
             helper.make_node('Flatten', ['pooled'], ['features']),
             helper.make_node('MatMul', ['features', 'last'], ['logit'])]
    if sigmoid:
        nodes.append(helper.make_node('Sigmoid', ['logit'], ['probability']))
    outputs = ['probability' if sigmoid else 'logit'] + ['features'] * embedding
    shape = [batch, bands, *size] if axes is None else axes
    graph = helper.make_graph(
        nodes, 'tiny', [helper.make_tensor_value_info('images', tensor, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, None]) for name in outputs],
        [numpy_helper.from_array(kernels, 'kernels'),
         numpy_helper.from_array(last, 'last')])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8)
    for name, value in (metadata or {}).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = name, value if isinstance(value, str) else json.dumps(value)
    onnx.save(model, path)
    return path
