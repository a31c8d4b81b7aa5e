// The data itself: two IPFS nodes exchange an asset, a buyer and a recipient read it, a CAR carries it, its owner encrypts it
// anew and destroys its key.

#define _XOPEN_SOURCE 700

#include <time.h>

#include "folder.h"
#include "market.h"

static const char PASSPHRASE[] = "correct horse battery staple";

// The first text of a list that holds a part, which the caller frees. The list is freed.
static sealock_buffer *text_with(sealock_texts *texts, const char *part) {
    sealock_buffer *text, *found = NULL;
    size_t count;
    MUST(sealock_texts_count(texts, &count, &error));
    for (size_t i = 0; i < count; i++) {
        MUST(sealock_texts_get(texts, i, &text, &error));
        if (!found && strstr(sealock_buffer_text(text), part)) found = text;
        else sealock_buffer_free(text);
    }
    sealock_texts_free(texts);
    CHECK(found != NULL);
    return found;
}

static size_t count_of(sealock_texts *texts) {
    size_t count;
    MUST(sealock_texts_count(texts, &count, &error));
    sealock_texts_free(texts);
    return count;
}

static size_t rows_of(sealock_table *table) {
    size_t rows;
    MUST(sealock_table_rows(table, &rows, &error));
    sealock_table_free(table);
    return rows;
}

// The whole of a small file.
static size_t slurp(const char *path, uint8_t *out, size_t size) {
    FILE *file = fopen(path, "rb");
    size_t length = file ? fread(out, 1, size, file) : 0;
    if (file) fclose(file);
    return length;
}

