"""The renderer's kernels: the same source for CPU and CUDA.

A column of the picture is one vertical plane through the eye. Its pixels are found from the bottom
row to the top: the ray of each row hits the land at or beyond where the row below hit it, so one
march along the plane serves the whole column. What is painted on the road (lines, kerbs, dashes) is
not a texture but a function of the road's own coordinates, and each band is averaged over the
pixel's footprint, which needs no supersampling. Upright things are tested against the depth of the
land afterwards.
"""
# Warp compiles these functions from their source: no `from __future__ import annotations` here.

import warp as wp

wp.config.log_level = wp.LOG_ERROR  # its banner would stand between a command's own lines
wp.set_module_options({"fast_math": True, "enable_backward": False})

FAR_M = wp.constant(620.0)
THINGS_FAR_M = wp.constant(500.0)
NO_DEPTH = wp.constant(1.0e9)
BUCKETS = wp.constant(16)
SPRITE_ROWS = wp.constant(128)
SPRITE_COLUMNS = wp.constant(64)
SKY_TOP = wp.constant(wp.vec3(0.48, 0.61, 0.83))
SKY_LOW = wp.constant(wp.vec3(0.68, 0.83, 0.99))
JUNGLE_SKY_TOP = wp.constant(wp.vec3(0.26, 0.38, 0.62))
JUNGLE_SKY_LOW = wp.constant(wp.vec3(0.66, 0.75, 0.86))
HAZE = wp.constant(wp.vec3(0.72, 0.78, 0.84))


@wp.struct
class Land:
    """A scene's grids; see :class:`ghostlap.sim.scenery.Scene`."""

    height: wp.array2d(dtype=float)
    distance: wp.array2d(dtype=float)
    arc: wp.array2d(dtype=float)
    ground: wp.array2d(dtype=wp.uint32)
    stations: wp.array2d(dtype=float)
    patterns: wp.array(dtype=wp.uint8, ndim=4)
    horizon: wp.array(dtype=wp.vec2)
    per_cell: float
    x0: float
    y0: float
    last_column: float
    last_row: float
    highest: float
    stations_per_m: float
    dark: wp.vec3
    light: wp.vec3
    bridge_dark: wp.vec3
    bridge_light: wp.vec3
    road_pattern: int
    verge_pattern: int
    sun: wp.vec3
    shadow: wp.vec3
    markings: int
    theme: int
    gain: wp.vec3
    haze_per_m: float


@wp.struct
class Optics:
    """The camera, in pixels of the picture asked for."""

    focal: float
    horizon: float
    height_m: float
    middle: float
    width: int
    first_row: int
    end_row: int


@wp.struct
class Shown:
    """An upright thing in one picture."""

    left: float
    top: float
    width: float
    height: float
    depth: float
    light: float
    sprite: int


@wp.func
def unpacked(c: wp.uint32):
    return (
        wp.vec4(
            float(c & wp.uint32(255)),
            float((c >> wp.uint32(8)) & wp.uint32(255)),
            float((c >> wp.uint32(16)) & wp.uint32(255)),
            float(c >> wp.uint32(24)),
        )
        * 0.00392156862745098
    )


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


@wp.func
def band(x: float, low: float, high: float, footprint: float):
    """Share of a footprint around ``x`` that lies between ``low`` and ``high``."""
    covered = wp.min(high, x + footprint * 0.5) - wp.max(low, x - footprint * 0.5)
    return wp.clamp(covered / footprint, 0.0, 1.0)


@wp.func
def stripes(x: float, period: float, share: float, footprint: float):
    """Like ``band``, for bands of ``share`` of each period."""
    phase = x / period
    phase = phase - wp.floor(phase)
    wide = wp.min(footprint / period, 1.0)
    return band(phase, 0.0, share, wide) + band(phase, 1.0, 1.0 + share, wide)


@wp.func
def mixed(a: wp.vec3, b: wp.vec3, share: float):
    return a + (b - a) * share


@wp.func
def hazed(land: Land, colour: wp.vec3, distance: float):
    g = distance * land.haze_per_m
    g = g * g
    return mixed(colour, HAZE, wp.min(0.85, 1.6 * g / (1.0 + g)))


@wp.func
def grain(land: Land, pattern: int, across: float, along: float, texels: float):
    """A pattern at a place in metres, at the level of detail for a footprint in texels."""
    level = int(0)
    if texels > 1.6:
        level = 1
    if texels > 4.5:
        level = 2
    if texels > 16.0:
        level = 3
    row = int(wp.floor(along * 16.0)) & 255
    column = int(wp.floor(across * 36.0)) & 255
    return float(land.patterns[pattern, level, row, column]) * 0.00392156862745098


