// Access proofs and Semaphore, from keys to exports, and what is refused.
//
//     proofs <depth> <folder of the ceremony's keys> [<folder with another implementation's proof>]
//
// The depth is 1 or 4, for the keys of both. The folder has a proof in theirs.json; ours is written to ours.json.

#include "check.h"

enum { SCALAR = SEALOCK_SCALAR_BYTES };

static size_t depth;
static const char *ceremony;

// p, the order of the field, and what is left of it.
static const uint8_t order[SCALAR] = {
    0x30, 0x64, 0x4e, 0x72, 0xe1, 0x31, 0xa0, 0x29, 0xb8, 0x50, 0x45, 0xb6, 0x81, 0x81, 0x58, 0x5d,
    0x28, 0x33, 0xe8, 0x48, 0x79, 0xb9, 0x70, 0x91, 0x43, 0xe1, 0xf5, 0x93, 0xf0, 0x00, 0x00, 0x01};
static const uint8_t zero[SCALAR];

#define SAME(a, b) (memcmp(a, b, SCALAR) == 0)

static void integer(uint64_t value, uint8_t out[SCALAR]) {
    MUST(sealock_scalar_from_integer(value, out, SCALAR, &error));
}

static void hash(const char *text, uint8_t out[SCALAR]) {
    const uint8_t *part = (const uint8_t *)text;
    size_t length = strlen(text);
    MUST(sealock_scalar_hash("test/v1", &part, &length, 1, out, SCALAR, &error));
}

static int hex_is(const uint8_t *bytes, size_t length, const char *hex) {
    char text[2 * 64 + 1];
    for (size_t i = 0; i < length; i++) snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    return strcmp(text, hex) == 0;
}

// Whether 32 bytes are the integer of these decimal digits.
static int decimal_is(const uint8_t bytes[SCALAR], const char *digits) {
    sealock_buffer *text;
    MUST(sealock_signal_to_decimal(bytes, SCALAR, &text, &error));
    int right = strcmp(sealock_buffer_text(text), digits) == 0;
    sealock_buffer_free(text);
    return right;
}

// Whether a text has the integer of 32 bytes in it, as JSON.
static int has_decimal(sealock_buffer *json, const uint8_t bytes[SCALAR]) {
    sealock_buffer *digits;
    char quoted[100];
    MUST(sealock_signal_to_decimal(bytes, SCALAR, &digits, &error));
    snprintf(quoted, sizeof quoted, "\"%s\"", sealock_buffer_text(digits));
    sealock_buffer_free(digits);
    return strstr(sealock_buffer_text(json), quoted) != NULL;
}

// What is to be freed with free(), ended by NUL.
static uint8_t *slurp(const char *folder, const char *name, size_t *length) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!CHECK(file != NULL)) {
        fprintf(stderr, "  %s: `make c-test` sets it up\n", path);
        exit(1);
    }
    fseek(file, 0, SEEK_END);
    *length = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = calloc(*length + 1, 1);
    CHECK(bytes && fread(bytes, 1, *length, file) == *length);
    fclose(file);
    return bytes;
}

static uint8_t *artifact(size_t of, const char *kind, size_t *length) {
    char name[64];
    snprintf(name, sizeof name, "semaphore-%zu.%s", of, kind);
    return slurp(ceremony, name, length);
}

// --------------------------------------------------------------------------------------------------------- field elements

static void scalars(void) {
    uint8_t a[3 * SCALAR], out[SCALAR];
    integer(1, a);
    integer(2, a + SCALAR);
    integer(0x0102, a + 2 * SCALAR);
    CHECK(hex_is(a + 2 * SCALAR, SCALAR, "0000000000000000000000000000000000000000000000000000000000000102"));
    MUST(sealock_poseidon(a, 2 * SCALAR, out, sizeof out, &error));
    CHECK(hex_is(out, SCALAR, "115cc0f5e7d690413df64c6b9662e9cf2a3617f2743245519e19607a4417189a"));
    MUST(sealock_poseidon(a, SCALAR, out, sizeof out, &error));
    MUST(sealock_poseidon(a, 3 * SCALAR, out, sizeof out, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_poseidon(a, 0, out, sizeof out, &error));
    CHECK(SAME(out, zero));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_poseidon(a, SCALAR + 1, out, sizeof out, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_poseidon(a, SCALAR, out, SCALAR - 1, &error));

    // Python's hashlib says so: see zk/src/scalar.rs.
    const uint8_t *parts[] = {(const uint8_t *)"ab", (const uint8_t *)"c"};
    size_t lengths[] = {2, 1};
    MUST(sealock_scalar_hash("sealock/v1/test", parts, lengths, 2, out, sizeof out, &error));
    CHECK(hex_is(out, SCALAR, "1d4bb0878830d07db8e25f6d3fdda71cc243aaf94eb1373104d9c71aaddc35f6"));
    MUST(sealock_scalar_hash("sealock/v1/test", NULL, NULL, 0, out, sizeof out, &error));
    parts[1] = NULL;
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_scalar_hash("d", parts, lengths, 2, out, sizeof out, &error));
    lengths[1] = 0;
    MUST(sealock_scalar_hash("d", parts, lengths, 2, out, sizeof out, &error));

    // The largest is below p; p itself is refused, and said to be out of range.
    memcpy(a, order, SCALAR);
    a[SCALAR - 1] = 0;
    MUST(sealock_poseidon(a, SCALAR, out, sizeof out, &error));
    sealock_error *error = NULL;
    CHECK(sealock_poseidon(order, SCALAR, out, sizeof out, &error) == SEALOCK_ERROR_INVALID_ARGUMENT);
    CHECK(strstr(sealock_error_message(error), "inputs[0]: expected an integer below the order of BN254") != NULL);
    sealock_error_free(error);
}

