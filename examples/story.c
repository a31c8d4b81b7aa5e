// The whole story once, on real data: an insurer publishes, researchers buy and order, and one of them asks a question that
// the insurer cannot read and gets an answer that nobody else can. The same steps as in story.rs.
//
// Data: the RAND Health Insurance Experiment (see examples/data/README.md).
//
//     story examples/data

#define _XOPEN_SOURCE 700
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sealock.h>

#include "data/randhie.h"

enum { RESEARCHERS = 4 };

// The columns that the insurer publishes.
static sealock_schema *make_schema(void) {
    sealock_column *columns[COLUMNS];
    MUST(sealock_column_category("health", HEALTH, COUNT(HEALTH), &columns[0], &error));
    MUST(sealock_column_dimension(columns[0], &error));
    MUST(sealock_column_describe(columns[0], "self-rated health at the start", &error));
    MUST(sealock_column_category("cost_share", COST_SHARE, COUNT(COST_SHARE), &columns[1], &error));
    MUST(sealock_column_dimension(columns[1], &error));
    MUST(sealock_column_describe(columns[1], "share of the bill that the insured pays", &error));
    MUST(sealock_column_decimal("chronic", 6, "0", "60", &columns[2], &error));
    MUST(sealock_column_dimension(columns[2], &error));
    MUST(sealock_column_bins(columns[2], LIST("0", "5", "10", "15", "60"), &error));
    MUST(sealock_column_describe(columns[2], "index of chronic diseases", &error));
    MUST(sealock_column_integer("visits", 0, 100, &columns[3], &error));
    MUST(sealock_column_measure(columns[3], &error));
    MUST(sealock_column_describe(columns[3], "outpatient visits to a physician in a year", &error));
    sealock_schema *schema;
    MUST(sealock_schema_new((const sealock_column *const *)columns, COLUMNS, &schema, &error));
    for (int i = 0; i < COLUMNS; i++) sealock_column_free(columns[i]);
    return schema;
}

// ---------------------------------------------------------------------------------------------------------- steps

static int step_number;
static struct timespec step_began;

// Numbers the steps and times them.
static void step(const char *what) {
    printf("%d. %s\n", ++step_number, what);
    timespec_get(&step_began, TIME_UTC);
}

static void done(void) {
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    double seconds = (double)(now.tv_sec - step_began.tv_sec) + 1e-9 * (double)(now.tv_nsec - step_began.tv_nsec);
    printf("   %.2f s\n\n", seconds);
    fflush(stdout);
}

// A comparison with one hidden literal, or hidden texts.
static sealock_filter *compare(const char *column, int32_t op, sealock_literals *literals) {
    sealock_filter *filter;
    MUST(sealock_literals_hide(literals, &error));
    MUST(sealock_filter_compare(column, op, literals, &filter, &error));
    sealock_literals_free(literals);
    return filter;
}

static sealock_literals *integer(int64_t value) {
    sealock_literals *literals;
    MUST(sealock_literals_new(&literals, &error));
    MUST(sealock_literals_integer(literals, value, &error));
    return literals;
}

static sealock_literals *texts(const char *const *values, size_t count) {
    sealock_literals *literals;
    MUST(sealock_literals_new(&literals, &error));
    for (size_t i = 0; i < count; i++) MUST(sealock_literals_text(literals, values[i], &error));
    return literals;
}

// The kind and, printed, the reason of the node's latest refusal.
static sealock_status latest_refusal(const sealock_node *node) {
    sealock_refusals *refusals;
    size_t count;
    uint64_t at;
    sealock_status code;
    sealock_buffer *asset, *reason;
    MUST(sealock_node_refusals(node, &refusals, &error));
    MUST(sealock_refusals_count(refusals, &count, &error));
    if (count == 0) die("the node refused nothing");
    MUST(sealock_refusals_get(refusals, count - 1, &at, &code, &asset, &reason, &error));
    printf("   the insurer's log: %s\n", sealock_buffer_text(reason));
    sealock_buffer_free(asset);
    sealock_buffer_free(reason);
    sealock_refusals_free(refusals);
    return code;
}

// Runs a request that has to be rejected.
static void must_be_rejected(const sealock_node *node, const sealock_ticket *ticket, const char *told) {
    sealock_request *request;
    sealock_result *result;
    sealock_receipt *receipt;
    sealock_error *error = NULL;
    MUST(sealock_ticket_request(ticket, &request, &error));
    if (sealock_node_run(node, request, NULL, &result, &receipt, &error) != SEALOCK_ERROR_REJECTED)
        die("the node lets it through");
    printf("   %s: %s\n", told, sealock_error_message(error));
    sealock_error_free(error);
    sealock_request_free(request);
}

