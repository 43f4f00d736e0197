# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Spirals, mergers and rings by the votes of Galaxy Zoo DECaLS, from VizieR or a file."""
from pathlib import Path

from astropy.table import unique, vstack

from lensfinder_audit.contaminants import vote_contaminants
from lensfinder_audit.exceptions import TableError
from lensfinder_audit.files import read_table, sha256
from lensfinder_audit.sources.vizier import VizierAnchors
from lensfinder_audit.vote_rules import load_vote_rules

__all__ = ['GalaxyZooDecals']


class GalaxyZooDecals(VizierAnchors):
    """
    Read galaxies that volunteers saw as spirals, mergers or rings.

    Parameters
    ----------
    path : str or `~pathlib.Path`, optional
        A table of votes; VizieR is asked without it.
    rules : str or `~pathlib.Path`, optional
        Columns and cuts: ``galaxy_zoo``, or a YAML file
        (`~lensfinder_audit.vote_rules.load_vote_rules`).
    server, timeout, retries : optional
        See `~lensfinder_audit.sources.vizier.VizierAnchors`.
    """

    reference = 'doi:10.1093/mnras/stab2093'
    catalogs = {'J/MNRAS/509/3966': 'Walmsley et al. (2022) - arXiv:2102.08414'}

    def __init__(self, *, path=None, rules='galaxy_zoo', server=None, timeout=60.0, retries=2):
        super().__init__(server=server, timeout=timeout, retries=retries)
        self.path = path
        self.rules = rules

    def read(self):
        """
        Read the votes and apply the cuts.

        Returns
        -------
        table : `~astropy.table.QTable`
            The ``reference`` schema with ``confuser_class`` and its reason; no row is a lens.

        Raises
        ------
        MissingDependencyError
            If VizieR is to be asked and astroquery is not installed.
        InputFileError
            If VizieR cannot be reached or answers with an error, or the file cannot
            be read.
        TableError
            If no table has the columns that the rules name.
        """
        rules = load_vote_rules(self.rules)
        catalog, reference = next(iter(self.catalogs.items()))
        if self.path is not None:
            found = vote_contaminants(read_table(self.path), rules, reference=reference,
                                      what=str(self.path))
            found.meta |= {'catalogue': Path(self.path).name,
                           'catalogue_sha256': sha256(self.path)}
            return found
        return self._from_vizier(catalog, rules, reference)

    def _from_vizier(self, catalog, rules, reference):
        """Volunteers and automatic classifications are tables of one catalogue."""
        found, problems = [], []
        for table in self._ask(catalog):
            try:
                found.append(vote_contaminants(table, rules, reference=reference,
                                               what=f'VizieR {catalog}'))
            except TableError as error:
                problems.append(str(error))
        if not found:
            raise TableError(problems[0])
        stacked = unique(vstack(found, metadata_conflicts='silent'), keys='name', keep='first')
        stacked.meta = {'catalogue': catalog, 'server': self.server or 'VizieR',
                        'votes': [table.meta['votes'] for table in found]}
        return stacked
