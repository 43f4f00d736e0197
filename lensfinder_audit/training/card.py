# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""The model card of a trained finder: what it was made of, and what it cannot do."""
from dataclasses import asdict

import numpy as np
from astropy import units as u

from lensfinder_audit.classifiers.networks import PUBLISHED_PARAMETERS, n_parameters
from lensfinder_audit.training.settings import RUNNING

__all__ = ['make_card', 'limitations_of']


def make_card(network, settings, plan):
    """
    Write what is known of a finder before it is trained.

    Parameters
    ----------
    network : `torch.nn.Module`
        The network.
    settings : `~lensfinder_audit.training.settings.TrainingSettings`
        How it is trained.
    plan : ``lensfinder_audit.training.plan.Plan``
        What it is trained on.

    Returns
    -------
    card : dict
        As `~lensfinder_audit.classifiers.torch_checkpoint.save_checkpoint` takes it; the
        outcome of the validation is added later.
    """
    return {'network': settings.network, 'network_arguments': settings.network_arguments,
            'bands': list(plan.bands), 'stamp_shape': list(plan.shape),
            'pixel_scale': float(plan.store.pixel_scale.to_value(u.arcsec)),
            'normalizer': settings.normalizer,
            'normalizer_parameters': settings.normalizer_parameters, 'score_kind': 'logit',
            'preset': plan.preset, 'class_balance': plan.train.class_balance(),
            'training_manifest_sha256': plan.manifest_sha256,
            'seeds': {'training': plan.seed}, 'versions': _versions(settings),
            'training': {**{name: value for name, value in asdict(settings).items()
                            if name not in RUNNING},
                         'rows_sha256': plan.train.digest(), 'store_sha256': plan.store_sha256,
                         'device': plan.device, 'precision': plan.precision},
            'limitations': limitations_of(network, settings, plan)}


def limitations_of(network, settings, plan):
    """
    Say what a finder cannot do and what is not known of it, as far as its training tells.

    Parameters
    ----------
    network, settings, plan
        As for `make_card`.

    Returns
    -------
    limitations : list of str
        Sentences without a full stop.
    """
    return [text for text in (_on_negatives(plan.manifest), _on_lenses(plan.manifest, plan),
                              *_on_capacity(network, settings), *_on_choices(settings),
                              *_on_length(settings, plan), *_on_sample(settings, plan)) if text]


def _on_negatives(manifest):
    meta = manifest.meta
    if meta.get('simulated'):
        return 'trained and validated on simulated images alone; it has never seen the sky'
    if 'cleaned' in {**meta, **(meta.get('sample') or {})}:
        return ''
    return 'negatives were not cleaned: lenses that hide among them were taught as negatives'


def _on_lenses(manifest, plan):
    if 'tier' not in manifest.colnames:
        return 'the tier of its lenses is not recorded, so that the purity of what it was taught ' \
               'is not known'
    chosen = np.isin(np.asarray(manifest['object_id']).astype(str), plan.train.keys[
        plan.train.label])
    doubtful = int((np.asarray(manifest['tier'])[chosen].astype(str) != 'A').sum())
    return (f'{doubtful:,} of its {int(chosen.sum()):,} training lenses are candidates without '
            'confirmation; some are no lenses') * bool(doubtful)


def _on_capacity(network, settings):
    published, found = PUBLISHED_PARAMETERS.get(settings.network), n_parameters(network)
    if published and found != published:
        yield (f'it has {found:,} parameters, the published {settings.network} {published:,}: of '
               'that kind, and not the same network')


def _on_choices(settings):
    yield (f'the normalisation of published finders is not published; {settings.normalizer} was '
           'chosen')
    yield 'optimizer, weight decay and augmentation of published finders are not published; ' \
          'AdamW' + ', flips' * settings.flips + ', quarter turns' * settings.quarter_turns \
          + ' were chosen'
    if settings.pretrained:
        yield 'it started from weights trained on everyday photographs'


def _on_length(settings, plan):
    published = plan.preset_settings
    shorter = [f'{name} {getattr(settings, name):g} instead of {getattr(published, name):g}'
               for name in ('epochs', 'effective_batch', 'learning_rate') if published is not None
               and getattr(settings, name) != getattr(published, name)]
    if shorter:
        yield f'it was not trained as the preset says: {", ".join(shorter)}'
    if plan.order.step_size < settings.effective_batch:
        yield (f'its {len(plan.train):,} stamps are fewer than a step of '
               f'{settings.effective_batch:,}; each epoch was one step')


def _on_sample(settings, plan):
    if plan.chosen_rows:
        yield f'trained on a chosen part of its split, {len(plan.train):,} of ' \
              f'{plan.n_split:,} stamps'
    if plan.train.n_left_out + plan.validation.n_left_out:
        yield (f'cutouts that lack a band or more than {settings.max_missing:.3g} of their pixels '
               f'were left out: {plan.train.n_left_out:,} of training, '
               f'{plan.validation.n_left_out:,} of validation')
    balance = plan.train.class_balance()
    yield ('its probabilities hold at one lens to '
           f'{balance["negatives"] / balance["lenses"]:.3g} negatives'
           + {'unweighted': '', 'tier': ', lenses weighted by tier',
              'manifest': ', weighted as the manifest says'}[settings.loss]
           + '; at another prevalence they are others')
    yield 'the epoch was chosen by the AUC of the validation split, so that this AUC is a little ' \
          'too good'
    if plan.validation.n_frozen:
        yield (f'{plan.validation.n_frozen:,} objects of the validation split, by which the epoch '
               'was chosen, are in the frozen evaluation set or within a cutout of it')


def _versions(settings):
    import lightning
    import numpy

    found = {'lightning': lightning.__version__, 'numpy': numpy.__version__}
    if settings.network != 'shielded_resnet':
        import timm

        found['timm'] = timm.__version__
    return found
