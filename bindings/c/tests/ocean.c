// Exchanges on Ocean Protocol's contracts: the whole story on a chain, and what is refused.
//
//     ocean [<URL of the chain's node> <address.json> <secrets of three accounts> <digest of a transaction> <IPFS daemon>]
//
// chain.py starts chain and daemon. Without them, only what needs none is tested.

#define _XOPEN_SOURCE 700

#include <time.h>

#include "folder.h"
#include "market.h"

// -------------------------------------------------------------------------------------------------- files of other wallets

// The test vector of the Web3 Secret Storage Definition for PBKDF2, with the password `testpassword`.
static const char PBKDF2[] =
    "{\"crypto\": {"
    "\"cipher\": \"aes-128-ctr\", \"cipherparams\": {\"iv\": \"6087dab2f9fdbbfaddc31a909735c1e6\"},"
    "\"ciphertext\": \"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46\", \"kdf\": \"pbkdf2\","
    "\"kdfparams\": {\"c\": 262144, \"dklen\": 32, \"prf\": \"hmac-sha256\","
    "\"salt\": \"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd\"},"
    "\"mac\": \"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2\"},"
    "\"id\": \"3198bc9c-6672-5ab3-d995-4942343ae5b6\", \"version\": 3}";
// The same key, as ethers 6.17 writes it.
static const char SCRYPT[] =
    "{\"address\": \"008aeeda4d805471df9b2a5b0f38a0c3bcba786b\", \"id\": \"11111111-1111-4111-9111-111111111111\","
    "\"version\": 3, \"Crypto\": {"
    "\"cipher\": \"aes-128-ctr\", \"cipherparams\": {\"iv\": \"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd\"},"
    "\"ciphertext\": \"1fe8f65c848681c423cf03530086a853e65bcfc67675aa862527b72e95646095\", \"kdf\": \"scrypt\","
    "\"kdfparams\": {\"dklen\": 32, \"n\": 16384, \"p\": 1, \"r\": 8,"
    "\"salt\": \"abababababababababababababababababababababababababababababababab\"},"
    "\"mac\": \"782db9f20eee39aa8b126dcbf7edde1a6799089d23c07ae57d9f24e71c088dba\"}}";
static const char SECRET[] = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";

