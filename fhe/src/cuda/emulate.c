// Runs the kernels on the processor: one thread for each of a block's, one block after the other. For tests.
//
// Reads from standard input what the device is given, and writes what it would give back.

#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef uint32_t u32;
typedef uint64_t u64;

static _Thread_local u32 this_thread, this_block;
static u32 shared[4096];
static pthread_barrier_t barrier;

// Not the device's own numbers: nothing may depend on them.
#define THREADS 3u
#define BLOCKS 5u
#define THREAD this_thread
#define BLOCK this_block
#define KERNEL static void
#define DEVICE static inline
#define WORKSPACE(name) u32 *name = shared
#define SYNC() pthread_barrier_wait(&barrier)
#include "ring.cu"

static u32 rows, columns, terms, *constants, *tables, *transformed_large, *transformed_small, *sums;
static u64 *large, *cofactors, *lifted;
static double *inverses;
static int *small;

static void step(int which) {
    switch (which) {
    case 0: prepare_large(transformed_large, large, constants, tables, rows * terms); break;
    case 1: prepare_small(transformed_small, small, constants, tables, columns * terms); break;
    case 2: multiply(sums, transformed_large, transformed_small, constants, rows, columns, terms); break;
    case 3: invert(sums, constants, tables, rows * columns); break;
    case 4: lift(lifted, sums, cofactors, inverses, rows * columns); break;
    }
}

struct task {
    int which;
    u32 block, thread;
};

static void *run(void *argument) {
    struct task *task = argument;
    this_block = task->block;
    this_thread = task->thread;
    step(task->which);
    return NULL;
}

static void launch(int which) {
    for (u32 block = 0; block < BLOCKS; block++) {
        pthread_t threads[THREADS];
        struct task tasks[THREADS];
        for (u32 thread = 0; thread < THREADS; thread++) {
            tasks[thread] = (struct task){which, block, thread};
            if (pthread_create(&threads[thread], NULL, run, &tasks[thread])) exit(2);
        }
        for (u32 thread = 0; thread < THREADS; thread++) pthread_join(threads[thread], NULL);
    }
}

static void *get(size_t count, size_t size) {
    void *of = calloc(count, size);
    if (!of || fread(of, size, count, stdin) != count) exit(3);
    return of;
}

int main(void) {
    u32 *head = get(3, sizeof(u32));
    rows = head[0], columns = head[1], terms = head[2];
    constants = get(PRIMES * CONSTANTS, sizeof(u32));
    tables = get(PRIMES * 4 * N, sizeof(u32));
    cofactors = get(2 * (PRIMES + 1), sizeof(u64));
    inverses = get(PRIMES, sizeof(double));
    large = get((size_t)rows * terms * 2 * N, sizeof(u64));
    small = get((size_t)columns * terms * N, sizeof(int));
    transformed_large = calloc((size_t)rows * terms * PRIMES * N, sizeof(u32));
    transformed_small = calloc((size_t)columns * terms * PRIMES * N, sizeof(u32));
    sums = calloc((size_t)rows * columns * PRIMES * N, sizeof(u32));
    size_t words = (size_t)rows * columns * 2 * N;
    lifted = calloc(words, sizeof(u64));
    if (!transformed_large || !transformed_small || !sums || !lifted) return 3;
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (int which = 0; which < 5; which++) launch(which);
    return fwrite(lifted, sizeof(u64), words, stdout) == words && !fflush(stdout) ? 0 : 4;
}
