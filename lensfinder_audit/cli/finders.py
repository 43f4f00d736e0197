# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Finders as commands name them."""
from pathlib import Path

from lensfinder_audit.cli.options import read_pairs
from lensfinder_audit.exceptions import ConfigError, InputFileError

__all__ = ['load_finder', 'read_arguments', 'finder_arguments']


def read_arguments(options, flag='--option'):
    """Read ``NAME=VALUE`` options; values are read as YAML."""
    import yaml

    try:
        return {name: yaml.safe_load(value) for name, value in read_pairs(options, flag).items()}
    except yaml.YAMLError as error:
        raise ConfigError(f'{flag}: {" ".join(str(error).split())}') from error


def finder_arguments(options, model, *, engine='local', workers=1, **ignored):
    """Read the options of a finder; those of several processes share the processors."""
    arguments = read_arguments(options)
    apart = engine != 'local' or workers > 1
    onnx = model == 'onnx' or model.lower().endswith('.onnx')
    if apart and onnx and 'threads' not in arguments:
        import os

        arguments['threads'] = 1 if engine != 'local' else max((os.cpu_count() or 1) // workers, 1)
    return arguments


def load_finder(model, checkpoint, arguments, batch_size, *, rows=False):
    """
    Load a finder from an ONNX file, or from a classifier plugin and its checkpoint.

    One that scores rows of a catalogue and no pixels is refused unless ``rows`` allows it.
    """
    from lensfinder_audit.interfaces import CatalogFinder
    from lensfinder_audit.plugins import load_plugin

    if model.lower().endswith('.onnx') or Path(model).is_file():
        if not model.lower().endswith('.onnx'):
            raise InputFileError(f'{model}: is no ONNX file by its suffix; export the network as '
                                 '.onnx, or name a classifier plugin and give it the file with '
                                 '--checkpoint')
        cls, checkpoint = load_plugin('classifiers', 'onnx'), model
        arguments = {'batch_size': batch_size, **arguments}
    else:
        cls = load_plugin('classifiers', model)
    if not rows and isinstance(cls, type) and issubclass(cls, CatalogFinder):
        raise ConfigError(f'{model!r} knows the scores of a catalogue and sees no pixels, so it '
                          'cannot score images that are made here; name a finder that does')
    try:
        return cls.from_checkpoint(checkpoint, **arguments) if checkpoint else cls(**arguments)
    except (TypeError, NotImplementedError) as error:
        raise ConfigError(f'the classifier {model!r} cannot be made with the options '
                          f'{sorted(arguments)}: {error}') from error
