// A few words for tests. A failed check is printed and counted; main returns failures().

#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sealock.h>

static int checks, failed;

static inline int check(int condition, const char *what, const char *file, int line) {
    checks++;
    if (!condition) {
        failed++;
        fprintf(stderr, "%s:%d: %s\n", file, line, what);
    }
    return condition;
}

// The condition holds.
#define CHECK(condition) check((condition) != 0, #condition, __FILE__, __LINE__)

static inline void show(sealock_error *error) {
    if (!error) return;
    const char *hint = sealock_error_hint(error);
    fprintf(stderr, "  %s: %s (%s)\n", sealock_error_kind(error), sealock_error_message(error), hint ? hint : "");
    sealock_error_free(error);
}

// The call, which names `&error` last, succeeds. Without it the test makes no sense: it ends.
#define MUST(call)                                                                                       \
    do {                                                                                                 \
        sealock_error *error = NULL;                                                                     \
        if (!check((call) == SEALOCK_OK && !error, #call, __FILE__, __LINE__)) show(error), exit(1);     \
    } while (0)

// The call, which names `&error` last, fails with this status and says so.
#define FAILS(expected, call)                                                                            \
    do {                                                                                                 \
        sealock_error *error = NULL;                                                                     \
        sealock_status status = (call);                                                                  \
        int right = status == (expected) && error && sealock_error_code(error) == status &&              \
                    sealock_error_message(error)[0];                                                     \
        if (!check(right, #expected " from " #call, __FILE__, __LINE__)) show(error);                    \
        else sealock_error_free(error);                                                                  \
    } while (0)

// The test's outcome: 0, or 1 if a check failed or a handle is left.
static inline int failures(const char *name) {
    CHECK(sealock_live_handles() == 0);
    printf("%s: %d checks, %d failed\n", name, checks, failed);
    return failed != 0;
}

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define LIST(...) ((const char *const[]){__VA_ARGS__}), COUNT(((const char *const[]){__VA_ARGS__}))

#endif
