"""The reference implementation of moments and of the training step."""

from __future__ import annotations

import numpy as np

from .activation import FIXED_BITS
from .sampling import sum8, transpose, transposed_states, units_on
from .tiles import TILE, from_tiles, to_tiles

ROWS = 504


# ---------------------------------------------------------------- moments


def moments(transposed, fixed, signed, scale, accumulate, weights, hidden, n_threads=1, segments=None):
    """weights (V, H) = scale * sum_r v_ri fixed_rj, hidden (H,) = scale * sum_r fixed_rj; or added to what is there."""
    n_hidden = weights.shape[1]
    if not accumulate:
        weights[...], hidden[...] = 0.0, 0.0
    states = transposed_states(transposed, segments)
    numbers = from_tiles(fixed, 8 * transposed.shape[0], n_hidden).astype(np.float64)
    for start in range(0, states.shape[1], ROWS):
        rows = slice(start, start + ROWS)
        weights += (states[:, rows] @ numbers[rows]) * scale
    hidden += numbers.sum(axis=0) * scale


def moments_of_numbers(numbers, fixed, rows, scale, weights, n_threads=1):
    """Add to weights (V, H) scale times the sums over examples of numbers (n, V) times fixed, so many rows at a time,
    over which they are exact."""
    hidden = from_tiles(fixed, len(numbers), weights.shape[1]).astype(np.float64)
    for start in range(0, len(numbers), rows):
        weights += (numbers[start : start + rows].T @ hidden[start : start + rows]) * scale


def prepare_phase(planes, segments, fixed, scale, transposed, visible, hidden, weight=None, n_threads=1):
    """transposed, as transpose gives it; visible (V,), the number of examples in which each unit is on; hidden (H,) =
    scale * sum_r fixed_rj. weight: None, or (whole numbers (n,), what one stands for), by which examples count."""
    transpose(planes, visible.size, segments, transposed)
    visible[...] = 0.0
    if weight is None:
        count_bits(planes, visible.size, segments, visible)
    else:
        whole, one = weight
        visible += (units_on(planes, visible.size, segments) * whole[:, None]).sum(axis=0) * one
        fixed[:, : len(whole)] = np.rint(fixed[:, : len(whole)] * (whole * 2.0**-FIXED_BITS)[None, :, None])
    hidden[...] = from_tiles(fixed, fixed.shape[1], hidden.size).sum(axis=0, dtype=np.float64) * scale


def count_bits(planes, n_units, segments, out, n_threads=1):
    """Add to out (U,) the number of chains in which each unit is on."""
    out += units_on(planes, n_units, segments).sum(axis=0)


# ---------------------------------------------------------------- update


def difference(positive_bits, positive, positive_factor, negative_bits, negative, negative_factor, signed, centering,
               n_hidden, out, along_hidden, along_visible, n_threads=1, by_tile=None, segments=None):  # fmt: skip
    """out, in tiles = positive_factor sum_r v_r p_r' - negative_factor sum_r v_r p_r', rounded once to float32.

    centering: None, or (mu, lambda, mu', lambda', dv, dh), padded; then mu'_i dh_j + dv_i lambda'_j is subtracted, and
    along_hidden is out lambda, along_visible out' mu; by_tile: None, or what along_hidden adds up, tile by tile.
    """
    n_visible, parts, last = positive_bits.shape[1], [], []
    for bits, fixed, factor in (
        (positive_bits, positive, positive_factor), (negative_bits, negative, -negative_factor)
    ):  # fmt: skip
        states = transposed_states(bits, segments)
        numbers = from_tiles(fixed, 8 * bits.shape[0], n_hidden).astype(np.float64)
        for start in range(0, states.shape[1], ROWS):
            rows = slice(start, start + ROWS)
            parts.append((states[:, rows] @ numbers[rows]) * factor)
        last.append(parts.pop())
    total = sum(parts[1:], parts[0]) + last[0] if parts else last[0]
    total = total + last[1]
    out[...] = to_tiles(total.astype(np.float32))
    if centering is None:
        return
    mu, lam, mu_shift, lam_shift, dv, dh = centering
    wide = np.concatenate(list(out), axis=1).astype(np.float64)
    wide[:n_visible] -= mu_shift[:n_visible, None] * dh + dv[:n_visible, None] * lam_shift
    out[...] = to_tiles(wide.astype(np.float32))
    along(out, None, 0.0, 0.0, mu, lam, n_visible, along_hidden, along_visible, by_tile=by_tile)


