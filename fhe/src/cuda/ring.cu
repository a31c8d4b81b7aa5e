// Sums of exact products in Z_{2^128}[X]/(X^4096 + 1), for many pairs at a time.
//
// The same numbers as linear/ring.rs, modulo the same six primes below 2^30 and lifted the same way; its own transforms. Negacyclic
// transforms with merged powers of psi, as in Longa, Naehrig, CANS 2016, https://eprint.iacr.org/2016/504 (algorithms 1 and 2);
// products by constants with precomputed quotients (Shoup; Harvey, https://arxiv.org/abs/1205.2926); other products after
// Montgomery, whose factor 2^32 is in the transforms of the large operands. No branch and no address depends on a coefficient.
//
// Plain C but for the words below, so that a compiler for CPUs takes it as well and a test runs it there, thread by thread.

#ifdef __CUDACC__
typedef unsigned int u32;
typedef unsigned long long u64;
#define KERNEL extern "C" __global__ void
#define DEVICE __device__ __forceinline__ static
#define WORKSPACE(name) extern __shared__ u32 name[]
#define SYNC() __syncthreads()
#define THREAD threadIdx.x
#define THREADS blockDim.x
#define BLOCK blockIdx.x
#define BLOCKS gridDim.x
#endif

#define N 4096u
#define PRIMES 6u
// The constants of a prime: p, -1/p mod 2^32, 2^64 mod p, p - (2^128 mod p), and the lifting factor times 2^32 mod p.
#define CONSTANTS 5u
#define P 0u
#define NEGATED_INVERSE 1u
#define HIGH 2u
#define WRAP 3u
#define LIFT 4u

// a * w mod p, below 2p, for any a: quotient = floor(w * 2^32 / p).
DEVICE u32 times_constant(u32 a, u32 w, u32 quotient, u32 p) {
    u32 q = (u32)(((u64)a * quotient) >> 32);
    return a * w - q * p;
}

// a below 2p.
DEVICE u32 once(u32 a, u32 p) {
    u32 less = a - p;
    // All ones if it was below p.
    u32 below = 0u - (less >> 31);
    return less + (p & below);
}

// x / 2^32 mod p, for x below p * 2^32.
DEVICE u32 montgomery(u64 x, u32 p, u32 negated_inverse) {
    u32 m = (u32)x * negated_inverse;
    return once((u32)((x + (u64)m * p) >> 32), p);
}

// In place, from coefficients below p to values below p in bit-reversed order. Powers and their quotients in bit-reversed order.
DEVICE void forward(u32 *a, const u32 *powers, const u32 *quotients, u32 p) {
    u32 m = 1, log_t = 11;
    for (; m < N; m *= 2, log_t--) {
        SYNC();
        for (u32 k = THREAD; k < N / 2; k += THREADS) {
            u32 i = k >> log_t, t = 1u << log_t;
            u32 j = (i << (log_t + 1)) + (k & (t - 1));
            u32 u = a[j], v = once(times_constant(a[j + t], powers[m + i], quotients[m + i], p), p);
            a[j] = once(u + v, p);
            a[j + t] = once(u + p - v, p);
        }
    }
    SYNC();
}

// Back, times N.
DEVICE void backward(u32 *a, const u32 *powers, const u32 *quotients, u32 p) {
    u32 h = N / 2, log_t = 0;
    for (; h > 0; h /= 2, log_t++) {
        SYNC();
        for (u32 k = THREAD; k < N / 2; k += THREADS) {
            u32 i = k >> log_t, t = 1u << log_t;
            u32 j = (i << (log_t + 1)) + (k & (t - 1));
            u32 u = a[j], v = a[j + t];
            a[j] = once(u + v, p);
            a[j + t] = once(times_constant(u + p - v, powers[h + i], quotients[h + i], p), p);
        }
    }
    SYNC();
}

// Transforms of `count` polynomials of N coefficients modulo 2^128, low word first, taken between -2^127 and 2^127.
KERNEL prepare_large(u32 *out, const u64 *coefficients, const u32 *constants, const u32 *tables, u32 count) {
    WORKSPACE(a);
    for (u32 block = BLOCK; block < count * PRIMES; block += BLOCKS) {
        u32 prime = block % PRIMES;
        const u64 *from = coefficients + (u64)(block / PRIMES) * (2 * N);
        const u32 *c = constants + prime * CONSTANTS, *table = tables + prime * (4 * N);
        u32 p = c[P];
        for (u32 k = THREAD; k < N; k += THREADS) {
            u64 low = from[2 * k], high = from[2 * k + 1];
            u64 residue = ((high % p) * c[HIGH] + low % p) % p;
            residue = (residue + (high >> 63) * c[WRAP]) % p;
            a[k] = (u32)(residue * c[LIFT] % p);
        }
        forward(a, table, table + N, p);
        for (u32 k = THREAD; k < N; k += THREADS) out[(u64)block * N + k] = a[k];
        SYNC();
    }
}

