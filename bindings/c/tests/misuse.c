// Every function of the library, with every argument wrong in every way that can be told: an error, and no harm.
//
// misuse.py writes the calls from the header. It fails if the library has a function that the header has not.
//
//     misuse <folder of the keys of Semaphore's ceremony>

#define _XOPEN_SOURCE 700

#include <math.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

#include "folder.h"
#include "market.h"
#include "task.h"

#define POISON ((uintptr_t)0xa5a5a5a5a5a5a5a5u)

// Where the calls put things.
static struct {
    void *handle[4];
    uint64_t number[4];
    uint8_t bytes[192];
    struct ArrowArrayStream stream;
} outs;

static const uint8_t some_bytes[64] = {0xa1, 0x63, 'b', 'a', 'd', 0x00, 0xff, '{', '"', '\n', ','};

// Two field elements, and two that are none.
static const uint8_t some_scalars[64] = {[31] = 1, [63] = 2};
static const uint8_t no_scalars[64] = {[0] = 0xff, [32] = 0xff};

static void poison(void) {
    memset(&outs, 0xa5, sizeof outs);
}

static void release_out(void) {
    if (outs.stream.release && (uintptr_t)outs.stream.release != POISON) outs.stream.release(&outs.stream);
}

static void wrong(const char *shown, const char *says, unsigned null, sealock_status status, sealock_error *error) {
    int right = status != SEALOCK_OK && error && (uintptr_t)error != POISON && sealock_error_code(error) == status;
    const char *message = right ? sealock_error_message(error) : "no error";
    if (!check(right && strstr(message, says) != NULL, shown, __FILE__, __LINE__))
        fprintf(stderr, "  expected \"%s\", got %d \"%s\"\n", says, status, message);
    for (unsigned i = 0; i < 4; i++)
        if (null >> i & 1) check(outs.handle[i] == NULL, shown, __FILE__, __LINE__);
    if (right) sealock_error_free(error);
}

// A call that has to fail, with a message that names what was wrong and NULL put out. And again for who wants no error.
#define WRONG(shown, says, null, call)                     \
    do {                                                   \
        sealock_error *error = (sealock_error *)POISON;    \
        poison();                                          \
        sealock_status status = (call);                    \
        wrong(shown, says, null, status, error);           \
    } while (0)

// A call that may succeed or fail.
#define HARMLESS(call, free_outs)                                                                          \
    do {                                                                                                   \
        sealock_error *error = NULL;                                                                       \
        memset(&outs, 0, sizeof outs);                                                                     \
        (void)(call);                                                                                      \
        free_outs;                                                                                         \
        check(sealock_error_free(error) == SEALOCK_OK, "the error of " #call, __FILE__, __LINE__);         \
    } while (0)

#define SIZED(type)                               \
    static inline type *sized_##type(void) {      \
        static type value;                        \
        value.struct_size = sizeof value;         \
        return &value;                            \
    }                                             \
    static inline type *wrong_##type(void) {      \
        static type value;                        \
        value.struct_size = sizeof value - 1;     \
        return &value;                            \
    }

SIZED(sealock_suppression)
SIZED(sealock_estimate)
SIZED(sealock_number_error)
SIZED(sealock_budget)
SIZED(sealock_statement)
SIZED(sealock_executed)
SIZED(sealock_job)
SIZED(sealock_blocks)
SIZED(sealock_destruction)
SIZED(sealock_order_record)
SIZED(sealock_revocation)
SIZED(sealock_watch)
SIZED(sealock_kubo_options)
SIZED(sealock_ocean_options)
SIZED(sealock_remote_options)
SIZED(sealock_node_info)
SIZED(sealock_remote_job)
SIZED(sealock_credential)
SIZED(sealock_claim)
SIZED(sealock_access_statement)
SIZED(sealock_semaphore_statement)

// Arrow structures whose releases are counted: what goes in is released once, whatever is wrong with the rest of the call.

static int made, released;

static void release_stream(struct ArrowArrayStream *stream) {
    released++;
    stream->release = NULL;
}

static void release_schema(struct ArrowSchema *schema) {
    released++;
    schema->release = NULL;
}

static void release_array(struct ArrowArray *array) {
    released++;
    array->release = NULL;
}

static struct ArrowArrayStream *new_ArrowArrayStream(void) {
    static struct ArrowArrayStream stream;
    stream = (struct ArrowArrayStream){.release = release_stream};
    made++;
    return &stream;
}

