"""PyTorch modules and exported programs against PyTorch's own derivative."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import whylight

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")


def network() -> Any:
    torch.manual_seed(0)
    body = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3), torch.nn.BatchNorm2d(5), torch.nn.ReLU())
    body[1].running_mean += torch.randn(5)
    body[1].weight.data += torch.randn(5)
    return torch.nn.Sequential(body, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(5, 4))


def test_a_module_has_the_map_of_autograd(tmp_path: Path) -> None:
    module = network()
    image = np.random.default_rng(0).random((9, 7, 3)).astype(np.float32)
    classifier = whylight.load(module, input_size=(9, 7), input_range="1")
    assert module.training
    assert [layer.name for layer in classifier.layers] == ["0.0", "0.1", "0.2"]
    assert classifier.layer("0").name == "0.2"
    module.eval()
    maps = module[0][0](torch.tensor(image.transpose(2, 0, 1)[None])).detach().requires_grad_()
    features = module[0][2](module[0][1](maps))
    module[3](module[2](module[1](features)))[0, 2].backward()
    cam = torch.relu((maps.grad.mean((2, 3), keepdim=True) * maps).sum(1))[0].detach().numpy()
    expected = (cam - cam.min()) / (cam.max() - cam.min())
    np.testing.assert_allclose(classifier.explainer(layer="0.0")(image, 2).cam, expected, atol=1e-4)
    program = torch.export.export(module, (torch.zeros(1, 3, 9, 7),))
    torch.export.save(program, tmp_path / "model.pt2")
    exported = whylight.load(tmp_path / "model.pt2", input_range="1").explainer(layer="0.0")
    np.testing.assert_allclose(exported(image, 2).cam, expected, atol=1e-4)


def test_a_module_that_takes_pictures_in_one_row() -> None:
    torch.manual_seed(0)
    layers = (torch.nn.Flatten(), torch.nn.Linear(63, 8), torch.nn.ReLU(), torch.nn.Linear(8, 4))
    image = np.random.default_rng(0).random((9, 7)).astype(np.float32)
    given = torch.tensor(image[None]).requires_grad_()
    for module in (torch.nn.Sequential(*layers), torch.nn.Sequential(*layers[1:])):
        classifier = whylight.load(module, input_size=(9, 7), input_range="1")
        assert (classifier.input.channels, classifier.input.size) == (1, (9, 7))
        given.grad = None
        torch.nn.Sequential(*layers)(given)[0, 2].backward()
        slopes = given.grad[0].abs().numpy()
        expected = (slopes - slopes.min()) / np.ptp(slopes)
        np.testing.assert_allclose(classifier.explainer("gradient")(image, 2).cam, expected, atol=1e-4)


def test_a_module_says_the_names_of_its_classes() -> None:
    module = network()
    module.names = {0: "cat", 1: "dog", 2: "bird", 3: "鳥"}
    assert whylight.load(module, input_size=(9, 7), input_range="1").class_names == ("cat", "dog", "bird", "鳥")
    module.names = None
    module.config = type("Config", (), {"id2label": {0: "a", 1: "b", 2: "c", 3: "d"}})()
    assert whylight.load(module, input_size=(9, 7), input_range="1").class_names == ("a", "b", "c", "d")


def test_a_file_that_is_no_exported_program(tmp_path: Path) -> None:
    (tmp_path / "model.pt2").write_bytes(b"nothing")
    with pytest.raises(whylight.WhylightError, match=r"torch\.export\.save"):
        whylight.load(tmp_path / "model.pt2")