// -------------------------------------------------------------------------------------------------------------- identities

static void identities(void) {
    uint8_t secret[SEALOCK_SECRET_BYTES], commitment[SCALAR], expected[SCALAR], scope[SCALAR], leaf[SCALAR];
    uint8_t inputs[3 * SCALAR] = {0};
    sealock_identity *identity, *again;
    MUST(sealock_identity_generate(&identity, &error));
    MUST(sealock_identity_expose_secret(identity, secret, sizeof secret, &error));
    MUST(sealock_identity_from_secret(secret, sizeof secret, &again, &error));
    MUST(sealock_identity_commitment(again, commitment, sizeof commitment, &error));
    MUST(sealock_poseidon(secret, sizeof secret, expected, sizeof expected, &error));
    CHECK(SAME(commitment, expected));

    // Nullifier and leaf are built as the header says.
    hash("scope", scope);
    memcpy(inputs, scope, SCALAR);
    memcpy(inputs + SCALAR, secret, SCALAR);
    integer(7, inputs + 2 * SCALAR);
    MUST(sealock_poseidon(inputs, sizeof inputs, expected, sizeof expected, &error));
    uint8_t nullifier[SCALAR];
    MUST(sealock_identity_nullifier(identity, scope, sizeof scope, 7, nullifier, sizeof nullifier, &error));
    CHECK(SAME(nullifier, expected));
    MUST(sealock_identity_nullifier(identity, scope, sizeof scope, 8, nullifier, sizeof nullifier, &error));
    CHECK(!SAME(nullifier, expected));
    sealock_credential credential = {.struct_size = sizeof credential, .limit = 3, .expiry = 5};
    hash("asset", credential.asset);
    memset(inputs, 0, sizeof inputs);
    memcpy(inputs, commitment, SCALAR);
    inputs[SCALAR + 23] = 3;
    inputs[SCALAR + 31] = 5;
    memcpy(inputs + 2 * SCALAR, credential.asset, SCALAR);
    MUST(sealock_poseidon(inputs, sizeof inputs, expected, sizeof expected, &error));
    MUST(sealock_credential_leaf(&credential, commitment, sizeof commitment, leaf, sizeof leaf, &error));
    CHECK(SAME(leaf, expected));

    memcpy(credential.asset, order, SCALAR);
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT,
          sealock_credential_leaf(&credential, commitment, sizeof commitment, leaf, sizeof leaf, &error));
    sealock_identity *none;
    FAILS(SEALOCK_ERROR_MALFORMED, sealock_identity_from_secret(zero, sizeof zero, &none, &error));
    // A secret that is refused is not shown.
    sealock_error *error = NULL;
    CHECK(sealock_identity_from_secret(order, sizeof order, &none, &error) == SEALOCK_ERROR_MALFORMED && !none);
    CHECK(strstr(sealock_error_message(error), "30644e72") == NULL);
    CHECK(strstr(sealock_error_message(error), "218882428718392") == NULL);
    sealock_error_free(error);
    sealock_wipe(secret, sizeof secret);
    sealock_wipe(inputs, sizeof inputs);
    sealock_identity_free(identity);
    sealock_identity_free(again);
}

// ------------------------------------------------------------------------------------------------------------------ groups