@wp.func
def mixed2(a: wp.vec2, b: wp.vec2, share: float):
    return a + (b - a) * share


@wp.func
def hills_at(land: Land, azimuth: float):
    """Rise of the far and of the nearer hills above the horizon, in one direction."""
    bins = land.horizon.shape[0]
    at = azimuth * (float(bins) * 0.15915494309189535)
    k = int(at)
    return mixed2(land.horizon[k % bins], land.horizon[(k + 1) % bins], at - float(k))


@wp.func
def sky(land: Land, hills: wp.vec2, rise: float, per_pixel: float):
    """What is seen ``rise`` above the horizon: far hills, or the sky above them."""
    blue = wp.clamp(rise * 2.2, 0.0, 1.0)
    colour = mixed(SKY_LOW, SKY_TOP, blue)
    far = wp.vec3(0.56, 0.63, 0.64)
    near = wp.vec3(0.42, 0.47, 0.40)
    if land.theme == 1:
        colour = mixed(JUNGLE_SKY_LOW, JUNGLE_SKY_TOP, blue)
        far = wp.vec3(0.20, 0.24, 0.20)
        near = wp.vec3(0.13, 0.17, 0.10)
    colour = mixed(colour, far, wp.clamp((hills[0] - rise) / per_pixel + 0.5, 0.0, 1.0))
    return mixed(colour, near, wp.clamp((hills[1] - rise) / per_pixel + 0.5, 0.0, 1.0))


@wp.func
def shoulder(
    land: Land,
    colour: wp.vec3,
    sunlit: wp.vec3,
    beyond: float,
    bend: float,
    s: float,
    facing: float,
    across: float,
    along: float,
):
    """A kerb in bends, and the lake's raised strip, whose sides are bright or dull by the sun."""
    out = colour
    kerb = float(0.0)
    if land.theme != 1 and wp.abs(bend) > 0.011:
        kerb = 1.0
    if land.theme == 0:
        pale = mixed(
            wp.vec3(0.36, 0.40, 0.42),
            wp.vec3(1.05, 1.0, 0.86),
            wp.clamp(0.5 + 0.9 * facing, 0.0, 1.0),
        )
        out = mixed(out, wp.cw_mul(pale, sunlit), band(beyond, 0.0, 1.25 + 0.9 * kerb, across))
    if kerb > 0.0:
        red = stripes(s, 1.3, 0.5, along)
        striped = mixed(wp.vec3(0.93, 0.90, 0.86), wp.vec3(0.90, 0.27, 0.22), red)
        out = mixed(out, wp.cw_mul(striped, sunlit), band(beyond, 0.05, 1.05, across))
    return out


@wp.func
def marked(
    land: Land,
    colour: wp.vec3,
    sunlit: wp.vec3,
    offset: float,
    half: float,
    s: float,
    lined: bool,
    across: float,
    along: float,
):
    """The road's colour with its lines."""
    out = colour
    aside = wp.abs(offset)
    white = wp.cw_mul(wp.vec3(0.93, 0.93, 0.91), sunlit)
    if land.markings == 1:
        if lined:
            yellow = wp.cw_mul(wp.vec3(0.68, 0.59, 0.22), sunlit)
            lines = band(aside, half - 0.38, half - 0.23, across) + 0.5 * band(
                aside, half - 0.62, half - 0.50, across
            )
            out = mixed(out, yellow, lines)
    elif land.markings == 2:
        lines = stripes(s, 6.5, 0.55, along) * band(offset, -0.10, 0.10, across)
        if lined:
            lines = lines + band(aside, half - 0.30, half - 0.12, across)
        out = mixed(out, white, lines)
    elif land.markings == 3:
        if lined:
            out = mixed(out, white, band(aside, half - 0.32, half - 0.17, across))
    return out


@wp.func
def verge_colour(
    land: Land,
    g0: wp.uint32,
    g1: wp.uint32,
    g2: wp.uint32,
    g3: wp.uint32,
    w0: float,
    w1: float,
    w2: float,
    w3: float,
    x: float,
    y: float,
    texels: float,
):
    """The baked colour between four cells, with the ground's own grain, which is finer."""
    baked = unpacked(g0) * w0 + unpacked(g1) * w1 + unpacked(g2) * w2 + unpacked(g3) * w3
    contrast = float(0.76)
    finer = texels
    if land.theme == 1:  # undergrowth, and streaks down the cliffs, which face the eye
        contrast = 1.7
        finer = texels * 0.3
    rough = grain(land, land.verge_pattern, x * 0.5, y * 1.5, finer)
    return wp.vec3(baked[0], baked[1], baked[2]) * (1.0 + contrast * (rough - 0.5))


