"""The report contains its pictures, states the figures of the analysis, and shows errors in their colors."""

import base64
import io
import json
import re

import numpy as np
import pytest
from annotated import standing, write_annotations
from matplotlib.colors import to_rgb
from PIL import Image

from gog_pose.data.annotation_file import AnnotationFile
from gog_pose.errors import InputError
from gog_pose.evaluation.errors.analysis import analyse
from gog_pose.evaluation.errors.keypoint_errors import KINDS
from gog_pose.evaluation.errors.pictures import picture
from gog_pose.evaluation.errors.plots import COLORS, plots
from gog_pose.evaluation.errors.report import PAGE, write_report
from gog_pose.evaluation.numbers.numbers import measure_numbers
from gog_pose.evaluation.numbers.table import keypoint_rows, texts
from gog_pose.skeleton import load_skeleton

SKELETON = load_skeleton("coco_19")
A, B = standing(20, 60), standing(180, 60)
BLANK = np.full((240, 320, 3), 48, dtype=np.uint8)


def analysis(tmp_path, *found, people=(A, B)):
    path = write_annotations(tmp_path / "truth.json", {1: list(people)})
    results = [
        {"image_id": 1, "category_id": 1, "keypoints": person.ravel().tolist(), "score": 0.9 - 0.1 * index}
        for index, person in enumerate(found)
    ]
    return analyse(path, {1: results}, SKELETON)


def wrong(place):
    """A, its left wrist elsewhere."""
    person = A.copy()
    person[9, :2] = place
    return person


def drawn(analysed):
    """The right half of the picture, its legend left out, (H, W, 3) int."""
    pixels = np.asarray(Image.open(io.BytesIO(picture(analysed.images[0], BLANK, SKELETON))), dtype=int)
    height, width = pixels.shape[:2]
    return pixels[: round(0.88 * height), width // 2 :]


def shown(analysed):
    """The kinds of errors, and good, whose colors the picture has."""
    pixels = drawn(analysed)
    colors = {kind: np.round(255 * np.array(to_rgb(COLORS[kind]))) for kind in (*KINDS, "false_positive")}
    return {kind for kind, color in colors.items() if (np.abs(pixels - color).max(axis=-1) < 25).sum() > 5}


def test_the_page_holds_all_its_pictures_and_figures(tmp_path):
    photographs = tmp_path / "images"
    photographs.mkdir()
    Image.fromarray(np.full((240, 320, 3), 200, dtype=np.uint8)).save(photographs / "1.jpg")
    analysed = analysis(tmp_path, wrong((5, 5)), standing(90, 130))
    page = write_report(analysed, tmp_path / "report", photographs)
    text = page.read_text(encoding="utf-8")
    assert page.name == PAGE
    sources = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert len(sources) == len(plots(analysed)) + 1
    for source in sources:
        head, content = source.split(",")
        assert head in ("data:image/png;base64", "data:image/jpeg;base64")
        assert Image.open(io.BytesIO(base64.b64decode(content))).size[0] > 600
    record = analysed.to_dict()
    assert f"AP {record['AP']:.3f}" in text
    for kind, repair in record["repairs"].items():
        assert f"{kind.replace('_', ' ')} repaired" in text
        assert f"<td>{repair['together']['AP']:.3f}</td>" in text
    files = {path.relative_to(page.parent).as_posix() for path in page.parent.rglob("*") if path.is_file()}
    assert files == {PAGE, "worst_01.jpg", *(f"{name}.png" for name in plots(analysed))}


def test_the_page_shows_the_numbers_of_the_same_detections(tmp_path):
    found = wrong((5, 5))
    analysed = analysis(tmp_path, found)
    results = [{"image_id": 1, "category_id": 1, "keypoints": found.ravel().tolist(), "score": 0.9}]
    numbers = measure_numbers(AnnotationFile.of(tmp_path / "truth.json"), {1: results}, SKELETON)
    page = write_report(analysed, tmp_path / "report", numbers=numbers)
    text = page.read_text(encoding="utf-8")
    for row in keypoint_rows(numbers.to_dict()["keypoints"]):
        assert "".join(f"<td>{cell}</td>" for cell in texts(row)) in text
    assert "F1 0.667" in text
    assert (page.parent / "scores.png").is_file()


def test_flawless_detections_have_no_worst_picture(tmp_path):
    write_report(analysis(tmp_path, A), tmp_path / "report")
    page = write_report(analysis(tmp_path, A, B), tmp_path / "report")  # replaces the earlier report
    assert "No image loses recall" in page.read_text(encoding="utf-8")
    assert not list(page.parent.glob("worst_*"))


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ((5, 5), "miss"),
        (A[10, :2], "inversion"),
        (B[9, :2], "swap"),
        (A[9, :2] + np.array([7, 0]), "jitter"),
    ],
)
def test_an_error_has_its_color(tmp_path, place, kind):
    assert shown(analysis(tmp_path, wrong(place), B)) == {"good", kind}