static void groups(void) {
    uint8_t leaves[5 * SCALAR], root[SCALAR], before[SCALAR], leaf[SCALAR];
    sealock_group *group, *copy, *small;
    sealock_merkle_proof *path, *again;
    sealock_buffer *kept, *siblings;
    size_t index, count, levels;
    uint64_t sides;
    int32_t present;
    for (uint64_t i = 0; i < 5; i++) integer(100 + i, leaves + i * SCALAR);
    MUST(sealock_group_new(&group, &error));
    MUST(sealock_group_root(group, root, sizeof root, &present, &error));
    CHECK(!present && SAME(root, zero));
    MUST(sealock_group_insert(group, leaves, SCALAR, &index, &error));
    CHECK(index == 0);
    MUST(sealock_group_insert_many(group, leaves + SCALAR, 4 * SCALAR, &error));
    MUST(sealock_group_count(group, &count, &error));
    MUST(sealock_group_depth(group, &levels, &error));
    CHECK(count == 5 && levels == 3);

    // The last leaf has one sibling, on its left: its sides are bit 0 alone, whatever its index.
    MUST(sealock_group_root(group, root, sizeof root, &present, &error));
    MUST(sealock_group_proof(group, 4, &path, &error));
    MUST(sealock_merkle_proof_root(path, before, sizeof before, &error));
    MUST(sealock_merkle_proof_leaf(path, leaf, sizeof leaf, &error));
    MUST(sealock_merkle_proof_index(path, &sides, &error));
    MUST(sealock_merkle_proof_siblings(path, &siblings, &error));
    CHECK(present && SAME(root, before) && SAME(leaf, leaves + 4 * SCALAR) && sides == 1);
    CHECK(sealock_buffer_length(siblings) == SCALAR);
    MUST(sealock_merkle_proof_new(leaf, SCALAR, sides, sealock_buffer_data(siblings), SCALAR, &again, &error));
    MUST(sealock_merkle_proof_root(again, before, sizeof before, &error));
    CHECK(SAME(root, before));
    sealock_merkle_proof_free(again);
    sealock_merkle_proof_free(path);
    sealock_buffer_free(siblings);

    MUST(sealock_group_index_of(group, leaves + 2 * SCALAR, SCALAR, &index, &present, &error));
    CHECK(present && index == 2);
    integer(1, leaf);
    MUST(sealock_group_index_of(group, leaf, SCALAR, &index, &present, &error));
    CHECK(!present && index == 0);

    // What is refused leaves the group as it was.
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_group_insert(group, zero, SCALAR, &index, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_group_insert(group, order, SCALAR, &index, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_group_insert(group, leaves, SCALAR, &index, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_group_insert_many(group, leaves, SCALAR + 1, &error));
    FAILS(SEALOCK_ERROR_NOT_FOUND, sealock_group_proof(group, 5, &path, &error));
    FAILS(SEALOCK_ERROR_NOT_FOUND, sealock_group_remove(group, 5, &error));
    MUST(sealock_group_root(group, before, sizeof before, &present, &error));
    CHECK(SAME(root, before));

    // A removed leaf leaves its place, for others to keep theirs, and whoever restores the group has the same.
    MUST(sealock_group_remove(group, 1, &error));
    FAILS(SEALOCK_ERROR_NOT_FOUND, sealock_group_proof(group, 1, &path, &error));
    FAILS(SEALOCK_ERROR_NOT_FOUND, sealock_group_remove(group, 1, &error));
    MUST(sealock_group_root(group, root, sizeof root, &present, &error));
    CHECK(!SAME(root, before));
    MUST(sealock_group_leaves(group, &kept, &error));
    CHECK(sealock_buffer_length(kept) == sizeof leaves && SAME(sealock_buffer_data(kept) + SCALAR, zero));
    MUST(sealock_group_with_max_depth(3, &copy, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT,
          sealock_group_insert_many(copy, sealock_buffer_data(kept), sizeof leaves, &error));
    MUST(sealock_group_restore(copy, sealock_buffer_data(kept), sizeof leaves, &error));
    MUST(sealock_group_root(copy, before, sizeof before, &present, &error));
    CHECK(SAME(root, before));

    MUST(sealock_group_with_max_depth(1, &small, &error));
    FAILS(SEALOCK_ERROR_TOO_LARGE, sealock_group_insert_many(small, leaves, 3 * SCALAR, &error));
    MUST(sealock_group_insert_many(small, leaves, 2 * SCALAR, &error));
    sealock_group *none;
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_group_with_max_depth(0, &none, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_group_with_max_depth(SEALOCK_MAX_DEPTH + 1, &none, &error));
    sealock_buffer_free(kept);
    sealock_group_free(small);
    sealock_group_free(copy);
    sealock_group_free(group);
}

// -------------------------------------------------------------------------------------------------------------------- keys

static sealock_proving_key *proving_key;
static sealock_verifying_key *verifying_key;

// The owner makes the keys, the consumer checks what was published. Leaves the consumer's key and the owner's verifying key.
static void keys(void) {
    sealock_key_bundle *bundle, *fetched, *none;
    sealock_proving_key *owners, *checked, *refused;
    sealock_verifying_key *same, *again;
    sealock_buffer *published, *encoded, *text;
    uint8_t digest[SEALOCK_DIGEST_BYTES], noted[SEALOCK_DIGEST_BYTES];
    size_t got;
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_setup(0, &none, &refused, &same, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_setup(SEALOCK_MAX_DEPTH + 1, &none, &refused, &same, &error));
    CHECK(!none && !refused && !same);
    MUST(sealock_setup(depth, &bundle, &owners, &verifying_key, &error));
    MUST(sealock_key_bundle_to_bytes(bundle, &published, &error));
    const uint8_t *bytes = sealock_buffer_data(published);
    size_t length = sealock_buffer_length(published);

    MUST(sealock_key_bundle_from_bytes(bytes, length, &fetched, &error));
    MUST(sealock_key_bundle_depth(fetched, &got, &error));
    CHECK(got == depth);
    MUST(sealock_key_bundle_digest(fetched, digest, sizeof digest, &error));
    MUST(sealock_check_setup(fetched, &checked, &error));
    MUST(sealock_proving_key_depth(checked, &got, &error));
    CHECK(got == depth);
    MUST(sealock_proving_key_digest(checked, noted, sizeof noted, &error));
    CHECK(SAME(digest, noted));
    MUST(sealock_proving_key_digest(owners, noted, sizeof noted, &error));
    CHECK(SAME(digest, noted));
    MUST(sealock_proving_key_from_pinned_bytes(bytes, length, noted, sizeof noted, &proving_key, &error));

    // The verifying key of all of them is one.
    MUST(sealock_proving_key_verifying_key(proving_key, &same, &error));
    MUST(sealock_verifying_key_digest(same, noted, sizeof noted, &error));
    MUST(sealock_verifying_key_digest(verifying_key, digest, sizeof digest, &error));
    CHECK(SAME(digest, noted));
    MUST(sealock_verifying_key_to_bytes(verifying_key, &encoded, &error));
    MUST(sealock_verifying_key_from_bytes(sealock_buffer_data(encoded), sealock_buffer_length(encoded), &again, &error));
    MUST(sealock_verifying_key_digest(again, noted, sizeof noted, &error));
    MUST(sealock_verifying_key_depth(again, &got, &error));
    CHECK(SAME(digest, noted) && got == depth);
    sealock_verifying_key_free(again);
    FAILS(SEALOCK_ERROR_MALFORMED, sealock_verifying_key_from_bytes(sealock_buffer_data(encoded), 10, &again, &error));

    // Its exports.
    MUST(sealock_verifying_key_to_snarkjs(verifying_key, &text, &error));
    CHECK(strstr(sealock_buffer_text(text), "\"protocol\":\"groth16\"") != NULL);
    CHECK(strstr(sealock_buffer_text(text), "\"nPublic\":5") != NULL);
    sealock_buffer_free(text);
    MUST(sealock_verifying_key_to_solidity(verifying_key, "UseVerifier", &text, &error));
    CHECK(strstr(sealock_buffer_text(text), "contract UseVerifier {") != NULL);
    CHECK(strstr(sealock_buffer_text(text), "function verifyProof(") != NULL);
    sealock_buffer_free(text);
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_verifying_key_to_solidity(verifying_key, "Use {}", &text, &error));

    // Other bytes: cut off, longer, of another version, with a point that is on no curve.
    uint8_t *other = malloc(length + 1);
    if (!other) exit(1);
    memcpy(other, bytes, length);
    other[length] = 0;
    FAILS(SEALOCK_ERROR_MALFORMED, sealock_key_bundle_from_bytes(other, length - 1, &none, &error));
    FAILS(SEALOCK_ERROR_MALFORMED, sealock_key_bundle_from_bytes(other, length + 1, &none, &error));
    FAILS(SEALOCK_ERROR_MALFORMED, sealock_key_bundle_from_bytes(NULL, 0, &none, &error));
    other[0] ^= 1;
    FAILS(SEALOCK_ERROR_UNSUPPORTED_VERSION, sealock_key_bundle_from_bytes(other, length, &none, &error));
    other[0] ^= 1;
    for (size_t i = 0; i < 5; i++) {
        size_t at = 2 + i * (length - 3) / 4;
        other[at] ^= 1;
        FAILS(SEALOCK_ERROR_MALFORMED, sealock_key_bundle_from_bytes(other, length, &none, &error));
        FAILS(SEALOCK_ERROR_MALFORMED,
              sealock_proving_key_from_pinned_bytes(other, length, digest, sizeof digest, &refused, &error));
        CHECK(!none && !refused);
        other[at] ^= 1;
    }
    // The right bytes under another digest.
    digest[0] ^= 1;
    FAILS(SEALOCK_ERROR_MALFORMED,
          sealock_proving_key_from_pinned_bytes(bytes, length, digest, sizeof digest, &refused, &error));

    // Two points of gamma_abc_g1 swapped, behind one point of G1 and three of G2: each is on its curve.
    uint8_t *first = other + 2 + 64 + 3 * 128, *second = first + 64, point[64];
    memcpy(point, first, sizeof point);
    memcpy(first, second, sizeof point);
    memcpy(second, point, sizeof point);
    MUST(sealock_key_bundle_from_bytes(other, length, &none, &error));
    sealock_error *error = NULL;
    CHECK(sealock_check_setup(none, &refused, &error) == SEALOCK_ERROR_UNSAFE_KEY && !refused);
    CHECK(strstr(sealock_error_message(error), "gamma_abc_g1") != NULL && sealock_error_hint(error) != NULL);
    sealock_error_free(error);
    free(other);

    sealock_key_bundle_free(none);
    sealock_buffer_free(encoded);
    sealock_buffer_free(published);
    sealock_verifying_key_free(same);
    sealock_proving_key_free(checked);
    sealock_proving_key_free(owners);
    sealock_key_bundle_free(fetched);
    sealock_key_bundle_free(bundle);
}

// ------------------------------------------------------------------------------------------------------------------ proofs

static void rejected(const sealock_access_statement *statement, const sealock_access_proof *proof) {
    FAILS(SEALOCK_ERROR_INVALID_PROOF, sealock_access_verify(verifying_key, statement, proof, &error));
}

static void exports(const sealock_access_statement *statement, const sealock_access_proof *proof) {
    uint8_t said[SEALOCK_ACCESS_STATEMENT_BYTES], bytes[SEALOCK_ACCESS_PROOF_BYTES];
    sealock_access_statement read = {.struct_size = sizeof read};
    sealock_access_proof *again;
    sealock_buffer *out;
    MUST(sealock_access_statement_to_bytes(statement, said, sizeof said, &error));
    CHECK(said[0] == 1 && SAME(said + 1, statement->root) && SAME(said + 1 + SCALAR, statement->nullifier));
    MUST(sealock_access_statement_from_bytes(said, sizeof said, &read, &error));
    CHECK(memcmp(&read, statement, sizeof read) == 0);
    MUST(sealock_access_proof_to_bytes(proof, bytes, sizeof bytes, &error));
    MUST(sealock_access_proof_from_bytes(bytes, sizeof bytes, &again, &error));
    MUST(sealock_access_verify(verifying_key, &read, again, &error));
    sealock_access_proof_free(again);

    // Others are refused, and a number above p is not read as another name of a smaller one.
    FAILS(SEALOCK_ERROR_MALFORMED, sealock_access_statement_from_bytes(said, sizeof said - 1, &read, &error));
    memcpy(said + 1 + SCALAR, order, SCALAR);
    FAILS(SEALOCK_ERROR_MALFORMED, sealock_access_statement_from_bytes(said, sizeof said, &read, &error));
    said[0] = 9;
    FAILS(SEALOCK_ERROR_UNSUPPORTED_VERSION, sealock_access_statement_from_bytes(said, sizeof said, &read, &error));
    CHECK(read.struct_size == sizeof read && SAME(read.root, zero));
    FAILS(SEALOCK_ERROR_MALFORMED, sealock_access_proof_from_bytes(bytes, sizeof bytes - 1, &again, &error));
    memset(bytes + 1, 0xff, 32);
    FAILS(SEALOCK_ERROR_MALFORMED, sealock_access_proof_from_bytes(bytes, sizeof bytes, &again, &error));

    MUST(sealock_access_statement_to_snarkjs(statement, &out, &error));
    CHECK(has_decimal(out, statement->root) && has_decimal(out, statement->nullifier));
    CHECK(has_decimal(out, statement->message) && has_decimal(out, statement->scope));
    CHECK(strstr(sealock_buffer_text(out), "\"1900000000\"") != NULL);
    sealock_buffer_free(out);
    MUST(sealock_access_proof_to_snarkjs(proof, &out, &error));
    CHECK(strstr(sealock_buffer_text(out), "\"pi_b\"") && strstr(sealock_buffer_text(out), "\"groth16\""));
    sealock_buffer_free(out);

    // The selector, eight coordinates, and the five numbers of the statement.
    MUST(sealock_access_proof_to_evm_calldata(proof, statement, &out, &error));
    const uint8_t *call = sealock_buffer_data(out);
    CHECK(sealock_buffer_length(out) == 4 + 13 * SCALAR && hex_is(call, 4, "34baeab9"));
    CHECK(SAME(call + 4 + 8 * SCALAR, statement->root) && SAME(call + 4 + 9 * SCALAR, statement->nullifier));
    sealock_buffer_free(out);
}

static void proofs(void) {
    sealock_identity *identity, *stranger;
    sealock_group *group;
    sealock_merkle_proof *path, *deep;
    sealock_access_proof *proof, *none;
    size_t place, others = depth == 1 ? 1 : 4;
    int32_t present;
    uint8_t commitment[SCALAR], leaf[SCALAR], siblings[5 * SCALAR], expected[SCALAR];
    const uint64_t now = 1900000000;
    sealock_credential credential = {.struct_size = sizeof credential, .limit = 2, .expiry = now};
    hash("asset", credential.asset);
    MUST(sealock_identity_generate(&identity, &error));
    MUST(sealock_identity_generate(&stranger, &error));
    MUST(sealock_identity_commitment(identity, commitment, sizeof commitment, &error));
    MUST(sealock_credential_leaf(&credential, commitment, sizeof commitment, leaf, sizeof leaf, &error));
    MUST(sealock_group_with_max_depth(depth, &group, &error));
    for (uint64_t i = 0; i < others; i++) {
        uint8_t other[SCALAR];
        integer(10 + i, other);
        MUST(sealock_group_insert(group, other, sizeof other, &place, &error));
    }
    MUST(sealock_group_insert(group, leaf, sizeof leaf, &place, &error));
    CHECK(place == others);
    MUST(sealock_group_proof(group, place, &path, &error));

    sealock_claim claim = {.struct_size = sizeof claim, .now = now};
    MUST(sealock_group_root(group, claim.root, sizeof claim.root, &present, &error));
    hash("the job", claim.message);
    hash("the asset's node", claim.scope);
    sealock_access_statement said = {.struct_size = sizeof said}, other;
    MUST(sealock_access_prove(proving_key, &claim, identity, &credential, 1, path, &said, &proof, &error));
    CHECK(SAME(said.root, claim.root) && SAME(said.message, claim.message) && SAME(said.scope, claim.scope));
    MUST(sealock_identity_nullifier(identity, claim.scope, SCALAR, 1, expected, sizeof expected, &error));
    CHECK(SAME(said.nullifier, expected) && said.now == now);
    MUST(sealock_access_verify(verifying_key, &said, proof, &error));
    exports(&said, proof);

    // No other statement is proved by it.
    uint8_t *fields[] = {other.root, other.nullifier, other.message, other.scope};
    for (size_t i = 0; i < COUNT(fields); i++) {
        other = said;
        integer(1, fields[i]);
        rejected(&other, proof);
        memcpy(fields[i], order, SCALAR);
        FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_access_verify(verifying_key, &other, proof, &error));
    }
    other = said;
    memcpy(other.root, zero, SCALAR);
    rejected(&other, proof);
    other = said;
    other.now++;
    rejected(&other, proof);

    // Nothing is proved that does not hold.
    sealock_access_statement left = {.struct_size = sizeof left};
#define PROVE(claim, identity, use_index, path) \
    sealock_access_prove(proving_key, claim, identity, &credential, use_index, path, &left, &none, &error)
    FAILS(SEALOCK_ERROR_USE_LIMIT_REACHED, PROVE(&claim, identity, 2, path));
    FAILS(SEALOCK_ERROR_NOT_A_MEMBER, PROVE(&claim, stranger, 0, path));
    sealock_claim wrong = claim;
    wrong.now++;
    FAILS(SEALOCK_ERROR_ORDER_EXPIRED, PROVE(&wrong, identity, 0, path));
    wrong = claim;
    integer(1, wrong.root);
    FAILS(SEALOCK_ERROR_NOT_A_MEMBER, PROVE(&wrong, identity, 0, path));
    memcpy(wrong.root, order, SCALAR);
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, PROVE(&wrong, identity, 0, path));
    credential.limit++;
    FAILS(SEALOCK_ERROR_NOT_A_MEMBER, PROVE(&claim, identity, 0, path));
    credential.limit--;
    for (size_t i = 0; i <= depth; i++) integer(1, siblings + i * SCALAR);
    MUST(sealock_merkle_proof_new(leaf, sizeof leaf, 0, siblings, (depth + 1) * SCALAR, &deep, &error));
    FAILS(SEALOCK_ERROR_INVALID_PROOF, PROVE(&claim, identity, 0, deep));
    CHECK(!none && left.struct_size == sizeof left && SAME(left.nullifier, zero));

    sealock_merkle_proof_free(deep);
    sealock_merkle_proof_free(path);
    sealock_access_proof_free(proof);
    sealock_group_free(group);
    sealock_identity_free(stranger);
    sealock_identity_free(identity);
    sealock_proving_key_free(proving_key);
    sealock_verifying_key_free(verifying_key);
}