static struct ArrowSchema *new_ArrowSchema(void) {
    static struct ArrowSchema schema;
    schema = (struct ArrowSchema){.format = "+s", .name = "", .release = release_schema};
    made++;
    return &schema;
}

static struct ArrowArray *new_ArrowArray(void) {
    static struct ArrowArray array;
    static const void *buffers[1];
    array = (struct ArrowArray){.n_buffers = 1, .buffers = buffers, .release = release_array};
    made++;
    return &array;
}

static struct ArrowArrayStream *released_ArrowArrayStream(void) {
    static struct ArrowArrayStream stream;
    return &stream;
}

static struct ArrowSchema *released_ArrowSchema(void) {
    static struct ArrowSchema schema;
    return &schema;
}

static struct ArrowArray *released_ArrowArray(void) {
    static struct ArrowArray array;
    return &array;
}

#include "misuse_calls.h"

// What a compute node on chain 1 says of itself.
static const char NODE[] =
    "{\"version\":\"0.0\",\"address\":\"0x00000000000000000000000000000000000000f4\",\"chain_id\":1,"
    "\"ledger\":\"0x00000000000000000000000000000000000000f1\",\"serves_ledger\":false,\"devices\":[],"
    "\"max_request_bytes\":1,\"max_result_bytes\":1,\"result_retention_secs\":1,\"now\":1}";

