# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Figures of the result tables.

A figure is made of a table and of nothing else, says which interval it draws,
and keeps cells that carry a number apart from those that do not.
"""
from lensfinder_audit.plotting.calibration import plot_reliability, plot_score_to_probability
from lensfinder_audit.plotting.completeness import plot_completeness, plot_surface
from lensfinder_audit.plotting.draw import draw_figures
from lensfinder_audit.plotting.gallery import contact_sheet
from lensfinder_audit.plotting.ranking import plot_roc, plot_scores
from lensfinder_audit.plotting.rows import plot_false_positives, plot_overall, plot_purity
from lensfinder_audit.plotting.save import figure_png, save_figures
from lensfinder_audit.plotting.together import plot_together
from lensfinder_audit.plotting.verdict import plot_verdict

__all__ = ['plot_completeness', 'plot_overall', 'plot_surface', 'plot_false_positives',
           'plot_purity', 'plot_roc', 'plot_scores', 'plot_reliability',
           'plot_score_to_probability', 'plot_together', 'plot_verdict', 'contact_sheet',
           'draw_figures', 'save_figures', 'figure_png']