static void key_files_open(void) {
    const char *const files[] = {PBKDF2, SCRYPT};
    uint8_t expected[SEALOCK_SECRET_BYTES], secret[SEALOCK_SECRET_BYTES];
    sealock_account *account;
    MUST(sealock_digest_from_text(SECRET, expected, sizeof expected, &error));
    for (size_t i = 0; i < COUNT(files); i++) {
        MUST(sealock_account_from_keystore(files[i], "testpassword", &account, &error));
        MUST(sealock_account_expose_secret(account, secret, sizeof secret, &error));
        CHECK(memcmp(secret, expected, sizeof secret) == 0);
        sealock_account_free(account);
    }
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_account_from_keystore(PBKDF2, "testpasswore", &account, &error));
    CHECK(account == NULL);
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_account_from_keystore("{\"version\": 3}", "", &account, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_account_from_keystore("[1]", "testpassword", &account, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_account_from_keystore(NULL, "testpassword", &account, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_account_from_keystore(PBKDF2, NULL, &account, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_account_from_keystore(PBKDF2, "testpassword", NULL, &error));
    static char long_file[(64 << 10) + 2];
    memset(long_file, ' ', sizeof long_file - 1);
    FAILS(SEALOCK_ERROR_TOO_LARGE, sealock_account_from_keystore(long_file, "", &account, &error));
}

// ---------------------------------------------------------------------------------------------------------------- no chain

static const char NOBODY[] = "http://127.0.0.1:1";

// A node that is not there, options that cannot be, and what is no ledger.
static void no_chain(void) {
    sealock_ledger *ledger;
    sealock_exchange *exchange;
    sealock_ocean_options options = {.struct_size = sizeof options, .timeout = 1000};
    FAILS(SEALOCK_ERROR_UNREACHABLE, sealock_ocean_connect(NOBODY, "{}", NULL, &ledger, &error));
    CHECK(ledger == NULL);
    FAILS(SEALOCK_ERROR_UNREACHABLE, sealock_ocean_connect(NOBODY, "{}", &options, &ledger, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_ocean_connect("nowhere", "{}", &options, &ledger, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_ocean_connect(NULL, "{}", &options, &ledger, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_ocean_connect(NOBODY, NULL, &options, &ledger, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_ocean_connect(NOBODY, "{}", &options, NULL, &error));

    options.finality_blocks = 3;
    FAILS(SEALOCK_ERROR_UNREACHABLE, sealock_ocean_connect(NOBODY, "{}", &options, &ledger, &error));
    options.head_counts = 1;
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_ocean_connect(NOBODY, "{}", &options, &ledger, &error));
    options.finality_blocks = 0;
    FAILS(SEALOCK_ERROR_UNREACHABLE, sealock_ocean_connect(NOBODY, "{}", &options, &ledger, &error));
    options.finalized = 1;
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_ocean_connect(NOBODY, "{}", &options, &ledger, &error));
    options.head_counts = 0;
    FAILS(SEALOCK_ERROR_UNREACHABLE, sealock_ocean_connect(NOBODY, "{}", &options, &ledger, &error));
    options.cache_path = "\xff";
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_ocean_connect(NOBODY, "{}", &options, &ledger, &error));
    options.cache_path = NULL;
    options.struct_size--;
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_ocean_connect(NOBODY, "{}", &options, &ledger, &error));

    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_exchange_in_memory_on(NULL, &exchange, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_exchange_local_on("/nowhere", NULL, &exchange, &error));
    CHECK(exchange == NULL);
    CHECK(sealock_ledger_free(NULL) == SEALOCK_OK);
}

// On the embedded ledger a sale pays at once and has no fees.
static void the_embedded_ledger_holds_nothing(void) {
    struct market m = open_market(NULL);
    uint8_t token[SEALOCK_ADDRESS_BYTES];
    sealock_buffer *amount;
    MUST(sealock_asset_datatoken(m.asset, token, sizeof token, &error));
    MUST(sealock_exchange_collect(m.exchange, m.owner_account, token, sizeof token, &amount, &error));
    CHECK(says(amount, "0"));
    MUST(sealock_exchange_sale_fees(m.exchange, token, sizeof token, "2", token, sizeof token, &amount, &error));
    CHECK(says(amount, "0"));
    token[0] ^= 1;
    FAILS(SEALOCK_ERROR_UNKNOWN_TOKEN,
          sealock_exchange_collect(m.exchange, m.owner_account, token, sizeof token, &amount, &error));
    close_market(&m);
}

// --------------------------------------------------------------------------------------------------------------- the chain

struct chain {
    const char *url, *addresses, *daemon;
    sealock_account *owner, *buyer, *stranger;
    uint8_t transaction[SEALOCK_DIGEST_BYTES];
};

static struct chain open_chain(char **arguments) {
    static char addresses[1 << 16];
    struct chain chain = {.url = arguments[0], .addresses = addresses, .daemon = arguments[6]};
    sealock_account **const accounts[] = {&chain.owner, &chain.buyer, &chain.stranger};
    uint8_t secret[SEALOCK_SECRET_BYTES];
    FILE *file = fopen(arguments[1], "rb");
    if (!CHECK(file != NULL)) exit(1);
    CHECK(fread(addresses, 1, sizeof addresses - 1, file) > 0);
    fclose(file);
    for (size_t i = 0; i < COUNT(accounts); i++) {
        MUST(sealock_digest_from_text(arguments[2 + i], secret, sizeof secret, &error));
        MUST(sealock_account_from_secret(secret, sizeof secret, accounts[i], &error));
    }
    MUST(sealock_digest_from_text(arguments[5], chain.transaction, sizeof chain.transaction, &error));
    return chain;
}

static void close_chain(struct chain *chain) {
    sealock_account_free(chain->owner);
    sealock_account_free(chain->buyer);
    sealock_account_free(chain->stranger);
}

// An amount, which is freed. There are few enough tokens for `about`.
static double number(sealock_buffer *amount) {
    double number = atof(sealock_buffer_text(amount));
    sealock_buffer_free(amount);
    return number;
}

static double balance(const sealock_exchange *exchange, const uint8_t *token, sealock_account *account) {
    uint8_t holder[SEALOCK_ADDRESS_BYTES];
    sealock_buffer *amount;
    MUST(sealock_account_address(account, holder, sizeof holder, &error));
    MUST(sealock_ledger_balance_of(exchange, token, SEALOCK_ADDRESS_BYTES, holder, sizeof holder, &amount, &error));
    return number(amount);
}

static int about(double left, double right) {
    double apart = left - right;
    return apart < 1e-9 && apart > -1e-9;
}

// What a ledger says of itself, and whose it is not.
static void a_chain_is_looked_at(const struct chain *chain, const sealock_ledger *ledger) {
    uint8_t address[SEALOCK_ADDRESS_BYTES], ocean[SEALOCK_ADDRESS_BYTES], other[SEALOCK_DIGEST_BYTES] = {1};
    char text[SEALOCK_ADDRESS_TEXT_BYTES];
    uint64_t id, now, gas;
    MUST(sealock_ledger_chain_id(ledger, &id, &error));
    CHECK(id == 8996);
    MUST(sealock_ledger_address(ledger, address, sizeof address, &error));
    MUST(sealock_ledger_ocean_token(ledger, ocean, sizeof ocean, &error));
    CHECK(memcmp(address, ocean, sizeof address) != 0);
    MUST(sealock_address_to_text(address, sizeof address, text, sizeof text, &error));
    CHECK(strstr(chain->addresses, text) != NULL);
    MUST(sealock_address_to_text(ocean, sizeof ocean, text, sizeof text, &error));
    CHECK(strstr(chain->addresses, text) != NULL);
    MUST(sealock_ledger_now(ledger, &now, &error));
    CHECK(now > 1600000000 && now <= (uint64_t)time(NULL) + 60);
    MUST(sealock_ledger_gas_used(ledger, chain->transaction, sizeof chain->transaction, &gas, &error));
    CHECK(gas > 21000 && gas < 200000);
    FAILS(SEALOCK_ERROR_NOT_FOUND, sealock_ledger_gas_used(ledger, other, sizeof other, &gas, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_ledger_gas_used(ledger, other, sizeof other - 1, &gas, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_ledger_address(ledger, address, sizeof address - 1, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_ledger_chain_id(NULL, &id, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_ledger_now(ledger, NULL, &error));
}

static void connections_are_refused(const struct chain *chain) {
    sealock_ledger *ledger;
    sealock_ocean_options options = {.struct_size = sizeof options, .chain_id = 1};
    static const char NOT_THERE[] =
        "{\"here\": {\"chainId\": 8996, \"ERC721Factory\": \"0x00000000000000000000000000000000000000f1\","
        "\"FixedPrice\": \"0x00000000000000000000000000000000000000f2\","
        "\"Dispenser\": \"0x00000000000000000000000000000000000000f3\"}}";
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_ocean_connect(chain->url, chain->addresses, &options, &ledger, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_ocean_connect(chain->url, "no JSON", NULL, &ledger, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_ocean_connect(chain->url, "{}", NULL, &ledger, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT,
          sealock_ocean_connect(chain->url, "{\"here\": {\"chainId\": 8996}}", NULL, &ledger, &error));
    FAILS(SEALOCK_ERROR_UNKNOWN_TOKEN, sealock_ocean_connect(chain->url, NOT_THERE, NULL, &ledger, &error));
}

static size_t assets_of(const sealock_exchange *exchange) {
    sealock_assets *assets;
    size_t count;
    MUST(sealock_exchange_assets(exchange, &assets, &error));
    MUST(sealock_assets_count(assets, &count, &error));
    sealock_assets_free(assets);
    return count;
}

// On other machines, the chain alone tells of an asset. Nobody signs offers there, and it costs nothing to find out.
static void it_is_found_elsewhere(const struct chain *chain, const char *folder, const uint8_t *nft, const uint8_t *token) {
    sealock_ledger *ledger;
    sealock_ipfs_config *config;
    sealock_ipfs *node;
    sealock_kubo *daemon;
    sealock_exchange *exchange, *others[2], *none;
    sealock_asset *asset;
    sealock_consumer *consumer;
    sealock_order *order;
    MUST(sealock_ocean_connect(chain->url, chain->addresses, NULL, &ledger, &error));
    MUST(sealock_exchange_in_memory_on(ledger, &exchange, &error));
    MUST(sealock_exchange_asset(exchange, nft, SEALOCK_ADDRESS_BYTES, &asset, &error));
    MUST(sealock_exchange_consumer(exchange, chain->stranger, &consumer, &error));
    MUST(sealock_consumer_buy(consumer, asset, 1, &error));
    FAILS(SEALOCK_ERROR_UNREACHABLE, sealock_consumer_order(consumer, asset, &order, &error));
    CHECK(about(balance(exchange, token, chain->stranger), 1));

    // The same with other stores.
    MUST(sealock_ipfs_config_new(&config, &error));
    MUST(sealock_ipfs_config_listen(config, NULL, 0, &error));
    MUST(sealock_ipfs_open(in(folder, "node").text, config, &node, &error));
    MUST(sealock_kubo_connect(chain->daemon, NULL, &daemon, &error));
    MUST(sealock_exchange_local_with_ipfs_on(in(folder, "ipfs").text, node, ledger, &others[0], &error));
    MUST(sealock_exchange_local_with_kubo_on(in(folder, "kubo").text, daemon, ledger, &others[1], &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_exchange_local_with_ipfs_on("", node, ledger, &none, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_exchange_local_with_kubo_on("", daemon, ledger, &none, &error));
    sealock_ledger_free(ledger);
    sealock_ipfs_free(node);
    sealock_kubo_free(daemon);
    CHECK(assets_of(exchange) == 1);
    for (size_t i = 0; i < COUNT(others); i++) {
        CHECK(assets_of(others[i]) == 1);
        sealock_exchange_free(others[i]);
    }
    sealock_ipfs_config_free(config);
    sealock_consumer_free(consumer);
    sealock_asset_free(asset);
    sealock_exchange_free(exchange);
}

// An owner publishes for two OCEAN, a consumer buys, orders and asks, and the owner collects.
static void the_story_on_a_chain(const struct chain *chain, const char *folder, const sealock_ledger *ledger) {
    uint8_t ocean[SEALOCK_ADDRESS_BYTES], token[SEALOCK_ADDRESS_BYTES], nft[SEALOCK_ADDRESS_BYTES];
    struct market m = {0};
    sealock_buffer *amount;
    sealock_account *owner = chain->owner, *buyer = chain->buyer;
    MUST(sealock_ledger_ocean_token(ledger, ocean, sizeof ocean, &error));
    FAILS(SEALOCK_ERROR_INVALID_ARGUMENT, sealock_exchange_local_on("", ledger, &m.exchange, &error));
    MUST(sealock_exchange_local_on(in(folder, "market").text, ledger, &m.exchange, &error));
    MUST(sealock_exchange_owner(m.exchange, owner, &m.owner, &error));
    MUST(sealock_owner_node(m.owner, &m.node, &error));
    m.schema = people_schema();
    MUST(sealock_table_from_csv(m.schema, (const uint8_t *)PEOPLE, strlen(PEOPLE), 0, &m.table, &error));
    m.policy = people_policy_of_queries();
    MUST(sealock_terms_fixed(ocean, sizeof ocean, "2", &m.terms, &error));
    MUST(sealock_terms_uses_per_order(m.terms, 3, &error));
    MUST(sealock_offer_new("People", m.table, m.policy, m.terms, &m.offer, &error));
    MUST(sealock_owner_publish(m.owner, m.offer, NULL, &m.published, &error));
    MUST(sealock_published_asset(m.published, &m.asset, &error));
    MUST(sealock_asset_datatoken(m.asset, token, sizeof token, &error));
    MUST(sealock_asset_nft(m.asset, nft, sizeof nft, &error));

    // One pays the price and the fees. The owner is paid when it collects.
    MUST(sealock_exchange_consumer(m.exchange, buyer, &m.consumer, &error));
    MUST(sealock_exchange_sale_fees(m.exchange, token, sizeof token, "1", ocean, sizeof ocean, &amount, &error));
    double fees = number(amount), paid = balance(m.exchange, ocean, buyer), had = balance(m.exchange, ocean, owner);
    FAILS(SEALOCK_ERROR_INSUFFICIENT_BALANCE, sealock_consumer_order(m.consumer, m.asset, &m.order, &error));
    MUST(sealock_consumer_buy(m.consumer, m.asset, 1, &error));
    paid -= balance(m.exchange, ocean, buyer);
    CHECK(about(paid, 2 + fees) && about(balance(m.exchange, token, buyer), 1));
    CHECK(about(balance(m.exchange, ocean, owner), had));
    MUST(sealock_exchange_collect(m.exchange, owner, token, sizeof token, &amount, &error));
    CHECK(says(amount, "2"));
    CHECK(about(balance(m.exchange, ocean, owner), had + 2));
    MUST(sealock_exchange_collect(m.exchange, owner, token, sizeof token, &amount, &error));
    CHECK(says(amount, "0"));

    // The order, a question and its answer, which is that of the plaintext.
    sealock_query *query = people_query(0);
    sealock_ticket *ticket;
    sealock_request *request;
    sealock_result *result;
    sealock_receipt *receipt;
    sealock_answer *answer;
    static const double means[] = {8.0 / 3.0, 22.0 / 4.0}, counts[] = {3, 5};
    double value;
    int32_t present;
    size_t rows;
    MUST(sealock_consumer_order(m.consumer, m.asset, &m.order, &error));
    MUST(sealock_order_request(m.order, query, NULL, &ticket, &error));
    // Under Valgrind, loading the key takes longer than a proof is good for. It is loaded now.
    MUST(sealock_ticket_renew(ticket, &error));
    MUST(sealock_ticket_request(ticket, &request, &error));
    MUST(sealock_node_run(m.node, request, NULL, &result, &receipt, &error));
    MUST(sealock_ticket_open(ticket, result, receipt, &answer, &error));
    MUST(sealock_answer_rows(answer, &rows, &error));
    CHECK(rows == COUNT(means));
    for (size_t i = 0; i < COUNT(means); i++) {
        MUST(sealock_answer_double(answer, "mean(visits)", i, &value, &present, &error));
        CHECK(present && value == means[i]);
        MUST(sealock_answer_double(answer, "count", i, &value, &present, &error));
        CHECK(present && value == counts[i]);
    }

    it_is_found_elsewhere(chain, folder, nft, token);

    sealock_answer_free(answer);
    sealock_receipt_free(receipt);
    sealock_result_free(result);
    sealock_request_free(request);
    sealock_ticket_free(ticket);
    sealock_query_free(query);
    close_market(&m);
}

static void on_a_chain(char **arguments) {
    char folder[] = "/tmp/sealock-ocean-XXXXXX";
    struct chain chain = open_chain(arguments);
    make_folder(folder);
    struct path cache = in(folder, "logs");
    sealock_ocean_options options = {.struct_size = sizeof options,
                                     .chain_id = 8996,
                                     .head_counts = 1,
                                     .cache_path = cache.text,
                                     .timeout = 60000,
                                     .patience = 120000,
                                     .offer_seconds = 7200};
    sealock_ledger *ledger, *second;
    connections_are_refused(&chain);
    MUST(sealock_ocean_connect(chain.url, chain.addresses, &options, &ledger, &error));
    FAILS(SEALOCK_ERROR_LOCKED, sealock_ocean_connect(chain.url, chain.addresses, &options, &second, &error));
    a_chain_is_looked_at(&chain, ledger);
    the_story_on_a_chain(&chain, folder, ledger);
    sealock_ledger_free(ledger);
    remove_folder(folder);
    close_chain(&chain);
}

int main(int count, char **arguments) {
    if (count != 1 && count != 8)
        return fprintf(stderr, "ocean [<URL> <address.json> <three secrets> <digest of a transaction> <daemon>]\n"), 2;
    key_files_open();
    no_chain();
    the_embedded_ledger_holds_nothing();
    if (count > 1) on_a_chain(arguments + 1);
    return failures("ocean");
}