static sealock_account *generate(void) {
    sealock_account *account;
    MUST(sealock_account_generate(&account, &error));
    return account;
}

// ------------------------------------------------------------------------------------------------------ the story

static void publish(const struct records *records, const sealock_owner *insurer, const uint8_t *ocean,
                    sealock_asset **asset) {
    sealock_schema *schema = make_schema();
    sealock_table *table;
    struct ArrowSchema arrow_schema;
    struct ArrowArray arrow_array;
    to_arrow(records, &arrow_schema, &arrow_array);
    MUST(sealock_table_from_arrow_array(schema, &arrow_schema, &arrow_array, 0, &table, &error));
    sealock_schema_free(schema);

    sealock_policy *policy;
    MUST(sealock_policy_deny_all(&policy, &error));
    MUST(sealock_policy_dimensions(policy, LIST("health", "cost_share", "chronic"), &error));
    MUST(sealock_policy_measures(policy, LIST("visits"), &error));
    MUST(sealock_policy_aggregation(policy, SEALOCK_AGGREGATION_COUNT, &error));
    MUST(sealock_policy_aggregation(policy, SEALOCK_AGGREGATION_MEAN, &error));
    MUST(sealock_policy_any_program(policy, &error));
    MUST(sealock_policy_min_group_size(policy, 5, &error));
    MUST(sealock_policy_purpose(policy, "public health research", &error));
    sealock_terms *terms;
    MUST(sealock_terms_fixed(ocean, SEALOCK_ADDRESS_BYTES, "2", &terms, &error));
    MUST(sealock_terms_uses_per_order(terms, 3, &error));
    MUST(sealock_terms_valid_for(terms, 30 * 86400, &error));

    sealock_offer *offer;
    MUST(sealock_offer_new("RAND Health Insurance Experiment", table, policy, terms, &offer, &error));
    MUST(sealock_offer_description(
        offer, "Outpatient visits per person and year, with health, cost sharing and chronic diseases.", &error));
    MUST(sealock_offer_author(offer, "RAND Corporation", &error));
    MUST(sealock_offer_license(offer, "public domain", &error));
    MUST(sealock_offer_tags(offer, LIST("health", "insurance"), &error));
    sealock_published *published;
    MUST(sealock_owner_publish(insurer, offer, NULL, &published, &error));
    MUST(sealock_published_asset(published, asset, &error));

    size_t rows;
    uint64_t sealed_bytes;
    sealock_suppression suppression = {.struct_size = sizeof suppression};
    sealock_buffer *did;
    MUST(sealock_table_rows(table, &rows, &error));
    MUST(sealock_published_sealed_bytes(published, &sealed_bytes, &error));
    MUST(sealock_published_suppression(published, &suppression, &error));
    MUST(sealock_asset_did(*asset, &did, &error));
    printf("   %zu rows, %llu bytes in the store, as ciphertext\n", rows, (unsigned long long)sealed_bytes);
    printf("   %s\n", sealock_buffer_text(did));
    printf("   groups smaller than 5: %llu rows withheld\n", (unsigned long long)suppression.suppressed_rows);
    printf("   the store learns sizes; the ledger learns who published, the columns, the price and the policy\n");
    sealock_buffer_free(did);
    sealock_published_free(published);
    sealock_offer_free(offer);
    sealock_terms_free(terms);
    sealock_policy_free(policy);
    sealock_table_free(table);
}

// Mean and count of visits by health, of people whose cost sharing and chronic diseases are secret.
static sealock_query *make_query(void) {
    sealock_filter *cost_share = compare("cost_share", SEALOCK_OP_IN, texts(LIST("25-50%", "95-100%")));
    sealock_filter *chronic = compare("chronic", SEALOCK_OP_GE, integer(10)), *both;
    MUST(sealock_filter_and(cost_share, chronic, &both, &error));
    sealock_query *query;
    MUST(sealock_query_new(&query, &error));
    MUST(sealock_query_mean(query, "visits", &error));
    MUST(sealock_query_count(query, &error));
    MUST(sealock_query_filter(query, both, &error));
    MUST(sealock_query_group_by(query, LIST("health"), &error));
    sealock_filter_free(cost_share);
    sealock_filter_free(chronic);
    sealock_filter_free(both);
    return query;
}

