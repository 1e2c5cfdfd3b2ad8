# Activation: an integer accumulator becomes a field, a probability and a bit.
#
#   field = (bias + acc 2^-e) beta [+ reference (1 - beta)],
#   q = sigmoid(-|field|) = exp(-|field|) / (1 + exp(-|field|)),
#   P(unit on) = q when the field is negative, else 1 - q.
#
# A unit is in its less likely state when a uniform number is below q, which is at most 1/2: both tails get the same
# fine resolution. The uniform has 16 bits, from one eighth of a Philox block. Where they tie with the first 16 bits
# of q (once in 65,536 draws) a further 24 bits decide, from a block of their own. So a draw follows
# q, as float32 has it, to 2^-40.

cdef enum:
    FIXED_BITS = 22         # fixed-point probabilities are multiples of 2^-22: 504 of them sum without overflow
    TIE = 2                 # added to the kind of draw (word 3 of the counter) for the block that decides a tie

cdef struct HalfStep:
    # the sending layer
    const uint8_t *planes
    Py_ssize_t stride
    Py_ssize_t n_bytes
    # the parameters
    const int32_t *tiles
    Py_ssize_t tile_length          # numbers from one tile to the next
    float scale                     # 2^-e
    const float *bias               # padded to whole tiles
    # the receiving layer
    Py_ssize_t n_units
    Py_ssize_t n_tiles
    uint8_t *out                    # NULL: do not sample
    Py_ssize_t out_stride
    float *probabilities            # NULL or (n, n_units)
    int32_t *fixed                  # NULL or tiles of rint(P(on) 2^22), [tile][chain][64]
    Py_ssize_t fixed_length
    # the chains
    Py_ssize_t n
    Py_ssize_t first_chain
    Py_ssize_t block
    const float *beta               # NULL, or one for each chain, or one for all
    Py_ssize_t beta_stride          # 1 or 0
    const float *reference          # NULL, or the bias at beta 0, padded to whole tiles
    # the random numbers
    uint32_t key0
    uint32_t key1
    uint32_t sweep
    uint32_t kind


cdef inline vf exp_negative(vf x) noexcept nogil:
    """exp(x) for -87 <= x <= 0, relative error below 2e-7. x = n log 2 + r; a polynomial of degree 6 for exp(r), |r| <=
    log(2)/2, interpolated at Chebyshev nodes; 2^n is made in the exponent. log 2 in two parts, the first so short that
    its product with n is exact (Cody & Waite 1980)."""
    cdef vf magic = splat_f(12582912.0)  # 1.5 * 2^23: adding it rounds to an integer
    cdef vf t = x * splat_f(1.44269504) + magic
    cdef vf n = t - magic
    cdef vf r = x - n * splat_f(0.693359375) - n * splat_f(-2.12194440e-4)
    cdef vf p = splat_f(0.0013926184037700295)
    p = p * r + splat_f(0.008363178931176662)
    p = p * r + splat_f(0.041666556149721146)
    p = p * r + splat_f(0.16666576266288757)
    p = p * r + splat_f(0.5)
    p = p * (r * r) + r + splat_f(1.0)
    return p * float_of((bits_f(t) - bits_f(magic) + splat_i(127)) << 23)


