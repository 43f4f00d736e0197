# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Write an audit to a folder that appears complete or not at all."""
from pathlib import Path

from lensfinder_audit.config import dump_config
from lensfinder_audit.files import whole_folder, write_whole

__all__ = ['write_audit', 'fill_folder', 'write_tables', 'write_latex', 'MARKER']

#: The file by which a folder is known to be an audit.
MARKER = 'audit.yaml'


def write_audit(result, folder, *, overwrite=False, figures=True, latex=False):
    """
    Write tables, figures, configuration and report of an audit.

    Parameters
    ----------
    result : `~lensfinder_audit.audit.AuditResult`
        The audit.
    folder : str or `~pathlib.Path`
        ``tables/*.ecsv``, ``objects.parquet``, ``figures/*.png`` and ``*.pdf``,
        ``audit.yaml`` and ``report.html`` go there.
    overwrite : bool, optional
        Whether an earlier audit there may be replaced.
    figures : bool, optional
        Whether to draw figures.
    latex : bool, optional
        Whether the tables are also set for a paper, as ``latex/*.tex``.

    Raises
    ------
    OutputExistsError
        If the folder is there and may not be replaced.
    """
    with whole_folder(folder, overwrite=overwrite, marker=MARKER) as temporary:
        fill_folder(result, temporary, Path(folder), figures=figures, latex=latex)


def fill_folder(result, temporary, folder, *, figures=True, latex=False):
    """
    Write an audit into a folder that is being made.

    Parameters
    ----------
    result : `~lensfinder_audit.audit.AuditResult`
        The audit.
    temporary : `~pathlib.Path`
        Where the files are written.
    folder : `~pathlib.Path`
        Where they will stand; names of input files are relative to it.
    figures : bool, optional
        Whether to draw figures.
    latex : bool, optional
        Whether the tables are also set for a paper, as ``latex/*.tex``.
    """
    from lensfinder_audit.plotting import draw_figures, save_figures
    from lensfinder_audit.report import render_report

    write_tables(result, temporary)
    drawn = draw_figures(result) if figures else []
    save_figures(drawn, temporary / 'figures')
    text = dump_config(result.options, result.inputs, folder,
                       example=result.summary.get('example', False),
                       command=result.summary.get('command', ''))
    (temporary / MARKER).write_text(text, encoding='utf-8')
    (temporary / 'report.html').write_text(render_report(result, drawn), encoding='utf-8')
    if latex:
        write_latex(result, temporary / 'latex')


def write_latex(result, folder):
    """
    Write the tables of an audit in LaTeX.

    Parameters
    ----------
    result : `~lensfinder_audit.audit.AuditResult`
        The audit.
    folder : `~pathlib.Path`
        Where ``tables.tex`` and the tables that it inputs go; made where it is missing.
    """
    from lensfinder_audit.report.latex import latex_tables

    folder.mkdir(parents=True, exist_ok=True)
    for name, text in latex_tables(result).items():
        (folder / f'{name}.tex').write_text(text, encoding='utf-8')


def write_tables(result, folder):
    """
    Write the tables of an audit and its objects.

    Parameters
    ----------
    result : `~lensfinder_audit.audit.AuditResult`
        The audit.
    folder : `~pathlib.Path`
        Where ``tables`` and ``objects.parquet`` go.
    """
    for name, table in {**result.tables, 'findings': result.findings}.items():
        write_whole(table, folder / 'tables' / f'{name}.ecsv')
    write_whole(result.sample, folder / 'objects.parquet')
