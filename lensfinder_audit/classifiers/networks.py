# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The networks that a torch checkpoint can hold, by name.

``shielded_resnet`` is built here; every other name is one of timm's, such as ``resnet18``
and ``efficientnetv2_s``. Each takes ``(n, band, y, x)`` and gives one logit per stamp.
"""
from torch import nn

from lensfinder_audit.exceptions import ConfigError, MissingDependencyError, did_you_mean

__all__ = ['ShieldedResNet', 'make_network', 'n_parameters', 'PUBLISHED_PARAMETERS']

#: Published numbers of parameters (Inchausti et al. 2025, arXiv:2508.20087); that of the
#: ResNet-18 is for three bands and one logit.
PUBLISHED_PARAMETERS = {'shielded_resnet': 194433, 'efficientnetv2_s': 20542883,
                        'resnet18': 11177025}


class _Bottleneck(nn.Module):
    """Narrow, look around, widen, add; batch normalisation and ELU come first."""

    def __init__(self, width, inner):
        super().__init__()
        self.path = nn.Sequential(
            nn.BatchNorm2d(width), nn.ELU(), nn.Conv2d(width, inner, 1, bias=False),
            nn.BatchNorm2d(inner), nn.ELU(), nn.Conv2d(inner, inner, 3, padding=1, bias=False),
            nn.BatchNorm2d(inner), nn.ELU(), nn.Conv2d(inner, width, 1, bias=False))

    def forward(self, x):
        """Return the image with what the block adds."""
        return x + self.path(x)


class ShieldedResNet(nn.Module):
    """
    Pre-activated bottleneck blocks with 1 x 1 convolutions that keep the width small.

    A first 7 x 7 convolution and five stages of three blocks follow Lanusse et al. 2018
    (arXiv:1703.02642). A 1 x 1 convolution shields a stage from the width of the one before,
    and average pooling halves the resolution. Widths and strides are not published: those
    here give 194,305 parameters for three bands, 128 (0.07 %) fewer than the published
    194,433. It is a network of that kind and that capacity, and no claim to be the same.

    Parameters
    ----------
    in_chans : int, optional
        Bands.
    first : int, optional
        Width of the first convolution.
    widths : sequence of int, optional
        Width of each stage.
    blocks : int, optional
        Blocks of a stage.
    stride : int, optional
        Of the first convolution; 1 costs four times the work.
    """

    def __init__(self, in_chans=3, first=32, widths=(48, 48, 48, 48, 96), blocks=3, stride=2):
        super().__init__()
        layers, before = [nn.Conv2d(in_chans, first, 7, stride, 3, bias=False)], first
        for stage, width in enumerate(widths):
            if stage:
                layers.append(nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False))
            if width != before:
                layers.append(nn.Conv2d(before, width, 1, bias=False))
            layers += [_Bottleneck(width, width // 2) for _ in range(blocks)]
            before = width
        self.features = nn.Sequential(*layers, nn.BatchNorm2d(before), nn.ELU())
        self.head = nn.Linear(before, 1)

    def embed(self, images):
        """Return the (n, d) averages of the last feature maps."""
        return self.features(images).mean(dim=(2, 3))

    def forward(self, images):
        """Return the (n, 1) logits."""
        return self.head(self.embed(images))


def make_network(name, *, in_chans=3, **arguments):
    """
    Build a network with one output, without weights.

    Parameters
    ----------
    name : str
        ``shielded_resnet`` or the name of a network of timm.
    in_chans : int, optional
        Bands.
    **arguments
        Further arguments of the network.

    Returns
    -------
    network : `torch.nn.Module`
        In evaluation mode, on the CPU.

    Raises
    ------
    ConfigError
        If there is no such network or it does not take the arguments.
    MissingDependencyError
        If it is one of timm's and timm is not installed.
    """
    try:
        if name == 'shielded_resnet':
            return ShieldedResNet(in_chans, **arguments).eval()
        return _timm(name).create_model(name, pretrained=False, in_chans=in_chans, num_classes=1,
                                        **arguments).eval()
    except (TypeError, AttributeError) as error:
        raise ConfigError(f'the network {name!r} does not take the arguments {arguments}: {error}'
                          ) from error


def n_parameters(network):
    """
    Count the numbers that a network learns.

    Parameters
    ----------
    network : `torch.nn.Module`
        Any network.

    Returns
    -------
    n : int
        Without the running averages of batch normalisation.
    """
    return sum(item.numel() for item in network.parameters())


def _timm(name):
    try:
        import timm
    except (ImportError, RuntimeError) as error:  # a torchvision built for another torch
        raise MissingDependencyError(f'the network {name!r} is one of timm, which cannot be '
                                     f"imported ({error}): pip install 'lensfinder_audit[torch]'"
                                     ) from error
    if name not in timm.list_models():
        known = [*timm.list_models(), 'shielded_resnet']
        raise ConfigError(f'there is no network {name!r}, neither here nor in timm '
                          f'{timm.__version__}.{did_you_mean(name, known)}')
    return timm
