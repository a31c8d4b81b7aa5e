// Sealock: a privacy-preserving data exchange. The C interface.
//
// Made from bindings/c/src by bindings/c/tests/header.rs. Do not edit.
//
// An owner publishes an encrypted table and sells datatokens for it. A consumer orders, proves in zero knowledge that some
// order is theirs, and gets the answer to a question whose literals the owner never sees. bindings/c/README.md begins with
// a small program; examples/story.c is the long form.
//
// HANDLES. Every `sealock_<type> *` is a handle: a ticket that the library looks up, never an address. A handle that is NULL,
// was freed, is of another type or was never made gives SEALOCK_ERROR_INVALID_ARGUMENT, and nothing happens. Each type says
// what makes it and what frees it. Freeing NULL is fine; freeing twice returns an error. Freeing a handle while another
// thread uses it is fine: the object goes when that call is done. Handles hold what they are made of, so that they can be
// freed in any order.
//
// CALLS. Functions return SEALOCK_OK (0) or an error's number, and take `sealock_error **error` last: see Errors. Every
// output is set to NULL or 0 first, so that it is so when the call fails: it must not overlap an input. An output that is NULL
// is an error, as is any pointer whose text does not say that it may be NULL. The exceptions return their value:
// `sealock_error_...`, `sealock_buffer_...`, sizes, versions.
//
// MEMORY. What goes in is copied: the caller's texts, bytes and structures are not used after a call. What comes out as a
// handle is the caller's to free. Texts are UTF-8 and end with NUL; other bytes are an error. Bytes come with their length;
// NULL with length 0 is an empty input. No pointer of the caller's memory can be checked beyond NULL and alignment: it has to
// be as large as its length says.
//
// THREADS. Every function may be called from any thread at any time, with the same handles. Functions that change an object
// (they take it without `const`) are applied one after the other.
//
// STRUCTURES that the caller fills begin with `size_t struct_size`: set it to the structure's sizeof. Any other size is an
// error.
//
// LIMITS of what an object is set to are checked where it is used: `sealock_offer_...` and `sealock_terms_...` by
// `sealock_owner_publish`, queries by `sealock_asset_estimate` and `sealock_order_request`.
//
// FORK. The library has threads and open files, which a child does not share. In the child of a process that had called the
// library, every function that takes an `error` returns SEALOCK_ERROR_LOCKED: it leaves its outputs as they are, and takes
// nothing over. Errors can be read and freed there. Freeing what the parent made does nothing, and `sealock_buffer_...`
// read what it had. Fork before the first call, or exec.
//
// END. A program may exit at any time, from any thread: what was put out is stored, and work under way is lost. Handles need
// not be freed before. The library has threads: `dlclose` is not supported, open it with RTLD_NODELETE.
//
// PANICS. The library sets a panic hook in its own copy of Rust's library: it prints nothing, and logs. A bug inside the library is caught at its
// boundary, and gives SEALOCK_ERROR_INTERNAL. Callbacks must not throw or jump out.

#ifndef SEALOCK_H
#define SEALOCK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// The Arrow C data interface (https://arrow.apache.org/docs/format/CDataInterface.html), as every header of it defines it.

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

struct ArrowSchema {
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

#endif

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};

#endif

// Every type of handle. What each is, its section says.
typedef struct sealock_error sealock_error;
typedef struct sealock_buffer sealock_buffer;
typedef struct sealock_texts sealock_texts;
typedef struct sealock_cancel sealock_cancel;
typedef struct sealock_account sealock_account;
typedef struct sealock_key_store sealock_key_store;
typedef struct sealock_exchange sealock_exchange;
typedef struct sealock_assets sealock_assets;
typedef struct sealock_ipfs_config sealock_ipfs_config;
typedef struct sealock_ipfs sealock_ipfs;
typedef struct sealock_kubo sealock_kubo;
typedef struct sealock_ledger sealock_ledger;
typedef struct sealock_column sealock_column;
typedef struct sealock_schema sealock_schema;
typedef struct sealock_table sealock_table;
typedef struct sealock_policy sealock_policy;
typedef struct sealock_terms sealock_terms;
typedef struct sealock_offer sealock_offer;
typedef struct sealock_owner sealock_owner;
typedef struct sealock_published sealock_published;
typedef struct sealock_asset sealock_asset;
typedef struct sealock_number_errors sealock_number_errors;
typedef struct sealock_consumer sealock_consumer;
typedef struct sealock_orders sealock_orders;
typedef struct sealock_tickets sealock_tickets;
typedef struct sealock_order sealock_order;
typedef struct sealock_ticket sealock_ticket;
typedef struct sealock_request sealock_request;
typedef struct sealock_result sealock_result;
typedef struct sealock_receipt sealock_receipt;
typedef struct sealock_receipts sealock_receipts;
typedef struct sealock_node sealock_node;
typedef struct sealock_grant sealock_grant;
typedef struct sealock_computed sealock_computed;
typedef struct sealock_refusals sealock_refusals;
typedef struct sealock_remote_node sealock_remote_node;
typedef struct sealock_recipient_key sealock_recipient_key;
typedef struct sealock_download_order sealock_download_order;
typedef struct sealock_download_orders sealock_download_orders;
typedef struct sealock_download_ticket sealock_download_ticket;
typedef struct sealock_download_tickets sealock_download_tickets;
typedef struct sealock_download sealock_download;
typedef struct sealock_order_records sealock_order_records;
typedef struct sealock_destruction_receipt sealock_destruction_receipt;
typedef struct sealock_literals sealock_literals;
typedef struct sealock_filter sealock_filter;
typedef struct sealock_query sealock_query;
typedef struct sealock_program sealock_program;
typedef struct sealock_answer sealock_answer;
typedef struct sealock_model sealock_model;
typedef struct sealock_inference_ticket sealock_inference_ticket;
typedef struct sealock_inference_tickets sealock_inference_tickets;
typedef struct sealock_prediction sealock_prediction;
typedef struct sealock_federated_ticket sealock_federated_ticket;
typedef struct sealock_federated_tickets sealock_federated_tickets;
typedef struct sealock_task sealock_task;
typedef struct sealock_part sealock_part;
typedef struct sealock_parts sealock_parts;
typedef struct sealock_executor_result sealock_executor_result;
typedef struct sealock_executor sealock_executor;
typedef struct sealock_releaser sealock_releaser;
typedef struct sealock_product_key sealock_product_key;
typedef struct sealock_product sealock_product;
typedef struct sealock_identity sealock_identity;
typedef struct sealock_group sealock_group;
typedef struct sealock_merkle_proof sealock_merkle_proof;
typedef struct sealock_key_bundle sealock_key_bundle;
typedef struct sealock_proving_key sealock_proving_key;
typedef struct sealock_verifying_key sealock_verifying_key;
typedef struct sealock_access_proof sealock_access_proof;
typedef struct sealock_semaphore_identity sealock_semaphore_identity;
typedef struct sealock_semaphore_proving_key sealock_semaphore_proving_key;
typedef struct sealock_semaphore_verifying_key sealock_semaphore_verifying_key;
typedef struct sealock_semaphore_proof sealock_semaphore_proof;

// So much is to do, where nobody knows how much.
#define SEALOCK_UNKNOWN UINT64_MAX

// ======
// Errors
//
// Every function returns a status: SEALOCK_OK, or the number of what went wrong, one of the SEALOCK_ERROR_ constants.
// Most take `sealock_error **error` last. It may be NULL. If it is not, `*error` is set to NULL on success and to a new
// error on failure, which the caller frees. What was in it before is overwritten, not freed.

// The kinds of errors. Numbers are never given to another kind.
#define SEALOCK_ERROR_INTERNAL 1
#define SEALOCK_ERROR_INVALID_ARGUMENT 100
#define SEALOCK_ERROR_TOO_LARGE 101
#define SEALOCK_ERROR_MALFORMED 102
#define SEALOCK_ERROR_UNSUPPORTED_VERSION 103
#define SEALOCK_ERROR_IO 104
#define SEALOCK_ERROR_CANCELLED 105
#define SEALOCK_ERROR_CORRUPT_STATE 106
#define SEALOCK_ERROR_BAD_SIGNATURE 107
#define SEALOCK_ERROR_SCHEMA_MISMATCH 200
#define SEALOCK_ERROR_OUT_OF_DOMAIN 201
#define SEALOCK_ERROR_UNKNOWN_COLUMN 202
#define SEALOCK_ERROR_UNSUPPORTED_TYPE 203
#define SEALOCK_ERROR_WRONG_KEY 300
#define SEALOCK_ERROR_TAMPERED 301
#define SEALOCK_ERROR_TRUNCATED 302
#define SEALOCK_ERROR_INVALID_MANIFEST 303
#define SEALOCK_ERROR_KEY_DESTROYED 304
#define SEALOCK_ERROR_NOT_FOUND 400
#define SEALOCK_ERROR_CID_MISMATCH 401
#define SEALOCK_ERROR_LOCKED 402
#define SEALOCK_ERROR_TIMEOUT 403
#define SEALOCK_ERROR_UNREACHABLE 404
#define SEALOCK_ERROR_BUSY 405
#define SEALOCK_ERROR_INSUFFICIENT_BALANCE 500
#define SEALOCK_ERROR_NOT_AUTHORIZED 501
#define SEALOCK_ERROR_CAP_EXCEEDED 502
#define SEALOCK_ERROR_NONCE_MISMATCH 503
#define SEALOCK_ERROR_UNKNOWN_TOKEN 504
#define SEALOCK_ERROR_NOT_FOR_SALE 505
#define SEALOCK_ERROR_PRICE_EXCEEDED 506
#define SEALOCK_ERROR_DISPENSER_LIMIT 507
#define SEALOCK_ERROR_ORDER_MISMATCH 508
#define SEALOCK_ERROR_ORDER_EXPIRED 509
#define SEALOCK_ERROR_ORDER_REVOKED 510
#define SEALOCK_ERROR_REJECTED 600
#define SEALOCK_ERROR_NOT_A_MEMBER 601
#define SEALOCK_ERROR_NULLIFIER_SPENT 602
#define SEALOCK_ERROR_USE_LIMIT_REACHED 603
#define SEALOCK_ERROR_INVALID_PROOF 604
#define SEALOCK_ERROR_UNKNOWN_ROOT 605
#define SEALOCK_ERROR_DEADLINE_PASSED 606
#define SEALOCK_ERROR_UNSAFE_KEY 607
#define SEALOCK_ERROR_INVALID_PROGRAM 700
#define SEALOCK_ERROR_UNSUPPORTED_PROGRAM 701
#define SEALOCK_ERROR_POLICY_DENIED 800
#define SEALOCK_ERROR_BUDGET_EXHAUSTED 801
#define SEALOCK_ERROR_ENCRYPTION 900

// What went wrong: kind, message, and mostly a hint.
//
// Made by: any function that fails. Freed by: `sealock_error_free`. Thread-safe.
struct sealock_error;

// The number of an error's kind, or SEALOCK_OK.
typedef int32_t sealock_status;

// Everything went well.
#define SEALOCK_OK 0

// The number of the error's kind: what the function that failed returned. SEALOCK_ERROR_INVALID_ARGUMENT if `error` is no
// error.
sealock_status sealock_error_code(const sealock_error *error);

// The name of the error's kind, for instance `PolicyDenied`; NULL if `error` is no error.
//
// The text belongs to the error, and is valid until any thread frees it. So do message and hint.
const char *sealock_error_kind(const sealock_error *error);

// What went wrong, in one sentence; NULL if `error` is no error.
const char *sealock_error_message(const sealock_error *error);

// What to do about it; NULL if there is nothing to say, or `error` is no error.
const char *sealock_error_hint(const sealock_error *error);

// Frees an error. NULL is fine.
sealock_status sealock_error_free(sealock_error *error);

// The name of the kind that has this number, for instance `PolicyDenied`; `Ok` for SEALOCK_OK; NULL for a number that no
// kind has. The text is never freed.
const char *sealock_status_name(sealock_status status);

// =======
// Buffers
//
// Bytes or text that a function made. A buffer is wiped when it is freed. What `sealock_buffer_data` and
// `sealock_buffer_text` return belongs to the buffer and is valid until any
// thread frees it.
//
// A list of texts gives out each of them as a buffer.

// Bytes or text.
//
// Made by: functions with an argument `sealock_buffer **`. Freed by: `sealock_buffer_free`. It never changes;
// thread-safe.
struct sealock_buffer;

// A list of texts.
//
// Made by: functions with an argument `sealock_texts **`. Freed by: `sealock_texts_free`. It never changes; thread-safe.
struct sealock_texts;

// The bytes; NULL if `buffer` is no buffer. Behind their end is a NUL that is not counted.
const uint8_t *sealock_buffer_data(const sealock_buffer *buffer);

// How many bytes there are; 0 if `buffer` is no buffer.
size_t sealock_buffer_length(const sealock_buffer *buffer);

// The text, UTF-8 and ended by NUL; NULL if `buffer` is no buffer, or does not hold text.
const char *sealock_buffer_text(const sealock_buffer *buffer);

// Wipes and frees a buffer. NULL is fine.
sealock_status sealock_buffer_free(sealock_buffer *buffer);

// Wipes `length` bytes, in a way that no compiler leaves out: for copies of secrets. NULL is fine.
void sealock_wipe(void *bytes, size_t length);

// How many texts the list holds.
sealock_status sealock_texts_count(const sealock_texts *texts, size_t *out, sealock_error **error);

// A text of the list, counted from 0. It outlives the list.
sealock_status sealock_texts_get(const sealock_texts *texts,
                                 size_t index,
                                 sealock_buffer **out,
                                 sealock_error **error);

// Frees a list of texts. NULL is fine.
sealock_status sealock_texts_free(sealock_texts *texts);

// ===========
// The library

// Number of the binary interface that this header describes.
#define SEALOCK_ABI_VERSION 1

// SEALOCK_ABI_VERSION, as this library has it. It changes when a program that was built before would no longer work.
uint32_t sealock_abi_version(void);

// The library's version, for instance `0.1.0`. The text is never freed.
const char *sealock_version(void);

// How many handles are live: what was made and not freed. A leak checker cannot see handles; compare this with 0 at the end
// of a test.
size_t sealock_live_handles(void);

// The version that this header is of: as text, and its numbers.
#define SEALOCK_VERSION "0.1.0"
#define SEALOCK_VERSION_MAJOR 0
#define SEALOCK_VERSION_MINOR 1
#define SEALOCK_VERSION_PATCH 0

// =======
// Logging
//
// The library is silent until it is told where to log. A panic inside, caught as it is, is logged as an error.

// Nothing.
#define SEALOCK_LOG_OFF 0

// Failures that need somebody's attention.
#define SEALOCK_LOG_ERROR 1

// And what went otherwise than it should, such as a rejected job.
#define SEALOCK_LOG_WARN 2

// And what happened.
#define SEALOCK_LOG_INFO 3

// And what helps to find bugs.
#define SEALOCK_LOG_DEBUG 4

// And every step.
#define SEALOCK_LOG_TRACE 5

// Called with each message: its level, the part of the library that speaks, and the text. Both texts are valid during the
// call.
//
// It is called from any thread that uses the library, by several at once. It must not throw or jump out, and it may call
// the library.
typedef void (*sealock_log_callback)(void *user, int32_t level, const char *target, const char *message);

// Sends messages up to `level`, one of the SEALOCK_LOG_ constants, to `receiver`, in place of the one before; NULL is
// silence. A message that is under way in another thread may still reach the one before: keep `user` alive.
//
// Fails with SEALOCK_ERROR_LOCKED in a program that has a Rust logger of its own.
sealock_status sealock_log_set(sealock_log_callback receiver,
                               void *user,
                               int32_t level,
                               sealock_error **error);

// =================================
// Watching and cancelling long work
//
// What may take long (publishing, requesting, running a job, moving data) takes a `const sealock_watch *`, which may be
// NULL. A call that is cancelled returns SEALOCK_ERROR_CANCELLED, leaves nothing half done, and every handle stays usable.
// Where nothing can be taken back any more, cancelling comes too late, and the call succeeds.

// A flag that cancels work. Once set it stays set; one flag may watch over many calls.
//
// Made by: `sealock_cancel_new`. Freed by: `sealock_cancel_free`. Thread-safe: that is what it is for.
struct sealock_cancel;

// How far long work is. The library fills it in, and it is valid during the call. Later versions may add to its end, and
// then make `struct_size` larger.
typedef struct {
    // `sizeof(sealock_step)`, as this library has it.
    size_t struct_size;
    // The name of the stage that the work is in.
    const char *stage;
    // How much of the stage is done, in its unit: bytes, rows, transactions, jobs.
    uint64_t done;
    // How much there is to do, or SEALOCK_UNKNOWN.
    uint64_t total;
    // How many milliseconds the rest of the stage will take at the rate so far, or SEALOCK_UNKNOWN.
    uint64_t remaining;
} sealock_step;

// Called now and then with how far long work is. Returns 0 to go on; anything else cancels.
//
// It is called by the thread that made the call, or by one that works for it; never by two at once for one call. It must
// not throw or jump out, and it may call the library. `user` is used by one thread at a time, not always the same.
typedef int32_t (*sealock_progress_callback)(void *user, const sealock_step *step);

// How to watch long work. Fill it with zeros, then set what is wanted.
typedef struct {
    // `sizeof(sealock_watch)`.
    size_t struct_size;
    // Called with how far the work is; may be NULL.
    sealock_progress_callback progress;
    // What `progress` is called with; may be NULL.
    void *user;
    // Cancels the work; may be NULL.
    const sealock_cancel *cancel;
} sealock_watch;

// A flag that is not set.
sealock_status sealock_cancel_new(sealock_cancel **out, sealock_error **error);

// Sets the flag, from any thread: work that it watches over stops at its next step.
sealock_status sealock_cancel_request(const sealock_cancel *cancel, sealock_error **error);

// Frees a flag. NULL is fine.
sealock_status sealock_cancel_free(sealock_cancel *cancel);

// ============================
// Accounts, addresses, digests
//
// An account is a secp256k1 key. An address has SEALOCK_ADDRESS_BYTES bytes, and as text `0x` and 40 hex digits with the
// EIP-55 checksum. A digest has SEALOCK_DIGEST_BYTES bytes, and as text 64 hex digits.
//
// Inputs of a fixed size are passed with their length, which is checked: `address, sizeof address`. Outputs likewise.

// Bytes of an address.
#define SEALOCK_ADDRESS_BYTES 20

// Bytes of an address as text, with the NUL at its end.
#define SEALOCK_ADDRESS_TEXT_BYTES 43

// Bytes of a digest.
#define SEALOCK_DIGEST_BYTES 32

// Bytes of a digest as text, with the NUL at its end.
#define SEALOCK_DIGEST_TEXT_BYTES 65

// Bytes of a secret: an account's, a recipient's, an identity's.
#define SEALOCK_SECRET_BYTES 32

// Bytes of a nullifier.
#define SEALOCK_NULLIFIER_BYTES 32

// A secret key and its address.
//
// Made by: `sealock_account_generate`, `sealock_account_from_secret`, `sealock_account_from_keystore`. Freed by:
// `sealock_account_free`, which wipes it. It never changes; thread-safe.
struct sealock_account;

// SEALOCK_ADDRESS_BYTES, as this library has it.
size_t sealock_address_bytes(void);

// SEALOCK_ADDRESS_TEXT_BYTES, as this library has it.
size_t sealock_address_text_bytes(void);

// SEALOCK_DIGEST_BYTES, as this library has it.
size_t sealock_digest_bytes(void);

// SEALOCK_DIGEST_TEXT_BYTES, as this library has it.
size_t sealock_digest_text_bytes(void);

// SEALOCK_SECRET_BYTES, as this library has it.
size_t sealock_secret_bytes(void);

// SEALOCK_NULLIFIER_BYTES, as this library has it.
size_t sealock_nullifier_bytes(void);

// Reads an address from text. Mixed case must carry the right checksum.
sealock_status sealock_address_from_text(const char *text,
                                         uint8_t *out,
                                         size_t out_length,
                                         sealock_error **error);

// Writes an address as text into `out`, which has room for `out_size` bytes: SEALOCK_ADDRESS_TEXT_BYTES or more.
sealock_status sealock_address_to_text(const uint8_t *address,
                                       size_t address_length,
                                       char *out,
                                       size_t out_size,
                                       sealock_error **error);

// Reads a digest from text.
sealock_status sealock_digest_from_text(const char *text,
                                        uint8_t *out,
                                        size_t out_length,
                                        sealock_error **error);

// Writes a digest as text into `out`, which has room for `out_size` bytes: SEALOCK_DIGEST_TEXT_BYTES or more.
sealock_status sealock_digest_to_text(const uint8_t *digest,
                                      size_t digest_length,
                                      char *out,
                                      size_t out_size,
                                      sealock_error **error);

// Makes a fresh account from the operating system's randomness. Back its secret up: what the account owns is lost with
// it.
sealock_status sealock_account_generate(sealock_account **out,
                                        sealock_error **error);

// The account of a secret key of SEALOCK_SECRET_BYTES bytes, big-endian. Wipe your copy with `sealock_wipe`.
//
// Fails with SEALOCK_ERROR_INVALID_ARGUMENT if it is zero or not below the group's order.
sealock_status sealock_account_from_secret(const uint8_t *secret,
                                           size_t secret_length,
                                           sealock_account **out,
                                           sealock_error **error);

// The account in a key file of another wallet: the text of a file of the Web3 Secret Storage Definition, version 3
// (<https://ethereum.org/en/developers/docs/data-structures-and-encoding/web3-secret-storage/>), as geth, MetaMask and ethers
// write it. It takes about a second and as much memory as the file asks for, 256 MiB mostly. Wipe your copy of the password
// with `sealock_wipe`.
//
// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for a file of another form, for one that asks for more than 512 MiB or ten
// million rounds, and for a wrong password; with SEALOCK_ERROR_TOO_LARGE for one of more than 64 KiB.
sealock_status sealock_account_from_keystore(const char *json,
                                             const char *password,
                                             sealock_account **out,
                                             sealock_error **error);

// The account's address.
sealock_status sealock_account_address(const sealock_account *account,
                                       uint8_t *out,
                                       size_t out_length,
                                       sealock_error **error);

// Copies the secret key out, SEALOCK_SECRET_BYTES bytes, for a key store alone. **Wipe the copy** with
// `sealock_wipe`. Whoever has it is the account.
sealock_status sealock_account_expose_secret(const sealock_account *account,
                                             uint8_t *out,
                                             size_t out_length,
                                             sealock_error **error);

// Wipes and frees an account. NULL is fine.
sealock_status sealock_account_free(sealock_account *account);

// ==========
// Key stores
//
// An owner's account and the keys of its datasets, in one file under a passphrase: an age file with a scrypt recipient. The
// keys are random and nothing else leads to them: **what is lost with the file is lost, so back it up**, and what is destroyed
// in it is gone.
//
// Passphrases are texts; wipe your copy with `sealock_wipe`. Making, opening and every change take about a second and 256
// MiB, which is what makes guessing the passphrase expensive.

// An owner's keys. The file is open once at a time, until the key store is freed and no owner uses it.
//
// Made by: `sealock_key_store_create`, `_create_with_work_factor`, `_open`, `_in_memory`, `sealock_owner_key_store`. Used up
// by: `sealock_exchange_owner_from_key_store`, `sealock_exchange_owner_afresh_from_key_store`. Freed by:
// `sealock_key_store_free`, which wipes it. Thread-safe.
struct sealock_key_store;

// Makes a key store for an account in a new file, encrypted under a passphrase. The account stays the caller's.
//
// Fails with SEALOCK_ERROR_INVALID_ARGUMENT if there is a file, or for an empty passphrase; with SEALOCK_ERROR_IO.
sealock_status sealock_key_store_create(const char *path,
                                        const sealock_account *account,
                                        const char *passphrase,
                                        sealock_key_store **out,
                                        sealock_error **error);

// As `sealock_key_store_create`, with scrypt's work factor as a power of two, 1 to 20; it is 18 otherwise. **A smaller one
// makes guessing the passphrase as much easier**: it is for tests, and for passphrases that are random keys.
sealock_status sealock_key_store_create_with_work_factor(const char *path,
                                                         const sealock_account *account,
                                                         const char *passphrase,
                                                         uint8_t work_factor,
                                                         sealock_key_store **out,
                                                         sealock_error **error);

// Opens a key store's file with its passphrase.
//
// Fails with SEALOCK_ERROR_WRONG_KEY for another passphrase; with SEALOCK_ERROR_LOCKED while it is open elsewhere; with
// SEALOCK_ERROR_MALFORMED, SEALOCK_ERROR_TAMPERED or SEALOCK_ERROR_TRUNCATED for a file that is no key store, or is damaged.
sealock_status sealock_key_store_open(const char *path,
                                      const char *passphrase,
                                      sealock_key_store **out,
                                      sealock_error **error);

// A key store that is gone when it is freed. The account stays the caller's.
sealock_status sealock_key_store_in_memory(const sealock_account *account,
                                           sealock_key_store **out,
                                           sealock_error **error);

// The address of the account whose secret it holds.
sealock_status sealock_key_store_address(const sealock_key_store *key_store,
                                         uint8_t *out,
                                         size_t out_length,
                                         sealock_error **error);

// How many epochs' keys it holds.
sealock_status sealock_key_store_epochs(const sealock_key_store *key_store,
                                        size_t *out,
                                        sealock_error **error);

// Encrypts the file under another passphrase. **Copies of the file keep the old one.**
//
// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for an empty passphrase, or if it was not made with one.
sealock_status sealock_key_store_change_passphrase(sealock_key_store *key_store,
                                                   const char *passphrase,
                                                   sealock_error **error);

// Wipes and frees a key store. NULL is fine. One that an owner uses stays open until the owner is freed.
sealock_status sealock_key_store_free(sealock_key_store *key_store);

// The owner side of the account in a key store, which keeps the keys of its datasets, too. They are not the keys that
// `sealock_exchange_owner` keeps: **use the one or the other for an account.** The key store is used up, whether the call
// succeeds or fails once its arguments are read: after a failure, open its file again.
//
// Fails as `sealock_exchange_owner`.
sealock_status sealock_exchange_owner_from_key_store(const sealock_exchange *exchange,
                                                     sealock_key_store *key_store,
                                                     sealock_owner **out,
                                                     sealock_error **error);

// As `sealock_exchange_owner_afresh`, with a key store, which is used up as by `sealock_exchange_owner_from_key_store`.
sealock_status sealock_exchange_owner_afresh_from_key_store(const sealock_exchange *exchange,
                                                            sealock_key_store *key_store,
                                                            sealock_owner **out,
                                                            sealock_error **error);

// The key store of an owner. It keeps the owner open until it is freed.
sealock_status sealock_owner_key_store(const sealock_owner *owner,
                                       sealock_key_store **out,
                                       sealock_error **error);

// =========
// Exchanges
//
// Where parties meet: a store, a ledger and a clock. A folder of `sealock_exchange_local` is for one process at a time:
// owner and consumer share it in one program, or the owner's side is a node elsewhere, and the consumer's
// `sealock_exchange_connect`.

// A list of assets.
//
// Made by: `sealock_exchange_assets`. Freed by: `sealock_assets_free`. It never changes; thread-safe.
struct sealock_assets;

// Where parties meet.
//
// Made by: `sealock_exchange_local`, `sealock_exchange_in_memory`, `sealock_exchange_local_with_ipfs`,
// `sealock_exchange_local_with_kubo`, `sealock_exchange_connect`, and each of these with `_on` at its end, for another ledger
// than the embedded one.
// Freed by: `sealock_exchange_free`. Owners, consumers and orders keep what they need of it. Thread-safe.
struct sealock_exchange;

// An exchange in a folder of this machine, which is made if there is none.
//
// Fails with SEALOCK_ERROR_IO; with SEALOCK_ERROR_INVALID_ARGUMENT for an empty path; with SEALOCK_ERROR_LOCKED while another process has it open.
sealock_status sealock_exchange_local(const char *path,
                                      sealock_exchange **out,
                                      sealock_error **error);