// --------------------------------------------------------------------------------------------------------------- Semaphore

static sealock_semaphore_identity *known(void) {
    sealock_semaphore_identity *identity;
    MUST(sealock_semaphore_identity_from_private_key((const uint8_t *)"secret1", 7, &identity, &error));
    return identity;
}

// What `new Identity("secret1")` is.
static void semaphore_identities(void) {
    uint8_t commitment[SCALAR], key[SEALOCK_SEMAPHORE_PUBLIC_KEY_BYTES], again[SCALAR];
    sealock_semaphore_identity *identity = known(), *other;
    sealock_buffer *text;
    MUST(sealock_semaphore_identity_commitment(identity, commitment, sizeof commitment, &error));
    CHECK(decimal_is(commitment, "16299344919386221215891795842760535109963979041869959495006792688400189595595"));
    MUST(sealock_semaphore_identity_public_key(identity, key, sizeof key, &error));
    CHECK(decimal_is(key, "1605110777369358003592451216951047395243900693607537288243428907199269064475"));
    CHECK(decimal_is(key + SCALAR, "2178985202549593304286459641813460741159924908759281009612083053658647037911"));
    MUST(sealock_semaphore_identity_export(identity, &text, &error));
    CHECK(strcmp(sealock_buffer_text(text), "c2VjcmV0MQ==") == 0);
    MUST(sealock_semaphore_identity_import(sealock_buffer_text(text), &other, &error));
    sealock_buffer_free(text);
    MUST(sealock_semaphore_identity_commitment(other, again, sizeof again, &error));
    CHECK(SAME(commitment, again));
    MUST(sealock_semaphore_identity_expose_private_key(other, &text, &error));
    CHECK(sealock_buffer_length(text) == 7 && memcmp(sealock_buffer_data(text), "secret1", 7) == 0);
    sealock_buffer_free(text);
    sealock_semaphore_identity_free(other);
    FAILS(SEALOCK_ERROR_MALFORMED, sealock_semaphore_identity_import("not Base64!", &other, &error));
    MUST(sealock_semaphore_identity_generate(&other, &error));
    MUST(sealock_semaphore_identity_commitment(other, again, sizeof again, &error));
    CHECK(!SAME(commitment, again));
    sealock_semaphore_identity_free(other);
    sealock_semaphore_identity_free(identity);
}

