"""Image files: every mode is converted to the RGB of an image viewer, every damage is reported in one line."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gog_pose.errors import InputError
from gog_pose.imaging import reading
from gog_pose.imaging.reading import LIMIT, open_image, read_image, read_pictures, resolve_inside, to_rgb

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


@pytest.mark.parametrize("form", ["EPS", "ICO", "TGA", "PCX", "PDF"])
def test_other_formats_of_pillow_stay_closed(tmp_path, form):
    Image.fromarray(PIXELS).save(tmp_path / "image.png", form)
    with pytest.raises(InputError, match="is not an image of a known format"):
        read_image(tmp_path / "image.png")


def test_an_image_of_too_many_pixels_is_refused_before_they_are_read(tmp_path, monkeypatch):
    path = saved(tmp_path, Image.fromarray(PIXELS))
    monkeypatch.setenv(LIMIT, "5")
    with pytest.raises(InputError, match=f"{path}: 3x2 px are more than 5 pixels; .*{LIMIT}"):
        read_image(path)
    monkeypatch.setenv(LIMIT, "6")
    assert read_image(path).shape == (2, 3, 3)


@pytest.mark.parametrize("value", ["0", "-1", "many", "1e6", str(10**12)])
def test_a_limit_out_of_its_range_is_refused(tmp_path, monkeypatch, value):
    monkeypatch.setenv(LIMIT, value)
    with pytest.raises(InputError, match=f"{LIMIT}: must be a whole number from 1 to"):
        read_image(saved(tmp_path, Image.fromarray(PIXELS)))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "L", "1", "CMYK", "I;16", "I"])
def test_bands_give_the_same_pixels_as_the_whole(mode, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, (13, 7, 4), dtype=np.uint8)
    if mode in ("I;16", "I"):
        image = Image.fromarray(noise[..., 0].astype(np.uint16 if mode == "I;16" else np.int32) * 200)
        assert image.mode == mode
    else:
        image = Image.fromarray(noise, "RGBA").convert(mode)
    if mode == "P":
        image.info["transparency"] = 3
    whole = to_rgb(image)
    monkeypatch.setattr(reading, "_BAND_PIXELS", 3 * 7)
    np.testing.assert_array_equal(to_rgb(image), whole)


def test_lack_of_memory_and_any_error_of_a_decoder_name_the_file(tmp_path, monkeypatch):
    path = saved(tmp_path, Image.fromarray(PIXELS))
    for error, words in ((MemoryError(), "not enough memory"), (KeyError("tag"), "the image is damaged")):
        with pytest.raises(InputError, match=f"{path}: .*{words}"), open_image(path):
            raise error


def test_more_exif_segments_than_any_camera_writes_are_refused(tmp_path):
    path = saved(tmp_path, Image.fromarray(PIXELS), "image.jpg")
    content = path.read_bytes()
    segment = b"\xff\xe1\x00\x0aExif\0\0II"
    for number in (16, 17):
        path.write_bytes(content[:2] + segment * number + content[2:])
        if number == 17:
            with pytest.raises(InputError, match="more than 16 EXIF segments"):
                read_image(path)
        else:
            assert read_image(path).shape == (2, 3, 3)


def test_only_the_first_picture_is_read_with_a_warning(tmp_path):
    other = Image.new("RGB", (3, 2))
    path = saved(tmp_path, Image.fromarray(PIXELS), "image.tif", save_all=True, append_images=[other])
    with pytest.warns(UserWarning, match="only the first of its pictures is used"):
        np.testing.assert_array_equal(read_image(path), PIXELS)


def test_thumbnails_are_no_pictures(tmp_path):
    """A raw file of a camera begins with one, a pyramid ends with them."""
    photo, thumbnail = Image.new("RGB", (64, 48)), Image.new("RGB", (16, 12))
    thumbnail.encoderinfo = {"tiffinfo": {254: 1}}
    photo.save(tmp_path / "pyramid.tif", save_all=True, append_images=[thumbnail])
    Image.new("RGB", (16, 12)).save(tmp_path / "raw.tif", tiffinfo={254: 1})
    assert [picture.pixels.shape for picture in read_pictures(tmp_path / "pyramid.tif")] == [(48, 64, 3)]
    for read in (read_image, lambda path: list(read_pictures(path))):
        with pytest.raises(InputError, match="only a thumbnail"):
            read(tmp_path / "raw.tif")


def test_the_still_of_an_apng_is_none_of_its_pictures(tmp_path):
    first, *others = [Image.new("RGB", (8, 8), (60 * number, 0, 0)) for number in range(3)]
    first.save(tmp_path / "a.png", save_all=True, append_images=others, default_image=True, duration=100)
    assert [int(picture.pixels[0, 0, 0]) for picture in read_pictures(tmp_path / "a.png")] == [60, 120]
