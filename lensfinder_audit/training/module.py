# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""The step of a training and its validation, as Lightning runs them."""
import logging

import lightning.pytorch as pl
import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from lensfinder_audit.classifiers.networks import make_network
from lensfinder_audit.exceptions import ConfigError, InputFileError, TrainingError
from lensfinder_audit.training.settings import learning_rate_at

__all__ = ['TrainingModule', 'first_network', 'quick_look', 'QUICK_FPR']

#: False-positive rate of the early look at a finder.
QUICK_FPR = 1e-3

_WEIGHTS, _EPOCH = 1, 2  # streams of the seed


def first_network(settings, n_bands, *, seed):
    """
    Build a network with the weights that it starts from.

    Parameters
    ----------
    settings : `~lensfinder_audit.training.settings.TrainingSettings`
        Names the network and says whether it is pretrained.
    n_bands : int
        Bands of the input.
    seed : int
        Of the training; other random numbers of torch are left as they are.

    Returns
    -------
    network : `torch.nn.Module`
        In training mode.

    Raises
    ------
    ConfigError
        If there is no such network, or none with weights.
    InputFileError
        If the weights cannot be fetched.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_seed(seed, _WEIGHTS))
        network = make_network(settings.network, in_chans=n_bands, **settings.network_arguments)
        if settings.pretrained:
            network = _pretrained(settings, n_bands)
    return network.train()


def _pretrained(settings, n_bands):
    if settings.network == 'shielded_resnet':
        raise ConfigError('pretrained: the shielded ResNet has no published weights; set '
                          'pretrained=false')
    import timm

    logging.getLogger('huggingface_hub').setLevel(logging.CRITICAL)  # it tells of each attempt
    try:
        return timm.create_model(settings.network, pretrained=True, in_chans=n_bands,
                                 num_classes=1, **settings.network_arguments)
    except Exception as error:  # of whatever library fetches them
        reason = ' '.join(str(error).split())[:200] or type(error).__name__
        if 'No pretrained' in reason or 'pretrained' in reason.lower() and 'exist' in reason:
            raise ConfigError(f'pretrained: timm has no weights of {settings.network!r}; set '
                              'pretrained=false or use another network') from error
        raise InputFileError(f'pretrained: the weights of {settings.network!r} cannot be fetched '
                             f'({reason}). Without a network connection set pretrained=false, or '
                             'fetch them into the cache of the Hugging Face hub beforehand'
                             ) from error


def quick_look(logits, label):
    """
    Measure a ranking in a moment.

    Parameters
    ----------
    logits : (n,) `~numpy.ndarray`
        Scores.
    label : (n,) `~numpy.ndarray` of bool
        Whether each is a lens; both classes are there.

    Returns
    -------
    found : dict of str to float
        ``validation_loss`` (cross-entropy), ``validation_auc`` and ``validation_tpr``, the
        greatest completeness at a false-positive rate of at most `QUICK_FPR`.

    Examples
    --------
    >>> import numpy as np
    >>> from lensfinder_audit.training.module import quick_look
    >>> found = quick_look(np.array([2., 1., 3., -1.]), np.array([True, False, True, False]))
    >>> found['validation_auc'], found['validation_tpr']
    (1.0, 1.0)
    """
    from sklearn.metrics import roc_auc_score, roc_curve

    fpr, tpr, _ = roc_curve(label, logits, drop_intermediate=False)
    loss = np.logaddexp(0, np.where(label, -logits, logits)).mean()
    return {'validation_loss': float(loss), 'validation_auc': float(roc_auc_score(label, logits)),
            'validation_tpr': float(tpr[fpr <= QUICK_FPR].max())}


class TrainingModule(pl.LightningModule):
    """
    A network with its loss, optimizer and early look.

    Parameters
    ----------
    network : `torch.nn.Module`
        One logit per stamp.
    settings : `~lensfinder_audit.training.settings.TrainingSettings`
        The settings.
    order : `~lensfinder_audit.training.order.TrainingOrder`
        Steps and their sizes.
    label : (n,) `~numpy.ndarray` of bool
        Of the validation split.
    seed : int
        Of the training.
    """

    def __init__(self, network, settings, order, label, *, seed):
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)  # a fifth faster on a CPU
        self.settings, self.order = settings, order
        self.label, self.seed = label, seed
        self.measured, self._logits = {}, None
        # Lightning divides by the passes of a step and averages over devices.
        self._scale = order.accumulation * order.devices / order.step_size
        self._sum, self._n = None, 0

    def configure_optimizers(self):
        """Return AdamW and its schedule, which follows from the number of the step alone."""
        settings, steps = self.settings, self.order.n_steps
        optimizer = torch.optim.AdamW(self.network.parameters(), lr=settings.learning_rate,
                                      weight_decay=settings.weight_decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: learning_rate_at(settings, step / steps)
            / settings.learning_rate)
        return {'optimizer': optimizer, 'lr_scheduler': {'scheduler': schedule,
                                                         'interval': 'step'}}

    def on_train_epoch_start(self):
        """Begin each epoch from a seed of its own, so that one can be repeated alone."""
        torch.manual_seed(_seed(self.seed, _EPOCH, self.current_epoch, self.global_rank))
        self._sum, self._n = torch.zeros((), device=self.device), 0

    def training_step(self, batch, batch_idx):
        """Return the loss of a pass, as its part of the step."""
        losses = batch['weight'] * self._losses(batch)
        total = losses.sum()
        self._sum += total.detach()
        self._n += len(losses)
        return total * self._scale

    def on_before_optimizer_step(self, optimizer):
        """Stop before the weights are spoilt."""
        if not torch.isfinite(self._sum):
            raise TrainingError(
                f'the loss is no number any more in epoch {self.current_epoch + 1}, step '
                f'{self.global_step + 1}; the weights of the epochs before are kept. Lower the '
                'learning_rate, set gradient_clip=1 or warmup_epochs=1, or precision=32-true')

    def on_validation_epoch_start(self):
        """Make room for the logits."""
        self._logits = np.full(len(self.label), np.nan)

    def validation_step(self, batch, batch_idx):
        """Keep the logits of a batch."""
        found = self._run(batch)
        self._logits[batch['rows'].cpu().numpy()] = found.float().cpu().numpy()

    def on_validation_epoch_end(self):
        """Take an early look at the finder."""
        logits = self._everywhere(self._logits)
        if not np.isfinite(logits).all():
            raise TrainingError(f'{(~np.isfinite(logits)).sum()} of {len(logits)} scores of the '
                                f'validation split are no numbers after epoch '
                                f'{self.current_epoch + 1}; lower the learning_rate')
        self.measured = quick_look(logits, self.label)

    def mean_loss(self):
        """Return the mean loss of the epoch so far, on this device."""
        return float(self._sum) / max(self._n, 1)

    def _losses(self, batch):
        return binary_cross_entropy_with_logits(self._run(batch).float(), batch['label'],
                                                reduction='none')

    def _run(self, batch):
        images = batch['images'].contiguous(memory_format=torch.channels_last)
        return self.network(images)[:, 0]

    def _everywhere(self, logits):
        """Join what each device has scored."""
        if self.trainer.world_size == 1:
            return logits
        found = self.all_gather(torch.from_numpy(logits).to(self.device)).cpu().numpy()
        return np.nanmax(found, axis=0)


def _seed(*parts):
    return int(np.random.SeedSequence(list(parts)).generate_state(1, np.uint64)[0] >> 1)