static void signals(void) {
    uint8_t signal[SEALOCK_SIGNAL_BYTES], other[SEALOCK_SIGNAL_BYTES];
    static const char largest[] = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
    MUST(sealock_signal_from_text("hi", signal, sizeof signal, &error));
    CHECK(memcmp(signal, "hi\0", 3) == 0 && signal[31] == 0);
    MUST(sealock_signal_from_text("0123456789012345678901234567890", signal, sizeof signal, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT,
          sealock_signal_from_text("01234567890123456789012345678901", signal, sizeof signal, &error));
    // "42" as a text and as a number are two.
    MUST(sealock_signal_from_text("42", signal, sizeof signal, &error));
    MUST(sealock_signal_from_integer(42, other, sizeof other, &error));
    CHECK(!SAME(signal, other));
    MUST(sealock_signal_from_decimal("42", signal, sizeof signal, &error));
    CHECK(SAME(signal, other));
    MUST(sealock_signal_from_decimal(largest, signal, sizeof signal, &error));
    CHECK(signal[0] == 0xff && decimal_is(signal, largest));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_signal_from_decimal("042", signal, sizeof signal, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_signal_from_decimal("-1", signal, sizeof signal, &error));
    // Keccak-256 of 32 zeros is 290decd9..., of which 31 bytes count.
    MUST(sealock_signal_hash(zero, sizeof zero, other, sizeof other, &error));
    CHECK(other[0] == 0 && hex_is(other + 1, 4, "290decd9"));
}

static sealock_group *semaphore_group(const sealock_semaphore_identity *identity, sealock_merkle_proof **path) {
    uint8_t other[SCALAR], commitment[SCALAR];
    sealock_group *group;
    size_t place, others = depth == 1 ? 1 : 5;
    MUST(sealock_group_new(&group, &error));
    for (uint64_t i = 0; i < others; i++) {
        integer(1000 + i, other);
        MUST(sealock_group_insert(group, other, sizeof other, &place, &error));
    }
    MUST(sealock_semaphore_identity_commitment(identity, commitment, sizeof commitment, &error));
    MUST(sealock_group_insert(group, commitment, sizeof commitment, &place, &error));
    MUST(sealock_group_proof(group, place, path, &error));
    return group;
}

// A key file of the ceremony, and the digest that it is pinned by.
static sealock_semaphore_proving_key *semaphore_key(void) {
    static const char *pins[] = {"471a978875f91411b21ba5a2fbea41df30ec45eb23e3ac045edf7f30a2846a08",
                                 "90c94bad7ad97eeb9314750e443d84da783e38a21f55538d72b10d258064f6e6"};
    uint8_t digest[SEALOCK_DIGEST_BYTES];
    size_t length, got;
    sealock_semaphore_proving_key *key, *pinned;
    uint8_t *zkey = artifact(depth, "zkey", &length);
    MUST(sealock_semaphore_proving_key_from_zkey(zkey, length, &key, &error));
    MUST(sealock_digest_from_text(pins[depth == 4], digest, sizeof digest, &error));
    MUST(sealock_semaphore_proving_key_from_pinned_zkey(zkey, length, digest, sizeof digest, &pinned, &error));
    MUST(sealock_semaphore_proving_key_depth(pinned, &got, &error));
    CHECK(got == depth);
    sealock_semaphore_proving_key_free(key);
    digest[31] ^= 1;
    FAILS(SEALOCK_ERROR_MALFORMED,
          sealock_semaphore_proving_key_from_pinned_zkey(zkey, length, digest, sizeof digest, &key, &error));
    FAILS(SEALOCK_ERROR_MALFORMED, sealock_semaphore_proving_key_from_zkey(zkey, length - 1, &key, &error));
    zkey[4] = 2;
    FAILS(SEALOCK_ERROR_UNSUPPORTED_VERSION, sealock_semaphore_proving_key_from_zkey(zkey, length, &key, &error));
    CHECK(!key);
    free(zkey);
    return pinned;
}

static void semaphore_statement(const sealock_semaphore_proof *proof, sealock_semaphore_statement *said) {
    *said = (sealock_semaphore_statement){.struct_size = sizeof *said};
    MUST(sealock_semaphore_proof_statement(proof, said, &error));
}

// Another implementation's proof verifies here, and ours is left for it.
static void exchanged(const char *folder, const sealock_semaphore_verifying_key *key, const sealock_semaphore_proof *ours) {
    size_t length;
    char path[512];
    sealock_semaphore_proof *theirs;
    sealock_semaphore_statement said, own;
    sealock_buffer *json;
    uint8_t *text = slurp(folder, "theirs.json", &length);
    MUST(sealock_semaphore_proof_from_json((const char *)text, &theirs, &error));
    free(text);
    MUST(sealock_semaphore_verify(key, theirs, &error));
    // The same identity, group, message and scope.
    semaphore_statement(theirs, &said);
    semaphore_statement(ours, &own);
    CHECK(memcmp(&said, &own, sizeof said) == 0);
    sealock_semaphore_proof_free(theirs);

    MUST(sealock_semaphore_proof_to_json(ours, &json, &error));
    snprintf(path, sizeof path, "%s/ours.json", folder);
    FILE *file = fopen(path, "w");
    CHECK(file && fputs(sealock_buffer_text(json), file) >= 0 && fclose(file) == 0);
    sealock_buffer_free(json);
}

static void semaphore(const char *folder) {
    sealock_semaphore_identity *identity = known(), *stranger;
    sealock_semaphore_proving_key *key = semaphore_key();
    sealock_semaphore_verifying_key *own, *published, *other;
    sealock_semaphore_proof *proof, *none;
    sealock_semaphore_statement said, again;
    sealock_merkle_proof *path, *deep;
    sealock_group *group = semaphore_group(identity, &path);
    sealock_buffer *json, *points, *inputs, *text;
    uint8_t message[SEALOCK_SIGNAL_BYTES], scope[SEALOCK_SIGNAL_BYTES], root[SCALAR];
    size_t length, got;
    int32_t present;
    MUST(sealock_signal_from_text("hello", message, sizeof message, &error));
    MUST(sealock_signal_from_text("a scope", scope, sizeof scope, &error));
#define SAY(identity, path, out) \
    sealock_semaphore_prove(key, identity, path, message, sizeof message, scope, sizeof scope, out, &error)
    MUST(SAY(identity, path, &proof));
    semaphore_statement(proof, &said);
    MUST(sealock_group_root(group, root, sizeof root, &present, &error));
    CHECK(said.depth == depth && SAME(said.root, root) && SAME(said.message, message) && SAME(said.scope, scope));

    // The key of the file, and the ceremony's as JSON.
    MUST(sealock_semaphore_proving_key_verifying_key(key, &own, &error));
    uint8_t *published_json = artifact(depth, "json", &length);
    MUST(sealock_semaphore_verifying_key_from_snarkjs(depth, (const char *)published_json, &published, &error));
    MUST(sealock_semaphore_verifying_key_depth(published, &got, &error));
    CHECK(got == depth);
    MUST(sealock_semaphore_verify(own, proof, &error));
    MUST(sealock_semaphore_verify(published, proof, &error));
    MUST(sealock_semaphore_verifying_key_to_snarkjs(own, &text, &error));
    MUST(sealock_semaphore_verifying_key_from_snarkjs(depth, sealock_buffer_text(text), &other, &error));
    MUST(sealock_semaphore_verify(other, proof, &error));
    sealock_semaphore_verifying_key_free(other);
    sealock_buffer_free(text);
    // Under the key of another depth, and a depth that is not the key's, it is nothing.
    MUST(sealock_semaphore_verifying_key_from_snarkjs(depth + 1, (const char *)published_json, &other, &error));
    FAILS(SEALOCK_ERROR_INVALID_PROOF, sealock_semaphore_verify(other, proof, &error));
    sealock_semaphore_verifying_key_free(other);
    FAILS(SEALOCK_ERROR_MALFORMED,
          sealock_semaphore_verifying_key_from_snarkjs(SEALOCK_SEMAPHORE_MAX_DEPTH + 1, (const char *)published_json,
                                                       &other, &error));
    FAILS(SEALOCK_ERROR_MALFORMED, sealock_semaphore_verifying_key_from_snarkjs(depth, "{}", &other, &error));
    free(published_json);

    // There and back as JSON; with another message it is rejected.
    MUST(sealock_semaphore_proof_to_json(proof, &json, &error));
    CHECK(has_decimal(json, said.nullifier) && has_decimal(json, said.root) && has_decimal(json, said.scope));
    MUST(sealock_semaphore_proof_from_json(sealock_buffer_text(json), &none, &error));
    semaphore_statement(none, &again);
    CHECK(memcmp(&said, &again, sizeof said) == 0);
    MUST(sealock_semaphore_verify(published, none, &error));
    sealock_semaphore_proof_free(none);
    char *changed = malloc(sealock_buffer_length(json) + 1);
    if (!changed) exit(1);
    memcpy(changed, sealock_buffer_text(json), sealock_buffer_length(json) + 1);
    char *digit = strstr(changed, "\"message\":\"") + strlen("\"message\":\"");
    *digit = *digit == '9' ? '8' : (char)(*digit + 1);
    MUST(sealock_semaphore_proof_from_json(changed, &none, &error));
    FAILS(SEALOCK_ERROR_INVALID_PROOF, sealock_semaphore_verify(published, none, &error));
    sealock_semaphore_proof_free(none);
    *digit = 'x';
    FAILS(SEALOCK_ERROR_MALFORMED, sealock_semaphore_proof_from_json(changed, &none, &error));
    free(changed);
    sealock_buffer_free(json);

    // snarkjs and the contract.
    MUST(sealock_semaphore_proof_to_snarkjs(proof, &points, &inputs, &error));
    CHECK(strstr(sealock_buffer_text(points), "\"pi_a\"") != NULL);
    MUST(sealock_signal_hash(message, sizeof message, root, sizeof root, &error));
    CHECK(has_decimal(inputs, said.root) && has_decimal(inputs, said.nullifier) && has_decimal(inputs, root));
    sealock_buffer_free(points);
    sealock_buffer_free(inputs);
    MUST(sealock_semaphore_proof_to_evm_calldata(proof, &text, &error));
    const uint8_t *call = sealock_buffer_data(text);
    CHECK(sealock_buffer_length(text) == 4 + 13 * SCALAR);
    CHECK(SAME(call + 4 + 8 * SCALAR, said.root) && SAME(call + 4 + 9 * SCALAR, said.nullifier));
    sealock_buffer_free(text);

    // Who is no member, and a path that is too long.
    uint8_t leaf[SCALAR], siblings[5 * SCALAR];
    MUST(sealock_semaphore_identity_generate(&stranger, &error));
    FAILS(SEALOCK_ERROR_NOT_A_MEMBER, SAY(stranger, path, &none));
    MUST(sealock_merkle_proof_leaf(path, leaf, sizeof leaf, &error));
    for (size_t i = 0; i <= depth; i++) integer(1, siblings + i * SCALAR);
    MUST(sealock_merkle_proof_new(leaf, sizeof leaf, 0, siblings, (depth + 1) * SCALAR, &deep, &error));
    FAILS(SEALOCK_ERROR_INVALID_PROOF, SAY(identity, deep, &none));
    CHECK(!none);
    if (folder) exchanged(folder, published, proof);

    sealock_merkle_proof_free(deep);
    sealock_merkle_proof_free(path);
    sealock_group_free(group);
    sealock_semaphore_proof_free(proof);
    sealock_semaphore_verifying_key_free(published);
    sealock_semaphore_verifying_key_free(own);
    sealock_semaphore_proving_key_free(key);
    sealock_semaphore_identity_free(stranger);
    sealock_semaphore_identity_free(identity);
}

int main(int count, char **arguments) {
    depth = count > 1 && strcmp(arguments[1], "4") == 0 ? 4 : 1;
    if (count < 3) return fprintf(stderr, "proofs <depth> <folder of the ceremony's keys> [<folder>]\n"), 2;
    ceremony = arguments[2];
    scalars();
    identities();
    groups();
    keys();
    proofs();
    signals();
    semaphore_identities();
    semaphore(count > 3 ? arguments[3] : NULL);
    return failures("proofs");
}
