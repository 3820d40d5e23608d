import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F

from kdlib.models import build, networks
from kdlib.models.layers import fold_batch_norm
from kdlib.registry import KdlibError

# SPEC section 2: exact parameter counts.
COUNTS = {
    ("resnet8", 100): 83_892,
    ("resnet14", 100): 181_108,
    ("resnet20", 100): 278_324,
    ("resnet32", 100): 472_756,
    ("resnet44", 100): 667_188,
    ("resnet56", 100): 861_620,
    ("resnet110", 100): 1_736_564,
    ("resnet18", 100): 11_220_132,
    ("resnet50", 100): 23_705_252,
    ("resnet20", 10): 272_474,
    ("resnet18", 10): 11_173_962,
    ("resnet50", 10): 23_520_842,
    ("cnn2", 10): 13_050,
}
# Channels and sides of the stage maps for 32 x 32 images.
THREE_STAGE = [(16, 32), (32, 16), (64, 8)]
MAPS = {
    **dict.fromkeys([f"resnet{d}" for d in (8, 14, 20, 32, 44, 56, 110)], THREE_STAGE),
    "resnet18": [(64, 32), (128, 16), (256, 8), (512, 4)],
    "resnet50": [(256, 32), (512, 16), (1024, 8), (2048, 4)],
    "cnn2": [(16, 16), (16, 8)],
}
every_network = pytest.mark.parametrize("name", list(networks))


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def images(batch: int, channels: int = 3, side: int = 32) -> torch.Tensor:
    return torch.randn(batch, channels, side, side, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("name", "num_classes"), COUNTS)
def test_parameter_counts_are_those_of_the_literature(name, num_classes):
    model = build(name, num_classes)
    assert sum(p.numel() for p in model.parameters()) == COUNTS[name, num_classes]


@every_network
@torch.inference_mode()
def test_features_have_the_stages_shapes_and_leave_the_logits_alone(name):
    model = build(name, num_classes=7).eval()
    x = images(1)
    logits, maps, pooled = model(x, features=True)
    assert logits.shape == (1, 7)
    assert [m.shape for m in maps] == [(1, channels, side, side) for channels, side in MAPS[name]]
    assert all((m >= 0).all() and (m > 0).any() for m in maps)
    torch.testing.assert_close(pooled, maps[-1].mean((2, 3)))
    assert torch.equal(model(x), logits)


@every_network
@pytest.mark.parametrize(("channels", "side"), [(1, 8), (3, 16)])
@torch.inference_mode()
def test_small_images(name, channels, side):
    model = build(name, num_classes=5, channels=channels, image_size=side).eval()
    logits, maps, pooled = model(images(2, channels, side), features=True)
    assert logits.shape == (2, 5)
    assert [m.shape[1] for m in maps] == [c for c, _ in MAPS[name]]
    assert pooled.shape == (2, MAPS[name][-1][0])
    assert logits.isfinite().all()


@every_network
def test_gradient_reaches_every_parameter(name):
    model = build(name, num_classes=5, image_size=16)
    logits = model(images(4, side=16))
    F.cross_entropy(logits, torch.tensor([0, 1, 2, 3])).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@every_network
@torch.inference_mode()
def test_an_image_is_judged_alone_and_in_either_memory_format(name):
    model = build(name, num_classes=5, image_size=8).double().eval()
    x = images(3, side=8).double()
    together = model(x)
    torch.testing.assert_close(torch.cat([model(image[None]) for image in x]), together)
    model.to(memory_format=torch.channels_last)
    torch.testing.assert_close(model(x.to(memory_format=torch.channels_last)), together)
    assert not torch.allclose(together[0], together[1])


@every_network
def test_initial_weights_follow_the_global_seed_alone(name):
    def weights(seed):
        torch.manual_seed(seed)
        return torch.nn.utils.parameters_to_vector(build(name, num_classes=5).parameters())

    first = weights(3)
    assert torch.equal(first, weights(3))
    assert not torch.equal(first, weights(4))


def test_initialisation():
    model = build("resnet18", num_classes=10)
    deviation = (2 / (512 * 9)) ** 0.5  # kaiming_normal, fan_out: sqrt(2 / (output channels x kernel area))
    assert model.layer4[0].conv1.weight.std().item() == pytest.approx(deviation, rel=0.01)
    assert (model.bn1.weight == 1).all() and (model.bn1.bias == 0).all()
    assert model.fc.weight.abs().max() <= 512**-0.5  # torch's default: uniform within 1 / sqrt(inputs)


@pytest.mark.parametrize("depth", [18, 50])
@torch.inference_mode()
def test_four_stage_networks_are_torchvisions_with_another_stem(depth):
    import torchvision

    reference = getattr(torchvision.models, f"resnet{depth}")(num_classes=10)
    reference.conv1 = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)
    reference.maxpool = torch.nn.Identity()
    model = build(f"resnet{depth}", num_classes=10)
    model.load_state_dict(reference.state_dict())
    x = images(2, side=16)
    torch.testing.assert_close(model.double().eval()(x.double()), reference.double().eval()(x.double()))


