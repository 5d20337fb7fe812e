"""The renderer's kernels: the same source for CPU and CUDA.

A column of the picture is one vertical plane through the eye. Its pixels are found from the bottom
row to the top: the ray of each row hits the land at or beyond where the row below hit it, so one
march along the plane serves the whole column. Props, which are billboards, are tested against the
depth of the land afterwards.
"""
# Warp compiles these functions from their source: no `from __future__ import annotations` here.

import warp as wp

from ghostlap.sim.render.land_shading import land_colour
from ghostlap.sim.render.shading import Land, Optics, hazed, hills_at, mixed, sky, unpacked

wp.config.log_level = wp.LOG_ERROR  # its banner would stand between a command's own lines
wp.set_module_options({"fast_math": True, "enable_backward": False})

FAR_M = wp.constant(620.0)
PROPS_FAR_M = wp.constant(500.0)
NO_DEPTH = wp.constant(1.0e9)
BUCKETS = wp.constant(16)
SPRITE_ROWS = wp.constant(128)
SPRITE_COLUMNS = wp.constant(64)


@wp.struct
class Projection:
    """A prop in one picture, in pixels; its width is negative where it is mirrored."""

    left: float
    top: float
    width: float
    height: float
    depth: float
    light: float
    sprite: int


@wp.func
def height_at(land: Land, x: float, y: float):
    fx = wp.clamp((x - land.x0) * land.per_cell, 0.0, land.last_column)
    fy = wp.clamp((y - land.y0) * land.per_cell, 0.0, land.last_row)
    i = int(fx)
    j = int(fy)
    ax = fx - float(i)
    ay = fy - float(j)
    a = land.height[j, i]
    b = land.height[j, i + 1]
    c = land.height[j + 1, i]
    d = land.height[j + 1, i + 1]
    return a + (b - a) * ax + ((c - a) + (a - b - c + d) * ax) * ay


@wp.kernel
def project_props(
    camera_poses: wp.array2d(dtype=float),
    optics: Optics,
    sun: wp.vec3,
    props: wp.array2d(dtype=float),
    shown: wp.array2d(dtype=Projection),
    members: wp.array3d(dtype=int),
    counts: wp.array2d(dtype=int),
):
    """Project the props that each view can see, and sort them into buckets of columns.

    ``members[view, bucket, :counts[view, bucket]]`` are the indices of the props in a bucket.
    """
    view, k = wp.tid()
    heading = camera_poses[view, 3]
    fx = wp.cos(heading)
    fy = wp.sin(heading)
    ex = props[k, 0] - camera_poses[view, 0]
    ey = props[k, 1] - camera_poses[view, 1]
    depth = ex * fx + ey * fy
    if depth > 1.0 and depth < PROPS_FAR_M:
        scale = optics.focal / depth
        width = props[k, 3] * scale
        left = optics.middle + (ex * fy - ey * fx) * scale - width * 0.5
        if left < float(optics.width) and left + width > 0.0 and width > 0.35:
            horizon = optics.horizon + optics.focal * wp.tan(camera_poses[view, 4])
            prop = Projection()
            prop.height = props[k, 4] * scale
            prop.top = horizon + (camera_poses[view, 2] - props[k, 2]) * scale - prop.height
            if prop.top < float(optics.end_row) and prop.top + prop.height > float(
                optics.first_row
            ):
                flat = wp.sqrt(sun[0] * sun[0] + sun[1] * sun[1]) + 1.0e-6
                towards = (fx * sun[0] + fy * sun[1]) / flat
                from_right = (fy * sun[0] - fx * sun[1]) / flat
                prop.light = 0.80 - 0.34 * towards
                # mirrored (a negative width) where the sun stands on the left
                prop.left = left
                prop.width = wp.where(from_right >= 0.0, width, -width)
                prop.depth = depth
                prop.sprite = int(props[k, 5])
                shown[view, k] = prop
                per_column = float(BUCKETS) / float(optics.width)
                first = wp.max(int(left * per_column), 0)
                end = wp.min(int((left + width) * per_column) + 1, BUCKETS)
                for bucket in range(first, end):
                    members[view, bucket, wp.atomic_add(counts, view, bucket, 1)] = k