@wp.func
def land_colour(land: Land, optics: Optics, x: float, y: float, forward: wp.vec2, depth: float):
    """Colour of the land at a place seen at ``depth``."""
    gx = wp.clamp((x - land.x0) * land.per_cell, 0.0, land.last_column)
    gy = wp.clamp((y - land.y0) * land.per_cell, 0.0, land.last_row)
    i = int(gx)
    j = int(gy)
    ax = gx - float(i)
    ay = gy - float(j)
    w0 = (1.0 - ax) * (1.0 - ay)
    w1 = ax * (1.0 - ay)
    w2 = (1.0 - ax) * ay
    w3 = ax * ay
    d0 = land.distance[j, i]
    d1 = land.distance[j, i + 1]
    d2 = land.distance[j + 1, i]
    d3 = land.distance[j + 1, i + 1]
    offset = d0 * w0 + d1 * w1 + d2 * w2 + d3 * w3
    long = depth * depth / (optics.focal * optics.height_m)
    wide = depth / optics.focal
    texels = wp.sqrt(wide * 36.0 * wp.min(long, 40.0 * wide) * 16.0)
    g0 = land.ground[j, i]
    g1 = land.ground[j, i + 1]
    g2 = land.ground[j + 1, i]
    g3 = land.ground[j + 1, i + 1]
    aside = wp.abs(offset)
    near_road = bool(False)
    half = float(0.0)
    s = float(0.0)
    k = int(0)
    if aside < 15.0:
        s0 = land.arc[j, i]
        s3 = land.arc[j + 1, i + 1]
        s = s0
        if wp.abs(s3 - s0) < 8.0:
            s = s0 * w0 + land.arc[j, i + 1] * w1 + land.arc[j + 1, i] * w2 + s3 * w3
        k = wp.clamp(int(s * land.stations_per_m), 0, land.stations.shape[0] - 1)
        half = land.stations[k, 0]
        if offset < 0.0:
            half = land.stations[k, 1]
        near_road = aside < half + 2.6
    if not near_road:
        return verge_colour(land, g0, g1, g2, g3, w0, w1, w2, w3, x, y, texels)
    lit = float(g0 >> wp.uint32(24)) * w0 + float(g1 >> wp.uint32(24)) * w1
    lit = (
        lit + float(g2 >> wp.uint32(24)) * w2 + float(g3 >> wp.uint32(24)) * w3
    ) * 0.00392156862745098
    sunlit = land.shadow * (1.0 - lit) + wp.vec3(lit, lit, lit)
    gdx = (d1 - d0) * land.per_cell
    gdy = (d2 - d0) * land.per_cell
    right = wp.vec2(forward[1], -forward[0])
    lateral = gdx * right[0] + gdy * right[1]
    ahead = gdx * forward[0] + gdy * forward[1]
    across = wp.abs(lateral) * wide + wp.abs(ahead) * long + 0.001
    along = wp.abs(ahead) * wide + wp.abs(lateral) * long + 0.001
    bridge = land.stations[k, 3] > 0.5
    edge = land.stations[k, 4]
    if offset < 0.0:
        edge = land.stations[k, 5]
    lined = edge < 0.5 or edge > 1.5
    colour = wp.vec3(0.0, 0.0, 0.0)
    if aside + across > half:
        colour = verge_colour(land, g0, g1, g2, g3, w0, w1, w2, w3, x, y, texels)
        if bridge:
            colour = wp.vec3(0.015, 0.015, 0.02)
        elif lined:
            side = wp.where(offset > 0.0, -1.0, 1.0)
            facing = side * (gdx * land.sun[0] + gdy * land.sun[1])
            colour = shoulder(
                land, colour, sunlit, aside - half, land.stations[k, 2], s, facing, across, along
            )
    on_road = band(aside, -1.0, half, across)
    if on_road > 0.0:
        road = wp.vec3(0.0, 0.0, 0.0)
        if bridge:
            rough = grain(land, 1, offset, s, texels * 0.7)
            road = wp.cw_mul(mixed(land.bridge_dark, land.bridge_light, rough), sunlit)
        else:
            rough = grain(land, land.road_pattern, offset, s, texels)
            road = wp.cw_mul(mixed(land.dark, land.light, rough), sunlit)
            road = marked(land, road, sunlit, offset, half, s, lined, across, along)
        colour = mixed(colour, road, on_road)
    return colour


