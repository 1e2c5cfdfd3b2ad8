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

#if LEVEL_AVX512
#define BATCH 4 /* chains whose blocks are computed together: rounds wait for each other, chains do not */
#else
#define BATCH 2
#endif

/* The keys of the ten rounds, in every lane. */
typedef struct {
    vq k0[10], k1[10];
} Keys;

static inline void philox_keys(uint32_t key0, uint32_t key1, Keys *keys) {
    for (int round = 0; round < 10; round++) {
        keys->k0[round] = splat_q(key0 + round * 0x9E3779B9u);
        keys->k1[round] = splat_q(key1 + round * 0xBB67AE85u);
    }
}

/* One round of HALF blocks. A word sits in the low half of a 64-bit lane, where the widening multiply reads it; the
 * high half is scrap. */
static inline void philox_round(vq c[4], vq k0, vq k1) {
    vq p0 = mul_low32(c[0], splat_q(0xD2511F53u)), p1 = mul_low32(c[2], splat_q(0xCD9E8D57u));
    c[0] = (p1 >> 32) ^ c[1] ^ k0;
    c[1] = p1;
    c[2] = (p0 >> 32) ^ c[3] ^ k1;
    c[3] = p0;
}

/* HALF blocks in place: counters become random words. */
static inline void philox(vq c[4], const Keys *keys) {
    for (int round = 0; round < 10; round++) philox_round(c, keys->k0[round], keys->k1[round]);
}

/* In which order HALF counters go into lanes so that zip() delivers whole blocks in sequence. */
#if LANES == 16
#define LANE_ORDER {0, 4, 1, 5, 2, 6, 3, 7}
#elif LANES == 8
#define LANE_ORDER {0, 2, 1, 3}
#else
#define LANE_ORDER {0, 1}
#endif

static inline void philox_batch(vq c[BATCH][4], const Keys *keys) {
    for (int round = 0; round < 10; round++)
        for (int b = 0; b < BATCH; b++) philox_round(c[b], keys->k0[round], keys->k1[round]);
}

/* HALF blocks, 16 bytes each, one after the other. */
static inline void store_blocks(const vq c[4], void *out) {
    const vq low = splat_q(0xffffffffu);
    vq even, odd;
    zip((c[0] & low) | (c[1] << 32), (c[2] & low) | (c[3] << 32), &even, &odd);
    memcpy(out, &even, WIDTH);
    memcpy((char *)out + WIDTH, &odd, WIDTH);
}

/* The 16-bit numbers of 64 units for each of BATCH chains: block (first + k) gives numbers 8k .. 8k + 7, k = 0 .. 7. */
static inline void philox_64_units(uint32_t first, uint32_t chain, uint32_t sweep, uint32_t kind, const Keys *keys,
                                   uint16_t out[BATCH][64]) {
    const vq lane = LANE_ORDER;
    for (int k = 0; k < 8; k += HALF) {
        vq c[BATCH][4];
        for (int b = 0; b < BATCH; b++) {
            c[b][0] = lane + splat_q(first + k);
            c[b][1] = splat_q(chain + b);
            c[b][2] = splat_q(sweep);
            c[b][3] = splat_q(kind);
        }
        philox_batch(c, keys);
        for (int b = 0; b < BATCH; b++) store_blocks(c[b], out[b] + 8 * k);
    }
}

/* The four words of one block for each of LANES chains in a row, HALF of them at a time, in the low halves of the lanes;
 * the high halves are scrap. */
static inline void philox_lanes(uint32_t block, uint32_t chain, uint32_t sweep, uint32_t kind, const Keys *keys,
                                vq out[2][4]) {
    for (int half = 0; half < 2; half++) {
        vq c[4] = {splat_q(block), splat_q(chain + half * HALF), splat_q(sweep), splat_q(kind)};
        for (int k = 0; k < HALF; k++) c[1][k] += k;
        memcpy(out[half], c, sizeof(c));
    }
    for (int round = 0; round < 10; round++)
        for (int half = 0; half < 2; half++) philox_round(out[half], keys->k0[round], keys->k1[round]);
}

/* The same as numbers of 32 bits. */
static inline void philox_chains(uint32_t block, uint32_t chain, uint32_t sweep, uint32_t kind, const Keys *keys,
                                 uint32_t out[4][LANES]) {
    vq c[2][4];
    philox_lanes(block, chain, sweep, kind, keys, c);
    for (int word = 0; word < 4; word++) {
        vi x = low_halves(c[0][word], c[1][word]);
        memcpy(out[word], &x, WIDTH);
    }
}

/* AT_ONCE blocks, the first and second words of whose counters are the number first, first + 1, ... */
enum { AT_ONCE = BATCH * HALF };
static inline void philox_in_sequence(uint64_t first, uint32_t sweep, uint32_t kind, const Keys *keys,
                                      uint32_t out[AT_ONCE * 4]) {
    const vq lane = LANE_ORDER;
    vq c[BATCH][4];
    for (int b = 0; b < BATCH; b++) {
        vq number = lane + splat_q(first + b * HALF);
        c[b][0] = number; /* its high half is scrap */
        c[b][1] = number >> 32;
        c[b][2] = splat_q(sweep);
        c[b][3] = splat_q(kind);
    }
    philox_batch(c, keys);
    for (int b = 0; b < BATCH; b++) store_blocks(c[b], out + b * HALF * 4);
}

#endif