// An exchange that is gone when it is freed, and all that uses it.
sealock_status sealock_exchange_in_memory(sealock_exchange **out, sealock_error **error);

// The owner side of an account: publishes assets and runs the node that serves them. The account stays the caller's.
//
// Fails with SEALOCK_ERROR_LOCKED while the account's node is open; with SEALOCK_ERROR_CORRUPT_STATE if the ledger has
// assets of the account and their journal is gone.
sealock_status sealock_exchange_owner(const sealock_exchange *exchange,
                                      const sealock_account *account,
                                      sealock_owner **out,
                                      sealock_error **error);

// As `sealock_exchange_owner`, for an account whose journal is lost. **What it published before is no longer served.**
sealock_status sealock_exchange_owner_afresh(const sealock_exchange *exchange,
                                             const sealock_account *account,
                                             sealock_owner **out,
                                             sealock_error **error);

// The consumer side of an account: buys, orders, asks. The account stays the caller's.
//
// Fails with SEALOCK_ERROR_LOCKED while the account's wallet is open: until the consumer, its orders and its tickets are
// freed.
sealock_status sealock_exchange_consumer(const sealock_exchange *exchange,
                                         const sealock_account *account,
                                         sealock_consumer **out,
                                         sealock_error **error);

// The asset that a data NFT stands for.
//
// Fails with SEALOCK_ERROR_UNKNOWN_TOKEN if there is no such NFT; with SEALOCK_ERROR_NOT_FOUND if it carries no
// description.
sealock_status sealock_exchange_asset(const sealock_exchange *exchange,
                                      const uint8_t *nft,
                                      size_t nft_length,
                                      sealock_asset **out,
                                      sealock_error **error);

// Every asset that was published here, in the order of the ledger.
sealock_status sealock_exchange_assets(const sealock_exchange *exchange,
                                       sealock_assets **out,
                                       sealock_error **error);

// Frees an exchange. NULL is fine.
sealock_status sealock_exchange_free(sealock_exchange *exchange);

// How many assets the list holds.
sealock_status sealock_assets_count(const sealock_assets *assets, size_t *out, sealock_error **error);

// An asset of the list, counted from 0. It outlives the list.
sealock_status sealock_assets_get(const sealock_assets *assets,
                                  size_t index,
                                  sealock_asset **out,
                                  sealock_error **error);

// Frees a list of assets. NULL is fine.
sealock_status sealock_assets_free(sealock_assets *assets);

// =============================================
// Stores: CIDs, CARs, exchanges on other stores
//
// An exchange keeps encrypted data as blocks, each named by its CID, the hash of its bytes: `sealock_exchange_local` in its
// folder, `sealock_exchange_local_with_ipfs` on a node of an IPFS network, and `sealock_exchange_local_with_kubo` with an
// IPFS daemon. No store is trusted: every block is checked against its CID.
//
// A CAR (<https://ipld.io/specs/transport/car/carv1/>) is a file of blocks, for carrying an asset from store to store by
// hand. CIDs are texts, for instance `bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi`.

// So many blocks.
typedef struct {
    // `sizeof(sealock_blocks)`, filled in by the caller.
    size_t struct_size;
    // How many.
    uint64_t blocks;
    // Bytes in them; of a CAR that was written, all of its bytes.
    uint64_t bytes;
} sealock_blocks;

// As `sealock_exchange_local`, with the blocks on an IPFS node, which keeps them in its own folder. The node's handle stays
// the caller's; the node runs as long as one of both uses it.
//
// Fails as `sealock_exchange_local`.
sealock_status sealock_exchange_local_with_ipfs(const char *path,
                                                const sealock_ipfs *node,
                                                sealock_exchange **out,
                                                sealock_error **error);

// As `sealock_exchange_local`, with a daemon behind the folder's own store: blocks are written here, published data is sent
// to the daemon, and what is not here is asked from it. The daemon's handle stays the caller's.
//
// Fails as `sealock_exchange_local`.
sealock_status sealock_exchange_local_with_kubo(const char *path,
                                                const sealock_kubo *daemon,
                                                sealock_exchange **out,
                                                sealock_error **error);

// Writes every block of an asset into a new CAR at `path`: its encrypted data, and the key that proofs are made with. A file
// that was there before is replaced when the new one is whole. `watch` may be NULL. Set `out->struct_size` before.
//
// The CAR has no secrets. Who is to find the asset without its ledger needs `sealock_asset_to_bytes` as well.
//
// Fails with SEALOCK_ERROR_NOT_FOUND if the store lacks a block; with SEALOCK_ERROR_IO.
sealock_status sealock_exchange_export_car(const sealock_exchange *exchange,
                                           const sealock_asset *asset,
                                           const char *path,
                                           const sealock_watch *watch,
                                           sealock_blocks *out,
                                           sealock_error **error);

// Reads a CAR (version 1) into the exchange's store, checks every block, and pins its roots, which it puts out. `watch` may
// be NULL. Set `out->struct_size` before.
//
// Fails with SEALOCK_ERROR_MALFORMED for what is no CAR, with SEALOCK_ERROR_TRUNCATED for one that is cut off, with
// SEALOCK_ERROR_NOT_FOUND if it lacks a block, with SEALOCK_ERROR_CID_MISMATCH for a block that is not the one named. Then
// nothing is pinned.
sealock_status sealock_exchange_import_car(const sealock_exchange *exchange,
                                           const char *path,
                                           const sealock_watch *watch,
                                           sealock_texts **roots,
                                           sealock_blocks *out,
                                           sealock_error **error);

// Removes every block that nothing pins any more from the exchange's store, and says how many there were. Set
// `out->struct_size` before.
//
// Fails with SEALOCK_ERROR_LOCKED while something is being added.
sealock_status sealock_exchange_collect_garbage(const sealock_exchange *exchange,
                                                sealock_blocks *out,
                                                sealock_error **error);

// ==========
// IPFS nodes
//
// An embedded node on an IPFS network: libp2p, bitswap and, if asked for, a Kademlia DHT. It dials nobody unless it is told
// to, and listens on loopback unless other addresses are given. Addresses are multiaddresses, for instance
// `/ip4/127.0.0.1/tcp/4001/p2p/<peer id>`.

// A node on an IPFS network, with the blocks that it keeps in its folder.
//
// Made by: `sealock_ipfs_open`. Freed by: `sealock_ipfs_free`; the node stops when its last user, an exchange for instance,
// is freed. Thread-safe.
struct sealock_ipfs;

// How a node is set up.
//
// Made by: `sealock_ipfs_config_new`. Freed by: `sealock_ipfs_config_free`. A node copies it. Thread-safe.
struct sealock_ipfs_config;

// A node that listens on loopback, TCP and QUIC, on ports that the operating system picks, and dials nobody.
sealock_status sealock_ipfs_config_new(sealock_ipfs_config **out, sealock_error **error);

// Listens on these addresses instead, for instance `/ip4/0.0.0.0/tcp/4001`. None at all is a node that only dials.
sealock_status sealock_ipfs_config_listen(sealock_ipfs_config *config,
                                          const char *const *addresses,
                                          size_t count,
                                          sealock_error **error);

// Dials these peers when the node starts: addresses that end in `/p2p/<peer id>`. Called again, it replaces.
sealock_status sealock_ipfs_config_bootstrap(sealock_ipfs_config *config,
                                             const char *const *addresses,
                                             size_t count,
                                             sealock_error **error);

// Whether the node takes part in the DHT of its peers, so that it can tell what it provides and find who provides a block:
// 0 for no, which it is if not said.
sealock_status sealock_ipfs_config_dht(sealock_ipfs_config *config,
                                       int32_t on,
                                       sealock_error **error);

// How long to wait for one block from the peers, in milliseconds; 30,000 if not said.
sealock_status sealock_ipfs_config_block_timeout(sealock_ipfs_config *config,
                                                 uint64_t milliseconds,
                                                 sealock_error **error);

// To how many peers there may be connections; 256 if not said.
sealock_status sealock_ipfs_config_max_connections(sealock_ipfs_config *config,
                                                   uint32_t peers,
                                                   sealock_error **error);

// Frees a configuration. NULL is fine.
sealock_status sealock_ipfs_config_free(sealock_ipfs_config *config);

// Starts the node in the folder `path`, which is made if there is none, and holds the node's identity and its blocks.
// Returns when the node listens.
//
// Fails with SEALOCK_ERROR_LOCKED while another node runs there; with SEALOCK_ERROR_INVALID_ARGUMENT for an address that is
// none; with SEALOCK_ERROR_IO, if an address is taken for instance.
sealock_status sealock_ipfs_open(const char *path,
                                 const sealock_ipfs_config *config,
                                 sealock_ipfs **out,
                                 sealock_error **error);

// The node's peer id, which stays the same for its folder.
sealock_status sealock_ipfs_peer_id(const sealock_ipfs *node, sealock_buffer **out, sealock_error **error);

// The addresses that the node listens on, each with its peer id: what another node connects to.
sealock_status sealock_ipfs_addresses(const sealock_ipfs *node, sealock_texts **out, sealock_error **error);

// Connects to the peer at an address. With the peer id at its end, nobody else is taken for the peer.
//
// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for what is no address; with SEALOCK_ERROR_UNREACHABLE.
sealock_status sealock_ipfs_connect(const sealock_ipfs *node, const char *address, sealock_error **error);

// The ids of the peers that the node is connected to.
sealock_status sealock_ipfs_peers(const sealock_ipfs *node, sealock_texts **out, sealock_error **error);

// Tells the DHT that this node has a block, and does so again from time to time while it runs.
//
// Fails with SEALOCK_ERROR_INVALID_ARGUMENT if the node has no DHT; with SEALOCK_ERROR_NOT_FOUND if it has no such block;
// with SEALOCK_ERROR_IO if no peer takes the record.
sealock_status sealock_ipfs_provide(const sealock_ipfs *node,
                                    const char *cid,
                                    sealock_error **error);

// The ids of peers that provide a block, as the DHT says. It may be none.
//
// Fails with SEALOCK_ERROR_INVALID_ARGUMENT if the node has no DHT.
sealock_status sealock_ipfs_find_providers(const sealock_ipfs *node,
                                           const char *cid,
                                           sealock_texts **out,
                                           sealock_error **error);

// Brings everything under a root from the peers, in parallel. What is here already is not fetched again, so that an
// interrupted fetch goes on where it was. Pin it then, or the next collection of garbage takes it. `watch` may be NULL.
//
// Fails with SEALOCK_ERROR_NOT_FOUND if there is nobody to ask; with SEALOCK_ERROR_TIMEOUT if nobody has a block. What
// arrived stays.
sealock_status sealock_ipfs_fetch(const sealock_ipfs *node,
                                  const char *cid,
                                  const sealock_watch *watch,
                                  sealock_error **error);

// Keeps everything under a root until it is unpinned, through a restart as well. Pinning twice is once.
//
// Fails with SEALOCK_ERROR_NOT_FOUND if some of it is not here: fetch it first.
sealock_status sealock_ipfs_pin(const sealock_ipfs *node, const char *cid, sealock_error **error);

// Removes a pin, and says whether there was one: 1 or 0.
sealock_status sealock_ipfs_unpin(const sealock_ipfs *node,
                                  const char *cid,
                                  int32_t *out,
                                  sealock_error **error);

// Every pinned root.
sealock_status sealock_ipfs_pins(const sealock_ipfs *node, sealock_texts **out, sealock_error **error);

// Removes every block that no pin reaches, and says how many there were. Set `out->struct_size` before.
//
// Fails with SEALOCK_ERROR_LOCKED while something is being added.
sealock_status sealock_ipfs_collect_garbage(const sealock_ipfs *node,
                                            sealock_blocks *out,
                                            sealock_error **error);

// Frees a node's handle. NULL is fine. The node stops with its last user, before this returns if this is the last.
sealock_status sealock_ipfs_free(sealock_ipfs *node);

// ============
// IPFS daemons
//
// A daemon that speaks Kubo's RPC, `/api/v0`. It is not trusted with the blocks that it keeps. Its RPC is an
// administrator's interface: whoever reaches it may read and delete everything that the daemon holds, so it belongs on
// loopback, or behind TLS and an authorization.

// A daemon.
//
// Made by: `sealock_kubo_connect`. Freed by: `sealock_kubo_free`; an exchange keeps what it needs of it. Thread-safe.
struct sealock_kubo;

// How to talk to a daemon. Fill it with zeros, then set what is wanted: what is 0 or NULL is as if it was not said.
typedef struct {
    // `sizeof(sealock_kubo_options)`.
    size_t struct_size;
    // The token of `bearer:<token>` in the daemon's `API.Authorizations`. **Over plain HTTP, everybody on the way reads
    // it.**
    const char *bearer_token;
    // The user of `basic:<user>:<password>` there.
    const char *basic_user;
    // The user's password.
    const char *basic_password;
    // How long a connection may take, in milliseconds: 5,000 if not said.
    uint64_t connect_timeout;
    // How long one block may take, the daemon's search for it included, in milliseconds: 60,000 if not said.
    uint64_t timeout;
    // How long pinning or collecting garbage may take, in milliseconds: an hour if not said.
    uint64_t long_timeout;
    // Not 0 if the daemon shall not look in its network for a block that it does not hold.
    int32_t no_search;
} sealock_kubo_options;

// Connects to the daemon whose RPC is at `address`: `http://127.0.0.1:5001` or `/ip4/127.0.0.1/tcp/5001`. `options` may be
// NULL.
//
// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for what is no address; with SEALOCK_ERROR_UNREACHABLE if nobody is there, or
// somebody who does not speak the RPC.
sealock_status sealock_kubo_connect(const char *address,
                                    const sealock_kubo_options *options,
                                    sealock_kubo **out,
                                    sealock_error **error);

// The daemon's version, as it tells it.
sealock_status sealock_kubo_version(const sealock_kubo *daemon, sealock_buffer **out, sealock_error **error);

// Who the daemon is in its network: its peer id, and the addresses that others reach it under.
//
// Fails with SEALOCK_ERROR_UNREACHABLE.
sealock_status sealock_kubo_identity(const sealock_kubo *daemon,
                                     sealock_buffer **peer_id,
                                     sealock_texts **addresses,
                                     sealock_error **error);

// Frees a daemon's handle. NULL is fine. The daemon itself runs on.
sealock_status sealock_kubo_free(sealock_kubo *daemon);

// ==========
// The ledger
//
// Tokens to pay with, on an exchange's ledger. Amounts are decimal texts of whole tokens with up to 18 places: `"2"`,
// `"0.5"`.

// Deploys a token to pay with, of which at most `cap` may exist, and puts out its address. The account may mint it.
sealock_status sealock_ledger_deploy_token(const sealock_exchange *exchange,
                                           const sealock_account *account,
                                           const char *name,
                                           const char *symbol,
                                           const char *cap,
                                           uint8_t *out,
                                           size_t out_length,
                                           sealock_error **error);

// Mints `amount` of `token` for `to`.
//
// Fails with SEALOCK_ERROR_NOT_AUTHORIZED unless the account may mint it; with SEALOCK_ERROR_CAP_EXCEEDED.
sealock_status sealock_ledger_mint(const sealock_exchange *exchange,
                                   const sealock_account *account,
                                   const uint8_t *token,
                                   size_t token_length,
                                   const uint8_t *to,
                                   size_t to_length,
                                   const char *amount,
                                   sealock_error **error);

// Transfers `amount` of `token` from the account to `to`.
//
// Fails with SEALOCK_ERROR_INSUFFICIENT_BALANCE.
sealock_status sealock_ledger_transfer(const sealock_exchange *exchange,
                                       const sealock_account *account,
                                       const uint8_t *token,
                                       size_t token_length,
                                       const uint8_t *to,
                                       size_t to_length,
                                       const char *amount,
                                       sealock_error **error);

// What `holder` has of `token`, as text.
sealock_status sealock_ledger_balance_of(const sealock_exchange *exchange,
                                         const uint8_t *token,
                                         size_t token_length,
                                         const uint8_t *holder,
                                         size_t holder_length,
                                         sealock_buffer **out,
                                         sealock_error **error);

// What buying `amount` of a datatoken for `base_token` costs beside its price, as text of `base_token`: fees of the ledger's
// operators and of the market. The embedded ledger has none.
//
// Fails with SEALOCK_ERROR_NOT_FOR_SALE where the ledger has fees, and the datatoken is not sold for `base_token`.
sealock_status sealock_exchange_sale_fees(const sealock_exchange *exchange,
                                          const uint8_t *token,
                                          size_t token_length,
                                          const char *amount,
                                          const uint8_t *base_token,
                                          size_t base_token_length,
                                          sealock_buffer **out,
                                          sealock_error **error);

// Pays out to the data NFT's owner what sales of a datatoken brought and the ledger still holds, and puts out how much that
// was, as text. Any account may ask; it pays the ledger's own fees. Where a sale pays the owner at once, as on the embedded
// ledger, it is 0.
sealock_status sealock_exchange_collect(const sealock_exchange *exchange,
                                        const sealock_account *account,
                                        const uint8_t *token,
                                        size_t token_length,
                                        sealock_buffer **out,
                                        sealock_error **error);

// ==============
// Ocean Protocol
//
// Exchanges on Ocean Protocol's contracts, version 4, on an Ethereum chain, instead of on the embedded ledger: data NFTs,
// datatokens, prices and orders are then those that Ocean's markets, wallets and libraries know. Nothing else changes:
// where an exchange is made, the ledger is one more argument.
//
// An account of an exchange on a chain needs some of the chain's own coin, which pays for gas. A call that writes returns
// when the chain has it for good, and a few are several transactions. Any of them may fail with SEALOCK_ERROR_UNREACHABLE,
// or with SEALOCK_ERROR_TIMEOUT: a transaction that was sent **may still be mined**, so look before repeating it.
//
// What sales brought stays in Ocean's exchange until `sealock_exchange_collect`. A sale mints what it sells, and Ocean's
// community takes its fees: `sealock_exchange_sale_fees`. An order needs an offer that the asset's owner signs, and an open
// `sealock_owner` on the same ledger does that unasked; where there is none, `sealock_consumer_order` fails with
// SEALOCK_ERROR_UNREACHABLE and costs nothing.

// A ledger for exchanges: Ocean's contracts on a chain, as one of its nodes shows them.
//
// Made by: `sealock_ocean_connect`. Freed by: `sealock_ledger_free`; an exchange keeps what it needs of it. Thread-safe.
struct sealock_ledger;

// How to use a chain. Fill it with zeros, then set what is wanted: what is 0 or NULL is as if it was not said.
//
// A block counts when it is deep enough, for which one of `finality_blocks`, `head_counts` and `finalized` may be said. If
// none is, that is twelve blocks, and none on the chains that developers run on their own machines: those with the ids
// 1337, 8996 and 31337.
typedef struct {
    // `sizeof(sealock_ocean_options)`.
    size_t struct_size;
    // The id of the chain that the node must be of: any if not said.
    uint64_t chain_id;
    // How many blocks must be above one that counts.
    uint64_t finality_blocks;
    // Not 0 if no block must be above it: for chains that are never reorganised.
    int32_t head_counts;
    // Not 0 if the chain's consensus must call it finalized.
    int32_t finalized;
    // The file in which logs that were read are kept, so that the next process reads on; in memory if not said. One
    // process at a time has it open.
    const char *cache_path;
    // How long the node may take for one answer, in milliseconds: 30,000 if not said.
    uint64_t timeout;
    // How long a transaction may take until it counts, in milliseconds: 600,000 if not said.
    uint64_t patience;
    // For how long an offer of an order that an owner signs here can be used, in seconds: 3,600 if not said.
    uint64_t offer_seconds;
} sealock_ocean_options;

// Connects to a node of a chain at `url`, for instance `http://127.0.0.1:8545`, and to Ocean's contracts there.
// `address_json` is the text of a file of the form of Ocean's `address.json`
// (<https://github.com/oceanprotocol/contracts/blob/v4main/addresses/address.json>), which says for each chain where they
// are. `options` may be NULL. What an error says of the URL is host and port: a key in its path stays secret.
//
// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for what is no URL, for a node of another chain than the options say, and for
// addresses that are not of that form or lack this chain; with SEALOCK_ERROR_UNREACHABLE or SEALOCK_ERROR_TIMEOUT if no node
// answers; with SEALOCK_ERROR_UNKNOWN_TOKEN if Ocean's contracts are not there; with SEALOCK_ERROR_LOCKED while another
// process has the cache open.
sealock_status sealock_ocean_connect(const char *url,
                                     const char *address_json,
                                     const sealock_ocean_options *options,
                                     sealock_ledger **out,
                                     sealock_error **error);

// The chain's id.
sealock_status sealock_ledger_chain_id(const sealock_ledger *ledger, uint64_t *out, sealock_error **error);

// The ledger's own address, which is that of Ocean's factory: with the chain's id it says which ledger a proof or a
// signature is for.
sealock_status sealock_ledger_address(const sealock_ledger *ledger,
                                      uint8_t *out,
                                      size_t out_length,
                                      sealock_error **error);

// The address of the token OCEAN, to set prices in.
//
// Fails with SEALOCK_ERROR_NOT_FOUND if the chain has none.
sealock_status sealock_ledger_ocean_token(const sealock_ledger *ledger,
                                          uint8_t *out,
                                          size_t out_length,
                                          sealock_error **error);

// How much gas a transaction of the chain used. Its digest is the one that wallets and block explorers show.
//
// Fails with SEALOCK_ERROR_NOT_FOUND if there is no such transaction, or it is not mined.
sealock_status sealock_ledger_gas_used(const sealock_ledger *ledger,
                                       const uint8_t *transaction,
                                       size_t transaction_length,
                                       uint64_t *out,
                                       sealock_error **error);

// The time of the chain's newest block, in seconds since 1970-01-01 UTC.
sealock_status sealock_ledger_now(const sealock_ledger *ledger, uint64_t *out, sealock_error **error);

// Frees a ledger's handle. NULL is fine. Exchanges on it go on.
sealock_status sealock_ledger_free(sealock_ledger *ledger);

// As `sealock_exchange_local`, on a ledger of its own: the folder has the blocks, and what owners and consumers keep. That
// goes with the ledger, so use a folder for each. The ledger's handle stays the caller's.
//
// Fails with SEALOCK_ERROR_IO; with SEALOCK_ERROR_INVALID_ARGUMENT for an empty path.
sealock_status sealock_exchange_local_on(const char *path,
                                         const sealock_ledger *ledger,
                                         sealock_exchange **out,
                                         sealock_error **error);

// As `sealock_exchange_in_memory`, on a ledger of its own. **What owners and consumers keep is gone with the exchange**,
// the keys of the data among it; what is on the chain stays.
sealock_status sealock_exchange_in_memory_on(const sealock_ledger *ledger,
                                             sealock_exchange **out,
                                             sealock_error **error);

// As `sealock_exchange_local_with_ipfs`, on a ledger of its own.
//
// Fails as `sealock_exchange_local_on`.
sealock_status sealock_exchange_local_with_ipfs_on(const char *path,
                                                   const sealock_ipfs *node,
                                                   const sealock_ledger *ledger,
                                                   sealock_exchange **out,
                                                   sealock_error **error);

// As `sealock_exchange_local_with_kubo`, on a ledger of its own.
//
// Fails as `sealock_exchange_local_on`.
sealock_status sealock_exchange_local_with_kubo_on(const char *path,
                                                   const sealock_kubo *daemon,
                                                   const sealock_ledger *ledger,
                                                   sealock_exchange **out,
                                                   sealock_error **error);

// =====
// Arrow
//
// Tables come and go over the Arrow C data interface and the C stream interface
// (<https://arrow.apache.org/docs/format/CDataInterface.html>), whose structures are defined above.
//
// **What comes in is taken over in any case**, whether the call succeeds or fails: the caller's structure is marked as
// released, and the library calls `release` once. The exceptions are a call whose `error` is no pointer, and a call in the
// child of a fork.
// What goes out belongs to the caller, who calls `release` once.
//
// The structures are checked, and so is what they hold: what is wrong with them gives SEALOCK_ERROR_MALFORMED. One thing is
// trusted, as the interface asks: buffers must be as long as lengths, types and offsets say.


// =======
// Columns
//
// The declaration of one column: what it holds and what it may be used for.

// The declaration of a column.
//
// Made by: `sealock_column_boolean`, `_category`, `_integer`, `_decimal`, `_text`. Freed by: `sealock_column_free`. A schema copies
// it. Thread-safe.
struct sealock_column;

// A true-or-false column.
sealock_status sealock_column_boolean(const char *name, sealock_column **out, sealock_error **error);

// A column of one out of `count` values.
sealock_status sealock_column_category(const char *name,
                                       const char *const *values,
                                       size_t count,
                                       sealock_column **out,
                                       sealock_error **error);

// A whole number from `min` to `max`, both included.
sealock_status sealock_column_integer(const char *name,
                                      int64_t min,
                                      int64_t max,
                                      sealock_column **out,
                                      sealock_error **error);

// A number with `scale` decimal places, at most 18, from `min` to `max`, both included and written as text: `"0"`,
// `"58.6"`.
sealock_status sealock_column_decimal(const char *name,
                                      uint8_t scale,
                                      const char *min,
                                      const char *max,
                                      sealock_column **out,
                                      sealock_error **error);

// Lets rows be filtered and grouped by the column.
sealock_status sealock_column_dimension(sealock_column *column, sealock_error **error);

// Lets the column be aggregated.
sealock_status sealock_column_measure(sealock_column *column, sealock_error **error);

// A column of texts, which can be an entity and nothing else.
sealock_status sealock_column_text(const char *name, sealock_column **out, sealock_error **error);

// Says that the column, a text or a whole number, names whom a row is about: see `sealock_policy_entity`.
sealock_status sealock_column_entity(sealock_column *column, sealock_error **error);

// Lets values be missing.
sealock_status sealock_column_nullable(sealock_column *column, sealock_error **error);

// Sets the edges of the bins of a number that is used as a dimension, as they are written: `"0"`, `"8.7"`, `"58.6"`. Bin
// `i` reaches from edge `i` to below edge `i + 1`; the last one is closed.
sealock_status sealock_column_bins(sealock_column *column,
                                   const char *const *edges,
                                   size_t count,
                                   sealock_error **error);

// Says what the column means.
sealock_status sealock_column_describe(sealock_column *column, const char *text, sealock_error **error);

// Frees a column. NULL is fine.
sealock_status sealock_column_free(sealock_column *column);

// =======
// Schemas
//
// The columns of a table. **A schema is public**: ranges, categories and bins are published with the asset.

// The columns of a table.
//
// Made by: `sealock_schema_new`, `_infer_arrow`, `_infer_csv`, `_from_json`, `_from_bytes`, `_with_column`,
// `_without_column`; `sealock_table_schema`, `sealock_asset_schema`. Freed by: `sealock_schema_free`. It never changes;
// thread-safe.
struct sealock_schema;

// Checks `count` columns and joins copies of them.
//
// Fails with SEALOCK_ERROR_INVALID_ARGUMENT, naming the column.
sealock_status sealock_schema_new(const sealock_column *const *columns,
                                  size_t count,
                                  sealock_schema **out,
                                  sealock_error **error);

// Proposes a schema for the batches of an Arrow stream, which is taken over as by `sealock_table_from_arrow_stream`.
//
// **Read the result before publishing it**: it quotes the data, extreme values and every category. Replace columns with
// `sealock_schema_with_column`.
sealock_status sealock_schema_infer_arrow(struct ArrowArrayStream *stream,
                                          sealock_schema **out,
                                          sealock_error **error);

// Proposes a schema for a CSV file with a header, in memory. **Read the result before publishing it**: it quotes the data.
sealock_status sealock_schema_infer_csv(const uint8_t *csv,
                                        size_t csv_length,
                                        sealock_schema **out,
                                        sealock_error **error);