// Transforms of `count` polynomials of N small coefficients, below 2^29 in absolute value.
KERNEL prepare_small(u32 *out, const int *coefficients, const u32 *constants, const u32 *tables, u32 count) {
    WORKSPACE(a);
    for (u32 block = BLOCK; block < count * PRIMES; block += BLOCKS) {
        u32 prime = block % PRIMES;
        const int *from = coefficients + (u64)(block / PRIMES) * N;
        const u32 *table = tables + prime * (4 * N);
        u32 p = constants[prime * CONSTANTS + P];
        for (u32 k = THREAD; k < N; k += THREADS) {
            u32 word = (u32)from[k];
            a[k] = word + (p & (0u - (word >> 31)));
        }
        forward(a, table, table + N, p);
        for (u32 k = THREAD; k < N; k += THREADS) out[(u64)block * N + k] = a[k];
        SYNC();
    }
}

// sums[i][j] = sum over k of large[i][k] * small[j][k], for i < rows, j < columns, k < terms, in the transform domain.
KERNEL multiply(u32 *sums, const u32 *large, const u32 *small, const u32 *constants, u32 rows, u32 columns, u32 terms) {
    const u64 words = PRIMES * N, total = (u64)rows * columns * words;
    for (u64 at = (u64)BLOCK * THREADS + THREAD; at < total; at += (u64)BLOCKS * THREADS) {
        u64 pair = at / words, word = at % words;
        const u32 *c = constants + (u32)(word / N) * CONSTANTS;
        const u32 *x = large + pair / columns * terms * words + word, *y = small + pair % columns * terms * words + word;
        u32 p = c[P], inverse = c[NEGATED_INVERSE], sum = 0;
        for (u32 k = 0; k < terms; k++) sum = once(sum + montgomery((u64)x[k * words] * y[k * words], p, inverse), p);
        sums[at] = sum;
    }
}

// Back to coefficients, one block for each prime of each sum, in place.
KERNEL invert(u32 *sums, const u32 *constants, const u32 *tables, u32 count) {
    WORKSPACE(a);
    for (u32 block = BLOCK; block < count * PRIMES; block += BLOCKS) {
        const u32 *table = tables + block % PRIMES * (4 * N);
        u32 p = constants[block % PRIMES * CONSTANTS + P];
        u32 *at = sums + (u64)block * N;
        for (u32 k = THREAD; k < N; k += THREADS) a[k] = at[k];
        backward(a, table + 2 * N, table + 3 * N, p);
        for (u32 k = THREAD; k < N; k += THREADS) at[k] = a[k];
        SYNC();
    }
}

// Coefficients modulo 2^128, low word first. `cofactors` has Q/p for each prime and Q, low word first; `inverses` 1/p.
KERNEL lift(u64 *out, const u32 *sums, const u64 *cofactors, const double *inverses, u32 count) {
    const u64 total = (u64)count * N;
    for (u64 at = (u64)BLOCK * THREADS + THREAD; at < total; at += (u64)BLOCKS * THREADS) {
        const u32 *y = sums + at / N * (PRIMES * N) + at % N;
        u64 low = 0, high = 0;
        double share = 0.5;
        for (u32 i = 0; i < PRIMES; i++) {
            u32 residue = y[i * N];
            u64 cofactor = cofactors[2 * i];
            // residue * cofactor, 96 bits.
            u64 first = (u64)residue * (u32)cofactor, second = (u64)residue * (cofactor >> 32) + (first >> 32);
            u64 product = (second << 32) | (u32)first;
            low += product;
            high += (second >> 32) + (u64)(low < product) + residue * cofactors[2 * i + 1];
            share += (double)residue * inverses[i];
        }
        u32 whole = (u32)share;
        u64 all = cofactors[2 * PRIMES];
        u64 first = (u64)whole * (u32)all, second = (u64)whole * (all >> 32) + (first >> 32);
        u64 product = (second << 32) | (u32)first;
        high -= (second >> 32) + (u64)(low < product) + whole * cofactors[2 * PRIMES + 1];
        low -= product;
        out[2 * at] = low;
        out[2 * at + 1] = high;
    }
}
