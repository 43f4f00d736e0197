# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The card of a checkpoint: what it is, what it expects, how it was made, what it cannot do.

It is a JSON file of the same name beside the weights, and is read without torch.
"""
import json
from pathlib import Path

from lensfinder_audit.classifiers._declarations import make_normalizer, read_values
from lensfinder_audit.exceptions import ConfigError, InputFileError, did_you_mean

__all__ = ['REQUIRED', 'RECORDS', 'card_path', 'read_card', 'check_card']

#: What a card must say for its checkpoint to be loaded.
REQUIRED = {'network': 'name of the network',
            'bands': 'bands in the order of the input',
            'stamp_shape': 'height and width of the input in pixels',
            'pixel_scale': 'arcsec per pixel',
            'normalizer': 'name of the normaliser that it was trained with',
            'score_kind': 'probability, logit or rank',
            'limitations': 'list of what it cannot do and what is not known of it'}

#: What else a card records; a checkpoint that is written here has them all.
RECORDS = {'network_arguments': 'further arguments of the network',
           'normalizer_parameters': 'arguments of the normaliser',
           'class_balance': 'lenses and negatives that it was trained on',
           'training_manifest_sha256': 'checksum of the manifest that it was trained on',
           'seeds': 'seeds of the training',
           'versions': 'versions of the packages that it was trained with',
           'weights_sha256': 'checksum of the weights'}

# Further words that a card may hold, for its readers.
_REMARKS = ('name', 'reference', 'description', 'parameters', 'validation', 'command', 'training',
            'preset')


def card_path(path):
    """
    Return the place of the card of a checkpoint.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        The weights.

    Returns
    -------
    card : `~pathlib.Path`
        The same name with ``.json``.
    """
    return Path(path).with_suffix('.json')


def read_card(path):
    """
    Read and check the card of a checkpoint.

    Parameters
    ----------
    path : str or `~pathlib.Path`
        The weights.

    Returns
    -------
    card : dict
        As it is written, with ``bands``, ``pixel_scale``, ``stamp_shape`` read and the
        ``normalizer`` made.

    Raises
    ------
    InputFileError
        If there is no card, or it is not JSON.
    ConfigError
        If it lacks an entry or has one that is not known.
    """
    file = card_path(path)
    try:
        card = json.loads(file.read_text(encoding='utf-8'))
    except FileNotFoundError as error:
        raise InputFileError(f'{path}: has no model card; write {file.name} beside it with '
                             f'{", ".join(REQUIRED)}') from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputFileError(f'{file}: is damaged or no JSON: {" ".join(str(error).split())[:200]}'
                             ) from error
    return check_card(card, file)


def check_card(card, file='the card', *, complete=False):
    """
    Check a card and read its values.

    Parameters
    ----------
    card : dict
        Its entries.
    file : str or `~pathlib.Path`, optional
        How a message calls it.
    complete : bool, optional
        Whether every entry of `RECORDS` must be there too, but for those that are added
        when a checkpoint is written.

    Returns
    -------
    card : dict
        A copy with its values read.

    Raises
    ------
    ConfigError
        If it lacks an entry or has one that is not known.
    InputFileError
        If it is no card at all.
    """
    if not isinstance(card, dict):
        raise InputFileError(f'{file}: is no model card, which holds names with values')
    known = [*REQUIRED, *RECORDS, *_REMARKS]
    for name in card:
        if name not in known:
            raise ConfigError(f'{file}: {name!r} is not known; known are {known}.'
                              f'{did_you_mean(name, known)}')
    wanted = REQUIRED | {name: text for name, text in RECORDS.items() if complete
                         and name not in ('versions', 'weights_sha256', 'network_arguments',
                                          'normalizer_parameters')}
    for name, text in wanted.items():
        if card.get(name) is None:
            raise ConfigError(f'{file}: the model card does not say its {name} ({text})')
    limits = card['limitations']
    if not isinstance(limits, list) or not limits or not all(isinstance(i, str) for i in limits):
        raise ConfigError(f'{file}: limitations is {limits!r}; give a list of sentences. A network '
                          'without limitations has not been looked at')
    if not isinstance(card.get('network_arguments') or {}, dict):
        raise ConfigError(f'{file}: network_arguments is {card["network_arguments"]!r}; give names '
                          'and values')
    found = card | read_values({name: card[name] for name in ('bands', 'pixel_scale',
                                                              'stamp_shape', 'score_kind')}, file)
    found['normalizer'] = make_normalizer(card['normalizer'], card.get('normalizer_parameters'),
                                          file)
    return found
