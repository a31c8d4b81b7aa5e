// An encrypted matrix times a clear one, compared with the product in the clear.

#include "check.h"

#define ROWS 3
#define INNER 5
#define COLUMNS 4

static const uint8_t job[] = "job 7";

static sealock_buffer *encrypt(const sealock_product *product, const sealock_product_key *key, const int64_t *left,
                               size_t count) {
    sealock_buffer *queries;
    MUST(sealock_product_encrypt(product, key, left, count, job, sizeof job, &queries, &error));
    return queries;
}

static sealock_buffer *evaluate(const sealock_product *product, const sealock_buffer *queries, const int64_t *right,
                                size_t count) {
    sealock_buffer *answers;
    MUST(sealock_product_evaluate(product, sealock_buffer_data(queries), sealock_buffer_length(queries), right, count, job,
                                  sizeof job, &answers, &error));
    return answers;
}

// Numbers without pattern, the ends of their range among them.
static void fill(int64_t *out, size_t count, unsigned bits) {
    static uint64_t state = 7;
    int64_t end = (int64_t)1 << (bits - 1);
    for (size_t i = 0; i < count; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        out[i] = (int64_t)(state >> 33) % end;
    }
    out[0] = -end;
    out[count - 1] = end - 1;
}

static void exact_products(void) {
    sealock_product_key *key, *again, *other;
    sealock_product *product, *narrow;
    int64_t left[ROWS * INNER], right[INNER * COLUMNS], opened[ROWS * COLUMNS], wrong[ROWS * COLUMNS];
    uint64_t wide[2 * ROWS * COLUMNS];
    uint8_t secret[SEALOCK_SECRET_BYTES];
    uint32_t bits;
    size_t query_bytes, answer_bytes;
    fill(left, COUNT(left), 12);
    fill(right, COUNT(right), 24);
    MUST(sealock_product_key_generate(&key, &error));
    MUST(sealock_product_key_generate(&other, &error));
    MUST(sealock_product_key_expose_secret(key, secret, sizeof secret, &error));
    MUST(sealock_product_key_from_secret(secret, sizeof secret, &again, &error));
    sealock_wipe(secret, sizeof secret);
    MUST(sealock_product_new(ROWS, INNER, COLUMNS, 12, 24, &product, &error));
    MUST(sealock_product_bits(product, &bits, &error));
    CHECK(bits == 12 + 24 + 3);

    sealock_buffer *queries = encrypt(product, key, left, COUNT(left)), *none;
    sealock_buffer *answers = evaluate(product, queries, right, COUNT(right));
    const uint8_t *query = sealock_buffer_data(queries), *answer = sealock_buffer_data(answers);
    size_t asked = sealock_buffer_length(queries), told = sealock_buffer_length(answers);
    MUST(sealock_product_lengths(product, &query_bytes, &answer_bytes, &error));
    CHECK(asked == query_bytes && told == answer_bytes);
    MUST(sealock_product_decrypt(product, again, answer, told, opened, COUNT(opened), &error));
    MUST(sealock_product_decrypt_wide(product, key, answer, told, wide, COUNT(wide), &error));
    for (size_t row = 0; row < ROWS; row++)
        for (size_t column = 0; column < COLUMNS; column++) {
            int64_t sum = 0;
            size_t at = row * COLUMNS + column;
            for (size_t i = 0; i < INNER; i++) sum += left[row * INNER + i] * right[i * COLUMNS + column];
            CHECK(opened[at] == sum);
            CHECK(wide[2 * at] == (uint64_t)sum && wide[2 * at + 1] == (sum < 0 ? UINT64_MAX : 0));
        }
    MUST(sealock_product_decrypt(product, other, answer, told, wrong, COUNT(wrong), &error));
    CHECK(memcmp(wrong, opened, sizeof wrong) != 0);

    // Too few numbers, too wide ones, and what was made for something else.
    MUST(sealock_product_new(ROWS, INNER, COLUMNS, 11, 24, &narrow, &error));
    FAILS(SEALOCK_ERROR_ENCRYPTION,
          sealock_product_encrypt(product, key, left, COUNT(left) - 1, job, sizeof job, &none, &error));
    FAILS(SEALOCK_ERROR_ENCRYPTION,
          sealock_product_encrypt(narrow, key, left, COUNT(left), job, sizeof job, &none, &error));
    FAILS(SEALOCK_ERROR_ENCRYPTION, sealock_product_evaluate(product, query, asked, right, COUNT(right) - 1, job, sizeof job,
                                                             &none, &error));
    FAILS(SEALOCK_ERROR_ENCRYPTION,
          sealock_product_evaluate(narrow, query, asked, right, COUNT(right), job, sizeof job, &none, &error));
    FAILS(SEALOCK_ERROR_ENCRYPTION,
          sealock_product_evaluate(product, query, asked, right, COUNT(right), job, sizeof job - 1, &none, &error));
    for (size_t cut = 0; cut < asked; cut += cut < 200 ? 1 : 9973)
        FAILS(SEALOCK_ERROR_ENCRYPTION,
              sealock_product_evaluate(product, query, cut, right, COUNT(right), job, sizeof job, &none, &error));
    for (size_t cut = 0; cut < told; cut += cut < 200 ? 1 : 9973)
        FAILS(SEALOCK_ERROR_ENCRYPTION, sealock_product_decrypt(product, key, answer, cut, wrong, COUNT(wrong), &error));
    // A NUL is behind the end.
    FAILS(SEALOCK_ERROR_ENCRYPTION,
          sealock_product_evaluate(product, query, asked + 1, right, COUNT(right), job, sizeof job, &none, &error));
    FAILS(SEALOCK_ERROR_ENCRYPTION, sealock_product_decrypt(product, key, answer, told + 1, wrong, COUNT(wrong), &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT,
          sealock_product_decrypt(product, key, answer, told, wrong, COUNT(wrong) - 1, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT,
          sealock_product_decrypt_wide(product, key, answer, told, wide, COUNT(wrong), &error));

    sealock_buffer_free(queries);
    sealock_buffer_free(answers);
    sealock_product_free(narrow);
    sealock_product_free(product);
    sealock_product_key_free(other);
    sealock_product_key_free(again);
    sealock_product_key_free(key);
}

// -2^15 * 2^61 + -2^15 * (2^61 + 1) = -2^77 - 2^15: more than 64 bits.
static void wide_products(void) {
    const int64_t left[] = {-32768, -32768}, right[] = {(int64_t)1 << 61, ((int64_t)1 << 61) + 1};
    sealock_product_key *key;
    sealock_product *product;
    int64_t one;
    uint64_t wide[2];
    MUST(sealock_product_key_generate(&key, &error));
    MUST(sealock_product_new(1, 2, 1, 16, 63, &product, &error));
    sealock_buffer *queries = encrypt(product, key, left, 2), *answers = evaluate(product, queries, right, 2);
    const uint8_t *answer = sealock_buffer_data(answers);
    size_t told = sealock_buffer_length(answers);
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_product_decrypt(product, key, answer, told, &one, 1, &error));
    MUST(sealock_product_decrypt_wide(product, key, answer, told, wide, 2, &error));
    CHECK(wide[0] == UINT64_MAX - 32767 && wide[1] == UINT64_MAX - 8192);
    sealock_buffer_free(queries);
    sealock_buffer_free(answers);
    sealock_product_free(product);
    sealock_product_key_free(key);
}

int main(void) {
    sealock_product *none;
    exact_products();
    wide_products();
    FAILS(SEALOCK_ERROR_ENCRYPTION, sealock_product_new(0, 1, 1, 8, 8, &none, &error));
    FAILS(SEALOCK_ERROR_ENCRYPTION, sealock_product_new(1, SIZE_MAX, 1, 8, 8, &none, &error));
    FAILS(SEALOCK_ERROR_ENCRYPTION, sealock_product_new(1, 2048, 1, 32, 8, &none, &error));
    return failures("products");
}
