# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""Plugins are found by name, and what goes wrong is told in one line."""
import subprocess
import sys

import pytest

from lensfinder_audit.exceptions import (ConfigError, MissingDependencyError, PluginConflictError,
                                         PluginImportError, PluginNotFoundError)
from lensfinder_audit.plugins import KINDS, find_plugin, load_plugin, plugin_names

KIND = pytest.mark.parametrize('kind', KINDS)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that puts a distribution with one plugin on the path."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(dist, name, value, code='', kind='normalizers'):
        info = tmp_path / f'{dist.replace("-", "_")}-1.2.dist-info'
        info.mkdir()
        (info / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {dist}\nVersion: 1.2\n')
        (info / 'entry_points.txt').write_text(f'[lensfinder_audit.{kind}]\n{name} = {value}\n')
        module = value.partition(':')[0]
        (tmp_path / f'{module}.py').write_text(code)
        monkeypatch.delitem(sys.modules, module, raising=False)
    return install


def test_third_party_plugin_is_found_and_loaded(install):
    install('sky-units', 'sky_units', 'sky_units_one:SkyUnits', 'class SkyUnits: pass')
    assert 'sky_units' in plugin_names('normalizers')
    assert load_plugin('normalizers', 'sky_units').__name__ == 'SkyUnits'
    assert find_plugin('normalizers', 'sky_units').dist.name == 'sky-units'


def test_listing_imports_nothing(install):
    install('broken', 'broken', 'broken_two:Broken', 'raise SystemExit')
    assert 'broken' in plugin_names('normalizers')
    assert 'broken_two' not in sys.modules


def test_listing_needs_no_heavy_import():
    code = ('import sys\nfrom lensfinder_audit.plugins import plugin_names, KINDS\n'
            'for kind in KINDS: plugin_names(kind)\n'
            'print(sorted({"torch", "astropy", "pandas", "dask", "numpy"} & set(sys.modules)))')
    run = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == '[]'


def test_unknown_name_lists_what_there_is_and_the_nearest():
    with pytest.raises(PluginNotFoundError, match=r"no normalizers plugin is named 'raw_robst'. "
                       r"Installed: \[.*'raw_robust'.*\]. Did you mean 'raw_robust'\?"):
        load_plugin('normalizers', 'raw_robst')


@KIND
def test_name_like_nothing_gets_no_suggestion(kind):
    with pytest.raises(LookupError) as caught:
        load_plugin(kind, 'qqqqqqqqqq')
    assert 'Did you mean' not in str(caught.value)


def test_clash_names_both_distributions(install):
    install('first-sky', 'sky_units', 'first_sky:A', 'A = 1')
    install('second-sky', 'sky_units', 'second_sky:B', 'B = 2')
    with pytest.raises(PluginConflictError, match="normalizers plugin 'sky_units' comes from "
                       'first-sky 1.2 and second-sky 1.2; uninstall all but one'):
        load_plugin('normalizers', 'sky_units')
    assert plugin_names('normalizers').count('sky_units') == 1


def test_clash_with_a_built_in_is_told(install):
    install('hijack', 'raw_robust', 'hijack:A', 'A = 1')
    with pytest.raises(PluginConflictError, match='hijack 1.2 and lensfinder.audit'):
        find_plugin('normalizers', 'raw_robust')


def test_same_distribution_found_twice_is_no_clash(install):
    install('twice', 'twice', 'twice_one:A', 'A = 1')
    install('twice-copy', 'twice', 'twice_one:A', 'A = 1')
    assert load_plugin('normalizers', 'twice') == 1


@pytest.mark.parametrize(('code', 'said'), [('raise ValueError("no weights")',
                                             'ValueError: no weights'),
                                            ('A = (', 'SyntaxError'),
                                            ('B = 1', "AttributeError: .*'A'"),
                                            ('from numpy import nonsense', 'ImportError')])
def test_broken_module_is_named(install, code, said):
    install('my-broken', 'broken', 'broken_module:A', code)
    with pytest.raises(PluginImportError, match="normalizers plugin 'broken' from my-broken 1.2 "
                       f'cannot be imported: {said}'):
        load_plugin('normalizers', 'broken')


def test_missing_dependency_is_one_line(install):
    install('deep', 'deep', 'deep_module:A', 'import not_installed.layers')
    with pytest.raises(MissingDependencyError) as caught:
        load_plugin('normalizers', 'deep')
    assert str(caught.value) == ("normalizers plugin 'deep' needs 'not_installed', which is not "
                                 "installed: pip install 'not_installed'")


def test_missing_extra_of_a_built_in_is_named(install, monkeypatch):
    monkeypatch.setitem(sys.modules, 'lenscat', None)  # as if it were not installed
    install('lensfinder-audit', 'extra', 'needs_extra:A', 'import lenscat')
    with pytest.raises(MissingDependencyError,
                       match=r"needs 'lenscat', .*: pip install 'lensfinder_audit\[catalogs\]'"):
        load_plugin('normalizers', 'extra')


def test_unknown_kind_is_told():
    with pytest.raises(ConfigError, match="no plugin kind 'normalisers'.*Did you mean 'norm"):
        plugin_names('normalisers')


@KIND
def test_every_registered_plugin_names_an_existing_module(kind):
    for name in plugin_names(kind):
        assert find_plugin(kind, name).value.count(':') == 1