// The schema with the column of the same name replaced.
sealock_status sealock_schema_with_column(const sealock_schema *schema,
                                          const sealock_column *column,
                                          sealock_schema **out,
                                          sealock_error **error);

// The schema without that column.
sealock_status sealock_schema_without_column(const sealock_schema *schema,
                                             const char *name,
                                             sealock_schema **out,
                                             sealock_error **error);

// The schema as JSON.
sealock_status sealock_schema_to_json(const sealock_schema *schema,
                                      sealock_buffer **out,
                                      sealock_error **error);

// Reads a schema from JSON, in memory.
sealock_status sealock_schema_from_json(const uint8_t *json,
                                        size_t json_length,
                                        sealock_schema **out,
                                        sealock_error **error);

// The schema's canonical encoding.
sealock_status sealock_schema_to_bytes(const sealock_schema *schema,
                                       sealock_buffer **out,
                                       sealock_error **error);

// Reads the canonical encoding of a schema.
sealock_status sealock_schema_from_bytes(const uint8_t *bytes,
                                         size_t bytes_length,
                                         sealock_schema **out,
                                         sealock_error **error);

// One line of text per column: name, domain, use, meaning.
sealock_status sealock_schema_to_text(const sealock_schema *schema,
                                      sealock_buffer **out,
                                      sealock_error **error);

// How many columns there are.
sealock_status sealock_schema_count(const sealock_schema *schema, size_t *out, sealock_error **error);

// The name of a column, counted from 0.
sealock_status sealock_schema_column_name(const sealock_schema *schema,
                                          size_t index,
                                          sealock_buffer **out,
                                          sealock_error **error);

// What names the schema in manifests, policies and receipts.
sealock_status sealock_schema_digest(const sealock_schema *schema,
                                     uint8_t *out,
                                     size_t out_length,
                                     sealock_error **error);

// Frees a schema. NULL is fine.
sealock_status sealock_schema_free(sealock_schema *schema);

// ======
// Tables
//
// Data that keeps to its schema. Columns are found by name, in any order; all columns of the schema must be there. A
// column that the schema does not name is an error, so that nothing is published by accident, unless `drop_extra` is not
// 0. Numbers become stored units exactly; floats may differ from one by floating-point noise.
//
// All of the functions that read a table fail with SEALOCK_ERROR_SCHEMA_MISMATCH or SEALOCK_ERROR_OUT_OF_DOMAIN, naming
// column and row, and with SEALOCK_ERROR_MALFORMED for what cannot be read.

// Data that keeps to its schema, in memory: 8 bytes per value.
//
// Made by: `sealock_table_from_...`. Freed by: `sealock_table_free`. It never changes; thread-safe.
struct sealock_table;

// Reads an Arrow stream to its end. The stream is taken over in any case, see Arrow.
sealock_status sealock_table_from_arrow_stream(const sealock_schema *schema,
                                               struct ArrowArrayStream *stream,
                                               int32_t drop_extra,
                                               sealock_table **out,
                                               sealock_error **error);

// Reads one Arrow array: a struct of columns. It and its schema are taken over in any case, see Arrow.
sealock_status sealock_table_from_arrow_array(const sealock_schema *schema,
                                              struct ArrowSchema *arrow_schema,
                                              struct ArrowArray *arrow_array,
                                              int32_t drop_extra,
                                              sealock_table **out,
                                              sealock_error **error);

// Reads a CSV file (RFC 4180) with a header, in memory. An empty field is a missing value.
sealock_status sealock_table_from_csv(const sealock_schema *schema,
                                      const uint8_t *csv,
                                      size_t csv_length,
                                      int32_t drop_extra,
                                      sealock_table **out,
                                      sealock_error **error);

// Opens and reads a CSV file.
sealock_status sealock_table_from_csv_file(const sealock_schema *schema,
                                           const char *path,
                                           int32_t drop_extra,
                                           sealock_table **out,
                                           sealock_error **error);

// Reads a Parquet file, in memory.
sealock_status sealock_table_from_parquet(const sealock_schema *schema,
                                          const uint8_t *parquet,
                                          size_t parquet_length,
                                          int32_t drop_extra,
                                          sealock_table **out,
                                          sealock_error **error);

// Opens and reads a Parquet file.
sealock_status sealock_table_from_parquet_file(const sealock_schema *schema,
                                               const char *path,
                                               int32_t drop_extra,
                                               sealock_table **out,
                                               sealock_error **error);

// How many rows there are.
sealock_status sealock_table_rows(const sealock_table *table, size_t *out, sealock_error **error);

// What the table keeps to.
sealock_status sealock_table_schema(const sealock_table *table, sealock_schema **out, sealock_error **error);

// The table as an Arrow stream: `Boolean`, `Dictionary(Int32, Utf8)`, `Int64`, `Decimal128`, in batches of at most 65,536
// rows. The stream outlives the table; the caller releases it.
sealock_status sealock_table_to_arrow_stream(const sealock_table *table,
                                             struct ArrowArrayStream *out,
                                             sealock_error **error);

// The table as Parquet, compressed with Zstandard. Equal tables give equal bytes.
sealock_status sealock_table_to_parquet(const sealock_table *table,
                                        sealock_buffer **out,
                                        sealock_error **error);

// Frees a table. NULL is fine.
sealock_status sealock_table_free(sealock_table *table);

// ========
// Policies
//
// What an owner lets be asked. Everything that is not allowed is denied.

// The number of rows.
#define SEALOCK_AGGREGATION_COUNT 1

// The sum of a measure.
#define SEALOCK_AGGREGATION_SUM 2

// The mean of a measure.
#define SEALOCK_AGGREGATION_MEAN 3

// Variances and standard deviations of a measure. Its sums and sums of squares leave for them.
#define SEALOCK_AGGREGATION_VARIANCE 4

// Histograms, minima, maxima and quantiles of a dimension. The number of rows in each of its bins leaves for each of them.
#define SEALOCK_AGGREGATION_HISTOGRAM 5

// What an owner lets be asked. `sealock_policy_deny_all` allows nothing; each function allows something more.
//
// Made by: `sealock_policy_deny_all`. Freed by: `sealock_policy_free`. An offer copies it. Thread-safe.
struct sealock_policy;

// Allows nothing, and withholds groups of fewer than 10 rows.
sealock_status sealock_policy_deny_all(sealock_policy **out, sealock_error **error);

// Allows filtering and grouping by these columns. Together they span the asset's cube: every further one makes its cells
// smaller, and `sealock_policy_min_group_size` withhold more.
sealock_status sealock_policy_dimensions(sealock_policy *policy,
                                         const char *const *columns,
                                         size_t count,
                                         sealock_error **error);

// Allows aggregating these columns.
sealock_status sealock_policy_measures(sealock_policy *policy,
                                       const char *const *columns,
                                       size_t count,
                                       sealock_error **error);

// Allows an aggregation: one of the SEALOCK_AGGREGATION_ constants.
sealock_status sealock_policy_aggregation(sealock_policy *policy, int32_t aggregation, sealock_error **error);

// Allows any program within the other rules.
sealock_status sealock_policy_any_program(sealock_policy *policy, sealock_error **error);

// Allows the program with this digest, within the other rules.
sealock_status sealock_policy_program(sealock_policy *policy,
                                      const uint8_t *digest,
                                      size_t digest_length,
                                      sealock_error **error);

// Withholds every combination of all the policy's dimensions that has fewer rows than this. 1 withholds nothing.
// **It counts rows, not people**: somebody who has several counts several times, unless `sealock_policy_entity` says whom
// they are about.
sealock_status sealock_policy_min_group_size(sealock_policy *policy,
                                             uint32_t rows,
                                             sealock_error **error);

// Lets `sealock_policy_min_group_size` count the distinct values of this column, which is an entity in the schema, instead of
// rows. It says nothing about how much of a sum one of them makes up.
sealock_status sealock_policy_entity(sealock_policy *policy,
                                     const char *column,
                                     sealock_error **error);

// Lets buyers of a download decrypt the data itself: see Downloads. **What they have read cannot be taken back, and no group
// is too small for it.**
sealock_status sealock_policy_allow_download(sealock_policy *policy,
                                             sealock_error **error);

// Lets a model score encrypted vectors, at most so many in one job: see Models. **One more vector than the model has features
// tells whoever has the scores every coefficient.**
sealock_status sealock_policy_allow_inference(sealock_policy *policy,
                                              uint32_t max_vectors,
                                              sealock_error **error);

// Answers **only in sums** with assets of all the other `members`, this owner among them. Each is the text that its
// `sealock_owner_member` puts out. See Federated sums. Each member should publish one asset under a rule: of two, whoever
// knows one learns the others' parts.
//
// Every other rule holds for this owner's part as if it were an answer of its own. **Members are trusted not to help the
// consumer, and to name the same members**: it takes two honest ones to hide the part of either.
sealock_status sealock_policy_federation(sealock_policy *policy,
                                         const char *const *members,
                                         size_t count,
                                         sealock_error **error);

// Answers at most this many jobs, over all orders.
sealock_status sealock_policy_max_jobs(sealock_policy *policy, uint64_t jobs, sealock_error **error);

// Answers no job from this time on, in seconds since 1970-01-01 UTC.
sealock_status sealock_policy_expires(sealock_policy *policy, uint64_t at, sealock_error **error);

// Answers each job with noise that is drawn for it, so that it spends a privacy loss ε of this much: a decimal such as "0.5",
// from 0.000001 to 1000 with at most six places. The unit is a row. `sealock_policy_min_group_size` looks at noisy counts then,
// on which part of the loss is spent unless it is 1.
sealock_status sealock_policy_epsilon(sealock_policy *policy,
                                      const char *per_job,
                                      sealock_error **error);

// Publishes only under terms that let one order spend at most this much: its uses, times the loss of each.
sealock_status sealock_policy_epsilon_per_order(sealock_policy *policy,
                                                const char *most,
                                                sealock_error **error);

// Spends at most this much over all jobs of the asset. What is left, `sealock_node_budget` tells; jobs beyond it are refused
// with SEALOCK_ERROR_BUDGET_EXHAUSTED, which only the owner sees.
sealock_status sealock_policy_epsilon_per_asset(sealock_policy *policy,
                                                const char *most,
                                                sealock_error **error);

// Lets each release pass its loss with this probability: a decimal above 0 and below 1, such as "1e-9".
sealock_status sealock_policy_delta(sealock_policy *policy, const char *per_release, sealock_error **error);

// Answers all jobs from one noisy cube, whose noise is drawn when the data is published and spends this much once, however
// many jobs there are.
sealock_status sealock_policy_protected_cube(sealock_policy *policy,
                                             const char *epsilon,
                                             sealock_error **error);

// Counts a value of `column` outside `low` to `high` (decimals) as the nearer of the two in every sum and mean. Noise is as
// large as the largest value may be.
sealock_status sealock_policy_clamp(sealock_policy *policy,
                                    const char *column,
                                    const char *low,
                                    const char *high,
                                    sealock_error **error);

// States what the answers may be used for. Buyers agree to it; nothing can enforce it.
sealock_status sealock_policy_purpose(sealock_policy *policy, const char *purpose, sealock_error **error);

// The rules as JSON.
sealock_status sealock_policy_to_json(const sealock_policy *policy,
                                      sealock_buffer **out,
                                      sealock_error **error);

// The digest that proofs and receipts name the policy by.
sealock_status sealock_policy_digest(const sealock_policy *policy,
                                     uint8_t *out,
                                     size_t out_length,
                                     sealock_error **error);

// Frees a policy. NULL is fine.
sealock_status sealock_policy_free(sealock_policy *policy);

// ================
// Terms and offers
//
// Terms say what an order costs and gives. An offer says what to publish, and under which conditions.

// What to publish, and under which conditions.
//
// Made by: `sealock_offer_new`, `sealock_offer_new_model`. Freed by: `sealock_offer_free`. It holds the table or the model. Thread-safe.
struct sealock_offer;

// What an order costs and gives.
//
// Made by: `sealock_terms_free_of_charge`, `sealock_terms_fixed`. Freed by: `sealock_terms_free`. An offer copies it.
// Thread-safe.
struct sealock_terms;

// Datatokens for nothing. An account that holds `max_per_account` of them is given no more.
sealock_status sealock_terms_free_of_charge(uint64_t max_per_account,
                                            sealock_terms **out,
                                            sealock_error **error);

// Datatokens at `amount` of the token `base_token` each.
sealock_status sealock_terms_fixed(const uint8_t *base_token,
                                   size_t base_token_length,
                                   const char *amount,
                                   sealock_terms **out,
                                   sealock_error **error);

// How many jobs one order admits; 10 if not said.
sealock_status sealock_terms_uses_per_order(sealock_terms *terms, uint64_t uses, sealock_error **error);

// For how many seconds an order admits jobs; 30 days if not said.
sealock_status sealock_terms_valid_for(sealock_terms *terms, uint64_t seconds, sealock_error **error);

// Gives an order its uses anew in every epoch of so many seconds, counted from 1970-01-01 UTC: so many a day for 86,400. If not
// said, it has them once. Whole minutes, at least ten, and no more than the order's validity: `sealock_owner_publish` looks.
sealock_status sealock_terms_renewed_every(sealock_terms *terms,
                                           uint64_t seconds,
                                           sealock_error **error);

// Frees terms. NULL is fine.
sealock_status sealock_terms_free(sealock_terms *terms);

// Offers a table under a name of 4 to 128 characters. Policy and terms are copied; the table is shared.
sealock_status sealock_offer_new(const char *name,
                                 const sealock_table *table,
                                 const sealock_policy *policy,
                                 const sealock_terms *terms,
                                 sealock_offer **out,
                                 sealock_error **error);

// Offers a model under a name of 4 to 128 characters. Policy and terms are copied; the model is shared. The policy needs
// `sealock_policy_allow_inference`.
sealock_status sealock_offer_new_model(const char *name,
                                       const sealock_model *model,
                                       const sealock_policy *policy,
                                       const sealock_terms *terms,
                                       sealock_offer **out,
                                       sealock_error **error);

// What the table is, in 10 to 7000 characters.
sealock_status sealock_offer_description(sealock_offer *offer, const char *text, sealock_error **error);

// Who made it.
sealock_status sealock_offer_author(sealock_offer *offer, const char *text, sealock_error **error);

// Its licence, for instance an SPDX identifier.
sealock_status sealock_offer_license(sealock_offer *offer, const char *text, sealock_error **error);

// The datatoken's symbol.
sealock_status sealock_offer_symbol(sealock_offer *offer, const char *text, sealock_error **error);

// Where its node is reached.
sealock_status sealock_offer_endpoint(sealock_offer *offer, const char *text, sealock_error **error);

// What it is found by. Called again, it replaces.
sealock_status sealock_offer_tags(sealock_offer *offer,
                                  const char *const *tags,
                                  size_t count,
                                  sealock_error **error);

// How many datatokens may exist; any number if not said. Ocean's standard datatokens have no cap, and take none.
sealock_status sealock_offer_cap(sealock_offer *offer,
                                 uint64_t datatokens,
                                 sealock_error **error);

// Who may decrypt the data without an order, as in `sealock_owner_share`. Called again, it replaces.
sealock_status sealock_offer_recipients(sealock_offer *offer,
                                        const uint8_t *recipients,
                                        size_t recipients_length,
                                        sealock_error **error);

// Publishes the table as sealed data: beside what is published otherwise, its columns are encrypted so that executors compute
// on them without reading them. Queries then have no secret literals, and are answered by a releaser with the results of
// executors: see `sealock_releaser`. Of a model, `sealock_owner_publish` refuses it.
//
// Each `sealock_offer_seal_` function does the same, and says how. What is not said: no dimension in the clear, 512 rows in a
// chunk, a canary for each eight chunks, one executor's result suffices, and many rows are packed as well: see
// `sealock_offer_seal_packed`.
// `sealock_owner_publish` checks it.
sealock_status sealock_offer_seal(sealock_offer *offer,
                                  sealock_error **error);

// Dimensions that stay in the clear: **everybody sees each row's cell of them**, all together. Grouping and filtering by them
// costs nothing. With the exact counts of answers they can tell an executor which chunks are canaries. Called again, it
// replaces.
sealock_status sealock_offer_seal_public(sealock_offer *offer,
                                         const char *const *columns,
                                         size_t count,
                                         sealock_error **error);

// At most so many rows in a chunk, 1 to 512. Smaller chunks are more parts of a task, more bytes of results, and more canaries
// to be caught by. Packed chunks have up to 8,192 rows, whatever is said here.
sealock_status sealock_offer_seal_rows_per_chunk(sealock_offer *offer,
                                                 uint32_t rows,
                                                 sealock_error **error);

// Mixes so many chunks of made-up rows among the others, and in proportion among the packed ones, whose answers the owner knows. With 0,
// a wrong result is found by `sealock_offer_seal_quorum` alone.
sealock_status sealock_offer_seal_canaries(sealock_offer *offer,
                                           uint32_t chunks,
                                           sealock_error **error);

// Releases only what so many executors agree on, 1 to 16.
sealock_status sealock_offer_seal_quorum(sealock_offer *offer, uint8_t executors, sealock_error **error);

// Whether the same rows are encrypted a second time, packed: programs with filters of few digits are then computed without
// bootstraps and without an evaluation key. It costs storage, for each 8,192 rows or fewer 29 MB for a dimension of 16 bits.
// If not said, rows without public dimensions are packed, 2,048 or more, if that takes at most 64 MiB or four times the bytes of the
// other chunks. With public dimensions it gives the canaries away: ask for a quorum of two or more. 0 is no, anything else is yes.
sealock_status sealock_offer_seal_packed(sealock_offer *offer,
                                         int32_t packed,
                                         sealock_error **error);

// Frees an offer. NULL is fine.
sealock_status sealock_offer_free(sealock_offer *offer);

// ======
// Owners
//
// The party that publishes. Its node, which answers for what it published, is a handle of its own.

// A party that publishes.
//
// Made by: `sealock_exchange_owner`, `sealock_exchange_owner_afresh`, and the same `_from_key_store`. Freed by: `sealock_owner_free`; the account's node
// closes when its nodes are freed, too. Thread-safe.
struct sealock_owner;

// What publishing did.
//
// Made by: `sealock_owner_publish`, `sealock_owner_update`. Freed by: `sealock_published_free`. It never changes; thread-safe.
struct sealock_published;

// How much of a table the policy withholds. For the owner; it is not published.
typedef struct {
    // `sizeof(sealock_suppression)`, filled in by the caller.
    size_t struct_size;
    // Cells of the cube: combinations of all the policy's dimensions.
    uint64_t cells;
    // Cells that hold rows, but too few.
    uint64_t suppressed_cells;
    // Rows of the table.
    uint64_t rows;
    // Rows in suppressed cells.
    uint64_t suppressed_rows;
    // Values of nullable measures that sums and means leave out although their rows are counted: in their cells, too few
    // rows have a value or lack one.
    uint64_t suppressed_values;
} sealock_suppression;

// Publishes a table: folds it into its protected cube, encrypts and stores it, mints the data NFT and its datatoken, sets
// terms and price, and last the description, by which the asset is found. `watch` may be NULL.
//
// On an exchange with a folder, publishing the same table again goes on where an interrupted or cancelled upload was;
// `sealock_owner_discard_unfinished` gives it up.
//
// Fails with what is wrong with the offer, before anything leaves. A failure on the way leaves an NFT that no consumer
// finds.
sealock_status sealock_owner_publish(const sealock_owner *owner,
                                     const sealock_offer *offer,
                                     const sealock_watch *watch,
                                     sealock_published **out,
                                     sealock_error **error);

// The node that serves this owner's assets. It keeps the owner open until it is freed.
sealock_status sealock_owner_node(const sealock_owner *owner, sealock_node **out, sealock_error **error);

// The owner's address.
sealock_status sealock_owner_address(const sealock_owner *owner,
                                     uint8_t *out,
                                     size_t out_length,
                                     sealock_error **error);

// Frees an owner. NULL is fine.
sealock_status sealock_owner_free(sealock_owner *owner);

// The asset.
sealock_status sealock_published_asset(const sealock_published *published,
                                       sealock_asset **out,
                                       sealock_error **error);

// How much of the table the policy withholds. Set `out->struct_size` before.
sealock_status sealock_published_suppression(const sealock_published *published,
                                             sealock_suppression *out,
                                             sealock_error **error);

// Bytes in the store, as ciphertext.
sealock_status sealock_published_sealed_bytes(const sealock_published *published,
                                              uint64_t *out,
                                              sealock_error **error);

// Whether it is sealed and its rows are encrypted a second time, packed, so that programs of few digits need no bootstraps: as asked
// for by `sealock_offer_seal_packed`, or where it pays. 1 or 0.
sealock_status sealock_published_is_packed(const sealock_published *published,
                                           int32_t *out,
                                           sealock_error **error);

// Frees what publishing put out. NULL is fine. The asset stays published.
sealock_status sealock_published_free(sealock_published *published);

// ======
// Assets
//
// A published asset, as the ledger shows it to everybody.

// No datatoken is on offer.
#define SEALOCK_PRICE_NONE 0

// Datatokens come from a dispenser, for nothing.
#define SEALOCK_PRICE_FREE 1

// Datatokens are sold at a fixed price.
#define SEALOCK_PRICE_FIXED 2

// A published asset.
//
// Made by: `sealock_published_asset`, `sealock_exchange_asset`, `sealock_assets_get`, `sealock_asset_from_bytes`, and what
// changes an asset. Freed by: `sealock_asset_free`. It never changes; thread-safe.
struct sealock_asset;

// A list of how far noise moves numbers.
//
// Made by: `sealock_asset_number_errors`. Freed by: `sealock_number_errors_free`. It never changes; thread-safe.
struct sealock_number_errors;

// What a query, or an inference, will cost and how large its answer will be.
typedef struct {
    // `sizeof(sealock_estimate)`, filled in by the caller.
    size_t struct_size;
    // For how many such queries one order pays.
    uint64_t uses_per_order;
    // The length of the epochs in which an order has its uses anew, in seconds; 0 if it has them once.
    uint64_t renewed_every;
    // Rows of the answer; vectors of an inference.
    uint64_t groups;
    // Encrypted numbers that each row is made of. A mean takes two. An inference has its scores.
    uint64_t numbers;
    // Cells that the encrypted indicator spans: the product of the sizes of the columns compared with secrets. Of an inference,
    // the numbers that are encrypted.
    uint64_t hidden_cells;
    // Length of the request, in bytes.
    uint64_t request_bytes;
    // Length of the sealed result, in bytes.
    uint64_t result_bytes;
    // Time of the encrypted product on one core of this machine, in seconds.
    double compute_seconds;
    // Whether `epsilon` says something.
    int32_t has_epsilon;
    // Privacy budget that the answer spends, where the policy adds noise: 0 where all answers are made of one protected cube.
    double epsilon;
    // Whether `delta` says something.
    int32_t has_delta;
    // With what probability `epsilon` may be passed.
    double delta;
    // Whether `epsilon_limit` says something.
    int32_t has_epsilon_limit;
    // The privacy budget of the whole asset. How much of it is left, its owner's node knows.
    double epsilon_limit;
} sealock_estimate;

// How far noise moves one of the numbers that an answer is made of, in the column's units.
typedef struct {
    // `sizeof(sealock_number_error)`, filled in by the caller.
    size_t struct_size;
    // Standard deviation where the filter picks a single cell.
    double cell_deviation;
    // Noisy cells that a row of the answer sums at most.
    uint64_t cells;
    // Standard deviation where the filter picks all of them.
    double deviation;
    // What the error stays within with a probability of at least 95 %, at the most cells.
    double half_width;
} sealock_number_error;

// The asset's identifier, `did:op:` and 64 hex digits.
sealock_status sealock_asset_did(const sealock_asset *asset, sealock_buffer **out, sealock_error **error);

// The address of the data NFT that stands for it, by which `sealock_exchange_asset` finds it.
sealock_status sealock_asset_nft(const sealock_asset *asset,
                                 uint8_t *out,
                                 size_t out_length,
                                 sealock_error **error);

// The CIDs of what the asset consists of, each the root of a graph of blocks: its encrypted data, and the key that proofs are
// made with. A store that has them all serves the asset.
sealock_status sealock_asset_roots(const sealock_asset *asset,
                                   sealock_texts **out,
                                   sealock_error **error);

// The name of the asset's dataset, a digest, and its epoch: how many times it was encrypted anew.
sealock_status sealock_asset_dataset(const sealock_asset *asset,
                                     uint8_t *out,
                                     size_t out_length,
                                     uint64_t *epoch,
                                     sealock_error **error);

// The address of the datatoken that an order costs one of.
sealock_status sealock_asset_datatoken(const sealock_asset *asset,
                                       uint8_t *out,
                                       size_t out_length,
                                       sealock_error **error);

// The address of who owns the asset and signs its receipts.
sealock_status sealock_asset_owner(const sealock_asset *asset,
                                   uint8_t *out,
                                   size_t out_length,
                                   sealock_error **error);

// The name that it was published under.
sealock_status sealock_asset_name(const sealock_asset *asset, sealock_buffer **out, sealock_error **error);

// The columns.
sealock_status sealock_asset_schema(const sealock_asset *asset, sealock_schema **out, sealock_error **error);

// What may be asked, as JSON.
sealock_status sealock_asset_policy_json(const sealock_asset *asset,
                                         sealock_buffer **out,
                                         sealock_error **error);

// How a datatoken is had: `kind` becomes one of the SEALOCK_PRICE_ constants. `amount` is the price in whole tokens of
// `base_token` for SEALOCK_PRICE_FIXED, and the most datatokens that an account may hold for SEALOCK_PRICE_FREE; the
// address is zero, and the text NULL, where there is none.
sealock_status sealock_asset_price(const sealock_asset *asset,
                                   int32_t *kind,
                                   uint8_t *base_token,
                                   size_t base_token_length,
                                   sealock_buffer **amount,
                                   sealock_error **error);

// What an order gives: how many jobs, and for how many seconds.
sealock_status sealock_asset_order_terms(const sealock_asset *asset,
                                         uint64_t *limit,
                                         uint64_t *validity_secs,
                                         sealock_error **error);

// In what epochs an order has its uses anew, in seconds; 0 if it has them once.
sealock_status sealock_asset_renewed_every(const sealock_asset *asset, uint64_t *out, sealock_error **error);

// An upper bound on the number of rows.
sealock_status sealock_asset_max_rows(const sealock_asset *asset, uint64_t *out, sealock_error **error);

// Whether executors compute on it, over encrypted columns, and a releaser releases: 1 or 0. Otherwise its owner's node does.
sealock_status sealock_asset_is_sealed(const sealock_asset *asset,
                                       int32_t *out,
                                       sealock_error **error);

// Tells what a query will cost. Needs no order, takes nothing, and tells nobody. Set `out->struct_size` before.
//
// Of an asset that answers only in federated sums, it tells the part of a sum of as few parties as its policy allows.
//
// Fails as `sealock_order_request` would: with what is wrong with the query, or the rule that denies it.
sealock_status sealock_asset_estimate(const sealock_asset *asset,
                                      const sealock_query *query,
                                      sealock_estimate *out,
                                      sealock_error **error);

// Tells what it will cost to have so many vectors scored by a model. Set `out->struct_size` before.
//
// Fails as `sealock_order_infer` would.
sealock_status sealock_asset_estimate_inference(const sealock_asset *asset,
                                                uint32_t vectors,
                                                sealock_estimate *out,
                                                sealock_error **error);

// Tells how far noise moves the numbers that the answer to a query is made of: an empty list where the policy draws none.
//
// Fails as `sealock_asset_estimate`.
sealock_status sealock_asset_number_errors(const sealock_asset *asset,
                                           const sealock_query *query,
                                           sealock_number_errors **out,
                                           sealock_error **error);

