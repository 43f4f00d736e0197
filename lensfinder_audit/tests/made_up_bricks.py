# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Small bricks of a survey that never was, in the files of the Legacy Surveys."""
import numpy as np
from astropy.io import fits
from astropy.table import Table

from lensfinder_audit.bricks import brick_names
from lensfinder_audit.coadds import CoaddLayout

PIXELS = 160
SCALE = 0.262 / 3600


def pattern(plane, size=PIXELS):
    """Pixels of which each is another number, exact in float32."""
    y, x = np.mgrid[:size, :size]
    return (1e6 * (plane + 1) + 1000 * y + x).astype(np.float32)


def wcs_header(ra, dec, size=PIXELS):
    """A tangential projection about the middle of the image, north up and east left."""
    return fits.Header({'CTYPE1': 'RA---TAN', 'CTYPE2': 'DEC--TAN', 'CRVAL1': ra, 'CRVAL2': dec,
                        'CRPIX1': (size + 1) / 2, 'CRPIX2': (size + 1) / 2, 'CD1_1': -SCALE,
                        'CD1_2': 0.0, 'CD2_1': 0.0, 'CD2_2': SCALE})


def write_image(path, pixels, header, *, compressed=True):
    """Write an image, compressed without loss or plain, with checksums as the survey does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    hdu = fits.CompImageHDU(pixels, header, compression_type='GZIP_2', quantize_level=0,
                            tile_shape=(50, 50)) if compressed else fits.PrimaryHDU(pixels, header)
    hdu.writeto(path, checksum=True)


def write_brick(root, ra, dec, *, bands='grz', maps=('psfsize', 'psfdepth'), compressed=False):
    """
    Write the files of the brick about a position; return its name.

    Plain images under the names of compressed ones are read alike, and quicker.
    """
    brick, layout = str(brick_names(ra, dec)[0]), CoaddLayout()
    header = wcs_header(ra, dec)
    for plane, band in enumerate(bands):
        images = {layout.image: pattern(plane), layout.invvar: pattern(plane) / 1e4}
        images |= {layout.maps[name]: (1 + plane / 10) * np.ones((PIXELS, PIXELS), np.float32)
                   * (1 if name == 'psfsize' else 100) for name in maps}
        for template, pixels in images.items():
            write_image(root / template.format(brick=brick, folder=brick[:3], band=band), pixels,
                        header, compressed=compressed)
    return brick


def write_survey(root, n_bricks=4, **options):
    """Write bricks along the equator; return their centers and names."""
    ra = 10.125 + 0.25 * np.arange(n_bricks)
    return ra, [write_brick(root, float(center), 0.0, **options) for center in ra]


def list_objects(ra, *, n=5, reach=40, seed=0):
    """List objects about the centers of bricks, up to some pixels away."""
    rng = np.random.default_rng(seed)
    east, north = rng.uniform(-reach, reach, (2, len(ra), n)) * SCALE
    return Table({'object_id': [f'object-{i:04d}' for i in range(len(ra) * n)],
                  'ra': (ra[:, None] + east).ravel(), 'dec': north.ravel()})