// Shows the answer, and compares it with the one on the plaintext.
static void check_answer(const struct records *records, const sealock_answer *answer) {
    sealock_buffer *text;
    MUST(sealock_answer_to_text(answer, &text, &error));
    printf("%s\n\n", sealock_buffer_text(text));
    sealock_buffer_free(text);

    int64_t visits[CLASSES], people[CLASSES];
    plain_answer(records, visits, people);
    printf("   computed on the plaintext, without any of this:\n");
    int equal = 1;
    for (size_t row = 0; row < CLASSES; row++) {
        double plain = (double)visits[row] / (double)people[row], mean, count;
        int32_t has_mean, has_count;
        sealock_buffer *group;
        printf("   %-10s mean %.6f  count %lld\n", HEALTH[row], plain, (long long)people[row]);
        MUST(sealock_answer_group(answer, "health", row, &group, &error));
        MUST(sealock_answer_double(answer, "mean(visits)", row, &mean, &has_mean, &error));
        MUST(sealock_answer_double(answer, "count", row, &count, &has_count, &error));
        equal = equal && strcmp(sealock_buffer_text(group), HEALTH[row]) == 0 && has_mean && mean == plain &&
                has_count && count == (double)people[row];
        sealock_buffer_free(group);
    }
    if (!equal) die("the answer differs from the plaintext answer");
    printf("   The answer is the plaintext answer.\n\n");
}

