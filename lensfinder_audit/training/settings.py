# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What a training is told: a preset or a YAML file of one's own, and changes to it.

The presets hold the published parameters of three networks; what was not published is
marked in them as chosen here.
"""
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.resources import files
from math import cos, isfinite, pi
from pathlib import Path

from lensfinder_audit.exceptions import ConfigError, did_you_mean

__all__ = ['PRESETS', 'TrainingSettings', 'load_settings', 'learning_rate_at']

#: Names of the presets that ship with the package.
PRESETS = ('paper4-shielded-resnet', 'paper4-efficientnetv2-s', 'resnet18')

_FOLDER = 'lensfinder_audit.data'
_CHOICES = {'schedule': ('step', 'cosine', 'constant'),
            'loss': ('unweighted', 'tier', 'manifest'),
            'incomplete': ('refuse', 'leave_out'),
            'precision': ('auto', '32-true', '16-mixed', 'bf16-mixed')}
_POSITIVE = ('epochs', 'effective_batch', 'batch_size', 'learning_rate', 'gradient_clip',
             'stamp_size', 'devices', 'threads')
_NOT_NEGATIVE = ('weight_decay', 'warmup_epochs', 'final_rate', 'max_missing', 'workers')
_MAY_BE_EMPTY = ('bands', 'stamp_size', 'gradient_clip', 'workers', 'threads')

#: What changes how fast a training runs, and not which training it is.
RUNNING = ('workers', 'devices', 'threads')


@dataclass(frozen=True)
class TrainingSettings:
    """
    Everything that a training can be told.

    Parameters
    ----------
    network : str
        ``shielded_resnet`` or a network of timm.
    network_arguments : dict, optional
        Further arguments of the network.
    pretrained : bool, optional
        Whether it starts from the weights that timm offers, which are fetched.
    bands : list of str, optional
        In the order of the input; those of the store by default.
    stamp_size : int, optional
        Height and width of the input in pixels; larger cutouts are cut about their
        center. That of the store by default.
    normalizer : str, optional
        Name of the normaliser.
    normalizer_parameters : dict, optional
        Its arguments.
    epochs : int, optional
        How often each stamp is shown.
    effective_batch, batch_size : int, optional
        Stamps to a step of the optimizer, and of these at a time on a device.
    learning_rate, weight_decay : float, optional
        Of AdamW.
    schedule : str, optional
        ``step`` halves the rate after the epochs ``halve_at``, ``cosine`` brings it down
        to ``final_rate`` times itself, ``constant`` leaves it.
    halve_at : list of int, optional
        For ``step``.
    final_rate, warmup_epochs : float, optional
        For ``cosine``; and a linear rise at the start of any schedule.
    loss : str, optional
        ``unweighted`` cross-entropy, or weighted by ``tier`` or by the column ``weight`` of
        the ``manifest``. Weights are scaled to a mean of 1.
    tier_weights : dict of str to float, optional
        Of lenses, by tier, for ``tier``; negatives count 1.
    flips, quarter_turns : bool, optional
        Whether a stamp is shown mirrored or turned, at random.
    gradient_clip : float, optional
        Greatest norm of a gradient.
    precision : str, optional
        ``32-true``, ``16-mixed``, ``bf16-mixed``; ``auto`` mixes where the device gains by it.
    max_missing : float, optional
        Greatest fraction of pixels that a cutout may lack; nor may it lack a band.
    incomplete : str, optional
        Whether cutouts that lack more are a reason to ``refuse`` or to ``leave_out``.
    train_split, validation_split : str, optional
        Splits of the manifest.
    workers : int, optional
        Processes that read and normalise; chosen by the device without one.
    devices : int, optional
        Devices that share a step.
    threads : int, optional
        Threads of torch on the CPU; its own choice without one.

    Raises
    ------
    ConfigError
        If a value cannot be.

    Examples
    --------
    >>> from lensfinder_audit.training.settings import TrainingSettings
    >>> TrainingSettings('resnet18', effective_batch=2048, batch_size=128).accumulation
    16
    """

    network: str
    network_arguments: dict = field(default_factory=dict)
    pretrained: bool = False
    bands: list | None = None
    stamp_size: int | None = None
    normalizer: str = 'raw_robust'
    normalizer_parameters: dict = field(default_factory=dict)
    epochs: int = 160
    effective_batch: int = 2048
    batch_size: int = 128
    learning_rate: float = 5e-4
    weight_decay: float = 1e-4
    schedule: str = 'step'
    halve_at: list = field(default_factory=list)
    final_rate: float = 0.0
    warmup_epochs: float = 0.0
    loss: str = 'unweighted'
    tier_weights: dict = field(default_factory=lambda: {'A': 1.0, 'B': 0.5})
    flips: bool = True
    quarter_turns: bool = True
    gradient_clip: float | None = None
    precision: str = 'auto'
    max_missing: float = 0.05
    incomplete: str = 'refuse'
    train_split: str = 'train'
    validation_split: str = 'val'
    workers: int | None = None
    devices: int = 1
    threads: int | None = None

    def __post_init__(self):
        for item in fields(self):
            _check(item.name, getattr(self, item.name), item.type)
        if self.train_split == self.validation_split:
            raise ConfigError(f'train_split and validation_split are both {self.train_split!r}; '
                              'what is trained on tells nothing of what was learnt')

    @property
    def accumulation(self):
        """Passes of a device to a step of the optimizer."""
        return -(-self.effective_batch // (self.batch_size * self.devices))

    def identity(self):
        """Return what makes another training of it, as plain values by name."""
        return {name: value for name, value in asdict(self).items() if name not in RUNNING}


def load_settings(preset, changes=None):
    """
    Read a preset or a YAML file and change some of it.

    Parameters
    ----------
    preset : str, `~pathlib.Path` or `TrainingSettings`
        One of `PRESETS`, a file, or settings.
    changes : dict, optional
        New values by name; texts are read as YAML.

    Returns
    -------
    settings : `TrainingSettings`
        Checked.

    Raises
    ------
    ConfigError
        If there is no such preset or file, a name is not known or a value cannot be.

    Examples
    --------
    >>> from lensfinder_audit.training.settings import load_settings
    >>> settings = load_settings('paper4-shielded-resnet', {'epochs': '2'})
    >>> settings.network, settings.epochs, settings.learning_rate, settings.accumulation
    ('shielded_resnet', 2, 0.0005, 32)
    """
    changes = {name: _value(name, value) for name, value in (changes or {}).items()}
    if isinstance(preset, TrainingSettings):
        _known(changes, 'the settings')
        return replace(preset, **changes)
    found, label = _read(preset)
    _known(found, label)
    _known(changes, 'the settings')
    if 'network' not in {**found, **changes}:
        raise ConfigError(f'{label}: does not say its network, such as network: resnet18')
    return TrainingSettings(**{**found, **changes})


def learning_rate_at(settings, epoch):
    """
    Return the learning rate after some epochs.

    Parameters
    ----------
    settings : `TrainingSettings`
        The settings.
    epoch : float
        Epochs that are done, and the part of the one that runs.

    Returns
    -------
    rate : float
        Of the next step.

    Examples
    --------
    >>> from lensfinder_audit.training.settings import learning_rate_at, load_settings
    >>> settings = load_settings('paper4-efficientnetv2-s')
    >>> [learning_rate_at(settings, epoch) for epoch in (0, 129.9, 130)]
    [0.000388, 0.000388, 0.000194]
    """
    rate = settings.learning_rate
    if settings.schedule == 'step':
        rate *= 0.5 ** sum(epoch >= bound for bound in settings.halve_at)
    if settings.schedule == 'cosine':
        part = min(max(epoch - settings.warmup_epochs, 0)
                   / max(settings.epochs - settings.warmup_epochs, 1e-9), 1)
        rate *= settings.final_rate + (1 - settings.final_rate) * (1 + cos(pi * part)) / 2
    if epoch < settings.warmup_epochs:
        rate *= max(epoch, 1e-3) / settings.warmup_epochs
    return rate


def _read(preset):
    import yaml

    label = str(preset)
    if label in PRESETS:
        text = (files(_FOLDER) / f'train_{label}.yaml').read_text(encoding='utf-8')
    elif Path(label).suffix in ('.yaml', '.yml'):
        try:
            text = Path(label).read_text(encoding='utf-8')
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f'{label}: cannot be read: {error}') from error
    else:
        raise ConfigError(f'there is no preset {label!r}; the presets are {list(PRESETS)}, or give '
                          f'a file .yaml.{did_you_mean(label, PRESETS)}')
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f'{label}: is not YAML: {" ".join(str(error).split())}') from error
    if not isinstance(found, dict):
        raise ConfigError(f'{label}: holds no names with values, such as epochs: 160')
    return {str(name): _number(value) for name, value in found.items()}, label


def _value(name, value):
    import yaml

    if not isinstance(value, str):
        return value
    try:
        return _number(yaml.safe_load(value))
    except yaml.YAMLError as error:
        raise ConfigError(f'{name}={value}: is not YAML: {" ".join(str(error).split())}') from error


def _number(value):
    """YAML takes 1e-4 for a word."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _known(found, label):
    names = [item.name for item in fields(TrainingSettings)]
    for name in found:
        if name not in names:
            raise ConfigError(f'{label}: {name!r} is not known; known are {names}.'
                              f'{did_you_mean(name, names)}')


