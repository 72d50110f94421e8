"""Files that list targets: read when they change, kept when they are broken, forgotten when they are gone."""

from pathlib import Path

from collectors.model.batch import Status
from collectors.sources.target import Target
from collectors.targets.file_sd import FileSd
from collectors.targets.spec import TargetSpec
from tests.sources.seen import Seen

LIKE = TargetSpec(Target("", "", None, None))


async def look(files: FileSd) -> tuple[list[str], Status]:
    seen = Seen()
    found = await files.look(0, seen)
    assert found is not None
    (status,) = seen.parts(Status)
    return [spec.target.name for spec in found], status


async def test_files_come_change_break_and_go(tmp_path: Path) -> None:
    files = FileSd(str(tmp_path / "*.json"), LIKE)
    names, status = await look(files)
    assert (names, status.warning) == ([], "there is no such file (yet)")
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    first.write_text('[{"targets": ["h:1"]}]')
    second.write_text('[{"targets": ["h:2"]}]')
    names, status = await look(files)
    assert (names, status.warning) == (["h:1", "h:2"], "")
    first.write_text('[{"targets": ["h:1", "h:3"]}]')
    assert (await look(files))[0] == ["h:1", "h:3", "h:2"]
    first.write_text('[{"targets": ["h:1", ')
    names, status = await look(files)
    assert names == ["h:1", "h:3", "h:2"]
    assert status.warning.startswith("a.json: not JSON")
    assert "as before" in status.warning
    first.unlink()
    assert await look(files) == (["h:2"], Status(str(tmp_path / "*.json"), "file_sd", status.status))


async def test_an_unchanged_file_is_not_read_again(tmp_path: Path) -> None:
    file = tmp_path / "a.yml"
    file.write_text("- targets: [h:1]\n")
    files = FileSd(str(file), LIKE)
    first = await files.look(0, Seen())
    again = await files.look(0, Seen())
    assert first is not None
    assert again is not None
    assert first[0] is again[0]


async def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("- targets: ['h:1', 'no port']\n")
    names, status = await look(FileSd(str(tmp_path / "a.yml"), LIKE))
    assert names == ["h:1"]
    assert "left out: target 'no port'" in status.warning