static void story(const char *data, const char *folder) {
    struct records records = read_records(data);

    step("An exchange opens: a folder with a block store and a ledger. No chain, no service, no network.");
    sealock_exchange *exchange;
    sealock_account *market = generate(), *account = generate();
    uint8_t ocean[SEALOCK_ADDRESS_BYTES];
    sealock_owner *insurer;
    MUST(sealock_exchange_local(folder, &exchange, &error));
    MUST(sealock_ledger_deploy_token(exchange, market, "Ocean", "OCEAN", "1000000", ocean, sizeof ocean, &error));
    MUST(sealock_exchange_owner(exchange, account, &insurer, &error));
    sealock_account_free(account);
    printf("   the insurer makes the key that access proofs are made with; its secret part is forgotten\n");
    done();

    step("The insurer publishes its table: encrypts it, stores it, mints a data NFT and datatokens.");
    sealock_asset *asset;
    publish(&records, insurer, ocean, &asset);
    done();

    step("Four researchers buy a datatoken each and order. Each order carries a commitment to a fresh secret.");
    sealock_consumer *consumers[RESEARCHERS];
    sealock_order *orders[RESEARCHERS];
    for (int i = 0; i < RESEARCHERS; i++) {
        uint8_t address[SEALOCK_ADDRESS_BYTES];
        account = generate();
        MUST(sealock_exchange_consumer(exchange, account, &consumers[i], &error));
        sealock_account_free(account);
        MUST(sealock_consumer_address(consumers[i], address, sizeof address, &error));
        MUST(sealock_ledger_mint(exchange, market, ocean, sizeof ocean, address, sizeof address, "2", &error));
        MUST(sealock_consumer_buy(consumers[i], asset, 1, &error));
        MUST(sealock_consumer_order(consumers[i], asset, &orders[i], &error));
    }
    printf("   the ledger learns who paid, and when\n");
    done();

    step("One of them asks: mean and count of visits by health, of people whose cost sharing and chronic diseases are "
         "secret.");
    const sealock_order *order = orders[2];
    sealock_query *query = make_query();
    sealock_ticket *ticket;
    sealock_request *request;
    sealock_buffer *sent;
    MUST(sealock_order_request(order, query, NULL, &ticket, &error));
    MUST(sealock_ticket_request(ticket, &request, &error));
    MUST(sealock_request_to_bytes(request, &sent, &error));
    printf("   the request has %zu bytes: the program without its literals, the encrypted literals, the proof\n",
           sealock_buffer_length(sent));
    printf("   the proof says that one of the four orders is used, not which\n");
    done();

    step("The insurer's node admits the job, computes and releases.");
    sealock_node *node;
    sealock_grant *grant;
    sealock_computed *computed;
    sealock_result *result;
    sealock_receipt *receipt;
    sealock_buffer *returned;
    MUST(sealock_owner_node(insurer, &node, &error));
    MUST(sealock_node_admit_bytes(node, sealock_buffer_data(sent), sealock_buffer_length(sent), &grant, &error));
    MUST(sealock_node_compute(node, grant, &computed, &error));
    MUST(sealock_node_release(node, computed, &result, &receipt, &error));
    MUST(sealock_result_to_bytes(result, &returned, &error));
    printf("   the sealed result has %zu bytes\n", sealock_buffer_length(returned));
    printf("   the node learns the program's shape; not who asked, not the literals, not the answer\n");
    done();

    step("The researcher checks the receipt and opens the answer.");
    sealock_answer *answer;
    MUST(sealock_ticket_open(ticket, result, receipt, &answer, &error));
    done();
    check_answer(&records, answer);

    step("A job that the policy does not allow: the total of visits by cost sharing.");
    sealock_query *greedy;
    sealock_ticket *forced;
    sealock_error *local = NULL;
    MUST(sealock_query_new(&greedy, &error));
    MUST(sealock_query_sum(greedy, "visits", &error));
    MUST(sealock_query_group_by(greedy, LIST("cost_share"), &error));
    if (sealock_order_request(order, greedy, NULL, &forced, &local) == SEALOCK_OK)
        die("the consumer's own check lets it through");
    printf("   the researcher's own check, before anything is spent: %s\n", sealock_error_message(local));
    sealock_error_free(local);
    MUST(sealock_order_request_without_policy_check(order, greedy, &forced, &error));
    must_be_rejected(node, forced, "the node, to one who skips the check");
    if (latest_refusal(node) != SEALOCK_ERROR_POLICY_DENIED) die("the refusal is not the policy's");
    printf("   the use was not spent: a refused request costs nothing\n");
    done();

    step("A replay: the use that paid for the first question is to pay for a second.");
    sealock_query *second;
    sealock_ticket *replay;
    sealock_filter *young = compare("chronic", SEALOCK_OP_LT, integer(5));
    MUST(sealock_query_new(&second, &error));
    MUST(sealock_query_count(second, &error));
    MUST(sealock_query_filter(second, young, &error));
    sealock_filter_free(young);
    MUST(sealock_order_request_use(order, second, 0, &replay, &error));
    must_be_rejected(node, replay, "the node");
    if (latest_refusal(node) != SEALOCK_ERROR_NULLIFIER_SPENT) die("the refusal is not the nullifier's");
    sealock_result *again;
    sealock_receipt *same_receipt;
    uint8_t digests[2][SEALOCK_DIGEST_BYTES];
    MUST(sealock_node_run(node, request, NULL, &again, &same_receipt, &error));
    MUST(sealock_result_digest(result, digests[0], sizeof digests[0], &error));
    MUST(sealock_result_digest(again, digests[1], sizeof digests[1], &error));
    if (memcmp(digests[0], digests[1], sizeof digests[0]) != 0)
        die("the same request again does not give the same result");
    printf("   the first request again, as after a lost connection, gives the same result and costs nothing\n");
    done();

    sealock_receipts *receipts;
    size_t count;
    uint8_t signer[SEALOCK_ADDRESS_BYTES];
    MUST(sealock_node_receipts(node, &receipts, &error));
    MUST(sealock_receipts_count(receipts, &count, &error));
    MUST(sealock_owner_address(insurer, signer, sizeof signer, &error));
    MUST(sealock_receipts_verify_chain(receipts, signer, sizeof signer, &error));
    printf("The insurer's %zu receipt(s) verify. Done.\n", count);

    sealock_receipts_free(receipts);
    sealock_receipt_free(same_receipt);
    sealock_result_free(again);
    sealock_ticket_free(replay);
    sealock_query_free(second);
    sealock_ticket_free(forced);
    sealock_query_free(greedy);
    sealock_answer_free(answer);
    sealock_buffer_free(returned);
    sealock_receipt_free(receipt);
    sealock_result_free(result);
    sealock_computed_free(computed);
    sealock_grant_free(grant);
    sealock_node_free(node);
    sealock_buffer_free(sent);
    sealock_request_free(request);
    sealock_ticket_free(ticket);
    sealock_query_free(query);
    for (int i = 0; i < RESEARCHERS; i++) {
        sealock_order_free(orders[i]);
        sealock_consumer_free(consumers[i]);
    }
    sealock_asset_free(asset);
    sealock_owner_free(insurer);
    sealock_account_free(market);
    sealock_exchange_free(exchange);
    free_records(&records);
    if (sealock_live_handles() != 0) die("a handle was not freed");
}

static char folder[4096];

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *where) {
    (void)status, (void)kind, (void)where;
    return remove(path);
}

static void remove_folder(void) {
    nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

int main(int argc, char **argv) {
    if (argc != 2) die("usage: story <folder examples/data>");
    const char *temporary = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/sealock-story-XXXXXX", temporary ? temporary : "/tmp");
    if (!mkdtemp(folder)) die("no temporary folder can be made");
    atexit(remove_folder);
    story(argv[1], folder);
    return 0;
}
