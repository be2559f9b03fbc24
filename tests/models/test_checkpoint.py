import pickle

import numpy as np
import pytest
import torch

from automarkerlabel.core.marker_set import MarkerSet
from automarkerlabel.core.settings import WindowConfig
from automarkerlabel.errors import ModelError
from automarkerlabel.labellers.trajectory import TrajectoryLabeller
from automarkerlabel.models import build, config_dict, make_config
from automarkerlabel.models.checkpoints import find_model, load_model
from automarkerlabel.models.checkpoints import trajectory as store
from automarkerlabel.models.hybrid import ATTENTIONS


def stored(tmp_path, name="hybrid", **changes):
    config = make_config(name, cells=16, head_width=8)
    model = build(name, config, 2 * 13, 3, 4)
    facts = {
        "model_type": name,
        "config": config_dict(config),
        "windows": {"rate_hz": 15.0, "n_samples": 3, "n_neighbours": 2},
        "marker_set": MarkerSet(["LA", "RA", "C"], ["a", "a", "b"], local_mm=np.eye(3, dtype=np.float32)),
        "scale": [1.0] * 7,
        "tensors": model.state_dict(),
        "temperature": 1.5,
        "training": {"seconds": 3.5},
    } | changes
    path = tmp_path / "model_hybrid.ckpt"
    store.save(store.Checkpoint(**facts), path)
    return path, model


def test_it_comes_back_whole(tmp_path):
    path, model = stored(tmp_path)
    again = store.load(path)
    assert again.marker_set.labels == ("LA", "RA", "C")
    assert again.marker_set.segments == ("a", "a", "b")
    assert again.marker_set.pairs == (("LA", "RA"),)
    np.testing.assert_array_equal(again.marker_set.local_mm, np.eye(3))
    assert (again.temperature, again.training, again.windows["n_samples"]) == (1.5, {"seconds": 3.5}, 3)
    for name, tensor in load_model(again).state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name])
    assert store.is_checkpoint(path)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_each_attention_comes_back_with_the_same_scores(tmp_path, attention):
    config = make_config("hybrid", cells=16, head_width=8, attention=attention)
    model = build("hybrid", config, 2 * 13, 3, 4)
    x, mask = torch.randn(20, 3, 2 * 13), torch.ones(20, 3, dtype=torch.bool)
    x[..., 6::13] = 1
    model.train()(x, mask)  # batch norms have statistics then
    path, _ = stored(tmp_path, config=config_dict(config), tensors=model.state_dict())
    again = load_model(store.load(path)).eval()
    assert torch.equal(again(x, mask)[0], model.eval()(x, mask)[0])


def test_a_file_from_before_there_was_a_choice_of_attention_has_the_same_scores(tmp_path):
    old = config_dict(make_config("hybrid", cells=16, head_width=8))
    for name in ("attention", "forecast"):
        del old[name]
    path, model = stored(tmp_path, config=old)
    again = TrajectoryLabeller.of_file(path)
    assert again.mechanism == "multihead"
    x, mask = torch.randn(5, 3, 2 * 13), torch.ones(5, 3, dtype=torch.bool)
    with torch.inference_mode():
        assert torch.equal(again.model(x, mask)[0], model.eval()(x, mask)[0])


def test_an_attention_of_a_newer_version_is_named(tmp_path):
    config = config_dict(make_config("hybrid", cells=16, head_width=8)) | {"attention": "fourier"}
    path, _ = stored(tmp_path, config=config)
    with pytest.raises(ModelError, match=r"attention: expected one of multihead, .*, found 'fourier'"):
        load_model(store.load(path))


class Evil:
    def __reduce__(self):
        return (print, ("this must never run",))


def test_a_pickle_is_refused_and_does_not_run(tmp_path, capsys):
    path = tmp_path / "evil.ckpt"
    path.write_bytes(pickle.dumps(Evil()))
    assert not store.is_checkpoint(path)
    with pytest.raises(ModelError, match="aml train"):
        store.load(path)
    torch.save({"x": Evil()}, path)
    with pytest.raises(ModelError, match="aml train"):
        store.load(path)
    assert "never" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"text\n", b"\x08\x00\x00\x00\x00\x00\x00\x00{}", b"\xff" * 100])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "x.ckpt"
    path.write_bytes(content)
    with pytest.raises(ModelError):
        TrajectoryLabeller.of_file(path)


def test_missing_folder_and_unknown_name(tmp_path):
    with pytest.raises(ModelError, match="nosuch"):
        find_model("nosuch")
    with pytest.raises(ModelError):
        store.load(tmp_path)


def test_weights_of_another_size_are_named(tmp_path):
    path, _ = stored(tmp_path, marker_set=MarkerSet(["A", "B"]))
    with pytest.raises(ModelError, match="for 2 labels"):
        load_model(store.load(path))


def test_settings_of_another_type_are_named(tmp_path):
    path, _ = stored(tmp_path, model_type="transformer")
    with pytest.raises(ModelError, match="transformer"):
        load_model(store.load(path))


def test_a_newer_format_says_update(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "FORMAT_VERSION", 99)
    path, _ = stored(tmp_path)
    monkeypatch.undo()
    with pytest.raises(ModelError, match="update"):
        store.load(path)


def test_windows_are_plain_values(tmp_path):
    path, _ = stored(tmp_path)
    assert WindowConfig(**store.load(path).windows).n_neighbours == 2
