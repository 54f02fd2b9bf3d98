/* random: xoshiro256** seeded by splitmix64 (Blackman and Vigna, public domain algorithm); same seed, same numbers.
 * For synthetic markets, back-off jitter and tests; never for keys. */
#pragma once

#include <stdint.h>

struct random {
    uint64_t state[4];
};

void random_seed(struct random *random, uint64_t seed);
uint64_t random_u64(struct random *random);
uint64_t random_below(struct random *random, uint64_t bound); /* 0…bound-1; bound > 0 */
double random_unit(struct random *random);                    /* [0, 1) */
double random_normal(struct random *random);                  /* mean 0, σ 1 */
double random_exponential(struct random *random, double mean);