@wp.kernel
def project_things(
    eyes: wp.array2d(dtype=float),
    optics: Optics,
    sun: wp.vec3,
    upright: wp.array2d(dtype=float),
    shown: wp.array2d(dtype=Shown),
    members: wp.array3d(dtype=int),
    counts: wp.array2d(dtype=int),
):
    """Find the upright things that each view can see, and sort them into buckets of columns.

    ``members[view, bucket, :counts[view, bucket]]`` are the numbers of things in a bucket.
    """
    view, k = wp.tid()
    heading = eyes[view, 3]
    fx = wp.cos(heading)
    fy = wp.sin(heading)
    ex = upright[k, 0] - eyes[view, 0]
    ey = upright[k, 1] - eyes[view, 1]
    depth = ex * fx + ey * fy
    if depth > 1.0 and depth < THINGS_FAR_M:
        scale = optics.focal / depth
        width = upright[k, 3] * scale
        left = optics.middle + (ex * fy - ey * fx) * scale - width * 0.5
        if left < float(optics.width) and left + width > 0.0 and width > 0.35:
            horizon = optics.horizon + optics.focal * wp.tan(eyes[view, 4])
            thing = Shown()
            thing.height = upright[k, 4] * scale
            thing.top = horizon + (eyes[view, 2] - upright[k, 2]) * scale - thing.height
            if thing.top < float(optics.end_row) and thing.top + thing.height > float(
                optics.first_row
            ):
                flat = wp.sqrt(sun[0] * sun[0] + sun[1] * sun[1]) + 1.0e-6
                towards = (fx * sun[0] + fy * sun[1]) / flat
                from_right = (fy * sun[0] - fx * sun[1]) / flat
                thing.light = 0.80 - 0.34 * towards
                # mirrored (a negative width) where the sun stands on the left
                thing.left = left
                thing.width = wp.where(from_right >= 0.0, width, -width)
                thing.depth = depth
                thing.sprite = int(upright[k, 5])
                shown[view, k] = thing
                per_column = float(BUCKETS) / float(optics.width)
                first = wp.max(int(left * per_column), 0)
                end = wp.min(int((left + width) * per_column) + 1, BUCKETS)
                for bucket in range(first, end):
                    members[view, bucket, wp.atomic_add(counts, view, bucket, 1)] = k


@wp.kernel
def paint_columns(
    eyes: wp.array2d(dtype=float),
    optics: Optics,
    land: Land,
    shown: wp.array2d(dtype=Shown),
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
    eye = wp.vec3(eyes[view, 0], eyes[view, 1], eyes[view, 2])
    heading = eyes[view, 3]
    forward = wp.vec2(wp.cos(heading), wp.sin(heading))
    horizon = optics.horizon + optics.focal * wp.tan(eyes[view, 4])
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
                if depth > 20.0:  # steps are longer than cells here: one more look between
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

    # What stands upright, wherever it is nearer than the land.
    at = float(u) + 0.5
    bucket = u * BUCKETS / optics.width
    for n in range(counts[view, bucket]):
        thing = shown[view, members[view, bucket, n]]
        width = wp.abs(thing.width)
        if at >= thing.left and at < thing.left + width:
            share = (at - thing.left) / width
            if thing.width < 0.0:
                share = 1.0 - share
            column = wp.min(int(share * float(SPRITE_COLUMNS)), SPRITE_COLUMNS - 1)
            per_row = float(SPRITE_ROWS) / thing.height
            first = wp.max(int(wp.ceil(thing.top - 0.5)), optics.first_row)
            end = wp.min(int(wp.ceil(thing.top + thing.height - 0.5)), end_row)
            for row in range(first, end):
                if depths[view, u, row] > thing.depth:
                    texel = wp.clamp(
                        int((float(row) + 0.5 - thing.top) * per_row), 0, SPRITE_ROWS - 1
                    )
                    painted = unpacked(sprites[thing.sprite, texel, column])
                    if painted[3] > 0.5:
                        lit = wp.vec3(painted[0], painted[1], painted[2]) * thing.light
                        colours[view, u, row] = hazed(land, lit, thing.depth)
                        depths[view, u, row] = thing.depth

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