def along(direction, weights, l2, l1, mu, lam, n_visible, along_hidden, along_visible, n_threads=1,
          by_tile=None):  # fmt: skip
    """along_hidden = G lambda, along_visible = G' mu of G = direction - l2 weights - l1 sign(weights), in tiles;
    by_tile: None, or what along_hidden adds up, tile by tile."""
    wide = np.concatenate(list(direction), axis=1).astype(np.float64)
    if weights is not None and (l2 or l1):
        w = np.concatenate(list(weights), axis=1).astype(np.float64)
        wide = wide - l2 * w
        wide = wide - l1 * np.sign(w) if l1 else wide
    columns = lam.size
    by_tile = np.empty((columns // TILE, len(wide))) if by_tile is None else by_tile
    for tile in range(columns // TILE):
        part = slice(tile * TILE, (tile + 1) * TILE)
        lanes = (wide[:, part] * lam[part]).reshape(len(wide), -1, 8)
        by_tile[tile] = sum8(np.add.accumulate(lanes, axis=1)[:, -1])
    by_tile[:, n_visible:] = 0.0
    along_hidden[...] = np.add.accumulate(by_tile, axis=0)[-1]
    along_visible[...] = 0.0
    for start in range(0, n_visible, TILE):
        rows = slice(start, min(start + TILE, n_visible))
        along_visible += np.add.accumulate(wide[rows] * mu[rows, None], axis=0)[-1]


def ascend(weights, direction, rate, l2, l1, limit, out, transposed, n_threads=1, rows=None, velocity=None):
    """out = weights + rate (direction - l2 weights - l1 sign(weights)), in tiles, rounded once to float32; transposed,
    the same the other way round. Returns how many are not below limit in size, and the largest sums of |out| over the
    weights of a hidden unit and of a visible unit; the latter is 0 where rows gets what they add up, tile by tile.
    velocity: (momentum, nesterov, old or None, new); new = momentum old + direction less decay, which rate multiplies,
    or with nesterov momentum new + direction less decay."""
    w, d = weights.astype(np.float64), direction.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        d = (d - l2 * w) - l1 * np.sign(w) if l1 else d - l2 * w
        if velocity is not None:
            momentum, nesterov, old, new = velocity
            new[...] = d if old is None else momentum * old.astype(np.float64) + d
            u = new.astype(np.float64)
            d = momentum * u + d if nesterov else u
        out[...] = w + rate * d
    n_tiles, padded, _ = out.shape
    square = np.zeros((transposed.shape[0] * TILE, n_tiles * TILE), np.float32)
    square[:padded] = np.concatenate(list(out), axis=1)
    transposed[...] = to_tiles(square.T)[:, : transposed.shape[1]]
    size = np.abs(square).astype(np.float64)
    by_tile, columns = np.empty((n_tiles, len(square))) if rows is None else rows, np.zeros(n_tiles * TILE)
    for tile in range(n_tiles):
        lanes = size[:, tile * TILE : (tile + 1) * TILE].reshape(len(square), -1, 8)
        by_tile[tile] = sum8(np.add.accumulate(lanes, axis=1)[:, -1])
    for share in range(transposed.shape[0]):
        columns = columns + np.add.accumulate(size[share * TILE : (share + 1) * TILE], axis=0)[-1]
    bad = int(out.size - (np.abs(out) < np.float32(limit)).sum())
    largest_row = float(np.add.accumulate(by_tile, axis=0)[-1].max()) if rows is None else 0.0
    return bad, float(columns.max()), largest_row


def step(positive_bits, positive, positive_factor, negative_bits, negative, negative_factor, signed, centering,
         n_hidden, weights, rate, l2, l1, limit, out, transposed, along_hidden, along_visible,
         n_threads=1, rows=None, by_tile=None, segments=None, velocity=None):  # fmt: skip
    """difference and ascend in one; products with the offsets are of the difference less the decay."""
    direction = np.empty_like(weights)
    difference(
        positive_bits, positive, positive_factor, negative_bits, negative, negative_factor, signed, centering,
        n_hidden, direction, along_hidden, along_visible, segments=segments,
    )  # fmt: skip
    if centering is not None:
        (mu, lam), n_visible = centering[:2], positive_bits.shape[1]
        along(direction, weights, l2, l1, mu, lam, n_visible, along_hidden, along_visible, by_tile=by_tile)
    return ascend(weights, direction, rate, l2, l1, limit, out, transposed, rows=rows, velocity=velocity)


def join_parts(parts, lengths, out, n_threads=1):
    """out (tiles, inputs, 64): parts (tiles, lengths[k], 64) side by side, given one after the other."""
    cuts = np.add.accumulate([0, *lengths]) * len(out) * TILE
    pieces = [parts[start:stop].reshape(len(out), -1, TILE) for start, stop in zip(cuts, cuts[1:], strict=False)]
    out[...] = np.concatenate(pieces, axis=1)