cdef void activate(const HalfStep *step, const int32_t *acc, Py_ssize_t tile, Py_ssize_t first, Py_ssize_t n,
                   uint64_t *masks) noexcept nogil:
    """Activate one tile of n chains, starting from chain first of the batch."""
    cdef Py_ssize_t chain, t, n_columns = smaller(TILE, step.n_units - tile * TILE), width = ceil_div(n_columns, LANES)
    cdef uint64_t keep = <uint64_t> 0xffffffffffffffffu >> (64 - n_columns), mask
    cdef uint32_t less, tie
    cdef uint16_t random[TILE]
    cdef vf scale = splat_f(step.scale), x, e, q, y
    cdef vi whole, number, negative, p
    cdef const vfu *bias = <const vfu *> (step.bias + tile * TILE)
    cdef const vi *sums
    cdef viu *fixed
    cdef uint32_t global_chain
    cdef float beta
    cdef float probabilities[TILE]
    cdef uint8_t *out
    for chain in range(n):
        sums = <const vi *> (acc + chain * TILE)
        global_chain = <uint32_t> (step.first_chain + first + chain)
        mask = 0
        if step.out != NULL:
            philox_64_units(<uint32_t> (tile * (TILE // 8)), global_chain, step.sweep, step.kind, step.key0, step.key1,
                            random)
        for t in range(width):
            x = to_float(sums[t]) * scale + bias[t]
            if step.beta != NULL:
                beta = step.beta[(first + chain) * step.beta_stride]
                x = x * splat_f(beta)
                if step.reference != NULL:
                    x = x + (<const vfu *> (step.reference + tile * TILE))[t] * splat_f(<float> 1.0 - beta)
            e = exp_negative(max_f(splat_f(0.0) - abs_f(x), splat_f(-87.0)))
            q = e / (splat_f(1.0) + e)
            if step.out != NULL:
                y = q * splat_f(65536.0)
                whole = to_int(y)
                number = load_u16(random + t * LANES)
                less = mask_lt(number, whole)
                tie = mask_eq(number, whole)
                if tie != 0:
                    less = less | break_ties(y - to_float(whole), tie, <uint32_t> (tile * TILE + t * LANES),
                                             global_chain, step)
                mask = mask | (<uint64_t> (less ^ mask_sign(x) ^ ((<uint32_t> 1 << LANES) - 1)) << (t * LANES))
            if step.fixed != NULL:
                # rint(q 2^22), turned into 2^22 minus that where the field is not negative: ~p + 1 is -p
                y = q * splat_f(4194304.0) + splat_f(12582912.0)
                p = bits_f(y) - bits_f(splat_f(12582912.0))
                negative = bits_f(x) >> 31
                fixed = <viu *> (step.fixed + tile * step.fixed_length + (first + chain) * TILE)
                fixed[t] = select_i(negative, p, splat_i(1 << FIXED_BITS) - p)
            if step.probabilities != NULL:
                y = float_of(select_i(bits_f(x) >> 31, bits_f(q), bits_f(splat_f(1.0) - q)))
                memcpy(probabilities + t * LANES, &y, WIDTH)
        masks[chain] = mask & keep
        if step.probabilities != NULL:
            memcpy(step.probabilities + (first + chain) * step.n_units + tile * TILE, probabilities, 4 * n_columns)
    if step.out != NULL:
        for t in range(ceil_div(n_columns, 8)):
            out = step.out + (tile * (TILE // 8) + t) * step.out_stride + first
            for chain in range(n):
                out[chain] = <uint8_t> (masks[chain] >> (8 * t))


cdef uint32_t break_ties(vf fraction, uint32_t ties, uint32_t first_unit, uint32_t chain,
                         const HalfStep *step) noexcept nogil:
    """Of the tied lanes, those whose further 24 bits are below what is left of q, as a mask."""
    cdef float rest[LANES]
    cdef vq words[4]
    cdef uint32_t less = 0, number
    cdef int lane
    memcpy(rest, &fraction, WIDTH)
    while ties != 0:
        lane = lowest_bit(ties)
        ties = ties & (ties - 1)
        philox(splat_q(first_unit + lane), splat_q(chain), splat_q(step.sweep), splat_q(step.kind + TIE), step.key0,
               step.key1, words)
        memcpy(&number, words, 4)
        if <float> (number >> 8) * <float> 5.9604644775390625e-8 < rest[lane]:  # 2^-24
            less = less | (<uint32_t> 1 << lane)
    return less


cdef void half_step_item(const HalfStep *step, Py_ssize_t item, char *scratch) noexcept nogil:
    """One tile of one block of chains: product, then activation while the sums are at hand."""
    cdef Py_ssize_t tile = item % step.n_tiles, first = (item // step.n_tiles) * step.block
    cdef Py_ssize_t n = smaller(step.block, step.n - first)
    cdef int32_t *acc = <int32_t *> (scratch + SUMS_AT)
    product_tile(acc, scratch, step.tiles + tile * step.tile_length, step.planes + first, step.stride, step.n_bytes, n,
                 smaller(TILE, step.n_units - tile * TILE))
    activate(step, acc, tile, first, n, <uint64_t *> (scratch + SCRATCH))


cdef enum:
    STEP_SCRATCH = SCRATCH + BLOCK * 8      # and a mask for each chain of a block


def philox_blocks(const uint32_t[:, ::1] counters, uint64_t seed, uint32_t[:, ::1] out, int n_threads):
    """out OUT (n, 4): Philox4x32-10 of counters IN (n, 4) under the key seed. For tests and set-up work."""
    cdef Py_ssize_t n = counters.shape[0], item
    if DEBUG_CHECKS:
        check(counters.shape[1] == 4 and out.shape[0] == n and out.shape[1] == 4, "philox_blocks")
    if n == 0:
        return
    for item in prange(ceil_div(n, HALF), nogil=True, num_threads=n_threads, schedule="static"):
        philox_item(&counters[item * HALF, 0], smaller(HALF, n - item * HALF), seed, &out[item * HALF, 0])


cdef void philox_item(const uint32_t *counters, Py_ssize_t n, uint64_t seed, uint32_t *out) noexcept nogil:
    """Up to HALF blocks; lanes past the n-th repeat the last."""
    cdef uint64_t lanes[4][HALF]
    cdef vq c[4]
    cdef vq words[4]
    cdef Py_ssize_t lane, w
    for lane in range(HALF):
        for w in range(4):
            lanes[w][lane] = counters[4 * smaller(lane, n - 1) + w]
    memcpy(c, lanes, sizeof(lanes))
    philox(c[0], c[1], c[2], c[3], <uint32_t> seed, <uint32_t> (seed >> 32), words)
    memcpy(lanes, words, sizeof(lanes))
    for lane in range(n):
        for w in range(4):
            out[4 * lane + w] = <uint32_t> lanes[w][lane]