// How many numbers the list is of.
sealock_status sealock_number_errors_count(const sealock_number_errors *errors,
                                           size_t *out,
                                           sealock_error **error);

// One of the list, counted from 0, with the name of the number: `count`, `sum(visits)`, or `count(visits)` for the rows that
// have a value. Set `out->struct_size` before.
sealock_status sealock_number_errors_get(const sealock_number_errors *errors,
                                         size_t index,
                                         sealock_buffer **name,
                                         sealock_number_error *out,
                                         sealock_error **error);

// Frees a list of errors. NULL is fine.
sealock_status sealock_number_errors_free(sealock_number_errors *errors);

// The asset as its holder sees it, as bytes.
sealock_status sealock_asset_to_bytes(const sealock_asset *asset,
                                      sealock_buffer **out,
                                      sealock_error **error);

// Reads what `sealock_asset_to_bytes` wrote. **It is as good as whoever gave the bytes**: no ledger is asked.
sealock_status sealock_asset_from_bytes(const uint8_t *bytes,
                                        size_t bytes_length,
                                        sealock_asset **out,
                                        sealock_error **error);

// Frees an asset. NULL is fine.
sealock_status sealock_asset_free(sealock_asset *asset);

// =========
// Consumers
//
// The party that buys and asks. Its wallet is open while the consumer, or one of its orders and tickets, lives.

// A party that buys and asks.
//
// Made by: `sealock_exchange_consumer`. Freed by: `sealock_consumer_free`. Thread-safe.
struct sealock_consumer;

// A list of orders.
//
// Made by: `sealock_consumer_orders`. Freed by: `sealock_orders_free`. It never changes; thread-safe.
struct sealock_orders;

// A list of tickets.
//
// Made by: `sealock_consumer_tickets`. Freed by: `sealock_tickets_free`. It never changes; thread-safe.
struct sealock_tickets;

// The address of the account that pays.
sealock_status sealock_consumer_address(const sealock_consumer *consumer,
                                        uint8_t *out,
                                        size_t out_length,
                                        sealock_error **error);

// Gets `count` datatokens of the asset, at its fixed price or from its dispenser. Pays at most the price that
// `sealock_asset_price` shows, and the fees of `sealock_exchange_sale_fees` on top.
//
// Fails with SEALOCK_ERROR_INSUFFICIENT_BALANCE, SEALOCK_ERROR_PRICE_EXCEEDED, SEALOCK_ERROR_DISPENSER_LIMIT,
// SEALOCK_ERROR_NOT_FOR_SALE.
sealock_status sealock_consumer_buy(const sealock_consumer *consumer,
                                    const sealock_asset *asset,
                                    uint32_t count,
                                    sealock_error **error);

// Spends one datatoken on an order of the asset.
//
// Fails with SEALOCK_ERROR_INSUFFICIENT_BALANCE: buy first.
sealock_status sealock_consumer_order(const sealock_consumer *consumer,
                                      const sealock_asset *asset,
                                      sealock_order **out,
                                      sealock_error **error);

// The orders of the asset that this account has made, found on the ledger by the account's key alone.
sealock_status sealock_consumer_orders(const sealock_consumer *consumer,
                                       const sealock_asset *asset,
                                       sealock_orders **out,
                                       sealock_error **error);

// The requests that were made and whose answers have not been forgotten. They open without the ledger, as the asset was
// described when they were made.
sealock_status sealock_consumer_tickets(const sealock_consumer *consumer,
                                        sealock_tickets **out,
                                        sealock_error **error);

// Removes the keys of a request from the wallet. **Its result cannot be opened afterwards.** `job` is what
// `sealock_ticket_job` puts out.
// A job that the wallet does not know is fine.
sealock_status sealock_consumer_forget(const sealock_consumer *consumer,
                                       const uint8_t *job,
                                       size_t job_length,
                                       sealock_error **error);

// Frees a consumer. NULL is fine.
sealock_status sealock_consumer_free(sealock_consumer *consumer);

// How many orders the list holds.
sealock_status sealock_orders_count(const sealock_orders *orders, size_t *out, sealock_error **error);

// An order of the list, counted from 0. It outlives the list.
sealock_status sealock_orders_get(const sealock_orders *orders,
                                  size_t index,
                                  sealock_order **out,
                                  sealock_error **error);

// Frees a list of orders. NULL is fine.
sealock_status sealock_orders_free(sealock_orders *orders);

// How many tickets the list holds.
sealock_status sealock_tickets_count(const sealock_tickets *tickets, size_t *out, sealock_error **error);

// A ticket of the list, counted from 0. It outlives the list.
sealock_status sealock_tickets_get(const sealock_tickets *tickets,
                                   size_t index,
                                   sealock_ticket **out,
                                   sealock_error **error);

// Frees a list of tickets. NULL is fine.
sealock_status sealock_tickets_free(sealock_tickets *tickets);

// ======
// Orders
//
// The right to some number of jobs, which nobody else can use and whose uses nobody can link to it.

// An order.
//
// Made by: `sealock_consumer_order`, `sealock_orders_get`. Freed by: `sealock_order_free`; the order itself stays on the
// ledger. Thread-safe: each request takes a use of its own.
struct sealock_order;

// Makes the request for a query: checks it against the asset's policy, encrypts its secrets, and proves that some order pays
// for it. Takes the order's next use. The keys are in the wallet before this returns. `watch` may be NULL.
//
// Fails with what is wrong with the query, or SEALOCK_ERROR_POLICY_DENIED: nothing was taken then. With
// SEALOCK_ERROR_USE_LIMIT_REACHED, SEALOCK_ERROR_ORDER_EXPIRED.
sealock_status sealock_order_request(const sealock_order *order,
                                     const sealock_query *query,
                                     const sealock_watch *watch,
                                     sealock_ticket **out,
                                     sealock_error **error);

// As `sealock_order_request`, for a use of the caller's choice, counted from 0: for a consumer who has lost the wallet, or
// whose request was rejected because the asset had changed. **A use that was spent before is rejected, and two requests
// with one use can be linked.**
sealock_status sealock_order_request_use(const sealock_order *order,
                                         const sealock_query *query,
                                         uint64_t use_index,
                                         sealock_ticket **out,
                                         sealock_error **error);

// As `sealock_order_request`, without looking at the policy first. The node looks in any case, and **whoever skips the look
// risks a rejection that does not say why**.
sealock_status sealock_order_request_without_policy_check(const sealock_order *order,
                                                          const sealock_query *query,
                                                          sealock_ticket **out,
                                                          sealock_error **error);

// Uses that are left, as far as this wallet knows.
sealock_status sealock_order_uses_left(const sealock_order *order, uint64_t *out, sealock_error **error);

// The last second in which the order is valid, since 1970-01-01 UTC.
sealock_status sealock_order_expiry(const sealock_order *order, uint64_t *out, sealock_error **error);

// The asset.
sealock_status sealock_order_asset(const sealock_order *order, sealock_asset **out, sealock_error **error);

// Frees an order. NULL is fine.
sealock_status sealock_order_free(sealock_order *order);

// =======
// Tickets
//
// The consumer's half of a job: the request to send, and the keys that open its result.

// A request with the keys that open its result.
//
// Made by: `sealock_order_request`, `sealock_order_request_use`, `sealock_order_request_without_policy_check`,
// `sealock_tickets_get`. Freed by: `sealock_ticket_free`; the keys stay in the wallet until `sealock_consumer_forget`.
// Thread-safe.
struct sealock_ticket;

// The request to send. Sending it twice is asking once. Once admitted it is answered at any time; before, its proof is good
// for a few minutes: see `sealock_ticket_renew`.
sealock_status sealock_ticket_request(const sealock_ticket *ticket,
                                      sealock_request **out,
                                      sealock_error **error);

// The name of the job, a digest.
sealock_status sealock_ticket_job(const sealock_ticket *ticket,
                                  uint8_t *out,
                                  size_t out_length,
                                  sealock_error **error);

// Proves the same request again, for the present time and group. It stays the same job with the same use.
//
// Fails with SEALOCK_ERROR_DEADLINE_PASSED, SEALOCK_ERROR_ORDER_EXPIRED; the request is as it was then.
sealock_status sealock_ticket_renew(sealock_ticket *ticket, sealock_error **error);

// Opens the result: checks that the receipt is the owner's and is about this job and this result, and decrypts.
//
// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for a receipt or a result of another job; with SEALOCK_ERROR_BAD_SIGNATURE or
// SEALOCK_ERROR_WRONG_KEY for one that is not for this request, or was changed.
sealock_status sealock_ticket_open(const sealock_ticket *ticket,
                                   const sealock_result *result,
                                   const sealock_receipt *receipt,
                                   sealock_answer **out,
                                   sealock_error **error);

// Frees a ticket. NULL is fine.
sealock_status sealock_ticket_free(sealock_ticket *ticket);

// ====================
// Requests and results
//
// What travels between consumer and node. Both are public: they hold ciphertext alone.

// A request for one job.
//
// Made by: `sealock_ticket_request`, `sealock_download_ticket_request`, `sealock_inference_ticket_request`,
// `sealock_federated_ticket_request`, `sealock_request_from_bytes`. Freed by: `sealock_request_free`. It never changes;
// thread-safe.
struct sealock_request;

// A result that only the consumer can open.
//
// Made by: `sealock_node_run`, `sealock_node_release`, `sealock_releaser_release`, `sealock_remote_node_run`,
// `sealock_remote_node_fetch`, `sealock_result_from_bytes`. Freed by: `sealock_result_free`. It never changes; thread-safe.
struct sealock_result;

// The request's canonical encoding, to be sent.
sealock_status sealock_request_to_bytes(const sealock_request *request,
                                        sealock_buffer **out,
                                        sealock_error **error);

// Reads a request. Its proof is not checked: only a node does that.
sealock_status sealock_request_from_bytes(const uint8_t *bytes,
                                          size_t bytes_length,
                                          sealock_request **out,
                                          sealock_error **error);

// The name of the job, a digest.
sealock_status sealock_request_job(const sealock_request *request,
                                   uint8_t *out,
                                   size_t out_length,
                                   sealock_error **error);

// The identifier of the asset that it is about.
sealock_status sealock_request_asset(const sealock_request *request,
                                     sealock_buffer **out,
                                     sealock_error **error);

// The identifiers of all assets that are asked together, its own among them, if the request is a part of a federated sum;
// none if it is not.
sealock_status sealock_request_parties(const sealock_request *request,
                                       sealock_texts **out,
                                       sealock_error **error);

// When it lapses, in seconds since 1970-01-01 UTC.
sealock_status sealock_request_deadline(const sealock_request *request, uint64_t *out, sealock_error **error);

// Frees a request. NULL is fine.
sealock_status sealock_request_free(sealock_request *request);

// The result's canonical encoding, to be sent.
sealock_status sealock_result_to_bytes(const sealock_result *result,
                                       sealock_buffer **out,
                                       sealock_error **error);

// Reads a result.
sealock_status sealock_result_from_bytes(const uint8_t *bytes,
                                         size_t bytes_length,
                                         sealock_result **out,
                                         sealock_error **error);

// The name of the job that it answers, a digest.
sealock_status sealock_result_job(const sealock_result *result,
                                  uint8_t *out,
                                  size_t out_length,
                                  sealock_error **error);

// The digest that the receipt names it by. Equal results have equal digests.
sealock_status sealock_result_digest(const sealock_result *result,
                                     uint8_t *out,
                                     size_t out_length,
                                     sealock_error **error);

// Frees a result. NULL is fine.
sealock_status sealock_result_free(sealock_result *result);

// ========
// Receipts
//
// What an owner signs for every job, each chained to the one before.

// A signed statement about one job.
//
// Made by: `sealock_node_run`, `sealock_node_release`, `sealock_releaser_release`, `sealock_remote_node_run`,
// `sealock_remote_node_fetch`, `sealock_receipts_get`, `sealock_receipt_from_bytes`. Freed by: `sealock_receipt_free`. It never
// changes; thread-safe.
struct sealock_receipt;

// A list of receipts.
//
// Made by: `sealock_node_receipts`. Freed by: `sealock_receipts_free`. It never changes; thread-safe.
struct sealock_receipts;

// What a receipt says. Its texts are `sealock_receipt_asset` and `sealock_receipt_device`.
typedef struct {
    // `sizeof(sealock_statement)`, filled in by the caller.
    size_t struct_size;
    // Position in the node's chain, from 0.
    uint64_t number;
    // When the result was released, in seconds since 1970-01-01 UTC.
    uint64_t released_at;
    // Digest of the receipt before, or of the owner's address for the first.
    uint8_t previous[SEALOCK_DIGEST_BYTES];
    // The job.
    uint8_t job[SEALOCK_DIGEST_BYTES];
    // Digest of the program that ran.
    uint8_t program[SEALOCK_DIGEST_BYTES];
    // Digest of the policy that it ran under.
    uint8_t policy[SEALOCK_DIGEST_BYTES];
    // Digest of what was computed on.
    uint8_t data[SEALOCK_DIGEST_BYTES];
    // The use that paid for it.
    uint8_t nullifier[SEALOCK_NULLIFIER_BYTES];
    // Digest of the sealed result.
    uint8_t result[SEALOCK_DIGEST_BYTES];
    // Whether `epsilon_micros` says something.
    int32_t has_epsilon;
    // Privacy budget that the answer spent, in millionths, where the policy adds noise.
    uint64_t epsilon_micros;
} sealock_statement;

// How the results of executors were checked, of a job over sealed data. Who agreed is `sealock_receipt_executors`.
typedef struct {
    // `sizeof(sealock_executed)`, filled in by the caller.
    size_t struct_size;
    // How many executors had to agree.
    uint64_t quorum;
    // How many results the releaser was given.
    uint64_t results;
    // How many canaries each of the results that agreed was compared with.
    uint64_t canaries;
} sealock_executed;

// What the receipt says. **Call `sealock_receipt_verify` first.** Set `out->struct_size` before.
sealock_status sealock_receipt_statement(const sealock_receipt *receipt,
                                         sealock_statement *out,
                                         sealock_error **error);

// The identifier of the asset that it is about.
sealock_status sealock_receipt_asset(const sealock_receipt *receipt,
                                     sealock_buffer **out,
                                     sealock_error **error);

// The device that computed.
sealock_status sealock_receipt_device(const sealock_receipt *receipt,
                                      sealock_buffer **out,
                                      sealock_error **error);

// How the results of executors were checked, if the job was over sealed data: `present` is 1 then, and 0 otherwise. Set
// `out->struct_size` before.
sealock_status sealock_receipt_executed(const sealock_receipt *receipt,
                                        int32_t *present,
                                        sealock_executed *out,
                                        sealock_error **error);

// The addresses of the executors that agreed, as texts; none if the job was not over sealed data.
sealock_status sealock_receipt_executors(const sealock_receipt *receipt,
                                         sealock_texts **out,
                                         sealock_error **error);

// Checks that `owner`, an address, signed it.
//
// Fails with SEALOCK_ERROR_BAD_SIGNATURE otherwise.
sealock_status sealock_receipt_verify(const sealock_receipt *receipt,
                                      const uint8_t *owner,
                                      size_t owner_length,
                                      sealock_error **error);

// The digest that the next receipt names this one by.
sealock_status sealock_receipt_digest(const sealock_receipt *receipt,
                                      uint8_t *out,
                                      size_t out_length,
                                      sealock_error **error);

// The receipt's canonical encoding.
sealock_status sealock_receipt_to_bytes(const sealock_receipt *receipt,
                                        sealock_buffer **out,
                                        sealock_error **error);

// Reads a receipt. Its signature is not checked: call `sealock_receipt_verify`.
sealock_status sealock_receipt_from_bytes(const uint8_t *bytes,
                                          size_t bytes_length,
                                          sealock_receipt **out,
                                          sealock_error **error);

// Frees a receipt. NULL is fine.
sealock_status sealock_receipt_free(sealock_receipt *receipt);

// How many receipts the list holds.
sealock_status sealock_receipts_count(const sealock_receipts *receipts, size_t *out, sealock_error **error);

// A receipt of the list, counted from 0. It outlives the list.
sealock_status sealock_receipts_get(const sealock_receipts *receipts,
                                    size_t index,
                                    sealock_receipt **out,
                                    sealock_error **error);

// Checks `count` receipts as a whole chain of `owner`, an address: every signature, every number, every link, from the
// first on. **It cannot see that the latest receipts are missing**, nor that the owner signed a second chain.
//
// Fails with SEALOCK_ERROR_BAD_SIGNATURE for the first receipt that does not stand.
sealock_status sealock_verify_chain(const uint8_t *owner,
                                    size_t owner_length,
                                    const sealock_receipt *const *receipts,
                                    size_t count,
                                    sealock_error **error);

// As `sealock_verify_chain`, of a list.
sealock_status sealock_receipts_verify_chain(const sealock_receipts *receipts,
                                             const uint8_t *owner,
                                             size_t owner_length,
                                             sealock_error **error);

// Frees a list of receipts. NULL is fine.
sealock_status sealock_receipts_free(sealock_receipts *receipts);

// =====
// Nodes
//
// The node of one owner admits jobs, computes and releases:
//
// request --admit--> grant --compute--> computed --release--> result, receipt
//
// Each step uses up what the one before made: a grant or a computed job that was passed on is refused when it is passed
// again, and all that is left to do is to free it. `sealock_node_run` takes all three.

// The job was never admitted.
#define SEALOCK_JOB_UNKNOWN 0

// The job was admitted, and is not complete.
#define SEALOCK_JOB_ADMITTED 1

// The job is complete.
#define SEALOCK_JOB_COMPLETE 2

// A computed job, not yet released.
//
// Made by: `sealock_node_compute`. Used up by: `sealock_node_release`. Freed by: `sealock_computed_free`; the job stays
// on record. Thread-safe.
struct sealock_computed;

// The right to one job, which the node has checked and the order has paid for.
//
// Made by: `sealock_node_admit`, `sealock_node_admit_bytes`, `sealock_releaser_grant`. Used up by: `sealock_node_compute`,
// `sealock_releaser_release`. Freed by: `sealock_grant_free`; the job stays on record. Thread-safe.
struct sealock_grant;

// The node of an owner, serving the owner's assets.
//
// Made by: `sealock_owner_node`. Freed by: `sealock_node_free`. Thread-safe: jobs run side by side.
struct sealock_node;

// A list of refusals, oldest first.
//
// Made by: `sealock_node_refusals`. Freed by: `sealock_refusals_free`. It never changes; thread-safe.
struct sealock_refusals;

// What a node has on record about a job.
typedef struct {
    // `sizeof(sealock_job)`, filled in by the caller.
    size_t struct_size;
    // One of the SEALOCK_JOB_ constants. Nothing else is filled in for SEALOCK_JOB_UNKNOWN.
    int32_t state;
    // When it was admitted, in seconds since 1970-01-01 UTC.
    uint64_t admitted_at;
    // The number of its receipt, for SEALOCK_JOB_COMPLETE.
    uint64_t receipt;
    // Digest of its program.
    uint8_t program[SEALOCK_DIGEST_BYTES];
    // Digest of the policy that it was admitted under.
    uint8_t policy[SEALOCK_DIGEST_BYTES];
    // The use that paid for it.
    uint8_t nullifier[SEALOCK_NULLIFIER_BYTES];
} sealock_job;

// What an asset has spent of its privacy budget, and what it has in all.
typedef struct {
    // `sizeof(sealock_budget)`, filled in by the caller.
    size_t struct_size;
    // Spent by the jobs that were admitted, or by protected cubes that were made, in millionths of ε.
    uint64_t spent_micros;
    // Whether the policy limits it.
    int32_t has_limit;
    // The limit, in millionths of ε.
    uint64_t limit_micros;
} sealock_budget;

// The address that signs this node's receipts.
sealock_status sealock_node_address(const sealock_node *node,
                                    uint8_t *out,
                                    size_t out_length,
                                    sealock_error **error);

// Admits, computes and releases. The same request again gives the result of the first time, and costs nothing. `watch` may
// be NULL.
//
// Fails with SEALOCK_ERROR_REJECTED, which says no more; the reason is in `sealock_node_refusals`. Other errors are the
// node's own failures, and spend nothing: SEALOCK_ERROR_LOCKED while the same request is computed by another call. Send it
// again when that one is done.
sealock_status sealock_node_run(const sealock_node *node,
                                const sealock_request *request,
                                const sealock_watch *watch,
                                sealock_result **result,
                                sealock_receipt **receipt,
                                sealock_error **error);

// Admits a job: checks the request, its program against the policy and its proof against the group, and spends the use.
//
// Fails as `sealock_node_run`.
sealock_status sealock_node_admit(const sealock_node *node,
                                  const sealock_request *request,
                                  sealock_grant **out,
                                  sealock_error **error);

// As `sealock_node_admit`, for a request as it arrived. Bytes that are no request are rejected like any other.
sealock_status sealock_node_admit_bytes(const sealock_node *node,
                                        const uint8_t *request,
                                        size_t request_length,
                                        sealock_grant **out,
                                        sealock_error **error);

// Computes the answer, encrypted under the consumer's key. Uses the grant up, also when it fails; the same request is
// granted again then.
//
// Fails with SEALOCK_ERROR_LOCKED while the same job is computed elsewhere; with SEALOCK_ERROR_INVALID_ARGUMENT for a job over
// sealed data, which executors compute, and for a grant of another node, which is not used up.
sealock_status sealock_node_compute(const sealock_node *node,
                                    sealock_grant *grant,
                                    sealock_computed **out,
                                    sealock_error **error);

// Seals the answer to the consumer, signs a receipt, and records both before either is put out. Uses the computed job up,
// unless it is another node's: SEALOCK_ERROR_INVALID_ARGUMENT.
sealock_status sealock_node_release(const sealock_node *node,
                                    sealock_computed *computed,
                                    sealock_result **result,
                                    sealock_receipt **receipt,
                                    sealock_error **error);

// Completes the jobs that were admitted before the node stopped, and puts out how many.
//
// Fails with the first failure, after every job has been tried.
sealock_status sealock_node_resume(const sealock_node *node, size_t *out, sealock_error **error);

// What is on record about a job, by its name. Set `out->struct_size` before.
sealock_status sealock_node_job(const sealock_node *node,
                                const uint8_t *job,
                                size_t job_length,
                                sealock_job *out,
                                sealock_error **error);

// What an asset of this node has spent of its privacy budget. **For the owner alone.** Set `out->struct_size` before.
sealock_status sealock_node_budget(const sealock_node *node,
                                   const sealock_asset *asset,
                                   sealock_budget *out,
                                   sealock_error **error);

// Every receipt, in order: see `sealock_receipts_verify_chain`.
sealock_status sealock_node_receipts(const sealock_node *node, sealock_receipts **out, sealock_error **error);

// The latest refusals with their reasons. **For the owner alone.**
sealock_status sealock_node_refusals(const sealock_node *node, sealock_refusals **out, sealock_error **error);

// Frees a node. NULL is fine.
sealock_status sealock_node_free(sealock_node *node);

// Frees a grant. NULL is fine.
sealock_status sealock_grant_free(sealock_grant *grant);

// Frees a computed job. NULL is fine.
sealock_status sealock_computed_free(sealock_computed *computed);

// How many refusals the list holds.
sealock_status sealock_refusals_count(const sealock_refusals *refusals, size_t *out, sealock_error **error);

// A refusal of the list, counted from 0: when (seconds since 1970-01-01 UTC), of which kind (the number of an error), the
// asset that was named (not checked), and the reason.
sealock_status sealock_refusals_get(const sealock_refusals *refusals,
                                    size_t index,
                                    uint64_t *at,
                                    sealock_status *code,
                                    sealock_buffer **asset,
                                    sealock_buffer **reason,
                                    sealock_error **error);

// Frees a list of refusals. NULL is fine.
sealock_status sealock_refusals_free(sealock_refusals *refusals);

// =======================
// Nodes that are far away
//
// An exchange on somebody else's node, which is reached over HTTP: its blocks are fetched and checked against their CIDs, its
// ledger is followed and recomputed here, and requests go to the node. Consumers do with it what they do with an exchange in
// a folder; only `sealock_remote_node_run` takes the place of `sealock_node_run`.
//
// The node runs elsewhere, mostly by the command `sealock-node`: this library serves none. It learns from a request what any
// node learns, and the network's own: which address asked when. An address that buys and asks links the two, whatever the
// proof hides.
//
// A node that has too much to do says SEALOCK_ERROR_BUSY, and spends nothing.

// The job was admitted, and waits.
#define SEALOCK_REMOTE_JOB_QUEUED 0

// It is being computed.
#define SEALOCK_REMOTE_JOB_RUNNING 1

// Its result is there.
#define SEALOCK_REMOTE_JOB_COMPLETE 2

// It was given up. Its use is spent; the same request again takes it up.
#define SEALOCK_REMOTE_JOB_CANCELLED 3

// The node could not complete it, for a reason of its own. The same request again takes it up.
#define SEALOCK_REMOTE_JOB_FAILED 4

// It was complete, and its result is no longer kept.
#define SEALOCK_REMOTE_JOB_EXPIRED 5

// A node that is far away.
//
// Made by: `sealock_exchange_node`. Freed by: `sealock_remote_node_free`. Thread-safe: jobs run side by side.
struct sealock_remote_node;

// How to talk to a node. Fill it with zeros, then set what is wanted: what is 0 or NULL is as if it was not said.
typedef struct {
    // `sizeof(sealock_remote_options)`.
    size_t struct_size;
    // How long one exchange of messages may take, in milliseconds: 60,000 if not said. Progress and long results have as
    // long as they go on.
    uint64_t timeout;
    // For how long a job is asked for again while the node cannot be reached or is busy, in milliseconds: 120,000 if not
    // said. A node that restarts in the meantime has lost nothing.
    uint64_t patience;
    // A file of certificates (PEM) that are trusted: those of the web if not said.
    const char *certificates_path;
} sealock_remote_options;

// What a node says of itself.
typedef struct {
    // `sizeof(sealock_node_info)`, filled in by the caller.
    size_t struct_size;
    // The address that signs its receipts, as it says. What an asset's receipts must be signed by is what the ledger says.
    uint8_t address[SEALOCK_ADDRESS_BYTES];
    // The address of its ledger.
    uint8_t ledger[SEALOCK_ADDRESS_BYTES];
    // The chain id of its ledger.
    uint64_t chain_id;
    // Whether it has the ledger, so that exchanges follow it there.
    int32_t serves_ledger;
    // The longest request, in bytes.
    uint64_t max_request_bytes;
    // The longest result, in bytes.
    uint64_t max_result_bytes;
    // For how long a result is kept that nobody discards, in seconds.
    uint64_t result_retention;
} sealock_node_info;

// How far a job is.
typedef struct {
    // `sizeof(sealock_remote_job)`, filled in by the caller.
    size_t struct_size;
    // One of the SEALOCK_REMOTE_JOB_ constants.
    int32_t state;
    // How many jobs are before it while it waits, or SEALOCK_UNKNOWN.
    uint64_t ahead;
    // Length of its result in bytes once it is complete, or SEALOCK_UNKNOWN.
    uint64_t result_bytes;
    // Until when its result is kept once it is complete, in seconds since 1970-01-01 UTC, or SEALOCK_UNKNOWN.
    uint64_t kept_until;
} sealock_remote_job;

// An exchange on the node at `url`, for instance `http://127.0.0.1:8030`. What a consumer keeps, a replica of the node's
// ledger and the blocks that were read are in `folder`, which is made if there is none. If `folder` is NULL nothing is kept:
// **the keys that open results are gone with the exchange.** `options` may be NULL.
//
// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for what is no node's address, for a file of certificates that has none, and for
// a node that does not serve its ledger: see `sealock_exchange_connect_on`; with SEALOCK_ERROR_UNREACHABLE or
// SEALOCK_ERROR_TIMEOUT if no node answers; with SEALOCK_ERROR_CORRUPT_STATE if its ledger is not the one that was followed in
// this folder before; with SEALOCK_ERROR_LOCKED while another process has the folder open.
sealock_status sealock_exchange_connect(const char *url,
                                        const char *folder,
                                        const sealock_remote_options *options,
                                        sealock_exchange **out,
                                        sealock_error **error);

