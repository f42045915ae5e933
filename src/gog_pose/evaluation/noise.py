"""Disturbed ground-truth maps: what a network does to them, so that decoder options can be told apart.

On flawless maps nearly every rule of grouping does equally well. ``MapNoise`` spoils them in the ways networks do.
Every person has a difficulty of its own, small people a higher one, and all disturbances of the person grow with it, as
in photographs, where hardly visible people come with faint responses *and* wrong offsets.

The named strengths (``conf/noise``) were chosen with the oracle on images of val2017 and 19 limbs: read by the rules of
the public program, ``medium`` leaves about the AP of a good network (0.63; the paper's has 0.644 without flipping),
``light`` one between that and the upper bound (0.77), ``heavy`` that of a poorly trained network (0.37). They are
plausible disturbances, not the statistics of any network: they serve to compare decoders with each other, not to
predict an AP.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np
import torch

from gog_pose.center.limbs import from_limbs, star, to_limbs, with_centers
from gog_pose.center.records import CenterMaps
from gog_pose.errors import InputError
from gog_pose.geometry import cells_to_image, image_to_cells
from gog_pose.interfaces import Encoder, Maps
from gog_pose.records import People, PoseMaps
from gog_pose.skeleton import Skeleton

_TYPICAL_SCALE = 96.0  # px, network input; people of this size have a mean difficulty of 1
_BACKGROUND_CELLS = 16  # cells over which the offsets of the background change


@dataclass(frozen=True)
class MapNoise:
    """Disturbs the maps of one image; the defaults leave them as they are.

    All strengths below are multiplied by the difficulty of the person they befall (1 on average).

    Attributes:
        displacement: Standard deviation of a keypoint's displacement, in units of ``2 sigma_k`` x person scale: 0.4
            gives a similarity of about 0.85 (the unit is OKS's, the scale the root of the box's area).
        fading: Responses are multiplied by ``exp(-fading e)``, ``e`` exponentially distributed with mean 1, drawn for
            each keypoint: many lie well below 1, some below any threshold.
        missing: Probability that a keypoint leaves no response at all.
        spurious: Mean number of false responses in a heatmap, half of them near other keypoints of people.
        blur: Largest standard deviation of a Gaussian blur of the heatmaps, cells; drawn for each image.
        texture: Amplitude of smooth additive noise in the heatmaps, as part of the response.
        coarse: Weight of a copy of all maps that went through half the resolution.
        offset_shrink: Most by which the offsets of a limb are too short, as part of the limb's length (networks draw
            long vectors towards the mean).
        offset_noise: Standard deviation of the error that all offsets around a limb's start share, as part of the
            limb's length; single cells differ by a fifth of that.
        background: Standard deviation of the offsets where nothing teaches a network, as part of the mean length of
            the image's limbs of the type.
        confusion: Largest part of a left keypoint's response that appears in the right's heatmap and the other way
            round, together with the mirrored limbs' offsets; the own response falls by the same part.

    Raises:
        InputError: A strength is negative, or a probability or part is above 1.
    """

    displacement: float = 0.0
    fading: float = 0.0
    missing: float = 0.0
    spurious: float = 0.0
    blur: float = 0.0
    texture: float = 0.0
    coarse: float = 0.0
    offset_shrink: float = 0.0
    offset_noise: float = 0.0
    background: float = 0.0
    confusion: float = 0.0

    def __post_init__(self) -> None:
        """Check the strengths."""
        for field in fields(self):
            value = getattr(self, field.name)
            most = 1.0 if field.name in ("missing", "coarse", "offset_shrink", "confusion") else float("inf")
            if not 0 <= value <= most:
                raise InputError(f"noise.{field.name}: must be between 0 and {most:g}, got {value}")

    def difficulties(self, scales: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Draw ``(P,)`` difficulties of people with ``(P,)`` scales, px, network input."""
        size = np.clip(_TYPICAL_SCALE / np.maximum(scales, 1.0), 0.4, 2.5) ** 0.5
        return np.asarray(size * random.lognormal(-0.125, 0.5, len(scales)))

    def displaced(
        self,
        keypoints: np.ndarray,
        scales: np.ndarray,
        difficulties: np.ndarray,
        skeleton: Skeleton,
        random: np.random.Generator,
    ) -> np.ndarray:
        """Move keypoints before they are encoded: maps that put their peaks in the wrong place.

        Args:
            keypoints: ``(P, K, 3)`` px, network input.
            scales: ``(P,)`` px.
            difficulties: ``(P,)``.
            skeleton: Gives ``sigma_k``.
            random: Source of chance.

        Returns:
            ``(P, K, 3)``; unlabelled keypoints stay as they are.
        """
        unit = 2 * np.array(skeleton.oks_sigmas)[None, :] * (scales * difficulties)[:, None]
        step = random.standard_normal((*keypoints.shape[:2], 2)) * self.displacement * unit[..., None]
        moved: np.ndarray = keypoints.copy()
        moved[..., :2] += np.where(keypoints[..., 2:] > 0, step, 0)
        return moved

    def disturbed(
        self,
        maps: Maps,
        people: People,
        difficulties: np.ndarray,
        encoder: Encoder,
        random: np.random.Generator,
    ) -> Maps:
        """Disturb maps, of any way of grouping by the same rules.

        Args:
            maps: Ground truth of one image, batch dimension 1; it is left as it is.
            people: Those the maps were drawn of, px, network input.
            difficulties: ``(P,)``.
            encoder: What drew them: skeleton, stride and the width of responses.
            random: Source of chance.

        Returns:
            Maps of the same shape. Refinement offsets and box sizes, where there are any, stay right.
        """
        skeleton, stride, sigma = encoder.skeleton, encoder.stride, encoder.sigma
        if isinstance(maps, CenterMaps):
            limbs = self._disturbed(
                to_limbs(maps), with_centers(people), difficulties, star(skeleton), stride, sigma, random
            )
            return from_limbs(limbs, maps)
        assert isinstance(maps, PoseMaps)
        return self._disturbed(maps, people.keypoints, difficulties, skeleton, stride, sigma, random)

    def _disturbed(
        self,
        maps: PoseMaps,
        keypoints: np.ndarray,
        difficulties: np.ndarray,
        skeleton: Skeleton,
        stride: int,
        sigma: float,
        random: np.random.Generator,
    ) -> PoseMaps:
        heatmaps = maps.heatmaps[0].numpy().copy()
        offsets = maps.offsets[0].numpy().reshape(skeleton.num_limbs, 2, *heatmaps.shape[1:]).copy()
        scene = _Scene(keypoints, difficulties, skeleton, stride)
        self._fade(heatmaps, scene, random)
        self._bend(offsets, scene, random)
        self._confuse(heatmaps, offsets, scene, random)
        self._invent(heatmaps, scene, sigma, random)
        self._coarsen(heatmaps, offsets, random)
        flat = offsets.reshape(-1, *heatmaps.shape[1:])
        return maps._replace(heatmaps=torch.from_numpy(heatmaps)[None], offsets=torch.from_numpy(flat)[None])

    def _fade(self, heatmaps: np.ndarray, scene: _Scene, random: np.random.Generator) -> None:
        """Lower responses, each keypoint's by a factor of its own, some to nothing."""
        shape = scene.keypoints.shape[:2]
        factors = np.exp(-self.fading * scene.difficulties[:, None] * random.exponential(1.0, shape))
        factors[random.random(shape) < np.minimum(self.missing * scene.difficulties[:, None], 0.9)] = 0
        for index, heatmap in enumerate(heatmaps):
            rows, columns = np.nonzero(heatmap)
            owner = scene.owners(index, rows, columns)
            if owner is not None:
                heatmap[rows, columns] *= factors[owner, index].astype(np.float32)

    def _bend(self, offsets: np.ndarray, scene: _Scene, random: np.random.Generator) -> None:
        """Shorten and turn the offsets of each limb, and fill the background."""
        limbs, _, height, width = offsets.shape
        coarse_hw = (-(-height // _BACKGROUND_CELLS) + 1, -(-width // _BACKGROUND_CELLS) + 1)
        people = len(scene.keypoints)
        shrinks = self.offset_shrink * np.minimum(scene.difficulties[:, None] * random.random((people, limbs)), 1)
        shared = random.standard_normal((people, limbs, 2)) * scene.difficulties[:, None, None]
        for index, (start, end) in enumerate(scene.skeleton.limbs):
            inside = offsets[index].any(axis=0)
            rows, columns = np.nonzero(inside)
            both = (scene.keypoints[:, start, 2] > 0) & (scene.keypoints[:, end, 2] > 0)
            vectors = scene.keypoints[:, end, :2] - scene.keypoints[:, start, :2]
            lengths = np.hypot(*vectors.T)
            if self.background:
                mean = lengths[both].mean() if both.any() else 0.1 * max(height, width) * scene.stride
                field = random.standard_normal((2, *coarse_hw)) * self.background * mean
                for axis in range(2):
                    smooth = cv2.resize(field[axis], (width, height), interpolation=cv2.INTER_LINEAR)
                    offsets[index, axis][~inside] = smooth[~inside]
            owner = scene.owners(start, rows, columns, both)
            if owner is not None:
                error = self.offset_noise * lengths[:, None] * shared[:, index] - shrinks[:, index, None] * vectors
                alone = self.offset_noise * 0.2 * lengths[owner] * random.standard_normal((2, len(owner)))
                offsets[index][:, rows, columns] += (error[owner].T + alone).astype(np.float32)

    def _confuse(self, heatmaps: np.ndarray, offsets: np.ndarray, scene: _Scene, random: np.random.Generator) -> None:
        """Let a part of left responses appear on the right and the other way round, offsets with them."""
        if not self.confusion:
            return
        skeleton = scene.skeleton
        pairs = np.array(skeleton.flip_pairs)
        people = len(scene.keypoints)
        # Seldom much: the square of a uniform number; the pairs of a person are confused together.
        parts = self.confusion * np.minimum(random.random(people) ** 2 * scene.difficulties, 1)
        before, before_offsets = heatmaps.copy(), offsets.copy()
        for source, target in (*pairs, *pairs[:, ::-1]):
            rows, columns = np.nonzero(before[source])
            owner = scene.owners(source, rows, columns)
            if owner is None:
                continue
            part = parts[owner].astype(np.float32)
            heatmaps[source][rows, columns] -= part * before[source][rows, columns]
            heatmaps[target][rows, columns] += part * before[source][rows, columns]
            for limb, (start, _) in enumerate(skeleton.limbs):
                mirrored = skeleton.limb_flip_index[limb]
                if start != source or skeleton.limb_flip_reversed[limb] or mirrored == limb:
                    continue
                # Where the other side's heatmap now responds, its limbs point where this side's do.
                there = before_offsets[limb][:, rows, columns]
                empty = before[target][rows, columns] < before[source][rows, columns]
                offsets[mirrored][:, rows[empty], columns[empty]] = there[:, empty]

    def _invent(self, heatmaps: np.ndarray, scene: _Scene, sigma: float, random: np.random.Generator) -> None:
        """Add false responses: half anywhere, half where another part of a person is."""
        types, height, width = heatmaps.shape
        labelled = scene.keypoints[scene.keypoints[..., 2] > 0][:, :2]
        radius = int(np.ceil(3 * sigma / scene.stride))
        reach = np.arange(-radius, radius + 1)
        for index, count in enumerate(random.poisson(self.spurious, (types,))):
            for _ in range(count):
                xy = random.random(2) * (width, height) * scene.stride
                near, step = random.random() < 0.5, random.standard_normal(2) * 3 * sigma
                if near and len(labelled):
                    xy = labelled[random.integers(len(labelled))] + step
                response = random.beta(1.0, 4.0)  # most are faint
                column, row = np.round(image_to_cells(xy, scene.stride)).astype(int)
                columns, rows = column + reach, row + reach
                columns, rows = columns[(columns >= 0) & (columns < width)], rows[(rows >= 0) & (rows < height)]
                dx = cells_to_image(columns.astype(float), scene.stride) - xy[0]
                dy = cells_to_image(rows.astype(float), scene.stride) - xy[1]
                blob = response * np.exp(-(dy[:, None] ** 2 + dx**2) / (2 * sigma**2))
                window = np.ix_([index], rows, columns)
                heatmaps[window] = np.maximum(heatmaps[window], blob[None].astype(np.float32))

    def _coarsen(self, heatmaps: np.ndarray, offsets: np.ndarray, random: np.random.Generator) -> None:
        """Blur, roughen and mix with a copy of half the resolution."""
        height, width = heatmaps.shape[1:]
        blur = self.blur * random.random()
        for heatmap in heatmaps:
            if blur > 0.1:  # cells; less leaves nothing but rounding
                heatmap[:] = cv2.GaussianBlur(heatmap, (0, 0), blur)
            if self.texture:
                rough = random.standard_normal((-(-height // 2) + 1, -(-width // 2) + 1)).astype(np.float32)
                heatmap *= 1 + self.texture * cv2.resize(rough, (width, height), interpolation=cv2.INTER_LINEAR)
        if self.coarse:
            for channel in (*heatmaps, *offsets.reshape(-1, height, width)):
                half = cv2.resize(channel, (max(1, width // 2), max(1, height // 2)), interpolation=cv2.INTER_AREA)
                back = cv2.resize(half, (width, height), interpolation=cv2.INTER_LINEAR)
                channel += self.coarse * (back - channel)


@dataclass(frozen=True)
class _Scene:
    """The people whose maps are disturbed.

    Attributes:
        keypoints: ``(P, K, 3)`` px, network input.
        difficulties: ``(P,)``.
        skeleton: What they are made of.
        stride: Px a cell.
    """

    keypoints: np.ndarray
    difficulties: np.ndarray
    skeleton: Skeleton
    stride: int

    def owners(
        self, index: int, rows: np.ndarray, columns: np.ndarray, among: np.ndarray | None = None
    ) -> np.ndarray | None:
        """Return ``(N,)`` the person whose keypoint of a type is nearest to each cell; None if nobody has it.

        Args:
            index: The keypoint type.
            rows: ``(N,)`` cells.
            columns: ``(N,)`` cells.
            among: ``(P,)`` bool, people to choose from; all who have the keypoint where it is None.
        """
        candidates = np.flatnonzero(self.keypoints[:, index, 2] > 0 if among is None else among)
        if not len(candidates) or not len(rows):
            return None
        x = cells_to_image(columns.astype(float), self.stride)
        y = cells_to_image(rows.astype(float), self.stride)
        places = self.keypoints[candidates, index].astype(float)
        squared = (x[:, None] - places[:, 0]) ** 2 + (y[:, None] - places[:, 1]) ** 2
        return np.asarray(candidates[squared.argmin(axis=1)])
