"""The colours of the land: the road with its strokes, what is beside it, and the ground.

Lines, kerbs and dashes are not textures but functions of the road's own coordinates; each band is
averaged over the pixel's footprint, which needs no supersampling.
"""
# Warp compiles these functions from their source: no `from __future__ import annotations` here.

import warp as wp

from ghostlap.sim.render.shading import Land, Optics, band, grain, mixed, stripes, unpacked


@wp.func
def shoulder(
    land: Land, colour: wp.vec3, sunlit: wp.vec3, beyond: float, bend: float, s: float,
    facing: float, across: float, along: float,
):  # fmt: skip
    """Colour beside the road: a kerb in bends, and the lake's raised strip, lit by the sun."""
    out = colour
    kerb = float(0.0)
    if land.shoulder != 1 and wp.abs(bend) > 0.011:
        kerb = 1.0
    if land.shoulder == 0:
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
def worn(land: Land, offset: float, s: float, texels: float, wear: float):
    """Share of paint that is left at a place, for a share worn off in patches."""
    rough = 0.7 * grain(land, 3, offset * 0.2, s * 0.2, texels * 0.2)
    rough = rough + 0.3 * grain(land, 0, offset, s, texels)
    return wp.clamp((rough - 0.3 - 0.4 * wear) * 6.0 + 0.5, 0.0, 1.0)


@wp.func
def marked(
    land: Land, colour: wp.vec3, sunlit: wp.vec3, offset: float, half: float, s: float,
    lined: bool, beside: bool, across: float, along: float, texels: float,
):  # fmt: skip
    """The colour of the road, or of what is beside it, with its strokes.

    The columns are those of :func:`ghostlap.sim.scene.strokes.as_array`.
    """
    out = colour
    cover = float(0.0)
    for n in range(land.strokes.shape[0]):
        if (lined or land.strokes[n, 15] < 0.5) and beside == (land.strokes[n, 14] > 0.5):
            at = offset
            if land.strokes[n, 7] < 0.5:
                at = wp.abs(offset)
            low = land.strokes[n, 0] * half + land.strokes[n, 1]
            high = land.strokes[n, 0] * half + land.strokes[n, 2]
            if at + across > low and at - across < high:
                share = land.strokes[n, 6]
                period = land.strokes[n, 8]
                if period > 0.0:
                    from_begin = s + land.strokes[n, 10]
                    share = share * stripes(from_begin, period, land.strokes[n, 9], along)
                    if land.strokes[n, 11] > 0.0:
                        phase = from_begin / period
                        phase = (phase - wp.floor(phase)) / land.strokes[n, 9]
                        lost = 0.5 * (high - low) * land.strokes[n, 11] * wp.min(phase, 1.0)
                        low = low + lost
                        high = high - lost
                if share > 0.0:
                    share = share * band(at, low, high, across)
                    if land.strokes[n, 12] > 0.0:
                        share = share * worn(land, offset, s, texels, land.strokes[n, 12])
                    cover = cover + share
        if land.strokes[n, 13] < 0.5:
            if cover > 0.0:
                paint = wp.vec3(land.strokes[n, 3], land.strokes[n, 4], land.strokes[n, 5])
                out = mixed(out, wp.cw_mul(paint, sunlit), cover)
            cover = 0.0
    return out


@wp.func
def verge_colour(land: Land, cells: wp.vec4ui, weights: wp.vec4, x: float, y: float, texels: float):
    """The baked colour between four cells, with the ground's own grain, which is finer."""
    baked = unpacked(cells[0]) * weights[0] + unpacked(cells[1]) * weights[1]
    baked = baked + unpacked(cells[2]) * weights[2] + unpacked(cells[3]) * weights[3]
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
    cells = wp.vec4ui(
        land.ground[j, i], land.ground[j, i + 1], land.ground[j + 1, i], land.ground[j + 1, i + 1]
    )
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
        return verge_colour(land, cells, wp.vec4(w0, w1, w2, w3), x, y, texels)
    lit = float(cells[0] >> wp.uint32(24)) * w0 + float(cells[1] >> wp.uint32(24)) * w1
    lit = lit + float(cells[2] >> wp.uint32(24)) * w2 + float(cells[3] >> wp.uint32(24)) * w3
    lit = lit * 0.00392156862745098
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
        colour = verge_colour(land, cells, wp.vec4(w0, w1, w2, w3), x, y, texels)
        if bridge:
            colour = wp.vec3(0.015, 0.015, 0.02)
        elif lined:
            side = wp.where(offset > 0.0, -1.0, 1.0)
            facing = side * (gdx * land.sun[0] + gdy * land.sun[1])
            colour = shoulder(
                land, colour, sunlit, aside - half, land.stations[k, 2], s, facing, across, along
            )
            colour = marked(
                land, colour, sunlit, offset, half, s, lined, True, across, along, texels
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
            road = marked(land, road, sunlit, offset, half, s, lined, False, across, along, texels)
        colour = mixed(colour, road, on_road)
    return colour