// As `sealock_exchange_connect`, on a ledger that is reached otherwise: for a node on Ocean's contracts. The ledger's handle
// stays the caller's.
//
// Fails as `sealock_exchange_connect`; with SEALOCK_ERROR_INVALID_ARGUMENT if the ledger is not the node's.
sealock_status sealock_exchange_connect_on(const char *url,
                                           const char *folder,
                                           const sealock_ledger *ledger,
                                           const sealock_remote_options *options,
                                           sealock_exchange **out,
                                           sealock_error **error);

// The node that an exchange of `sealock_exchange_connect` is on.
//
// Fails with SEALOCK_ERROR_NOT_FOUND for any other exchange.
sealock_status sealock_exchange_node(const sealock_exchange *exchange,
                                     sealock_remote_node **out,
                                     sealock_error **error);

// The node's address, as it was connected to.
sealock_status sealock_remote_node_url(const sealock_remote_node *node,
                                       sealock_buffer **out,
                                       sealock_error **error);

// The version of Sealock that the node runs, as it said when it was connected to.
sealock_status sealock_remote_node_version(const sealock_remote_node *node,
                                           sealock_buffer **out,
                                           sealock_error **error);

// What the node said of itself when it was connected to. Set `out->struct_size` before.
sealock_status sealock_remote_node_info(const sealock_remote_node *node,
                                        sealock_node_info *out,
                                        sealock_error **error);

// The identifiers of the assets that the node says it serves. What an asset is, the ledger says: `sealock_exchange_assets`.
//
// Fails with SEALOCK_ERROR_UNREACHABLE or SEALOCK_ERROR_TIMEOUT.
sealock_status sealock_remote_node_assets(const sealock_remote_node *node,
                                          sealock_texts **out,
                                          sealock_error **error);

// Sends a request and waits for its result: `sealock_node_run`, from afar. The same request again gives the result of the
// first time, and costs nothing. While the node cannot be reached or is busy it is asked again, for as long as
// `sealock_remote_options.patience` says; one that has restarted in the meantime goes on where it was. `watch` may be NULL.
//
// A call that is cancelled has given the wait up, not the job: the same request again finds it, and
// `sealock_remote_node_cancel` gives it up.
//
// Fails with SEALOCK_ERROR_REJECTED, which says no more; with SEALOCK_ERROR_BUSY, SEALOCK_ERROR_UNREACHABLE or
// SEALOCK_ERROR_TIMEOUT after its patience; with SEALOCK_ERROR_NOT_FOUND for a job whose result is no longer kept; with
// SEALOCK_ERROR_INTERNAL for one that the node has given up on.
sealock_status sealock_remote_node_run(const sealock_remote_node *node,
                                       const sealock_request *request,
                                       const sealock_watch *watch,
                                       sealock_result **result,
                                       sealock_receipt **receipt,
                                       sealock_error **error);

// Sends a request and does not wait. It is on record at the node when this returns; sending it again is asking once. Set
// `out->struct_size` before.
//
// Fails with SEALOCK_ERROR_REJECTED; with SEALOCK_ERROR_BUSY; with SEALOCK_ERROR_UNREACHABLE or SEALOCK_ERROR_TIMEOUT.
sealock_status sealock_remote_node_submit(const sealock_remote_node *node,
                                          const sealock_request *request,
                                          sealock_remote_job *out,
                                          sealock_error **error);

// How far a job is. Set `out->struct_size` before.
//
// Fails with SEALOCK_ERROR_NOT_FOUND for one that the node does not know, or that somebody else asked for; with
// SEALOCK_ERROR_UNREACHABLE or SEALOCK_ERROR_TIMEOUT.
sealock_status sealock_remote_node_status(const sealock_remote_node *node,
                                          const sealock_request *request,
                                          sealock_remote_job *out,
                                          sealock_error **error);

// Gives a job up that is not complete. Its use stays spent: the same request again takes it up. Set `out->struct_size`
// before.
//
// Fails as `sealock_remote_node_status`.
sealock_status sealock_remote_node_cancel(const sealock_remote_node *node,
                                          const sealock_request *request,
                                          sealock_remote_job *out,
                                          sealock_error **error);

// The result and the receipt of a job that is complete, without sending its request again.
//
// Fails with SEALOCK_ERROR_NOT_FOUND for a job that is not complete, or whose result is no longer kept; otherwise as
// `sealock_remote_node_status`.
sealock_status sealock_remote_node_fetch(const sealock_remote_node *node,
                                         const sealock_request *request,
                                         sealock_result **result,
                                         sealock_receipt **receipt,
                                         sealock_error **error);

// Tells the node that it need not keep the result of a job any longer.
//
// Fails as `sealock_remote_node_status`.
sealock_status sealock_remote_node_discard(const sealock_remote_node *node,
                                           const sealock_request *request,
                                           sealock_error **error);

// Frees the handle of a node. NULL is fine. Its exchange goes on.
sealock_status sealock_remote_node_free(sealock_remote_node *node);

// ==========
// Recipients
//
// Whom an owner lets decrypt data without an order, named by a public X25519 key. A list of recipients is passed as their
// public keys one after the other, SEALOCK_RECIPIENT_BYTES each, with the length of them all in bytes.

// Bytes of a recipient's public key.
#define SEALOCK_RECIPIENT_BYTES 32

// A recipient's secret key.
//
// Made by: `sealock_recipient_key_generate`, `sealock_recipient_key_from_secret`. Freed by: `sealock_recipient_key_free`,
// which wipes it. It never changes; thread-safe.
struct sealock_recipient_key;

// SEALOCK_RECIPIENT_BYTES, as this library has it.
size_t sealock_recipient_bytes(void);

// Makes a fresh key from the operating system's randomness.
sealock_status sealock_recipient_key_generate(sealock_recipient_key **out, sealock_error **error);

// The key of SEALOCK_SECRET_BYTES secret bytes. Wipe your copy with `sealock_wipe`.
sealock_status sealock_recipient_key_from_secret(const uint8_t *secret,
                                                 size_t secret_length,
                                                 sealock_recipient_key **out,
                                                 sealock_error **error);

// The public key, SEALOCK_RECIPIENT_BYTES bytes: what to give the owner.
sealock_status sealock_recipient_key_public(const sealock_recipient_key *key,
                                            uint8_t *out,
                                            size_t out_length,
                                            sealock_error **error);

// Copies the secret key out, SEALOCK_SECRET_BYTES bytes, for a key store alone. **Wipe the copy** with `sealock_wipe`.
sealock_status sealock_recipient_key_expose_secret(const sealock_recipient_key *key,
                                                   uint8_t *out,
                                                   size_t out_length,
                                                   sealock_error **error);

// Wipes and frees a key. NULL is fine.
sealock_status sealock_recipient_key_free(sealock_recipient_key *key);

// =========
// Downloads
//
// The data itself, for whoever the owner lets decrypt it. Where a policy says `sealock_policy_allow_download`, a consumer
// orders a download, and sends a request as for a query; the node's result holds the data's key, sealed for the ticket. Who
// was named as a recipient opens the data with `sealock_exchange_open_shared`, and the owner with `sealock_owner_download`.
//
// An order of downloads pays for no query, nor the other way round.

// An asset's data, in the hands of somebody who may decrypt it. Nothing is read until it is asked for; then no more is
// fetched and decrypted than is asked for, and all of it is checked.
//
// Made by: `sealock_download_ticket_open`, `sealock_exchange_open_shared`, `sealock_owner_download`. Freed by:
// `sealock_download_free`, which wipes the key. Thread-safe.
struct sealock_download;

// An order of an asset's data: the right to its key, some number of times.
//
// Made by: `sealock_consumer_order_download`, `sealock_download_orders_get`. Freed by: `sealock_download_order_free`; the
// order itself stays on the ledger. Thread-safe: each request takes a use of its own.
struct sealock_download_order;

// A list of orders of data.
//
// Made by: `sealock_consumer_download_orders`. Freed by: `sealock_download_orders_free`. It never changes; thread-safe.
struct sealock_download_orders;

// A request for data with the key that its result is sealed to.
//
// Made by: `sealock_download_order_request`, `sealock_download_order_request_use`, `sealock_download_tickets_get`. Freed by:
// `sealock_download_ticket_free`; the keys stay in the wallet until `sealock_consumer_forget`. Thread-safe.
struct sealock_download_ticket;

// A list of tickets of downloads.
//
// Made by: `sealock_consumer_download_tickets`. Freed by: `sealock_download_tickets_free`. It never changes; thread-safe.
struct sealock_download_tickets;

// Spends one datatoken on an order of the data itself.
//
// Fails with SEALOCK_ERROR_POLICY_DENIED if the asset's policy allows no download; with SEALOCK_ERROR_INSUFFICIENT_BALANCE:
// buy first.
sealock_status sealock_consumer_order_download(const sealock_consumer *consumer,
                                               const sealock_asset *asset,
                                               sealock_download_order **out,
                                               sealock_error **error);

// As `sealock_consumer_orders`, the orders of the data itself.
sealock_status sealock_consumer_download_orders(const sealock_consumer *consumer,
                                                const sealock_asset *asset,
                                                sealock_download_orders **out,
                                                sealock_error **error);

// As `sealock_consumer_tickets`, the requests for data itself.
sealock_status sealock_consumer_download_tickets(const sealock_consumer *consumer,
                                                 sealock_download_tickets **out,
                                                 sealock_error **error);

// Makes the request for the data's key, and proves that some order pays for it. Takes the order's next use. The keys are in
// the wallet before this returns. `watch` may be NULL.
//
// Fails with SEALOCK_ERROR_POLICY_DENIED, and nothing was taken then; with SEALOCK_ERROR_USE_LIMIT_REACHED,
// SEALOCK_ERROR_ORDER_EXPIRED.
sealock_status sealock_download_order_request(const sealock_download_order *order,
                                              const sealock_watch *watch,
                                              sealock_download_ticket **out,
                                              sealock_error **error);

// As `sealock_download_order_request`, for a use of the caller's choice, counted from 0: see `sealock_order_request_use`.
sealock_status sealock_download_order_request_use(const sealock_download_order *order,
                                                  uint64_t use_index,
                                                  sealock_download_ticket **out,
                                                  sealock_error **error);

// Uses that are left, as far as this wallet knows.
sealock_status sealock_download_order_uses_left(const sealock_download_order *order,
                                                uint64_t *out,
                                                sealock_error **error);

// The last second in which the order is valid, since 1970-01-01 UTC.
sealock_status sealock_download_order_expiry(const sealock_download_order *order,
                                             uint64_t *out,
                                             sealock_error **error);

// The asset.
sealock_status sealock_download_order_asset(const sealock_download_order *order,
                                            sealock_asset **out,
                                            sealock_error **error);

// Frees an order. NULL is fine.
sealock_status sealock_download_order_free(sealock_download_order *order);

// How many orders the list holds.
sealock_status sealock_download_orders_count(const sealock_download_orders *orders,
                                             size_t *out,
                                             sealock_error **error);

// An order of the list, counted from 0. It outlives the list.
sealock_status sealock_download_orders_get(const sealock_download_orders *orders,
                                           size_t index,
                                           sealock_download_order **out,
                                           sealock_error **error);

// Frees a list of orders. NULL is fine.
sealock_status sealock_download_orders_free(sealock_download_orders *orders);

// The request to send, see `sealock_ticket_request`. A node runs it like any other.
sealock_status sealock_download_ticket_request(const sealock_download_ticket *ticket,
                                               sealock_request **out,
                                               sealock_error **error);

// The name of the job, a digest.
sealock_status sealock_download_ticket_job(const sealock_download_ticket *ticket,
                                           uint8_t *out,
                                           size_t out_length,
                                           sealock_error **error);

// Proves the same request again, see `sealock_ticket_renew`.
sealock_status sealock_download_ticket_renew(sealock_download_ticket *ticket, sealock_error **error);

// Opens the result: checks that the receipt is the owner's and is about this request and this result, unwraps the key, and
// checks that it opens the data that the asset describes.
//
// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for a receipt or a result of another job; with SEALOCK_ERROR_BAD_SIGNATURE or
// SEALOCK_ERROR_WRONG_KEY for one that is not for this request, or was changed; with SEALOCK_ERROR_INVALID_MANIFEST for the key of other data.
sealock_status sealock_download_ticket_open(const sealock_download_ticket *ticket,
                                            const sealock_result *result,
                                            const sealock_receipt *receipt,
                                            sealock_download **out,
                                            sealock_error **error);

// Frees a ticket. NULL is fine.
sealock_status sealock_download_ticket_free(sealock_download_ticket *ticket);

// How many tickets the list holds.
sealock_status sealock_download_tickets_count(const sealock_download_tickets *tickets,
                                              size_t *out,
                                              sealock_error **error);

// A ticket of the list, counted from 0. It outlives the list.
sealock_status sealock_download_tickets_get(const sealock_download_tickets *tickets,
                                            size_t index,
                                            sealock_download_ticket **out,
                                            sealock_error **error);

// Frees a list of tickets. NULL is fine.
sealock_status sealock_download_tickets_free(sealock_download_tickets *tickets);

// Opens an asset's data with a key that its owner has shared it with. It takes no order, and tells nobody. The exchange's
// store has to reach the data; no ledger is asked.
//
// Fails with SEALOCK_ERROR_WRONG_KEY if the key is no recipient's; with SEALOCK_ERROR_NOT_FOUND.
sealock_status sealock_exchange_open_shared(const sealock_exchange *exchange,
                                            const sealock_asset *asset,
                                            const sealock_recipient_key *key,
                                            sealock_download **out,
                                            sealock_error **error);

// The data of an asset of this owner's.
//
// Fails with SEALOCK_ERROR_KEY_DESTROYED; with SEALOCK_ERROR_NOT_FOUND if the key store has no key of it.
sealock_status sealock_owner_download(const sealock_owner *owner,
                                      const sealock_asset *asset,
                                      sealock_download **out,
                                      sealock_error **error);

// The asset.
sealock_status sealock_download_asset(const sealock_download *download,
                                      sealock_asset **out,
                                      sealock_error **error);

// The CID of the signed manifest that says what the data consists of.
sealock_status sealock_download_manifest(const sealock_download *download,
                                         sealock_buffer **out,
                                         sealock_error **error);

// Bytes of the table as Parquet.
sealock_status sealock_download_size(const sealock_download *download, uint64_t *out, sealock_error **error);

// Writes the table as Parquet to a file, in constant memory, and puts out its length in bytes. A file that was there before
// is replaced when the new one is whole. `watch` may be NULL.
//
// Fails with SEALOCK_ERROR_TAMPERED or SEALOCK_ERROR_TRUNCATED for data that was changed; with SEALOCK_ERROR_IO, and with
// SEALOCK_ERROR_TIMEOUT if no peer has it.
sealock_status sealock_download_write_to(const sealock_download *download,
                                         const char *path,
                                         const sealock_watch *watch,
                                         uint64_t *out,
                                         sealock_error **error);

// The table, in memory. `watch` may be NULL.
//
// Fails as `sealock_download_write_to`; with SEALOCK_ERROR_SCHEMA_MISMATCH and the like if the data is not what the asset's
// schema says.
sealock_status sealock_download_table(const sealock_download *download,
                                      const sealock_watch *watch,
                                      sealock_table **out,
                                      sealock_error **error);

// As `sealock_download_table`, as an Arrow stream: see `sealock_table_to_arrow_stream`.
sealock_status sealock_download_to_arrow_stream(const sealock_download *download,
                                                const sealock_watch *watch,
                                                struct ArrowArrayStream *out,
                                                sealock_error **error);

// Some columns and rows of the table: `rows` rows from `first_row` on, counted from 0. Fetches and decrypts no more than
// they take.
//
// Fails with SEALOCK_ERROR_UNKNOWN_COLUMN; with SEALOCK_ERROR_INVALID_ARGUMENT for rows that the table does not have.
sealock_status sealock_download_columns(const sealock_download *download,
                                        const char *const *columns,
                                        size_t count,
                                        uint64_t first_row,
                                        uint64_t rows,
                                        sealock_table **out,
                                        sealock_error **error);

// Reads the table's Parquet from byte `offset` on into `buffer`, and puts out how many bytes that were: fewer than
// `buffer_length` only at the end. Fetches and decrypts chunks of 16 KiB as needed.
//
// Fails as `sealock_download_write_to`. What is in the buffer then is not to be used.
sealock_status sealock_download_read(const sealock_download *download,
                                     uint64_t offset,
                                     uint8_t *buffer,
                                     size_t buffer_length,
                                     size_t *out,
                                     sealock_error **error);

// Frees a download. NULL is fine.
sealock_status sealock_download_free(sealock_download *download);

// ==========================
// Changing a published asset
//
// An owner lets others decrypt an asset's data, changes its keys, encrypts it anew as its next epoch, or destroys a key. Each
// change ends with one transaction, a new description: an interruption at any point leaves the old asset or the new one, and
// repeating the call is always right. The functions put out the asset as it is then; handles of the asset from before stay as
// they were, and what they lead to is refused.
//
// They fail with SEALOCK_ERROR_NOT_AUTHORIZED for another owner's asset, and with SEALOCK_ERROR_KEY_DESTROYED.

// Lets the holders of these public keys, see Recipients, decrypt the asset's data without an order, with
// `sealock_exchange_open_shared`: until the next epoch, and **for good what they read**. Earlier recipients stay.
//
// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for a key that is none.
sealock_status sealock_owner_share(const sealock_owner *owner,
                                   const sealock_asset *asset,
                                   const uint8_t *recipients,
                                   size_t recipients_length,
                                   sealock_asset **out,
                                   sealock_error **error);

// Changes the owner's own key of the asset's data: for a key store that somebody may have seen a copy of. No data is
// encrypted anew. **Who has seen the data's key, too, is shut out by `sealock_owner_reencrypt` alone.**
sealock_status sealock_owner_rewrap(const sealock_owner *owner,
                                    const sealock_asset *asset,
                                    sealock_asset **out,
                                    sealock_error **error);

// Encrypts the asset's data anew under fresh keys: the next epoch. Keys of earlier epochs open nothing of it, and its
// recipients are these alone. The blocks of earlier epochs are given up unless `keep_previous` is not 0. `watch` may be NULL.
//
// **What somebody has read before, or kept a copy of, stays readable to them.**
sealock_status sealock_owner_reencrypt(const sealock_owner *owner,
                                       const sealock_asset *asset,
                                       const uint8_t *recipients,
                                       size_t recipients_length,
                                       int32_t keep_previous,
                                       const sealock_watch *watch,
                                       sealock_asset **out,
                                       sealock_error **error);

// Replaces the asset's data: encrypts another table as the next epoch, otherwise as `sealock_owner_reencrypt`. Policy and
// terms stay.
//
// **An answer from before and one from after differ by the rows that changed: few of them can be told by comparing.** Change
// many at once, or publish another asset.
//
// Fails as `sealock_owner_publish` for what of the policy does not fit the table.
sealock_status sealock_owner_update(const sealock_owner *owner,
                                    const sealock_asset *asset,
                                    const sealock_table *table,
                                    const uint8_t *recipients,
                                    size_t recipients_length,
                                    int32_t keep_previous,
                                    const sealock_watch *watch,
                                    sealock_published **out,
                                    sealock_error **error);

// Replaces the asset's model: encrypts another one as the next epoch, otherwise as `sealock_owner_reencrypt`. Policy and terms
// stay.
//
// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for an asset that is a table.
sealock_status sealock_owner_update_model(const sealock_owner *owner,
                                          const sealock_asset *asset,
                                          const sealock_model *model,
                                          const uint8_t *recipients,
                                          size_t recipients_length,
                                          int32_t keep_previous,
                                          sealock_published **out,
                                          sealock_error **error);

// Destroys the owner's key of the asset's present epoch, as `sealock_owner_destroy_epoch` does, and takes its datatokens off
// sale. **It cannot be undone.**
sealock_status sealock_owner_destroy_key(const sealock_owner *owner,
                                         const sealock_asset *asset,
                                         sealock_destruction_receipt **out,
                                         sealock_error **error);

// Destroys the owner's key of an epoch of the asset, counted from 0: removes it from the key store, drops what the node has
// in memory, and gives up the blocks. Jobs, downloads and this owner are refused with SEALOCK_ERROR_KEY_DESTROYED from then
// on. **It cannot be undone.** Repeating it puts out the same receipt, and finishes what was interrupted.
//
// **It takes back nothing that was read**: recipients and buyers keep the keys that they have, and a copy of the key store
// from before revives the key.
//
// Fails with SEALOCK_ERROR_NOT_FOUND if this owner has published no such epoch; with SEALOCK_ERROR_IO, and then the key may
// still be there: repeat it.
sealock_status sealock_owner_destroy_epoch(const sealock_owner *owner,
                                           const sealock_asset *asset,
                                           uint64_t epoch,
                                           sealock_destruction_receipt **out,
                                           sealock_error **error);

// The receipt of an epoch's destroyed key; NULL if it was not destroyed.
sealock_status sealock_owner_destruction_receipt(const sealock_owner *owner,
                                                 const sealock_asset *asset,
                                                 uint64_t epoch,
                                                 sealock_destruction_receipt **out,
                                                 sealock_error **error);

// Gives up publications that were interrupted and not repeated: what was sealed for them is garbage then. Puts out how many
// there were.
sealock_status sealock_owner_discard_unfinished(const sealock_owner *owner,
                                                size_t *out,
                                                sealock_error **error);

// ==================
// Taking orders back
//
// What the ledger shows of an asset's orders, and how their seller takes one back: from a stated time on it admits no jobs.
// Everybody sees a revocation on the ledger, before it takes effect. **Who revokes one order and sees whose requests stop has
// learned whose they were.**

// The orders of an asset, as the ledger shows them.
//
// Made by: `sealock_owner_orders`. Freed by: `sealock_order_records_free`. It never changes; thread-safe.
struct sealock_order_records;

// What the ledger shows of an order. Times are in seconds since 1970-01-01 UTC.
typedef struct {
    // `sizeof(sealock_order_record)`, filled in by the caller.
    size_t struct_size;
    // Its place among the orders of the service, from 0.
    uint64_t index;
    // How many jobs it gives, in all or in each epoch.
    uint64_t uses;
    // When it was made.
    uint64_t ordered;
    // The last second in which it is valid.
    uint64_t expiry;
    // From when on it admits no jobs, where it was taken back; 0 otherwise.
    uint64_t revoked_from;
    // 0 for queries, 1 for downloads.
    uint32_t service;
    // Not 0 if it was taken back and the datatoken that it cost paid back.
    int32_t refunded;
    // Who ordered and paid.
    uint8_t consumer[SEALOCK_ADDRESS_BYTES];
    // The consumer's identity commitment.
    uint8_t commitment[SEALOCK_DIGEST_BYTES];
} sealock_order_record;

// An order that its seller takes back. Times are in seconds since 1970-01-01 UTC.
typedef struct {
    // `sizeof(sealock_revocation)`, filled in by the caller.
    size_t struct_size;
    // From when on the order admits no jobs.
    uint64_t effective;
    // When it was announced.
    uint64_t announced;
    // Not 0 if the datatoken that the order cost was paid back.
    int32_t refunded;
} sealock_revocation;

// Every order of an asset, of queries and of downloads.
sealock_status sealock_owner_orders(const sealock_owner *owner,
                                    const sealock_asset *asset,
                                    sealock_order_records **out,
                                    sealock_error **error);

// How many orders the list holds.
sealock_status sealock_order_records_count(const sealock_order_records *records,
                                           size_t *out,
                                           sealock_error **error);

// An order of the list, counted from 0. Set `out->struct_size` before.
sealock_status sealock_order_records_get(const sealock_order_records *records,
                                         size_t index,
                                         sealock_order_record *out,
                                         sealock_error **error);

// Frees a list of orders. NULL is fine.
sealock_status sealock_order_records_free(sealock_order_records *records);

// Takes an order of the asset back, as a list of `sealock_owner_orders` has it: it admits no jobs from `effective` on, in
// seconds since 1970-01-01 UTC, rounded up to a full minute. With 0, that is in five minutes, which is the least; the most is
// when it expires. If `refund` is not 0, the owner pays the datatoken back that it cost, not its price. **It cannot be
// undone.** Set `out->struct_size` before.
//
// Fails with SEALOCK_ERROR_ORDER_REVOKED if it was taken back before, SEALOCK_ERROR_ORDER_MISMATCH if the asset has no such
// order, SEALOCK_ERROR_ORDER_EXPIRED if it ends sooner by itself, SEALOCK_ERROR_NOT_AUTHORIZED for another owner's asset,
// SEALOCK_ERROR_INVALID_ARGUMENT for a time that is too early or too late, and SEALOCK_ERROR_INSUFFICIENT_BALANCE if the owner
// does not have the datatoken.
sealock_status sealock_owner_revoke_order(const sealock_owner *owner,
                                          const sealock_asset *asset,
                                          const sealock_order_record *order,
                                          uint64_t effective,
                                          int32_t refund,
                                          sealock_revocation *out,
                                          sealock_error **error);

// The revocation of an order, if its seller has announced one: `present` is 1 then, and 0 otherwise. It may have yet to take
// effect. Set `out->struct_size` before.
sealock_status sealock_order_revocation(const sealock_order *order,
                                        int32_t *present,
                                        sealock_revocation *out,
                                        sealock_error **error);

// As `sealock_order_revocation`, of an order of the data itself.
sealock_status sealock_download_order_revocation(const sealock_download_order *order,
                                                 int32_t *present,
                                                 sealock_revocation *out,
                                                 sealock_error **error);

// =======================
// Receipts of destruction
//
// An owner's signed word that the key of an epoch is gone. It is a promise that is attributable, and no proof: nothing can
// prove that no copy was kept. It says nothing of keys that others hold.

// A signed statement that the key of an epoch is gone.
//
// Made by: `sealock_owner_destroy_key`, `sealock_owner_destroy_epoch`, `sealock_owner_destruction_receipt`,
// `sealock_destruction_receipt_from_bytes`. Freed by: `sealock_destruction_receipt_free`. It never changes; thread-safe.
struct sealock_destruction_receipt;

// What a receipt of destruction says. Its texts are `sealock_destruction_receipt_asset` and `_manifest`.
typedef struct {
    // `sizeof(sealock_destruction)`, filled in by the caller.
    size_t struct_size;
    // The epoch whose key is gone.
    uint64_t epoch;
    // When, in seconds since 1970-01-01 UTC.
    uint64_t destroyed_at;
    // The address of whose key it was.
    uint8_t owner[SEALOCK_ADDRESS_BYTES];
    // The dataset, as in `sealock_asset_dataset`.
    uint8_t dataset[SEALOCK_DIGEST_BYTES];
} sealock_destruction;

// What the receipt says. **Call `sealock_destruction_receipt_verify` first.** Set `out->struct_size` before.
sealock_status sealock_destruction_receipt_statement(const sealock_destruction_receipt *receipt,
                                                     sealock_destruction *out,
                                                     sealock_error **error);

// The identifier of the asset.
sealock_status sealock_destruction_receipt_asset(const sealock_destruction_receipt *receipt,
                                                 sealock_buffer **out,
                                                 sealock_error **error);

// The CID of the epoch's last manifest, which the key unwrapped.
sealock_status sealock_destruction_receipt_manifest(const sealock_destruction_receipt *receipt,
                                                    sealock_buffer **out,
                                                    sealock_error **error);

// Checks that `owner`, an address, signed it, and that it names the owner.
//
// Fails with SEALOCK_ERROR_BAD_SIGNATURE otherwise.
sealock_status sealock_destruction_receipt_verify(const sealock_destruction_receipt *receipt,
                                                  const uint8_t *owner,
                                                  size_t owner_length,
                                                  sealock_error **error);

