import json
from pathlib import Path

import pytest

from farm.postcards import manifest
from shared.errors import Fault


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "weights.safetensors").write_bytes(b"\x00\x01\x02")
    (tmp_path / "model_index.json").write_text("{}")
    manifest.write(tmp_path)
    return tmp_path


def test_an_untouched_folder_passes(folder: Path) -> None:
    assert set(manifest.verify(folder)) == {"model_index.json", "unet/weights.safetensors"}


def test_one_flipped_bit_is_found(folder: Path) -> None:
    (folder / "unet" / "weights.safetensors").write_bytes(b"\x00\x01\x03")
    with pytest.raises(Fault, match=r"unet/weights\.safetensors .* is changed"):
        manifest.verify(folder)


def test_a_missing_file_is_found(folder: Path) -> None:
    (folder / "model_index.json").unlink()
    with pytest.raises(Fault, match=r"model_index\.json .* is missing"):
        manifest.verify(folder)


def test_an_extra_file_is_found(folder: Path) -> None:
    (folder / "unet" / "more.bin").write_bytes(b"")
    with pytest.raises(Fault, match=r"unet/more\.bin .* is not listed"):
        manifest.verify(folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sha256": 3}', "no json"])
def test_an_unreadable_manifest_is_a_fault(folder: Path, text: str) -> None:
    (folder / manifest.NAME).write_text(text)
    with pytest.raises(Fault, match="cannot be read"):
        manifest.verify(folder)


def test_a_folder_without_a_manifest_is_a_fault(folder: Path) -> None:
    (folder / manifest.NAME).unlink()
    with pytest.raises(Fault, match=r"no manifest\.json"):
        manifest.verify(folder)


@pytest.mark.parametrize("name", ["base", "judge", "lora-sepia", "lora-neon", "controlnet-edges"])
def test_the_shipped_weights_are_whole_and_readable(name: str) -> None:
    shipped = manifest.weights_folder(name)
    assert manifest.verify(shipped)
    for path in shipped.rglob("*"):
        assert path.is_dir() or path.stat().st_mode & 0o777 == 0o644


def test_the_scheduler_does_not_clip() -> None:
    path = manifest.weights_folder("base") / "scheduler" / "scheduler_config.json"
    assert json.loads(path.read_text())["clip_sample"] is False


def test_the_command_lists_a_folder_anew(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "unet" / "more.bin").write_bytes(b"")
    manifest.main([str(folder)])
    assert set(manifest.verify(folder)) >= {"unet/more.bin"}
    assert "3 files listed" in capsys.readouterr().out


def test_no_configuration_names_the_place_it_was_trained_in() -> None:
    for path in manifest.WEIGHTS.rglob("*.json"):
        assert "_name_or_path" not in path.read_text(), path