static sealock_ipfs *open_node(const char *folder, int dht) {
    sealock_ipfs_config *config;
    sealock_ipfs *node;
    MUST(sealock_ipfs_config_new(&config, &error));
    MUST(sealock_ipfs_config_listen(config, LIST("/ip4/127.0.0.1/tcp/0"), &error));
    MUST(sealock_ipfs_config_bootstrap(config, NULL, 0, &error));
    MUST(sealock_ipfs_config_dht(config, dht, &error));
    MUST(sealock_ipfs_config_max_connections(config, 8, &error));
    MUST(sealock_ipfs_config_block_timeout(config, 60000, &error));
    MUST(sealock_ipfs_open(folder, config, &node, &error));
    sealock_ipfs *second;
    FAILS(SEALOCK_ERROR_LOCKED, sealock_ipfs_open(folder, config, &second, &error));
    MUST(sealock_ipfs_config_listen(config, LIST("nowhere"), &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_ipfs_open(folder, config, &second, &error));
    sealock_ipfs_config_free(config);
    return node;
}

// Tells the DHT what a node has, until another finds it there. Nodes tell each other their protocols first, which takes them
// a moment.
static void provided(sealock_ipfs *by, sealock_ipfs *reader, const char *cid) {
    static const struct timespec moment = {.tv_nsec = 50 * 1000 * 1000};
    sealock_texts *texts;
    int told = 0, found = 0;
    for (int i = 0; i < 1200 && !found; i++) {
        if (i) nanosleep(&moment, NULL);
        told = told || sealock_ipfs_provide(by, cid, NULL) == SEALOCK_OK;
        if (!told) continue;
        MUST(sealock_ipfs_find_providers(reader, cid, &texts, &error));
        found = count_of(texts) > 0;
    }
    CHECK(found);
}

// --------------------------------------------------------------------------------------------------------------- progress

struct told {
    int steps, known, cancel;
    char stage[32];
};

static int32_t tell(void *user, const sealock_step *step) {
    struct told *told = user;
    told->steps++;
    told->known += step->remaining != SEALOCK_UNKNOWN;
    if (step->remaining != SEALOCK_UNKNOWN && step->done == step->total) CHECK(step->remaining == 0);
    snprintf(told->stage, sizeof told->stage, "%s", step->stage);
    return told->cancel;
}

// ----------------------------------------------------------------------------------------------------------------- reading

// What one may read of the eight people.
static void read_people(sealock_download *data, const char *folder) {
    struct path path = in(folder, "people.parquet");
    static uint8_t whole[1 << 16], part[1 << 16];
    uint64_t size, written;
    size_t length;
    sealock_table *table;
    struct told told = {0};
    sealock_watch watch = {.struct_size = sizeof watch, .progress = tell, .user = &told};
    MUST(sealock_download_size(data, &size, &error));
    MUST(sealock_download_write_to(data, path.text, &watch, &written, &error));
    CHECK(told.steps > 0 && strcmp(told.stage, "open") == 0);
    length = slurp(path.text, whole, sizeof whole);
    CHECK(written == size && length == size && length > 12);
    CHECK(memcmp(whole, "PAR1", 4) == 0 && memcmp(whole + length - 4, "PAR1", 4) == 0);

    // At any place: the same bytes, up to the end and no further.
    memset(part, 0xa5, sizeof part);
    MUST(sealock_download_read(data, size - 4, part, 100, &length, &error));
    CHECK(length == 4 && memcmp(part, "PAR1", 4) == 0 && part[4] == 0);
    MUST(sealock_download_read(data, 5, part, 1000, &length, &error));
    CHECK(length == (size < 1005 ? size - 5 : 1000) && memcmp(part, whole + 5, length) == 0);
    MUST(sealock_download_read(data, size, part, 100, &length, &error));
    CHECK(length == 0);
    MUST(sealock_download_read(data, UINT64_MAX, part, 100, &length, &error));
    CHECK(length == 0);
    MUST(sealock_download_read(data, 0, NULL, 0, &length, &error));
    CHECK(length == 0);

    MUST(sealock_download_table(data, NULL, &table, &error));
    CHECK(rows_of(table) == 8);
    MUST(sealock_download_columns(data, LIST("visits", "plan"), 2, 3, &table, &error));
    CHECK(rows_of(table) == 3);
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_download_columns(data, LIST("visits"), 6, 3, &table, &error));
    FAILS(SEALOCK_ERROR_UNKNOWN_COLUMN, sealock_download_columns(data, LIST("name"), 0, 1, &table, &error));
    struct ArrowArrayStream stream;
    struct ArrowArray batch;
    MUST(sealock_download_to_arrow_stream(data, NULL, &stream, &error));
    CHECK(stream.get_next(&stream, &batch) == 0 && batch.length == 8 && batch.n_children == 3);
    batch.release(&batch);
    stream.release(&stream);

    // A file is replaced by a whole one alone.
    told = (struct told){.cancel = 1};
    FAILS(SEALOCK_ERROR_CANCELLED, sealock_download_write_to(data, path.text, &watch, &written, &error));
    CHECK(slurp(path.text, part, sizeof part) == size && memcmp(part, whole, (size_t)size) == 0);
    CHECK(written == 0 && access(in(folder, "people.parquet.part").text, F_OK) != 0);
    FAILS(SEALOCK_ERROR_IO, sealock_download_write_to(data, "/nowhere/people", NULL, &written, &error));
}

// A consumer buys the data, and opens what the node released.
static void buy(struct market *m, sealock_consumer *consumer, const char *folder) {
    sealock_download_order *order, *found;
    sealock_download_orders *orders;
    sealock_download_ticket *ticket, *kept;
    sealock_download_tickets *tickets;
    sealock_request *request;
    sealock_result *result;
    sealock_receipt *receipt;
    sealock_download *data;
    sealock_asset *asset;
    uint8_t job[SEALOCK_DIGEST_BYTES], same[SEALOCK_DIGEST_BYTES];
    uint64_t left, expiry;
    size_t count;
    MUST(sealock_consumer_buy(consumer, m->asset, 1, &error));
    MUST(sealock_consumer_order_download(consumer, m->asset, &order, &error));
    MUST(sealock_download_order_request(order, NULL, &ticket, &error));
    MUST(sealock_download_order_uses_left(order, &left, &error));
    MUST(sealock_download_order_expiry(order, &expiry, &error));
    CHECK(left == 19 && expiry > 0);
    MUST(sealock_download_order_asset(order, &asset, &error));
    sealock_asset_free(asset);
    MUST(sealock_download_ticket_renew(ticket, &error));
    MUST(sealock_download_ticket_request(ticket, &request, &error));
    MUST(sealock_node_run(m->node, request, NULL, &result, &receipt, &error));
    MUST(sealock_download_ticket_open(ticket, result, receipt, &data, &error));
    read_people(data, folder);
    sealock_download_free(data);

    // The wallet finds order and ticket again.
    MUST(sealock_consumer_download_orders(consumer, m->asset, &orders, &error));
    MUST(sealock_download_orders_count(orders, &count, &error));
    MUST(sealock_download_orders_get(orders, 0, &found, &error));
    CHECK(count == 1);
    MUST(sealock_consumer_download_tickets(consumer, &tickets, &error));
    MUST(sealock_download_tickets_count(tickets, &count, &error));
    MUST(sealock_download_tickets_get(tickets, 0, &kept, &error));
    MUST(sealock_download_ticket_job(ticket, job, sizeof job, &error));
    MUST(sealock_download_ticket_job(kept, same, sizeof same, &error));
    CHECK(count == 1 && memcmp(job, same, sizeof job) == 0);
    MUST(sealock_download_ticket_open(kept, result, receipt, &data, &error));
    sealock_download_free(data);
    sealock_download_ticket_free(kept);
    sealock_download_tickets_free(tickets);
    sealock_download_order_free(found);
    sealock_download_orders_free(orders);
    sealock_receipt_free(receipt);
    sealock_result_free(result);
    sealock_request_free(request);
    sealock_download_ticket_free(ticket);
    sealock_download_order_free(order);
}