// The receipt's canonical encoding.
sealock_status sealock_destruction_receipt_to_bytes(const sealock_destruction_receipt *receipt,
                                                    sealock_buffer **out,
                                                    sealock_error **error);

// Reads a receipt. Its signature is not checked: call `sealock_destruction_receipt_verify`.
sealock_status sealock_destruction_receipt_from_bytes(const uint8_t *bytes,
                                                      size_t bytes_length,
                                                      sealock_destruction_receipt **out,
                                                      sealock_error **error);

// Frees a receipt. NULL is fine.
sealock_status sealock_destruction_receipt_free(sealock_destruction_receipt *receipt);

// =======
// Queries
//
// A question with its secrets. The literals of a comparison are a handle of their own, since they may be hidden: hidden
// ones leave the consumer only encrypted. A program is the query with every secret blanked out.
//
// Whether a query fits an asset is found by `sealock_asset_estimate` and `sealock_order_request`.

// Equal to the literal.
#define SEALOCK_OP_EQ 1

// Not equal to the literal.
#define SEALOCK_OP_NE 2

// Less than the literal. On a column with bins, a bin's lower edge.
#define SEALOCK_OP_LT 3

// Less than or equal to the literal. On a column with bins, a bin's last value.
#define SEALOCK_OP_LE 4

// Greater than the literal. On a column with bins, a bin's last value.
#define SEALOCK_OP_GT 5

// Greater than or equal to the literal. On a column with bins, a bin's lower edge.
#define SEALOCK_OP_GE 6

// Equal to one of the literals.
#define SEALOCK_OP_IN 7

// Which rows a query keeps.
//
// Made by: `sealock_filter_compare`, `_is_null`, `_and`, `_or`, `_not`. Freed by: `sealock_filter_free`. What it is made of
// is copied. It never changes; thread-safe.
struct sealock_filter;

// What one comparison is made with.
//
// Made by: `sealock_literals_new`. Freed by: `sealock_literals_free`, which does not wipe it. A filter copies it.
// Thread-safe.
struct sealock_literals;

// A query with every secret blanked out: what travels, what a policy allows and what a receipt names.
//
// Made by: `sealock_query_program`, `sealock_program_from_bytes`. Freed by: `sealock_program_free`. It never changes;
// thread-safe.
struct sealock_program;

// A question.
//
// Made by: `sealock_query_new`, `sealock_query_from_sql`. Freed by: `sealock_query_free`. Thread-safe.
struct sealock_query;

// No literal yet.
sealock_status sealock_literals_new(sealock_literals **out, sealock_error **error);

// Adds a whole number.
sealock_status sealock_literals_integer(sealock_literals *literals, int64_t value, sealock_error **error);

// Adds a decimal number, exactly as it is written: `"12.50"`.
sealock_status sealock_literals_decimal(sealock_literals *literals, const char *value, sealock_error **error);

// Adds the shortest decimal number that reads back as `value`: 0.1 is one tenth. NaN and infinities are refused when the
// query is asked.
sealock_status sealock_literals_double(sealock_literals *literals,
                                       double value,
                                       sealock_error **error);

// Adds a category.
sealock_status sealock_literals_text(sealock_literals *literals, const char *value, sealock_error **error);

// Adds false (0) or true (anything else).
sealock_status sealock_literals_boolean(sealock_literals *literals, int32_t value, sealock_error **error);

// Hides the literals, and how many there are, from everybody but the consumer.
sealock_status sealock_literals_hide(sealock_literals *literals, sealock_error **error);

// Frees literals. NULL is fine.
sealock_status sealock_literals_free(sealock_literals *literals);

// The rows where a column compares with the literals as `op` says, one of the SEALOCK_OP_ constants. All of them but
// SEALOCK_OP_IN need one literal. A comparison with null never holds.
sealock_status sealock_filter_compare(const char *column,
                                      int32_t op,
                                      const sealock_literals *literals,
                                      sealock_filter **out,
                                      sealock_error **error);

// The rows where a column is null.
sealock_status sealock_filter_is_null(const char *column, sealock_filter **out, sealock_error **error);

// The rows that both keep.
sealock_status sealock_filter_and(const sealock_filter *left,
                                  const sealock_filter *right,
                                  sealock_filter **out,
                                  sealock_error **error);

// The rows that at least one keeps.
sealock_status sealock_filter_or(const sealock_filter *left,
                                 const sealock_filter *right,
                                 sealock_filter **out,
                                 sealock_error **error);

// The rows that it leaves out, but for those where a comparison meets null, as in SQL.
sealock_status sealock_filter_not(const sealock_filter *filter, sealock_filter **out, sealock_error **error);

// Frees a filter. NULL is fine.
sealock_status sealock_filter_free(sealock_filter *filter);

// Asks for nothing yet, over all rows.
sealock_status sealock_query_new(sealock_query **out, sealock_error **error);

// The query that a SELECT writes, the same as one that is put together:
//
// ```text
//     SELECT region, avg(visits), count(*) FROM asset
//     WHERE age >= SECRET(40) AND plan IN ('free', SECRET('paid')) GROUP BY region
// ```
//
// SELECT has columns of GROUP BY; count(*); sum, avg, var_samp, var_pop, stddev_samp and stddev_pop of a measure; histogram, min,
// max, median and quantile(column, 0.9) of a dimension; and arithmetic on those that are numbers, by + - * / and parentheses. AS
// names one. FROM has any one name. WHERE joins
// comparisons of a column with literals by AND, OR, NOT and parentheses: =, <>, !=, <, <=, >, >=, NOT BETWEEN, BETWEEN, NOT IN, IN,
// IS NULL, IS NOT NULL. Literals are numbers, 'texts', TRUE and FALSE; SECRET(literal) hides one. Names are case-sensitive, and
// stand in "double quotes" if they have other characters than letters, digits and _. The answer has the columns of GROUP BY
// first, and calls the aggregates as those of a query that is put together.
//
// Other SQL is SEALOCK_ERROR_UNSUPPORTED_PROGRAM, what is no query SEALOCK_ERROR_INVALID_PROGRAM, and more than 64 KiB
// SEALOCK_ERROR_TOO_LARGE. The message says where, and shows no literal.
sealock_status sealock_query_from_sql(const char *sql,
                                      sealock_query **out,
                                      sealock_error **error);

// Asks for the number of rows, which the answer calls `count`.
sealock_status sealock_query_count(sealock_query *query, sealock_error **error);

// Asks for the sum of a measure, which the answer calls `sum(column)`.
sealock_status sealock_query_sum(sealock_query *query, const char *column, sealock_error **error);

// Asks for the mean of a measure over the rows where it is not null, which the answer calls `mean(column)`.
sealock_status sealock_query_mean(sealock_query *query, const char *column, sealock_error **error);

// Asks for the variance of a measure, estimated from its rows as a sample, which the answer calls `variance(column)`.
sealock_status sealock_query_variance(sealock_query *query,
                                      const char *column,
                                      sealock_error **error);

// Asks for the variance of a measure over its rows, which the answer calls `var_pop(column)`.
sealock_status sealock_query_var_pop(sealock_query *query, const char *column, sealock_error **error);

// Asks for the standard deviation of a measure, estimated from its rows as a sample, which the answer calls
// `stddev(column)`.
sealock_status sealock_query_stddev(sealock_query *query, const char *column, sealock_error **error);

// Asks for the standard deviation of a measure over its rows, which the answer calls `stddev_pop(column)`.
sealock_status sealock_query_stddev_pop(sealock_query *query, const char *column, sealock_error **error);

// Asks for the rows in each bin of a dimension, which the answer calls `histogram(column)`.
sealock_status sealock_query_histogram(sealock_query *query, const char *column, sealock_error **error);

// Asks for the lowest bin of an ordered dimension that holds a row, which the answer calls `min(column)`. The histogram leaves
// the owner for it.
sealock_status sealock_query_min(sealock_query *query,
                                 const char *column,
                                 sealock_error **error);

// Asks for the highest bin of an ordered dimension that holds a row, which the answer calls `max(column)`. The histogram
// leaves the owner for it.
sealock_status sealock_query_max(sealock_query *query,
                                 const char *column,
                                 sealock_error **error);

// Asks for the bin of an ordered dimension at whose end the share `rank` of the rows, from 0 to 1, is reached. The answer calls it
// `median(column)` for 0.5, and `quantile(column, 0.9)` for 0.9. The histogram leaves the owner for it.
sealock_status sealock_query_quantile(sealock_query *query,
                                      const char *column,
                                      double rank,
                                      sealock_error **error);

// Asks for what is made of aggregates, written as an item of SELECT: `100 * sum(paid) / sum(owed) AS rate`. The answer has it as
// floating point, exact until it is rounded once, under its name, or as it is written in the answer's own words. It is null
// where it divides by zero. Only its aggregates leave the consumer, neither the arithmetic nor the name.
sealock_status sealock_query_select(sealock_query *query,
                                    const char *sql,
                                    sealock_error **error);

// Keeps the rows that `filter` keeps, of those that earlier filters kept.
sealock_status sealock_query_filter(sealock_query *query,
                                    const sealock_filter *filter,
                                    sealock_error **error);

// Answers once for each combination of the values of these columns, which the node sees. Called again, it replaces.
sealock_status sealock_query_group_by(sealock_query *query,
                                      const char *const *columns,
                                      size_t count,
                                      sealock_error **error);

// The query with every secret blanked out.
sealock_status sealock_query_program(const sealock_query *query,
                                     sealock_program **out,
                                     sealock_error **error);

// Frees a query. NULL is fine.
sealock_status sealock_query_free(sealock_query *query);

// The digest that policies and receipts name the program by.
sealock_status sealock_program_digest(const sealock_program *program,
                                      uint8_t *out,
                                      size_t out_length,
                                      sealock_error **error);

// The program as SQL, each secret as `SECRET(?)`: what an owner sees of a query.
sealock_status sealock_program_to_sql(const sealock_program *program,
                                      sealock_buffer **out,
                                      sealock_error **error);

// The program's canonical encoding.
sealock_status sealock_program_to_bytes(const sealock_program *program,
                                        sealock_buffer **out,
                                        sealock_error **error);

// Reads a program.
sealock_status sealock_program_from_bytes(const uint8_t *bytes,
                                          size_t bytes_length,
                                          sealock_program **out,
                                          sealock_error **error);

// Frees a program. NULL is fine.
sealock_status sealock_program_free(sealock_program *program);

// =======
// Answers
//
// A table with one row per group. Groups that hold no row, or too few for the policy, show zeros and empty means: the two
// cannot be told apart.

// The answer to a query.
//
// Made by: `sealock_ticket_open`, `sealock_federated_ticket_open`. Freed by: `sealock_answer_free`. It never changes;
// thread-safe.
struct sealock_answer;

// How many rows there are: groups, or one.
sealock_status sealock_answer_rows(const sealock_answer *answer, size_t *out, sealock_error **error);

// How many columns there are: first those that it is grouped by, then the numbers asked.
sealock_status sealock_answer_columns(const sealock_answer *answer, size_t *out, sealock_error **error);

// The name of a column, counted from 0.
sealock_status sealock_answer_column_name(const sealock_answer *answer,
                                          size_t index,
                                          sealock_buffer **out,
                                          sealock_error **error);

// The label of a row in a column that the answer is grouped by; NULL for the group where the column is null.
sealock_status sealock_answer_group(const sealock_answer *answer,
                                    const char *column,
                                    size_t row,
                                    sealock_buffer **out,
                                    sealock_error **error);

// A number as floating point, by its name: `count`, `sum(visits)`, `mean(visits)`, `stddev(visits)`, rounded once from the
// exact one. `present` becomes 0 for the mean of no rows, for a variance of too few, and for a histogram or a bin of more than
// one value; it becomes 1 otherwise.
sealock_status sealock_answer_double(const sealock_answer *answer,
                                     const char *name,
                                     size_t row,
                                     double *out,
                                     int32_t *present,
                                     sealock_error **error);

// A number exactly, by its name: an integer in units of 10^-`scale`, as text. For a mean it is the sum, and `rows` the
// number of rows that it is over; `rows` becomes NULL for counts and sums.
sealock_status sealock_answer_exact(const sealock_answer *answer,
                                    const char *name,
                                    size_t row,
                                    sealock_buffer **out,
                                    uint8_t *scale,
                                    sealock_buffer **rows,
                                    sealock_error **error);

// How many bins the dimension has that a column, by its name, counts: `histogram(age)`, `min(age)`, `max(age)`,
// `median(age)`, `quantile(age, 0.9)`. Rows where the dimension is null lie in none.
sealock_status sealock_answer_bins(const sealock_answer *answer,
                                   const char *name,
                                   size_t *out,
                                   sealock_error **error);

// A bin, counted from 0, as text: its label, and the smallest and the largest value in it, which for a category are the
// category.
sealock_status sealock_answer_bin_label(const sealock_answer *answer,
                                        const char *name,
                                        size_t bin,
                                        sealock_buffer **label,
                                        sealock_buffer **first,
                                        sealock_buffer **last,
                                        sealock_error **error);

// How many rows of a group lie in a bin of a histogram.
sealock_status sealock_answer_bin_count(const sealock_answer *answer,
                                        const char *name,
                                        size_t row,
                                        size_t bin,
                                        uint64_t *out,
                                        sealock_error **error);

// Which bin, counted from 0, the minimum, maximum or quantile of a group lies in. `present` becomes 0 for a group without
// rows, and 1 otherwise.
sealock_status sealock_answer_bin(const sealock_answer *answer,
                                  const char *name,
                                  size_t row,
                                  size_t *out,
                                  int32_t *present,
                                  sealock_error **error);

// The answer as a table in text, to be shown.
sealock_status sealock_answer_to_text(const sealock_answer *answer,
                                      sealock_buffer **out,
                                      sealock_error **error);

// The answer as an Arrow stream of one batch: groups as nullable text, counts as 64-bit integers, sums as decimals, means,
// variances and standard deviations as nullable doubles, minima, maxima and quantiles as nullable structs of `bin`, and for
// numbers `first` and `last`, histograms as lists of such structs with a `count`. The stream outlives the answer; the caller releases it.
sealock_status sealock_answer_to_arrow_stream(const sealock_answer *answer,
                                              struct ArrowArrayStream *out,
                                              sealock_error **error);

// Frees an answer. NULL is fine.
sealock_status sealock_answer_free(sealock_answer *answer);

// ======
// Models
//
// Private inference: an owner publishes a linear model, and its node scores encrypted vectors, exactly. Neither the vectors nor
// the scores are seen by the owner.
//
// **Whoever gets one more vector scored than a model has features knows every coefficient.** What limits it is how many
// vectors are answered at all: `sealock_policy_allow_inference`, `sealock_policy_max_jobs` and the terms of an order.

// The scores are the prediction, one for each target.
#define SEALOCK_MODEL_LINEAR 1

// One score: the logarithm of the odds of the second of two classes.
#define SEALOCK_MODEL_LOGISTIC 2

// One score for each class, whose softmax is the probabilities.
#define SEALOCK_MODEL_MULTINOMIAL 3

// Scores of as many decimal places as the coefficients' width allows.
#define SEALOCK_MODEL_FINEST -1

// The consumer's half of an inference: the request to send, and the keys that open its result.
//
// Made by: `sealock_order_infer`, `sealock_order_infer_use`, `sealock_inference_tickets_get`. Freed by:
// `sealock_inference_ticket_free`; the keys stay in the wallet until `sealock_consumer_forget`. Thread-safe.
struct sealock_inference_ticket;

// A list of tickets.
//
// Made by: `sealock_consumer_inference_tickets`. Freed by: `sealock_inference_tickets_free`. It never changes; thread-safe.
struct sealock_inference_tickets;

// A linear model with integer coefficients, in its owner's hands.
//
// Made by: `sealock_model_new`, `sealock_model_from_bytes`. Freed by: `sealock_model_free`, which wipes it when no offer holds
// it. It never changes; thread-safe.
struct sealock_model;

// The scores of vectors, and what follows from them.
//
// Made by: `sealock_inference_ticket_open`, `sealock_model_predict`. Freed by: `sealock_prediction_free`. It never changes;
// thread-safe.
struct sealock_prediction;

// Makes a model of its numbers. `kind` is one of the SEALOCK_MODEL_ constants. The features are the columns of a schema:
// numbers with a range, rounded to the decimal places that they declare. `outputs` names the targets or the classes;
// `coefficients` has a row of numbers, one for each feature, for each score, and `intercepts` a number for each. There is a
// score for each output, and a single one for SEALOCK_MODEL_LOGISTIC.
//
// Coefficients are rounded to `bits` signed bits, 2 to 62; 32 is a good choice. Scores have `scale` decimal places, or as
// many as fit with SEALOCK_MODEL_FINEST.
//
// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for numbers that are not finite, too wide or not as many; with
// SEALOCK_ERROR_ENCRYPTION where the encryption has no room for features and coefficients so wide.
sealock_status sealock_model_new(int32_t kind,
                                 const sealock_schema *features,
                                 const char *const *outputs,
                                 size_t outputs_count,
                                 const double *coefficients,
                                 size_t coefficients_count,
                                 const double *intercepts,
                                 size_t intercepts_count,
                                 uint8_t bits,
                                 int32_t scale,
                                 sealock_model **out,
                                 sealock_error **error);

// A bound on how far a score, counted from 0, is from that of the model that was rounded, at any vector within the ranges.
sealock_status sealock_model_error_bound(const sealock_model *model,
                                         size_t score,
                                         double *out,
                                         sealock_error **error);

// Scores vectors in the clear: `values_count` numbers, vector after vector. The scores are those of encrypted ones, to the
// last digit. `clip` is as in `sealock_order_infer`.
sealock_status sealock_model_predict(const sealock_model *model,
                                     const double *values,
                                     size_t values_count,
                                     int32_t clip,
                                     sealock_prediction **out,
                                     sealock_error **error);

// The model as bytes, coefficients and all.
sealock_status sealock_model_to_bytes(const sealock_model *model,
                                      sealock_buffer **out,
                                      sealock_error **error);

// Reads what `sealock_model_to_bytes` wrote.
sealock_status sealock_model_from_bytes(const uint8_t *bytes,
                                        size_t bytes_length,
                                        sealock_model **out,
                                        sealock_error **error);

// The digest of its canonical form. Whoever guesses the coefficients can check them by it.
sealock_status sealock_model_digest(const sealock_model *model,
                                    uint8_t *out,
                                    size_t out_length,
                                    sealock_error **error);

// Frees a model. NULL is fine.
sealock_status sealock_model_free(sealock_model *model);

// Makes the request for vectors to be scored by the order's asset, a model: `values_count` numbers, vector after vector in the
// order of its features. Checks it against the asset's policy, encrypts the vectors, and proves that some order pays for it.
// Takes the order's next use, however many vectors there are. The keys are in the wallet before this returns. `watch` may be
// NULL.
//
// A number outside its feature's range fails with SEALOCK_ERROR_OUT_OF_DOMAIN; if `clip` is not 0, it is moved to the nearest
// end, and the model scores that. Otherwise fails as `sealock_order_request`, and with SEALOCK_ERROR_INVALID_PROGRAM for a
// table.
sealock_status sealock_order_infer(const sealock_order *order,
                                   const double *values,
                                   size_t values_count,
                                   int32_t clip,
                                   const sealock_watch *watch,
                                   sealock_inference_ticket **out,
                                   sealock_error **error);

// As `sealock_order_infer`, for a use of the caller's choice: see `sealock_order_request_use`.
sealock_status sealock_order_infer_use(const sealock_order *order,
                                       const double *values,
                                       size_t values_count,
                                       int32_t clip,
                                       uint64_t use_index,
                                       sealock_inference_ticket **out,
                                       sealock_error **error);

// The requests for vectors to be scored that were made and whose results have not been forgotten.
sealock_status sealock_consumer_inference_tickets(const sealock_consumer *consumer,
                                                  sealock_inference_tickets **out,
                                                  sealock_error **error);

// The request to send, see `sealock_ticket_request`. A node runs it like any other.
sealock_status sealock_inference_ticket_request(const sealock_inference_ticket *ticket,
                                                sealock_request **out,
                                                sealock_error **error);

// The name of the job, a digest.
sealock_status sealock_inference_ticket_job(const sealock_inference_ticket *ticket,
                                            uint8_t *out,
                                            size_t out_length,
                                            sealock_error **error);

// Proves the same request again, see `sealock_ticket_renew`.
sealock_status sealock_inference_ticket_renew(sealock_inference_ticket *ticket, sealock_error **error);

// Opens the result: checks that the receipt is the owner's and is about this job and this result, and decrypts.
//
// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for a receipt or a result of another job; with SEALOCK_ERROR_BAD_SIGNATURE or
// SEALOCK_ERROR_WRONG_KEY for one that is not for this request, or was changed.
sealock_status sealock_inference_ticket_open(const sealock_inference_ticket *ticket,
                                             const sealock_result *result,
                                             const sealock_receipt *receipt,
                                             sealock_prediction **out,
                                             sealock_error **error);

// Frees a ticket. NULL is fine.
sealock_status sealock_inference_ticket_free(sealock_inference_ticket *ticket);

// How many tickets the list holds.
sealock_status sealock_inference_tickets_count(const sealock_inference_tickets *tickets,
                                               size_t *out,
                                               sealock_error **error);

// A ticket of the list, counted from 0. It outlives the list.
sealock_status sealock_inference_tickets_get(const sealock_inference_tickets *tickets,
                                             size_t index,
                                             sealock_inference_ticket **out,
                                             sealock_error **error);

// Frees a list of tickets. NULL is fine.
sealock_status sealock_inference_tickets_free(sealock_inference_tickets *tickets);

// How many vectors were scored, and how many scores each has.
sealock_status sealock_prediction_size(const sealock_prediction *prediction,
                                       size_t *vectors,
                                       size_t *scores,
                                       sealock_error **error);

// A score of a vector, both counted from 0, as the nearest double.
sealock_status sealock_prediction_score(const sealock_prediction *prediction,
                                        size_t vector,
                                        size_t score,
                                        double *out,
                                        sealock_error **error);

// A score of a vector, exactly: `number` times 10^-`scale`, where `number` is the text of a whole number.
sealock_status sealock_prediction_exact(const sealock_prediction *prediction,
                                        size_t vector,
                                        size_t score,
                                        sealock_buffer **number,
                                        uint8_t *scale,
                                        sealock_error **error);

// The probability of a class, counted from 0. Fails with SEALOCK_ERROR_INVALID_ARGUMENT for a linear model.
sealock_status sealock_prediction_probability(const sealock_prediction *prediction,
                                              size_t vector,
                                              size_t class_index,
                                              double *out,
                                              sealock_error **error);

// The most probable class of a vector, counted from 0, by the exact scores. Fails with SEALOCK_ERROR_INVALID_ARGUMENT for a
// linear model.
sealock_status sealock_prediction_class(const sealock_prediction *prediction,
                                        size_t vector,
                                        size_t *out,
                                        sealock_error **error);

// The kind of the model that made it: one of the SEALOCK_MODEL_ constants.
sealock_status sealock_prediction_kind(const sealock_prediction *prediction,
                                       int32_t *out,
                                       sealock_error **error);

// Frees a prediction. NULL is fine.
sealock_status sealock_prediction_free(sealock_prediction *prediction);

// ==============
// Federated sums
//
// One query to the tables of several owners, of which the consumer can open the total alone. Each owner publishes under a
// policy that names the others, see `sealock_policy_federation`. The consumer orders every asset, makes a request for each
// node, and opens all results together. The owners need not talk to each other, nor be there at the same time.
//
// **Owners who help the consumer give away their own part**, and so narrow the total down to that of the others.

// The consumer's half of a federated sum: the requests to send, one to each owner's node, and the keys that open the sum of
// the results.
//
// Made by: `sealock_consumer_request_federated`, `sealock_federated_tickets_get`. Freed by: `sealock_federated_ticket_free`;
// the keys stay in the wallet until `sealock_consumer_forget`. Thread-safe.
struct sealock_federated_ticket;

// A list of tickets.
//
// Made by: `sealock_consumer_federated_tickets`. Freed by: `sealock_federated_tickets_free`. It never changes; thread-safe.
struct sealock_federated_tickets;

// This owner as a member of a federation, as text: its address, a slash and the 64 hex digits of a public key. The policies of
// the other members, and its own, name it by this. It follows from the account's key, so that it stays the same.
sealock_status sealock_owner_member(const sealock_owner *owner,
                                    sealock_buffer **out,
                                    sealock_error **error);

// Makes the requests for one query to the assets of `count` orders, each of another owner: checks it against every asset's
// policy, encrypts its secrets once, and proves for each asset that some order pays for it. Takes the next use of every order.
// The keys are in the wallet before this returns. `watch` may be NULL.
//
// Send each request to its owner's node, and open all results together.
//
// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for orders of the same owner or of another consumer, and for assets that declare
// the columns of the query differently; otherwise as `sealock_order_request`, for the first order that fails. Nothing was
// taken from any order then.
sealock_status sealock_consumer_request_federated(const sealock_consumer *consumer,
                                                  const sealock_order *const *orders,
                                                  size_t count,
                                                  const sealock_query *query,
                                                  const sealock_watch *watch,
                                                  sealock_federated_ticket **out,
                                                  sealock_error **error);

// The requests for federated sums that were made and whose answers have not been forgotten. One that a part of was forgotten
// opens no more, and is left out.
sealock_status sealock_consumer_federated_tickets(const sealock_consumer *consumer,
                                                  sealock_federated_tickets **out,
                                                  sealock_error **error);

// How many parts the sum has: as many as it was made with orders.
sealock_status sealock_federated_ticket_parts(const sealock_federated_ticket *ticket,
                                              size_t *out,
                                              sealock_error **error);

// The request of a part, counted from 0 in the order of the orders, to send to its owner's node: see
// `sealock_ticket_request`. A node runs it like any other.
sealock_status sealock_federated_ticket_request(const sealock_federated_ticket *ticket,
                                                size_t index,
                                                sealock_request **out,
                                                sealock_error **error);

// The name of a part's job, a digest. Parts are counted from 0.
sealock_status sealock_federated_ticket_job(const sealock_federated_ticket *ticket,
                                            size_t index,
                                            uint8_t *out,
                                            size_t out_length,
                                            sealock_error **error);

// Proves every request again, see `sealock_ticket_renew`.
//
// Fails as that does, for the first request that fails: those before it are renewed, and the others as they were.
sealock_status sealock_federated_ticket_renew(sealock_federated_ticket *ticket,
                                              sealock_error **error);

// Opens the sum of `count` results, one of each part, in any order; `receipts` has the receipt of each result at the same
// place. Checks that each receipt is its owner's and is about its job and its result, adds up, and decrypts.
//
// Fails with SEALOCK_ERROR_INVALID_ARGUMENT unless there is one result for each part, with its own receipt; with
// SEALOCK_ERROR_BAD_SIGNATURE or SEALOCK_ERROR_WRONG_KEY for a receipt or a result that does not fit, or was changed; with
// SEALOCK_ERROR_OUT_OF_DOMAIN if the results add up to no answer, since a node computed something else.
sealock_status sealock_federated_ticket_open(const sealock_federated_ticket *ticket,
                                             const sealock_result *const *results,
                                             const sealock_receipt *const *receipts,
                                             size_t count,
                                             sealock_answer **out,
                                             sealock_error **error);

// Frees a ticket. NULL is fine.
sealock_status sealock_federated_ticket_free(sealock_federated_ticket *ticket);

// How many tickets the list holds.
sealock_status sealock_federated_tickets_count(const sealock_federated_tickets *tickets,
                                               size_t *out,
                                               sealock_error **error);

// A ticket of the list, counted from 0. It outlives the list.
sealock_status sealock_federated_tickets_get(const sealock_federated_tickets *tickets,
                                             size_t index,
                                             sealock_federated_ticket **out,
                                             sealock_error **error);