// Whoever answers a client's first questions is a daemon to it, a node of a chain, or a compute node. It says no more: what is
// asked here is asked wrongly.
static void *answer(void *with) {
    char asked[4096], body[512], said[1024];
    int client;
    while ((client = accept(*(int *)with, NULL, NULL)) >= 0) {
        size_t length = 0;
        asked[0] = 0;
        while (length + 1 < sizeof asked) {
            ssize_t got = recv(client, asked + length, sizeof asked - 1 - length, 0);
            if (got <= 0) break;
            asked[length += (size_t)got] = 0;
            // Kubo and compute nodes are asked without a body, and a chain with an object.
            if (strstr(asked, "\r\n\r\n") && (strstr(asked, "/api/v") || asked[length - 1] == '}')) break;
        }
        const char *id = strstr(asked, "\"id\":");
        if (strstr(asked, "/api/v1/node")) snprintf(body, sizeof body, "%s", NODE);
        else if (!id) snprintf(body, sizeof body, "{\"Version\":\"0.0\"}");
        // Chain 1, some code, and the address of a router, as 32 bytes each.
        else snprintf(body, sizeof body, "{\"id\":%d,\"result\":\"0x%064d\"}", atoi(id + 5), 1);
        int size = snprintf(said, sizeof said, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
                            "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
        CHECK(send(client, said, (size_t)size, 0) == size);
        close(client);
    }
    return NULL;
}

// A daemon, a chain and a compute node that say no more.
static void connect_others(void) {
    static const char ADDRESSES[] =
        "{\"here\": {\"chainId\": 1, \"ERC721Factory\": \"0x00000000000000000000000000000000000000f1\","
        "\"FixedPrice\": \"0x00000000000000000000000000000000000000f2\","
        "\"Dispenser\": \"0x00000000000000000000000000000000000000f3\"}}";
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    int listening = socket(AF_INET, SOCK_STREAM, 0);
    pthread_t thread;
    char address[64];
    CHECK(bind(listening, (struct sockaddr *)&at, sizeof at) == 0 && listen(listening, 1) == 0);
    CHECK(getsockname(listening, (struct sockaddr *)&at, &length) == 0);
    CHECK(pthread_create(&thread, NULL, answer, &listening) == 0);
    snprintf(address, sizeof address, "http://127.0.0.1:%d", ntohs(at.sin_port));
    MUST(sealock_kubo_connect(address, NULL, &valid_sealock_kubo, &error));
    MUST(sealock_ocean_connect(address, ADDRESSES, NULL, &valid_sealock_ledger, &error));
    sealock_remote_options options = {.struct_size = sizeof options, .timeout = 5000, .patience = 1};
    sealock_exchange *exchange;
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_exchange_connect(address, NULL, &options, &exchange, &error));
    MUST(sealock_exchange_connect_on(address, NULL, valid_sealock_ledger, &options, &exchange, &error));
    MUST(sealock_exchange_node(exchange, &valid_sealock_remote_node, &error));
    sealock_exchange_free(exchange);
    shutdown(listening, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(listening);
}

static char folder[] = "/tmp/sealock-misuse-XXXXXX";

// A node that talks to nobody.
static void open_node(void) {
    make_folder(folder);
    MUST(sealock_ipfs_config_new(&valid_sealock_ipfs_config, &error));
    MUST(sealock_ipfs_config_listen(valid_sealock_ipfs_config, NULL, 0, &error));
    MUST(sealock_ipfs_open(folder, valid_sealock_ipfs_config, &valid_sealock_ipfs, &error));
}

// A model and what leads to its scores, and a product of matrices.
static void open_model(const struct market *m) {
    sealock_schema *schema;
    sealock_column *column;
    sealock_policy *policy;
    sealock_offer *offer;
    sealock_published *published;
    sealock_asset *asset;
    sealock_order *order;
    const double one[] = {1};
    MUST(sealock_column_integer("x", 0, 9, &column, &error));
    MUST(sealock_schema_new((const sealock_column *const[]){column}, 1, &schema, &error));
    MUST(sealock_model_new(SEALOCK_MODEL_LINEAR, schema, LIST("y"), one, 1, one, 1, 32, SEALOCK_MODEL_FINEST,
                           &valid_sealock_model, &error));
    MUST(sealock_model_predict(valid_sealock_model, one, 1, 0, &valid_sealock_prediction, &error));
    MUST(sealock_policy_deny_all(&policy, &error));
    MUST(sealock_policy_allow_inference(policy, 1, &error));
    MUST(sealock_offer_new_model("A model", valid_sealock_model, policy, m->terms, &offer, &error));
    MUST(sealock_owner_publish(m->owner, offer, NULL, &published, &error));
    MUST(sealock_published_asset(published, &asset, &error));
    MUST(sealock_consumer_buy(m->consumer, asset, 1, &error));
    MUST(sealock_consumer_order(m->consumer, asset, &order, &error));
    MUST(sealock_order_infer(order, one, 1, 0, NULL, &valid_sealock_inference_ticket, &error));
    MUST(sealock_consumer_inference_tickets(m->consumer, &valid_sealock_inference_tickets, &error));
    sealock_order_free(order);
    sealock_asset_free(asset);
    sealock_published_free(published);
    sealock_offer_free(offer);
    sealock_policy_free(policy);
    sealock_schema_free(schema);
    sealock_column_free(column);
    MUST(sealock_product_key_generate(&valid_sealock_product_key, &error));
    MUST(sealock_product_new(1, 1, 1, 8, 8, &valid_sealock_product, &error));
}

// A federated sum over the assets of two owners.
static void open_federation(const struct market *m) {
    sealock_account *account;
    sealock_owner *owners[2] = {m->owner};
    sealock_buffer *members[2];
    sealock_policy *policy = people_policy_of_queries();
    sealock_offer *offer;
    sealock_order *orders[2];
    sealock_query *query = people_query(0);
    MUST(sealock_account_generate(&account, &error));
    MUST(sealock_exchange_owner(m->exchange, account, &owners[1], &error));
    for (size_t i = 0; i < 2; i++) MUST(sealock_owner_member(owners[i], &members[i], &error));
    const char *const names[] = {sealock_buffer_text(members[0]), sealock_buffer_text(members[1])};
    MUST(sealock_policy_federation(policy, names, COUNT(names), &error));
    MUST(sealock_offer_new("People", m->table, policy, m->terms, &offer, &error));
    for (size_t i = 0; i < 2; i++) {
        sealock_published *published;
        sealock_asset *asset;
        MUST(sealock_owner_publish(owners[i], offer, NULL, &published, &error));
        MUST(sealock_published_asset(published, &asset, &error));
        MUST(sealock_consumer_buy(m->consumer, asset, 1, &error));
        MUST(sealock_consumer_order(m->consumer, asset, &orders[i], &error));
        sealock_asset_free(asset);
        sealock_published_free(published);
    }
    MUST(sealock_consumer_request_federated(m->consumer, (const sealock_order *const *)orders, 2, query, NULL,
                                            &valid_sealock_federated_ticket, &error));
    MUST(sealock_consumer_federated_tickets(m->consumer, &valid_sealock_federated_tickets, &error));
    for (size_t i = 0; i < 2; i++) {
        sealock_order_free(orders[i]);
        sealock_buffer_free(members[i]);
    }
    sealock_query_free(query);
    sealock_offer_free(offer);
    sealock_policy_free(policy);
    sealock_owner_free(owners[1]);
    sealock_account_free(account);
}

// What executors have in hand. Encrypting for them takes too long: the task is an old one.
static void open_sealed(const struct market *m) {
    uint8_t address[SEALOCK_ADDRESS_BYTES];
    MUST(sealock_exchange_executor(m->exchange, m->consumer_account, &valid_sealock_executor, &error));
    MUST(sealock_executor_address(valid_sealock_executor, address, sizeof address, &error));
    MUST(sealock_node_releaser(m->node, address, sizeof address, &valid_sealock_releaser, &error));
    MUST(sealock_task_from_bytes(TASK, sizeof TASK, &valid_sealock_task, &error));
    MUST(sealock_part_from_bytes(PART, sizeof PART, &valid_sealock_part, &error));
    MUST(sealock_executor_join(valid_sealock_executor, valid_sealock_task, NULL, 0, &valid_sealock_executor_result, &error));
}

// What leads to the data itself.
static void open_data(const struct market *m) {
    sealock_download_ticket *ticket;
    MUST(sealock_consumer_buy(m->consumer, m->asset, 1, &error));
    MUST(sealock_consumer_order_download(m->consumer, m->asset, &valid_sealock_download_order, &error));
    MUST(sealock_download_order_request(valid_sealock_download_order, NULL, &ticket, &error));
    valid_sealock_download_ticket = ticket;
    MUST(sealock_consumer_download_orders(m->consumer, m->asset, &valid_sealock_download_orders, &error));
    MUST(sealock_consumer_download_tickets(m->consumer, &valid_sealock_download_tickets, &error));
    MUST(sealock_owner_orders(m->owner, m->asset, &valid_sealock_order_records, &error));
    MUST(sealock_owner_download(m->owner, m->asset, &valid_sealock_download, &error));
    MUST(sealock_recipient_key_generate(&valid_sealock_recipient_key, &error));
    MUST(sealock_key_store_in_memory(m->owner_account, &valid_sealock_key_store, &error));
    MUST(sealock_asset_roots(m->asset, &valid_sealock_texts, &error));
    // The key of another asset is destroyed.
    sealock_published *published;
    sealock_asset *asset;
    MUST(sealock_owner_publish(m->owner, m->offer, NULL, &published, &error));
    MUST(sealock_published_asset(published, &asset, &error));
    MUST(sealock_owner_destroy_key(m->owner, asset, &valid_sealock_destruction_receipt, &error));
    sealock_asset_free(asset);
    sealock_published_free(published);
}

// The parts of access proofs, for the smallest groups.
static void open_proofs(void) {
    sealock_credential credential = {.struct_size = sizeof credential, .limit = 1};
    sealock_claim claim = {.struct_size = sizeof claim};
    sealock_access_statement statement = {.struct_size = sizeof statement};
    uint8_t commitment[SEALOCK_SCALAR_BYTES];
    size_t index;
    int32_t present;
    MUST(sealock_identity_generate(&valid_sealock_identity, &error));
    MUST(sealock_identity_commitment(valid_sealock_identity, commitment, sizeof commitment, &error));
    MUST(sealock_credential_leaf(&credential, commitment, sizeof commitment, claim.root, sizeof claim.root, &error));
    MUST(sealock_group_new(&valid_sealock_group, &error));
    MUST(sealock_group_insert(valid_sealock_group, claim.root, sizeof claim.root, &index, &error));
    MUST(sealock_group_root(valid_sealock_group, claim.root, sizeof claim.root, &present, &error));
    MUST(sealock_group_proof(valid_sealock_group, index, &valid_sealock_merkle_proof, &error));
    MUST(sealock_setup(1, &valid_sealock_key_bundle, &valid_sealock_proving_key, &valid_sealock_verifying_key, &error));
    MUST(sealock_access_prove(valid_sealock_proving_key, &claim, valid_sealock_identity, &credential, 0,
                              valid_sealock_merkle_proof, &statement, &valid_sealock_access_proof, &error));
}

static void open_semaphore(const char *ceremony) {
    static uint8_t zkey[2 << 20];
    uint8_t leaf[SEALOCK_SCALAR_BYTES];
    const uint8_t *signal = some_bytes;
    sealock_merkle_proof *path;
    struct path name = in(ceremony, "semaphore-1.zkey");
    FILE *file = fopen(name.text, "rb");
    if (!CHECK(file != NULL)) exit(1);
    size_t length = fread(zkey, 1, sizeof zkey, file);
    fclose(file);
    MUST(sealock_semaphore_proving_key_from_zkey(zkey, length, &valid_sealock_semaphore_proving_key, &error));
    MUST(sealock_semaphore_proving_key_verifying_key(valid_sealock_semaphore_proving_key,
                                                     &valid_sealock_semaphore_verifying_key, &error));
    MUST(sealock_semaphore_identity_generate(&valid_sealock_semaphore_identity, &error));
    MUST(sealock_semaphore_identity_commitment(valid_sealock_semaphore_identity, leaf, sizeof leaf, &error));
    MUST(sealock_merkle_proof_new(leaf, sizeof leaf, 0, NULL, 0, &path, &error));
    MUST(sealock_semaphore_prove(valid_sealock_semaphore_proving_key, valid_sealock_semaphore_identity, path, signal, 32,
                                 signal, 32, &valid_sealock_semaphore_proof, &error));
    sealock_merkle_proof_free(path);
}

// Every type of handle once.
static void make_all(const char *ceremony) {
    struct market m = open_market(NULL);
    sealock_ticket *ticket;
    sealock_filter *filter;
    sealock_literals *literals;
    sealock_column *column;
    sealock_result *result;
    sealock_receipt *receipt;
    sealock_query *query = people_query(0);
    MUST(sealock_literals_new(&literals, &error));
    MUST(sealock_filter_is_null("age", &filter, &error));
    MUST(sealock_column_boolean("sex", &column, &error));
    MUST(sealock_order_request(m.order, query, NULL, &ticket, &error));
    // Under Valgrind on a busy machine, loading the key takes longer than a proof is good for. It is loaded now.
    MUST(sealock_ticket_renew(ticket, &error));
    MUST(sealock_ticket_request(ticket, &valid_sealock_request, &error));
    MUST(sealock_node_run(m.node, valid_sealock_request, NULL, &result, &receipt, &error));
    MUST(sealock_ticket_open(ticket, result, receipt, &valid_sealock_answer, &error));
    MUST(sealock_node_admit(m.node, valid_sealock_request, &valid_sealock_grant, &error));
    sealock_grant *grant;
    MUST(sealock_node_admit(m.node, valid_sealock_request, &grant, &error));
    MUST(sealock_node_compute(m.node, grant, &valid_sealock_computed, &error));
    sealock_grant_free(grant);
    MUST(sealock_exchange_assets(m.exchange, &valid_sealock_assets, &error));
    MUST(sealock_consumer_orders(m.consumer, m.asset, &valid_sealock_orders, &error));
    MUST(sealock_consumer_tickets(m.consumer, &valid_sealock_tickets, &error));
    MUST(sealock_node_receipts(m.node, &valid_sealock_receipts, &error));
    MUST(sealock_node_refusals(m.node, &valid_sealock_refusals, &error));
    MUST(sealock_query_program(query, &valid_sealock_program, &error));
    MUST(sealock_asset_number_errors(m.asset, query, &valid_sealock_number_errors, &error));
    MUST(sealock_asset_did(m.asset, &valid_sealock_buffer, &error));
    MUST(sealock_cancel_new(&valid_sealock_cancel, &error));
    CHECK(sealock_schema_from_json(NULL, 0, &valid_sealock_schema, &valid_sealock_error) == SEALOCK_ERROR_MALFORMED);
    open_data(&m);
    open_model(&m);
    open_federation(&m);
    open_sealed(&m);
    open_proofs();
    open_semaphore(ceremony);
    open_node();
    connect_others();
    sealock_account_free(m.consumer_account);
    valid_sealock_exchange = m.exchange;
    valid_sealock_account = m.owner_account;
    valid_sealock_owner = m.owner;
    valid_sealock_node = m.node;
    valid_sealock_schema = m.schema;
    valid_sealock_table = m.table;
    valid_sealock_policy = m.policy;
    valid_sealock_terms = m.terms;
    valid_sealock_offer = m.offer;
    valid_sealock_published = m.published;
    valid_sealock_asset = m.asset;
    valid_sealock_consumer = m.consumer;
    valid_sealock_order = m.order;
    valid_sealock_ticket = ticket;
    valid_sealock_filter = filter;
    valid_sealock_literals = literals;
    valid_sealock_column = column;
    valid_sealock_query = query;
    valid_sealock_result = result;
    valid_sealock_receipt = receipt;
}

int main(int count, char **arguments) {
    if (count != 2) return fprintf(stderr, "misuse <folder of the ceremony's keys>\n"), 2;
    make_all(arguments[1]);
    size_t before = sealock_live_handles();
    misuse_all();
    CHECK(sealock_live_handles() == before);
    CHECK(made > 0 && made == released);
    free_all();
    misuse_freed();
    CHECK(made == released);
    remove_folder(folder);
    return failures("misuse");
}