// -------------------------------------------------------------------------------------------------------------- the market

static void two_nodes_exchange_an_asset(const char *folder) {
    // An owner with a key store, on a node.
    struct path keys = in(folder, "owner.age");
    sealock_ipfs *here = open_node(in(folder, "here").text, 1), *there = open_node(in(folder, "there").text, 1);
    sealock_key_store *store, *none;
    sealock_account *account, *person;
    uint8_t address[SEALOCK_ADDRESS_BYTES], same[SEALOCK_ADDRESS_BYTES];
    size_t count;
    struct market m = {0};
    MUST(sealock_account_generate(&account, &error));
    MUST(sealock_account_address(account, address, sizeof address, &error));
    MUST(sealock_key_store_create_with_work_factor(keys.text, account, "another", 4, &store, &error));
    MUST(sealock_key_store_change_passphrase(store, PASSPHRASE, &error));
    FAILS(SEALOCK_ERROR_LOCKED, sealock_key_store_open(keys.text, PASSPHRASE, &none, &error));
    sealock_key_store_free(store);
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_key_store_create(keys.text, account, PASSPHRASE, &none, &error));
    FAILS(SEALOCK_ERROR_WRONG_KEY, sealock_key_store_open(keys.text, "another", &none, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_key_store_open(keys.text, "", &none, &error));
    MUST(sealock_key_store_open(keys.text, PASSPHRASE, &store, &error));
    MUST(sealock_key_store_address(store, same, sizeof same, &error));
    CHECK(memcmp(address, same, sizeof same) == 0);
    MUST(sealock_exchange_local_with_ipfs(in(folder, "market").text, here, &m.exchange, &error));
    MUST(sealock_exchange_owner_from_key_store(m.exchange, store, &m.owner, &error));
    sealock_owner *second;
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_exchange_owner_from_key_store(m.exchange, store, &second, &error));
    sealock_key_store_free(store);
    MUST(sealock_owner_key_store(m.owner, &store, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_exchange_owner_afresh_from_key_store(m.exchange, store, &second, &error));

    // Publishes for a recipient, and shares with another.
    sealock_recipient_key *recipient, *late, *stranger;
    uint8_t publics[2][SEALOCK_RECIPIENT_BYTES], secret[SEALOCK_SECRET_BYTES];
    MUST(sealock_recipient_key_generate(&recipient, &error));
    MUST(sealock_recipient_key_expose_secret(recipient, secret, sizeof secret, &error));
    MUST(sealock_recipient_key_public(recipient, publics[0], sizeof publics[0], &error));
    sealock_recipient_key_free(recipient);
    MUST(sealock_recipient_key_from_secret(secret, sizeof secret, &recipient, &error));
    sealock_wipe(secret, sizeof secret);
    MUST(sealock_recipient_key_generate(&late, &error));
    MUST(sealock_recipient_key_public(late, publics[1], sizeof publics[1], &error));
    MUST(sealock_recipient_key_generate(&stranger, &error));
    m.schema = people_schema();
    MUST(sealock_table_from_csv(m.schema, (const uint8_t *)PEOPLE, strlen(PEOPLE), 0, &m.table, &error));
    m.policy = people_policy();
    MUST(sealock_terms_free_of_charge(5, &m.terms, &error));
    MUST(sealock_terms_uses_per_order(m.terms, 20, &error));
    MUST(sealock_offer_new("People", m.table, m.policy, m.terms, &m.offer, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_offer_recipients(m.offer, publics[0], 31, &error));
    MUST(sealock_offer_recipients(m.offer, publics[0], sizeof publics[0], &error));
    MUST(sealock_owner_publish(m.owner, m.offer, NULL, &m.published, &error));
    MUST(sealock_published_asset(m.published, &m.asset, &error));
    MUST(sealock_owner_node(m.owner, &m.node, &error));
    MUST(sealock_key_store_epochs(store, &count, &error));
    CHECK(count == 1);
    sealock_asset *shared;
    MUST(sealock_owner_share(m.owner, m.asset, (const uint8_t *)publics, sizeof publics, &shared, &error));
    sealock_asset_free(m.asset);
    MUST(sealock_owner_rewrap(m.owner, shared, &m.asset, &error));
    sealock_asset_free(shared);

    MUST(sealock_account_generate(&person, &error));
    MUST(sealock_exchange_consumer(m.exchange, person, &m.consumer, &error));
    buy(&m, m.consumer, folder);

    // The other node fetches it. Its exchange has a ledger of its own, which does not know the asset.
    sealock_buffer *id, *to, *root, *bytes;
    sealock_texts *texts;
    sealock_exchange *elsewhere;
    sealock_asset *brought;
    sealock_download *data;
    struct told told = {0};
    sealock_watch watch = {.struct_size = sizeof watch, .progress = tell, .user = &told};
    int32_t pinned;
    MUST(sealock_exchange_local_with_ipfs(in(folder, "elsewhere").text, there, &elsewhere, &error));
    MUST(sealock_asset_to_bytes(m.asset, &bytes, &error));
    MUST(sealock_asset_from_bytes(sealock_buffer_data(bytes), sealock_buffer_length(bytes), &brought, &error));
    MUST(sealock_ipfs_addresses(here, &texts, &error));
    to = text_with(texts, "/tcp/");
    MUST(sealock_ipfs_peer_id(here, &id, &error));
    CHECK(strstr(sealock_buffer_text(to), sealock_buffer_text(id)) != NULL);
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_ipfs_connect(there, "nowhere", &error));
    MUST(sealock_ipfs_connect(there, sealock_buffer_text(to), &error));
    MUST(sealock_ipfs_peers(there, &texts, &error));
    CHECK(says(text_with(texts, ""), sealock_buffer_text(id)));
    MUST(sealock_asset_roots(brought, &texts, &error));
    MUST(sealock_texts_get(texts, 0, &root, &error));
    CHECK(count_of(texts) == 2);
    const char *cid = sealock_buffer_text(root);
    told.cancel = 1;
    FAILS(SEALOCK_ERROR_CANCELLED, sealock_ipfs_fetch(there, cid, &watch, &error));
    told.cancel = 0;
    FAILS(SEALOCK_ERROR_NOT_FOUND, sealock_ipfs_pin(there, cid, &error));
    MUST(sealock_ipfs_fetch(there, cid, &watch, &error));
    CHECK(strcmp(told.stage, "fetch") == 0);
    MUST(sealock_ipfs_pin(there, cid, &error));
    MUST(sealock_ipfs_pins(there, &texts, &error));
    CHECK(count_of(texts) == 1);
    provided(there, here, cid);
    MUST(sealock_exchange_open_shared(elsewhere, brought, late, &data, &error));
    sealock_buffer *manifest;
    MUST(sealock_download_manifest(data, &manifest, &error));
    CHECK(says(manifest, cid));
    read_people(data, folder);
    sealock_download_free(data);
    FAILS(SEALOCK_ERROR_WRONG_KEY, sealock_exchange_open_shared(elsewhere, brought, stranger, &data, &error));

    // What is no longer pinned is collected; a CAR brings it back.
    struct path car = in(folder, "people.car");
    sealock_blocks blocks = {.struct_size = sizeof blocks}, imported = blocks;
    MUST(sealock_ipfs_unpin(there, cid, &pinned, &error));
    CHECK(pinned == 1);
    MUST(sealock_ipfs_unpin(there, cid, &pinned, &error));
    CHECK(pinned == 0);
    MUST(sealock_exchange_collect_garbage(elsewhere, &blocks, &error));
    CHECK(blocks.blocks > 0 && blocks.bytes > 0);
    MUST(sealock_ipfs_collect_garbage(there, &blocks, &error));
    CHECK(blocks.blocks == 0);
    told.known = 0;
    MUST(sealock_exchange_export_car(m.exchange, m.asset, car.text, &watch, &blocks, &error));
    CHECK(strcmp(told.stage, "export") == 0 && told.known > 0 && blocks.blocks > 2);
    sealock_exchange *offline;
    MUST(sealock_exchange_in_memory(&offline, &error));
    MUST(sealock_exchange_import_car(offline, car.text, &watch, &texts, &imported, &error));
    CHECK(imported.blocks == blocks.blocks && imported.bytes < blocks.bytes && strcmp(told.stage, "import") == 0);
    CHECK(says(text_with(texts, cid), cid));
    MUST(sealock_exchange_open_shared(offline, brought, recipient, &data, &error));
    sealock_table *table;
    MUST(sealock_download_table(data, NULL, &table, &error));
    CHECK(rows_of(table) == 8);
    sealock_download_free(data);
    FAILS(SEALOCK_ERROR_IO, sealock_exchange_import_car(offline, "/nowhere", NULL, &texts, &imported, &error));
    FAILS(SEALOCK_ERROR_MALFORMED, sealock_exchange_import_car(offline, keys.text, NULL, &texts, &imported, &error));
    CHECK(texts == NULL && imported.blocks == 0);
    sealock_exchange_free(offline);

    // A new epoch shuts the first recipient out; the owner reads on.
    uint8_t dataset[SEALOCK_DIGEST_BYTES];
    uint64_t epoch;
    sealock_asset *next;
    MUST(sealock_owner_reencrypt(m.owner, m.asset, publics[1], sizeof publics[1], 1, &watch, &next, &error));
    MUST(sealock_asset_dataset(next, dataset, sizeof dataset, &epoch, &error));
    CHECK(epoch == 1);
    FAILS(SEALOCK_ERROR_WRONG_KEY, sealock_exchange_open_shared(m.exchange, next, recipient, &data, &error));
    MUST(sealock_exchange_open_shared(m.exchange, next, late, &data, &error));
    sealock_download_free(data);
    // And another table.
    static const char FEWER[] = "plan,age,visits\nfree,12,1\nfree,15,2\npaid,67,9\n";
    sealock_published *updated;
    sealock_asset *last;
    sealock_table *fewer;
    MUST(sealock_table_from_csv(m.schema, (const uint8_t *)FEWER, strlen(FEWER), 0, &fewer, &error));
    told.cancel = 1;
    FAILS(SEALOCK_ERROR_CANCELLED, sealock_owner_update(m.owner, next, fewer, NULL, 0, 0, &watch, &updated, &error));
    MUST(sealock_owner_update(m.owner, next, fewer, NULL, 0, 0, NULL, &updated, &error));
    sealock_table_free(fewer);
    MUST(sealock_published_asset(updated, &last, &error));
    MUST(sealock_owner_download(m.owner, last, &data, &error));
    MUST(sealock_download_table(data, NULL, &table, &error));
    CHECK(rows_of(table) == 3);
    sealock_asset *of;
    MUST(sealock_download_asset(data, &of, &error));
    sealock_asset_free(of);
    sealock_download_free(data);
    MUST(sealock_owner_discard_unfinished(m.owner, &count, &error));
    CHECK(count == 0);

    // The end of it.
    sealock_destruction_receipt *receipt, *again;
    sealock_destruction said = {.struct_size = sizeof said};
    sealock_buffer *did, *word;
    MUST(sealock_owner_destruction_receipt(m.owner, last, 2, &receipt, &error));
    CHECK(receipt == NULL);
    FAILS(SEALOCK_ERROR_NOT_FOUND, sealock_owner_destroy_epoch(m.owner, last, 9, &receipt, &error));
    MUST(sealock_owner_destroy_key(m.owner, last, &receipt, &error));
    MUST(sealock_destruction_receipt_verify(receipt, address, sizeof address, &error));
    MUST(sealock_destruction_receipt_statement(receipt, &said, &error));
    CHECK(said.epoch == 2 && said.destroyed_at > 0 && memcmp(said.owner, address, sizeof address) == 0);
    CHECK(memcmp(said.dataset, dataset, sizeof dataset) == 0);
    MUST(sealock_asset_did(last, &did, &error));
    MUST(sealock_destruction_receipt_asset(receipt, &word, &error));
    CHECK(says(word, sealock_buffer_text(did)));
    MUST(sealock_asset_roots(last, &texts, &error));
    sealock_buffer_free(root);
    MUST(sealock_texts_get(texts, 0, &root, &error));
    sealock_texts_free(texts);
    MUST(sealock_destruction_receipt_manifest(receipt, &word, &error));
    CHECK(says(word, sealock_buffer_text(root)));
    FAILS(SEALOCK_ERROR_KEY_DESTROYED, sealock_owner_download(m.owner, last, &data, &error));
    FAILS(SEALOCK_ERROR_KEY_DESTROYED, sealock_owner_share(m.owner, last, publics[1], sizeof publics[1], &of, &error));
    // The same receipt, again and as it travels; not with a byte changed.
    sealock_buffer_free(bytes);
    MUST(sealock_owner_destroy_epoch(m.owner, last, 2, &again, &error));
    MUST(sealock_destruction_receipt_to_bytes(again, &bytes, &error));
    sealock_destruction_receipt_free(again);
    size_t length = sealock_buffer_length(bytes);
    uint8_t *copy = malloc(length);
    if (!copy) exit(1);
    memcpy(copy, sealock_buffer_data(bytes), length);
    MUST(sealock_destruction_receipt_from_bytes(copy, length, &again, &error));
    MUST(sealock_destruction_receipt_verify(again, address, sizeof address, &error));
    sealock_destruction_receipt_free(again);
    copy[length - 1] ^= 1;
    if (sealock_destruction_receipt_from_bytes(copy, length, &again, NULL) == SEALOCK_OK)
        FAILS(SEALOCK_ERROR_BAD_SIGNATURE, sealock_destruction_receipt_verify(again, address, sizeof address, &error));
    sealock_destruction_receipt_free(again);
    free(copy);

    sealock_buffer_free(did);
    sealock_destruction_receipt_free(receipt);
    sealock_asset_free(last);
    sealock_published_free(updated);
    sealock_asset_free(next);
    sealock_asset_free(brought);
    sealock_buffer_free(bytes);
    sealock_buffer_free(root);
    sealock_buffer_free(to);
    sealock_buffer_free(id);
    sealock_exchange_free(elsewhere);
    sealock_recipient_key_free(recipient);
    sealock_recipient_key_free(late);
    sealock_recipient_key_free(stranger);
    sealock_key_store_free(store);
    sealock_account_free(account);
    m.consumer_account = person;
    close_market(&m);
    // The nodes end with the last that uses them: their folders are free again.
    sealock_ipfs_free(here);
    sealock_ipfs_free(there);
    here = open_node(in(folder, "here").text, 0);
    sealock_ipfs_free(here);
}

