# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Draw the figure of the README: ``python docs/make_readme_figure.py``."""
from pathlib import Path

from lensfinder_audit.audit import audit
from lensfinder_audit.example import EXAMPLE_OPTIONS, example_scores
from lensfinder_audit.plotting import draw_figures, figure_png

PLACE = Path(__file__).parent / '_static' / 'readme_figure.png'


def main():
    result = audit(example_scores(), **{**EXAMPLE_OPTIONS, 'fprs': [0.01]})
    drawn = {item['name']: item for item in draw_figures(result)}
    PLACE.parent.mkdir(exist_ok=True)
    PLACE.write_bytes(figure_png(drawn['completeness_by_psfsize_r']))
    print(PLACE)


if __name__ == '__main__':
    main()