@wp.kernel
def paint_columns(
    camera_poses: wp.array2d(dtype=float),
    optics: Optics,
    land: Land,
    shown: wp.array2d(dtype=Projection),
    members: wp.array3d(dtype=int),
    counts: wp.array2d(dtype=int),
    sprites: wp.array3d(dtype=wp.uint32),
    wires: wp.array2d(dtype=float),
    bonnet: wp.array2d(dtype=wp.vec3),
    bonnet_top: wp.array(dtype=int),
    colours: wp.array3d(dtype=wp.vec3),
    depths: wp.array3d(dtype=float),
    frames: wp.array(dtype=wp.uint8, ndim=4),
):
    """Paint one column of one view. ``colours`` and ``depths`` are ``(views, columns, rows)``."""
    view, u = wp.tid()
    eye = wp.vec3(camera_poses[view, 0], camera_poses[view, 1], camera_poses[view, 2])
    heading = camera_poses[view, 3]
    forward = wp.vec2(wp.cos(heading), wp.sin(heading))
    horizon = optics.horizon + optics.focal * wp.tan(camera_poses[view, 4])
    aside = (float(u) + 0.5 - optics.middle) / optics.focal
    dx = forward[0] + forward[1] * aside
    dy = forward[1] - forward[0] * aside
    stretch = wp.sqrt(1.0 + aside * aside)
    end_row = wp.min(optics.end_row, bonnet_top[u])
    last = end_row - 1

    # The land, from the bottom row up. depth counts along the view's forward direction. The first
    # row's ray has half its way to flat ground behind it: the ground near the car is not steeper.
    steepest = (float(last) + 0.5 - horizon) / optics.focal
    before = float(0.9)
    if steepest > 0.0:
        before = wp.max(before, 0.5 * optics.height_m / steepest)
    ground_before = height_at(land, eye[0] + dx * before, eye[1] + dy * before)
    v = int(last)
    stride = float(1.022)
    while v >= optics.first_row:
        if before > 60.0:
            stride = 1.035
        fall = (float(v) + 0.5 - horizon) / optics.focal
        hit = float(-1.0)
        while before < FAR_M:
            depth = before * stride + 0.03
            ray = eye[2] - fall * depth
            if ray > land.highest and fall < 0.0:
                break
            ground = height_at(land, eye[0] + dx * depth, eye[1] + dy * depth)
            if ground >= ray:
                near = before
                far = depth
                above_near = ground_before - (eye[2] - fall * before)
                above_far = ground - ray
                if depth > 20.0:  # steps are longer than cells here: one more sample between
                    share = wp.clamp(-above_near / (above_far - above_near + 1.0e-6), 0.0, 1.0)
                    middle = near + (far - near) * share
                    above = height_at(land, eye[0] + dx * middle, eye[1] + dy * middle) - (
                        eye[2] - fall * middle
                    )
                    if above < 0.0:
                        near = middle
                        above_near = above
                    else:
                        far = middle
                        above_far = above
                share = -above_near / (above_far - above_near + 1.0e-6)
                hit = near + (far - near) * wp.clamp(share, 0.0, 1.0)
                break
            before = depth
            ground_before = ground
        if hit < 0.0:
            break
        x = eye[0] + dx * hit
        y = eye[1] + dy * hit
        colour = land_colour(land, optics, x, y, forward, hit)
        colours[view, u, v] = hazed(land, colour, hit * stretch)
        depths[view, u, v] = hit
        # The ray of the next row starts where this one met the land.
        before = hit
        ground_before = eye[2] - fall * hit
        v = v - 1
    azimuth = wp.atan2(dy, dx)
    if azimuth < 0.0:
        azimuth = azimuth + 6.283185307179586
    hills = hills_at(land, azimuth)
    per_pixel = 1.0 / (optics.focal * stretch)
    while v >= optics.first_row:
        rise = (horizon - float(v) - 0.5) * per_pixel
        colours[view, u, v] = sky(land, hills, rise, per_pixel)
        depths[view, u, v] = NO_DEPTH
        v = v - 1

    # Props, wherever they are nearer than the land.
    at = float(u) + 0.5
    bucket = u * BUCKETS / optics.width
    for n in range(counts[view, bucket]):
        prop = shown[view, members[view, bucket, n]]
        width = wp.abs(prop.width)
        if at >= prop.left and at < prop.left + width:
            share = (at - prop.left) / width
            if prop.width < 0.0:
                share = 1.0 - share
            column = wp.min(int(share * float(SPRITE_COLUMNS)), SPRITE_COLUMNS - 1)
            per_row = float(SPRITE_ROWS) / prop.height
            first = wp.max(int(wp.ceil(prop.top - 0.5)), optics.first_row)
            end = wp.min(int(wp.ceil(prop.top + prop.height - 0.5)), end_row)
            for row in range(first, end):
                if depths[view, u, row] > prop.depth:
                    texel = wp.clamp(
                        int((float(row) + 0.5 - prop.top) * per_row), 0, SPRITE_ROWS - 1
                    )
                    painted = unpacked(sprites[prop.sprite, texel, column])
                    if painted[3] > 0.5:
                        lit = wp.vec3(painted[0], painted[1], painted[2]) * prop.light
                        colours[view, u, row] = hazed(land, lit, prop.depth)
                        depths[view, u, row] = prop.depth

    # Power lines: where this column's plane cuts each wire.
    for n in range(wires.shape[0]):
        ax = wires[n, 0] - eye[0]
        ay = wires[n, 1] - eye[1]
        bx = wires[n, 3] - eye[0]
        by = wires[n, 4] - eye[1]
        side_a = ax * dy - ay * dx
        side_b = bx * dy - by * dx
        if side_a * side_b < 0.0:
            share = side_a / (side_a - side_b)
            cut = (ax + (bx - ax) * share) * forward[0] + (ay + (by - ay) * share) * forward[1]
            if cut > 3.0 and cut < 220.0:
                sag = wires[n, 6] * 4.0 * share * (1.0 - share)
                up = wires[n, 2] + (wires[n, 5] - wires[n, 2]) * share - sag
                row = int(wp.floor(horizon + (eye[2] - up) * optics.focal / cut))
                if row >= optics.first_row and row < end_row:
                    if depths[view, u, row] > cut:
                        colours[view, u, row] = mixed(
                            colours[view, u, row],
                            wp.vec3(0.12, 0.14, 0.18),
                            wp.min(1.0, 60.0 / cut),
                        )

    for row in range(optics.first_row, optics.end_row):
        colour = bonnet[row, u]
        if row < end_row:
            colour = colours[view, u, row]
        colour = wp.cw_mul(colour, land.gain) * 255.0
        at_row = row - optics.first_row
        frames[view, at_row, u, 0] = wp.uint8(wp.clamp(colour[0], 0.0, 255.0))
        frames[view, at_row, u, 1] = wp.uint8(wp.clamp(colour[1], 0.0, 255.0))
        frames[view, at_row, u, 2] = wp.uint8(wp.clamp(colour[2], 0.0, 255.0))
