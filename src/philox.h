/* Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as
 * 1, 2, 3" (SC11). A block of four 32-bit words is a pure function of a 128-bit counter and a 64-bit key.
 *
 * How fastrbm spends a counter (see src/README.md): word 0 the unit's byte, word 1 the chain, word 2 the sweep,
 * word 3 the stream and the kind of draw. The four words of a block are eight 16-bit numbers, one for each unit of
 * the byte.
 */
#ifndef FASTRBM_PHILOX_H
#define FASTRBM_PHILOX_H

#include "simd.h"

/* HALF blocks at once. A word sits in the low half of a 64-bit lane, where the widening multiply wants it; the high
 * half is scrap. */
static inline void philox(vq c0, vq c1, vq c2, vq c3, uint32_t key0, uint32_t key1, vq out[4]) {
    const vq m0 = splat_q(0xD2511F53u), m1 = splat_q(0xCD9E8D57u);
    for (int round = 0; round < 10; round++) {
        vq p0 = mul_low32(c0, m0), p1 = mul_low32(c2, m1);
        c0 = (p1 >> 32) ^ c1 ^ splat_q(key0);
        c1 = p1;
        c2 = (p0 >> 32) ^ c3 ^ splat_q(key1);
        c3 = p0;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* The 16-bit numbers of 64 units: block (first + k) gives numbers 8k .. 8k + 7, for k = 0 .. 7. */
static inline void philox_64_units(uint32_t first, uint32_t chain, uint32_t sweep, uint32_t kind, uint32_t key0,
                                   uint32_t key1, uint16_t *out) {
    const vq low = splat_q(0xffffffffu);
    /* lanes in the order that makes zip() deliver whole blocks in sequence */
#if LANES == 16
    const vq lane = {0, 4, 1, 5, 2, 6, 3, 7};
#elif LANES == 8
    const vq lane = {0, 2, 1, 3};
#else
    const vq lane = {0, 1};
#endif
    for (int k = 0; k < 8; k += HALF) {
        vq w[4], even, odd;
        philox(lane + splat_q(first + k), splat_q(chain), splat_q(sweep), splat_q(kind), key0, key1, w);
        zip((w[0] & low) | (w[1] << 32), (w[2] & low) | (w[3] << 32), &even, &odd);
        memcpy(out + 8 * k, &even, WIDTH);
        memcpy(out + 8 * k + 4 * HALF, &odd, WIDTH);
    }
}

#endif
