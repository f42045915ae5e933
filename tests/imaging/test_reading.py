"""Image files: every mode becomes the RGB a viewer shows, every damage becomes one line."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gog_pose.errors import InputError
from gog_pose.imaging.reading import read_image, resolve_inside, to_rgb

PIXELS = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[0, 0, 0], [128, 128, 128], [255, 255, 255]]], np.uint8)


def saved(folder, image, name="image.png", **options):
    path = folder / name
    image.save(path, **options)
    return path


def test_rgb_and_palette_images_are_read_exactly(tmp_path):
    image = Image.fromarray(PIXELS)
    np.testing.assert_array_equal(read_image(saved(tmp_path, image)), PIXELS)
    palette = image.convert("P", palette=Image.Palette.ADAPTIVE)
    np.testing.assert_array_equal(read_image(saved(tmp_path, palette)), PIXELS)


def test_grey_images_repeat_their_value(tmp_path):
    gray = np.array([[0, 7, 255]], np.uint8)
    expected = np.repeat(gray[..., None], 3, axis=2)
    np.testing.assert_array_equal(read_image(saved(tmp_path, Image.fromarray(gray))), expected)
    bits = saved(tmp_path, Image.fromarray(gray > 100))
    np.testing.assert_array_equal(read_image(bits), np.where(expected > 100, 255, 0))


@pytest.mark.parametrize("name", ["image.png", "image.tif"])
def test_sixteen_bits_are_scaled_not_clipped(tmp_path, name):
    gray = np.array([[0, 257, 128 * 257, 65535]], np.uint16)
    image = read_image(saved(tmp_path, Image.fromarray(gray), name))
    assert image[0, :, 1].tolist() == [0, 1, 128, 255]


def test_cmyk_jpeg_keeps_its_colors(tmp_path):
    red = Image.new("RGB", (16, 16), (255, 0, 0)).convert("CMYK")
    image = read_image(saved(tmp_path, red, "image.jpg", quality=95))
    assert np.abs(image.astype(int) - [255, 0, 0]).max() <= 4


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_pixels_are_white_whatever_they_hide(mode):
    image = Image.fromarray(np.array([[[9, 9, 9, 0], [9, 9, 9, 255]]], np.uint8), "RGBA")
    assert to_rgb(image.convert(mode)).tolist() == [[[255] * 3, [9] * 3]]


def test_transparent_palette_color_is_white(tmp_path):
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    path = saved(tmp_path, image, "image.gif", transparency=0)
    assert read_image(path).tolist() == [[[255, 255, 255], [40, 50, 60]]]


@pytest.mark.parametrize("values", [np.array([[0.5]], np.float32), np.array([[70000]], np.int32)])
def test_depths_without_an_8_bit_meaning_are_refused(tmp_path, values):
    with pytest.raises(InputError, match=r"image\.tif.*convert"):
        read_image(saved(tmp_path, Image.fromarray(values), "image.tif"))


def test_exif_orientation_is_followed_only_on_request(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn clockwise
    path = saved(tmp_path, Image.fromarray(PIXELS), exif=exif)
    np.testing.assert_array_equal(read_image(path), PIXELS)
    np.testing.assert_array_equal(read_image(path, exif=True), np.rot90(PIXELS, -1))


def test_missing_file_folder_and_text_are_told_by_name(tmp_path):
    (tmp_path / "notes.jpg").write_text("no image")
    for name, words in (("absent.jpg", "no such"), (".", "no such"), ("notes.jpg", "not an image")):
        with pytest.raises(InputError, match=words) as error:
            read_image(tmp_path / name)
        assert str(tmp_path / name) in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "GIF", "WEBP", "BMP"])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_damaged_bytes_give_an_image_or_one_line(tmp_path_factory, form, data):
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(buffer, form)
    content = bytearray(buffer.getvalue())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "image"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        image = read_image(path, exif=True)
    except InputError as error:
        message = str(error)
    else:
        message = f"{path}: {image.shape}"
    assert message.startswith(f"{path}: ")


def test_truncated_jpeg_is_refused(tmp_path):
    path = saved(tmp_path, Image.fromarray(np.tile(PIXELS, (40, 40, 1))), "image.jpg")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"image\.jpg: the image is damaged .* replace"):
        read_image(path)


@pytest.mark.parametrize("name", ["a.jpg", "sub/a.jpg", "sub/../a.jpg", "./a.jpg", "..a.jpg"])
def test_names_inside_the_folder_are_resolved(tmp_path, name):
    assert resolve_inside(tmp_path, name).resolve().is_relative_to(tmp_path.resolve())


@pytest.mark.parametrize("name", ["", ".", "..", "../a.jpg", "sub/../../a.jpg", "/etc/passwd", "a\0.jpg", "sub/.."])
def test_names_that_lead_out_of_the_folder_are_refused(tmp_path, name):
    with pytest.raises(InputError, match="file_name"):
        resolve_inside(tmp_path, name)