// Frees a list of tickets. NULL is fine.
sealock_status sealock_federated_tickets_free(sealock_federated_tickets *tickets);

// =====================================
// Tasks of executors, and their results
//
// What travels between an owner's releaser and executors: see `sealock_executor`. A task has one part for each chunk of rows,
// and a result names where each part's encrypted result is stored. All of it is public: a task tells the program and nothing
// of the one who asked, a result has no number in it that anybody but the owner can read.

// What an executor gives back: the CIDs of encrypted results, one for each chunk, signed over the task.
//
// Made by: `sealock_executor_run`, `sealock_executor_join`, `sealock_executor_result_from_bytes`. Freed by:
// `sealock_executor_result_free`; what is stored stays there. It never changes; thread-safe.
struct sealock_executor_result;

// The part of a task that is about one chunk. It says nothing of the job, and opens to the same numbers wherever it is run.
//
// Made by: `sealock_parts_get`, `sealock_part_from_bytes`. Freed by: `sealock_part_free`. It never changes; thread-safe.
struct sealock_part;

// The parts of a task, in order.
//
// Made by: `sealock_executor_parts`. Freed by: `sealock_parts_free`. It never changes; thread-safe.
struct sealock_parts;

// What executors are to compute for one job: a program over encrypted columns, which are named by CID.
//
// Made by: `sealock_releaser_task`, `sealock_task_from_bytes`. Freed by: `sealock_task_free`. It never changes; thread-safe.
struct sealock_task;

// The task's canonical encoding, to be sent to executors.
sealock_status sealock_task_to_bytes(const sealock_task *task, sealock_buffer **out, sealock_error **error);

// Reads a task, of at most 4 MiB. It is not signed: an executor computes whatever it is sent, and learns nothing by it.
//
// Fails with SEALOCK_ERROR_MALFORMED for other bytes than the canonical ones, SEALOCK_ERROR_TOO_LARGE,
// SEALOCK_ERROR_UNSUPPORTED_VERSION.
sealock_status sealock_task_from_bytes(const uint8_t *bytes,
                                       size_t bytes_length,
                                       sealock_task **out,
                                       sealock_error **error);

// The name of the job, a digest.
sealock_status sealock_task_job(const sealock_task *task,
                                uint8_t *out,
                                size_t out_length,
                                sealock_error **error);

// The identifier of the asset that it is about.
sealock_status sealock_task_asset(const sealock_task *task, sealock_buffer **out, sealock_error **error);

// The CID of the sealed manifest, which links to every chunk and to the evaluation key: an executor needs no more than the
// blocks below it.
sealock_status sealock_task_manifest(const sealock_task *task,
                                     sealock_buffer **out,
                                     sealock_error **error);

// Whether it is computed over the packed chunks, without bootstraps and without an evaluation key: 1 or 0.
sealock_status sealock_task_is_packed(const sealock_task *task, int32_t *out, sealock_error **error);

// Frees a task. NULL is fine.
sealock_status sealock_task_free(sealock_task *task);

// How many parts there are.
sealock_status sealock_parts_count(const sealock_parts *parts, size_t *out, sealock_error **error);

// A part of the task, counted from 0. It outlives the list.
sealock_status sealock_parts_get(const sealock_parts *parts,
                                 size_t index,
                                 sealock_part **out,
                                 sealock_error **error);

// Frees a list of parts. NULL is fine.
sealock_status sealock_parts_free(sealock_parts *parts);

// The part's canonical encoding, to be sent to whoever runs it.
sealock_status sealock_part_to_bytes(const sealock_part *part, sealock_buffer **out, sealock_error **error);

// Reads a part. Fails as `sealock_task_from_bytes`.
sealock_status sealock_part_from_bytes(const uint8_t *bytes,
                                       size_t bytes_length,
                                       sealock_part **out,
                                       sealock_error **error);

// The CID of the chunk that it is over.
sealock_status sealock_part_chunk(const sealock_part *part, sealock_buffer **out, sealock_error **error);

// Frees a part. NULL is fine.
sealock_status sealock_part_free(sealock_part *part);

// The result's canonical encoding, to be sent to the releaser. The encrypted numbers are not in it: they are in the store.
sealock_status sealock_executor_result_to_bytes(const sealock_executor_result *result,
                                                sealock_buffer **out,
                                                sealock_error **error);

// Reads a result, of at most 1 MiB. Its signature is not checked: only a releaser does that.
//
// Fails as `sealock_task_from_bytes`.
sealock_status sealock_executor_result_from_bytes(const uint8_t *bytes,
                                                  size_t bytes_length,
                                                  sealock_executor_result **out,
                                                  sealock_error **error);

// The address of the executor, as the result says.
sealock_status sealock_executor_result_executor(const sealock_executor_result *result,
                                                uint8_t *out,
                                                size_t out_length,
                                                sealock_error **error);

// The device that computed, as the result says.
sealock_status sealock_executor_result_device(const sealock_executor_result *result,
                                              sealock_buffer **out,
                                              sealock_error **error);

// The CIDs of the encrypted results, one for each part of the task.
sealock_status sealock_executor_result_cids(const sealock_executor_result *result,
                                            sealock_texts **out,
                                            sealock_error **error);

// Frees an executor's result. NULL is fine.
sealock_status sealock_executor_result_free(sealock_executor_result *result);

// ========================
// Executors of sealed data
//
// An owner who publishes with `sealock_offer_seal` has executors compute on encrypted columns. They hold no key of the data,
// see no value and no result, and are not trusted to compute rightly:
//
// request --sealock_node_admit--> grant --sealock_releaser_task--> task       the owner
// task --sealock_executor_run--> result                                       each executor
// grant, results --sealock_releaser_release--> result, receipt                the owner
// result, receipt --sealock_ticket_open--> answer                             the consumer
//
// They do read the program, and which rows are in which chunk and public cell: `docs/sealed-data.md`.

// Computes tasks over encrypted columns. It has a store, and an account to sign with.
//
// The evaluation key of the last asset stays in memory, expanded, which takes 240 MB.
//
// Made by: `sealock_exchange_executor`, `sealock_executor_local`, `sealock_executor_with_ipfs`, `sealock_executor_with_kubo`.
// Freed by: `sealock_executor_free`. Thread-safe: tasks and parts run side by side.
struct sealock_executor;

// An executor over the store of an exchange, from which it reads columns and into which it puts results. The account stays
// the caller's.
sealock_status sealock_exchange_executor(const sealock_exchange *exchange,
                                         const sealock_account *account,
                                         sealock_executor **out,
                                         sealock_error **error);

// An executor over the store in the folder of `sealock_exchange_local`. Unlike the exchange, many processes may have executors
// there at a time, beside the one that has the exchange open.
//
// Fails with SEALOCK_ERROR_IO; with SEALOCK_ERROR_INVALID_ARGUMENT for an empty path.
sealock_status sealock_executor_local(const char *path,
                                      const sealock_account *account,
                                      sealock_executor **out,
                                      sealock_error **error);

// An executor over an IPFS node, which fetches columns from the network and serves results to it. The node's handle stays the
// caller's; the node runs as long as one of both uses it.
sealock_status sealock_executor_with_ipfs(const sealock_ipfs *node,
                                          const sealock_account *account,
                                          sealock_executor **out,
                                          sealock_error **error);

// An executor over an IPFS daemon. The daemon's handle stays the caller's.
sealock_status sealock_executor_with_kubo(const sealock_kubo *daemon,
                                          const sealock_account *account,
                                          sealock_executor **out,
                                          sealock_error **error);

// The address that signs its results, which owners know it by: see `sealock_node_releaser`.
sealock_status sealock_executor_address(const sealock_executor *executor,
                                        uint8_t *out,
                                        size_t out_length,
                                        sealock_error **error);

// The device that it computes on, as results and receipts name it.
sealock_status sealock_executor_device(const sealock_executor *executor,
                                       sealock_buffer **out,
                                       sealock_error **error);

// Computes a task, part after part, and signs the result. `watch` may be NULL; the work is cancelled between two parts.
//
// Fails with SEALOCK_ERROR_NOT_FOUND if the store lacks a block, with SEALOCK_ERROR_MALFORMED for blocks that are not what
// the task says; with SEALOCK_ERROR_CANCELLED.
sealock_status sealock_executor_run(const sealock_executor *executor,
                                    const sealock_task *task,
                                    const sealock_watch *watch,
                                    sealock_executor_result **out,
                                    sealock_error **error);

// The parts of a task, one for each chunk, for running them side by side or elsewhere: any executor that reaches the store runs
// any part, and a part that was lost is run again. `sealock_executor_join` puts them together.
//
// Fails with SEALOCK_ERROR_NOT_FOUND if the store lacks the task's manifest; with SEALOCK_ERROR_BAD_SIGNATURE for one that is
// not signed by the node whose task it is.
sealock_status sealock_executor_parts(const sealock_executor *executor,
                                      const sealock_task *task,
                                      sealock_parts **out,
                                      sealock_error **error);

// Computes one part, and puts out the CID of its encrypted result, which is in the store. It signs nothing. It cannot be
// cancelled: smaller chunks are shorter work.
//
// Fails as `sealock_executor_run`.
sealock_status sealock_executor_run_part(const sealock_executor *executor,
                                         const sealock_part *part,
                                         sealock_buffer **out,
                                         sealock_error **error);

// Signs `count` CIDs of `sealock_executor_run_part` as the result of a task: one for each part, in the order of
// `sealock_executor_parts`. **It answers for what others computed**: if one was wrong, this executor is struck. Nothing is read.
//
// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for what is no CID, with SEALOCK_ERROR_MALFORMED for more than 8,000 of them.
sealock_status sealock_executor_join(const sealock_executor *executor,
                                     const sealock_task *task,
                                     const char *const *cids,
                                     size_t count,
                                     sealock_executor_result **out,
                                     sealock_error **error);

// Computes every task that waits for this executor at a node far away, hands the results in, and puts out how many. Call it again
// and again. The executor is one over an exchange that is connected to the node, or over any other store that has the asset's
// blocks. A node that cannot be reached or is busy is waited for, as `sealock_remote_node_run` does. `watch` may be NULL; the work
// is cancelled between two parts.
//
// Fails with SEALOCK_ERROR_NOT_FOUND if the node's owner has not named the executor: `executors` of its settings; as
// `sealock_executor_run`, once the other tasks are computed; with SEALOCK_ERROR_CANCELLED.
sealock_status sealock_executor_work_for(const sealock_executor *executor,
                                         const sealock_remote_node *node,
                                         const sealock_watch *watch,
                                         size_t *out,
                                         sealock_error **error);

// Removes the pins of a task's results from the executor's store, once it is released or nobody waits for it. The next collection of
// garbage removes their blocks. Equal parts of two tasks have one result: forget it when both are done. Twice is fine.
sealock_status sealock_executor_forget(const sealock_executor *executor,
                                       const sealock_executor_result *result,
                                       sealock_error **error);

// Frees an executor. NULL is fine.
sealock_status sealock_executor_free(sealock_executor *executor);

// ========================
// Releasers of sealed data
//
// The owner's side of `sealock_executor`: makes tasks of admitted jobs, opens what executors return, compares it with the
// canaries and with each other, and releases what the policy lets out.
//
// Addresses of executors are passed one after the other, SEALOCK_ADDRESS_BYTES each, with the length of them all in bytes.

// Opens and releases the results of some executors that the owner knows.
//
// Made by: `sealock_node_releaser`. Freed by: `sealock_releaser_free`. Several may be of one node, which knows what each of them
// opened. Thread-safe.
struct sealock_releaser;

// A releaser on a node, which takes the results of these executors and of nobody else. **Whoever could sign under as many
// addresses as they like would be a quorum alone**: name executors that you know. It keeps the node open until it is freed.
sealock_status sealock_node_releaser(const sealock_node *node,
                                     const uint8_t *executors,
                                     size_t executors_length,
                                     sealock_releaser **out,
                                     sealock_error **error);

// The grant of a job, by its name, that was admitted before and is not complete: after a restart, or a release that failed.
// `*out` is NULL if there is no such job.
//
// Fails with SEALOCK_ERROR_REJECTED for one that can no longer be answered.
sealock_status sealock_releaser_grant(const sealock_releaser *releaser,
                                      const uint8_t *job,
                                      size_t job_length,
                                      sealock_grant **out,
                                      sealock_error **error);

// The task of an admitted job, for executors; the same each time. It does not use the grant up.
//
// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for a job of an asset that is not sealed, and for a grant of another node.
sealock_status sealock_releaser_task(const sealock_releaser *releaser,
                                     const sealock_grant *grant,
                                     sealock_task **out,
                                     sealock_error **error);

// Opens the results, compares them with the canaries and with each other, protects what they open to as the policy says, seals
// it to the consumer, signs a receipt, and records both before either is put out. Uses the grant up, also when it fails:
// `sealock_releaser_grant` gives it again. A job that is complete keeps the result that it has.
//
// Each executor has one result of a job opened. One whose result is wrong has no other opened of this asset, until
// `sealock_releaser_forgive`.
//
// Fails with SEALOCK_ERROR_REJECTED, which says no more, if too few results stand: the reasons are in
// `sealock_node_refusals`. **Do not let executors know them.** Other errors are the node's own failures:
// SEALOCK_ERROR_LOCKED while the same job is released by another call; SEALOCK_ERROR_INVALID_ARGUMENT for a grant of another
// node, which is not used up.
sealock_status sealock_releaser_release(const sealock_releaser *releaser,
                                        sealock_grant *grant,
                                        const sealock_executor_result *const *results,
                                        size_t count,
                                        sealock_result **result,
                                        sealock_receipt **receipt,
                                        sealock_error **error);

// The addresses of the executors whose results of an asset were wrong, as texts. No other result of them is opened.
sealock_status sealock_releaser_struck(const sealock_releaser *releaser,
                                       const sealock_asset *asset,
                                       sealock_texts **out,
                                       sealock_error **error);

// Opens results of an executor, an address, again that was wrong before: of broken memory, say, and not of malice. One that was
// not wrong stays as it is.
sealock_status sealock_releaser_forgive(const sealock_releaser *releaser,
                                        const sealock_asset *asset,
                                        const uint8_t *executor,
                                        size_t executor_length,
                                        sealock_error **error);

// Frees a releaser. NULL is fine.
sealock_status sealock_releaser_free(sealock_releaser *releaser);

// ===============
// Matrix products
//
// An encrypted matrix of integers times a clear one, exactly, of any size, without an exchange. One side has a matrix that
// nobody else may see, the other one a matrix that it keeps. The first learns the product and no more of the other's matrix
// than the product says; the second learns sizes. Matrices are integers row by row.
//
// Queries and answers are bytes, the same as Python's `sealock.linear` joins and splits. They carry no checksum: authenticate
// what carries them. Nothing here asks who may multiply, or how often: **who gets enough products has the matrix.**

// Sizes and widths of two matrices. Both sides make the same one.
//
// Made by: `sealock_product_new`. Freed by: `sealock_product_free`. It never changes; thread-safe.
struct sealock_product;

// The key of whoever has the encrypted matrix. Make one for each product: whoever sees how its owner reacts to malformed
// answers could learn it bit by bit.
//
// Made by: `sealock_product_key_generate`, `_from_secret`. Freed by: `sealock_product_key_free`, which wipes it. It never
// changes; thread-safe.
struct sealock_product_key;

// Makes a fresh key from the operating system's randomness.
sealock_status sealock_product_key_generate(sealock_product_key **out, sealock_error **error);

// The key of SEALOCK_SECRET_BYTES secret bytes that `sealock_product_key_expose_secret` gave, or that are as hard to guess.
// Wipe your copy with `sealock_wipe`.
sealock_status sealock_product_key_from_secret(const uint8_t *secret,
                                               size_t secret_length,
                                               sealock_product_key **out,
                                               sealock_error **error);

// Copies the secret out, SEALOCK_SECRET_BYTES bytes, for a key store alone. **Wipe the copy** with `sealock_wipe`.
sealock_status sealock_product_key_expose_secret(const sealock_product_key *key,
                                                 uint8_t *out,
                                                 size_t out_length,
                                                 sealock_error **error);

// Frees a key. NULL is fine.
sealock_status sealock_product_key_free(sealock_product_key *key);

// The product of an encrypted matrix of `rows` times `inner` integers of `weight_bits` bits, sign included, and a clear one
// of `inner` times `columns` integers of `entry_bits` bits.
//
// Fails with SEALOCK_ERROR_ENCRYPTION if sizes and widths leave no room for an exact result.
sealock_status sealock_product_new(size_t rows,
                                   size_t inner,
                                   size_t columns,
                                   uint8_t weight_bits,
                                   uint8_t entry_bits,
                                   sealock_product **out,
                                   sealock_error **error);

// The lengths of what `sealock_product_encrypt` and `sealock_product_evaluate` put out, in bytes.
sealock_status sealock_product_lengths(const sealock_product *product,
                                       size_t *queries,
                                       size_t *answers,
                                       sealock_error **error);

// Signed width that every entry of the product has room in, in bits.
sealock_status sealock_product_bits(const sealock_product *product, uint32_t *out, sealock_error **error);

// Encrypts the left matrix, `rows` times `inner` integers. `context` is any bytes that both sides know the request by, each
// from its own records: an answer is made for one context alone.
//
// Fails with SEALOCK_ERROR_ENCRYPTION for another number of integers, and for the first one that is too wide.
sealock_status sealock_product_encrypt(const sealock_product *product,
                                       const sealock_product_key *key,
                                       const int64_t *left,
                                       size_t left_count,
                                       const uint8_t *context,
                                       size_t context_length,
                                       sealock_buffer **out,
                                       sealock_error **error);

// Multiplies encrypted rows with the right matrix, `inner` times `columns` integers, and re-randomises the result.
//
// Fails as `sealock_product_encrypt`, and with SEALOCK_ERROR_ENCRYPTION for queries that were cut or made for another product
// or context.
sealock_status sealock_product_evaluate(const sealock_product *product,
                                        const uint8_t *queries,
                                        size_t queries_length,
                                        const int64_t *right,
                                        size_t right_count,
                                        const uint8_t *context,
                                        size_t context_length,
                                        sealock_buffer **out,
                                        sealock_error **error);

// Decrypts the product, `rows` times `columns` integers. Wipe them with `sealock_wipe` if they are secret.
//
// Fails with SEALOCK_ERROR_INVALID_ARGUMENT if 64 bits could be too few (`sealock_product_bits` says how many it takes): see
// `sealock_product_decrypt_wide`. Fails with SEALOCK_ERROR_ENCRYPTION for answers that were cut or are of another product. A
// wrong key, or an answer that was changed otherwise, gives wrong numbers.
sealock_status sealock_product_decrypt(const sealock_product *product,
                                       const sealock_product_key *key,
                                       const uint8_t *answers,
                                       size_t answers_length,
                                       int64_t *out,
                                       size_t out_count,
                                       sealock_error **error);

// As `sealock_product_decrypt`, for any width. An entry is two words, the lower one first, in two's complement: what `__int128`
// is in memory where bytes are little-endian. So `out_count` is two times `rows` times `columns`.
sealock_status sealock_product_decrypt_wide(const sealock_product *product,
                                            const sealock_product_key *key,
                                            const uint8_t *answers,
                                            size_t answers_length,
                                            uint64_t *out,
                                            size_t out_count,
                                            sealock_error **error);

// Frees a product. NULL is fine.
sealock_status sealock_product_free(sealock_product *product);

// =============================
// Access proofs: field elements
//
// An exchange makes and checks its proofs by itself. This section and the ones after it are the parts, for whoever puts them
// together otherwise: somebody who holds an order of a group proves that it allows one more use, and does not show which
// order it is. What each party learns, and what limits the promise, is in docs/access-proofs.md.
//
// 1. The owner makes keys, `sealock_setup`, and publishes the bundle. The consumer checks it once, `sealock_check_setup`.
// 2. The consumer keeps a `sealock_identity` and publishes its commitment. Terms and commitment make a leaf of the group.
// 3. Everybody can build the group, a `sealock_group`, from what is published.
// 4. The consumer proves a use, `sealock_access_prove`; the owner verifies it, `sealock_access_verify`, and notes its
//    nullifier.
//
// Numbers of proofs are field elements: integers below p, the order of the curve BN254 (p =
// 21888242871839275222246405745257275088548364400416034343698204186575808495617), as SEALOCK_SCALAR_BYTES bytes, big-endian.
// **Others are refused and never reduced**: with p added, one nullifier would have two names, and the second would buy a
// second use. A list of them is passed one after the other, with the length of them all in bytes.

// Bytes of a field element.
#define SEALOCK_SCALAR_BYTES 32

// SEALOCK_SCALAR_BYTES, as this library has it.
size_t sealock_scalar_bytes(void);

// The field element of an integer.
sealock_status sealock_scalar_from_integer(uint64_t value,
                                           uint8_t *out,
                                           size_t out_length,
                                           sealock_error **error);

// Maps `count` byte strings to a field element: for digests, addresses and other identifiers that enter a statement.
// `part_lengths` has the length of each. `domain` names the scheme and its version, for instance `example/v1/scope`.
//
// It is SHA-512 over domain and parts, each with its length before it, reduced modulo p: different parts and different
// domains give different elements.
sealock_status sealock_scalar_hash(const char *domain,
                                   const uint8_t *const *parts,
                                   const size_t *part_lengths,
                                   size_t count,
                                   uint8_t *out,
                                   size_t out_length,
                                   sealock_error **error);

// Poseidon of one, two or three field elements, with circomlib's parameters.
sealock_status sealock_poseidon(const uint8_t *inputs,
                                size_t inputs_length,
                                uint8_t *out,
                                size_t out_length,
                                sealock_error **error);

// =========================
// Access proofs: identities
//
// The consumer's secret, and the terms of the order that it belongs to.

// The secret behind one order. Whoever holds it can use the order; whoever learns it later recognises every use that was
// made with it. **Use a fresh one per order**: two orders with one secret share their nullifiers, so the second grants
// fewer uses.
//
// Made by: `sealock_identity_generate`, `sealock_identity_from_secret`. Freed by: `sealock_identity_free`, which wipes it.
// It never changes; thread-safe.
struct sealock_identity;

// What an order grants, as everybody may know it.
typedef struct {
    // `sizeof(sealock_credential)`.
    size_t struct_size;
    // The asset, as a field element: see `sealock_scalar_hash`.
    uint8_t asset[SEALOCK_SCALAR_BYTES];
    // How many uses. They are numbered from 0 to `limit - 1`.
    uint64_t limit;
    // The last moment of validity, in seconds since 1970-01-01 UTC.
    uint64_t expiry;
} sealock_credential;

// Makes a fresh secret from the operating system's randomness.
sealock_status sealock_identity_generate(sealock_identity **out, sealock_error **error);

// The identity of SEALOCK_SECRET_BYTES secret bytes that `sealock_identity_expose_secret` gave, or that are as hard to
// guess. Wipe your copy with `sealock_wipe`.
//
// Fails with SEALOCK_ERROR_MALFORMED if they are zero or no field element.
sealock_status sealock_identity_from_secret(const uint8_t *secret,
                                            size_t secret_length,
                                            sealock_identity **out,
                                            sealock_error **error);

// Copies the secret out, SEALOCK_SECRET_BYTES bytes, for a key store alone. **Wipe the copy** with `sealock_wipe`.
sealock_status sealock_identity_expose_secret(const sealock_identity *identity,
                                              uint8_t *out,
                                              size_t out_length,
                                              sealock_error **error);

// Poseidon(secret): what the order publishes. It hides the secret and fixes it.
sealock_status sealock_identity_commitment(const sealock_identity *identity,
                                           uint8_t *out,
                                           size_t out_length,
                                           sealock_error **error);

// Poseidon(scope, secret, use index): what marks one use as spent. Without the secret, nobody can link the nullifiers of
// different uses, scopes and secrets.
sealock_status sealock_identity_nullifier(const sealock_identity *identity,
                                          const uint8_t *scope,
                                          size_t scope_length,
                                          uint64_t use_index,
                                          uint8_t *out,
                                          size_t out_length,
                                          sealock_error **error);

// Wipes and frees an identity. NULL is fine.
sealock_status sealock_identity_free(sealock_identity *identity);

// The order's leaf in the group: Poseidon(commitment, limit · 2^64 + expiry, asset).
sealock_status sealock_credential_leaf(const sealock_credential *credential,
                                       const uint8_t *commitment,
                                       size_t commitment_length,
                                       uint8_t *out,
                                       size_t out_length,
                                       sealock_error **error);

// =====================
// Access proofs: groups
//
// The orders of an asset, or the members of a group of Semaphore's: a Merkle tree that grows at its end, equal to zk-kit's
// LeanIMT over Poseidon. Anonymity is within the group: one or two leaves hide nobody.

// The deepest group of access proofs: 2^24 leaves.
#define SEALOCK_MAX_DEPTH 24

// A group.
//
// Made by: `sealock_group_new`, `sealock_group_with_max_depth`. Freed by: `sealock_group_free`. Thread-safe.
struct sealock_group;

// A path from a leaf to the root. **It tells which leaf is meant: keep it private.**
//
// Made by: `sealock_group_proof`, `sealock_merkle_proof_new`. Freed by: `sealock_merkle_proof_free`. It never changes;
// thread-safe.
struct sealock_merkle_proof;

// An empty group with room for 2^SEALOCK_MAX_DEPTH leaves. **Keep a group to its key's depth, with
// `sealock_group_with_max_depth`**: in one that has outgrown its key, only members with short paths can still prove, and a
// proof says that it is one of these.
sealock_status sealock_group_new(sealock_group **out,
                                 sealock_error **error);

// An empty group with room for 2^`max_depth` leaves: it never outgrows keys of that depth.
//
// Fails with SEALOCK_ERROR_INVALID_ARGUMENT unless `max_depth` is from 1 to SEALOCK_MAX_DEPTH.
sealock_status sealock_group_with_max_depth(size_t max_depth, sealock_group **out, sealock_error **error);

// Appends a leaf, and puts out its index. **Insert only what `sealock_credential_leaf` made of terms that you have
// checked**, or commitments of Semaphore's: a number of somebody's choice can be a leaf of terms of their choice.
//
// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for zero and for a leaf that is there; with SEALOCK_ERROR_TOO_LARGE if the group
// is full.
sealock_status sealock_group_insert(sealock_group *group,
                                    const uint8_t *leaf,
                                    size_t leaf_length,
                                    size_t *index,
                                    sealock_error **error);

// Appends leaves, SEALOCK_SCALAR_BYTES bytes each, in order, all or none. It takes about a hash per leaf, on all cores.
//
// Fails as `sealock_group_insert`.
sealock_status sealock_group_insert_many(sealock_group *group,
                                         const uint8_t *leaves,
                                         size_t leaves_length,
                                         sealock_error **error);

// As `sealock_group_insert_many`, of what `sealock_group_leaves` gave: zero marks the place of a removed leaf.
sealock_status sealock_group_restore(sealock_group *group,
                                     const uint8_t *leaves,
                                     size_t leaves_length,
                                     sealock_error **error);

// Removes the leaf at `index`: its place stays, as zero, and nothing can be proved about it. Other leaves keep their places.
//
// Fails with SEALOCK_ERROR_NOT_FOUND if there is none.
sealock_status sealock_group_remove(sealock_group *group,
                                    size_t index,
                                    sealock_error **error);

// The root; `present` is 0 for a group that never had a leaf.
sealock_status sealock_group_root(const sealock_group *group,
                                  uint8_t *out,
                                  size_t out_length,
                                  int32_t *present,
                                  sealock_error **error);

// How many leaves there are, with the places of removed ones.
sealock_status sealock_group_count(const sealock_group *group, size_t *out, sealock_error **error);

// How many levels there are above the leaves.
sealock_status sealock_group_depth(const sealock_group *group, size_t *out, sealock_error **error);

// The leaves in order, SEALOCK_SCALAR_BYTES bytes each, zero for a removed one.
sealock_status sealock_group_leaves(const sealock_group *group, sealock_buffer **out, sealock_error **error);