// Who knows nobody gets nothing, and does not wait for it.
static void a_node_alone(const char *folder) {
    static const char CID[] = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
    sealock_ipfs *node = open_node(in(folder, "alone").text, 0);
    sealock_texts *texts;
    FAILS(SEALOCK_ERROR_NOT_FOUND, sealock_ipfs_fetch(node, CID, NULL, &error));
    FAILS(SEALOCK_ERROR_NOT_FOUND, sealock_ipfs_pin(node, CID, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_ipfs_pin(node, "bafkre", &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_ipfs_provide(node, CID, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_ipfs_find_providers(node, CID, &texts, &error));
    FAILS(SEALOCK_ERROR_UNREACHABLE, sealock_ipfs_connect(node, "/ip4/127.0.0.1/tcp/1", &error));
    sealock_ipfs_free(node);
}

// A daemon that is not there, and options that cannot be.
static void no_daemon(void) {
    sealock_kubo *daemon;
    sealock_kubo_options options = {.struct_size = sizeof options, .connect_timeout = 1000, .bearer_token = "t"};
    FAILS(SEALOCK_ERROR_UNREACHABLE, sealock_kubo_connect("http://127.0.0.1:1", &options, &daemon, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_kubo_connect("nowhere", NULL, &daemon, &error));
    options.basic_user = "me";
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_kubo_connect("http://127.0.0.1:1", &options, &daemon, &error));
    options.bearer_token = NULL;
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_kubo_connect("http://127.0.0.1:1", &options, &daemon, &error));
    options.basic_password = "secret";
    FAILS(SEALOCK_ERROR_UNREACHABLE, sealock_kubo_connect("http://127.0.0.1:1", &options, &daemon, &error));
}

// A market whose data goes to a daemon, and another that has it from there.
static void with_a_daemon(const char *folder, const char *address) {
    sealock_kubo *daemon;
    sealock_buffer *text;
    sealock_texts *texts;
    sealock_exchange *elsewhere, *none;
    sealock_recipient_key *key;
    sealock_asset *shared;
    sealock_download *data;
    sealock_table *table;
    uint8_t public[SEALOCK_RECIPIENT_BYTES];
    struct told told = {0};
    sealock_watch watch = {.struct_size = sizeof watch, .progress = tell, .user = &told};
    MUST(sealock_kubo_connect(address, NULL, &daemon, &error));
    MUST(sealock_kubo_version(daemon, &text, &error));
    printf("  a daemon of version %s\n", sealock_buffer_text(text));
    sealock_buffer_free(text);
    MUST(sealock_kubo_identity(daemon, &text, &texts, &error));
    CHECK(sealock_buffer_length(text) > 10);
    sealock_buffer_free(text);
    sealock_texts_free(texts);
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_exchange_local_with_kubo("", daemon, &none, &error));
    struct market m = {0};
    MUST(sealock_exchange_local_with_kubo(in(folder, "near").text, daemon, &m.exchange, &error));
    MUST(sealock_exchange_local_with_kubo(in(folder, "far").text, daemon, &elsewhere, &error));
    sealock_kubo_free(daemon);
    MUST(sealock_account_generate(&m.owner_account, &error));
    MUST(sealock_exchange_owner(m.exchange, m.owner_account, &m.owner, &error));
    m.schema = people_schema();
    MUST(sealock_table_from_csv(m.schema, (const uint8_t *)PEOPLE, strlen(PEOPLE), 0, &m.table, &error));
    m.policy = people_policy();
    MUST(sealock_terms_free_of_charge(5, &m.terms, &error));
    MUST(sealock_offer_new("People", m.table, m.policy, m.terms, &m.offer, &error));
    MUST(sealock_owner_publish(m.owner, m.offer, &watch, &m.published, &error));
    CHECK(told.known > 0);
    MUST(sealock_published_asset(m.published, &m.asset, &error));
    MUST(sealock_recipient_key_generate(&key, &error));
    MUST(sealock_recipient_key_public(key, public, sizeof public, &error));
    MUST(sealock_owner_share(m.owner, m.asset, public, sizeof public, &shared, &error));
    MUST(sealock_exchange_open_shared(elsewhere, shared, key, &data, &error));
    MUST(sealock_download_table(data, NULL, &table, &error));
    CHECK(rows_of(table) == 8);
    sealock_download_free(data);
    sealock_asset_free(shared);
    sealock_recipient_key_free(key);
    sealock_exchange_free(elsewhere);
    close_market(&m);
}

// With the address of a daemon's RPC as its argument, uses that, too.
int main(int count, char **arguments) {
    char folder[] = "/tmp/sealock-stores-XXXXXX";
    make_folder(folder);
    two_nodes_exchange_an_asset(folder);
    a_node_alone(folder);
    no_daemon();
    if (count > 1) with_a_daemon(folder, arguments[1]);
    remove_folder(folder);
    return failures("stores");
}
