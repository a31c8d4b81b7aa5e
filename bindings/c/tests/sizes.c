// Sizes, versions and names: the header's and the library's are the same.

#include "check.h"

int main(void) {
    CHECK(sealock_abi_version() == SEALOCK_ABI_VERSION);
    CHECK(strcmp(sealock_version(), EXPECTED_VERSION) == 0);
    CHECK(strcmp(sealock_version(), SEALOCK_VERSION) == 0);
    char numbers[32];
    snprintf(numbers, sizeof numbers, "%d.%d.%d", SEALOCK_VERSION_MAJOR, SEALOCK_VERSION_MINOR, SEALOCK_VERSION_PATCH);
    CHECK(strncmp(SEALOCK_VERSION, numbers, strlen(numbers)) == 0);
    CHECK(sealock_address_bytes() == SEALOCK_ADDRESS_BYTES);
    CHECK(sealock_address_text_bytes() == SEALOCK_ADDRESS_TEXT_BYTES);
    CHECK(sealock_digest_bytes() == SEALOCK_DIGEST_BYTES);
    CHECK(sealock_digest_text_bytes() == SEALOCK_DIGEST_TEXT_BYTES);
    CHECK(sealock_secret_bytes() == SEALOCK_SECRET_BYTES);
    CHECK(sealock_recipient_bytes() == SEALOCK_RECIPIENT_BYTES);
    CHECK(sealock_nullifier_bytes() == SEALOCK_NULLIFIER_BYTES);
    CHECK(sizeof((sealock_statement *)0)->nullifier == SEALOCK_NULLIFIER_BYTES);
    CHECK(sealock_scalar_bytes() == SEALOCK_SCALAR_BYTES);
    CHECK(sealock_access_statement_bytes() == SEALOCK_ACCESS_STATEMENT_BYTES);
    CHECK(sealock_access_proof_bytes() == SEALOCK_ACCESS_PROOF_BYTES);
    CHECK(sealock_signal_bytes() == SEALOCK_SIGNAL_BYTES);
    CHECK(sealock_semaphore_public_key_bytes() == SEALOCK_SEMAPHORE_PUBLIC_KEY_BYTES);
    CHECK(sizeof((sealock_claim *)0)->root == SEALOCK_SCALAR_BYTES);

    // Texts have the size that their constants say, and are written to the last byte.
    uint8_t address[SEALOCK_ADDRESS_BYTES], wrong[SEALOCK_ADDRESS_BYTES], digest[SEALOCK_DIGEST_BYTES];
    char text[SEALOCK_DIGEST_TEXT_BYTES];
    const char *known = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
    CHECK(strlen(known) + 1 == SEALOCK_ADDRESS_TEXT_BYTES);
    MUST(sealock_address_from_text(known, address, sizeof address, &error));
    memset(text, 'x', sizeof text);
    MUST(sealock_address_to_text(address, sizeof address, text, SEALOCK_ADDRESS_TEXT_BYTES, &error));
    CHECK(strcmp(text, known) == 0 && text[SEALOCK_ADDRESS_TEXT_BYTES] == 'x');
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT,
          sealock_address_to_text(address, sizeof address, text, SEALOCK_ADDRESS_TEXT_BYTES - 1, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT,
          sealock_address_from_text("0xF39Fd6e51aad88F6F4ce6aB8827279cffFb92266", wrong, sizeof wrong, &error));
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    CHECK(strlen(known) + 1 == SEALOCK_DIGEST_TEXT_BYTES);
    MUST(sealock_digest_from_text(known, digest, sizeof digest, &error));
    MUST(sealock_digest_to_text(digest, sizeof digest, text, sizeof text, &error));
    CHECK(strcmp(text, known) == 0 && digest[31] == 0xad);

    // The well-known account of a well-known secret, and back.
    static const uint8_t secret[SEALOCK_SECRET_BYTES] = {
        0xac, 0x09, 0x74, 0xbe, 0xc3, 0x9a, 0x17, 0xe3, 0x6b, 0xa4, 0xa6, 0xb4, 0xd2, 0x38, 0xff, 0x94,
        0x4b, 0xac, 0xb4, 0x78, 0xcb, 0xed, 0x5e, 0xfc, 0xae, 0x78, 0x4d, 0x7b, 0xf4, 0xf2, 0xff, 0x80};
    uint8_t again[SEALOCK_SECRET_BYTES], same[SEALOCK_ADDRESS_BYTES], zero[SEALOCK_SECRET_BYTES] = {0};
    sealock_account *account, *none;
    MUST(sealock_account_from_secret(secret, sizeof secret, &account, &error));
    MUST(sealock_account_address(account, same, sizeof same, &error));
    CHECK(memcmp(same, address, sizeof same) == 0);
    MUST(sealock_account_expose_secret(account, again, sizeof again, &error));
    CHECK(memcmp(again, secret, sizeof again) == 0);
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_account_from_secret(zero, sizeof zero, &none, &error));
    CHECK(none == NULL);

    sealock_wipe(again, sizeof again);
    CHECK(memcmp(again, zero, sizeof again) == 0);
    sealock_wipe(NULL, 7);

    // A handle is no address, and freeing it twice is an error and nothing more.
    CHECK((uintptr_t)account >> 63 == 1);
    CHECK(sealock_account_free(account) == SEALOCK_OK);
    CHECK(sealock_account_free(account) == SEALOCK_ERROR_INVALID_ARGUMENT);
    CHECK(sealock_account_free(NULL) == SEALOCK_OK);

    CHECK(strcmp(sealock_status_name(SEALOCK_OK), "Ok") == 0);
    CHECK(strcmp(sealock_status_name(SEALOCK_ERROR_POLICY_DENIED), "PolicyDenied") == 0);
    CHECK(sealock_status_name(-1) == NULL && sealock_status_name(99) == NULL);
    return failures("sizes");
}
