# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Sphinx configuration, on top of the one that Astropy packages share.

The build needs no network: nothing is fetched from other documentations unless
the build runs on Read the Docs or LENSFINDER_AUDIT_DOCS_ONLINE is set.
"""
import os
import sys
from importlib.util import find_spec
from pathlib import Path

from sphinx_astropy.conf.v2 import *  # noqa: F401, F403
from sphinx_astropy.conf.v2 import exclude_patterns, extensions, html_theme_options

import lensfinder_audit

sys.path.insert(0, str(Path(__file__).parent / '_ext'))

project = 'lensfinder_audit'
author = 'The lensfinder_audit developers'
copyright = f'2026, {author}'  # noqa: A001
release = lensfinder_audit.__version__
version = release.partition('+')[0]

needs_sphinx = '7.0'
extensions += ['generated_pages']
exclude_patterns += ['generated/plugins_*.rst', 'generated/schemas.rst', 'generated/cli_*.rst',
                     'generated/more_*.rst', 'generated/model_card.rst', 'nitpick-exceptions.txt',
                     'examples']
templates_path = []

ONLINE = 'READTHEDOCS' in os.environ or 'LENSFINDER_AUDIT_DOCS_ONLINE' in os.environ
intersphinx_mapping = {name: (url, None) for name, url in {
    'python': 'https://docs.python.org/3/',
    'numpy': 'https://numpy.org/doc/stable/',
    'scipy': 'https://docs.scipy.org/doc/scipy/',
    'matplotlib': 'https://matplotlib.org/stable/',
    'astropy': 'https://docs.astropy.org/en/stable/',
}.items()} if ONLINE else {}

nitpicky = True
show_warning_types = True
nitpick_ignore_regex = []
for line in (Path(__file__).parent / 'nitpick-exceptions.txt').read_text().splitlines():
    if line.strip() and not line.startswith('#'):
        nitpick_ignore_regex.append(tuple(line.split(None, 1)))

# Plugins of optional dependencies are described without them.
autodoc_mock_imports = [name for name in (
    'torch', 'torchvision', 'timm', 'lightning', 'astroquery', 'pyvo', 'lenscat', 'dask',
    'distributed', 'cloudpickle', 'pyspark', 'py4j', 'lenstronomy') if find_spec(name) is None]
autodoc_default_options = {'no-value': True}
automodsumm_inherited_members = False
numpydoc_xref_param_type = False
plot_formats = [('png', 110)]
plot_html_show_formats = False
plot_html_show_source_link = False
plot_include_source = False

html_title = f'{project} {version}'
html_static_path = ['_static']
html_css_files = ['lensfinder_audit.css']
html_show_sourcelink = False
html_theme_options.update({
    'logo': {'text': project},
    'navigation_depth': 3,
    'show_toc_level': 2,
    'header_links_before_dropdown': 6,
    'navbar_end': ['theme-switcher'],
    'secondary_sidebar_items': ['page-toc'],
    'footer_start': ['copyright'],
    'footer_end': [],
})