def test_what_is_good_not_detected_or_nobodys_is_told_apart(tmp_path):
    assert shown(analysis(tmp_path, A, B)) == {"good"}
    assert shown(analysis(tmp_path, wrong((0, 0)), B)) == {"good", "miss"}
    assert shown(analysis(tmp_path, A, B, standing(90, 130))) == {"good", "false_positive"}


def test_a_lost_person_has_a_frame(tmp_path):
    x = float(B[:, 0].min()) - 6  # its left side, px of the image
    white = []
    for analysed in (analysis(tmp_path, A), analysis(tmp_path, A, B)):
        pixels = drawn(analysed)
        scale = pixels.shape[1] / BLANK.shape[1]
        beside = pixels[:, round((x - 5) * scale) : round((x + 5) * scale)]
        white.append(int((beside.min(axis=-1) > 200).any(axis=1).sum()))
    assert white[0] > 80 * scale > white[1]  # B is 92 px high


def test_unreadable_images_are_blank_and_named(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "1.jpg").write_text("no image")
    text = write_report(analysis(tmp_path, A), tmp_path / "report", tmp_path / "images").read_text(encoding="utf-8")
    assert re.search(r"Blank canvas: .*1\.jpg", text)


def test_file_names_cannot_bring_html_in(tmp_path):
    analysed = analysis(tmp_path, A)
    named = [image._replace(file_name="<script>alert(1)</script>.jpg") for image in analysed.images]
    altered = type(analysed)(analysed.skeleton, named, analysed.precision, analysed.repairs)
    assert "<script>" not in write_report(altered, tmp_path / "report", tmp_path).read_text(encoding="utf-8")


def test_extremes_can_be_drawn(tmp_path):
    """Nothing detected, one keypoint a person, another skeleton; what is written as JSON can be read."""
    write_report(analysis(tmp_path, people=[standing(20, 60, [0])]), tmp_path / "nothing")
    sparse = load_skeleton("crowdpose")
    path = tmp_path / "crowd.json"
    keypoints = np.where(np.arange(14)[:, None] < 1, [50.0, 60.0, 2.0], 0.0).ravel().tolist()
    write_annotations(path, {1: [A]})
    content = json.loads(path.read_text())
    content["annotations"][0] |= {"keypoints": keypoints, "num_keypoints": 1}
    path.write_text(json.dumps(content))
    found = {1: [{"image_id": 1, "category_id": 1, "keypoints": keypoints, "score": 1.0}]}
    analysed = analyse(path, found, sparse)
    assert write_report(analysed, tmp_path / "sparse").is_file()
    assert set(json.loads(json.dumps(analysed.to_dict()))["by_keypoint"]) == set(sparse.keypoints)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"report: .*file.*cannot be created"):
        write_report(analysis(tmp_path, A), tmp_path / "file" / "report")
