# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""A progress bar for work that tells how much of it is done."""

__all__ = ['ProgressBar']


class ProgressBar:
    """
    A bar that is called with how much is done, and of how much; drawn in terminals only.

    Parameters
    ----------
    unit : str
        What is counted.

    Examples
    --------
    >>> from lensfinder_audit.cli.progress import ProgressBar
    >>> with ProgressBar('bricks') as progress:
    ...     progress(1, 2)
    """

    def __init__(self, unit):
        self._unit, self._bar = unit, None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self._bar is not None:
            self._bar.close()

    def __call__(self, done, total):
        from tqdm import tqdm

        self._bar = self._bar or tqdm(total=total, unit=f' {self._unit}', disable=None)
        self._bar.update(done - self._bar.n)
