# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The realism gate: from stamps to the comparison of injections with real lenses.

A recovered fraction of injections says something of lenses only as far as the two
look alike to the finder. The gate goes into the ``meta`` of every table of them.
"""
import numpy as np

from lensfinder_audit._recovery_work import r_noise
from lensfinder_audit.exceptions import TableError
from lensfinder_audit.image_features import image_features
from lensfinder_audit.injection import annulus_excess
from lensfinder_audit.injection_plan import grid_values
from lensfinder_audit.manifest import cutout_keys
from lensfinder_audit.measure.realism import match_table, realism_table
from lensfinder_audit.recovery import injected_images

__all__ = ['NOT_MEASURED', 'gate_meta', 'gate_table', 'lens_gate', 'sampled_images',
           'stamp_features']

#: What tables say where no real lenses were given.
NOT_MEASURED = 'not measured: no real lenses were given'

#: Stamps that are looked at together.
_BATCH = 256


def stamp_features(flux, *, classifier=None, bands=None):
    """
    Return what a finder sees in stamps.

    Parameters
    ----------
    flux : (n, band, y, x) `~numpy.ndarray`
        Nanomaggies.
    classifier : `~lensfinder_audit.interfaces.Classifier`, optional
        Its embedding is taken where it has one.
    bands : sequence of str, optional
        Bands of the stamps; those of the classifier without it.

    Returns
    -------
    features : (n, d) `~numpy.ndarray`
        The embedding, or simple features of the image.
    kind : str
        Which of the two.

    Examples
    --------
    >>> from lensfinder_audit.realism_gate import stamp_features
    >>> from lensfinder_audit.testing import example_flux
    >>> found, kind = stamp_features(example_flux(n=4, shape=(41, 41)))
    >>> len(found), kind
    (4, 'image features')
    """
    parts = [flux[start:start + _BATCH] for start in range(0, len(flux), _BATCH)]
    if classifier is not None:
        try:
            return (np.concatenate([_embedded(classifier, part, bands) for part in parts]),
                    f'embedding of {type(classifier).__name__}')
        except NotImplementedError:
            pass
    return np.concatenate([image_features(part) for part in parts]), 'image features'


def _embedded(classifier, flux, bands):
    stamps = classifier._crop(classifier._select_bands(np.asarray(flux, np.float32), bands))
    return np.asarray(classifier.embed(classifier.normalizer(stamps)), dtype=float)


def gate_table(samples, *, classifier=None, bands=None, n_permutations=100, confidence=0.95,
               seed=0):
    """
    Compare injections with real lenses, with the nulls beside, from their stamps.

    Parameters
    ----------
    samples : dict of str to (flux, group)
        ``'lenses'`` and ``'injections'``, and where there are any ``'negatives'`` and
        ``'hosts'``: stamps, and the host or pixel of each, or None.
    classifier, bands
        As for `stamp_features`.
    n_permutations, confidence, seed
        As for `~lensfinder_audit.measure.realism.realism_table`.

    Returns
    -------
    table : `~astropy.table.QTable`
        Schema ``realism``; ``meta['features']`` says what was compared.
    """
    found, kind = {}, ''
    for role, (flux, group) in samples.items():
        features, kind = stamp_features(flux, classifier=classifier, bands=bands)
        found[role] = features, group
    table = realism_table(found, n_permutations=n_permutations, confidence=confidence, seed=seed)
    table.meta['features'] = kind
    return table


def gate_meta(table, *, injections=None, lenses=None, on='arc_snr', note=''):
    """
    Summarise the gate for the ``meta`` of a table of recovered fractions.

    Parameters
    ----------
    table : `~astropy.table.QTable`
        As `gate_table` returns it.
    injections, lenses : `~astropy.table.Table`, optional
        With the column ``on``, measured in the same way in both, for the match of arcs.
    on : str, optional
        Its name.
    note : str, optional
        What a reader must know.

    Returns
    -------
    meta : dict
        ``auc`` with ``lo``, ``hi`` and ``p_value``, the ``nulls`` beside it, the corrected
        Frechet distance with that of its null, what was ``compared``, and ``arcs``.
    """
    gate = table[0]
    meta = {'compared': str(gate['comparison']), 'features': table.meta.get('features', ''),
            **{name: float(gate[name]) for name in ('auc', 'lo', 'hi', 'p_value')},
            'n_lenses': int(gate['n_first']), 'n_injections': int(gate['n_second']),
            'nulls': {str(row['comparison']): float(row['auc']) for row in table[1:]},
            'frechet': float(gate['frechet_corrected']),
            'frechet_null': float(gate['frechet_null'])}
    if injections is not None and lenses is not None:
        row = match_table(injections, lenses, on=[on])[0]
        meta['arcs'] = {'quantity': on, **{name: float(row[name]) for name in (
            'lenses_median', 'injections_median', 'distance', 'inside')}}
    return meta | ({'note': note} if note else {})


def lens_gate(injections, hosts, store, simulator, lenses, lens_store, *, classifier=None,
              grid=None, most=300, seed=0, **options):
    """
    Compare injections with real lenses, from the run that made them.

    Parameters
    ----------
    injections, hosts, store, simulator, grid
        As for `sampled_images`; the hosts are galaxies without a known lens.
    lenses : `~astropy.table.QTable`
        Manifest of real lenses.
    lens_store : `~lensfinder_audit.cutouts.CutoutStore`
        Their cutouts, in the same bands and shape.
    classifier : `~lensfinder_audit.interfaces.Classifier`, optional
        As for `stamp_features`.
    most, seed : int, optional
        Stamps of each kind, drawn at random.
    **options
        As for `sampled_images`.

    Returns
    -------
    table : `~astropy.table.QTable`
        As `gate_table` returns it; the nulls are lenses or galaxies, and injections or
        their hosts.
    meta : dict
        As `gate_meta` returns it; arcs are matched in ``annulus_snr`` where the noise of the
        lenses is known.

    Raises
    ------
    TableError
        If the stamps of lenses are others than those of the hosts.
    """
    if (store.bands, store.shape) != (lens_store.bands, lens_store.shape):
        raise TableError(f'stamps of lenses are {lens_store.bands} {lens_store.shape}, those of '
                         f'hosts {store.bands} {store.shape}; a gate needs the same')
    rows, images = sampled_images(injections, hosts, store, simulator, grid=grid, most=most,
                                  seed=seed, **options)
    rng, keys = np.random.default_rng([seed, 0x6a]), cutout_keys(hosts)
    names = np.asarray(injections['host'])[rows].astype(str)
    place = {str(name): row for row, name in enumerate(hosts['object_id'])}
    chosen = lenses[np.sort(rng.permutation(len(lenses))[:most])]
    real = lens_store.get(cutout_keys(chosen))
    others = np.sort(rng.permutation(len(hosts))[:most])
    table = gate_table({
        'lenses': (real, None), 'injections': (images, names),
        'negatives': (store.get(keys[others]), np.asarray(hosts['object_id'])[others].astype(str)),
        'hosts': (store.get(keys[[place[name] for name in names]]), names)},
        classifier=classifier, bands=store.bands, seed=seed)
    chosen = chosen.copy()
    noise = r_noise(chosen, lens_store)
    chosen['annulus_snr'] = annulus_excess(
        real, noise, band=lens_store.bands.index('r') if 'r' in lens_store.bands else 0,
        pixel_scale=lens_store.pixel_scale)[0]
    known = np.isfinite(noise).any() and np.isfinite(injections['annulus_snr'][rows]).any()
    beside = {'injections': injections[rows], 'lenses': chosen} if known else {}
    return table, gate_meta(table, on='annulus_snr', **beside)


def sampled_images(injections, manifest, store, simulator, *, grid=None, most=300, seed=0,
                   **options):
    """
    Make the images of some injections again.

    Parameters
    ----------
    injections : `~astropy.table.QTable`
        As `~lensfinder_audit.recovery.inject` returned it.
    manifest, store, simulator, grid
        As it was given them.
    most : int, optional
        Injections, drawn at random.
    seed : int, optional
        Of the draw.
    **options
        ``gain``, ``psf``, ``priors`` and ``survey``, as it was given them.

    Returns
    -------
    rows : (n,) `~numpy.ndarray` of int
        Rows of the table.
    images : (n, band, y, x) `~numpy.ndarray`
        Their images.
    """
    good = np.flatnonzero((np.asarray(injections['problem']) == '')
                          & (np.asarray(injections['arm']) == 'base'))
    rows = np.sort(np.random.default_rng([seed, 0x9a7e]).permutation(good)[:most])
    simulators = grid_values(simulator, grid)
    kind = np.asarray(injections['cell'])[rows] // int(injections.meta.get('n_pools', 1))
    place = {str(name): row for row, name in enumerate(manifest['object_id'])}
    hosts = np.array([place[str(name)] for name in injections['host'][rows]])
    images = np.empty((len(rows), len(store.bands), *store.shape), np.float32)
    for number in np.unique(kind):
        here = kind == number
        images[here] = injected_images(manifest[hosts[here]], injections['seed'][rows[here]], store,
                                       simulators[number], fixed=tuple(grid or ()), **options)[0]
    return rows, images