@torch.inference_mode()
def test_three_stage_basic_block_by_hand():
    model = build("resnet8", num_classes=10).double()
    for norm in (m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    model.eval()
    weights = model.state_dict()

    def conv_bn(x, conv, bn, stride=1):
        kernel = weights[f"{conv}.weight"]
        x = F.conv2d(x, kernel, stride=stride, padding=kernel.shape[-1] // 2)
        mean, variance = (weights[f"{bn}.running_{moment}"].view(-1, 1, 1) for moment in ("mean", "var"))
        return (x - mean) / (variance + 1e-5).sqrt()  # the affine part is 1 and 0 at the start

    x = conv_bn(images(2, side=8).double(), "conv1", "bn1").clamp(min=0)
    for i in (1, 2, 3):
        block, stride = f"layer{i}.0", 1 if i == 1 else 2
        y = conv_bn(x, f"{block}.conv1", f"{block}.bn1", stride).clamp(min=0)
        y = conv_bn(y, f"{block}.conv2", f"{block}.bn2")
        side = x if i == 1 else conv_bn(x, f"{block}.downsample.0", f"{block}.downsample.1", stride)
        x = (y + side).clamp(min=0)
    expected = x.mean((2, 3)) @ weights["fc.weight"].T + weights["fc.bias"]
    torch.testing.assert_close(model(images(2, side=8).double()), expected)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@torch.inference_mode()
def test_cnn2_by_hand_in_either_memory_format(memory_format):
    """ReLU before the max-pool, as it is defined, and features flattened in the order C, H, W."""
    model = build("cnn2", num_classes=10, channels=1, image_size=8, width=5).double().eval()
    x = images(3, 1, 8).double()
    kernels = model.conv1.weight.clone(), model.conv2.weight.clone()
    expected = x
    for kernel in kernels:
        expected = F.conv2d(expected, kernel, padding=1) / (1 + 1e-5) ** 0.5  # BatchNorm at its start
        expected = F.max_pool2d(expected.clamp(min=0), 2)
    assert expected.shape == (3, 5, 2, 2)
    head = model.fc.weight.view(10, 5, 2, 2)
    model.to(memory_format=memory_format)
    logits, maps, pooled = model(x.to(memory_format=memory_format), features=True)
    torch.testing.assert_close(maps[-1], expected, check_stride=False)
    torch.testing.assert_close(logits, torch.einsum("bchw,kchw->bk", expected, head) + model.fc.bias)
    torch.testing.assert_close(pooled, expected.mean((2, 3)))


@every_network
@torch.inference_mode()
def test_folded_batch_norm_is_the_same_function(name):
    model = build(name, num_classes=10, image_size=16).double().eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # as if it had been trained
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.8, 1.2)
            module.weight.uniform_(0.8, 1.2)
            module.bias.normal_(0, 0.1)
    x = images(3, side=16).double()
    expected = model(x, features=True)
    torch.testing.assert_close(fold_batch_norm(model)(x, features=True), expected)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in model.modules())


def test_folding_leaves_a_network_that_declares_nothing_as_it_is():
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    assert isinstance(fold_batch_norm(model)[1], torch.nn.BatchNorm2d)
    assert not model.training


def test_width_is_for_networks_that_have_one():
    assert build("cnn2", num_classes=10, width=4)(images(1), features=True)[2].shape == (1, 4)
    with pytest.raises(KdlibError, match=r"^Network 'resnet20' has no width, but was given 8: leave width out\.$"):
        build("resnet20", num_classes=10, width=8)


def test_cnn2_needs_images_of_side_4():
    assert build("cnn2", num_classes=10, image_size=4)(images(2, side=4)).shape == (2, 10)
    with pytest.raises(KdlibError, match="side 3: give 4 or more"):
        build("cnn2", num_classes=10, image_size=3)


def test_an_unknown_name_gives_the_nearest():
    with pytest.raises(KdlibError, match=r"^Unknown network 'resnet111': did you mean 'resnet110'\?"):
        build("resnet111", num_classes=10)


def test_a_network_of_ones_own():
    @networks.register("linear")
    def linear(num_classes, channels, image_size, width):
        hidden = width or 2
        layers = torch.nn.Linear(channels * image_size**2, hidden), torch.nn.Linear(hidden, num_classes)
        return torch.nn.Sequential(torch.nn.Flatten(), *layers)

    assert build("linear", 4, channels=1, image_size=8)[1].out_features == 2
    assert build("linear", 4, channels=1, image_size=8, width=6)(images(3, 1, 8)).shape == (3, 4)


def test_the_table_needs_no_torch():
    code = "import sys, kdlib.models; print('cnn2' in kdlib.models.networks, 'torch' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.split() == ["True", "False"]


def test_networks_of_ones_own_that_are_none_get_one_sentence():
    networks.add("narrow", lambda num_classes, channels: torch.nn.Identity())
    with pytest.raises(
        KdlibError, match="'narrow' does not take .*image_size.*: a network takes num_classes, channels"
    ):
        build("narrow", num_classes=10)
    networks.add("nothing", lambda num_classes, channels, image_size: None)
    with pytest.raises(KdlibError, match="Network 'nothing' makes NoneType: let it return a torch.nn.Module"):
        build("nothing", num_classes=10)