def _check(name, value, kind):
    if value is None and name in _MAY_BE_EMPTY:
        return
    kind = getattr(kind, '__args__', (kind,))[0]
    number = kind in (int, float)
    right = isinstance(value, int | float if kind is float else kind)
    if not right or (number and (isinstance(value, bool) or not isfinite(value))):
        raise ConfigError(f'{name} is {value!r}; it must be {_WORDS[kind]}')
    if name in _CHOICES and value not in _CHOICES[name]:
        raise ConfigError(f'{name} is {value!r}; it is one of {list(_CHOICES[name])}.'
                          f'{did_you_mean(value, _CHOICES[name])}')
    if number and ((name in _POSITIVE and value <= 0) or (name in _NOT_NEGATIVE and value < 0)):
        raise ConfigError(f'{name} is {value!r}; it must be '
                          f'{"positive" if name in _POSITIVE else "0 or more"}')
    if name == 'halve_at' and not all(isinstance(item, int) and item > 0 for item in value):
        raise ConfigError(f'halve_at is {value!r}; give epochs, such as [80]')
    if name == 'tier_weights' and not all(isinstance(item, int | float) and item >= 0
                                          for item in value.values()):
        raise ConfigError(f'tier_weights is {value!r}; give a weight for each tier')


_WORDS = {str: 'a word', int: 'a whole number', float: 'a number', bool: 'true or false',
          list: 'a list', dict: 'names with values'}