// Where a leaf is; `present` is 0 if it is not there.
sealock_status sealock_group_index_of(const sealock_group *group,
                                      const uint8_t *leaf,
                                      size_t leaf_length,
                                      size_t *index,
                                      int32_t *present,
                                      sealock_error **error);

// The path from the leaf at `index` to the root. **Make it from a group that you built yourself**: whoever is asked for the
// path of one leaf learns which one it is.
//
// Fails with SEALOCK_ERROR_NOT_FOUND if there is no leaf, or it was removed.
sealock_status sealock_group_proof(const sealock_group *group,
                                   size_t index,
                                   sealock_merkle_proof **out,
                                   sealock_error **error);

// Frees a group. NULL is fine.
sealock_status sealock_group_free(sealock_group *group);

// A path of somebody else's group, by its parts: the leaf; the sides, where bit i of `index` says on which side the path is
// at sibling i, 0 for left and 1 for right; and the siblings from the leaf upwards, SEALOCK_SCALAR_BYTES bytes each. So
// zk-kit's `LeanIMTMerkleProof` has them.
sealock_status sealock_merkle_proof_new(const uint8_t *leaf,
                                        size_t leaf_length,
                                        uint64_t index,
                                        const uint8_t *siblings,
                                        size_t siblings_length,
                                        sealock_merkle_proof **out,
                                        sealock_error **error);

// The leaf that the path begins at.
sealock_status sealock_merkle_proof_leaf(const sealock_merkle_proof *merkle_proof,
                                         uint8_t *out,
                                         size_t out_length,
                                         sealock_error **error);

// The sides of the path: see `sealock_merkle_proof_new`. Levels without a sibling have no bit, so it is the leaf's index only
// if every level has one.
sealock_status sealock_merkle_proof_index(const sealock_merkle_proof *merkle_proof,
                                          uint64_t *out,
                                          sealock_error **error);

// The siblings from the leaf upwards, SEALOCK_SCALAR_BYTES bytes each.
sealock_status sealock_merkle_proof_siblings(const sealock_merkle_proof *merkle_proof,
                                             sealock_buffer **out,
                                             sealock_error **error);

// The root that the path leads to.
sealock_status sealock_merkle_proof_root(const sealock_merkle_proof *merkle_proof,
                                         uint8_t *out,
                                         size_t out_length,
                                         sealock_error **error);

// Frees a path. NULL is fine.
sealock_status sealock_merkle_proof_free(sealock_merkle_proof *merkle_proof);

// ===================
// Access proofs: keys
//
// The owner of the asset makes the keys and verifies proofs: **take keys from no third party**, who could forge proofs. What a
// consumer risks under a key that the owner built dishonestly is its anonymity: such a key could make proofs fail for some
// orders and not for others. So the owner publishes a key bundle, which shows how its key was made, and there is no proving
// under it before `sealock_check_setup` has found it to be what the circuit says.

// What the owner publishes: the proving key, and what shows how it was made. **Unchecked.**
//
// Made by: `sealock_setup`, `sealock_key_bundle_from_bytes`. Freed by: `sealock_key_bundle_free`. It never changes;
// thread-safe.
struct sealock_key_bundle;

// The key that proofs are made with. Whoever has one has checked it or made it.
//
// Made by: `sealock_setup`, `sealock_check_setup`, `sealock_proving_key_from_pinned_bytes`. Freed by:
// `sealock_proving_key_free`. It never changes; thread-safe.
struct sealock_proving_key;

// The key that proofs are verified with.
//
// Made by: `sealock_setup`, `sealock_proving_key_verifying_key`, `sealock_verifying_key_from_bytes`. Freed by:
// `sealock_verifying_key_free`. It never changes; thread-safe.
struct sealock_verifying_key;

// Makes the keys for groups of up to 2^`depth` leaves, from randomness that is wiped: the bundle, to be published; the key to
// prove with, which is the owner's alone; and the key to verify with. For the owner of the asset. A second or two at depth 20.
//
// Fails with SEALOCK_ERROR_INVALID_ARGUMENT unless `depth` is from 1 to SEALOCK_MAX_DEPTH.
sealock_status sealock_setup(size_t depth,
                             sealock_key_bundle **bundle,
                             sealock_proving_key **proving_key,
                             sealock_verifying_key **verifying_key,
                             sealock_error **error);

// Checks that every element of a bundle is what the circuit says, and makes the key of it that proofs are made with. Once per
// bundle: note the key's digest, with which `sealock_proving_key_from_pinned_bytes` loads it the next time. About a second on
// two cores at depth 20.
//
// Fails with SEALOCK_ERROR_UNSAFE_KEY, and names the first element that is wrong. **Then make no proof for this owner.**
sealock_status sealock_check_setup(const sealock_key_bundle *bundle,
                                   sealock_proving_key **out,
                                   sealock_error **error);

// Reads a bundle. That its points are on their curves is checked, and nothing else: call `sealock_check_setup`.
//
// Fails with SEALOCK_ERROR_MALFORMED; with SEALOCK_ERROR_UNSUPPORTED_VERSION for another version.
sealock_status sealock_key_bundle_from_bytes(const uint8_t *bytes,
                                             size_t bytes_length,
                                             sealock_key_bundle **out,
                                             sealock_error **error);

// The bundle's encoding: about 4.6 MB at depth 20.
sealock_status sealock_key_bundle_to_bytes(const sealock_key_bundle *bundle,
                                           sealock_buffer **out,
                                           sealock_error **error);

// The depth: groups have up to 2^depth leaves.
sealock_status sealock_key_bundle_depth(const sealock_key_bundle *bundle, size_t *out, sealock_error **error);

// SHA-256 of the encoding.
sealock_status sealock_key_bundle_digest(const sealock_key_bundle *bundle,
                                         uint8_t *out,
                                         size_t out_length,
                                         sealock_error **error);

// Frees a bundle. NULL is fine.
sealock_status sealock_key_bundle_free(sealock_key_bundle *bundle);

// Loads the key out of the bytes of a bundle that was checked before, in milliseconds.
//
// `digest` is the digest of a key that **you yourself** got from `sealock_check_setup` or `sealock_setup`, and kept where
// nobody else writes. One that comes with the bytes, or stands in an asset's description, is the owner's word and says nothing
// against him.
//
// Fails with SEALOCK_ERROR_MALFORMED for other bytes; with SEALOCK_ERROR_UNSUPPORTED_VERSION for another version.
sealock_status sealock_proving_key_from_pinned_bytes(const uint8_t *bytes,
                                                     size_t bytes_length,
                                                     const uint8_t *digest,
                                                     size_t digest_length,
                                                     sealock_proving_key **out,
                                                     sealock_error **error);

// The depth: groups have up to 2^depth leaves.
sealock_status sealock_proving_key_depth(const sealock_proving_key *key, size_t *out, sealock_error **error);

// The digest of the bundle that the key is of: what to note for `sealock_proving_key_from_pinned_bytes`.
sealock_status sealock_proving_key_digest(const sealock_proving_key *key,
                                          uint8_t *out,
                                          size_t out_length,
                                          sealock_error **error);

// The key that its proofs are verified with.
sealock_status sealock_proving_key_verifying_key(const sealock_proving_key *key,
                                                 sealock_verifying_key **out,
                                                 sealock_error **error);

// Frees a proving key. NULL is fine.
sealock_status sealock_proving_key_free(sealock_proving_key *key);

// Reads a verifying key and checks every point. The owner reads its own: **a key from elsewhere proves nothing.**
//
// Fails with SEALOCK_ERROR_MALFORMED; with SEALOCK_ERROR_UNSUPPORTED_VERSION for another version.
sealock_status sealock_verifying_key_from_bytes(const uint8_t *bytes,
                                                size_t bytes_length,
                                                sealock_verifying_key **out,
                                                sealock_error **error);

// The key's encoding.
sealock_status sealock_verifying_key_to_bytes(const sealock_verifying_key *key,
                                              sealock_buffer **out,
                                              sealock_error **error);

// The depth: groups have up to 2^depth leaves.
sealock_status sealock_verifying_key_depth(const sealock_verifying_key *key,
                                           size_t *out,
                                           sealock_error **error);

// SHA-256 of the encoding.
sealock_status sealock_verifying_key_digest(const sealock_verifying_key *key,
                                            uint8_t *out,
                                            size_t out_length,
                                            sealock_error **error);

// The key as snarkjs' `verification_key.json`. Whoever verifies with snarkjs has two more things to check: that the root is
// not zero, and that the statement is the one that was asked for.
sealock_status sealock_verifying_key_to_snarkjs(const sealock_verifying_key *key,
                                                sealock_buffer **out,
                                                sealock_error **error);

// The source, in Solidity, of a contract of this name that verifies proofs under the key. It needs a compiler of version
// 0.8.20 or later; `sealock_access_proof_to_evm_calldata` makes the calls.
//
// Fails with SEALOCK_ERROR_INVALID_ARGUMENT unless the name is a letter, then up to 63 letters and digits of ASCII.
sealock_status sealock_verifying_key_to_solidity(const sealock_verifying_key *key,
                                                 const char *name,
                                                 sealock_buffer **out,
                                                 sealock_error **error);

// Frees a verifying key. NULL is fine.
sealock_status sealock_verifying_key_free(sealock_verifying_key *key);

// ====================================
// Access proofs: proving and verifying

// Bytes of a statement's encoding.
#define SEALOCK_ACCESS_STATEMENT_BYTES 137

// Bytes of a proof's encoding.
#define SEALOCK_ACCESS_PROOF_BYTES 129

// A proof. Its bytes identify nothing, as anybody can turn a proof into another one of the same statement: a use is identified
// by its nullifier.
//
// Made by: `sealock_access_prove`, `sealock_access_proof_from_bytes`. Freed by: `sealock_access_proof_free`. It never changes;
// thread-safe.
struct sealock_access_proof;

// What the prover says about the use. All but the time are field elements.
typedef struct {
    // `sizeof(sealock_claim)`.
    size_t struct_size;
    // Root of the group.
    uint8_t root[SEALOCK_SCALAR_BYTES];
    // What the proof is bound to: it cannot be moved to another message.
    uint8_t message[SEALOCK_SCALAR_BYTES];
    // What uses are counted in. One use index gives one nullifier per scope.
    uint8_t scope[SEALOCK_SCALAR_BYTES];
    // The time of the use, in seconds since 1970-01-01 UTC. It is public: round it, so that a clock does not tell orders
    // apart.
    uint64_t now;
} sealock_claim;

// What a proof proves, and everything that the verifier learns: some order of the group `root`, unexpired at `now`, is used for
// `message` within its limit in `scope`, and `nullifier` marks the use. All but the time are field elements.
typedef struct {
    // `sizeof(sealock_access_statement)`, filled in by the caller.
    size_t struct_size;
    // Root of the group. Never zero in an accepted statement.
    uint8_t root[SEALOCK_SCALAR_BYTES];
    // Poseidon(scope, secret, use index): **store it when the use is spent.**
    uint8_t nullifier[SEALOCK_SCALAR_BYTES];
    // What the proof is bound to.
    uint8_t message[SEALOCK_SCALAR_BYTES];
    // What uses are counted in.
    uint8_t scope[SEALOCK_SCALAR_BYTES];
    // The time of the use, in seconds since 1970-01-01 UTC.
    uint64_t now;
} sealock_access_statement;

// SEALOCK_ACCESS_STATEMENT_BYTES, as this library has it.
size_t sealock_access_statement_bytes(void);

// SEALOCK_ACCESS_PROOF_BYTES, as this library has it.
size_t sealock_access_proof_bytes(void);

// Proves that an order allows the use that `claim` says: the secret of the order, what it granted, the number of the use from
// 0, and the path from the order's leaf to the claim's root. **One use index for two messages spends it twice: the second is
// refused.** Set `statement->struct_size` before.
//
// It is checked first whether the claim holds, and last that the proof verifies. About a third of a second on one core at depth
// 20; the first proof under a key takes longer. Prove where nobody can measure the time, which depends on the secret. Nothing
// is spent by a failure.
//
// Fails with SEALOCK_ERROR_NOT_A_MEMBER if secret and terms do not give the path's leaf, or the path does not lead to the root;
// with SEALOCK_ERROR_USE_LIMIT_REACHED; with SEALOCK_ERROR_ORDER_EXPIRED; with SEALOCK_ERROR_INVALID_PROOF if the group has
// outgrown the key; with SEALOCK_ERROR_UNSAFE_KEY for a key whose proofs do not verify.
sealock_status sealock_access_prove(const sealock_proving_key *key,
                                    const sealock_claim *claim,
                                    const sealock_identity *identity,
                                    const sealock_credential *credential,
                                    uint64_t use_index,
                                    const sealock_merkle_proof *merkle_proof,
                                    sealock_access_statement *statement,
                                    sealock_access_proof **proof,
                                    sealock_error **error);

// Verifies a proof of a statement under the owner's key.
//
// This says that the statement is true, not that it is acceptable. **Check before that root, message, scope and time are the
// right ones, and after it that the nullifier is new.**
//
// Fails with SEALOCK_ERROR_INVALID_PROOF, without a reason.
sealock_status sealock_access_verify(const sealock_verifying_key *key,
                                     const sealock_access_statement *statement,
                                     const sealock_access_proof *proof,
                                     sealock_error **error);

// Encodes a statement, in SEALOCK_ACCESS_STATEMENT_BYTES bytes: a version byte, root, nullifier, message, scope and the time
// in 8 bytes, big-endian.
sealock_status sealock_access_statement_to_bytes(const sealock_access_statement *statement,
                                                 uint8_t *out,
                                                 size_t out_length,
                                                 sealock_error **error);

// Reads a statement. Set `out->struct_size` before.
//
// Fails with SEALOCK_ERROR_MALFORMED; with SEALOCK_ERROR_UNSUPPORTED_VERSION for another version.
sealock_status sealock_access_statement_from_bytes(const uint8_t *bytes,
                                                   size_t bytes_length,
                                                   sealock_access_statement *out,
                                                   sealock_error **error);

// The statement as snarkjs' `public.json`: root, nullifier, message, scope, time.
sealock_status sealock_access_statement_to_snarkjs(const sealock_access_statement *statement,
                                                   sealock_buffer **out,
                                                   sealock_error **error);

// Encodes a proof, in SEALOCK_ACCESS_PROOF_BYTES bytes.
sealock_status sealock_access_proof_to_bytes(const sealock_access_proof *proof,
                                             uint8_t *out,
                                             size_t out_length,
                                             sealock_error **error);

// Reads a proof, and checks that its points are in their groups. Whether it proves anything is for `sealock_access_verify`.
//
// Fails with SEALOCK_ERROR_MALFORMED; with SEALOCK_ERROR_UNSUPPORTED_VERSION for another version.
sealock_status sealock_access_proof_from_bytes(const uint8_t *bytes,
                                               size_t bytes_length,
                                               sealock_access_proof **out,
                                               sealock_error **error);

// The proof as snarkjs' `proof.json`.
sealock_status sealock_access_proof_to_snarkjs(const sealock_access_proof *proof,
                                               sealock_buffer **out,
                                               sealock_error **error);

// The call of the contract of `sealock_verifying_key_to_solidity` that verifies this proof of `statement`.
sealock_status sealock_access_proof_to_evm_calldata(const sealock_access_proof *proof,
                                                    const sealock_access_statement *statement,
                                                    sealock_buffer **out,
                                                    sealock_error **error);

// Frees a proof. NULL is fine.
sealock_status sealock_access_proof_free(sealock_access_proof *proof);

// =========
// Semaphore
//
// Identities and proofs of Semaphore v4, which `@semaphore-protocol` 4.14 accepts and whose proofs are accepted here. A member
// of a group says a message in a scope, once. There are no limits, no expiry and no assets: where those matter, use access
// proofs.
//
// A group is a `sealock_group` of commitments, or a `sealock_merkle_proof` that somebody else's group gave. The keys are those
// of Semaphore's ceremony: `semaphore-<depth>.zkey` and `.json` of the npm package `@zk-kit/semaphore-artifacts`.
//
// Messages and scopes are signals: SEALOCK_SIGNAL_BYTES bytes, an integer below 2^256, big-endian. Semaphore's JavaScript takes
// numbers, texts and bytes alike, and reads a text that looks like a number as that number. Here the caller says which it is.

// Bytes of a message or a scope.
#define SEALOCK_SIGNAL_BYTES 32

// Bytes of a public key: both coordinates, field elements.
#define SEALOCK_SEMAPHORE_PUBLIC_KEY_BYTES 64

// The deepest circuit of the ceremony.
#define SEALOCK_SEMAPHORE_MAX_DEPTH 32

// An identity. One is meant to be used in many groups: its nullifiers of one scope are the same in each of them, so a scope
// names its group.
//
// Made by: `sealock_semaphore_identity_generate`, `_from_private_key`, `_import`. Freed by:
// `sealock_semaphore_identity_free`, which wipes it. It never changes; thread-safe.
struct sealock_semaphore_identity;

// A proof, with what it proves. The nullifier identifies it; its points do not, as anybody can change them.
//
// Made by: `sealock_semaphore_prove`, `sealock_semaphore_proof_from_json`. Freed by: `sealock_semaphore_proof_free`. It never
// changes; thread-safe.
struct sealock_semaphore_proof;

// A key that proofs are made with.
//
// Made by: `sealock_semaphore_proving_key_from_zkey`, `_from_pinned_zkey`. Freed by: `sealock_semaphore_proving_key_free`. It
// never changes; thread-safe.
struct sealock_semaphore_proving_key;

// A key that proofs are verified with: one for each depth.
//
// Made by: `sealock_semaphore_verifying_key_from_snarkjs`, `sealock_semaphore_proving_key_verifying_key`. Freed by:
// `sealock_semaphore_verifying_key_free`. It never changes; thread-safe.
struct sealock_semaphore_verifying_key;

// What a proof proves: somebody in the group `root` says `message` in `scope`, and `nullifier` marks that it did.
typedef struct {
    // `sizeof(sealock_semaphore_statement)`, filled in by the caller.
    size_t struct_size;
    // The depth of the circuit, which says which key verifies the proof.
    size_t depth;
    // Root of the group, a field element. Never zero in an accepted proof.
    uint8_t root[SEALOCK_SCALAR_BYTES];
    // Poseidon(hash of the scope, secret), a field element.
    uint8_t nullifier[SEALOCK_SCALAR_BYTES];
    // What is said, a signal.
    uint8_t message[SEALOCK_SIGNAL_BYTES];
    // Where it is said, a signal.
    uint8_t scope[SEALOCK_SIGNAL_BYTES];
} sealock_semaphore_statement;

// SEALOCK_SIGNAL_BYTES, as this library has it.
size_t sealock_signal_bytes(void);

// SEALOCK_SEMAPHORE_PUBLIC_KEY_BYTES, as this library has it.
size_t sealock_semaphore_public_key_bytes(void);

// The signal of a text: its UTF-8, padded on the right with zeros, as ethers' `encodeBytes32String` has it.
//
// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for more than 31 bytes.
sealock_status sealock_signal_from_text(const char *text,
                                        uint8_t *out,
                                        size_t out_length,
                                        sealock_error **error);

// The signal of an integer.
sealock_status sealock_signal_from_integer(uint64_t value,
                                           uint8_t *out,
                                           size_t out_length,
                                           sealock_error **error);

// The signal of an integer below 2^256 in decimal digits, without leading zeros, as a proof's JSON has it.
//
// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for anything else.
sealock_status sealock_signal_from_decimal(const char *value,
                                           uint8_t *out,
                                           size_t out_length,
                                           sealock_error **error);

// The integer in decimal digits. It writes field elements as well, which JavaScript has so.
sealock_status sealock_signal_to_decimal(const uint8_t *signal,
                                         size_t signal_length,
                                         sealock_buffer **out,
                                         sealock_error **error);

// What a proof shows of a signal, a field element: its Keccak-256 without the last byte.
sealock_status sealock_signal_hash(const uint8_t *signal,
                                   size_t signal_length,
                                   uint8_t *out,
                                   size_t out_length,
                                   sealock_error **error);

// Makes a fresh identity from the operating system's randomness: a private key of 32 bytes.
sealock_status sealock_semaphore_identity_generate(sealock_semaphore_identity **out, sealock_error **error);

// The identity of a private key: bytes of any number, or the UTF-8 of a text. Equal to `new Identity(key)`. **It is the
// secret**: a text that somebody can guess gives the commitment and all uses away. Wipe your copy with `sealock_wipe`.
sealock_status sealock_semaphore_identity_from_private_key(const uint8_t *private_key,
                                                           size_t private_key_length,
                                                           sealock_semaphore_identity **out,
                                                           sealock_error **error);

// Reads what `sealock_semaphore_identity_export` or `identity.export()` wrote: the private key in Base64. Wipe your copy with
// `sealock_wipe`.
//
// Fails with SEALOCK_ERROR_MALFORMED.
sealock_status sealock_semaphore_identity_import(const char *text,
                                                 sealock_semaphore_identity **out,
                                                 sealock_error **error);

// The private key in Base64, equal to `identity.export()`: **the secret**, for a key store alone. The buffer is wiped when it
// is freed.
sealock_status sealock_semaphore_identity_export(const sealock_semaphore_identity *identity,
                                                 sealock_buffer **out,
                                                 sealock_error **error);

// The private key itself: **the secret**, for a key store alone. The buffer is wiped when it is freed.
sealock_status sealock_semaphore_identity_expose_private_key(const sealock_semaphore_identity *identity,
                                                             sealock_buffer **out,
                                                             sealock_error **error);

// The public key on Baby Jubjub, in circomlib's coordinates: x, then y.
sealock_status sealock_semaphore_identity_public_key(const sealock_semaphore_identity *identity,
                                                     uint8_t *out,
                                                     size_t out_length,
                                                     sealock_error **error);

// Poseidon(public key), a field element: what a group has as its leaf.
sealock_status sealock_semaphore_identity_commitment(const sealock_semaphore_identity *identity,
                                                     uint8_t *out,
                                                     size_t out_length,
                                                     sealock_error **error);

// Wipes and frees an identity. NULL is fine.
sealock_status sealock_semaphore_identity_free(sealock_semaphore_identity *identity);

// Reads a key file of snarkjs for Semaphore's circuit of some depth, and checks that every point is in its group. About a
// second at depth 20. **That the file is the ceremony's is for you to know**: pin its SHA-256 digest and use
// `sealock_semaphore_proving_key_from_pinned_zkey`.
//
// Fails with SEALOCK_ERROR_MALFORMED; with SEALOCK_ERROR_TOO_LARGE for more than any key of the ceremony has; with
// SEALOCK_ERROR_UNSUPPORTED_VERSION for another version of the format.
sealock_status sealock_semaphore_proving_key_from_zkey(const uint8_t *bytes,
                                                       size_t bytes_length,
                                                       sealock_semaphore_proving_key **out,
                                                       sealock_error **error);

// Reads a key file whose SHA-256 digest is pinned, without checking its points once more: milliseconds.
//
// Fails with SEALOCK_ERROR_MALFORMED for other bytes; otherwise as `sealock_semaphore_proving_key_from_zkey`.
sealock_status sealock_semaphore_proving_key_from_pinned_zkey(const uint8_t *bytes,
                                                              size_t bytes_length,
                                                              const uint8_t *digest,
                                                              size_t digest_length,
                                                              sealock_semaphore_proving_key **out,
                                                              sealock_error **error);

// The depth: groups have up to 2^depth members.
sealock_status sealock_semaphore_proving_key_depth(const sealock_semaphore_proving_key *key,
                                                   size_t *out,
                                                   sealock_error **error);

// The key that its proofs are verified with.
sealock_status sealock_semaphore_proving_key_verifying_key(const sealock_semaphore_proving_key *key,
                                                           sealock_semaphore_verifying_key **out,
                                                           sealock_error **error);

// Frees a proving key. NULL is fine.
sealock_status sealock_semaphore_proving_key_free(sealock_semaphore_proving_key *key);

// Reads a verifying key of snarkjs for the circuit of a depth. **Whoever made it can forge proofs**: take it from the ceremony.
//
// Fails with SEALOCK_ERROR_MALFORMED, for a depth that the ceremony does not have, too; with SEALOCK_ERROR_TOO_LARGE.
sealock_status sealock_semaphore_verifying_key_from_snarkjs(size_t depth,
                                                            const char *json,
                                                            sealock_semaphore_verifying_key **out,
                                                            sealock_error **error);

// The depth: groups have up to 2^depth members.
sealock_status sealock_semaphore_verifying_key_depth(const sealock_semaphore_verifying_key *key,
                                                     size_t *out,
                                                     sealock_error **error);

// The key as snarkjs' `verification_key.json`.
sealock_status sealock_semaphore_verifying_key_to_snarkjs(const sealock_semaphore_verifying_key *key,
                                                          sealock_buffer **out,
                                                          sealock_error **error);

// Frees a verifying key. NULL is fine.
sealock_status sealock_semaphore_verifying_key_free(sealock_semaphore_verifying_key *key);

// Proves that the identity is the member at the start of the path, and says a message, a signal, in a scope, a signal. Prove
// where nobody can measure the time, which depends on the secret.
//
// Fails with SEALOCK_ERROR_NOT_A_MEMBER; with SEALOCK_ERROR_INVALID_PROOF if the group has outgrown the key; with
// SEALOCK_ERROR_UNSAFE_KEY for a key whose proofs do not verify.
sealock_status sealock_semaphore_prove(const sealock_semaphore_proving_key *key,
                                       const sealock_semaphore_identity *identity,
                                       const sealock_merkle_proof *merkle_proof,
                                       const uint8_t *message,
                                       size_t message_length,
                                       const uint8_t *scope,
                                       size_t scope_length,
                                       sealock_semaphore_proof **out,
                                       sealock_error **error);

// Verifies a proof under the ceremony's key for its depth.
//
// This says that the statement is true, not that it is acceptable. **Check before that root and scope are the right ones, and
// after it that the nullifier is new in the scope**: `sealock_semaphore_proof_statement` puts them out.
//
// Fails with SEALOCK_ERROR_INVALID_PROOF, without a reason.
sealock_status sealock_semaphore_verify(const sealock_semaphore_verifying_key *key,
                                        const sealock_semaphore_proof *proof,
                                        sealock_error **error);

// What the proof proves. **Call `sealock_semaphore_verify` as well.** Set `out->struct_size` before.
sealock_status sealock_semaphore_proof_statement(const sealock_semaphore_proof *proof,
                                                 sealock_semaphore_statement *out,
                                                 sealock_error **error);

// Reads what `sealock_semaphore_proof_to_json` or `JSON.stringify(proof)` wrote.
//
// Fails with SEALOCK_ERROR_MALFORMED; with SEALOCK_ERROR_TOO_LARGE.
sealock_status sealock_semaphore_proof_from_json(const char *json,
                                                 sealock_semaphore_proof **out,
                                                 sealock_error **error);

// The proof as `@semaphore-protocol/proof` has it.
sealock_status sealock_semaphore_proof_to_json(const sealock_semaphore_proof *proof,
                                               sealock_buffer **out,
                                               sealock_error **error);

// The proof as snarkjs' `proof.json`, and what it proves as its `public.json`.
sealock_status sealock_semaphore_proof_to_snarkjs(const sealock_semaphore_proof *proof,
                                                  sealock_buffer **proof_json,
                                                  sealock_buffer **public_json,
                                                  sealock_error **error);

// The call of Semaphore's contract `SemaphoreVerifier` that verifies the proof.
sealock_status sealock_semaphore_proof_to_evm_calldata(const sealock_semaphore_proof *proof,
                                                       sealock_buffer **out,
                                                       sealock_error **error);

// Frees a proof. NULL is fine.
sealock_status sealock_semaphore_proof_free(sealock_semaphore_proof *proof);

#ifdef __cplusplus
}
#endif

#endif
